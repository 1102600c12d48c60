"""Difficulty of intermediates end to end with a tiny model: every task type, reuse, damage, and what is refused."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import pytest

from core.chain.pipeline import execute
from core.errors import DataError, SpecError
from core.events import Event, Flagged, StageFinished, StageReused, StageStarted
from core.examples import Split
from core.measures.difficulty.table import DIFFICULTIES
from core.profiling.difficulty import Difficulty, floor_of, measure_difficulty, share_of
from core.spec.model import ModelSpec
from core.spec.run import DataSource, RunSpec
from core.training.context import RunContext
from tests.fakes import TRAINED, tiny_model, toy_context, toy_mirror, toy_protocol, toy_run, toy_split

_FAST = toy_protocol(max_steps=3, evaluations=1, max_dev_examples=12)


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> DataSource:
    """A mirror with every trained task type."""
    return toy_mirror(tmp_path_factory.mktemp("hub"), kinds=TRAINED, n=24)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> ModelSpec:
    """A tiny BERT."""
    return tiny_model(tmp_path_factory.mktemp("model"))


def _run(model: ModelSpec, intermediate: str | None, source: DataSource) -> RunSpec:
    return toy_run(model, target="classification", intermediate=intermediate, source=source, protocol=_FAST)


def _opened(spec: RunSpec, home: Path, events: list[Event]) -> RunContext:
    return toy_context(spec, home, emit=events.append)


def _measure(spec: RunSpec, home: Path) -> tuple[list[Difficulty], list[Event]]:
    events: list[Event] = []
    return measure_difficulty(_opened(spec, home, events), n=20, resamples=40), events


def _names(events: Sequence[Event], kind: type[StageStarted | StageFinished | StageReused]) -> list[str]:
    return [e.name for e in events if isinstance(e, kind)]


@pytest.mark.parametrize("kind", TRAINED)
def test_every_task_type_has_its_measures(kind: str, model: ModelSpec, source: DataSource, tmp_path: Path) -> None:
    found, events = _measure(_run(model, f"toy_{kind}", source), tmp_path)
    rows = {row.measure: row for row in found}
    has_labels = kind in {"classification", "tagging", "multiple_choice"}
    # The answers of the toy questions are the words that the question has not: a rule finds them all.
    no_room = {"headroom", "curve_area"} if kind == "span_qa" else set()
    assert set(rows) == set(DIFFICULTIES) - (set() if has_labels else {"label_entropy"}) - no_room
    for row in found:
        assert row.ci_low is not None and row.ci_high is not None
        assert math.isfinite(row.value) and row.ci_low <= row.ci_high
        assert row.resamples == 40 and row.intermediate == f"toy_{kind}"
    # 24 training examples are cut at 3, 6 and 12: the code's interval leaves out the first part, sent uniformly.
    sizes = {"headroom": 20, "curve_area": 20, "v_information": 20, "code_length": 21}
    sizes = {name: n for name, n in sizes.items() if name not in no_room}
    assert {m: r.n for m, r in rows.items() if m != "label_entropy"} == sizes
    # After three steps a tiny model knows next to nothing: about the uniform code, next to no information.
    uniform = {
        "classification": math.log2(3),
        "tagging": math.log2(3),
        "multiple_choice": math.log2(3),
        "multilabel": 3,
    }
    if str(kind) in uniform:
        # A multi-label head starts at the shares of its first three examples, a little worse than even odds.
        slack = 0.1 if kind == "multilabel" else 0.05
        assert rows["code_length"].value == pytest.approx(uniform[str(kind)], rel=slack)
        assert rows["v_information"].value == pytest.approx(0, abs=0.1)
    trained = [f"toy_{kind}", *(f"toy_{kind}, {n} of 24 examples" for n in (3, 6, 12))]
    blank = [] if kind == "multiple_choice" else [f"toy_{kind}, without input"]
    assert _names(events, StageStarted) == _names(events, StageFinished) == [*trained, *blank]


def test_nothing_is_trained_twice(model: ModelSpec, source: DataSource, tmp_path: Path) -> None:
    run, events = _run(model, "toy_tagging", source), list[Event]()
    execute(toy_context(run, tmp_path, emit=events.append))
    assert _names(events, StageStarted)[0] == "toy_tagging"
    first, events = _measure(run, tmp_path)
    assert _names(events, StageReused) == ["toy_tagging"], "the run's intermediate stage is the whole budget's model"
    assert len(_names(events, StageStarted)) == 4  # three shares and the one without input
    again, events = _measure(run, tmp_path)
    assert again == first
    # The stage, what it says, three shares, the one without input: all read, none trained.
    assert len(_names(events, StageReused)) == 6 and not _names(events, StageStarted)
    other, events = _measure(run.model_copy(update={"seed": 2}), tmp_path)
    assert len(_names(events, StageStarted)) == 5, "another seed is another measurement"

    probe = max((tmp_path / "cache" / "probes").iterdir(), key=lambda f: f.stat().st_size)
    probe.write_bytes(probe.read_bytes()[:-9])
    again, events = _measure(run, tmp_path)
    flags = [e.message for e in events if isinstance(e, Flagged) and e.flag == "stage_damaged"]
    assert again == first and len(flags) <= 1 and all("were damaged" in f and "It is run again." in f for f in flags)


def test_shuffled_labels_are_a_task_of_their_own(model: ModelSpec, source: DataSource, tmp_path: Path) -> None:
    found, events = _measure(_run(model, "toy_classification~shuffled", source), tmp_path)
    assert {row.intermediate for row in found} == {"toy_classification~shuffled"}
    assert "toy_classification~shuffled, 12 of 24 examples" in _names(events, StageStarted)


@pytest.mark.parametrize(
    ("intermediate", "message"),
    [
        (None, "Difficulty is measured of an intermediate; 'none' has no task"),
        (
            "toy_tagging~mlm",
            "'toy_tagging~mlm' is masked-language modelling: it has no labels .* Measure 'toy_tag",
        ),
        (
            "toy_regression+toy_tagging",
            "is 2 tasks; difficulty is measured of one at a time: toy_regression, toy_tagging",
        ),
    ],
)
def test_what_has_no_difficulty(
    intermediate: str | None, message: str, model: ModelSpec, source: DataSource, tmp_path: Path
) -> None:
    with pytest.raises(SpecError, match=message):
        _measure(_run(model, intermediate, source), tmp_path)


def test_too_few_examples_to_be_cut(model: ModelSpec, tmp_path: Path) -> None:
    source = toy_mirror(tmp_path / "hub", kinds=("regression",), n=12)
    with pytest.raises(DataError, match="'toy_regression' has 12 training examples; difficulty needs at least 16"):
        _measure(_run(model, "toy_regression", source), tmp_path)


def test_headroom_counts_from_the_majority_where_labels_are_unbalanced() -> None:
    """As many as in QQP: 64 % have one label, so 0.64 is reached without reading, and not one half."""
    split = toy_split("classification", n=100)

    def with_labels(*labels: int) -> Split:
        examples = tuple(e._replace(label=label) for e, label in zip(split.examples, labels, strict=True))
        return split._replace(examples=examples, task=split.task.model_copy(update={"chance": 0.5}))

    unbalanced = with_labels(*[0] * 64, *[1] * 36)
    assert floor_of(unbalanced, unbalanced) == pytest.approx(0.64)
    # A rule that learned another majority is below chance here: then chance is the floor.
    assert floor_of(with_labels(*[1] * 100), unbalanced) == 0.5


def test_a_share_of_the_budget() -> None:
    stage = toy_protocol(max_steps=100, warmup_steps=6, epochs=3).intermediate
    half, eighth = share_of(stage, 1 / 2), share_of(stage, 1 / 8)
    assert (half.max_steps, half.warmup_steps, half.epochs) == (50, 3, 3)
    assert (eighth.max_steps, eighth.warmup_steps) == (13, 1)
    free = stage.model_copy(update={"max_steps": None, "warmup_steps": None})
    assert share_of(free, 1 / 8) == free, "fewer examples make fewer steps by themselves"
