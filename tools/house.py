"""The drawn house, docs/images/house.svg: the rooms of docs/rooms.yaml on their floors, two wings over one ground.

A room stands one floor above the highest room of its wing that it imports. `python -m tools.rooms` writes the picture.
"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from html import escape
from typing import NamedTuple

from tools.rooms import Room, rooms

WIDTH = 960
LEFT_OUT = frozenset({"__main__"})
"""Rooms that are not drawn: one line each."""

_TOP, _GAP, _PAD, _LINE, _WAY = 30, 10, 12, 14, 26
_JOB_WIDTH, _FOLDER_WIDTH = 270, 134
_LETTER_PX = 5.9  # mean width of a letter at 11 px; a little too much, so that no line leaves its box

_STYLE = """
  text { font-family: system-ui, "DejaVu Sans", sans-serif; font-size: 11px; fill: #24292f; }
  .name { font-size: 13px; font-weight: 600; }
  .wing { font-size: 12px; font-weight: 600; fill: #57606a; }
  .sheet { fill: #ffffff; }
  .ground { fill: #eaeef2; stroke: #8c959f; }
  .job { fill: #fff1e5; stroke: #c4682b; }
  .app { fill: #ddf0ff; stroke: #2f74b5; }
  .shared { fill: #fff8c5; stroke: #9a6700; }
  .way { fill: none; stroke: #9a6700; stroke-width: 2; marker-end: url(#tip); }
  .tip { fill: #9a6700; }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3; }
    .wing { fill: #9ea7b3; }
    .sheet { fill: #0d1117; }
    .ground { fill: #21262d; }
    .job { fill: #3a2416; }
    .app { fill: #12273d; }
    .shared { fill: #332b00; stroke: #d4a72c; }
    .way { stroke: #d4a72c; }
    .tip { fill: #d4a72c; }
  }
"""


class Wing(NamedTuple):
    """A drawn wing: its boxes as SVG, and the height that they take."""

    boxes: tuple[str, ...]
    height: int


def floors(wing: str) -> list[list[Room]]:
    """The rooms of a wing by floor, the lowest first."""
    height: dict[str, int] = {}
    for room in rooms().values():
        if room.wing == wing:
            height[room.name] = 1 + max((height[name] for name in room.imports if name in height), default=-1)
    found: list[list[Room]] = [[] for _ in range(1 + max(height.values()))]
    for name, floor in height.items():
        if name not in LEFT_OUT:
            found[floor].append(rooms()[name])
    return [floor for floor in found if floor]


def picture() -> str:
    """The house as SVG, readable at the width of a README, in light and dark."""
    folder_x = _PAD + _JOB_WIDTH + _WAY
    app_x = folder_x + _FOLDER_WIDTH + _WAY
    ground = _wing("ground", x=_PAD, width=WIDTH - 2 * _PAD)
    job = _wing("job", x=_PAD, width=_JOB_WIDTH)
    app = _wing("app", x=app_x, width=WIDTH - _PAD - app_x)
    foot = _TOP + max(job.height, app.height)
    height = foot + 40 + ground.height + _PAD
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img"'
            ' aria-labelledby="title desc">',
            '<title id="title">The house of Transfer Atlas</title>',
            '<desc id="desc">Rooms of the program on their floors: a job wing with torch and an application',
            "wing without it stand on one ground floor and share the run folder alone. Imports point down.</desc>",
            f"<style>{_STYLE}</style>",
            '<defs><marker id="tip" markerWidth="8" markerHeight="8" refX="6" refY="3" orient="auto">'
            '<path class="tip" d="M0,0 L7,3 L0,6 z"/></marker></defs>',
            f'<rect class="sheet" width="{WIDTH}" height="{height}"/>',
            _text("The job process: torch", x=_PAD, y=18, kind="wing"),
            _text("The application and the commands: no torch", x=app_x, y=18, kind="wing"),
            _text(
                "The ground floor: both wings stand on it. A room imports rooms below it.",
                x=_PAD,
                y=foot + 30,
                kind="wing",
            ),
            *_placed(job, y=foot - job.height),
            *_run_folder(x=folder_x, y=foot - job.height, height=job.height),
            *_placed(app, y=foot - app.height),
            *_placed(ground, y=foot + 40),
            "</svg>\n",
        ]
    )


def _wing(wing: str, *, x: int, width: int) -> Wing:
    rows = [_row(floor, x=x, width=width) for floor in reversed(floors(wing))]
    boxes: list[str] = []
    y = 0
    for row in rows:
        boxes += _placed(row, y=y)
        y += row.height + _GAP
    return Wing(tuple(boxes), y - _GAP)


def _row(floor: Sequence[Room], *, x: int, width: int) -> Wing:
    """One floor: boxes of one height and width beside each other."""
    box = (width - _GAP * (len(floor) - 1)) // len(floor)
    said = [textwrap.wrap(room.holds.replace("`", ""), int((box - 16) / _LETTER_PX)) for room in floor]
    height = 26 + _LINE * max(map(len, said)) + 4
    parts: list[str] = []
    for i, (room, lines) in enumerate(zip(floor, said, strict=True)):
        left = x + i * (box + _GAP)
        parts.append(f'<rect class="{room.wing}" x="{left}" y="0" width="{box}" height="{height}" rx="5"/>')
        parts.append(_text(room.name.replace(".", "/"), x=left + 8, y=18, kind="name"))
        parts += [_text(line, x=left + 8, y=34 + _LINE * n) for n, line in enumerate(lines)]
    return Wing(tuple(parts), height)


def _run_folder(*, x: int, y: int, height: int) -> list[str]:
    """What the wings share, between them: the job writes it, the application reads it."""
    said = "all that the wings share: a job writes its facts and tables there, the store reads them"
    lines = textwrap.wrap(said, int((_FOLDER_WIDTH - 16) / _LETTER_PX))
    middle, right = y + height // 2, x + _FOLDER_WIDTH
    return [
        f'<rect class="shared" x="{x}" y="{y}" width="{_FOLDER_WIDTH}" height="{height}" rx="5"/>',
        _text("runs/<run_id>/", x=x + 8, y=y + 18, kind="name"),
        *[_text(line, x=x + 8, y=y + 34 + _LINE * n) for n, line in enumerate(lines)],
        f'<path class="way" d="M{x - _WAY + 2},{middle} H{x - 4}"/>',
        f'<path class="way" d="M{right + 2},{middle} H{right + _WAY - 4}"/>',
    ]


def _placed(wing: Wing, *, y: int) -> list[str]:
    return [f'<g transform="translate(0,{y})">', *wing.boxes, "</g>"]


def _text(words: str, *, x: int, y: int, kind: str = "") -> str:
    style = f' class="{kind}"' if kind else ""
    return f'<text{style} x="{x}" y="{y}">{escape(words)}</text>'
