"""When jobs end on several slots: each takes the next job, which waits on it for a stage that another is training."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple


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
    for number, job in enumerate(jobs):
        slot = min(range(n_slots), key=lambda i: free_at[i])
        now = free_at[slot]
        for piece in job:
            if piece.shared in trained_at:
                now = max(now, trained_at[piece.shared])
                continue
            now += piece.seconds
            if piece.shared is not None:
                trained_at[piece.shared] = now
        free_at[slot] = ends[number] = now
    return ends
