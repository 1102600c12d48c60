"""Selectors of an encoder after a stage: whose texts they read, one class an example, and that they see what is."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from scipy import special

from core.chain.pipeline import execute
from core.encoder.loading import load_encoder
from core.errors import DataError
from core.events import DataLoaded, Event, PointSkipped, StageFinished, StageReused
from core.heads.states import Encoder
from core.measures.transferability.table import SELECTORS, Candidate
from core.measures.transferability.task_embedding import fit_linear_head
from core.paths import AtlasPaths
from core.profiling.recipe import execute_profile
from core.profiling.selector_features import FEWEST_OF_A_CLASS, pick, squared_gradients, states
from core.profiling.selectors import score_candidate
from core.queries.similarity import measured
from core.spec.model import ModelSpec
from core.spec.profile import ProfileKind, ProfileSpec
from core.spec.run import DataSource
from core.store.connection import Store
from core.store.ingest import ingest
from core.types.pieces import IGNORED
from tests.fakes import TRAINED, tiny_model, toy_context, toy_mirror, toy_protocol, toy_run, toy_split, toy_task

_KINDS = ("classification", "tagging", "span_qa", "retrieval")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> ModelSpec:
    return tiny_model(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="module")
def encoder(model: ModelSpec) -> Encoder:
    return load_encoder(model)


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> DataSource:
    return toy_mirror(tmp_path_factory.mktemp("hub"), kinds=_KINDS[:3], n=60)


@pytest.fixture(scope="module")
def make(model: ModelSpec, source: DataSource) -> Callable[..., ProfileSpec]:
    def made(**changes: object) -> ProfileSpec:
        fields = {
            "kind": ProfileKind.SELECTORS,
            "model": model,
            "data_source": source,
            "intermediates": ("toy_classification", "toy_tagging~mlm"),
            "targets": ("toy_classification", "toy_retrieval", "toy_span_qa", "toy_tagging"),
            "tasks": tuple(sorted((toy_task(kind) for kind in _KINDS), key=lambda t: t.name)),
            "protocol": toy_protocol(),
            "n": 50,
            "resamples": 40,
            "seed": 1,
        }
        return ProfileSpec.model_validate(fields | changes)

    return made


def _run(spec: ProfileSpec, home: Path) -> list[Event]:
    seen: list[Event] = []
    paths = AtlasPaths(home)
    paths.profile(spec.profile_id).root.mkdir(parents=True, exist_ok=True)
    execute_profile(toy_context(spec, home, emit=seen.append))
    return seen


@pytest.fixture(scope="module")
def done(make: Callable[..., ProfileSpec], tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Event]]:
    home = tmp_path_factory.mktemp("home")
    return home, _run(make(), home)


def test_every_pair_has_every_selector_and_what_cannot_be_says_why(
    done: tuple[Path, list[Event]], make: Callable[..., ProfileSpec]
) -> None:
    home, events = done
    rows = pq.read_table(AtlasPaths(home).profile(make().profile_id).table("selector_scores")).to_pylist()
    found = {(r["intermediate"], r["target"], r["selector"]) for r in rows}
    pairs = [(i, f"toy_{t}") for i in ("toy_classification", "toy_tagging~mlm") for t in _KINDS[:3]]
    wanted = {(i, t, s) for i, t in pairs for s in SELECTORS}
    of_tasks = {"task_embedding", "leep", "nce"}  # masked-language modelling has neither labels nor a head for them
    assert found == {key for key in wanted if key[0] == "toy_classification" or key[2] not in of_tasks}
    assert len(found) == len(rows), "the primary key of the table selector_scores"
    assert all(r["ci_low"] <= r["value"] <= r["ci_high"] for r in rows)
    assert all(2 * FEWEST_OF_A_CLASS <= r["n"] <= 50 for r in rows)
    skipped = {e.point: e.reason for e in events if isinstance(e, PointSkipped)}
    assert set(skipped) == {"toy_retrieval", "toy_tagging~mlm: task_embedding", "toy_tagging~mlm: leep, nce"}
    assert "scored and never trained" in skipped["toy_retrieval"]
    assert "no labels" in skipped["toy_tagging~mlm: task_embedding"]


def test_only_english_training_and_development_files_are_read(done: tuple[Path, list[Event]]) -> None:
    loaded = {(e.lang, e.role) for e in done[1] if isinstance(e, DataLoaded)}
    assert loaded == {("en", "train"), ("en", "dev")}, "development data select the stage's checkpoint, nothing else"


def test_the_stage_is_that_of_the_runs(done: tuple[Path, list[Event]], model: ModelSpec, source: DataSource) -> None:
    home, events = done
    assert sorted(e.name for e in events if isinstance(e, StageFinished)) == ["toy_classification", "toy_tagging~mlm"]
    run = toy_run(model, target="tagging", intermediate="toy_classification", source=source)
    facts: list[Event] = []
    execute(toy_context(run, home, emit=facts.append))
    assert [e.name for e in facts if isinstance(e, StageReused)] == ["toy_classification"]


def test_the_same_twice_and_into_the_store(
    done: tuple[Path, list[Event]], make: Callable[..., ProfileSpec], tmp_path: Path
) -> None:
    home, _ = done
    spec = make()
    table = AtlasPaths(home).profile(spec.profile_id).table("selector_scores")
    before = pq.read_table(table)
    _run(spec, home)
    assert pq.read_table(table).equals(before)
    profile = AtlasPaths(home).profile(spec.profile_id)
    profile.spec.write_text(spec.canonical_json())
    profile.finished.write_text('{"seconds": 1.5}')
    with Store.open(tmp_path / "a.duckdb") as store:
        ingest(store, AtlasPaths(home))
        with store.cursor() as cur:
            rows = measured(cur, spec.profile_id)
            assert cur.execute("SELECT kind FROM profiles").fetchall() == [("selectors",)]
    assert len(rows) == before.num_rows
    assert list(rows.columns) == before.schema.names


@pytest.mark.parametrize("kind", TRAINED)
def test_one_row_and_one_class_per_example(kind: str, encoder: Encoder) -> None:
    split = toy_split(kind, n=60)
    found = pick(split, encoder=encoder, max_length=None, seed=3)
    examples = found.features.example_of[found.rows]
    assert len(set(examples.tolist())) == len(examples), "an example is looked at once"
    assert (np.bincount(found.labels) >= FEWEST_OF_A_CLASS).all()
    again = pick(split, encoder=encoder, max_length=None, seed=3)
    assert again.rows.tolist() == found.rows.tolist() and again.pieces.tolist() == found.pieces.tolist()
    if kind == "tagging":
        assert (found.features.targets[found.pieces] != IGNORED).all()
        assert found.features.targets[found.pieces].tolist() == found.labels.tolist()
    if kind == "span_qa":
        assert found.features.positions is not None
        assert (found.features.positions[found.pieces, 0] >= 0).all(), "pieces of the passage alone"
        start, end = (found.features.starts[found.rows] + found.features.targets[found.rows, k] for k in (0, 1))
        inside = (found.pieces >= start) & (found.pieces <= end)
        assert inside.tolist() == (found.labels == 1).tolist()
    if kind == "multilabel":
        assert found.features.targets[examples, found.labels].all(), "a label that the text has"
    if kind == "multiple_choice":
        place = found.rows - found.features.item_starts[examples]
        assert ((place == found.features.targets[examples]) == (found.labels == 1)).all()
    read = states(encoder, found)
    assert read.shape == (len(found.rows), 16)
    assert np.isfinite(read).all()


def test_states_do_not_depend_on_the_batch_they_are_in(encoder: Encoder) -> None:
    """A word's and a text's state, alone in a batch without padding and among longer ones."""
    for kind in ("classification", "tagging"):
        found = pick(toy_split(kind, n=40), encoder=encoder, max_length=None, seed=3)
        whole = states(encoder, found)
        alone = [states(encoder, found._replace(rows=found.rows[[i]], pieces=found.pieces[[i]]))[0] for i in range(5)]
        assert np.array(alone) == pytest.approx(whole[:5], abs=1e-5)


@pytest.mark.parametrize("architecture", ["bert", "roberta", "distilbert", "deberta-v2"])
def test_gradients_are_those_of_the_log_probability(architecture: str, tmp_path: Path) -> None:
    """The last layer's by hand: the mean over pieces gives each piece w_y - sum_c p_c w_c over its length."""
    encoder = load_encoder(tiny_model(tmp_path, architecture=architecture))
    found = pick(toy_split("classification", n=40), encoder=encoder, max_length=None, seed=3)
    squares = squared_gradients(encoder, found)
    assert squares.shape == (40, 3, 16)
    rows = states(encoder, found)
    head = fit_linear_head(rows, labels=found.labels)
    p = special.softmax(rows @ head.weights.T + head.bias, axis=1)
    by_hand = head.weights[found.labels] - p @ head.weights  # summed over the pieces, each a share of the mean
    assert squares[:, -1] == pytest.approx(by_hand**2, rel=1e-3, abs=1e-9)


def test_an_architecture_without_gradients_says_so(tmp_path: Path) -> None:
    encoder = load_encoder(tiny_model(tmp_path, architecture="xlnet"))
    found = pick(toy_split("classification", n=40), encoder=encoder, max_length=None, seed=3)
    assert np.isfinite(states(encoder, found)).all()
    with pytest.raises(DataError, match="'xlnet' models give no gradient"):
        squared_gradients(encoder, found)


def _never(selector: str, reason: str) -> None:
    pytest.fail(f"{selector} was skipped: {reason}")


def test_features_that_hold_the_class_win_by_every_selector() -> None:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, 150)
    noise = rng.normal(size=(150, 8))
    informed = noise + 3 * np.eye(8)[labels]
    good, bad = (
        score_candidate(
            Candidate(features, labels, lambda: None, source, features),
            rng=np.random.default_rng(1),
            resamples=200,
            skipped=_never,
        )
        for features, source in ((informed, 0.1 + 0.7 * np.eye(3)[labels]), (noise, rng.dirichlet(np.ones(3), 150)))
    )
    assert set(good) == set(SELECTORS) - {"task_embedding"}
    for name, found in good.items():
        other = bad[name]
        assert found.low > other.high, name
        assert found.n == 150


def test_a_class_of_few_is_left_out_and_one_class_is_refused(encoder: Encoder) -> None:
    split = toy_split("classification", n=40)
    few = [e._replace(label=2 if i < 3 else i % 2) for i, e in enumerate(split.examples)]  # type: ignore[call-arg]
    found = pick(split._replace(examples=tuple(few)), encoder=encoder, max_length=None, seed=1)
    assert len(found.rows) == 37
    assert set(found.labels.tolist()) == {0, 1}
    one = tuple(e._replace(label=1) for e in split.examples)  # type: ignore[call-arg]
    with pytest.raises(DataError, match="has 1 classes over 40 examples"):
        pick(split._replace(examples=one), encoder=encoder, max_length=None, seed=1)
