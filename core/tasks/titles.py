"""What people read for a task, a model or an intermediate condition; commands, addresses and files hold the ids."""

from __future__ import annotations

import re
from collections.abc import Iterable

from pydantic import ValidationError

from core.errors import SpecError
from core.spec.model import ModelSpec
from core.spec.run import IntermediateSpec, Placebo
from core.spec.task import TaskSpec

_NOTE = re.compile(r"\s*\([^)]*\)$")
_XTREME = "google/xtreme"
_PLACEBOS = {Placebo.SHUFFLED: ", shuffled labels", Placebo.MLM: ", masked LM"}

_METRICS = {
    "f1": "F1", "macro_f1": "macro F1", "micro_f1": "micro F1", "mrp": "mean R-precision", "matthews": "Matthews",
    "spearman": "Spearman", "pearson": "Pearson",
}  # fmt: skip


class Titles:
    """Short titles by id: `panx` is PAN-X, `mnli~shuffled` is MNLI, shuffled labels. An unknown id is its own title."""

    def __init__(self, tasks: Iterable[TaskSpec], models: Iterable[ModelSpec] = ()) -> None:
        """Learn the names.

        Args:
            tasks: Built-in ones and the user's.
            models: The same.
        """
        known = list(tasks)
        self._tasks = {task.name: _NOTE.sub("", task.title) for task in known}
        self._in_xtreme = {task.name for task in known if task.test is not None and task.test.path == _XTREME}
        self._models = {model.name: _NOTE.sub("", model.title) for model in models}

    def of(self, name: str) -> str:
        """Title of a task or of an intermediate condition in its text form.

        Args:
            name: Such as `xnli`, `mnli+qqp`, `mnli~mlm`, `mnli@hardest`, `none`.
        """
        return self._of(name, third=" third", target=None)

    def head(self, name: str, *, target: str | None = None) -> str:
        """The same, short enough for the head of a narrow column: "SST-2 (hardest)".

        Args:
            name: As for `of`.
            target: Of the heatmap, which "nearest to target" then means; None: every target by its title.
        """
        return self._of(name, third="", target=target)

    def _of(self, name: str, *, third: str, target: str | None) -> str:
        if name in self._tasks:
            return self._tasks[name]
        try:
            spec = IntermediateSpec.parse(name)
        except (SpecError, ValidationError):
            return name
        to = "target" if spec.to and spec.to == target else self._tasks.get(spec.to or "", spec.to or "the target")
        slices = ", ".join(part for part in (spec.domain, spec.difficulty, _third(spec, third, to)) if part)
        tasks = " + ".join(self._tasks.get(task, task) for task in spec.tasks)
        return tasks + (_PLACEBOS[spec.placebo] if spec.placebo else "") + (f" ({slices})" if slices else "")

    def targets(self, names: Iterable[str]) -> str:
        """Titles of targets in one line, those of XTREME first: "UDPOS (of XTREME), SIB-200".

        Args:
            names: Ids of tasks.
        """
        ids = dict.fromkeys(names)
        ours = sorted(self.of(name) for name in ids if name in self._in_xtreme)
        others = sorted(self.of(name) for name in ids if name not in self._in_xtreme)
        return ", ".join(([f"{', '.join(ours)} (of XTREME)"] if ours else []) + others)

    def of_model(self, label: str) -> str:
        """Title of a model.

        Args:
            label: Its name, or its name and what tells two of that name apart: `atlas-mini · 2dfdcb`.
        """
        name, dot, rest = label.partition(" · ")
        return self._models.get(name, name) + dot + rest


def metric_title(name: str) -> str:
    """What people read for a metric: "macro F1", "exact match", "Matthews".

    Args:
        name: Such as `macro_f1`; one that a paper printed may be another than ours.
    """
    return _METRICS.get(name) or name.replace("_", " ")


def _third(spec: IntermediateSpec, word: str, to: str) -> str | None:
    if not spec.is_third:
        return None
    if spec.nearness:
        return f"nearest{word} to {to}" if spec.nearness == "near" else f"farthest{word} from {to}"
    return f"{spec.third}{word}" + (f", matched to {to}" if spec.to else "")
