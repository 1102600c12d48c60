"""Thirds of a set that differ in one value and are matched in others."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from core.errors import DataError, SpecError
from core.measures.inference.intervals import finite_vector


class Covariate(NamedTuple):
    """What thirds are matched in beside their labels."""

    name: str
    """For messages: `length`."""
    values: ArrayLike
    """(n,) in any unit."""
    bins: int
    """Quantile bins within each label, or within each bin of the covariate before it: more of them match closer and
    leave out more examples."""


def matched_thirds(values: ArrayLike, *, labels: ArrayLike, covariates: Sequence[Covariate] = ()) -> NDArray[np.int8]:
    """Third of each example: 0 high, 1 middle, 2 low in value, -1 left over; equal in size, labels and covariates.

    Within each stratum (label x quantile bin of the first covariate x bin of the second within it ...) examples are
    sorted by value and cut in three equal parts; the one or two examples over are left out. Ties go by position, so
    equal input gives equal thirds.

    Args:
        values: (n,) what the thirds differ in.
        labels: (n,) label ids; a constant where there are no classes.
        covariates: What the thirds do not differ in, the most important first.

    Raises:
        DataError: Lengths differ, or no stratum has three examples.
        SpecError: Fewer than one bin.
    """
    found = finite_vector(values, what="values")
    classes = np.unique(np.asarray(labels), return_inverse=True)[1].ravel()
    matched = [each._replace(values=finite_vector(each.values, what=each.name)) for each in covariates]
    sizes = {"values": found.size, "labels": classes.size} | {each.name: np.size(each.values) for each in matched}
    if len(set(sizes.values())) > 1:
        raise DataError(f"{', '.join(f'{n} {name}' for name, n in sizes.items())}; expected one of each.")
    strata = [np.flatnonzero(classes == label) for label in range(int(classes.max()) + 1)]
    for each in matched:
        strata = [part for stratum in strata for part in _cut(stratum, each)]
    thirds = np.full(found.size, -1, dtype=np.int8)
    for stratum in strata:
        part = len(stratum) // 3
        order = np.sort(stratum)[np.argsort(-found[np.sort(stratum)], kind="stable")]
        spare = len(stratum) - 3 * part
        # The spare ones come from the borders between thirds, where high and low differ least.
        keep = np.delete(order, [part + i * (part + 1) for i in range(spare)]) if part else order[:0]
        thirds[keep] = np.repeat(np.arange(3, dtype=np.int8), part)
    if not np.any(thirds >= 0):
        raise DataError(f"{found.size} examples in {len(strata)} bins: no bin has three. Use fewer bins.")
    return thirds


def _cut(stratum: NDArray[np.intp], covariate: Covariate) -> list[NDArray[np.intp]]:
    if covariate.bins < 1:
        raise SpecError(f"{covariate.bins} bins of {covariate.name}; expected 1 or more.")
    values = np.asarray(covariate.values)[stratum]
    return np.array_split(stratum[np.argsort(values, kind="stable")], covariate.bins)


def standardised_difference(a: ArrayLike, b: ArrayLike) -> float:
    """Difference of two means, a less b, in standard deviations within the two (root of the mean of the variances).

    0 where neither varies and both are equal. Below 0.1 two groups count as balanced (Austin 2009).

    Args:
        a: (n,) values of one group.
        b: (m,) of the other.

    Raises:
        DataError: A group is empty, or neither varies although they differ.
    """
    one, other = finite_vector(a, what="values of a group"), finite_vector(b, what="values of a group")
    gap, spread = float(one.mean() - other.mean()), float(np.sqrt((one.var() + other.var()) / 2))
    if spread > 0:
        return gap / spread
    if gap:
        raise DataError(f"Two groups of equal values, {one[0]:g} and {other[0]:g}: their gap has no unit to stand in.")
    return 0.0


def gap_of_shares(a: ArrayLike, b: ArrayLike) -> float:
    """Largest difference of any label's share in two groups, 0 to 1.

    Args:
        a: (n,) label ids of one group, at least one.
        b: (m,) of the other.
    """
    one, other = np.asarray(a), np.asarray(b)
    return max(abs(float(np.mean(one == label) - np.mean(other == label))) for label in np.union1d(one, other))
