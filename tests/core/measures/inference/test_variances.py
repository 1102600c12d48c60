"""Residual variances by target, and limits of shares of variance."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from core.errors import SpecError
from core.measures.inference.cells import Cells
from core.measures.inference.mixed import OF_TASKS, Components, fit_mixed
from core.measures.inference.variances import residual_precision, share_intervals
from tests.reference.cells import aggregate_cells
from tests.reference.mixed import fit_dense

COMPONENTS: Components = (("intermediate",), ("target",), ("intermediate", "target"))
MADE = ("intermediate", "target", "intermediate x target")


def crossed(
    seed: int, *, noise: tuple[float, ...] = (0.5, 0.5, 0.5, 0.5, 0.5), shape: tuple[int, int] = (12, 4)
) -> Cells:
    """Intermediates x targets x languages; the pairing is a fifth of all variance, runs spread by target."""
    rng, sizes = np.random.default_rng(seed), (shape[0], len(noise), shape[1])
    i, t, lang = (a.ravel() for a in np.indices(sizes))
    gain = (
        0.375**0.5 * (rng.normal(size=sizes[0])[i] + rng.normal(size=sizes[1])[t])
        + 0.5 * rng.normal(size=sizes[:2])[i, t] + np.array(noise)[t] * rng.normal(size=len(i))
    )  # fmt: skip
    covariates = {"difficulty": rng.normal(size=sizes[0])[i]}
    return aggregate_cells(gain, intermediate=i, target=t, language=lang, covariates=covariates)


def test_a_target_whose_runs_spread_more_weighs_less() -> None:
    found = residual_precision(crossed(0, noise=(0.2, 0.2, 1.0)), components=COMPONENTS)
    spread = {name: value**-0.5 for name, value in found.items()}
    assert spread["2"] / spread["0"] == pytest.approx(5, rel=0.35)
    assert spread["1"] / spread["0"] == pytest.approx(1, rel=0.35)


def test_one_target_and_few_rows_are_taken_alike() -> None:
    assert residual_precision(crossed(0, noise=(0.5,)), components=(("intermediate",),)) == {}
    few = crossed(0, noise=(0.2, 1.0), shape=(4, 1))
    assert set(residual_precision(few, components=(("intermediate",),)).values()) == {1.0}


def test_residual_variances_are_those_of_the_dense_likelihood() -> None:
    cells = crossed(1, noise=(0.2, 0.4, 1.0), shape=(6, 3))
    precision = residual_precision(cells, components=COMPONENTS)
    ours = fit_mixed(cells._replace(precision=precision), components=COMPONENTS)
    dense = fit_dense(cells, components=COMPONENTS)
    assert ours.log_likelihood == pytest.approx(dense.log_likelihood, abs=1e-3)
    for name in MADE:
        assert ours.variances[name] == pytest.approx(dense.variances[name], abs=0.01)
    for target, value in precision.items():
        assert ours.variances["residual"] / value == pytest.approx(dense.residuals[target], rel=0.02)
    assert [c.interval.estimate for c in ours.coefficients] == pytest.approx(dense.fixed.tolist(), abs=0.01)


@pytest.mark.slow
def test_base_tasks_with_variances_by_target_are_those_of_the_dense_likelihood() -> None:
    """The model of the analysis where thirds share a base task: a second route by the whole covariance matrix."""
    rng, noise = np.random.default_rng(4), np.array([0.2, 0.4, 1.0])
    task, third, t, lang = (a.ravel() for a in np.indices((5, 3, 3, 2)))
    similarity = (rng.normal(size=(5, 1)) + rng.normal(size=(5, 3)))[task, t]
    gain = (
        0.5 * third - 0.3 * similarity + rng.normal(size=5)[task] + 0.7 * rng.normal(size=(5, 3))[task, t]
        + 0.6 * rng.normal(size=(5, 3))[task, third] + rng.normal(size=3)[t]
        + 0.5 * rng.normal(size=(5, 3, 3))[task, third, t] + noise[t] * rng.normal(size=len(t))
    )  # fmt: skip
    cells = aggregate_cells(
        gain, intermediate=10 + 3 * task + third, target=t, language=lang,
        covariates={"difficulty": third.astype(float), "similarity": similarity},
    )  # fmt: skip
    base = (cells.levels["intermediate"].astype(int) - 10) // 3
    cells = cells._replace(levels=cells.levels | {"task": base.astype(str)})
    components = (*OF_TASKS, *COMPONENTS)
    precision = residual_precision(cells, components=components)
    ours = fit_mixed(cells._replace(precision=precision), components=components)
    dense = fit_dense(cells, components=components)
    assert ours.log_likelihood == pytest.approx(dense.log_likelihood, abs=5e-3)
    assert [c.interval.estimate for c in ours.coefficients] == pytest.approx(dense.fixed.tolist(), abs=0.02)
    for name in ("task", "task x target", *MADE):
        assert ours.variances[name] == pytest.approx(dense.variances[name], rel=0.05, abs=0.02)
    for target, value in precision.items():
        assert ours.variances["residual"] / value == pytest.approx(dense.residuals[target], rel=0.05)


def test_shares_add_up_and_hold_their_estimates() -> None:
    cells = crossed(2)
    fit = fit_mixed(cells, components=COMPONENTS)
    found = share_intervals(fit, cells=cells, terms=("difficulty",))
    assert {name: i.estimate for name, i in found.items() if name != "difficulty"} == pytest.approx(
        {name: fit.shares[name] for name in MADE}
    )
    assert all(0 <= i.low <= i.estimate <= i.high <= 1 for i in found.values())
    assert found["difficulty"].low == 0, "its coefficient's limits hold zero"
    assert found["intermediate x target"].n == 60


def test_the_rest_of_a_share_is_not_known_either() -> None:
    """Of four targets their variance is hardly known, so that the share of a well-known pairing is not known either."""
    found = share_intervals(fit := fit_mixed(cells := crossed(3, noise=(0.1,) * 4), components=COMPONENTS), cells=cells)
    pairing = found["intermediate x target"]
    assert fit.variances["residual"] < 0.05
    assert pairing.high - pairing.low > 0.25


def test_nothing_varies_and_nothing_is_shared_out() -> None:
    cells = aggregate_cells(
        [0.0] * 8, intermediate=list("aabbaabb"), target=list("xyxyxyxy"), language=list("llllmmmm"), covariates={}
    )
    fit = fit_mixed(cells, components=(("intermediate",),))
    with pytest.raises(SpecError, match="nothing to share out"):
        share_intervals(fit, cells=cells)


@pytest.mark.slow
def test_coverage_near_95_percent(request: pytest.FixtureRequest) -> None:
    """A true share of a fifth; 400 draws, standard error 1.1 points."""
    if not request.config.getoption("--run-slow", default=False):
        pytest.skip("slow: run with --run-slow")
    covered = 0
    for seed in itertools.islice(itertools.count(1000), 400):
        cells = crossed(seed)
        fit = fit_mixed(cells, components=COMPONENTS)
        found = share_intervals(fit, cells=cells)["intermediate x target"]
        covered += found.low <= 0.2 <= found.high
    assert 0.925 <= covered / 400 <= 0.99
