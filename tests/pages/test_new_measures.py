"""A measure is one record: in its table, it is computed by a profile, stored, offered, drawn and documented."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from core.measures.difficulty.table import DIFFICULTIES, DifficultyMeasure, Learned
from core.measures.inference.intervals import Interval, Plan, mean_interval
from core.measures.similarity.pair import Pair, SimilarityMeasure
from core.measures.similarity.table import SIMILARITIES
from core.measures.transferability.table import SELECTORS, Selector, over_groups
from core.paths import REPO, AtlasPaths
from core.profiling.recipe import execute_profile
from core.queries.difficulty import ProfileView, difficulties, selector_scores
from core.queries.similarity import current_profile, similarities
from core.spec.profile import ProfileKind, ProfileSpec
from core.store.connection import Store
from core.store.ingest import ingest
from pages.widgets import shared
from tests.fakes import tiny_model, toy_context, toy_mirror, toy_protocol, toy_task
from tests.makers.tables import add_scores
from tests.pages.conftest import Open, checked
from tools.measures import with_tables

_INTERMEDIATES = {
    "mnli": "classification", "ccg": "tagging", "squad": "span_qa",
    "cosmosqa": "multiple_choice", "stsb": "regression",
}  # fmt: skip
_TARGETS = {"xnli": "classification", "udpos": "tagging", "xquad": "span_qa"}
_LANGS, _SEEDS = ("en", "de"), (1, 2)


def _length(pair: Pair) -> Interval:
    """How alike the sentences are in length: minus the difference in characters."""
    a, b = ([len(sentence) for sentence in text.sentences] for text in (pair.a, pair.b))
    gap = np.abs(np.array(a)[:, None] - np.array(b)[None, :]).mean(axis=1)
    return mean_interval(gap, rng=pair.rng())


def _surprise(learned: Learned, *, rng: np.random.Generator, plan: Plan) -> Interval:
    """Nats of the gold labels under the model of the whole budget."""
    return mean_interval(-learned.with_input.nats, rng=rng, plan=plan)


def _size(features: np.ndarray, *, labels: np.ndarray) -> float:
    del labels  # a selector that looks at the features alone
    return float(np.abs(features).mean())


SIMILARITY = SimilarityMeasure(
    name="sentence_length", title="Sentence length", unit="characters, 0 or more", direction=-1,
    meaning="How far sentences differ in length.", formula="mean |length − length|", source="this test",
    function=_length, is_embedded=False,
)  # fmt: skip
DIFFICULTY = DifficultyMeasure(
    name="surprise", title="Surprise", unit="nats an example", direction=1, meaning="How unlikely gold labels are.",
    formula="mean −log p(y | x)", source="this test", function=_surprise, across_types="no",
)  # fmt: skip
SELECTOR = Selector(
    name="feature_size", title="Feature size", unit="mean absolute value", direction=1,
    meaning="How large the features are.", formula="mean |F|", source="this test", function=over_groups(_size),
)  # fmt: skip


@pytest.fixture(scope="module")
def spec(tmp_path_factory: pytest.TempPathFactory) -> ProfileSpec:
    """A selectors profile of tiny data; the other kinds differ in little."""
    named = _INTERMEDIATES | _TARGETS
    return ProfileSpec(
        kind=ProfileKind.SELECTORS,
        model=tiny_model(tmp_path_factory.mktemp("model")).model_copy(update={"name": "atlas-mini"}),
        data_source=toy_mirror(tmp_path_factory.mktemp("hub"), kinds=tuple(set(named.values())), n=48),
        intermediates=tuple(_INTERMEDIATES),
        targets=tuple(_TARGETS),
        tasks=tuple(toy_task(kind, name=name) for name, kind in sorted(named.items())),
        protocol=toy_protocol(max_steps=3, evaluations=1, max_dev_examples=12).model_copy(update={"name": "quick"}),
        n=40,
        resamples=30,
        seed=1,
    )


@pytest.fixture(scope="module", autouse=True)
def _registered() -> Iterator[None]:
    """Three records in three tables, and nothing else."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(SIMILARITIES, SIMILARITY.name, SIMILARITY)
        patch.setitem(DIFFICULTIES, DIFFICULTY.name, DIFFICULTY)
        patch.setitem(SELECTORS, SELECTOR.name, SELECTOR)
        yield


@pytest.fixture(scope="module")
def filled(spec: ProfileSpec, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with the three profiles, and gains that grow with nothing."""
    home = tmp_path_factory.mktemp("home")
    paths = AtlasPaths(home)
    domain = {"kind": ProfileKind.DOMAIN, "protocol": None}
    for changes in ({}, domain, {"kind": ProfileKind.DIFFICULTY, "targets": ()}):
        each = ProfileSpec.model_validate(dict(spec) | changes)
        folder = paths.profile(each.profile_id)
        folder.root.mkdir(parents=True)
        execute_profile(toy_context(each, home))
        folder.spec.write_text(each.canonical_json(), encoding="utf-8")
        folder.finished.write_text('{"seconds": 1.5}', encoding="utf-8")
    rng = np.random.default_rng(0)
    rows = pd.DataFrame(
        list(itertools.product(("none", *_INTERMEDIATES), _TARGETS, _LANGS, _SEEDS)),
        columns=["intermediate", "target", "lang", "seed"],
    )
    rows = rows.assign(
        score=rng.uniform(0.4, 0.8, len(rows)), model=spec.model.name, model_fingerprint=spec.model.fingerprint,
        protocol="quick", data_source="mirror",
    )  # fmt: skip
    with Store.open(paths.database) as store:
        ingest(store, paths)
        add_scores(store, rows)
    return home


@pytest.fixture
def home(filled: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The filled home, for `open_page`."""
    monkeypatch.setenv("ATLAS_HOME", str(filled))
    monkeypatch.chdir(REPO)
    yield filled
    shared._open(str(filled)).store.close()
    st.cache_data.clear()
    st.cache_resource.clear()


def _view(spec: ProfileSpec) -> ProfileView:
    return ProfileView("yours", spec.model.name, spec.model.fingerprint, "quick", "mirror")


def _options(at: AppTest, key: str) -> list[str]:
    return next(box for box in at.selectbox if box.key == key).options


def _drawn(at: AppTest) -> str:
    return "".join(chart.proto.spec for chart in at.get("plotly_chart"))


def test_a_similarity_is_computed_stored_offered_and_drawn(filled: Path, home: Path, open_page: Open) -> None:
    with Store.open(":memory:") as store:
        ingest(store, AtlasPaths(filled))
        with store.cursor() as cur:
            profile = current_profile(cur, data_source="mirror")
            assert profile is not None
            rows = similarities(cur, profile, target="xnli", measure=SIMILARITY.name)
    assert len(rows) == len(_INTERMEDIATES) * 3, "the English training text and two tests"
    assert (rows["ci_low"] <= rows["value"]).all() and not rows["centred"].any()
    at = open_page("pages/transfer.py", target="xnli")
    picker = next(box for box in at.selectbox if box.key == "measure")
    assert SIMILARITY.title in picker.options
    checked(picker.set_value(SIMILARITY.name).run())
    assert "Sentence length (axis turned: smaller is closer)" in _drawn(at)
    at = open_page("pages/analysis.py", part="Effects", similarity=SIMILARITY.name)
    assert SIMILARITY.title in _options(at, "similarity")
    assert "Sentence length, sign turned, characters" in _drawn(at)


def test_a_difficulty_is_computed_stored_offered_and_drawn(
    spec: ProfileSpec, filled: Path, home: Path, open_page: Open
) -> None:
    with Store.open(":memory:") as store:
        ingest(store, AtlasPaths(filled))
        with store.cursor() as cur:
            rows = difficulties(cur, _view(spec), measure=DIFFICULTY.name)
    assert set(rows["intermediate"]) == set(_INTERMEDIATES)
    assert (rows["value"] == rows["hardness"]).all() and rows["resamples"].eq(30).all()
    at = open_page("pages/analysis.py", part="Effects", difficulty=DIFFICULTY.name)
    assert DIFFICULTY.title in _options(at, "difficulty")
    assert "Surprise, nats an example" in _drawn(at)


def test_a_selector_is_computed_stored_and_judged(spec: ProfileSpec, filled: Path, home: Path, open_page: Open) -> None:
    with Store.open(":memory:") as store:
        ingest(store, AtlasPaths(filled))
        with store.cursor() as cur:
            rows = selector_scores(cur, _view(spec))
    mine = rows[rows["selector"] == SELECTOR.name]
    assert set(zip(mine["intermediate"], mine["target"], strict=True)) == set(
        itertools.product(_INTERMEDIATES, _TARGETS)
    )
    at = open_page("pages/analysis.py", part="Predictions")
    table = next(frame.value for frame in at.dataframe if "ndcg_over_random" in frame.value)
    judged = table.set_index("selector").loc[SELECTOR.name]
    assert judged["pairs"] == 5 * 3 - 2, "all but MNLI before XNLI and SQuAD before XQuAD, which are in-task"
    assert pd.notna(judged["ndcg"])


def test_the_document_lists_them() -> None:
    marks = "".join(
        f"<!-- {kind}: written by `python -m tools.measures` --><!-- end of {kind} -->"
        for kind in ("similarity", "difficulty", "selectors")
    )
    for measure in (SIMILARITY, DIFFICULTY, SELECTOR):
        assert f"| `{measure.name}`<br>{measure.title} | {measure.meaning} |" in with_tables(marks)
