"""When jobs end on several slots: each free slot takes the next job whose shared stages nobody is training."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

_LOOK_AHEAD = 200  # jobs further back in the queue are hardly ever taken first


class Piece(NamedTuple):
    """A part of a job."""

    seconds: float
    """It takes."""
    shared: str | None = None
    """Key of a stage that jobs share: the first one trains it, the others wait for it or find it."""


def end_times(jobs: Sequence[Sequence[Piece]], *, n_slots: int) -> list[float]:
    """Seconds from now until each job has ended, in the order given.

    Args:
        jobs: In order of the queue, each its pieces in order.
        n_slots: Jobs at a time, at least 1.
    """
    free_at, ends = [0.0] * n_slots, [0.0] * len(jobs)
    trained_at: dict[str | None, float] = {}
    waiting = list(range(len(jobs)))
    while waiting:
        slot = min(range(n_slots), key=lambda i: free_at[i])
        now = free_at[slot]
        ahead = enumerate(waiting[:_LOOK_AHEAD])
        number = waiting.pop(next((place for place, i in ahead if not _waits(jobs[i], trained_at, now=now)), 0))
        for piece in jobs[number]:
            if piece.shared in trained_at:
                now = max(now, trained_at[piece.shared])
                continue
            now += piece.seconds
            if piece.shared is not None:
                trained_at[piece.shared] = now
        free_at[slot] = ends[number] = now
    return ends


def _waits(job: Sequence[Piece], trained_at: dict[str | None, float], *, now: float) -> bool:
    return any(trained_at.get(piece.shared, now) > now for piece in job)
