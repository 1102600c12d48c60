"""The one table of task types. To add one: a module of its own (see `base.py`) and its name here."""

from __future__ import annotations

from collections.abc import Iterable

from core.errors import SpecError, UnknownName
from core.spec.task import Role, TaskSpec
from core.types.base import Learning, TaskType
from core.types.classification import CLASSIFICATION
from core.types.multilabel import MULTILABEL
from core.types.multiple_choice import MULTIPLE_CHOICE
from core.types.regression import REGRESSION
from core.types.retrieval import RETRIEVAL
from core.types.span_qa import SPAN_QA
from core.types.tagging import TAGGING


def assemble(types: Iterable[TaskType]) -> dict[str, TaskType]:
    """Task types by name, in order.

    Raises:
        SpecError: Two types have one name.
    """
    found: dict[str, TaskType] = {}
    for one in types:
        if one.name in found:
            raise SpecError(f"Two task types are named '{one.name}'.")
        found[one.name] = one
    return found


TYPES: dict[str, TaskType] = assemble(
    (CLASSIFICATION, MULTILABEL, REGRESSION, TAGGING, SPAN_QA, MULTIPLE_CHOICE, RETRIEVAL)
)
"""Every task type by name."""


def task_type(name: str) -> TaskType:
    """The task type of a name, such as `task.type`.

    Raises:
        UnknownName: There is none.
    """
    if name not in TYPES:
        raise UnknownName("task type", name, known=TYPES)
    return TYPES[name]


def learning_of(name: str) -> Learning:
    """How tasks of a type are trained.

    Args:
        name: Of the type.

    Raises:
        UnknownName: There is no such type.
        SpecError: Its tasks are never trained.
    """
    learning = task_type(name).learning
    if learning is None:
        raise SpecError(f"Tasks of type {name} are scored and never trained.")
    return learning


def check_definition(task: TaskSpec) -> None:
    """Refuse a task that lacks what its type needs.

    Raises:
        UnknownName: There is no such type.
        SpecError: A column, labels, a range or a split is missing.
    """
    kind = task_type(task.type)
    problems = [f"columns.{c} is not set" for c in kind.columns if getattr(task.columns, c) is None]
    problems += kind.missing(task) if kind.missing else []
    if kind.learning is not None:
        odd = [metric for metric in task.metrics if metric not in kind.learning.metrics]
        known = ", ".join(kind.learning.metrics)
        problems += [f"metric '{metric}' is none of this type; it has {known}" for metric in odd]
    if kind.is_trained and task.train is None and not task.parts:
        problems.append("a task that is trained needs a train split")
    if not kind.is_trained and Role.INTERMEDIATE in task.roles:
        problems.append(f"{kind.name} is never trained, so it cannot be an intermediate")
    if problems:
        raise SpecError(f"task '{task.name}' of type {task.type}: " + "; ".join(problems))
