"""Retrieval: the translation of each sentence by the encoder's vectors; nothing is trained.

One example: source "Maria schläft.", target "Maria sleeps.".
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from core.examples import Split
from core.measures.metrics.retrieval import best_threshold, f1_at, hits, mine
from core.spec.task import Metric, TaskSpec
from core.types import base
from core.types.columns import Read, Rows, ids_of, text_of


class PairExample(NamedTuple):
    """A sentence and its English translation; for mining either side may be empty where it has no partner."""

    id: str
    source: str
    target: str


def _read(rows: Rows) -> Read:
    named = zip(ids_of(rows), text_of(rows, "source"), text_of(rows, "target"), strict=True)
    return Read(tuple(PairExample(i, s.strip(), t.strip()) for i, s, t in named))


def _text(example: PairExample) -> str:
    return base.joined(example.source, example.target)


def _source(example: PairExample) -> str:
    return example.source  # the English translation is no text of the split's language


def _label_names(example: PairExample, names: Sequence[str]) -> list[str]:
    del example, names
    return []


def _placeholder(examples: Sequence[PairExample], task: TaskSpec) -> str | None:
    del examples, task
    return None


def _missing(task: TaskSpec) -> list[str]:
    wanted = Metric.F1 if task.mining else Metric.ACCURACY
    what = "pairs that are mined have" if task.mining else "ranked translations have"
    return [] if task.metrics == (wanted,) else [f"metrics is {', '.join(task.metrics)}: {what} {wanted} alone"]


def _translation(example: PairExample) -> tuple[str, str]:
    return example.source, example.target


def _search(split: Split, embed: base.Embed, dev: Callable[[], Split]) -> base.Found:
    """Accuracy of the nearest English sentence; mining F1 for a task that mines."""
    if split.task.mining:
        return _mined(split, dev=dev(), embed=embed)
    pairs = base.records(split, PairExample)
    english, other = embed([p.target for p in pairs]), embed([p.source for p in pairs])
    each = hits(english, other)
    nearest = (english @ other.T).argmax(axis=1)
    score = base.MetricScore(float(each.mean()), len(pairs), each)
    return base.Found(score, 1 / len(pairs), [str(int(i)) for i in nearest])


def _mined(split: Split, *, dev: Split, embed: base.Embed) -> base.Found:
    """Mining F1 of the test pairs at the threshold that is best on the development pairs."""
    sides = {"dev": _sides(dev), "test": _sides(split)}
    mined = {
        name: mine(embed([s for _, s in side.sources]), embed([t for _, t in side.targets]))
        for name, side in sides.items()
    }
    threshold = best_threshold(mined["dev"], sides["dev"].gold)
    found = f1_at(threshold, mined["test"], sides["test"].gold)
    kept = mined["test"].scores >= threshold
    test = sides["test"]
    pairs = zip(mined["test"].sources[kept], mined["test"].targets[kept], strict=True)
    partner = {test.sources[int(s)][0]: test.targets[int(t)][0] for s, t in pairs}
    texts = ["" if partner.get(i) is None else str(partner[i]) for i in range(len(split.examples))]
    # Each sentence of the smaller side with a random partner: that many pairs, of which one in all targets is right.
    n_sources, n_targets, n_gold = len(test.sources), len(test.targets), len(test.gold)
    floor = 2 * n_gold / n_targets / (min(n_sources, n_targets) + n_gold)
    counts = np.zeros((len(split.examples), 3))  # of the example whose source sentence it is: right, gold, predicted
    for row, _ in test.gold:
        counts[test.sources[row][0], 1] = 1
    for source, target in partner.items():
        counts[source, 0], counts[source, 2] = source == target, 1
    return base.Found(base.MetricScore(found.f1, n_gold, None, "f1", counts), floor, texts)


class _Sides(NamedTuple):
    """The sentences of both languages with the index of their example, and which belong together."""

    sources: list[tuple[int, str]]
    targets: list[tuple[int, str]]
    gold: set[tuple[int, int]]


def _sides(split: Split) -> _Sides:
    pairs = list(enumerate(base.records(split, PairExample)))
    sources = [(i, e.source) for i, e in pairs if e.source]
    targets = [(i, e.target) for i, e in pairs if e.target]
    place_of_target = {i: row for row, (i, _) in enumerate(targets)}
    gold = {(row, place_of_target[i]) for row, (i, _) in enumerate(sources) if i in place_of_target}
    return _Sides(sources, targets, gold)


RETRIEVAL = base.TaskType(
    name="retrieval",
    summary="The translation of each sentence; nothing is trained.",
    record=PairExample,
    columns=("source", "target"),
    missing=_missing,
    read=_read,
    text=_text,
    own_text=_source,
    known_text=_source,
    label_names=_label_names,
    placeholder=_placeholder,
    relabelled=base.unchanged,
    learning=None,
    search=_search,
    translation=_translation,
)
