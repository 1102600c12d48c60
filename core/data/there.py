"""Which data a source has, before anything is started: names are looked up, nothing is read, fetched or built."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from core.data import licensed
from core.data.locate import sample_folder
from core.data.lookup import look_up_studied, missing_tests, nothing_there
from core.data.origin import DataOrigin
from core.errors import DataError, SpecError
from core.paths import AtlasPaths
from core.spec.run import DataSource, DataSourceKind, IntermediateSpec, StudySpec
from core.spec.task import Role, TaskSpec
from core.tasks import TASKS
from core.types.table import task_type


def lacking(study: StudySpec, *, paths: AtlasPaths) -> list[str]:
    """What keeps runs of a study from starting, a sentence a task; empty where each finds its data.

    Languages that cannot be scored are no reason as long as one can. What a hub has is not asked.

    Args:
        study: What would be started.
    """
    origin = DataOrigin(study.data_source, paths, tasks=study.tasks)
    at_hand = _is_at_hand(origin)
    by_name = {task.name: task for task in study.tasks}
    specs = {spec for target in study.targets for spec in study.before(target) if spec}
    found = [_no_slice(spec, origin=origin) for spec in sorted(specs, key=lambda spec: spec.name)]
    between = {name for spec in specs for name in spec.needs}
    found += [_not_trained(by_name[name], origin=origin, at_hand=at_hand) for name in sorted(between)]
    found += [_not_scored(by_name[name], origin=origin, at_hand=at_hand) for name in study.targets]
    return list(dict.fromkeys(reason for reason in found if reason))


def refuse_without_data(study: StudySpec, *, paths: AtlasPaths) -> None:
    """End what could only fail in its first second.

    Raises:
        SpecError: Data of a task are not there.
    """
    reasons = lacking(study, paths=paths)
    if reasons:
        raise SpecError(" ".join(reasons))


def tasks_there(tasks: Mapping[str, TaskSpec], *, source: DataSource, paths: AtlasPaths) -> dict[str, TaskSpec]:
    """The tasks whose data a source has, in every role that they have; all of them for a hub, which is not asked.

    Args:
        tasks: By name.
        source: A mirror whose folder is not here is not asked either.
    """
    origin = DataOrigin(source, paths, tasks=tuple(tasks.values()))
    at_hand = _is_at_hand(origin)

    def is_there(task: TaskSpec) -> bool:
        return not (
            (Role.INTERMEDIATE in task.roles and _not_trained(task, origin=origin, at_hand=at_hand))
            or (Role.TARGET in task.roles and _not_scored(task, origin=origin, at_hand=at_hand))
        )

    return {name: task for name, task in tasks.items() if is_there(task)}


def _no_slice(spec: IntermediateSpec, *, origin: DataOrigin) -> str | None:
    if not spec.domain or origin.source.kind is not DataSourceKind.SAMPLE:
        return None
    try:
        sample_folder(replace(origin, domain=spec.domain))
    except SpecError as error:
        return f"'{spec.name}': {error}"
    return None


def _not_trained(task: TaskSpec, *, origin: DataOrigin, at_hand: bool) -> str | None:
    by_name = {each.name: each for each in origin.tasks}
    if not at_hand:
        return _not_declared(task, origin=origin)
    try:
        look_up_studied(task, origin=origin)
    except DataError as error:
        return f"'{task.name}' has no English training data here. {error}"
    parts = [by_name[name] for name in task.parts if name in by_name]
    if parts and task.train is None and all(_not_trained(part, origin=origin, at_hand=True) for part in parts):
        return f"'{task.name}' has no data of any of its parts here: {', '.join(task.parts)}."
    return None


def _not_scored(task: TaskSpec, *, origin: DataOrigin, at_hand: bool) -> str | None:
    if task_type(task.type).is_trained and (reason := _not_trained(task, origin=origin, at_hand=at_hand)):
        return reason
    if not at_hand:
        return _not_declared(task, origin=origin)
    reasons = missing_tests(task, origin=origin, until_one=True)
    return nothing_there(task, reasons) if len(reasons) == len(task.languages) else None


def _is_at_hand(origin: DataOrigin) -> bool:
    """Whether looking up a name takes neither a network nor the minute in which the sample is built."""
    match origin.source.kind:
        case DataSourceKind.MIRROR:
            return Path(origin.source.root or "").is_dir()  # else `checked_source` says what is wrong
        case DataSourceKind.SAMPLE:
            return sample_folder(origin) is not None
        case DataSourceKind.HUB:
            return False


def _not_declared(task: TaskSpec, *, origin: DataOrigin) -> str | None:
    """Of a source that is not at hand: licensed files, and data sets that the sample cannot have."""
    refs = [ref for ref in (task.train, task.dev, task.test) if ref is not None]
    tried = [licensed.file_name(ref.path, split=ref.split) for ref in refs if ref.path.startswith(licensed.PREFIX)]
    folders = (origin.paths.local_data, *([Path(origin.source.root)] if origin.source.root else []))
    if any(licensed.find(name, folders=folders) is None for name in tried):
        return f"'{task.name}' has no data here. {licensed.missing(tried, folders=folders)}"
    if origin.source.kind is not DataSourceKind.SAMPLE:
        return None
    known = {ref.path for each in TASKS.values() for ref in (each.train, each.dev, each.test) if ref is not None}
    unknown = sorted({ref.path for ref in refs} - known)
    if unknown:
        return (
            f"'{task.name}' has no data among the generated sentences: they hold no data set '{unknown[0]}'. "
            "Choose a mirror or the hub as data source."
        )
    return None
