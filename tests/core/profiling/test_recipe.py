"""Domain profiles end to end: what is measured, kept, resumed, skipped; the domain that was set is found again."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from numpy.typing import NDArray

from core.actions.queue import list_profiles, list_runs
from core.encoder.sentences import SentenceEncoder
from core.errors import DataError
from core.events import Event, Flagged, PointSkipped, ProfileAdvanced
from core.jobs.local import LocalBackend
from core.jobs.records import JobState
from core.measures.inference.intervals import Interval, mean_interval
from core.measures.similarity.pair import Pair
from core.measures.similarity.table import SIMILARITIES
from core.models import resolve_model
from core.paths import REPO, AtlasPaths
from core.profiling.pairs import pairs_of
from core.profiling.recipe import execute_profile
from core.profiling.texts import points_of, read_point
from core.queries.similarity import current_profile, points, similarities
from core.sample.build import ensure_sample
from core.sample.spec import SampleSpec
from core.spec.model import ModelSpec
from core.spec.profile import ProfileKind, ProfileSpec
from core.spec.run import DataSource, DataSourceKind
from core.store.connection import Store
from core.store.ingest import ingest
from core.tasks import TASKS
from tests.fakes import tiny_model, toy_context, toy_mirror, toy_task

_KINDS = ("classification", "tagging", "span_qa")
_INTERMEDIATES = ("toy_classification", "toy_tagging~shuffled")
_TARGETS = ("toy_classification", "toy_span_qa")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> ModelSpec:
    return tiny_model(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> DataSource:
    return toy_mirror(tmp_path_factory.mktemp("hub"), kinds=_KINDS, n=48)


@pytest.fixture
def make(model: ModelSpec, source: DataSource) -> Callable[..., ProfileSpec]:
    def made(**changes: object) -> ProfileSpec:
        fields = {
            "kind": ProfileKind.DOMAIN,
            "model": model,
            "data_source": source,
            "intermediates": _INTERMEDIATES,
            "targets": _TARGETS,
            "tasks": tuple(sorted((toy_task(kind) for kind in _KINDS), key=lambda t: t.name)),
            "n": 30,
            "resamples": 40,
            "seed": 3,
        }
        return ProfileSpec.model_validate(fields | changes)

    return made


def _run(spec: ProfileSpec, home: Path, *, stop: Callable[[Event], bool] = lambda event: False) -> list[Event]:
    """Facts of one attempt; `stop` says at which fact it is interrupted."""
    seen: list[Event] = []

    def emit(event: Event) -> None:
        seen.append(event)
        if stop(event):
            raise KeyboardInterrupt

    paths = AtlasPaths(home)
    paths.profile(spec.profile_id).root.mkdir(parents=True, exist_ok=True)
    execute_profile(toy_context(spec, home, emit=emit))
    return seen


def _rows(spec: ProfileSpec, home: Path, table: str) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = pq.read_table(AtlasPaths(home).profile(spec.profile_id).table(table)).to_pylist()
    return [{name: value for name, value in row.items() if name != "profile_id"} for row in rows]


def _computed(events: list[Event], phase: str) -> int:
    return max(e.computed for e in events if isinstance(e, ProfileAdvanced) and e.phase == phase)


def test_a_profile_has_all_pairs_all_measures_and_a_place_for_each_point(
    make: Callable[..., ProfileSpec], tmp_path: Path
) -> None:
    """Swahili has no files: each target's point is left out with its reason, and so is German of one task alone."""
    spec = make()
    events = _run(spec, tmp_path)
    names = {row["point"] for row in _rows(spec, tmp_path, "profile_texts")}
    assert names == {
        *("toy_classification", "toy_tagging"),
        *(f"{t}:{part}" for t in _TARGETS for part in ("train", "test:en", "test:de")),
    }
    skipped = {e.point: e.reason for e in events if isinstance(e, PointSkipped)}
    assert set(skipped) == {"toy_classification:test:sw", "toy_span_qa:test:sw"}
    assert "sw" in skipped["toy_span_qa:test:sw"]
    rows = _rows(spec, tmp_path, "similarities")
    # 2 intermediates x 6 texts, their own pair, and train with two tests in two targets.
    assert len({(row["a"], row["b"]) for row in rows}) == 2 * 6 + 1 + 2 * 2
    of_pair = [r for r in rows if (r["a"], r["b"]) == ("toy_classification", "toy_span_qa:test:de")]
    embedded = {name for name, facts in SIMILARITIES.items() if facts.is_embedded}
    assert {r["measure"] for r in of_pair if r["centred"]} == embedded
    across = {name for name, facts in SIMILARITIES.items() if not facts.same_language_only}
    assert {r["measure"] for r in of_pair if not r["centred"]} == across
    assert all(row["ci_low"] <= row["value"] <= row["ci_high"] for row in rows), "an interval holds its estimate"
    assert all((row["n_a"], row["n_b"]) == (30, 30) for row in rows)
    places = _rows(spec, tmp_path, "positions")
    assert len(places) == 2 * len(names), "as they are, and after language means were removed"


def test_a_users_own_task_does_not_turn_the_map(make: Callable[..., ProfileSpec], tmp_path: Path) -> None:
    """Axes come from the texts of tasks that ship with the program; a task added to them is only placed among them."""
    tasks = tuple(t.model_copy(update={"is_user_task": t.name == "toy_tagging"}) for t in make().tasks)
    fewer, more = make(intermediates=("toy_classification",)), make(tasks=tasks)
    for spec in (fewer, more):
        _run(spec, tmp_path)
    before, after = (
        {(r["point"], r["centred"]): np.array([r["x"], r["y"]]) for r in _rows(spec, tmp_path, "positions")}
        for spec in (fewer, more)
    )
    assert set(after) - set(before) == {("toy_tagging", False), ("toy_tagging", True)}
    moved = {key: after[key] - before[key] for key in before}
    assert all(np.allclose(step, 0, atol=1e-6) for (_, centred), step in moved.items() if not centred)
    # The mean of English changes with the new text: a language may shift against another, and nothing turns.
    for lang in ("en", "de"):
        steps = [
            step for (point, centred), step in moved.items() if centred and (":test:de" in point) == (lang == "de")
        ]
        assert np.allclose(steps, steps[0], atol=1e-6)


def test_with_the_package_points_have_a_place_by_umap_too(
    make: Callable[..., ProfileSpec], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[int, int]] = []

    def layout(centroids: NDArray[np.float64], *, reference: list[bool], seed: int) -> NDArray[np.float64]:
        asked.append((sum(reference), seed))
        return np.asarray(centroids)[:, :2]

    monkeypatch.setattr("core.profiling.recipe.has_umap", lambda: True)
    monkeypatch.setattr("core.profiling.recipe.FEWEST_FOR_UMAP", 3)
    monkeypatch.setattr("core.profiling.recipe.umap_positions", layout)
    spec = make()
    _run(spec, tmp_path)
    places = _rows(spec, tmp_path, "positions")
    points_by = {
        method: {(r["point"], r["centred"]) for r in places if r["method"] == method} for method in ("pca", "umap")
    }
    assert points_by["pca"] == points_by["umap"]
    assert asked == [(6, spec.seed), (6, spec.seed)]


def test_the_second_time_nothing_is_computed_and_a_new_task_measures_its_pairs_alone(
    make: Callable[..., ProfileSpec], tmp_path: Path
) -> None:
    spec = make(intermediates=("toy_classification",))
    first = _run(spec, tmp_path)
    assert (_computed(first, "embeddings"), _computed(first, "pairs")) == (7, 10)
    again = _run(spec, tmp_path)
    assert (_computed(again, "embeddings"), _computed(again, "pairs")) == (0, 0)
    more = make(intermediates=("toy_classification", "toy_tagging"), targets=("toy_classification",))
    fewer_languages = _run(more, tmp_path)
    # One new text; its pairs with an intermediate and three texts, and German pairs whose language mean is gone.
    assert _computed(fewer_languages, "embeddings") == 1
    flags = [e.message for e in fewer_languages if isinstance(e, Flagged) and e.flag == "not_centred"]
    assert flags
    assert flags[0].startswith("de:")


def test_a_new_measure_or_version_is_measured_alone(
    make: Callable[..., ProfileSpec], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of the pairs that are there; what was measured before is neither asked again nor changed."""
    spec, calls = make(intermediates=("toy_classification",)), list[str]()
    _run(spec, tmp_path)
    before = _rows(spec, tmp_path, "similarities")

    def counted(pair: Pair) -> Interval:
        calls.append(pair.a.lang)
        return mean_interval([len(pair.a.sentences), len(pair.b.sentences)], rng=pair.rng())

    for name, measure in SIMILARITIES.items():
        monkeypatch.setitem(SIMILARITIES, name, dataclasses.replace(measure, function=_never))
    new = dataclasses.replace(SIMILARITIES["vocabulary_overlap"], name="sizes", function=counted)
    monkeypatch.setitem(SIMILARITIES, "sizes", new)
    assert _computed(_run(spec, tmp_path), "pairs") == len(calls) == 10
    after = _rows(spec, tmp_path, "similarities")
    assert [row for row in after if row["measure"] != "sizes"] == before
    assert [row["value"] for row in after if row["measure"] == "sizes"] == [30.0] * 10
    assert _computed(_run(spec, tmp_path), "pairs") == 0
    monkeypatch.setitem(SIMILARITIES, "sizes", dataclasses.replace(new, version=2))
    assert _computed(_run(spec, tmp_path), "pairs") == 10
    assert _rows(spec, tmp_path, "similarities") == after


def _never(pair: Pair) -> Interval:
    pytest.fail(f"measured again: {pair.a.lang} and {pair.b.lang}")


def test_interrupted_and_resumed_it_has_the_rows_of_an_undisturbed_profile(
    make: Callable[..., ProfileSpec], tmp_path: Path
) -> None:
    """Another home, another order of work: the same seed gives the same rows, to the last bit."""
    spec = make()
    _run(spec, tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        _run(spec, tmp_path / "cut", stop=lambda e: isinstance(e, ProfileAdvanced) and e.phase == "pairs")
    assert not AtlasPaths(tmp_path / "cut").profile(spec.profile_id).table("similarities").exists()
    resumed = _run(spec, tmp_path / "cut")
    assert _computed(resumed, "embeddings") == 0
    assert 0 < _computed(resumed, "pairs") < 17
    for table in ("profile_texts", "similarities", "positions"):
        assert _rows(spec, tmp_path / "cut", table) == _rows(spec, tmp_path / "whole", table)


def test_another_seed_draws_other_texts(make: Callable[..., ProfileSpec], tmp_path: Path) -> None:
    spec, other = make(), make(seed=4)
    point = points_of(spec)[0]
    paths = AtlasPaths(tmp_path)
    assert read_point(point, spec, paths=paths) == read_point(point, spec, paths=paths)
    assert set(read_point(point, spec, paths=paths).texts) != set(read_point(point, other, paths=paths).texts)


def test_a_text_that_was_cut_off_on_disk_is_embedded_again(
    make: Callable[..., ProfileSpec], model: ModelSpec, tmp_path: Path
) -> None:
    spec = make()
    text = read_point(points_of(spec)[0], spec, paths=AtlasPaths(tmp_path))
    encoder = SentenceEncoder(model, device=torch.device("cpu"))
    first = encoder.embed(text.texts, fingerprint=text.fingerprint, cache=tmp_path)
    file = next(tmp_path.glob("*.npy"))
    file.write_bytes(file.read_bytes()[:200])
    again = encoder.embed(text.texts, fingerprint=text.fingerprint, cache=tmp_path)
    assert (first.was_ready, again.was_ready) == (False, False)
    assert (first.rows == again.rows).all()
    assert encoder.embed(text.texts, fingerprint=text.fingerprint, cache=tmp_path).was_ready


def test_a_profile_without_any_text_says_so(make: Callable[..., ProfileSpec], tmp_path: Path) -> None:
    with pytest.raises(DataError, match="None of the 4 texts"):
        _run(make(intermediates=(), targets=("toy_classification",), data_source=_nowhere(tmp_path)), tmp_path)


def _nowhere(folder: Path) -> DataSource:
    return DataSource(kind=DataSourceKind.MIRROR, root=str(folder / "empty"))


def test_tests_of_different_targets_are_not_paired(make: Callable[..., ProfileSpec]) -> None:
    found = pairs_of(points_of(make()))
    assert ("toy_classification:test:de", "toy_span_qa:test:de") not in found
    assert ("toy_classification:test:de", "toy_classification:train") in found
    assert all(a < b for a, b in found)


def test_the_job_process_leaves_a_folder_that_the_store_reads(make: Callable[..., ProfileSpec], tmp_path: Path) -> None:
    paths, spec = AtlasPaths(tmp_path), make()
    (status,) = LocalBackend(paths).submit([spec])
    assert (status.state, status.kind, status.target) == (JobState.QUEUED, "domain", "toy_classification, toy_span_qa")
    assert list_runs(paths) == [], "a profile is no run"
    done = subprocess.run(
        [sys.executable, "-m", "core.chain.worker", str(paths.profile(spec.profile_id).root)],
        cwd=REPO,
        env=os.environ | {"ATLAS_THREADS": "1", "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert list_profiles(paths)[0].state is JobState.DONE
    with Store.open(":memory:") as store:
        assert ingest(store, paths).n_new == 1
        with store.cursor() as cur:
            assert current_profile(cur, data_source="mirror", model="tiny-bert") == spec.profile_id
            found = similarities(cur, spec.profile_id, target="toy_span_qa", measure="frechet", centred=False)
            assert set(found["lang"]) == {"en", "de"}
            assert points(cur, spec.profile_id)["x"].notna().all()
            skips = cur.execute("SELECT point FROM profile_skips ORDER BY point").fetchall()
    assert skips == [("toy_classification:test:sw",), ("toy_span_qa:test:sw",)]


_DOMAINS = ("films", "food", "travel")
_TASKS = ("mnli", "snli")
_OF_CONTENT = (
    "centroid_cosine", "frechet", "mmd", "proxy_a", "sliced_wasserstein", "vocabulary_overlap", "unigram_jsd"
)  # fmt: skip
"""Measures that promise to see a domain; another may look at something else."""


def test_the_bundled_encoder_finds_the_domain_that_was_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """For every slice and every measure of content, the nearest slice of the other task is of the same domain."""

    def small(cache: Path, spec: SampleSpec) -> Path:
        return ensure_sample(cache, spec.model_copy(update={"scale": 0.05}))

    monkeypatch.setattr("core.sample.build.ensure_sample", small)
    spec = ProfileSpec(
        kind=ProfileKind.DOMAIN,
        model=resolve_model("atlas-mini", paths=AtlasPaths(tmp_path)),
        data_source=DataSource(kind=DataSourceKind.SAMPLE),
        intermediates=tuple(f"{task}@{domain}" for task in _TASKS for domain in _DOMAINS),
        tasks=tuple(TASKS[name] for name in sorted(_TASKS)),
        n=200,
        resamples=20,
        seed=1,
    )
    _run(spec, tmp_path)
    rows = _rows(spec, tmp_path, "similarities")
    for name in _OF_CONTENT:
        direction = SIMILARITIES[name].direction
        value = {(r["a"], r["b"]): r["value"] for r in rows if r["measure"] == name and not r["centred"]}
        for domain in _DOMAINS:
            nearness = {other: float(str(value[f"mnli@{domain}", f"snli@{other}"])) * direction for other in _DOMAINS}
            assert max(nearness, key=nearness.__getitem__) == domain, f"{name} of mnli@{domain}: {nearness}"
