"""Every measure of every pair of a domain profile; what was measured before is read.

Results are kept per point, by what decides them, so that a profile with one more task measures its pairs alone.
"""

from __future__ import annotations

import contextlib
import json
import zlib
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from core.encoder.sentences import Embedded
from core.files import write_text
from core.measures.inference.intervals import Floats, Interval
from core.measures.similarity.domains import prepare, random_axes
from core.measures.similarity.pair import Offset, Pair, SimilarityMeasure, Text
from core.measures.similarity.table import SIMILARITIES, compare
from core.measures.similarity.words import count_words
from core.measures.threads import one_blas_thread
from core.profiling.texts import Point, PointText
from core.spec.base import digest

CODE_VERSION = 1
"""Raised when texts are prepared otherwise, so that every measure would give the same pair other figures."""

DIRECTIONS = 64
"""Projections of the sliced Wasserstein distance."""

Row = dict[str, Any]  # one row of the table `similarities`, without the profile's id


class Located(NamedTuple):
    """A point with its sample and vectors."""

    text: PointText
    vectors: Embedded

    @property
    def point(self) -> Point:
        """The point."""
        return self.text.point


class Settings(NamedTuple):
    """What decides figures beside texts and vectors."""

    seed: int
    """Of directions and resamples."""
    resamples: int
    """Of measures of words."""
    cache: Path
    """Folder of what was measured."""


class Progress(NamedTuple):
    """How far the pairs are."""

    done: int
    """Measured or read."""
    total: int
    """All pairs."""
    computed: int
    """Measured now."""


def pairs_of(points: Iterable[Point]) -> list[tuple[str, str]]:
    """Names of the points of all pairs, each pair in alphabetical order, sorted.

    Every intermediate with every other and with every text of every target; a target's training text with its tests.

    Args:
        points: Those that have a text.
    """
    found: set[tuple[str, str]] = set()
    known = list(points)
    for a in known:
        for b in known:
            is_wanted = a.role == "intermediate" or (a.role == "train" and b.role == "test" and a.task == b.task)
            if is_wanted and a.name != b.name:
                found.add((min(a.name, b.name), max(a.name, b.name)))
    return sorted(found)


def language_means(located: Iterable[Located]) -> dict[str, Floats]:
    """Mean vector of each language that two or more tasks have: over tasks, each the mean of its points' means.

    With one task alone the mean is the task's own, and nothing of it would be left.

    Args:
        located: All points.
    """
    tasks: dict[str, dict[str, list[Floats]]] = {}
    for each in located:
        mean = each.vectors.rows.mean(axis=0, dtype=float)
        tasks.setdefault(each.point.lang, {}).setdefault(each.point.task, []).append(mean)
    return {
        lang: np.mean([np.mean(means, axis=0) for means in of_lang.values()], axis=0)
        for lang, of_lang in tasks.items()
        if len(of_lang) > 1
    }


class PairMeasurer:
    """Measures pairs, group by group; a group is all pairs of one point that nobody else keeps."""

    def __init__(self, located: Mapping[str, Located], *, means: Mapping[str, Floats], settings: Settings) -> None:
        """Measure nothing yet.

        Args:
            located: Points by name.
            means: Of `language_means`: what is removed from pairs a second time.
            settings: What else decides figures.
        """
        self._located, self._means, self._settings = located, means, settings
        dimensions = next(iter(located.values())).vectors.rows.shape[1]
        self._axes = random_axes(dimensions, count=DIRECTIONS, rng=np.random.default_rng(settings.seed))
        self._vocabulary: dict[str, int] = {}
        n_kept = sum(each.point.role == "intermediate" for each in located.values()) + 4
        self._text = lru_cache(maxsize=n_kept)(self._prepare)

    def measure(self, *, report: Callable[[Progress], None]) -> list[Row]:
        """Rows of all pairs, sorted by pair, measure and variant.

        Args:
            report: Told after each group.
        """
        groups: dict[str, list[tuple[str, str]]] = {}
        pairs = pairs_of(each.point for each in self._located.values())
        for pair in pairs:
            groups.setdefault(self._owner(pair), []).append(pair)
        rows: list[Row] = []
        progress = Progress(0, len(pairs), 0)
        with one_blas_thread(), ThreadPoolExecutor(max_workers=max(1, torch.get_num_threads())) as pool:
            for owner in sorted(groups, key=self._order):
                n_new = self._group(owner, groups[owner], pool=pool, rows=rows)
                progress = Progress(progress.done + len(groups[owner]), len(pairs), progress.computed + n_new)
                report(progress)
        return sorted(rows, key=lambda r: (r["a"], r["b"], r["measure"], r["centred"]))

    def _order(self, name: str) -> tuple[str, str]:
        point = self._located[name].point
        return (point.task, name)

    def _owner(self, pair: tuple[str, str]) -> str:
        """The point that keeps a pair: a test before a training text before an intermediate."""
        rank = {"intermediate": 0, "train": 1, "test": 2}
        return max(pair, key=lambda name: (rank[self._located[name].point.role], name))

    def _group(self, owner: str, pairs: list[tuple[str, str]], *, pool: ThreadPoolExecutor, rows: list[Row]) -> int:
        file = self._settings.cache / f"{self._key(owner)}.json"
        kept = _read(file)
        todo = [pair for pair in pairs if any(self._missing(pair, kept=kept).values())]
        if todo:
            # Prepared by one thread each, so that no two prepare the same; comparing leaves the interpreter free.
            for name in dict.fromkeys(name for pair in todo for name in pair):
                text = self._text(name)
                if self._is_paired_in_its_language(name, todo):
                    _ = text.shingles
            for found in pool.map(lambda pair: self._compare(pair, kept=kept), todo):
                for key, new in found.items():
                    names = {row["measure"] for row in new}
                    kept[key] = [row for row in kept.get(key, []) if row["measure"] not in names] + new
            _write(file, kept)
        for a, b in pairs:
            for centred, key in self._entries((a, b)).items():
                rows += [{"a": a, "b": b, "centred": centred} | row for row in _shown(kept[key])]
        return len(todo)

    def _key(self, name: str) -> str:
        each, settings = self._located[name], self._settings
        parts = (each.vectors.key, name, settings.seed, settings.resamples, CODE_VERSION)
        return digest(" ".join(map(str, parts)))

    def _entries(self, pair: tuple[str, str]) -> dict[bool, str]:
        """Names of a pair's rows in its owner's file, as they are and after language means were removed."""
        plain = f"{self._key(pair[0])} {self._key(pair[1])}"
        offset = self._offset(pair)
        if offset is None:
            return {False: plain}
        return {False: plain, True: f"{plain} {digest(np.round(np.concatenate(offset), 9).tobytes().hex())}"}

    def _offset(self, pair: tuple[str, str]) -> Offset | None:
        means = [self._means.get(self._located[name].point.lang) for name in pair]
        if means[0] is None or means[1] is None:
            return None
        return Offset(means[0], means[1])

    def _prepare(self, name: str) -> Text:
        each, settings = self._located[name], self._settings
        rng = np.random.default_rng([settings.seed, zlib.crc32(name.encode())])
        return Text(
            sentences=each.text.texts,
            lang=each.point.lang,
            domain=prepare(each.vectors.rows, axes=self._axes),
            words=count_words(each.text.texts, vocabulary=self._vocabulary, rng=rng, resamples=settings.resamples),
        )

    def _is_paired_in_its_language(self, name: str, pairs: list[tuple[str, str]]) -> bool:
        languages = [{self._located[each].point.lang for each in pair} for pair in pairs if name in pair]
        return any(len(both) == 1 for both in languages)

    def _missing(self, pair: tuple[str, str], *, kept: Mapping[str, list[Row]]) -> dict[bool, list[SimilarityMeasure]]:
        """Measures that a pair lacks, as it is and centred: those that were never taken, or by an older version."""
        is_one_language = len({self._located[name].point.lang for name in pair}) == 1
        missing = {}
        for centred, key in self._entries(pair).items():
            taken = {(row["measure"], row.get("version", 1)) for row in kept.get(key, [])}
            wanted = [m for m in SIMILARITIES.values() if m.applies(centred=centred, is_one_language=is_one_language)]
            missing[centred] = [m for m in wanted if (m.name, m.version) not in taken]
        return missing

    def _compare(self, pair: tuple[str, str], *, kept: Mapping[str, list[Row]]) -> dict[str, list[Row]]:
        """New rows by the name of their entry."""
        missing, entries, offset = self._missing(pair, kept=kept), self._entries(pair), self._offset(pair)
        seed = (self._settings.seed, zlib.crc32(" ".join(pair).encode()))
        texts = Pair(self._text(pair[0]), self._text(pair[1]), seed=seed)
        plain = compare(texts, measures=missing[False])
        found = {entries[False]: [_row(m, plain[m.name], pair=texts) for m in missing[False]]}
        if offset is not None:
            centred = compare(texts.centred(offset), measures=missing[True], plain=plain)
            found[entries[True]] = [_row(m, centred[m.name], pair=texts) for m in missing[True]]
        return found


def _row(measure: SimilarityMeasure, value: Interval | None, *, pair: Pair) -> Row:
    """One row of the cache; a value of None says that the measure is not defined for the pair."""
    sizes = [min(len(text.sentences), measure.first_sentences or len(text.sentences)) for text in (pair.a, pair.b)]
    figures = (None, None, None, 0) if value is None else (value.estimate, value.low, value.high, value.resamples)
    return {
        "measure": measure.name,
        "version": measure.version,
        "value": figures[0],
        "ci_low": figures[1],
        "ci_high": figures[2],
        "n_a": sizes[0],
        "n_b": sizes[1],
        "resamples": figures[3],
    }


def _shown(rows: list[Row]) -> list[Row]:
    """Rows of the cache that are rows of the table: those that have a value, of measures that there are."""
    return [
        {name: value for name, value in row.items() if name != "version"}
        for row in rows
        if row["value"] is not None and row["measure"] in SIMILARITIES
    ]


def _read(file: Path) -> dict[str, list[Row]]:
    with contextlib.suppress(OSError, ValueError, RecursionError):
        found = json.loads(file.read_text(encoding="utf-8"))
        if isinstance(found, dict):
            return found
    return {}


def _write(file: Path, kept: dict[str, list[Row]]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    write_text(file, json.dumps(kept, allow_nan=False))
