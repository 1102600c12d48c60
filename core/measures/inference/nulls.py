"""What the mixed model must beat: chance, by moving whole intermediates, and the additive intermediate + target model.

Choshen et al. (2022, 2211.00107) find that a gain splits into an effect of the intermediate and one of the target.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from core.errors import DataError
from core.measures.inference.cells import Cells, fixed_design, level_numbers, select_cells
from core.measures.inference.crossed import cross_products, maximise, projector
from core.measures.inference.intervals import Floats, Interval, t_interval
from core.measures.inference.mixed import COMPONENTS, Components, any_term, fit_mixed, predict_gains
from core.measures.inference.stats import Permutation

Report = Callable[[int, int], None]
"""Told how many parts of a long computation are done, and of how many."""


class ModelError(NamedTuple):
    """Error on held-out (intermediate, target) pairs, and the likelihood on all cells."""

    name: str
    rmse: float
    log_likelihood: float
    n_parameters: int


class NullComparison(NamedTuple):
    """Does anything beat "intermediate effect + target effect" (Choshen et al. 2022)?

    `improvement` is the drop in mean squared error from `additive` to `full`, a t interval over intermediates;
    `p_value` is of any covariate at all on the cells that were fitted (`any_term`).
    """

    models: tuple[ModelError, ...]
    improvement: Interval
    likelihood_ratio: float
    p_value: float


def permutation_test(
    cells: Cells,
    *,
    term: str,
    rng: np.random.Generator,
    resamples: int = 999,
    components: Components = COMPONENTS,
) -> Permutation:
    """Test of one term by giving each intermediate another intermediate's values, at every target and language.

    Where intermediates share base tasks, whole base tasks change places if the term is the same inside each, and
    otherwise the intermediates inside each base task, if each has two or more.

    The statistic is the generalised-least-squares t of the term beside the other covariates, at the variances of the
    model without it. Only (target, language) pairs that every intermediate has are used, so that values can move.

    Args:
        term: Name of the covariate.
        rng: Source of the orders.
        resamples: Number of random orders.
        components: Random effects.

    Raises:
        DataError: Fewer than four intermediates, or no pair that all of them share.
    """
    select_cells(cells, terms=(term,))
    kept = _complete(cells)
    null = select_cells(kept, terms=tuple(name for name in cells.names if name != term))
    groups = [level_numbers(null, factors=c)[0] for c in components]
    fixed = fixed_design(null)
    ratios = maximise(cross_products(null.gain, fixed=fixed, groups=groups, weights=null.weights)).ratios
    project = projector(fixed=fixed, groups=groups, weights=null.weights, ratios=ratios)
    inter, place = (
        level_numbers(kept, factors=("intermediate",))[0],
        level_numbers(kept, factors=("target", "language"))[0],
    )
    count = int(inter.max()) + 1
    task = np.unique(kept.levels.get("task", kept.levels["intermediate"]), return_inverse=True)[1]
    task_of = np.zeros(count, dtype=np.intp)
    task_of[inter] = task
    table = np.empty((count, int(place.max()) + 1))
    table[inter, place] = kept.covariates[:, cells.names.index(term)]
    drawn, n_groups = _orders(table, task_of=task_of, rng=rng, resamples=resamples)
    orders = np.vstack([np.arange(count), drawn])
    pulled = project(null.gain[:, None])[:, 0]
    scores = np.empty(len(orders))
    for start in range(0, len(orders), 64):
        moved = table[orders[start : start + 64]][:, inter, place].T
        spread = np.sum(moved * project(moved), axis=0)
        scores[start : start + 64] = pulled @ moved / np.sqrt(np.maximum(spread, 1e-300))
    # (n - p) / y'Py turns the scores into t statistics up to a factor that no order changes.
    scale = math.sqrt(max(len(null.gain) - len(cells.names) - 1, 1) / float(null.gain @ pulled))
    p_value = float(np.mean(np.abs(scores) >= abs(scores[0]) - 1e-9 * abs(scores[0])))
    return Permutation(float(scores[0] * scale), p_value, n_groups, resamples)


def _orders(
    table: Floats, *, task_of: NDArray[np.intp], rng: np.random.Generator, resamples: int
) -> tuple[NDArray[np.intp], int]:
    """(resamples, intermediates) whose values each gets, and how many units changed places."""
    count, sizes = len(table), np.bincount(task_of)
    first = np.array([int(np.flatnonzero(task_of == k)[0]) for k in range(len(sizes))])
    if np.allclose(table, table[first[task_of]]):
        return first[rng.permuted(np.tile(np.arange(len(sizes)), (resamples, 1)), axis=1)[:, task_of]], len(sizes)
    if sizes.min() < 2:
        return rng.permuted(np.tile(np.arange(count), (resamples, 1)), axis=1), count
    home = np.argsort(task_of, kind="stable")
    orders = np.empty((resamples, count), dtype=np.intp)
    orders[:, home] = np.lexsort([rng.random((resamples, count)), np.tile(task_of, (resamples, 1))], axis=1)
    return orders, count


def compare_with_additive(
    cells: Cells,
    *,
    rng: np.random.Generator,
    folds: int = 10,
    components: Components = COMPONENTS,
    report: Report = lambda done, total: None,
) -> NullComparison:
    """Held-out error and likelihood of: one mean, additive intermediate + target, covariates alone, and all together.

    Whole (intermediate, target) pairs are held out, with all their languages.

    Args:
        rng: Source of the folds.
        folds: Number of folds.
        components: Random effects of `additive` and `full`; `covariates` leaves out those of the intermediate.
        report: Told how many folds are done, and of how many.

    Raises:
        DataError: Fewer pairs than folds.
    """
    pair = level_numbers(cells, factors=("intermediate", "target"))[0]
    n_pairs = int(pair.max()) + 1
    if n_pairs < folds:
        raise DataError(f"{n_pairs} (intermediate, target) pairs for {folds} folds; expected at least as many pairs.")
    fold = (rng.permutation(n_pairs) % folds)[pair]
    no_intermediate = tuple(c for c in components if "intermediate" not in c) or (("language",),)
    plans: dict[str, tuple[tuple[str, ...], Components]] = {
        "additive": ((), components), "covariates": (cells.names, no_intermediate), "full": (cells.names, components),
    }  # fmt: skip
    errors = {"mean": np.empty(len(pair))} | {name: np.empty(len(pair)) for name in plans}
    for k in range(folds):
        report(k, folds)
        out = fold == k
        errors["mean"][out] = cells.gain[out] - np.average(cells.gain[~out], weights=cells.weights[~out])
        for name, (terms, parts) in plans.items():
            chosen = select_cells(cells, terms=terms)
            fit = fit_mixed(select_cells(chosen, rows=~out), components=parts, reml=False)
            errors[name][out] = cells.gain[out] - predict_gains(fit, cells=select_cells(chosen, rows=out)).mean
    return _judge(cells, errors=errors, plans=plans)


def _judge(
    cells: Cells, *, errors: dict[str, Floats], plans: dict[str, tuple[tuple[str, ...], Components]]
) -> NullComparison:
    fits = {name: fit_mixed(select_cells(cells, terms=t), components=c, reml=False) for name, (t, c) in plans.items()}
    spread = float(cells.gain.std())
    flat = -0.5 * len(cells.gain) * (1 + math.log(2 * math.pi * max(spread**2, 1e-300)))
    models = [ModelError("mean", math.sqrt(float(np.mean(errors["mean"] ** 2))), flat, 2)]
    for name, fit in fits.items():
        size = len(fit.coefficients) + len(fit.variances)
        models.append(ModelError(name, math.sqrt(float(np.mean(errors[name] ** 2))), fit.log_likelihood, size))
    drop = errors["additive"] ** 2 - errors["full"] ** 2
    inter = level_numbers(cells, factors=("intermediate",))[0]
    by_intermediate = np.bincount(inter, weights=drop) / np.bincount(inter)
    ratio = max(2 * (fits["full"].log_likelihood - fits["additive"].log_likelihood), 0.0)
    terms, components = plans["full"]
    p_value = any_term(fit_mixed(select_cells(cells, terms=terms), components=components))
    return NullComparison(tuple(models), t_interval(by_intermediate), ratio, p_value)


def _complete(cells: Cells) -> Cells:
    """The cells of (target, language) pairs that every intermediate has."""
    place = level_numbers(cells, factors=("target", "language"))[0]
    groups = len(np.unique(cells.levels["intermediate"]))
    full = (np.bincount(place) == groups)[place]
    if groups < 4 or not full.any():
        raise DataError(
            f"{groups} intermediates share {len(np.unique(place[full]))} (target, language) pairs; "
            "a permutation of whole intermediates needs 4 or more and 1 pair that all have. Run the missing cells."
        )
    return select_cells(cells, rows=full)
