"""Parallel coordinates of a handful of runs: a line a run, an axis a language or a setting, one axis below the other.

Axes lie on their side so that a phone shows forty languages with their names: no chart can be wider than its screen.

Lines are drawn as SVG and not as Plotly's own `parcoords`: that needs WebGL, and knows no markers, hover or line
widths, which would leave colour as the only way to tell two to six runs apart.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import pandas as pd
import plotly.graph_objects as go

from core.figures.theme import CATEGORICAL, INK, MUTED, SYMBOLS, Mode, frame
from core.languages import language

LANGUAGE_PX, SETTING_PX = 24, 74
"""Height of an axis."""
_LONGEST = 14
_TICK_GAP = 0.16


class Line(NamedTuple):
    """How a run is named."""

    run_id: str
    """Column or row key."""
    letter: str
    """In the legend."""
    label: str
    """In the hover."""


def parallel_languages(scores: pd.DataFrame, lines: Sequence[Line], *, metric: str, mode: Mode = "light") -> go.Figure:
    """Scores of runs, one axis per language, all axes on one scale.

    Args:
        scores: Rows languages in their order (index: codes), columns run ids; fractions, NaN where a run has none.
        lines: The runs to draw, in order of their colours.
        metric: What the scores are, as people read it.

    Raises:
        ValueError: There is no language or no run.
    """
    _refuse_empty(len(scores) * len(lines), "score")
    fig = go.Figure()
    codes = [str(code) for code in scores.index]
    names = [language(code).name for code in codes]
    for place, line in enumerate(lines):
        values = [None if pd.isna(v) else 100 * float(v) for v in scores[line.run_id]]
        fig.add_trace(
            _trace(line, place, mode=mode).update(
                x=values, y=codes, text=names, connectgaps=False,
                hovertemplate=f"<b>{line.letter}</b> {line.label}<br>%{{text}}: %{{x:.2f}} %<extra></extra>",
            )
        )  # fmt: skip
    frame(fig, height_px=LANGUAGE_PX * len(codes) + 100, mode=mode)
    fig.update_yaxes(
        type="category", categoryorder="array", categoryarray=codes, range=[len(codes) - 0.5, -0.5], tickvals=codes,
        ticktext=[f"{name} · {code}" for name, code in zip(names, codes, strict=True)],
    )  # fmt: skip
    fig.update_xaxes(title_text=f"{metric}, %", showgrid=False, nticks=6)
    fig.update_layout(margin={"l": 8, "r": 12, "t": 36, "b": 8})
    return fig


def parallel_settings(settings: pd.DataFrame, lines: Sequence[Line], *, mode: Mode = "light") -> go.Figure:
    """Settings in which runs differ, one axis each on a scale of its own, the last of them usually the score.

    An axis whose values are all numbers runs from the smallest at the left to the largest at the right; any other has
    its values evenly spaced in the order of the runs. A run without a value has no line to that axis.

    Args:
        settings: Rows settings (index: their names), columns run ids; text or numbers, None where a run has none.
        lines: The runs to draw, in order of their colours.

    Raises:
        ValueError: There is no setting or no run.
    """
    _refuse_empty(len(settings) * len(lines), "setting")
    ids = [line.run_id for line in lines]
    axes = [_axis([settings.at[name, run_id] for run_id in ids]) for name in settings.index]
    fig = go.Figure()
    for place, line in enumerate(lines):
        values = zip(settings.index, settings[line.run_id], strict=True)
        fig.add_trace(
            _trace(line, place, mode=mode).update(
                x=[axis.places[place] for axis in axes], y=list(range(len(axes))), connectgaps=False,
                text=[f"{name}: {'–' if value is None else value}" for name, value in values],
                hovertemplate=f"<b>{line.letter}</b> {line.label}<br>%{{text}}<extra></extra>",
            )
        )  # fmt: skip
    frame(fig, height_px=SETTING_PX * len(axes) + 70, mode=mode)
    note = {"showarrow": False, "xanchor": "left"}
    for y, (name, axis) in enumerate(zip(settings.index, axes, strict=True)):
        fig.add_shape(type="line", x0=0, x1=1, y0=y, y1=y, layer="below", line={"width": 1.5, "color": MUTED[mode]})
        fig.add_annotation(x=0, y=y, yshift=16, text=f"<b>{str(name).replace('_', ' ')}</b>",
                           font={"size": 12, "color": INK[mode]}, **note)  # fmt: skip
        for x, text in axis.ticks.items():
            side = "left" if x == 0 else "right" if x == 1 else "center"
            fig.add_annotation(x=x, y=y, yshift=-15, text=_short(text), font={"size": 11, "color": MUTED[mode]},
                               **note | {"xanchor": side})  # fmt: skip
    fig.update_xaxes(visible=False, range=[-0.03, 1.03])
    fig.update_yaxes(visible=False, range=[len(axes) - 0.55, -0.45])
    fig.update_layout(margin={"l": 8, "r": 8, "t": 36, "b": 8})
    return fig


class _Axis(NamedTuple):
    places: list[float | None]
    ticks: dict[float, str]


def _axis(values: Sequence[object]) -> _Axis:
    there = [value for value in values if value is not None]
    numbers = pd.to_numeric(pd.Series(there, dtype="object"), errors="coerce")
    if there and numbers.notna().all():
        low, high = float(numbers.min()), float(numbers.max())
        place = {
            v: 0.5 if low == high else (float(n) - low) / (high - low) for v, n in zip(there, numbers, strict=True)
        }
    else:
        distinct = list(dict.fromkeys(there))
        place = {v: 0.5 if len(distinct) == 1 else i / (len(distinct) - 1) for i, v in enumerate(distinct)}
    places = [place.get(v) if v is not None else None for v in values]
    return _Axis(places, _ticks({at: _tick(value) for value, at in place.items()}))


def _ticks(texts: Mapping[float, str]) -> dict[float, str]:
    """Texts from the left, without those that would lie on the one before; the rightmost is always there."""
    kept: dict[float, str] = {}
    for at in sorted(texts):
        if at == 1:
            kept = {x: text for x, text in kept.items() if 1 - x >= _TICK_GAP}
        if not kept or at - max(kept) >= _TICK_GAP:
            kept[at] = texts[at]
    return kept


def _tick(value: object) -> str:
    return f"{value:.2f}" if isinstance(value, float) else str(value)


def _trace(line: Line, place: int, *, mode: Mode) -> go.Scatter:
    color = CATEGORICAL[mode][place % len(CATEGORICAL[mode])]
    return go.Scatter(
        mode="lines+markers", name=line.letter, line={"color": color, "width": 2},
        marker={"color": color, "symbol": SYMBOLS[place % len(SYMBOLS)], "size": 9},
    )  # fmt: skip


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"


def _refuse_empty(n: int, what: str) -> None:
    if not n:
        raise ValueError(f"No {what} to draw: found 0 of them or no run, expected at least one of each.")
