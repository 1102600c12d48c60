"""Difficulty × similarity → gain: bins, marginal effects, shares of variance, effects by group; any two by cell.

Gains are drawn in the unit that is named, shares in per cent; whiskers are 95 % limits and hovers say n and method.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from core.figures.numbers import colour_bar, write_numbers
from core.figures.theme import CATEGORICAL, DIVERGING, MUTED, SYMBOLS, Mode, colorscale, frame
from core.languages import language

_BACKWARDS = ("similarity", "difficulty")
_BANDS = ("low", "middle", "high")
_SCATTER_PX = 460
_DECADES = 2.5
"""Powers of ten between the ends of a logarithmic axis above which 2 and 5 have no ticks."""


class Side(NamedTuple):
    """An axis of a scatter."""

    title: str
    """With the unit."""
    is_log: bool = False
    """Whether it goes by powers of ten."""


def scatter_of_cells(
    points: pd.DataFrame,
    *,
    x: Side,
    y: Side,
    colour: str | None = None,
    title: Callable[[str], str] = str,
    mode: Mode = "light",
) -> go.Figure:
    """One point per (intermediate, target, language), and one line of words at each.

    Args:
        points: Columns intermediate, target, lang, n_seeds, x, y; rows without one of the two are left out.
        x: Across.
        y: Up.
        colour: Column whose values have colours and symbols of their own; None: one colour.
        title: From a task or an intermediate to what people read.

    Raises:
        ValueError: No point has both values.
    """
    points = points[points["x"].notna() & points["y"].notna()]
    for side, name in ((x, "x"), (y, "y")):
        points = points[points[name] > 0] if side.is_log else points
    _refuse_empty(points, "cells with both values")
    parts = [("cells", points)] if colour is None else [(str(n), part) for n, part in points.groupby(colour)]
    fig, n_colours = go.Figure(), len(CATEGORICAL[mode])
    for i, (name, rows) in enumerate(parts):
        fig.add_scatter(
            x=_placed(rows["x"], x), y=_placed(rows["y"], y), mode="markers", name=title(str(name)),
            marker={"size": 7, "color": CATEGORICAL[mode][i % n_colours], "opacity": 0.75,
                    "symbol": SYMBOLS[(i + i // n_colours) % len(SYMBOLS)]},
            hovertext=[_cell_line(row, x=x, y=y, title=title) for row in rows.to_dict("records")],
            hovertemplate="%{hovertext}<extra></extra>",
        )  # fmt: skip
    frame(fig, height_px=_SCATTER_PX + 22 * (len(parts) // 6), mode=mode)
    for side, name, update in ((x, "x", fig.update_xaxes), (y, "y", fig.update_yaxes)):
        update(title_text=side.title, **(_powers(points[name]) if side.is_log else {}))
    return fig.update_layout(showlegend=colour is not None)


def _placed(values: pd.Series, side: Side) -> list[float]:
    return (np.log10(values.astype("float64")) if side.is_log else values).tolist()


def _powers(values: pd.Series) -> dict[str, Any]:
    """Ticks of an axis that holds logarithms: plain numbers, so that every renderer draws the same."""
    low, high = math.log10(values.min()), math.log10(values.max())
    steps = (1, 2, 5) if high - low < _DECADES else (1,)
    ticks = [step * 10.0**power for power in range(math.floor(low), math.ceil(high) + 1) for step in steps]
    ticks = [tick for tick in ticks if low - 0.3 < math.log10(tick) < high + 0.3]
    return {"tickvals": [math.log10(tick) for tick in ticks], "ticktext": [f"{tick:,g}" for tick in ticks]}


def _cell_line(row: dict[Hashable, Any], *, x: Side, y: Side, title: Callable[[str], str]) -> str:
    where = f"{title(row['intermediate'])} → {title(row['target'])}, {language(row['lang']).name} ({row['lang']})"
    seeds = f"{row['n_seeds']} seed{'s' * (row['n_seeds'] != 1)}"
    up, across = (f"{value:.3g}".replace("-", "−") for value in (row["y"], row["x"]))
    return f"{where}: {y.title} {up}, {x.title} {across}, {seeds}"


def gain_bins(
    bins: pd.DataFrame, *, x_title: str, y_title: str, unit: str, factor: float, mode: Mode = "light"
) -> go.Figure:  # fmt: skip
    """Mean gain by bins of similarity (across) and difficulty (up), with limits and the number of intermediates.

    Args:
        bins: As `core.analysis.surfaces.binned` returns them.
        x_title: What the similarity measures.
        y_title: What the difficulty measures.
        unit: Of the gains.
        factor: What they are multiplied by.

    Raises:
        ValueError: There is no bin.
    """
    _refuse_empty(bins, "bins")
    across, up = (sorted(bins[f"{name}_bin"].unique()) for name in ("similarity", "difficulty"))
    cells = {(row["difficulty_bin"], row["similarity_bin"]): row for row in bins.to_dict("records")}
    values = [[_drawn(cells.get((d, s), {}).get("gain"), factor) for s in across] for d in up]
    texts = [[_bin_text(cells.get((d, s)), factor) for s in across] for d in up]
    hovers = [[_bin_hover(cells.get((d, s)), factor) for s in across] for d in up]
    bound = max((abs(v) for line in values for v in line if v is not None), default=1.0) or 1.0
    heat = go.Heatmap(
        z=values, x=[_band(s, len(across)) for s in across], y=[_band(d, len(up)) for d in up], text=texts,
        hovertext=hovers, hovertemplate="%{hovertext}<extra></extra>", zmin=-bound, zmid=0, zmax=bound,
        colorscale=colorscale(DIVERGING[mode]), xgap=3, ygap=3,
        colorbar=colour_bar(f"gain, {unit}", above=True),
    )  # fmt: skip
    fig = go.Figure([write_numbers(heat)])
    frame(fig, height_px=110 * len(up) + 110, mode=mode)
    fig.update_xaxes(title_text=f"similarity → near<br><sup>{x_title}</sup>", showgrid=False, type="category")
    fig.update_yaxes(title_text=f"difficulty → hard<br><sup>{y_title}</sup>", showgrid=False, type="category")
    return fig


def marginal_effect(
    line: pd.DataFrame, points: pd.DataFrame, *, x_title: str, unit: str, factor: float, mode: Mode = "light"
) -> go.Figure:
    """What the model says of one term, all else at its average, with the intermediates around the line.

    Args:
        line: Columns `x`, `gain`, `low`, `high` (fractions).
        points: Columns `intermediate`, `x`, `gain`, `cells`.
        x_title: What the term measures.
        unit: Of the gains.
        factor: What they are multiplied by.

    Raises:
        ValueError: There is no line.
    """
    _refuse_empty(line, "line")
    color, x = CATEGORICAL[mode][0], line["x"].tolist()
    fig = go.Figure()
    fig.add_scatter(
        x=[*x, *reversed(x)], y=[*(factor * line["high"]), *reversed((factor * line["low"]).tolist())], fill="toself",
        mode="lines", line={"width": 0, "color": color}, opacity=0.25, hoverinfo="skip", name="95 % limits",
    )  # fmt: skip
    fig.add_scatter(
        x=x, y=(factor * line["gain"]).tolist(), mode="lines", line={"color": color, "width": 2}, name="model"
    )
    fig.add_scatter(
        x=points["x"].tolist(), y=(factor * points["gain"]).tolist(), mode="markers", name="intermediate, adjusted",
        marker={"color": CATEGORICAL[mode][1], "symbol": SYMBOLS[2], "size": 9},
        customdata=points[["intermediate", "cells"]].to_numpy().tolist(),
        hovertemplate="<b>%{customdata[0]}</b><br>%{x:.3g}<br>adjusted gain %{y:+.2f}<br>%{customdata[1]} cells"
        "<extra></extra>",
    )  # fmt: skip
    frame(fig, height_px=330, mode=mode)
    fig.update_xaxes(title_text=x_title)
    fig.update_yaxes(title_text=f"gain, {unit}", zeroline=True, zerolinecolor=MUTED[mode])
    fig.update_layout(margin={"l": 8, "r": 8, "t": 40, "b": 8})
    return fig


def variance_shares(figures: pd.DataFrame, *, mode: Mode = "light") -> go.Figure:
    """Shares of the variance of gains, one dot each with limits.

    Args:
        figures: Rows of kind `share`: `label`, `estimate`, `ci_low`, `ci_high`, `n`, `n_unit`, `method`.

    Raises:
        ValueError: There is no share.
    """
    _refuse_empty(figures, "shares")
    fig = go.Figure(_whiskers(figures, labels=figures["label"], scale=100, color=CATEGORICAL[mode][0], name="share"))
    frame(fig, height_px=34 * len(figures) + 90, mode=mode)
    fig.update_xaxes(title_text="share of the variance of gains, %", range=[-2, 102])
    fig.update_yaxes(autorange="reversed", type="category")
    fig.update_layout(showlegend=False)
    return fig


def group_effects(groups: pd.DataFrame, *, unit: str, factor: float, mode: Mode = "light") -> go.Figure:
    """Effects of difficulty and similarity within each target, family or script.

    Args:
        groups: Rows of kind `term`: `group`, `name`, `estimate`, `ci_low`, `ci_high`, `n`, `n_unit`, `method`.
        unit: Of the gains.
        factor: What they are multiplied by.

    Raises:
        ValueError: There is no group.
    """
    return _grouped(groups, scale=factor, title=f"gain per standard deviation, {unit}", mode=mode)


def group_shares(groups: pd.DataFrame, *, mode: Mode = "light") -> go.Figure:
    """Shares of difficulty, similarity and the name of the intermediate within each group.

    Args:
        groups: Rows of kind `share`, as `group_effects` takes them.

    Raises:
        ValueError: There is no group.
    """
    kept = groups[groups["name"].isin(["difficulty", "similarity", "intermediate"])]
    return _grouped(kept, scale=100, title="share of the variance of gains, %", mode=mode)


def specification_curve(
    rows: pd.DataFrame, *, term: str, chosen: tuple[str, str], unit: str, factor: float, mode: Mode = "light"
) -> go.Figure:
    """A term's estimates under every pair of measures: a band per measure of the term, a line per measure of the other.

    Args:
        rows: Of the term, as `core.analysis.sensitivity.sensitivity` returns them.
        term: difficulty or similarity.
        chosen: Measures of difficulty and similarity that the page uses; their estimate is marked.
        unit: Of the gains.
        factor: What they are multiplied by.

    Raises:
        ValueError: No pair has an estimate.
    """
    drawn = rows[rows["estimate"].notna()]
    _refuse_empty(drawn, "specifications")
    own, other = (f"{n}_measure" for n in (("difficulty", "similarity") if term == "difficulty" else _BACKWARDS))
    middles = drawn.groupby(own)["estimate"].median().sort_values()
    within = sorted(drawn[other].unique())
    step = 0.7 / max(len(within), 1)
    places = [list(middles.index).index(r[own]) + (within.index(r[other]) - (len(within) - 1) / 2) * step
              for r in drawn.to_dict("records")]  # fmt: skip
    is_chosen = (drawn["difficulty_measure"] == chosen[0]) & (drawn["similarity_measure"] == chosen[1])
    fig = go.Figure()
    for mask, name, color in ((~is_chosen, "other measures", 0), (is_chosen, "measures of this page", 1)):
        part = drawn.assign(place=places)[mask]
        gain, low, high = (factor * part[n].astype("float64") for n in ("estimate", "ci_low", "ci_high"))
        if part.empty:
            continue
        fig.add_scatter(
            x=gain.tolist(), y=part["place"].tolist(), mode="markers", name=name,
            marker={"color": CATEGORICAL[mode][color], "size": 9 if color else 6, "symbol": SYMBOLS[2 * color]},
            error_x={"type": "data", "symmetric": False, "array": (high - gain).tolist(), "thickness": 1.2,
                     "arrayminus": (gain - low).tolist(), "width": 0, "color": CATEGORICAL[mode][color]},
            customdata=part[["difficulty_measure", "similarity_measure", "n"]].astype(str).to_numpy().tolist(),
            hovertemplate="difficulty by %{customdata[0]}<br>similarity by %{customdata[1]}<br>%{x:+.2f} for "
            "one standard deviation<br>%{customdata[2]} intermediates<extra></extra>",
        )  # fmt: skip
    frame(fig, height_px=80 + max(36, 9 * len(within)) * len(middles), mode=mode)
    fig.update_xaxes(title_text=f"effect of {term}, {unit} per standard deviation", zeroline=True,
                     zerolinecolor=MUTED[mode], zerolinewidth=1.5)  # fmt: skip
    fig.update_yaxes(tickvals=list(range(len(middles))), ticktext=list(middles.index), showgrid=False, zeroline=False,
                     range=[-0.6, len(middles) - 0.4])  # fmt: skip
    return fig


def _grouped(rows: pd.DataFrame, *, scale: float, title: str, mode: Mode) -> go.Figure:
    _refuse_empty(rows, "groups")
    fig = go.Figure()
    for place, (name, part) in enumerate(rows.groupby("name", sort=False)):
        trace = _whiskers(part, labels=part["group"], scale=scale, color=CATEGORICAL[mode][place], name=str(name))
        fig.add_trace(trace.update(marker={"symbol": SYMBOLS[place]}))
    frame(fig, height_px=46 * rows["group"].nunique() + 110, mode=mode)
    fig.update_xaxes(title_text=title, zeroline=True, zerolinecolor=MUTED[mode], zerolinewidth=2)
    fig.update_yaxes(autorange="reversed", type="category")
    fig.update_layout(scattermode="group", margin={"l": 8, "r": 8, "t": 40, "b": 8})
    return fig


def _whiskers(rows: pd.DataFrame, *, labels: pd.Series, scale: float, color: str, name: str) -> go.Scatter:
    middle = rows["estimate"].astype("float64") * scale
    low, high = rows["ci_low"].astype("float64") * scale, rows["ci_high"].astype("float64") * scale
    return go.Scatter(
        x=middle.tolist(), y=labels.tolist(), mode="markers", name=name, marker={"color": color, "size": 9},
        error_x={"type": "data", "symmetric": False, "array": (high - middle).fillna(0).clip(lower=0).tolist(),
                 "arrayminus": (middle - low).fillna(0).clip(lower=0).tolist(), "color": color, "thickness": 1.6},
        hovertext=[_hover(row, scale) for row in rows.to_dict("records")],
        hovertemplate="%{hovertext}<extra></extra>",
    )  # fmt: skip


def _hover(row: dict[Hashable, Any], scale: float) -> str:
    """Values of a frame may be of any type."""
    limits = "no interval" if pd.isna(row["ci_low"]) else f"{row['ci_low'] * scale:.2f} to {row['ci_high'] * scale:.2f}"
    return (
        f"{row['name']}<br>{row['estimate'] * scale:.2f} ({limits})<br>n {row['n']} {row['n_unit']}<br>{row['method']}"
    )


def _bin_text(row: dict[Hashable, Any] | None, factor: float) -> str:
    if row is None:
        return ""
    limits = (
        "" if pd.isna(row["ci_low"]) else f"<br>{_signed(row['ci_low'], factor)} to {_signed(row['ci_high'], factor)}"
    )
    return f"<b>{_signed(row['gain'], factor)}</b>{limits}<br>n = {row['intermediates']}"


def _bin_hover(row: dict[Hashable, Any] | None, factor: float) -> str:
    if row is None:
        return "no cell"
    spans = "<br>".join(f"{n} {row[f'{n}_low']:.3g} to {row[f'{n}_high']:.3g}" for n in ("difficulty", "similarity"))
    return f"{_bin_text(row, factor)} intermediates<br>{row['cells']} cells<br>{spans}"


def _band(place: int, count: int) -> str:
    return _BANDS[place] if count == len(_BANDS) else f"{place + 1} of {count}"


def _drawn(value: float | None, factor: float) -> float | None:
    return None if value is None else factor * value


def _signed(value: float, factor: float) -> str:
    return f"{factor * value:+.1f}".replace("-", "−")


def _refuse_empty(rows: pd.DataFrame, what: str) -> None:
    if rows.empty:
        raise ValueError(f"No {what} to draw: found 0 rows, expected at least one.")
