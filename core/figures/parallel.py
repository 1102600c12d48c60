"""Parallel coordinates of a handful of runs: a line a run, an axis a language or a setting.

Lines are drawn as SVG and not as Plotly's own `parcoords`: that needs WebGL, and knows no markers, hover or line
widths, which would leave colour as the only way to tell two to six runs apart.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import pandas as pd
import plotly.graph_objects as go

from core.figures.theme import CATEGORICAL, GRID, INK, MUTED, SYMBOLS, Mode, frame
from core.languages import language

LANGUAGE_PX, SETTING_PX = 54, 132
"""Least width of an axis."""
_LONGEST = 16
_TICK_GAP = 0.08


class Line(NamedTuple):
    """How a run is named."""

    run_id: str
    """Column or row key."""
    letter: str
    """In the legend."""
    label: str
    """In the hover."""


def languages_width_px(n_langs: int) -> int:
    """Width at which every language has its room.

    Args:
        n_langs: Number of axes.
    """
    return 80 + LANGUAGE_PX * n_langs


def settings_width_px(n_axes: int) -> int:
    """Width at which every setting has its room.

    Args:
        n_axes: Number of axes.
    """
    return 40 + SETTING_PX * n_axes


def parallel_languages(scores: pd.DataFrame, lines: Sequence[Line], *, metric: str, mode: Mode = "light") -> go.Figure:
    """Scores of runs, one axis per language, all axes on one scale.

    Args:
        scores: Rows languages in their order (index: codes), columns run ids; fractions, NaN where a run has none.
        lines: The runs to draw, in order of their colours.
        metric: What the scores are.
        mode: Background.

    Raises:
        ValueError: There is no language or no run.
    """
    _refuse_empty(len(scores) * len(lines), "score")
    fig = go.Figure()
    names = [language(code).name for code in scores.index]
    for place, line in enumerate(lines):
        values = [None if pd.isna(v) else 100 * float(v) for v in scores[line.run_id]]
        fig.add_trace(
            _trace(line, place, mode=mode).update(
                x=list(scores.index), y=values, text=names, connectgaps=False,
                hovertemplate=f"<b>{line.letter}</b> {line.label}<br>%{{text}}: %{{y:.2f}} %<extra></extra>",
            )
        )  # fmt: skip
    frame(fig, height_px=340, mode=mode)
    fig.update_xaxes(type="category", categoryorder="array", categoryarray=list(scores.index), showgrid=True,
                     tickangle=0, range=[-0.5, len(scores) - 0.5])  # fmt: skip
    fig.update_yaxes(title_text=f"{metric.replace('_', ' ')}, %", showgrid=False, nticks=7)
    fig.update_layout(margin={"l": 8, "r": 8, "t": 36, "b": 8})
    return fig


def parallel_settings(settings: pd.DataFrame, lines: Sequence[Line], *, mode: Mode = "light") -> go.Figure:
    """Settings in which runs differ, one axis each on a scale of its own, the last of them usually the score.

    An axis whose values are all numbers runs from the smallest at the bottom to the largest at the top; any other has
    its values evenly spaced in the order of the runs. A run without a value has no line to that axis.

    Args:
        settings: Rows settings (index: their names), columns run ids; text or numbers, None where a run has none.
        lines: The runs to draw, in order of their colours.
        mode: Background.

    Raises:
        ValueError: There is no setting or no run.
    """
    _refuse_empty(len(settings) * len(lines), "setting")
    ids = [line.run_id for line in lines]
    axes = [_axis([settings.at[name, run_id] for run_id in ids]) for name in settings.index]
    fig = go.Figure()
    for place, line in enumerate(lines):
        shown = [
            f"{name}: {'–' if t is None else t}" for name, t in zip(settings.index, settings[line.run_id], strict=True)
        ]
        fig.add_trace(
            _trace(line, place, mode=mode).update(
                x=list(range(len(axes))), y=[axis.heights[place] for axis in axes], text=shown, connectgaps=False,
                hovertemplate=f"<b>{line.letter}</b> {line.label}<br>%{{text}}<extra></extra>",
            )
        )  # fmt: skip
    frame(fig, height_px=360, mode=mode)
    for x, (name, axis) in enumerate(zip(settings.index, axes, strict=True)):
        fig.add_shape(type="line", x0=x, x1=x, y0=0, y1=1, layer="below", line={"width": 1.5, "color": MUTED[mode]})
        fig.add_annotation(x=x, y=1.09, text=f"<b>{_wrapped(str(name))}</b>", showarrow=False, yanchor="bottom",
                           font={"size": 12, "color": INK[mode]})  # fmt: skip
        for height, text in axis.ticks.items():
            fig.add_annotation(x=x, y=height, text=_short(text), showarrow=False, xanchor="left", xshift=7, yshift=9,
                               font={"size": 11, "color": MUTED[mode]})  # fmt: skip
    fig.update_xaxes(visible=False, range=[-0.3, len(axes) - 1 + 0.7])
    fig.update_yaxes(
        visible=False,
        range=[-0.08, 1.12 + 0.08 * max(str(name).count(".") + 1 for name in settings.index)],
        gridcolor=GRID[mode],
    )
    fig.update_layout(margin={"l": 8, "r": 8, "t": 36, "b": 8})
    return fig


class _Axis(NamedTuple):
    heights: list[float | None]
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
        place = {v: 0.5 if len(distinct) == 1 else 1 - i / (len(distinct) - 1) for i, v in enumerate(distinct)}
    heights = [place.get(v) if v is not None else None for v in values]
    return _Axis(heights, _ticks({height: _tick(value) for value, height in place.items()}))


def _ticks(texts: Mapping[float, str]) -> dict[float, str]:
    """Texts from the top, without those that would lie on the one above; the lowest is always there."""
    kept: dict[float, str] = {}
    for height in sorted(texts, reverse=True):
        if height == 0:
            kept = {h: t for h, t in kept.items() if h >= _TICK_GAP}
        if not kept or min(kept) - height >= _TICK_GAP:
            kept[height] = texts[height]
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


def _wrapped(name: str) -> str:
    """A dotted name on lines of its parts."""
    return "<br>".join(_short(part) for part in name.replace("_", " ").split("."))


def _refuse_empty(n: int, what: str) -> None:
    if not n:
        raise ValueError(f"No {what} to draw: found 0 of them or no run, expected at least one of each.")
