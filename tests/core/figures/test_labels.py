"""Names of points: a free place, then another, then none."""

from __future__ import annotations

import pytest

from core.figures.labels import Named, name_places

WINDOW = ((0.0, 100.0), (0.0, 100.0))


def places(*points: tuple[float, float, str], first: str = "top center") -> list[str | None]:
    named = [Named(x, y, name, 10) for x, y, name in points]
    return name_places(named, window=WINDOW, height_px=100, width_px=100, first=first)


def test_a_lone_point_has_the_first_place() -> None:
    assert places((50, 50, "ab")) == ["top center"]
    assert places((50, 50, "ab"), first="middle right") == ["middle right"]


def test_the_second_steps_aside_for_the_name_and_the_marker_of_the_first() -> None:
    # 12 px above each other: the upper marker lies where the lower name would stand, and the first name above both.
    assert places((50, 62, "ab"), (50, 50, "ab")) == ["top center", "bottom center"]


def test_a_name_does_not_leave_the_plot() -> None:
    # 6.6 px a letter: "abcdef" is 40 px wide; 5 px from the left edge only the right has room.
    assert places((5, 50, "abcdef")) == ["middle right"]


def test_what_finds_no_place_has_none() -> None:
    crowd = [(50.0 + dx, 50.0 + dy, "abcdef") for dx in (-8, 0, 8) for dy in (-8, 0, 8)]
    found = places(*crowd)
    assert None in found and any(found)


def test_an_axis_may_be_turned() -> None:
    turned = name_places([Named(95, 50, "abcdef", 10)], window=((100, 0), (0, 100)), height_px=100, width_px=100)
    assert turned == ["middle right"]


def test_an_unknown_place_lists_the_known() -> None:
    with pytest.raises(ValueError, match="Unknown place 'above': expected one of top center"):
        places((0, 0, "a"), first="above")
