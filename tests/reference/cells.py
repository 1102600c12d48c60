"""Cells from one row per run and language: what tests and benchmarks build models from, without a store."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike

from core.errors import DataError
from core.measures.inference.cells import FACTORS, Cells
from core.measures.inference.intervals import finite_vector


def aggregate_cells(
    gain: ArrayLike,
    *,
    intermediate: ArrayLike,
    target: ArrayLike,
    language: ArrayLike,
    covariates: Mapping[str, ArrayLike],
) -> Cells:
    """Mean gain of each (intermediate, target, language), with the number of runs behind it.

    Args:
        gain: (rows,) gains, one per run and language.
        intermediate: (rows,) names.
        target: (rows,) names.
        language: (rows,) codes.
        covariates: Name to (rows,) numbers, equal within a cell.

    Raises:
        DataError: A value is not finite, or a covariate differs within a cell.
    """
    values = finite_vector(gain, what="gains")
    columns = [np.unique(np.asarray(c, dtype=str), return_inverse=True) for c in (intermediate, target, language)]
    sizes = [len(names) for names, _ in columns]
    _, first, cell, counts = np.unique(
        np.ravel_multi_index(tuple(codes for _, codes in columns), sizes),
        return_index=True, return_inverse=True, return_counts=True,
    )  # fmt: skip
    tables = []
    for name, column in covariates.items():
        numbers = finite_vector(column, what=f"values of '{name}'")
        if not np.allclose(numbers, numbers[first][cell], rtol=1e-6, atol=1e-9):
            raise DataError(f"Covariate '{name}' differs between seeds of one cell; expected one value. Average it.")
        tables.append(numbers[first])
    return Cells(
        np.bincount(cell, weights=values) / counts,
        counts.astype(float),
        {factor: names[codes[first]] for factor, (names, codes) in zip(FACTORS, columns, strict=True)},
        np.column_stack(tables) if tables else np.empty((len(first), 0)),
        tuple(covariates),
    )
