"""Cells: mean gains of one (intermediate, target, language) over seeds, the rows of every model across cells.

Seeds of a cell share every covariate, so 150,000 gains become some thousand cells before anything is fitted; the
number of runs behind each mean is its weight.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from core.errors import UnknownName
from core.measures.inference.intervals import Floats

FACTORS = ("intermediate", "target", "language")


class Cells(NamedTuple):
    """Mean gains: `levels` holds (n,) names of each factor, `covariates` (n, p), `weight` the runs behind each mean.

    The factor `task`, where there is one, is the base task of the intermediate: thirds and placebos of a data set share
    it.
    """

    gain: Floats
    weight: Floats
    levels: dict[str, NDArray[np.str_]]
    covariates: Floats
    names: tuple[str, ...]
    precision: Mapping[str, float] = MappingProxyType({})
    """Of a run at each target, relative to the others: runs of some targets spread more. Empty: the same."""

    @property
    def weights(self) -> Floats:
        """(n,) precision of each mean relative to the others."""
        known = [self.precision.get(str(name), 1.0) for name in self.levels["target"]] if self.precision else 1.0
        return np.asarray(self.weight * known)


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
    covariates = cells.covariates[keep][:, columns]
    return Cells(cells.gain[keep], cells.weight[keep], levels, covariates, names, cells.precision)


def fixed_design(cells: Cells) -> Floats:
    """(n, 1 + p) intercept and covariates."""
    return np.column_stack([np.ones(len(cells.gain)), cells.covariates])


def level_numbers(cells: Cells, *, factors: tuple[str, ...]) -> tuple[NDArray[np.intp], dict[str, int]]:
    """(n,) number of each cell's level, and the numbers by name.

    Args:
        factors: One factor, or several for their interaction.

    Raises:
        UnknownName: No factor of that name.
    """
    names, codes = np.unique(level_names(cells, factors=factors), return_inverse=True)
    return codes.ravel(), {str(name): number for number, name in enumerate(names)}


def level_names(cells: Cells, *, factors: tuple[str, ...]) -> NDArray[np.str_]:
    """(n,) names of the levels of a factor or an interaction.

    Args:
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
