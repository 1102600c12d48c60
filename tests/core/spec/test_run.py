"""Specs: ids, text forms, what is refused, and what a study expands to."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from core.errors import SpecError
from core.models import MODELS
from core.protocols import PROTOCOLS
from core.spec.run import DataSource, DataSourceKind, IntermediateSpec, Placebo, RunSpec, StudySpec
from core.spec.task import TaskSpec, closure
from core.tasks import TASKS

SAMPLE = DataSource(kind=DataSourceKind.SAMPLE)


def _study(*intermediates: str, seeds: tuple[int, ...] = (1, 2), with_baselines: bool = True) -> StudySpec:
    return StudySpec(
        name="study",
        models=(MODELS["mbert"],),
        intermediates=tuple(IntermediateSpec.parse(i) for i in intermediates),
        targets=("xnli", "tatoeba"),
        seeds=seeds,
        protocol=PROTOCOLS["quick"],
        data_source=SAMPLE,
        tasks=tuple(TASKS.values()),
        with_baselines=with_baselines,
    )


@pytest.mark.parametrize(
    "text",
    [
        "mnli",
        "mnli+qqp+squad",
        "mnli~shuffled",
        "imdb~mlm",
        "mnli@food,hard",
        "a+b~mlm@food",
        "mnli@hardest",
        "mnli~shuffled@food,hard,easiest",
        "mnli@near:udpos",
        "mnli~mlm@food,hard,far:tweet_sentiment",
        "mnli@hardest:udpos",
        "mnli@near",
    ],
)
def test_text_forms_round_trip(text: str) -> None:
    assert IntermediateSpec.parse(text).name == text
    assert IntermediateSpec.parse(IntermediateSpec.parse(text).name) == IntermediateSpec.parse(text)


@given(
    tasks=st.sets(st.sampled_from(sorted(TASKS)), min_size=1, max_size=5),
    placebo=st.sampled_from([None, *Placebo]),
    difficulty=st.sampled_from([None, "easy", "medium", "hard"]),
    third=st.sampled_from([None, "easiest", "middle", "hardest"]),
    nearness=st.sampled_from([None, "near", "far"]),
    to=st.sampled_from([None, "udpos", "xnli"]),
)
def test_every_intermediate_round_trips(
    tasks: set[str],
    placebo: Placebo | None,
    difficulty: str | None,
    third: str | None,
    nearness: str | None,
    to: str | None,
) -> None:
    raw = {"tasks": tuple(tasks), "placebo": placebo, "difficulty": difficulty, "third": third}
    raw |= {"nearness": None if third else nearness, "to": to if third or nearness else None}
    spec = IntermediateSpec.model_validate(raw)
    assert IntermediateSpec.parse(spec.name) == spec
    assert IntermediateSpec.model_validate_json(spec.canonical_json()) == spec


def test_ids_from_before_there_were_thirds_stay() -> None:
    before = '{"difficulty":null,"domain":null,"placebo":null,"tasks":["mnli"]}'
    assert IntermediateSpec.parse("mnli").canonical_json() == before
    run = next(r for r in _study("mnli").runs() if r.intermediate)
    assert '"intermediate":' + before in run.canonical_json()
    third = '{"difficulty":null,"domain":null,"placebo":null,"tasks":["mnli"],"third":"hardest"}'
    assert IntermediateSpec.parse("mnli@hardest").canonical_json() == third
    assert '"nearness":"near","placebo":null,"tasks":["mnli"],"to":"udpos"}' in _canonical("mnli@near:udpos")


def _canonical(text: str) -> str:
    return IntermediateSpec.parse(text).canonical_json()


def test_near_without_a_target_is_near_to_that_of_each_run() -> None:
    study = _study("mnli@near", "mnli@near:xnli").model_copy(update={"targets": ("xnli", "udpos")})
    runs = [run for run in study.runs() if run.intermediate]
    assert {(run.target, run.intermediate_name) for run in runs} == {
        ("xnli", "mnli@near:xnli"),
        ("udpos", "mnli@near:udpos"),
        ("udpos", "mnli@near:xnli"),
    }
    assert len({run.run_id for run in runs}) == len(runs) == 6
    crossed = next(run for run in runs if (run.target, run.intermediate_name) == ("udpos", "mnli@near:xnli"))
    assert {task.name for task in crossed.tasks} >= {"mnli", "udpos", "xnli"}, "a run folder is complete in itself"
    with pytest.raises(ValidationError, match=r"'mnli@near': near to or far from what\? Write @near:xnli"):
        RunSpec.model_validate(runs[0].model_dump() | {"intermediate": IntermediateSpec.parse("mnli@near")})


def test_the_order_typed_does_not_matter() -> None:
    assert IntermediateSpec.parse("squad+mnli").digest() == IntermediateSpec.parse("mnli+squad").digest()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("mnli~wrong", "'mnli~wrong': no placebo named 'wrong'. Known: shuffled, mlm."),
        ("mnli@easy,hard", "does not name an intermediate"),
        ("mnli@easiest,hardest", "a difficulty third (mnli@hardest, @middle, @easiest)"),
        ("mnli@near:xnli,hardest", "does not name an intermediate"),
        ("mnli@food:xnli", "does not name an intermediate"),
        ("mnli@near:", "the third nearest to or farthest from a target's text (mnli@near:udpos, @far:udpos)"),
        ("MNLI!", "does not name an intermediate"),
        ("", "does not name an intermediate"),
    ],
)
def test_what_is_no_intermediate(text: str, expected: str) -> None:
    with pytest.raises(SpecError) as refused:
        IntermediateSpec.parse(text)
    assert expected in str(refused.value)


def test_a_study_is_its_grid_with_each_baseline_once() -> None:
    runs = _study("mnli", "qqp~shuffled").runs()
    assert len(runs) == 2 * 2 * 3  # targets × seeds × (none, mnli, qqp~shuffled)
    assert len({run.run_id for run in runs}) == len(runs)
    assert [run.intermediate_name for run in runs[:3]] == ["none", "mnli", "qqp~shuffled"]
    assert len(_study("mnli", with_baselines=False).runs()) == 4


def test_a_run_pairs_with_its_baseline_and_no_other() -> None:
    runs = _study("mnli", "qqp").runs()
    for run in runs:
        assert run.baseline() in runs
        partners = [r for r in runs if r.pair_key() == run.pair_key()]
        assert {(r.target, r.seed) for r in partners} == {(run.target, run.seed)}
        assert run.baseline().pair_key() == run.pair_key()


def test_a_run_carries_its_tasks_and_their_parts_alone() -> None:
    run = next(r for r in _study("anli_plus").runs() if r.intermediate and r.target == "xnli")
    assert [t.name for t in run.tasks] == ["anli", "anli_plus", "mnli", "snli", "xnli"]
    assert RunSpec.model_validate_json(run.canonical_json()).run_id == run.run_id
    with pytest.raises(SpecError, match=r"carries no task 'qqp', only anli, anli_plus, mnli, snli, xnli"):
        run.task("qqp")


def test_words_about_a_task_and_a_model_are_no_part_of_an_id() -> None:
    run = next(r for r in _study("mnli").runs() if r.intermediate and r.target == "xnli")
    task = run.task("xnli")
    said = {"title": "X", "summary": "Other words.", "cautions": ("A new one.",), "licence": "CC0",
            "citation": "A 2026", "url": "https://example.org", "domain_words": ("speech",)}  # fmt: skip
    told = task.model_copy(update=said)
    model = run.model.model_copy(update={k: said[k] for k in ("title", "licence", "citation")})
    tasks = tuple(told if t.name == "xnli" else t for t in run.tasks)
    other = run.model_copy(update={"tasks": tasks, "model": model})
    assert (told.digest(), model.digest(), other.run_id) == (task.digest(), run.model.digest(), run.run_id)
    assert other.pair_key() == run.pair_key()
    longer = task.model_copy(update={"max_length": task.max_length + 8})
    assert longer.digest() != task.digest()
    assert run.model_copy(update={"tasks": tuple(longer if t is told else t for t in tasks)}).run_id != run.run_id


def test_every_task_survives_json_with_the_same_id() -> None:
    for task in TASKS.values():
        assert TaskSpec.model_validate_json(task.canonical_json()).digest() == task.digest()


def test_closure_names_what_it_was_not_given() -> None:
    with pytest.raises(SpecError, match="No definition of task 'snli' was given, only of anli_plus"):
        closure(("anli_plus",), tasks=(TASKS["anli_plus"],))


def test_a_mirror_and_only_a_mirror_has_a_folder() -> None:
    assert DataSource(kind=DataSourceKind.MIRROR, root="/data").root == "/data"
    for kind, root in ((DataSourceKind.MIRROR, None), (DataSourceKind.HUB, "/data")):
        with pytest.raises(ValidationError, match="a mirror, and only a mirror, needs its folder"):
            DataSource(kind=kind, root=root)


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"test": None}, "a target needs a test split"),
        ({"languages": ("en", "en")}, "languages are named twice"),
        ({"chance": float("nan")}, "finite number"),
        ({"surprise": 1}, "Extra inputs are not permitted"),
    ],
)
def test_an_incomplete_task_is_refused(changed: dict[str, object], expected: str) -> None:
    with pytest.raises(ValidationError, match=expected):
        TaskSpec.model_validate(TASKS["xnli"].model_dump() | changed)
