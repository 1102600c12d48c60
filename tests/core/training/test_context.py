"""What a job carries: one loader for a run, which remembers what was trained on; a profile's runs share its world."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from core.events import Event, Flagged
from core.spec.profile import ProfileKind, ProfileSpec
from core.spec.run import DataSource, RunSpec
from core.spec.task import Columns, SplitRef
from core.training.plan import plan
from tests.fakes import tiny_model, toy_context, toy_mirror, toy_run, toy_task


@pytest.fixture
def source(tmp_path: Path) -> DataSource:
    """A mirror whose German test set is the English training set."""
    made = toy_mirror(tmp_path / "hub", kinds=("classification",), n=20)
    folder = tmp_path / "hub" / "toy" / "classification"
    train = pq.read_table(folder / "en" / "train-00000-of-00001.parquet")
    pq.write_table(train, folder / "de" / "test-00000-of-00001.parquet")
    return made


@pytest.fixture
def run(tmp_path: Path, source: DataSource) -> RunSpec:
    """A run on that data, without an intermediate."""
    return toy_run(tiny_model(tmp_path / "model"), target="classification", source=source)


def test_test_texts_that_were_trained_on_are_flagged(run: RunSpec, tmp_path: Path) -> None:
    events: list[Event] = []
    context = toy_context(run, tmp_path / "home", emit=events.append)
    labels = plan(context)[0].data[0].train.labels
    context.loader.scored("test", "de", labels=labels)
    flags = [e.message for e in events if isinstance(e, Flagged) and e.flag == "overlap"]
    assert flags == ["20 of 20 toy_classification test texts (de) occur in the training data."]


def test_retrieval_is_scored_among_its_whole_pool(run: RunSpec, tmp_path: Path) -> None:
    file = tmp_path / "hub" / "toy" / "pairs" / "test-00000-of-00001.parquet"
    file.parent.mkdir(parents=True)
    pq.write_table(pa.table({"s": [f"Satz {i}" for i in range(40)], "t": [f"sentence {i}" for i in range(40)]}), file)
    ref = SplitRef(path="toy/pairs", split="test")
    columns = Columns(source="s", target="t")
    pairs = run.tasks[0].model_copy(update={"type": "retrieval", "train": None, "test": ref, "columns": columns})
    assert run.protocol.max_test_examples == 30
    split = toy_context(run.model_copy(update={"tasks": (pairs,)}), tmp_path).loader.scored("test", "de", labels=())
    assert len(split.examples) == split.n_available == 40


def test_a_run_of_a_profile_has_its_world_and_a_loader_of_its_own(run: RunSpec, tmp_path: Path) -> None:
    profile = ProfileSpec(
        kind=ProfileKind.DIFFICULTY,
        model=run.model,
        data_source=run.data_source,
        intermediates=("toy_classification",),
        targets=(),
        tasks=(toy_task("classification"),),
        protocol=run.protocol,
        seed=1,
        n=10,
    )
    context = toy_context(profile, tmp_path, save_every_s=7.0)
    first, second = context.of_run(run), context.of_run(run)
    assert first.spec is run and first.loader is not second.loader
    world = [field.name for field in dataclasses.fields(context) if field.name != "spec"]
    assert [getattr(first, name) for name in world] == [getattr(context, name) for name in world]
