"""Thirds of a training set by difficulty or by similarity to a target's text, matched in all else.

Within each stratum of label, length and fold the examples are cut in three by difficulty (`information.py`), so thirds
are equal in size, label shares and length, and differ in difficulty alone. With a target there is a second axis
(`nearness.py`): thirds by similarity are matched in difficulty, and those by difficulty in similarity.
Which examples are in a third follows from data, model, protocol and seed, and from nothing else.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import NamedTuple, get_args

import numpy as np

from core.errors import DataError, SpecError
from core.examples import Flag, Split, fingerprint
from core.measures.matching import Covariate, gap_of_shares, matched_thirds, standardised_difference
from core.spec.match import BALANCED, Contrast, Match, MatchedThird
from core.spec.protocol import StageProtocol
from core.spec.run import IntermediateSpec, Nearness, Third
from core.tasks import no_thirds_reason
from core.training.context import RunContext
from core.training.loader import EnglishData
from core.training.subsets.information import Information, cross_fitted
from core.training.subsets.nearness import Closeness, closeness, count_words, word_overlap
from core.types.pieces import Array
from core.types.table import learning_of, task_type

FEWEST = 30
"""Examples of a third below which means cannot be compared with those of another."""
CLEAR = 0.8
"""Standardised difference in similarity from which near and far are apart: a large one in Cohen's words."""

_PER_BIN = 12
"""Examples of a label and a fold that a bin should hold."""
_BINS = 10
"""Bins of a quantity, at most."""
_BY_SIMILARITY = ("near", "middle", "far")


class Pool(NamedTuple):
    """What is known of each example of a pool; arrays of shape (n,)."""

    task: str
    """Name, for messages."""
    labels: Array
    """Ids of labels, or of what stands for them."""
    lengths: Array
    """Characters."""
    information: Information
    """Usable information, by fold."""
    closeness: Closeness | None
    """To the target; None where there is none."""


class Sorted(NamedTuple):
    """A pool in thirds."""

    names: tuple[str, ...]
    """Of the thirds."""
    thirds: Array
    """(n,) int8: place in `names`, -1 left over."""


def chosen_third(context: RunContext, pool: EnglishData, *, protocol: StageProtocol, wanted: IntermediateSpec) -> Split:
    """The examples of a pool that are in a third, in the pool's order, and how they are matched.

    Args:
        context: Model, seed, device.
        pool: Training examples to choose from, and the development set that the folds' models are selected on.
        protocol: Of the intermediate stage.
        wanted: Which third.

    Raises:
        SpecError: The task's type has no thirds.
        DataError: The pool is too small, or too uneven to be matched.
    """
    reason = no_thirds_reason(pool.train.task)
    if reason:
        raise SpecError(f"{reason[0].upper()}{reason[1:]}. Leave out '@…', or choose another task.")
    known = look_at(context, pool, protocol=protocol, to=wanted.to)
    matched = cut(known, wanted)
    third = matched.names.index(wanted.nearness or wanted.third)
    match = describe(known, matched, third=third, to=wanted.to, encoder=context.spec.model.name)
    if wanted.to:
        refuse_unmatched(match, task=known.task)
    examples = tuple(pool.train.examples[i] for i in np.flatnonzero(matched.thirds == third))
    return pool.train._replace(
        examples=examples,
        fingerprint=fingerprint(examples),
        flags=(*pool.train.flags, Flag("third", f"{known.task}: {in_words(match)}")),
        matched=match,
    )


def look_at(context: RunContext, pool: EnglishData, *, protocol: StageProtocol, to: str | None) -> Pool:
    """What thirds are cut by: labels, lengths, usable information and, with a target, similarity.

    Args:
        context: Model, seed, device.
        pool: Training examples, and the development set that the folds' models are selected on.
        protocol: Of the intermediate stage.
        to: Target, or None.

    Raises:
        DataError: The target has too little text.
    """
    kind, strata = task_type(pool.train.task.type), learning_of(pool.train.task.type).strata
    assert strata is not None  # `chosen_third` refuses types without
    # Nearness first: whatever is wrong with the target is said before anything is trained.
    near = closeness(context, pool.train, target=context.spec.task(to)) if to else None
    return Pool(
        task=pool.train.task.name,
        labels=strata(pool.train),
        lengths=np.array([len(kind.text(e)) for e in pool.train.examples]),
        information=cross_fitted(context, pool, protocol=protocol),
        closeness=near,
    )


def cut(pool: Pool, wanted: IntermediateSpec) -> Sorted:
    """A pool in thirds by difficulty, or by similarity.

    Args:
        pool: What is known of it.
        wanted: By what; with a target, thirds are matched in the other, too.

    Raises:
        DataError: There are too few examples for a third.
    """
    bits, near = pool.information.bits, pool.closeness
    # A fold's model may be the better one: within a fold its examples compete with each other alone.
    strata = pool.labels * 2 + pool.information.fold
    if near is None:
        usual = int(np.median(np.bincount(pool.labels))) // 2
        length = Covariate("lengths", pool.lengths, int(np.clip(usual // _PER_BIN, 1, _BINS)))
        return Sorted(get_args(Third), matched_thirds(bits, labels=strata, covariates=[length]))
    is_by_nearness = wanted.nearness is not None
    names, by, other = (_BY_SIMILARITY, near.cosines, bits) if is_by_nearness else (get_args(Third), bits, near.cosines)
    thirds = _matched_in_two(by, strata=strata, lengths=pool.lengths, other=other)
    if (n := int((thirds == 0).sum())) < FEWEST:
        raise DataError(
            f"'{pool.task}', {wanted.nearness or wanted.third} third with respect to '{wanted.to}': {len(bits)} "
            f"examples give thirds of {n}; expected {FEWEST} or more. Raise max_train_examples of the protocol, or "
            "choose a task with more examples."
        )
    return Sorted(names, thirds)


def _matched_in_two(values: Array, *, strata: Array, lengths: Array, other: Array) -> Array:
    """Thirds matched in length and a second quantity, in as fine bins of both as each stratum's size allows."""
    thirds = np.full(len(values), -1, dtype=np.int8)
    for stratum in np.unique(strata):
        rows = np.flatnonzero(strata == stratum)
        if len(rows) < 3:  # noqa: PLR2004  of three thirds
            continue
        cells = int(np.clip(len(rows) // _PER_BIN, 1, _BINS**2))
        first = Covariate("lengths", lengths[rows], math.isqrt(cells))
        second = Covariate("second quantity", other[rows], cells // math.isqrt(cells))
        thirds[rows] = matched_thirds(values[rows], labels=np.zeros(len(rows)), covariates=[first, second])
    return thirds


def describe(pool: Pool, found: Sorted, *, third: int, to: str | None, encoder: str) -> Match:
    """Means of the thirds, and the chosen one against the others.

    Args:
        pool: What is known of it.
        found: Its thirds.
        third: Place of the chosen one.
        to: Target, or None.
        encoder: Name of the model that embeds.
    """
    near, names = pool.closeness, found.names
    rows = [np.flatnonzero(found.thirds == place) for place in range(len(names))]
    return Match(
        third=names[third],
        target=to,
        encoder=encoder if near else None,
        n_pool=len(pool.labels),
        n_target_texts=near.n_target_texts if near else None,
        thirds=tuple(_means(pool, r, name=name) for name, r in zip(names, rows, strict=True)),
        contrasts=tuple(
            _contrast(pool, rows[third], r, other=name)
            for name, r in zip(names, rows, strict=True)
            if name != names[third]
        ),
    )


def _means(pool: Pool, rows: Array, *, name: str) -> MatchedThird:
    near, labels = pool.closeness, pool.labels[rows]
    return MatchedThird(
        name=name,
        n=len(rows),
        label_shares=tuple(float(np.mean(labels == label)) for label in np.unique(pool.labels)),
        length=float(pool.lengths[rows].mean()),
        bits=float(pool.information.bits[rows].mean()),
        similarity=float(near.cosines[rows].mean()) if near else None,
        word_overlap=word_overlap(count_words(near.texts[i] for i in rows), near.words) if near else None,
    )


def _contrast(pool: Pool, rows: Array, others: Array, *, other: str) -> Contrast:
    def between(values: Array) -> float:
        return standardised_difference(values[rows], values[others])

    return Contrast(
        other=other,
        label_gap=gap_of_shares(pool.labels[rows], pool.labels[others]),
        length=between(pool.lengths),
        bits=between(pool.information.bits),
        similarity=between(pool.closeness.cosines) if pool.closeness else None,
    )


def refuse_unmatched(match: Match, *, task: str) -> None:
    """Refuse thirds that differ in what they are matched in, or do not differ in what they are cut by.

    Args:
        match: With a target.
        task: Name, for messages.

    Raises:
        DataError: Saying what was found, what was expected and what can be done.
    """
    where = f"'{task}', {match.third} third with respect to '{match.target}': "
    is_near = match.third in get_args(Nearness)
    # Nothing is ever trained on the third between near and far.
    for contrast in [c for c in match.contrasts if not is_near or c.other in get_args(Nearness)]:
        same = {"share of a label": contrast.label_gap, "length": contrast.length}
        same["difficulty" if is_near else "similarity"] = contrast.bits if is_near else (contrast.similarity or 0.0)
        off = [f"{name} {value:+.2f}" for name, value in same.items() if abs(value) > BALANCED]
        if off:
            raise DataError(
                f"{where}differs from the {contrast.other} third by {', '.join(off)} standard deviations; expected at "
                f"most {BALANCED}. Matched closer with more examples (max_train_examples), or the two go together in "
                "this task: choose another target or task."
            )
    if is_near:
        _refuse_not_apart(match, where=where)


def _refuse_not_apart(match: Match, *, where: str) -> None:
    near, far = match.thirds[0], match.thirds[-1]
    apart = next(abs(c.similarity or 0.0) for c in match.contrasts if c.other in get_args(Nearness))
    advice = "choose another target or task."
    if apart < CLEAR:
        raise DataError(
            f"{where}near and far are {apart:.2f} standard deviations apart in similarity once they are matched in "
            f"length and difficulty; expected {CLEAR} or more. The examples do not overlap enough: {advice}"
        )
    overlaps = [third.word_overlap or 0.0 for third in (near, far)]
    if overlaps[0] <= overlaps[1]:
        raise DataError(
            f"{where}the near third has {overlaps[0]:.3f} of its running words in common with the target's text, "
            f"the far one {overlaps[1]:.3f}; expected less. The model's similarity is not borne out by words: {advice}"
        )


def in_words(match: Match) -> str:
    """One sentence: which third, by what, how far apart and how well matched.

    Args:
        match: Any.
    """
    chosen = next(third for third in match.thirds if third.name == match.third)
    bits = _list((t.name, t.bits, "+.2f") for t in match.thirds)
    head = f"the {match.third} {chosen.n} of {match.n_pool} examples by "
    if match.target is None:
        return f"{head}cross-fitted usable information (mean bits a decision: {bits})."
    cosines = _list((t.name, t.similarity or 0.0, ".3f") for t in match.thirds)
    words = _list((t.name, t.word_overlap or 0.0, ".3f") for t in match.thirds)
    nearness_of = (
        f"cosine to the centroid of {match.n_target_texts} English training texts of {match.target} in {match.encoder} "
        f"before training ({cosines}; words in common: {words})"
    )
    information = f"cross-fitted usable information (mean bits a decision: {bits})"
    by, same = (nearness_of, information) if match.third in get_args(Nearness) else (information, nearness_of)
    length, share = max(abs(c.length) for c in match.contrasts), max(c.label_gap for c in match.contrasts)
    return (
        f"{head}{by}, matched in {same}. From the other thirds it differs in length by at most {length:.2f} standard "
        f"deviations, in the share of a label by at most {share:.2f}."
    )


def _list(rows: Iterable[tuple[str, float, str]]) -> str:
    return ", ".join(f"{name} {value:{form}}" for name, value, form in rows)
