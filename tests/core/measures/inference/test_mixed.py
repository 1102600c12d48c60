"""The mixed model against a brute-force likelihood and statsmodels; its nulls; its degrees of freedom."""

from __future__ import annotations

import itertools
import time

import numpy as np
import pytest
from scipy import stats as scipy_stats

from core.errors import DataError, UnknownName
from core.measures.inference.cells import Cells, fixed_design, level_names, level_numbers, select_cells
from core.measures.inference.crossed import cross_products, maximise, projector, solve
from core.measures.inference.mixed import COMPONENTS, OF_TASKS, fit_mixed, naive_ols, predict_gains
from core.measures.inference.nulls import compare_with_additive, permutation_test
from tests.reference.cells import aggregate_cells
from tests.reference.mixed import fit_statsmodels

SMALL = (("intermediate",), ("target",), ("intermediate", "target"))


def simulate(
    seed: int, *, shape: tuple[int, int, int] = (8, 4, 3), effect: float = 0.0, noise: float = 0.5, runs: int = 1
) -> Cells:
    """Crossed gains with a similarity that varies by intermediate and target, and a difficulty by intermediate."""
    rng = np.random.default_rng(seed)
    names = [[f"{kind}{i:02d}" for i in range(size)] for kind, size in zip("itl", shape, strict=True)]
    grid = np.array(list(itertools.product(range(shape[0]), range(shape[1]), range(shape[2]), range(runs))))
    i, t, lang = grid[:, 0], grid[:, 1], grid[:, 2]
    similarity = (rng.normal(size=shape[0])[:, None] + 0.5 * rng.normal(size=shape[:2]))[i, t]
    difficulty = rng.normal(size=shape[0])[i]
    gain = (
        effect * similarity + rng.normal(size=shape[0])[i] + 0.7 * rng.normal(size=shape[1])[t]
        + 0.4 * rng.normal(size=shape[2])[lang] + 0.5 * rng.normal(size=shape[:2])[i, t]
        + noise * rng.normal(size=len(grid))
    )  # fmt: skip
    return aggregate_cells(
        gain, intermediate=np.array(names[0])[i], target=np.array(names[1])[t], language=np.array(names[2])[lang],
        covariates={"similarity": similarity, "difficulty": difficulty},
    )  # fmt: skip


def dense_covariance(cells: Cells, *, components: tuple[tuple[str, ...], ...], ratios: np.ndarray) -> np.ndarray:
    codes = [level_numbers(cells, factors=c)[0] for c in components]
    random = sum(r**2 * (c[:, None] == c[None, :]) for r, c in zip(ratios, codes, strict=True))
    return np.asarray(random + np.diag(1 / cells.weight))


def test_cells_are_means_over_seeds() -> None:
    # Cell a-x-en holds gains .1 and .3, so mean .2 with weight 2.
    cells = aggregate_cells(
        [0.1, 0.5, 0.3], intermediate=["a", "b", "a"], target=["x"] * 3, language=["en"] * 3,
        covariates={"size": [1, 2, 1]},
    )  # fmt: skip
    assert cells.gain == pytest.approx([0.2, 0.5])
    assert cells.weight.tolist() == [2, 1]
    assert cells.levels["intermediate"].tolist() == ["a", "b"]
    assert cells.covariates.tolist() == [[1], [2]]


def test_a_covariate_that_differs_in_a_cell_is_refused() -> None:
    with pytest.raises(DataError, match="'size' differs between seeds"):
        aggregate_cells(
            [1, 2], intermediate=["a", "a"], target=["x"] * 2, language=["en"] * 2, covariates={"size": [1, 2]}
        )


def test_an_unknown_term_lists_the_known() -> None:
    with pytest.raises(UnknownName, match="Did you mean 'similarity'"):
        select_cells(simulate(0), terms=("similarty",))


@pytest.mark.parametrize("reml", [True, False])
def test_likelihood_equals_the_multivariate_normal(reml: bool) -> None:
    cells = simulate(1, shape=(5, 3, 2))
    cells = cells._replace(weight=np.random.default_rng(0).integers(1, 4, len(cells.gain)).astype(float))
    fixed, y, ratios = fixed_design(cells), cells.gain, np.array([0.8, 0.3, 0.5])
    groups = [level_numbers(cells, factors=c)[0] for c in SMALL]
    solution = solve(cross_products(y, fixed=fixed, groups=groups, weights=cells.weight), ratios=ratios, reml=reml)
    v = dense_covariance(cells, components=SMALL, ratios=ratios) * solution.residual_variance
    inverse = np.linalg.inv(v)
    information = fixed.T @ inverse @ fixed
    beta = np.linalg.solve(information, fixed.T @ inverse @ y)
    deviance = -2 * scipy_stats.multivariate_normal(fixed @ beta, v).logpdf(y)
    if reml:
        deviance += np.linalg.slogdet(information)[1] - fixed.shape[1] * np.log(2 * np.pi)
    assert solution.fixed == pytest.approx(beta)
    assert solution.covariance == pytest.approx(np.linalg.inv(information))
    assert solution.deviance == pytest.approx(deviance)


def test_projector_equals_the_dense_matrix() -> None:
    cells = simulate(2, shape=(5, 3, 2))
    fixed, ratios = fixed_design(cells), np.array([0.8, 0.3, 0.5])
    groups = [level_numbers(cells, factors=c)[0] for c in SMALL]
    inverse = np.linalg.inv(dense_covariance(cells, components=SMALL, ratios=ratios))
    dense = inverse - inverse @ fixed @ np.linalg.solve(fixed.T @ inverse @ fixed, fixed.T @ inverse)
    project = projector(fixed=fixed, groups=groups, weights=cells.weight, ratios=ratios)
    assert project(np.eye(len(fixed))) == pytest.approx(dense, abs=1e-9)


def test_predictions_equal_the_dense_ones_and_unseen_levels_are_wider() -> None:
    cells = simulate(3, shape=(6, 3, 2), noise=1.0)
    rows = np.arange(len(cells.gain)) % 5 > 0
    fit = fit_mixed(select_cells(cells, rows=rows), components=SMALL)
    assert fit.solution is not None
    predicted = predict_gains(fit, cells=cells)
    prior = dense_covariance(cells, components=SMALL, ratios=fit.solution.ratios) - np.diag(1 / cells.weight)
    v = (prior + np.diag(1 / cells.weight))[np.ix_(rows, rows)]
    x, inverse = fixed_design(cells), np.linalg.inv(v)
    information = x[rows].T @ inverse @ x[rows]
    weight = prior[:, rows] @ inverse
    left = x - weight @ x[rows]
    variance = np.diag(prior - weight @ prior[rows] + left @ np.linalg.solve(information, left.T))
    mean = x @ fit.solution.fixed + weight @ (cells.gain[rows] - x[rows] @ fit.solution.fixed)
    assert predicted.mean == pytest.approx(mean, abs=1e-7)
    assert predicted.standard_error**2 == pytest.approx(variance * fit.solution.residual_variance, rel=1e-6)
    new = cells._replace(levels={**cells.levels, "intermediate": np.char.add(cells.levels["intermediate"], "-new")})
    assert np.all(predict_gains(fit, cells=new).standard_error > predicted.standard_error)
    assert np.all(predict_gains(fit, cells=cells, new_run=True).high > predicted.high)
    strange = {factor: np.char.add(names, "-new") for factor, names in cells.levels.items()}
    unseen = predict_gains(fit, cells=cells._replace(levels=strange)).mean
    assert unseen == pytest.approx(x @ fit.solution.fixed), "what was never seen adds nothing to the covariates"


@pytest.mark.parametrize("reml", [True, False])
def test_both_routes_agree(reml: bool) -> None:
    cells = simulate(4, effect=0.5)
    components = (("intermediate",), ("target",), ("language",), ("intermediate", "target"))
    ours, theirs = (fit(cells, components=components, reml=reml) for fit in (fit_mixed, fit_statsmodels))
    assert ours.log_likelihood == pytest.approx(theirs.log_likelihood, abs=0.01)
    for one, two in zip(ours.coefficients, theirs.coefficients, strict=True):
        assert one.interval.estimate == pytest.approx(two.interval.estimate, abs=2e-3)
    plain = np.sqrt(np.diag(ours.solution.covariance))  # theirs knows no adjustment for few units
    assert plain == pytest.approx([two.standard_error for two in theirs.coefficients], rel=0.02)
    # statsmodels stops a little short of a maximum on the boundary: ours is never the worse one.
    assert ours.log_likelihood >= theirs.log_likelihood - 1e-6
    assert ours.variances == pytest.approx(theirs.variances, abs=0.02)
    assert ours.shares == pytest.approx(theirs.shares, abs=0.02)


def test_statsmodels_refuses_unequal_weights() -> None:
    cells = simulate(5)
    with pytest.raises(DataError, match="rest on 1 to 2 runs"):
        fit_statsmodels(cells._replace(weight=np.where(np.arange(len(cells.gain)) == 0, 2.0, 1.0)))


def test_one_grouping_is_the_balanced_analysis_of_variance() -> None:
    # Balanced one-way: REML variance of groups = (MS_between - MS_within) / n; error of the mean sqrt(MS_between / N).
    y = np.array([1.0, 2, 3, 7, 8, 9, 4, 5, 9])
    cells = aggregate_cells(
        y, intermediate=list("aaabbbccc"), target=list("xyzxyzxyz"), language=["en"] * 9, covariates={}
    )
    fit = fit_mixed(cells, components=(("intermediate",),))
    # Group means 2, 8, 6: MS_between = 3 * 56/3 / 2 = 28; MS_within = (2 + 2 + 14) / 6 = 3.
    assert fit.variances == pytest.approx({"intermediate": 25 / 3, "residual": 3}, rel=1e-4)
    assert fit.coefficients[0].standard_error == pytest.approx((28 / 9) ** 0.5, rel=1e-4)
    assert fit.coefficients[0].df == pytest.approx(2, rel=0.01)


def test_degrees_of_freedom_count_intermediates_and_naive_does_not() -> None:
    cells = simulate(
        6
    )  # 8 intermediates x 4 targets; difficulty varies with the intermediate: 8 - 1 - 1, or 2 covariates
    fit, naive = fit_mixed(cells), naive_ols(cells)
    assert 4.5 <= fit.coefficients[2].df <= 6.5
    assert 5 <= fit.coefficients[1].df <= 7 * 3, "similarity: no more than pairs, however many languages"
    assert [c.df for c in naive] == [93, 93, 93]
    assert naive[2].standard_error < fit.coefficients[2].standard_error / 2
    assert fit.coefficients[1].interval.n == 8


def test_a_term_that_varies_by_language_has_no_degrees_of_freedom_from_languages() -> None:
    rng, cells = np.random.default_rng(0), simulate(6, shape=(5, 3, 12))
    moved = cells._replace(covariates=rng.normal(size=(len(cells.gain), 1)), names=("similarity",))
    assert fit_mixed(moved).coefficients[1].df == 4 * 2


def test_thirds_of_a_task_count_as_one() -> None:
    cells = of_tasks(simulate(6, shape=(12, 4, 3)), thirds=3)
    fit = fit_mixed(cells, components=(*OF_TASKS, *COMPONENTS))
    assert fit.coefficients[1].interval.n == 4
    assert set(fit.variances) >= {"task", "task x target"}
    found = permutation_test(cells, term="similarity", rng=np.random.default_rng(0), resamples=19)
    assert found.n_groups == 12, "it varies inside tasks: intermediates change places there"
    task = np.unique(cells.levels["task"], return_inverse=True)[1]
    shared = cells._replace(covariates=np.array([0.3, -1.0, 0.2, 1.5])[task][:, None], names=("size",))
    found = permutation_test(shared, term="size", rng=np.random.default_rng(0), resamples=199)
    assert found.n_groups == 4
    assert found.p_value >= 1 / 24, "four tasks have 24 orders"


def of_tasks(cells: Cells, *, thirds: int) -> Cells:
    """The same cells, `thirds` intermediates after another made of one base task."""
    number = np.unique(cells.levels["intermediate"], return_inverse=True)[1]
    return cells._replace(levels=cells.levels | {"task": np.char.mod("t%d", number // thirds)})


def test_an_interaction_names_all_its_factors() -> None:
    cells = simulate(1, shape=(1, 2, 2))
    names = level_names(cells, factors=("intermediate", "target", "language"))
    assert names.tolist() == [f"i00 x t0{t} x l0{lang}" for t in (0, 1) for lang in (0, 1)]
    codes, index = level_numbers(cells, factors=("target", "language"))
    assert codes.tolist() == [0, 1, 2, 3] and list(index) == ["t00 x l00", "t00 x l01", "t01 x l00", "t01 x l01"]


def test_as_many_folds_as_pairs_leave_one_out_and_more_are_refused() -> None:
    cells, components = simulate(4, shape=(4, 3, 2)), (("intermediate",), ("target",))
    found = compare_with_additive(cells, rng=np.random.default_rng(0), folds=12, components=components)
    assert found.improvement.n == 4
    with pytest.raises(DataError, match="12 .* pairs for 13 folds"):
        compare_with_additive(cells, rng=np.random.default_rng(0), folds=13, components=components)


def test_dependent_covariates_are_refused() -> None:
    cells = simulate(7)
    doubled = cells._replace(
        covariates=np.column_stack([cells.covariates, cells.covariates[:, 0]]), names=("a", "b", "c")
    )
    with pytest.raises(DataError, match="4 fixed terms cannot be told apart on 96 cells"):
        fit_mixed(doubled)


def test_permutation_finds_a_planted_effect_only() -> None:
    rng = np.random.default_rng(0)
    there = permutation_test(simulate(8, shape=(12, 4, 3), effect=1.5), term="similarity", rng=rng, resamples=199)
    absent = permutation_test(simulate(8, shape=(12, 4, 3)), term="similarity", rng=rng, resamples=199)
    assert there.p_value == pytest.approx(1 / 200)
    assert absent.p_value > 0.05
    assert there.n_groups == 12


def test_the_permuted_statistic_is_the_dense_t_of_the_order_that_was_observed() -> None:
    cells = simulate(8, shape=(6, 3, 2), effect=1.5)
    found = permutation_test(
        cells, term="similarity", rng=np.random.default_rng(0), resamples=19, components=SMALL
    )  # fmt: skip
    null = select_cells(cells, terms=("difficulty",))
    x, y = fixed_design(null), cells.gain
    groups = [level_numbers(null, factors=c)[0] for c in SMALL]
    ratios = maximise(cross_products(y, fixed=x, groups=groups, weights=null.weight)).ratios
    inverse = np.linalg.inv(dense_covariance(null, components=SMALL, ratios=ratios))
    p = inverse - inverse @ x @ np.linalg.solve(x.T @ inverse @ x, x.T @ inverse)
    z = cells.covariates[:, cells.names.index("similarity")]
    # Score over its root variance, the residual variance being y'Py over cells less covariates less intercept.
    expected = (z @ p @ y) / np.sqrt(z @ p @ z) / np.sqrt((y @ p @ y) / (len(y) - 2 - 1))
    assert found.statistic == pytest.approx(expected, rel=1e-6)
    assert (found.n_groups, found.resamples) == (6, 19)


def test_permutation_needs_shared_pairs() -> None:
    cells = simulate(9, shape=(3, 2, 2))
    with pytest.raises(DataError, match="3 intermediates share"):
        permutation_test(cells, term="similarity", rng=np.random.default_rng(0))


def test_additive_null_wins_without_and_loses_with_a_similarity_effect() -> None:
    components = (("intermediate",), ("target",), ("language",), ("intermediate", "target"))
    rng = np.random.default_rng(0)
    shape = (12, 6, 3)
    none = compare_with_additive(simulate(10, shape=shape), rng=rng, folds=6, components=components)
    strong = compare_with_additive(simulate(10, shape=shape, effect=3), rng=rng, folds=6, components=components)
    error = {m.name: m.rmse for m in strong.models}
    assert list(error) == ["mean", "additive", "covariates", "full"]
    assert error["full"] < error["additive"] < error["mean"]
    assert strong.improvement.low > 0
    assert strong.p_value < 0.001
    assert none.improvement.low < 0 < none.p_value
    # Every intermediate has as many cells, so the mean over intermediates is that over cells.
    assert strong.improvement.estimate == pytest.approx(error["additive"] ** 2 - error["full"] ** 2)
    assert strong.improvement.n == 12
    assert {m.name: m.n_parameters for m in strong.models} == {
        "mean": 2, "additive": 1 + 5, "covariates": 3 + 3, "full": 3 + 5
    }  # fmt: skip


def test_ten_thousand_runs_by_fifteen_languages_in_time() -> None:
    # 25 intermediates x 20 targets x 15 languages x 20 seeds = 150,000 gains -> 7,500 cells.
    start = time.perf_counter()
    cells = simulate(11, shape=(25, 20, 15), runs=20)
    made = time.perf_counter()
    fit = fit_mixed(cells)
    assert len(cells.gain) == 7500
    assert fit.variances["intermediate"] == pytest.approx(1, rel=0.9)
    assert time.perf_counter() - made < 20  # 0.5 s on an idle core; the machine may be shared
    assert made - start < 20


def test_maximum_is_not_beaten_by_neighbours() -> None:
    cells = simulate(12)
    groups = [level_numbers(cells, factors=c)[0] for c in SMALL]
    products = cross_products(cells.gain, fixed=fixed_design(cells), groups=groups, weights=cells.weight)
    best = maximise(products)
    for k, step in itertools.product(range(3), (-0.05, 0.05)):
        ratios = best.ratios.copy()
        ratios[k] = max(ratios[k] + step, 0)
        assert solve(products, ratios=ratios).deviance >= best.deviance - 1e-6


def test_one_random_effect_by_full_likelihood_is_fitted_without_a_word(capfd: pytest.CaptureFixture[str]) -> None:
    found = fit_mixed(simulate(6), components=(("intermediate",),), reml=False)
    assert set(found.variances) == {"intermediate", "residual"}
    assert capfd.readouterr() == ("", "")
