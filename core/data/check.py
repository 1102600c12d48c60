"""The dry run of a task on 50 examples: what `python -m core check-task FILE` shows. Loads no torch."""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple

from core.data.datasets import load_split, subsample
from core.data.locate import located
from core.data.origin import DataOrigin
from core.data.overlap import Seen
from core.errors import AtlasError, MissingSplit
from core.examples import Example, Flag, Split, SplitRole
from core.paths import AtlasPaths
from core.spec.run import DataSource
from core.spec.task import TaskSpec
from core.tasks import TASKS
from core.types.base import TaskType
from core.types.table import task_type

N_EXAMPLES = 50
"""Examples that are looked at in each split."""

_SHORT = 200
_Row = dict[str, str | int | None]
_KEYS: tuple[str, ...] = ("task", "role", "lang", "split", "n_available", "n_checked", "labels", "longest_text")
_KEYS += ("first", "notes", "problem")


class SplitReport(NamedTuple):
    """What was found in one split."""

    role: SplitRole
    lang: str
    split: str
    """The split really read."""
    n_available: int
    """Usable examples."""
    n_checked: int
    """Examples looked at, at most 50."""
    labels: dict[str, int]
    """Label → how often among those looked at (words for tagging); empty where the type has none."""
    longest_text: int
    """Characters of the longest text among those looked at."""
    first: str
    """The first example, shortened."""
    flags: tuple[str, ...]
    """What a reader of the scores must know."""


class CheckReport(NamedTuple):
    """The dry run of one task."""

    task: str
    splits: tuple[SplitReport, ...]
    """Splits that can be read."""
    problems: tuple[str, ...]
    """What keeps the task from running; empty where it is sound."""
    missing_languages: tuple[str, ...]
    """Languages without a test split in this data source; they are skipped in a run."""


def check_task(task: TaskSpec, *, origin: DataOrigin) -> CheckReport:
    """Load 50 examples of each split of a task, run every guard and report.

    Args:
        task: Its declaration.
        origin: Where the examples come from.
    """
    reports: list[SplitReport] = []
    problems: list[str] = []
    missing: list[str] = []
    seen, english = Seen(), None
    for role, lang in _wanted(task):
        try:
            split = load_split(task, role=role, lang=lang, origin=origin)
        except MissingSplit as error:
            if role != "test" or lang == task.languages[0]:
                problems.append(f"{role} ({lang}): {error}")
            missing += [lang] if role == "test" else []
        except AtlasError as error:
            problems.append(f"{role} ({lang}): {error}")
        else:
            if role != "test":
                seen.add(split)
            elif lang == "en":
                english = split
            met = seen.flags(split, english=english) if role == "test" else _tests_at(task, role=role, origin=origin)
            reports.append(_report(split, flags=(*split.flags, *met)))
    return CheckReport(task.name, tuple(reports), tuple(problems), tuple(missing))


def _tests_at(task: TaskSpec, *, role: SplitRole, origin: DataOrigin) -> tuple[Flag, ...]:
    """Other tasks whose English test set is what this task trains or selects on."""
    place = located(task, role=role, lang="en", origin=origin)
    found = []
    for other in origin.tasks if place else ():
        ref = other.split_ref("test", lang="en")
        if place is None or other.name == task.name or ref is None or ref.path != place.ref.path:
            continue
        test = located(other, role="test", lang="en", origin=origin)
        if test is not None and test.data == place.data:
            message = f"{task.name} {role}: these are the English test examples of '{other.name}'."
            found.append(Flag("is_a_test", message))
    return tuple(found)


def _wanted(task: TaskSpec) -> list[tuple[SplitRole, str]]:
    wanted: list[tuple[SplitRole, str]] = []
    if task.train is not None or task.parts:
        wanted += [("train", "en"), ("dev", "en")]
    first = sorted(task.languages, key=lambda lang: lang != "en")  # the others are compared with English
    return wanted + [("test", lang) for lang in first if task.test is not None]


def _report(split: Split, *, flags: tuple[Flag, ...]) -> SplitReport:
    looked_at, kind = subsample(split, n=N_EXAMPLES, seed=0).examples, task_type(split.task.type)
    return SplitReport(
        role=split.role,
        lang=split.lang,
        split=split.split,
        n_available=split.n_available,
        n_checked=len(looked_at),
        labels=_labels(looked_at, kind, names=split.labels),
        longest_text=max(len(kind.text(e)) for e in looked_at),
        first=_shown(looked_at[0], kind, names=split.labels),
        flags=tuple(f"{flag}: {message}" for flag, message in flags),
    )


def _labels(examples: tuple[Example, ...], kind: TaskType, *, names: tuple[str, ...]) -> dict[str, int]:
    found: Counter[str] = Counter()
    for example in examples:
        found.update(kind.label_names(example, names))
    return dict(sorted(found.items(), key=lambda item: (-item[1], item[0])))


def _shown(example: Example, kind: TaskType, *, names: tuple[str, ...]) -> str:
    text = " ".join(kind.text(example).split())
    labels = ", ".join(kind.label_names(example, names)[:10])
    short = text if len(text) <= _SHORT else f"{text[:_SHORT]}…"
    return f"{short} → {labels}" if labels else short


def check_task_file(task: TaskSpec, *, source: DataSource, paths: AtlasPaths) -> list[_Row]:
    """`check_task` as flat rows, for the command line: one a split that can be read, then one a problem.

    All rows have the same keys; `problem` is None where nothing keeps the task from running.

    Args:
        task: Its declaration.
        source: Where the examples come from.
        paths: Cache and local data.
    """
    report = check_task(task, origin=DataOrigin(source, paths, tasks=(*TASKS.values(), task)))
    rows = [_row(found) for found in report.splits]
    skipped = [
        f"test ({lang}): no test split in this data source; the language is skipped"
        for lang in report.missing_languages
    ]
    rows += [dict.fromkeys(_KEYS) | {"notes": text} for text in skipped]
    rows += [dict.fromkeys(_KEYS) | {"problem": text} for text in report.problems]
    return [row | {"task": report.task} for row in rows]


def _row(found: SplitReport) -> _Row:
    return dict.fromkeys(_KEYS) | {
        "role": found.role,
        "lang": found.lang,
        "split": found.split,
        "n_available": found.n_available,
        "n_checked": found.n_checked,
        "labels": ", ".join(f"{name} {n}" for name, n in found.labels.items()) or None,
        "longest_text": found.longest_text,
        "first": found.first,
        "notes": " ".join(found.flags) or None,
    }
