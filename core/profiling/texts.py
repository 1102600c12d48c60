"""Points of a profile and their texts: which there are, and a seeded sample of each."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import Literal, NamedTuple

import numpy as np

from core.data.datasets import load_split
from core.data.origin import DataOrigin
from core.encoder.sentences import digest_of_texts
from core.errors import DataError
from core.examples import Split, SplitRole
from core.paths import AtlasPaths
from core.spec.profile import ProfileSpec, test_point, train_point
from core.spec.run import IntermediateSpec
from core.types.table import task_type

FEWEST = 10
"""Texts below which a point is left out: nothing could be said of it."""

PointRole = Literal["intermediate", "train", "test"]


class Point(NamedTuple):
    """One text of a profile, not yet read."""

    name: str
    """`mnli@food`, `xnli:train`, `xnli:test:de`."""
    task: str
    """Task, or several joined with `+`."""
    role: PointRole
    """What the text serves as."""
    lang: str
    """XTREME's code."""
    intermediate: IntermediateSpec | None = None
    """Tasks and slice of an intermediate."""


class PointText(NamedTuple):
    """A point with its sample."""

    point: Point
    split: str
    """The split that was read."""
    n_available: int
    """Usable examples before the sample."""
    fingerprint: str
    """Digest of the texts in order."""
    texts: tuple[str, ...]
    """In random order, none empty."""


def points_of(spec: ProfileSpec) -> tuple[Point, ...]:
    """All points that a domain profile asks for: intermediates, then each target's training and test texts."""
    points = []
    for intermediate in spec.intermediate_specs:
        plain = intermediate.model_copy(update={"placebo": None})  # a placebo changes labels, never a text
        points.append(Point(plain.name, "+".join(plain.tasks), "intermediate", "en", plain))
    for name in spec.targets:
        task = spec.task(name)
        if task.train is not None or task.parts:
            points.append(Point(train_point(name), name, "train", "en"))
        points += [Point(test_point(name, lang), name, "test", lang) for lang in spec.scored_languages(name)]
    return tuple(dict.fromkeys(points))


def read_point(point: Point, spec: ProfileSpec, *, paths: AtlasPaths) -> PointText:
    """A point's sample: equal shares of its tasks, drawn with the profile's seed and the point's name.

    Args:
        point: Which.
        spec: Gives seed, size and data source.

    Raises:
        DataError: The data are not there, not readable, or too few.
    """
    if point.intermediate is not None and point.intermediate.is_third:
        raise DataError(f"'{point.name}' is a third of its examples: which texts it holds depends on trained models.")
    splits = [_split(point, name, spec, paths=paths) for name in point.task.split("+")]
    share = -(-spec.n // len(splits))
    drawn = []
    for place, split in enumerate(splits):
        rng = np.random.default_rng([spec.seed, zlib.crc32(point.name.encode()), place])
        drawn += list(_some(split, n=share, rng=rng))
    if len(drawn) < FEWEST:
        raise DataError(f"'{point.name}' has {len(drawn)} texts, fewer than the {FEWEST} that a comparison needs.")
    order = np.random.default_rng([spec.seed, zlib.crc32(point.name.encode())]).permutation(len(drawn))
    texts = tuple(drawn[i] for i in order)[: spec.n]
    return PointText(
        point=point,
        split=" + ".join(dict.fromkeys(split.split for split in splits)),
        n_available=sum(split.n_available for split in splits),
        fingerprint=digest_of_texts(texts),
        texts=texts,
    )


def _split(point: Point, name: str, spec: ProfileSpec, *, paths: AtlasPaths) -> Split:
    slice_of = point.intermediate
    origin = DataOrigin(
        source=spec.data_source,
        paths=paths,
        domain=slice_of.domain if slice_of else None,
        difficulty=slice_of.difficulty if slice_of else None,
        tasks=spec.tasks,
    )
    role: SplitRole = "test" if point.role == "test" else "train"
    return load_split(spec.task(name), role=role, lang=point.lang, origin=origin)


def _some(split: Split, *, n: int, rng: np.random.Generator) -> Iterator[str]:
    taken, own_text = 0, task_type(split.task.type).own_text
    for place in rng.permutation(len(split.examples)):
        text = own_text(split.examples[place]).strip()
        if text and taken < n:
            taken += 1
            yield text
        elif taken == n:
            return
