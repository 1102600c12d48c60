"""The registry of tasks: one file per family, one dict at the top.

To add a task to the program: write a `TaskSpec` in the file of its family and name it in `TASKS` below. To add one
without touching code: one YAML file in `AtlasPaths.user_tasks` (docs/adding.md).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from core.errors import SpecError, UnknownName
from core.paths import AtlasPaths
from core.spec.run import IntermediateSpec, Placebo
from core.spec.task import TaskSpec
from core.spec.yaml import own_files, read_spec_file
from core.tasks import (
    beyond_xtreme,
    ccg,
    multiple_choice,
    nli,
    paraphrase,
    qa,
    single_sentence,
    xtreme_classification,
    xtreme_qa,
    xtreme_retrieval,
    xtreme_tagging,
)
from core.types.table import check_definition, task_type


def assemble(families: Iterable[Iterable[TaskSpec]]) -> dict[str, TaskSpec]:
    """The tasks of all families by name, in order.

    Args:
        families: Tasks, family by family.

    Raises:
        SpecError: Two tasks have one name, or one lacks what its type needs.
    """
    tasks: dict[str, TaskSpec] = {}
    for task in (task for family in families for task in family):
        if task.name in tasks:
            raise SpecError(f"Two tasks are named '{task.name}': '{tasks[task.name].title}' and '{task.title}'.")
        check_definition(task)
        tasks[task.name] = task
    return tasks


TASKS: dict[str, TaskSpec] = assemble(
    (
        # Targets of XTREME
        (xtreme_classification.XNLI, xtreme_classification.PAWSX),
        (xtreme_tagging.UDPOS, xtreme_tagging.PANX),
        (xtreme_qa.XQUAD, xtreme_qa.MLQA, xtreme_qa.TYDIQA),
        (xtreme_retrieval.BUCC2018, xtreme_retrieval.TATOEBA),
        # Targets beyond XTREME
        (
            beyond_xtreme.SIB200,
            beyond_xtreme.TWEET_SENTIMENT,
            beyond_xtreme.STSB_MULTI,
            beyond_xtreme.MULTI_EURLEX,
            multiple_choice.XCOPA,
        ),
        # Intermediates
        (nli.MNLI, nli.SNLI, nli.ANLI, nli.ANLI_PLUS),
        (paraphrase.QQP, paraphrase.MRPC, paraphrase.PAWS, paraphrase.STSB),
        (nli.QNLI, nli.RTE),
        (single_sentence.COLA, single_sentence.SST2, single_sentence.IMDB, single_sentence.AG_NEWS),
        (qa.SQUAD, qa.SQUAD_V2),
        (
            multiple_choice.HELLASWAG,
            multiple_choice.SWAG,
            multiple_choice.COSMOSQA,
            multiple_choice.COMMONSENSEQA,
            multiple_choice.SOCIALIQA,
            multiple_choice.PIQA,
            multiple_choice.COPA,
        ),
        (ccg.CCG,),
    )
)
"""Every task that ships with the program, by name: targets first."""


def load_tasks(paths: AtlasPaths) -> dict[str, TaskSpec]:
    """`TASKS` and the user's own tasks; a file of the user that cannot be used is left out (`skipped_task_files`).

    Args:
        paths: The Atlas home; its `user_tasks` folder need not exist.
    """
    return _load(paths)[0]


def skipped_task_files(paths: AtlasPaths) -> tuple[str, ...]:
    """Why files in the user's folder of tasks cannot be used, one text a file; empty where all are sound.

    A file is wrong, has the name of a built-in task, repeats another file's name, or names tasks that are not there.

    Args:
        paths: The Atlas home.
    """
    return _load(paths)[1]


def _load(paths: AtlasPaths) -> tuple[dict[str, TaskSpec], tuple[str, ...]]:
    tasks, files = dict(TASKS), dict[str, Path]()
    own, problems = own_files(paths.user_tasks)
    for file in own:
        try:
            task = read_task_file(file)
            check_name(task.name, file=file)
        except SpecError as error:
            problems.append(str(error))
            continue
        if task.name in files:
            problems.append(f"{file}: field 'name': '{task.name}' is the name of {files[task.name]}; choose another.")
            continue
        tasks[task.name], files[task.name] = task, file
    while wrong := {name: problem for name in files if name in tasks and (problem := _reference_problem(tasks, name))}:
        problems += [f"{files[name]}: {problem}" for name, problem in wrong.items()]
        tasks = {name: task for name, task in tasks.items() if name not in wrong}
    return tasks, tuple(problems)


def check_name(name: str, *, file: Path) -> None:
    """Refuse the name of a built-in task.

    Args:
        name: Of a user's task.
        file: That declares it.

    Raises:
        SpecError: A built-in task has it.
    """
    if name in TASKS:
        raise SpecError(f"{file}: field 'name': '{name}' is already the name of a built-in task; choose another.")


def read_task_file(path: Path) -> TaskSpec:
    """The task in a user's YAML file.

    Raises:
        SpecError: It does not hold a complete task; the message names file, field, what was found and expected.
    """
    task = read_spec_file(path, kind=TaskSpec, example="docs/adding.md")
    try:
        check_definition(task)
    except SpecError as error:
        raise SpecError(f"{path}:\n  {error}\n  See docs/adding.md.") from error
    return task.model_copy(update={"is_user_task": True})


def get_task(name: str, *, tasks: Mapping[str, TaskSpec]) -> TaskSpec:
    """The task of a name.

    Args:
        name: Such as `xnli`.
        tasks: Where to look.

    Raises:
        UnknownName: There is none.
    """
    if name not in tasks:
        raise UnknownName("task", name, known=tasks)
    return tasks[name]


def no_thirds_reason(task: TaskSpec) -> str | None:
    """Why a task has no difficulty thirds, or None where it has.

    Args:
        task: Any task.
    """
    kind = task_type(task.type)
    if kind.learning is None:
        return f"'{task.name}' is a {kind.name} task: it is never trained, so no example of it is hard or easy to learn"
    return f"'{task.name}' {kind.learning.no_thirds}" if kind.learning.no_thirds else None


def in_task_reason(target: TaskSpec, *, intermediate: IntermediateSpec | None) -> str | None:
    """Why a cell must be flagged "in-task", or None where it is transfer.

    Args:
        target: The task that is scored.
        intermediate: What came between; None is the baseline.
    """
    if intermediate is None:
        return None
    if target.name in intermediate.tasks:
        kind = "masked-language modelling on" if intermediate.placebo is Placebo.MLM else "training on"
        return f"in-task: {kind} {target.title}'s own English training text"
    same = [name for name in intermediate.tasks if name in target.in_task_with]
    if not same:
        return None
    return f"in-task: {' and '.join(same)} {'trains' if len(same) == 1 else 'train'} {target.title}'s own task"


def _reference_problem(tasks: Mapping[str, TaskSpec], of: str) -> str | None:
    task = tasks[of]
    for field, names in (("parts", task.parts), ("in_task_with", task.in_task_with)):
        for name in names:
            if name not in tasks:
                return f"field '{field}': {UnknownName('task', name, known=tasks)}"
            if field == "parts" and tasks[name].labels != task.labels:
                return (
                    f"field 'parts': '{name}' has the labels {', '.join(tasks[name].labels)}; expected "
                    f"{', '.join(task.labels)}, the same in the same order."
                )
    return None
