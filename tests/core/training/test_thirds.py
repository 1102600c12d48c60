"""Difficulty thirds: matched in size, labels and length, the hard ones where labels are wrong, reused, trained on."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from core.chain.pipeline import execute
from core.errors import SpecError
from core.events import Event, Flagged, RunFinished, RunPlanned, StageReused, StageStarted
from core.examples import Split, fingerprint
from core.spec.model import ModelSpec
from core.spec.run import DataSource, DataSourceKind
from core.training.loader import EnglishData
from core.training.plan import plan_intermediate
from core.training.thirds import Sorted, sort_pool
from core.types.classification import TextExample
from core.types.table import task_type
from tests.fakes import TRAINED, tiny_model, toy_context, toy_mirror, toy_protocol, toy_run, toy_split

_FAST = toy_protocol(max_steps=3, evaluations=1, max_dev_examples=12)
_WITH_THIRDS = tuple(kind for kind in TRAINED if kind != "multilabel")


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> DataSource:
    """A mirror with every trained task type."""
    return toy_mirror(tmp_path_factory.mktemp("hub"), kinds=TRAINED, n=96)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> ModelSpec:
    """A tiny BERT."""
    return tiny_model(tmp_path_factory.mktemp("model"))


def _train_split(model: ModelSpec, name: str, source: DataSource, home: Path, events: list[Event]) -> Split:
    run = toy_run(model, target="classification", intermediate=name, source=source, protocol=_FAST)
    opened = toy_context(run, home, emit=events.append)
    return plan_intermediate(opened).data[0].train


@pytest.mark.parametrize("kind", _WITH_THIRDS)
def test_thirds_are_matched_and_disjoint(kind: str, model: ModelSpec, source: DataSource, tmp_path: Path) -> None:
    events: list[Event] = []
    thirds = [
        _train_split(model, f"toy_{kind}@{third}", source, tmp_path, events)
        for third in ("easiest", "middle", "hardest")
    ]
    ids = [{e.id for e in split.examples} for split in thirds]
    assert len(ids[0]) == len(ids[1]) == len(ids[2]) >= 24
    assert len(set.union(*ids)) == sum(len(i) for i in ids)
    if kind in {"classification", "multiple_choice"}:
        labels = [Counter(e.label for e in split.examples) for split in thirds]  # type: ignore[union-attr]
        assert labels[0] == labels[1] == labels[2]
    lengths = [np.mean([len(task_type(kind).text(e)) for e in split.examples]) for split in thirds]
    assert max(lengths) / min(lengths) < 1.35
    # Two folds, each with its model and, save for choices, one without input; the other thirds only read them.
    n_runs = 2 if kind == "multiple_choice" else 4
    assert len([e for e in events if isinstance(e, StageStarted)]) == n_runs
    assert len([e for e in events if isinstance(e, StageReused)]) == 2 * n_runs
    flags = [f for split in thirds for f in split.flags if f.flag == "third"]
    assert [f.message.split(" ")[2] for f in flags] == ["easiest", "middle", "hardest"]


def test_wrong_labels_are_hard(model: ModelSpec, tmp_path: Path) -> None:
    # One word says the label; a sixth of the labels is wrong, which no model trained on the others would say.
    clean = [TextExample(f"e{i}", ("cat", "red")[i % 2], None, i % 2) for i in range(180)]
    wrong = set(np.random.default_rng(0).choice(180, 30, replace=False).tolist())
    examples = tuple(e._replace(label=1 - e.label) if i in wrong else e for i, e in enumerate(clean))
    like = toy_split("classification")
    train = like._replace(examples=examples, fingerprint=fingerprint(examples))
    dev = like._replace(role="dev", examples=tuple(clean[:30]), fingerprint=fingerprint(clean[:30]))
    protocol = toy_protocol(max_steps=60, epochs=40, learning_rate=0.01, evaluations=4, batch_size=16, dropout=0.0)
    run = toy_run(
        model,
        target="classification",
        source=DataSource(kind=DataSourceKind.HUB),
        protocol=protocol,
    )
    found: Sorted = sort_pool(
        toy_context(run, tmp_path), EnglishData(train=train, dev=dev), protocol=protocol.intermediate
    )
    assert wrong <= set(np.flatnonzero(found.thirds == 2).tolist()) | set(np.flatnonzero(found.thirds == -1).tolist())
    assert found.summaries[0].pvi_bits > 0.2 and found.summaries[2].pvi_bits < 0
    assert found.summaries[0].n == found.summaries[1].n == found.summaries[2].n >= 54


def test_a_third_is_an_intermediate_like_any_other(model: ModelSpec, source: DataSource, tmp_path: Path) -> None:
    keys = set()
    for text in ("toy_classification", "toy_classification@hardest", "toy_classification~shuffled@hardest"):
        events: list[Event] = []
        run = toy_run(model, target="tagging", intermediate=text, source=source, protocol=_FAST)
        execute(toy_context(run, tmp_path, emit=events.append))
        planned = next(e for e in events if isinstance(e, RunPlanned))
        keys.add(planned.stages[0].key)
        assert planned.stages[0].name == text
        assert bool([e for e in events if isinstance(e, Flagged) and e.flag == "third"]) == ("@" in text)
    assert len(keys) == 3
    assert not [e for e in events if isinstance(e, RunFinished)], "the pipeline leaves that to the worker"


def test_sets_of_labels_have_no_thirds(model: ModelSpec, source: DataSource, tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="'toy_multilabel' is a multi-label task: .*Leave out 'hardest'"):
        _train_split(model, "toy_multilabel@hardest", source, tmp_path, [])


def test_a_pool_larger_than_the_sample_fills_each_third(model: ModelSpec, tmp_path: Path) -> None:
    source = toy_mirror(tmp_path / "hub", kinds=("regression",), n=90)
    rows = pq.read_table(next((tmp_path / "hub").rglob("en/train-*.parquet")))
    assert isinstance(rows, pa.Table) and rows.num_rows == 90
    protocol = toy_protocol(max_steps=2, evaluations=1, max_train_examples=20, max_dev_examples=12)
    run = toy_run(
        model, target="classification", intermediate="toy_regression@middle", source=source, protocol=protocol
    )
    opened = toy_context(run, tmp_path)
    train = plan_intermediate(opened).data[0].train
    assert 14 <= len(train.examples) <= 20, "a third of three times the sample"
