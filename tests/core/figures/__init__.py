"""Figures, read through `fig.data`."""

from __future__ import annotations

import re


def plain(text: str) -> str:
    """A number of a heatmap without its colour."""
    return re.sub(r"</?span[^>]*>", "", text)
