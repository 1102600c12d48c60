"""The map of domains and the scatter of similarity against gain, beside the heatmap that they explain."""

from __future__ import annotations

from typing import NamedTuple

import pandas as pd
import streamlit as st

from core.figures.domain_map import domain_map
from core.figures.heatmap import IN_TASK, Cell
from core.figures.similarity_scatter import Axis, similarity_scatter
from core.queries.cells import FEWEST, Grid, agreement
from core.queries.similarity import SIMILARITIES, UMAP_PACKAGE, SimilarityMeasure, has_umap, point_of
from core.queries.transfer import View
from pages.widgets.selection import on_click
from pages.widgets.shared import mode, paths, version
from pages.widgets.show import chart, empty, language_label, md
from pages.widgets.transfer_data import Encoder, map_points, target_similarities

_PROJECTIONS = ("PCA", "UMAP")


class Against(NamedTuple):
    """The text of the target that intermediates are compared with."""

    role: str
    """train or test."""
    lang: str
    """Its language."""


def no_profile(view: View) -> None:
    """What to run where no domain profile covers the data source.

    Args:
        view: What is fixed.
    """
    empty(
        "No map of domains yet",
        "A domain profile embeds a sample of every task's texts and measures how alike they are. It trains nothing. "
        "From a terminal:",
    )
    st.code(profile_command(view.data_source), language="bash", wrap_lines=True)


def profile_command(data_source: str) -> str:
    """The command that profiles the domains of a data source.

    Args:
        data_source: sample, mirror or hub.
    """
    folder = " --mirror FOLDER" if data_source == "mirror" else ""
    return f"python -m core profile --kind domain --data-source {data_source}{folder}"


def show_domains(view: View, gains: Grid, selected: Cell, choices: list[Encoder]) -> None:
    """Map above, scatter below.

    Args:
        view: What is fixed.
        gains: Cells whose value is the gain.
        selected: What is chosen.
        choices: Sentence encoders with a profile, at least one.
    """
    with st.container(horizontal=True, vertical_alignment="bottom"):
        encoder = choices[0]
        if len(choices) > 1:
            name = st.selectbox("Sentence encoder", [c.name for c in choices], key="encoder", bind="query-params")
            encoder = next(c for c in choices if c.name == name)
        projection = st.segmented_control(
            "Map", list(_PROJECTIONS), default="PCA", required=True, key="map", bind="query-params"
        )
        centred = st.toggle(
            "Languages centred", key="centred", bind="query-params",
            help="Removes each language's mean first, so that the same domain in two languages lies together.",
        )  # fmt: skip
    drawn = map_points(version(), encoder.profile_id, projection.lower(), centred=centred)
    if projection == "UMAP" and drawn["x"].isna().all():
        st.info(umap_advice(encoder.profile_id, data_source=view.data_source))
        drawn = map_points(version(), encoder.profile_id, "pca", centred=centred)
    _map(view, gains, selected, drawn)
    st.caption(f"Sentences embedded by {md(encoder.name)}. The window is fixed: another target never turns the map.")
    _scatter(view, gains, selected, target_similarities(version(), encoder.profile_id, view.target), centred)


def umap_advice(profile_id: str, *, data_source: str) -> str:
    """Why the map is PCA although UMAP was asked for, and what to do.

    Args:
        profile_id: The profile that has no such positions.
        data_source: sample, mirror or hub.
    """
    install = "" if has_umap() else f"Install the package with `pip install {UMAP_PACKAGE}`. "
    own = paths().profile(profile_id).root
    if own.is_dir():
        measure = f"Move the folder `{own}` away, then measure the texts again; vectors and pairs are kept"
    else:
        measure = "This profile came with the application. Measure one of your own"
    return (
        f"This is PCA: the profile was made without UMAP, which is optional. {install}{measure}: "
        f"`{profile_command(data_source)}`"
    )


def placed(points: pd.DataFrame, *, view: View, names: list[str], langs: list[str]) -> pd.DataFrame:
    """The points of a profile as the map draws them.

    Args:
        points: As `core.queries.similarity.points` returns them.
        view: What is fixed: its target's texts are shown.
        names: Intermediates of the heatmap.
        langs: Languages of the heatmap.
    """
    by_point: dict[str, str] = {}
    for name in names:
        by_point.setdefault(point_of(name), name)
    out = points.copy()
    is_between, of_target = out["role"] == "intermediate", out["task"] == view.target
    in_langs = out["lang"].isin(langs)
    out["is_shown"] = is_between & (out["point"].isin(by_point.keys()) | ~out["point"].str.contains("@"))
    out["is_shown"] |= of_target & ((out["role"] == "train") | ((out["role"] == "test") & in_langs))
    out["label"] = out["point"].where(is_between, out["lang"].where(out["role"] == "test", out["task"]))
    out["key"] = [
        ["", by_point.get(point, "")] if role == "intermediate" else [lang if role == "test" else "", ""]
        for point, role, lang in zip(out["point"], out["role"], out["lang"], strict=True)
    ]
    return out


def against(rows: pd.DataFrame, *, lang: str | None) -> Against | None:
    """The text to compare with: the test text of the chosen language, else the training text, else English.

    Args:
        rows: As `similarities` returns them, of one target.
        lang: The chosen language, if any.
    """
    there = set(zip(rows["role"], rows["lang"], strict=True))
    for role, code in (("test", lang), ("train", "en"), ("test", "en")):
        if (role, code) in there:
            return Against(role, str(code))
    return None


def scatter_points(gains: Grid, rows: pd.DataFrame, *, lang: str | None) -> pd.DataFrame:
    """One row per intermediate with a gain and a similarity.

    Args:
        gains: Cells whose value is the gain.
        rows: Similarities to one text by one measure.
        lang: Language of the gains; None: the mean over the languages shown.
    """
    if lang is None:
        found = gains.means.rename(columns={"value": "gain"})
    else:
        found = gains.cells[gains.cells["lang"] == lang].assign(n_langs=1)
    near = rows.set_index("intermediate")
    out = pd.DataFrame(
        {
            **{name: found[name] for name in ("intermediate", "gain", "n_seeds", "n_langs", "in_task")},
            **{"gain_low": found["low"], "gain_high": found["high"]},
        }
    )
    points = out["intermediate"].map(point_of)
    for column, source in (("similarity", "value"), ("similarity_low", "ci_low"), ("similarity_high", "ci_high")):
        out[column] = points.map(near[source]).astype("float64")
    out["counts"] = ~out["intermediate"].str.contains("~") & ~out["in_task"]
    return out[out["gain"].notna() & out["similarity"].notna()].reset_index(drop=True)


def _map(view: View, gains: Grid, selected: Cell, points: pd.DataFrame) -> None:
    names, langs = list(pd.unique(gains.cells["intermediate"])), list(pd.unique(gains.cells["lang"]))
    drawn = placed(points, view=view, names=names, langs=langs)
    if drawn[drawn["is_shown"]]["x"].notna().sum() == 0:
        st.caption("This profile has no positions for these tasks.")
        return
    chosen = Cell(selected.lang, point_name(selected.intermediate, drawn))
    chart(
        domain_map(drawn, selected=chosen, mode=mode()),
        key="domains",
        alt=f"Map of text domains: intermediates, and {view.target} in each language; "
        "the pickers above choose what a click here would",
        on_select=lambda: on_click("domains"),
        selection_mode="points",
    )


def point_name(intermediate: str | None, drawn: pd.DataFrame) -> str | None:
    """The intermediate that stands for the chosen one on the map: a placebo has the text of its task.

    Args:
        intermediate: What is chosen.
        drawn: As `placed` returns it.
    """
    if intermediate in (None, "none"):
        return None
    keys = drawn.loc[drawn["point"] == point_of(str(intermediate)), "key"]
    return str(keys.iloc[0][1]) if len(keys) else None


def _scatter(view: View, gains: Grid, selected: Cell, rows: pd.DataFrame, centred: bool) -> None:  # noqa: FBT001
    there = set(rows["measure"])
    names = [name for name in SIMILARITIES if name in there]
    text = against(rows, lang=selected.lang)
    if not names or text is None:
        st.caption(f"No similarity to the texts of {view.target} in this profile.")
        return
    name = st.selectbox(
        "Similarity", names, key="measure", format_func=lambda n: SIMILARITIES[n].title, bind="query-params"
    )
    measure = SIMILARITIES[name]
    wanted = (rows["measure"] == name) & (rows["role"] == text.role) & (rows["lang"] == text.lang)
    wanted &= rows["centred"] == (centred and measure.is_embedded)
    lang = selected.lang if selected.lang in set(gains.cells["lang"]) else None
    points = scatter_points(gains, rows[wanted], lang=lang)
    if points.empty:
        st.caption("No intermediate has both a gain and a similarity here.")
        return
    chart(
        similarity_scatter(points, axis=Axis(measure.title, measure.larger_is_closer), selected=selected, mode=mode()),
        key="scatter",
        alt=f"{measure.title} of each intermediate to {view.target} against its gain",
        on_select=lambda: on_click("scatter"),
        selection_mode="points",
    )
    st.caption(sentence(points, measure=measure, text=text, lang=lang))


def sentence(points: pd.DataFrame, *, measure: SimilarityMeasure, text: Against, lang: str | None) -> str:
    """What the scatter says, with its n.

    Args:
        points: As `scatter_points` returns them.
        measure: The measure.
        text: What was compared with.
        lang: Language of the gains; None: the mean over those shown.
    """
    n_langs = int(points["n_langs"].max())
    over = f"{n_langs} language{'s' if n_langs != 1 else ''}"
    gain = f"gain in {language_label(lang)}" if lang else f"mean gain over {over}"
    with_text = "training text" if text.role == "train" else f"test text in {language_label(text.lang)}"
    found = agreement(points, larger_is_closer=measure.larger_is_closer)
    n = int(points["counts"].sum())
    left_out = f" Placebos and in-task pairs ({IN_TASK}) are not counted." if n < len(points) else ""
    head = f"{measure.title} to the {with_text} against {gain}: "
    if found is None:
        return f"{head}n = {n} intermediates, too few or too alike for a correlation.{left_out}"
    if pd.isna(found.low):
        limits, verdict = "", "too few for an interval" if n < FEWEST else "a perfect order has no interval"
    else:
        limits = f" [{found.low:+.2f}, {found.high:+.2f}]"
        closer = f"closer ones gain {'more' if found.estimate > 0 else 'less'}"
        verdict = "the interval holds zero: not settled" if found.low <= 0 <= found.high else closer
    r = f"rank correlation {found.estimate:+.2f}{limits}".replace("-", "−")
    return f"{head}{r}, n = {n} intermediates; {verdict}.{left_out} {measure.meaning}"
