"""Cells: mean gains of one (intermediate, target, language) over seeds, the rows of every model across cells.

Seeds of a cell share every covariate, so 150,000 gains become some thousand cells before anything is fitted; the
number of runs behind each mean is its weight.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from core.errors import DataError, UnknownName
from core.measures.inference.intervals import Floats, finite_vector

FACTORS = ("intermediate", "target", "language")


class Cells(NamedTuple):
    """Mean gains: `levels` holds (n,) names of each factor, `covariates` (n, p), `weight` the runs behind each mean."""

    gain: Floats
    weight: Floats
    levels: dict[str, NDArray[np.str_]]
    covariates: Floats
    names: tuple[str, ...]


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


def select_cells(cells: Cells, *, rows: NDArray[np.bool_] | None = None, terms: tuple[str, ...] | None = None) -> Cells:
    """Some rows, some covariates, or both.

    Args:
        cells: What to choose from.
        rows: (n,) which cells to keep; None: all.
        terms: Covariates to keep; None: all.

    Raises:
        UnknownName: No covariate of that name.
    """
    for term in terms or ():
        if term not in cells.names:
            raise UnknownName("covariate", term, known=cells.names)
    keep = np.ones(len(cells.gain), dtype=bool) if rows is None else rows
    names = cells.names if terms is None else terms
    columns = [cells.names.index(name) for name in names]
    levels = {factor: values[keep] for factor, values in cells.levels.items()}
    return Cells(cells.gain[keep], cells.weight[keep], levels, cells.covariates[keep][:, columns], names)


def fixed_design(cells: Cells) -> Floats:
    """(n, 1 + p) intercept and covariates.

    Args:
        cells: From `aggregate_cells`.
    """
    return np.column_stack([np.ones(len(cells.gain)), cells.covariates])


def level_numbers(cells: Cells, *, factors: tuple[str, ...]) -> tuple[NDArray[np.intp], dict[str, int]]:
    """(n,) number of each cell's level, and the numbers by name.

    Args:
        cells: From `aggregate_cells`.
        factors: One factor, or several for their interaction.

    Raises:
        UnknownName: No factor of that name.
    """
    names, codes = np.unique(level_names(cells, factors=factors), return_inverse=True)
    return codes.ravel(), {str(name): number for number, name in enumerate(names)}


def level_names(cells: Cells, *, factors: tuple[str, ...]) -> NDArray[np.str_]:
    """(n,) names of the levels of a factor or an interaction.

    Args:
        cells: From `aggregate_cells`.
        factors: One factor, or several for their interaction.

    Raises:
        UnknownName: No factor of that name.
    """
    for factor in factors:
        if factor not in cells.levels:
            raise UnknownName("factor", factor, known=cells.levels)
    names = cells.levels[factors[0]]
    for factor in factors[1:]:
        names = np.char.add(np.char.add(names, " x "), cells.levels[factor])
    return names
