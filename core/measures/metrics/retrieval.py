"""Matching sentences by their vectors: nearest neighbour (Tatoeba) and mining with a threshold (BUCC).

Mining follows XTREME's script: pairs are scored by the ratio margin of Artetxe & Schwenk (2019) over the four nearest
neighbours of both sides, the best pairs of both directions are taken greedily, each sentence once, and the threshold
is chosen on development pairs alone. Equal scores are ordered by index, so that a run gives the same pairs twice.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from core.errors import DataError

Vectors = npt.NDArray[np.floating]
Indices = npt.NDArray[np.int64]
_BLOCK = 1024  # rows of similarities in memory at once


class Mined(NamedTuple):
    """Candidate pairs, best first; each sentence occurs at most once on its side."""

    sources: Indices
    """(m,) rows of the source vectors."""
    targets: Indices
    """(m,) rows of the target vectors."""
    scores: npt.NDArray[np.float64]
    """(m,) margins, larger is likelier; descending."""


class MiningScores(NamedTuple):
    """Of the pairs at or above a threshold, all in [0, 1]; 0 where none is right."""

    precision: float
    recall: float
    f1: float


def nearest(queries: Vectors, candidates: Vectors) -> Indices:
    """Row of the candidate with the largest cosine for each query, (n_queries,); ties go to the smaller row.

    Args:
        queries: (n_queries, dim), any length.
        candidates: (n_candidates, dim), any length.

    Raises:
        DataError: No vectors, other dimensions, or a vector that is not finite.
    """
    q, c = _unit(queries, candidates)
    blocks = (q[i : i + _BLOCK] @ c.T for i in range(0, len(q), _BLOCK))
    return np.concatenate([block.argmax(axis=1) for block in blocks]).astype(np.int64)


def hits(queries: Vectors, candidates: Vectors) -> npt.NDArray[np.float64]:
    """1.0 for each query whose nearest candidate is the one of the same row, else 0.0; their mean is the accuracy.

    XTREME's script for Tatoeba asks with the English sentences and searches among the others.

    Args:
        queries: (n, dim) sentences.
        candidates: (n, dim) their translations, in the same order.

    Raises:
        DataError: No vectors, other shapes, or a vector that is not finite.
    """
    if len(queries) != len(candidates):
        raise DataError(f"There are {len(queries)} queries and {len(candidates)} translations. Expected the same.")
    return np.asarray(nearest(queries, candidates) == np.arange(len(queries)), dtype=np.float64)


def mine(source: Vectors, target: Vectors, *, neighbours: int = 4) -> Mined:
    """Candidate pairs of two sets of sentences: ratio margin, both directions, greedy from the best.

    Args:
        source: (n_source, dim), any length.
        target: (n_target, dim), any length.
        neighbours: How many nearest neighbours the margin averages over.

    Raises:
        DataError: No vectors, other dimensions, or a vector that is not finite.
    """
    s, t = _unit(source, target)
    forward, backward = _neighbours(s, t, neighbours), _neighbours(t, s, neighbours)
    best_t, score_s = _best(forward, backward.mean)
    best_s, score_t = _best(backward, forward.mean)
    pairs_s = np.concatenate([np.arange(len(s)), best_s])
    pairs_t = np.concatenate([best_t, np.arange(len(t))])
    return _greedy(pairs_s, pairs_t, np.concatenate([score_s, score_t]))


def best_threshold(dev: Mined, gold: Collection[tuple[int, int]]) -> float:
    """The threshold with the largest F1 on development pairs; half-way to the next lower score.

    Args:
        dev: Candidates mined from development sentences.
        gold: Their true pairs, (source row, target row).

    Raises:
        DataError: No gold pair.
    """
    right = _right(dev, gold)
    if not right.any():
        return 0.0
    f1 = 2 * np.cumsum(right) / (np.arange(1, len(right) + 1) + len(gold))
    # A threshold cannot separate equal scores: only the last of each run of them is a place to cut.
    last_of_run = np.append(dev.scores[1:] < dev.scores[:-1], True)
    at = int(np.argmax(np.where(last_of_run, f1, -1.0)))
    return float((dev.scores[at] + dev.scores[at + 1]) / 2) if at + 1 < len(right) else float(dev.scores[at])


def f1_at(threshold: float, mined: Mined, gold: Collection[tuple[int, int]]) -> MiningScores:
    """Precision, recall and F1 of the pairs that score at least the threshold.

    Args:
        threshold: From `best_threshold` on other sentences.
        mined: Candidates.
        gold: True pairs, (source row, target row).

    Raises:
        DataError: No gold pair.
    """
    kept = mined.scores >= threshold
    right, n = int(_right(mined, gold)[kept].sum()), int(kept.sum())
    return MiningScores(right / n if n else 0.0, right / len(gold), 2 * right / (n + len(gold)) if right else 0.0)


class _Nearest(NamedTuple):
    rows: Indices
    cosines: npt.NDArray[np.float64]
    mean: npt.NDArray[np.float64]


def _neighbours(queries: Vectors, candidates: Vectors, k: int) -> _Nearest:
    k = min(k, len(candidates))
    rows, cosines = [], []
    for i in range(0, len(queries), _BLOCK):
        block = queries[i : i + _BLOCK] @ candidates.T
        top = np.sort(np.argpartition(-block, k - 1, axis=1)[:, :k], axis=1)  # by row, so that ties go to the smaller
        rows.append(top)
        cosines.append(np.take_along_axis(block, top, axis=1))
    found = np.concatenate(cosines)
    return _Nearest(np.concatenate(rows), found, found.mean(axis=1))


def _best(there: _Nearest, back_mean: npt.NDArray[np.float64]) -> tuple[Indices, npt.NDArray[np.float64]]:
    around = (there.mean[:, None] + back_mean[there.rows]) / 2
    margins = there.cosines / np.where(around == 0, np.finfo(np.float64).tiny, around)
    at = margins.argmax(axis=1)[:, None]
    return np.take_along_axis(there.rows, at, axis=1)[:, 0], np.take_along_axis(margins, at, axis=1)[:, 0]


def _greedy(sources: Indices, targets: Indices, scores: npt.NDArray[np.float64]) -> Mined:
    seen_s, seen_t, kept = set(), set(), []
    for i in np.lexsort((targets, sources, -scores)):
        s, t = int(sources[i]), int(targets[i])
        if s not in seen_s and t not in seen_t:
            seen_s.add(s)
            seen_t.add(t)
            if scores[i] > 0:
                kept.append(i)
    rows = np.asarray(kept, dtype=np.int64)
    return Mined(sources[rows], targets[rows], scores[rows])


def _right(mined: Mined, gold: Collection[tuple[int, int]]) -> npt.NDArray[np.bool_]:
    if not len(gold):
        raise DataError("There is nothing to score: no gold pairs. Expected at least one.")
    wanted = set(gold)
    pairs = zip(mined.sources.tolist(), mined.targets.tolist(), strict=True)
    return np.fromiter((pair in wanted for pair in pairs), dtype=bool, count=len(mined.scores))


def _unit(first: Vectors, second: Vectors) -> tuple[Vectors, Vectors]:
    """Both as float64 rows of unit length; float64 keeps blocks of other sizes from changing a tie."""
    found = []
    for vectors in (first, second):
        v = np.asarray(vectors, dtype=np.float64)
        if v.ndim != 2 or not v.size:
            raise DataError(f"Expected vectors of shape (n, dim) with n at least 1, found shape {v.shape}.")
        if not np.isfinite(v).all():
            raise DataError("Sentence vectors hold NaN or infinity: the model diverged.")
        lengths = np.linalg.norm(v, axis=1, keepdims=True)
        found.append(v / np.where(lengths == 0, 1.0, lengths))
    if found[0].shape[1] != found[1].shape[1]:
        raise DataError(f"Vectors have {found[0].shape[1]} and {found[1].shape[1]} dimensions. Expected the same.")
    return found[0], found[1]
