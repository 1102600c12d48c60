"""How alike two encodings of the same texts are."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from core.errors import DataError
from core.measures.inference.intervals import Floats, Interval, infinitesimal_jackknife
from core.measures.threads import one_blas_thread


def linear_cka(x: ArrayLike, *, other: ArrayLike, level: float = 0.95) -> Interval:
    """Linear centred kernel alignment of two encodings of the same texts, in [0, 1] (Kornblith et al. 2019).

    Args:
        x: (n, d) states of one encoder or layer.
        other: (n, e) states of the other, same texts in the same order; e may differ from d.

    Raises:
        DataError: Numbers of texts differ, or states are constant.
    """
    a, b = _states(x), _states(other)
    if len(a) != len(b):
        raise DataError(f"{len(a)} texts against {len(b)}; alignment needs the same texts in the same order.")
    a, b = a - a.mean(axis=0), b - b.mean(axis=0)
    with one_blas_thread():
        cross, own_a, own_b = a.T @ b, a.T @ a, b.T @ b
        part = np.sum((a @ cross) * b, axis=1), np.sum((a @ own_a) * a, axis=1), np.sum((b @ own_b) * b, axis=1)
    total = [float(p.sum()) for p in part]
    if min(total[1:]) <= 0:
        raise DataError("All states are the same; alignment is not defined. Pass states that differ between texts.")
    estimate = total[0] / math.sqrt(total[1] * total[2])
    pull = len(a) * estimate * (2 * part[0] / max(total[0], 1e-300) - part[1] / total[1] - part[2] / total[2])
    return infinitesimal_jackknife(estimate, pulls=(pull,), level=level, bounds=(0, 1))


def _states(x: ArrayLike) -> Floats:
    rows = np.asarray(x, dtype=float)
    if rows.ndim != 2 or len(rows) < 3:
        raise DataError(f"States of shape {rows.shape}; expected (n, d) with n of 3 or more texts.")
    if not np.isfinite(rows).all():
        raise DataError("States hold NaN or infinity. Encode the texts again; empty texts are left out before.")
    return rows
