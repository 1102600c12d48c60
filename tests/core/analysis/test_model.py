"""The analysis finds what was planted, agrees with statsmodels, and says when it cannot tell."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd
import pytest
from scipy.linalg import cholesky, solve_triangular

from core.analysis.answer import answer
from core.analysis.estimates import ESTIMATES, by_name, estimates_frame
from core.analysis.model import Analysis, additive_null, analyse, by_group, scale_label
from core.analysis.surfaces import adjusted, binned, marginal
from core.measures.inference.cells import fixed_design, level_numbers
from core.measures.inference.mixed import fit_mixed
from core.paths import REPO, AtlasPaths
from core.queries.evidence import AnalysisOptions, Evidence, evidence, runs_to_pool
from core.queries.filters import Filter
from core.store.connection import Store
from core.store.ingest import ingest
from tests.makers.tables import INTERMEDIATES, TARGETS, Planted, planted
from tests.reference.mixed import fit_statsmodels

EFFECT = Planted(difficulty=0.02, similarity=0.012, spread=0.006)


def gather(plan: Planted, *, options: AnalysisOptions | None = None, seed: int = 0) -> Evidence:
    wanted = options or AnalysisOptions()
    with Store.open(":memory:") as store:
        planted(store, plan, seed=seed)
        with store.cursor() as cur:
            return evidence(cur, runs_to_pool(cur, wanted.wanted), options=wanted)


@pytest.fixture(scope="module")
def strong() -> Evidence:
    return gather(EFFECT)


@pytest.fixture(scope="module")
def found(strong: Evidence) -> Analysis:
    return analyse(strong)


@pytest.fixture(scope="module")
def committed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Analysis]:
    """Of the laboratory's figures that the repository carries, those of an earlier version included."""
    options = AnalysisOptions(wanted=Filter(data_source="sample"), with_excluded=True)
    with pytest.MonkeyPatch.context() as patch, Store.open(":memory:") as store:
        patch.setenv("ATLAS_GALLERY", str(REPO / "data" / "gallery"))
        ingest(store, AtlasPaths(home=tmp_path_factory.mktemp("home")))
        with store.cursor() as cur:
            yield analyse(evidence(cur, runs_to_pool(cur, options.wanted), options=options))


@pytest.fixture(scope="module")
def strong_null(found: Analysis) -> pd.DataFrame:
    return additive_null(found)


@pytest.fixture(scope="module")
def nothing() -> Evidence:
    return gather(Planted(spread=0.004), seed=3)


@pytest.fixture(scope="module")
def none_found(nothing: Evidence) -> Analysis:
    return analyse(nothing)


def test_planted_effects_are_found(strong: Evidence, found: Analysis) -> None:
    rows = by_name(found.estimates)
    frame = strong.complete.drop_duplicates("intermediate")
    # Planted for one unit of the draws; the model speaks of one standard deviation over cells.
    sd = found.prepared.scales["difficulty"].sd
    assert rows["term", "difficulty"]["ci_low"] <= 0.02 * sd <= rows["term", "difficulty"]["ci_high"]
    assert rows["term", "difficulty"]["ci_low"] > 0
    assert rows["term", "similarity"]["ci_low"] > 0
    assert rows["term", "difficulty"]["n"] == len(frame) == 12
    assert rows["permutation", "similarity"]["p_value"] <= 0.01
    assert rows["share", "difficulty"]["ci_low"] > 0.1


def test_nothing_is_found_where_nothing_is(none_found: Analysis) -> None:
    rows = by_name(none_found.estimates)
    for name in ("difficulty", "similarity"):
        assert rows["term", name]["ci_low"] < 0 < rows["term", name]["ci_high"]
        assert rows["share", name]["ci_low"] == 0
        assert rows["permutation", name]["p_value"] > 0.05
    null = by_name(additive_null(none_found))
    assert null["null", "improvement"]["ci_low"] <= 0
    # A test of the fit in sample must not stand beside an interval of held-out error, as if the two were one.
    assert pd.isna(null["null", "improvement"]["p_value"])
    assert null["null", "likelihood_ratio"]["n_unit"] == "cells"
    assert 0 < null["null", "likelihood_ratio"]["p_value"] <= 1


def test_every_figure_says_what_it_is(found: Analysis, strong_null: pd.DataFrame) -> None:
    figures = pd.concat([found.estimates, strong_null])
    assert tuple(figures.columns) == ESTIMATES
    for column in ("label", "n", "n_unit", "unit", "method", "formula"):
        assert figures[column].notna().all(), column
    shares = figures[figures["kind"] == "share"]["estimate"]
    assert ((shares >= 0) & (shares <= 1)).all()


def test_the_naive_regression_is_too_sure(none_found: Analysis) -> None:
    rows = by_name(none_found.estimates)
    ours, naive = rows["term", "difficulty"], rows["naive", "difficulty"]
    assert ours["ci_high"] - ours["ci_low"] > 2 * (naive["ci_high"] - naive["ci_low"])
    assert naive["n"] == 188
    assert ours["n"] == 12


def test_equals_statsmodels(found: Analysis) -> None:
    assert found.fit is not None
    cells = found.prepared.cells
    alike = cells._replace(precision={}, weight=np.ones_like(cells.weight))  # MixedLM knows one residual variance
    ours, other = (fit(alike, components=found.prepared.components) for fit in (fit_mixed, fit_statsmodels))
    # Theirs may stop short of the maximum; ours may not, and where both reach it they must say the same.
    assert ours.log_likelihood >= other.log_likelihood - 1e-6
    if other.log_likelihood < ours.log_likelihood - 1e-4:
        pytest.skip(f"statsmodels stopped {ours.log_likelihood - other.log_likelihood:.3g} below the maximum")
    plain = np.sqrt(np.diag(ours.solution.covariance))
    for mine, error, theirs in zip(ours.coefficients, plain, other.coefficients, strict=True):
        assert mine.interval.estimate == pytest.approx(theirs.interval.estimate, abs=2e-5)
        # At variances of theirs that are as likely within 1e-4; at equal ones the dense route below agrees to 1e-6.
        assert error == pytest.approx(theirs.standard_error, rel=0.05)


@pytest.mark.slow
def test_the_gallery_equals_statsmodels(committed: Analysis) -> None:
    test_equals_statsmodels(committed)


@pytest.mark.parametrize("which", ["found", "committed"])
def test_equals_generalised_least_squares(which: str, request: pytest.FixtureRequest) -> None:
    """A dense second route: at the variances found, V = sum of Z G Z' + R gives estimates, errors and likelihood."""
    found: Analysis = request.getfixturevalue(which)
    assert found.fit is not None
    cells, fixed = found.prepared.cells, fixed_design(found.prepared.cells)
    codes = {" x ".join(c): level_numbers(cells, factors=c)[0] for c in found.prepared.components}
    assert set(found.fit.variances) == {*codes, "residual"}

    def fitted(variances: dict[str, float]) -> tuple[np.ndarray, np.ndarray, float]:
        v = np.diag(variances["residual"] / cells.weights)
        v += sum(variances[name] * (code[:, None] == code[None, :]) for name, code in codes.items())
        root = cholesky(v, lower=True, overwrite_a=True)
        white = solve_triangular(root, np.column_stack([fixed, cells.gain]), lower=True)
        x, y = white[:, :-1], white[:, -1]
        information = x.T @ x
        estimates = np.linalg.solve(information, x.T @ y)
        left = y - x @ estimates
        logs = 2 * np.log(np.diag(root)).sum() + np.linalg.slogdet(information)[1]
        freedom = len(cells.gain) - fixed.shape[1]
        likelihood = -0.5 * (logs + left @ left + freedom * np.log(2 * np.pi))
        return estimates, np.sqrt(np.diag(np.linalg.inv(information))), float(likelihood)

    estimates, errors, likelihood = fitted(found.fit.variances)
    assert [c.interval.estimate for c in found.fit.coefficients] == pytest.approx(estimates.tolist(), rel=1e-6)
    assert np.sqrt(np.diag(found.fit.solution.covariance)) == pytest.approx(errors, rel=1e-6)
    assert all(c.standard_error >= error * (1 - 1e-9) for c, error in zip(found.fit.coefficients, errors, strict=True))
    assert found.fit.log_likelihood == pytest.approx(likelihood, abs=1e-6)
    for name, value in found.fit.variances.items():  # and no other variance does better
        for factor in (0.8, 1.25):
            other = found.fit.variances | {name: value * factor if value > 0 else 1e-7}
            assert fitted(other)[2] <= likelihood + 1e-7, name


def test_a_term_that_does_not_vary_is_dropped_with_a_reason(found: Analysis) -> None:
    assert found.prepared.dropped == {"log_size": "the same everywhere (3.3)"}


def test_by_target_family_and_script(strong: Evidence) -> None:
    found = by_group(strong, kind="target")
    assert set(found["group"]) == set(TARGETS) - {"tatoeba"}, "nothing is trained for retrieval"
    terms = found[(found["kind"] == "term") & (found["name"] == "difficulty")]
    assert (terms["ci_low"] > 0).sum() >= 3
    assert set(by_group(strong, kind="script")["group"]) == {"Deva", "Hans", "Latn"}
    refused = by_group(strong, kind="family", least=99)
    assert refused["note"].str.contains("12 intermediates, 99 needed").all()


def test_the_sentence_follows_the_numbers(
    strong: Evidence, found: Analysis, strong_null: pd.DataFrame, nothing: Evidence, none_found: Analysis
) -> None:
    said = answer(strong, found, null=strong_null)
    assert said.weight == "fair"
    assert (
        "Harder intermediates go with larger gains: with one standard deviation more difficulty, the gain is"
        in said.headline
    )
    assert "% of the head-room larger" in said.headline
    assert any("off the squared error of that prediction" in d for d in said.details)
    assert "Harder intermediates go with about the same gains" in answer(nothing, none_found).headline
    turned = gather(Planted(difficulty=-0.02, similarity=-0.012, spread=0.006))
    assert "% of the head-room smaller" in answer(turned, analyse(turned)).headline


def test_the_sentence_changes_with_the_filter(strong: Evidence, found: Analysis) -> None:
    part = gather(EFFECT, options=AnalysisOptions(wanted=Filter(target="sib200")))
    said = answer(part, analyse(part))
    assert said.headline != answer(strong, found).headline
    assert "before 1 target in " in said.headline
    assert "only one target, so the result may not hold for others" in said.reasons


def test_thin_evidence_is_called_thin() -> None:
    thin = gather(Planted(intermediates=INTERMEDIATES[:5], seeds=(1,), spread=0.02))
    said = answer(thin, analyse(thin))
    assert said.weight == "thin"
    assert "only 5 intermediates (this program calls fewer than 8 thin)" in said.headline
    none = gather(Planted(intermediates=INTERMEDIATES[:3]))
    said = answer(none, analyse(none))
    assert said.weight == "none"
    assert said.headline.startswith("The evidence does not answer the question yet: 3 intermediates")


def test_bins_count_intermediates(strong: Evidence) -> None:
    found = binned(strong)
    assert found["cells"].sum() == strong.units.cells
    assert found.loc[found["intermediates"] > 1, "ci_low"].notna().all()
    low, high = found[found["difficulty_bin"] == 0]["gain"].mean(), found[found["difficulty_bin"] == 2]["gain"].mean()
    assert high > low


def test_adjusting_takes_the_level_of_a_target_out() -> None:
    # Gains .1 and .3 in one language, 1.1 and 1.3 in the other: means .2 and 1.2, grand mean .7, so both languages
    # become .6 and .8.
    frame = pd.DataFrame({"intermediate": ["a", "b"] * 2, "target": ["t"] * 4, "lang": ["x", "x", "y", "y"],
                          "gain": [0.1, 0.3, 1.1, 1.3], "seed": [1] * 4, "complete": [True] * 4})  # fmt: skip
    frame = frame.assign(**dict.fromkeys(("difficulty", "similarity", "type_match", "log_size", "distance"), 0.0))
    frame = frame.assign(family="f", script="s", task="a", divisor=1.0)
    cells = adjusted(Evidence(frame, None, None, None, None, {}))  # type: ignore[arg-type]  # only the frame is read
    assert cells["adjusted"].tolist() == pytest.approx([0.6, 0.6, 0.8, 0.8])


def test_the_marginal_line_has_the_model_s_slope(strong: Evidence, found: Analysis) -> None:
    drawn = marginal(strong, found, name="difficulty")
    assert drawn is not None and found.fit is not None
    (term,) = (c for c in found.fit.coefficients if c.name == "difficulty")
    rise = np.polyfit(drawn.line["x"], drawn.line["gain"], 1)[0]
    assert rise == pytest.approx(term.interval.estimate / found.prepared.scales["difficulty"].sd)
    assert len(drawn.points) == 12
    away = np.abs(drawn.line["x"] - found.prepared.scales["difficulty"].mean) / found.prepared.scales["difficulty"].sd
    half = term.interval.high - term.interval.estimate
    for limit in ("low", "high"):  # the band is that of the slope: no width at the average
        assert (drawn.line[limit] - drawn.line["gain"]).abs().to_numpy() == pytest.approx(half * away.to_numpy())
    assert (drawn.line["low"] < drawn.line["high"]).all()
    assert (drawn.line["x"].min(), drawn.line["x"].max()) == (drawn.points["x"].min(), drawn.points["x"].max())
    assert (drawn.points["cells"].sum(), len(drawn.line)) == (strong.units.cells, 40)
    assert "head-room" in scale_label("difficulty", evidence=strong).lower()


def test_unknown_columns_are_refused() -> None:
    with pytest.raises(KeyError, match="no columns"):
        estimates_frame([{"kind": "term", "colour": "red"}])
