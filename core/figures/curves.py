"""What happened while a run trained: loss by step, and the English development score by step."""

from __future__ import annotations

from typing import NamedTuple

import pandas as pd
import plotly.graph_objects as go

from core.figures.theme import CATEGORICAL, SYMBOLS, Mode, frame

_DASHES = ("solid", "dash", "dot")


def loss_curve(steps: pd.DataFrame, *, mode: Mode = "light") -> go.Figure:
    """Training loss, one line per stage.

    Args:
        steps: Columns `stage` (label), `step`, `loss`, `learning_rate`, `examples_per_s`, in order of step.

    Raises:
        ValueError: There is no step.
    """
    _refuse_empty(steps, "steps")
    fig = go.Figure()
    for i, (stage, rows) in enumerate(steps.groupby("stage", sort=False)):
        fig.add_scatter(
            x=rows["step"], y=rows["loss"], name=str(stage), mode="lines", line={"color": _color(i, mode), "width": 2},
            customdata=rows[["learning_rate", "examples_per_s"]],
            hovertemplate="step %{x}<br>loss %{y:.4f}<br>learning rate %{customdata[0]:.2e}"
            "<br>%{customdata[1]:.0f} examples/s<extra>%{fullData.name}</extra>",
        )  # fmt: skip
    return _by_step(fig, "training loss", mode=mode)


def dev_curve(scores: pd.DataFrame, *, mode: Mode = "light") -> go.Figure:
    """English development score, one line per stage; the only data that model selection sees.

    Args:
        scores: Columns `stage` (label), `step`, `metric`, `score` (fraction; a negated loss for masked-language
            modelling), `n`, in order of step.

    Raises:
        ValueError: There is no score.
    """
    _refuse_empty(scores, "development scores")
    fig = go.Figure()
    for i, (stage, rows) in enumerate(scores.groupby("stage", sort=False)):
        fig.add_scatter(
            x=rows["step"], y=rows["score"], name=str(stage), mode="lines+markers",
            line={"color": _color(i, mode), "width": 2}, marker={"symbol": SYMBOLS[i % len(SYMBOLS)], "size": 9},
            customdata=rows[["metric", "n"]],
            hovertemplate="step %{x}<br>%{customdata[0]} %{y:.3f}<br>%{customdata[1]} English examples"
            "<extra>%{fullData.name}</extra>",
        )  # fmt: skip
    return _by_step(fig, "English development score", mode=mode)


def curves_together(rows: pd.DataFrame, *, value: str, mode: Mode = "light") -> go.Figure:
    """Curves of several runs: a colour for what is alike but for the seed, a thin line a seed, their mean thick.

    Args:
        rows: Columns `group` (label), `seed`, `step`, `value`, in order of step.
        value: What the value is, the title of its axis.

    Raises:
        ValueError: There is no row.
    """
    _refuse_empty(rows, "curves")
    fig = go.Figure()
    for i, (group, part) in enumerate(rows.groupby("group", sort=False)):
        color, n = _color(i, mode), part["seed"].nunique()
        for seed, line in part.groupby("seed", sort=True):
            fig.add_scatter(
                x=line["step"], y=line["value"], mode="lines", legendgroup=str(group), showlegend=False,
                line={"color": color, "width": 1}, opacity=0.45 if n > 1 else 1.0,
                hovertemplate=f"step %{{x}}<br>%{{y:.4f}}<br>seed {seed}<extra>{group}</extra>",
            )  # fmt: skip
        mean = part.groupby("step", sort=True)["value"].agg(["mean", "count"])
        mean = mean[mean["count"] == n]  # seeds stop at different steps: a mean of fewer of them would jump
        fig.add_scatter(
            x=mean.index, y=mean["mean"], mode="lines", name=f"{group} ({n} seed{'s' * (n > 1)})",
            legendgroup=str(group), line={"color": color, "width": 3, "dash": _DASHES[i // len(CATEGORICAL[mode]) % 3]},
            hovertemplate=f"step %{{x}}<br>mean %{{y:.4f}}<br>{n} seeds<extra>{group}</extra>",
        )  # fmt: skip
    return _by_step(fig, value, mode=mode, height_px=340)


class Used(NamedTuple):
    """Something that a training uses, as its steps report it."""

    column: str
    """Of the steps; None where an earlier version did not report it."""
    title: str
    """Of the axis, with the unit."""
    hover: str
    """How one value is written."""
    factor: float = 1.0
    """From what is stored to what is drawn."""


USED = {
    "speed": Used("examples_per_s", "examples a second", "%{y:.1f} examples/s"),
    "memory": Used("memory_mb", "memory, GB", "%{y:.2f} GB", 1 / 1024),
    "cores": Used("cores", "processor cores at work", "%{y:.2f} cores"),
}
"""What is drawn along a training, by its name."""


def use_curve(steps: pd.DataFrame, *, of: str, mode: Mode = "light") -> go.Figure:
    """What the training used all the while, one line per stage.

    Args:
        steps: Columns `stage` (label), `step` and that of `USED`, in order of step.
        of: Key of `USED`.

    Raises:
        ValueError: No step reports it.
    """
    used = USED[of]
    known = steps[steps[used.column].notna()]
    _refuse_empty(known, "steps")
    fig = go.Figure()
    for i, (stage, rows) in enumerate(known.groupby("stage", sort=False)):
        fig.add_scatter(
            x=rows["step"], y=used.factor * rows[used.column], name=str(stage), mode="lines",
            line={"color": _color(i, mode), "width": 2},
            hovertemplate=f"step %{{x}}<br>{used.hover}<extra>%{{fullData.name}}</extra>",
        )  # fmt: skip
    return _by_step(fig, used.title, mode=mode).update_yaxes(rangemode="tozero")


def _by_step(fig: go.Figure, title: str, *, mode: Mode, height_px: int = 280) -> go.Figure:
    frame(fig, height_px=height_px, mode=mode)
    fig.update_xaxes(title_text="optimiser step")
    fig.update_yaxes(title_text=title)
    return fig


def _color(i: int, mode: Mode) -> str:
    return CATEGORICAL[mode][i % len(CATEGORICAL[mode])]


def _refuse_empty(rows: pd.DataFrame, what: str) -> None:
    if rows.empty:
        raise ValueError(f"No {what} to draw: found 0 rows, expected at least one.")
