"""When jobs end on several slots: each takes the next job that needs no stage which another is training."""

from __future__ import annotations

import heapq
import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple


class Piece(NamedTuple):
    """A part of a job."""

    seconds: float
    """It takes."""
    shared: str | None = None
    """Key of a stage that jobs share: the first one trains it, the others let further jobs by or find it."""


def end_times(jobs: Sequence[Sequence[Piece]], *, n_slots: int) -> list[float]:
    """Seconds from now until each job has ended, in the order given; the queue is that of `core.jobs.dispatch`.

    Args:
        jobs: In order of the queue, each its pieces in order.
        n_slots: Jobs at a time, at least 1.
    """
    ends, trained_at = [0.0] * len(jobs), dict[str, float]()
    free_at = [0.0] * n_slots
    ready, later = list(range(len(jobs))), list[tuple[float, int]]()  # heaps: by place, and by when to look again
    while ready or later:
        now = heapq.heappop(free_at)
        while later and (later[0][0] <= now or not ready):
            now = max(now, later[0][0])
            heapq.heappush(ready, heapq.heappop(later)[1])
        place = heapq.heappop(ready)
        until = _until(jobs[place], now=now, trained_at=trained_at)
        if until > now:
            heapq.heappush(later, (until, place))
            heapq.heappush(free_at, now)
            continue
        ends[place] = _end(jobs[place], now=now, trained_at=trained_at)
        heapq.heappush(free_at, ends[place])
    return ends


def _until(job: Sequence[Piece], *, now: float, trained_at: Mapping[str, float]) -> float:
    """When a job can start: once the first shared stage that is not there is trained by nobody."""
    for piece in job:
        if piece.shared is not None and trained_at.get(piece.shared, math.inf) > now:
            return trained_at.get(piece.shared, now)
    return now


def _end(job: Sequence[Piece], *, now: float, trained_at: dict[str, float]) -> float:
    for piece in job:
        if piece.shared in trained_at:
            now = max(now, trained_at[piece.shared])
            continue
        now += piece.seconds
        if piece.shared is not None:
            trained_at[piece.shared] = now
    return now
