"""Where the names of points stand: beside their point, over no other point and no other name, or nowhere.

Greedy, in the order of the points: the first of eight places that is free. Widths are estimates, since only a browser
knows its fonts; what finds no place is left to the hover.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

WIDTH_PX = 400
"""Of the plot itself, in the narrower of the layouts that show two figures beside each other."""
_LETTER_PX, _LINE_PX, _GAP_PX = 6.6, 13.0, 2.0
_PLACES = {
    "top center": (0, -1), "bottom center": (0, 1), "middle right": (1, 0), "middle left": (-1, 0),
    "top right": (1, -1), "top left": (-1, -1), "bottom right": (1, 1), "bottom left": (-1, 1),
}  # fmt: skip
"""Plotly's names, and on which side of the point they are; down is positive, as on a screen."""


class Named(NamedTuple):
    """A point with a name."""

    x: float
    """Place on the horizontal axis, in its unit."""
    y: float
    """Place on the vertical axis, in its unit."""
    name: str
    """What is to stand beside it."""
    size_px: float
    """Diameter of its marker."""


class _Box(NamedTuple):
    left: float
    top: float
    right: float
    bottom: float

    def meets(self, other: _Box) -> bool:
        return (
            self.left < other.right and other.left < self.right and self.top < other.bottom and other.top < self.bottom
        )


def name_places(
    points: Sequence[Named],
    *,
    window: tuple[tuple[float, float], tuple[float, float]],
    height_px: float,
    width_px: float = WIDTH_PX,
    first: str = "top center",
) -> list[str | None]:
    """Plotly's `textposition` for each name, None where there is no room for it.

    Args:
        points: In the order in which they may choose; every marker is kept free from the names of others.
        window: Ends of the horizontal and of the vertical axis, as drawn: from left to right and from below to above.
        height_px: Of the plot.
        width_px: Of the plot.
        first: The place that is tried first.

    Raises:
        ValueError: `first` is no place.
    """
    if first not in _PLACES:
        raise ValueError(f"Unknown place {first!r}: expected one of {', '.join(_PLACES)}.")
    (x0, x1), (y0, y1) = window
    spots = [((p.x - x0) / (x1 - x0) * width_px, (y1 - p.y) / (y1 - y0) * height_px) for p in points]
    markers = [_around(*spot, size=p.size_px) for p, spot in zip(points, spots, strict=True)]
    taken: list[_Box] = []
    places: list[str | None] = []
    for i, point in enumerate(points):
        others = [*taken, *markers[:i], *markers[i + 1 :]]
        boxes = ((place, _beside(spots[i], point, _PLACES[place])) for place in (first, *_PLACES))
        free = next(((place, box) for place, box in boxes if _is_free(box, others, width_px)), None)
        places.append(free[0] if free else None)
        taken += [free[1]] if free else []
    return places


def _is_free(box: _Box, others: Sequence[_Box], width_px: float) -> bool:
    return box.left >= 0 and box.right <= width_px and not any(box.meets(other) for other in others)


def _around(x: float, y: float, *, size: float) -> _Box:
    return _Box(x - size / 2, y - size / 2, x + size / 2, y + size / 2)


def _beside(spot: tuple[float, float], point: Named, side: tuple[int, int]) -> _Box:
    width, away = _LETTER_PX * len(point.name), point.size_px / 2 + _GAP_PX
    # A corner place is above or below the point and begins at its middle.
    across = {0: -width / 2, 1: 0.0 if side[1] else away, -1: -width if side[1] else -width - away}[side[0]]
    down = {0: -_LINE_PX / 2, 1: away, -1: -away - _LINE_PX}[side[1]]
    left, top = spot[0] + across, spot[1] + down
    return _Box(left, top, left + width, top + _LINE_PX)
