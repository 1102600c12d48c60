"""Times and sizes as a person reads them, the same on pages and in a terminal."""

from __future__ import annotations

import pandas as pd


def duration(seconds: float | None) -> str:
    """A time a person can read: "45 s", "3 min", "2 h 5 min", "3 d 4 h"; a dash where it is not known.

    Args:
        seconds: The time.
    """
    if seconds is None or pd.isna(seconds):
        return "–"
    minutes = round(seconds / 60)
    if seconds < 90:
        return f"{seconds:.0f} s"
    if minutes < 120:
        return f"{minutes} min"
    if minutes < 48 * 60:
        return f"{minutes // 60} h {minutes % 60} min"
    return f"{minutes // 1440} d {minutes % 1440 // 60} h"


def span(low_s: float, high_s: float) -> str:
    """Two times as one text: "4–6 min", "50 s – 2 min".

    Args:
        low_s: Seconds at least.
        high_s: Seconds at most.
    """
    low, high = duration(low_s), duration(high_s)
    same_unit = low.split()[1:] == high.split()[1:]
    return low if low == high else f"{low.split()[0]}–{high}" if same_unit else f"{low} – {high}"


def size(n_bytes: int) -> str:
    """A size on disk a person can read: "812 MB", "1.4 GB".

    Args:
        n_bytes: The size.
    """
    return f"{n_bytes / 1e9:.1f} GB" if n_bytes >= 1e9 else f"{n_bytes / 1e6:.0f} MB"


def cost(runs: int | None, low_s: float | None, high_s: float | None) -> str:
    """What some runs cost on this machine, as a sentence; empty where it is not known.

    Args:
        runs: How many.
        low_s: Seconds at least.
        high_s: Seconds at most.
    """
    if runs is None or low_s is None or high_s is None or pd.isna(runs):
        return ""
    return f"{int(runs)} run{'s' * (runs != 1)}, {span(low_s, high_s)} on this machine."
