"""The table of task types: names, what a definition must hold, and that nothing outside it asks which type it is."""

from __future__ import annotations

import ast
from dataclasses import replace
from pathlib import Path

import pytest

from core.errors import SpecError, UnknownName
from core.paths import REPO
from core.spec.task import TaskSpec
from core.tasks import TASKS
from core.types.classification import CLASSIFICATION
from core.types.retrieval import RETRIEVAL
from core.types.table import TYPES, assemble, check_definition, learning_of, task_type

# Claims name the types that a paper is about; definitions of tasks name their own.
_MAY_NAME_TYPES = ("types", "tasks", "sample", "claims")


@pytest.mark.parametrize(
    ("task", "changed", "expected"),
    [
        ("xnli", {"labels": ()}, "task 'xnli' of type classification: labels is empty: list them in id order"),
        ("xnli", {"train": None}, "a task that is trained needs a train split"),
        ("stsb", {"score_range": None}, "score_range is not set"),
        ("udpos", {"type": "span_qa"}, "columns.question is not set; columns.context is not set"),
        ("tatoeba", {"roles": ("target", "intermediate")}, "retrieval is never trained, so it cannot be an intermedia"),
    ],
)
def test_a_task_lacks_what_its_type_needs(task: str, changed: dict[str, object], expected: str) -> None:
    with pytest.raises(SpecError, match=expected):
        check_definition(TaskSpec.model_validate(TASKS[task].model_dump() | changed))


def test_an_unknown_type_lists_the_nearest() -> None:
    with pytest.raises(UnknownName, match="No task type named 'taging'. Did you mean 'tagging'. Known: classification"):
        check_definition(TASKS["udpos"].model_copy(update={"type": "taging"}))


def test_two_types_of_one_name_are_refused() -> None:
    with pytest.raises(SpecError, match="Two task types are named 'retrieval'"):
        assemble((CLASSIFICATION, RETRIEVAL, replace(CLASSIFICATION, name="retrieval")))


def test_a_type_is_scored_in_one_way() -> None:
    with pytest.raises(ValueError, match="'classification' needs either `learning` or `search`"):
        replace(CLASSIFICATION, learning=None)
    with pytest.raises(ValueError, match="either `learning` or `search`"):
        replace(RETRIEVAL, learning=CLASSIFICATION.learning)
    with pytest.raises(ValueError, match="either strata for thirds by difficulty or a reason"):
        replace(learning_of("classification"), strata=None)


def test_what_is_never_trained_says_so() -> None:
    assert not task_type("retrieval").is_trained
    with pytest.raises(SpecError, match="Tasks of type retrieval are scored and never trained"):
        learning_of("retrieval")


def _elsewhere() -> list[Path]:
    roots = [REPO / "core", REPO / "pages", REPO / "tools"]
    files = [path for root in roots for path in root.rglob("*.py")]
    return [f for f in files if f.relative_to(REPO).parts[:2] not in {("core", room) for room in _MAY_NAME_TYPES}]


def _compared(node: ast.AST) -> list[ast.AST]:
    """Where a program asks which one a thing is: comparisons, cases, keys of a table, isinstance."""
    if isinstance(node, ast.Compare):
        return [node]
    if isinstance(node, ast.Dict):
        return [key for key in node.keys if key is not None]
    if isinstance(node, ast.match_case):
        return [node.pattern]
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "isinstance":
        return [node.args[1]]
    return []


def test_nothing_but_a_types_module_asks_which_type_it_is() -> None:
    names = set(TYPES)
    records = {kind.record.__name__ for kind in TYPES.values()}
    found = []
    for path in _elsewhere():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            for asked in (part for whole in _compared(node) for part in ast.walk(whole)):
                name = asked.value if isinstance(asked, ast.Constant) else getattr(asked, "id", None)
                if name in names | records:
                    found.append(f"{path.relative_to(REPO)}:{asked.lineno}: {name}")
    assert not found, "ask the record of the task type instead (core/types/base.py): " + "; ".join(found)
