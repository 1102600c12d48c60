"""How charts, tables, numbers and empty states look on every page."""

from __future__ import annotations

import logging
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from typing import Any, Literal

import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from core.actions.command import caution_of
from core.figures.theme import stamped
from core.languages import language
from core.paths import GLOSSARY
from core.spec.run import DataSourceKind
from pages.widgets.keeping import shared

_LOG = logging.getLogger(__name__)
_CONFIG = {"displaylogo": False, "modeBarButtonsToRemove": ["select2d", "lasso2d", "zoom2d", "pan2d", "autoScale2d"]}

STATE_LOOKS: dict[str, tuple[str, str]] = {
    "running": ("blue", ":material/play_circle:"),
    "queued": ("gray", ":material/schedule:"),
    "done": ("green", ":material/check_circle:"),
    "failed": ("red", ":material/error:"),
    "cancelled": ("orange", ":material/cancel:"),
    "paused": ("orange", ":material/pause_circle:"),
    "lost": ("orange", ":material/help:"),
    "damaged": ("red", ":material/broken_image:"),
}
"""Colour and icon of each state of a job."""


Width = int | Literal["stretch", "content"]
"""Pixels, or Streamlit's word."""


def chart(
    draw: Callable[[], go.Figure],
    *,
    key: str,
    alt: str,
    width: Width = "stretch",
    source: str | None = None,
    **options: Any,  # noqa: ANN401
) -> None:
    """A Plotly figure with the common settings; where it cannot be drawn, why, and the page goes on.

    Args:
        draw: Draws it.
        key: Identity of the element.
        alt: One sentence for those who cannot see it.
        source: Data source of what is drawn, which the figure then says; None: it is of no run.
        options: `on_select` and the like.
    """
    try:
        fig = draw()
    except Exception as error:  # one figure must not take the rest of the page away; the log has the traceback
        _LOG.exception("The figure %s cannot be drawn", key)
        reason = f"{type(error).__name__}: {error}"
        st.error(md(f"{reason}\nThe rest of the page is not affected."), title="This figure cannot be drawn")
        return
    if source is not None:
        words = DataSourceKind(source).words
        fig, alt = stamped(fig, words, mode="dark" if st.context.theme.type == "dark" else "light"), f"{alt} ({words})"
    file = {"toImageButtonOptions": {"format": "svg", "filename": f"transfer-atlas-{key}"}}
    st.plotly_chart(fig, key=key, alt=alt, width=width, theme=None, config=_CONFIG | file, **options)


@shared(max_entries=128, show_spinner=False)
def drawn(_draw: Callable[[], go.Figure], *made_of: Hashable) -> go.Figure:
    """The figure, drawn once for all readers; nobody changes it.

    Args:
        _draw: Draws it.
        made_of: Everything that decides what it shows, the figure's kind and the store's version among it.
    """
    del made_of  # the cache's key alone
    return _draw()


@contextmanager
def wide_row(key: str, *, width_px: int) -> Iterator[None]:
    """Room at least so wide, in a row that scrolls by itself: numbers stay readable, and the page keeps its width.

    Args:
        key: Identity of the row.
        width_px: Least width of what is drawn in it.
    """
    # A container's own width ends at that of its parent; `min-width` alone goes beyond.
    st.html(f"<style>div.st-key-{key} > div {{ min-width: {width_px}px }}</style>")
    with st.container(key=key, horizontal=True, wrap=False), st.container():
        yield


def p_column(label: str, **options: Any) -> Any:  # noqa: ANN401
    """A column of p or q values: three significant digits, so that a small one never reads as zero.

    Args:
        label: Head of the column.
        options: Of `st.column_config.NumberColumn`.
    """
    return st.column_config.NumberColumn(label, format="%.3g", **options)


def table(rows: pd.DataFrame, *, alt: str, columns: dict[str, Any], key: str | None = None, **options: Any) -> Any:  # noqa: ANN401
    """A table that shows the named columns, in their order.

    Args:
        rows: What to show.
        alt: One sentence for those who cannot see it.
        columns: Column → its label or column configuration.
        key: Identity of the element, for a selection.
        options: `on_select` and the like.
    """
    return st.dataframe(
        rows,
        key=key,
        alt=alt,
        hide_index=True,
        placeholder="–",
        column_order=list(columns),
        column_config=columns,
        **options,
    )


def source_badge(source: str) -> str:
    """What the data of numbers are as a coloured badge, in Markdown.

    Args:
        source: sample, mirror or hub.
    """
    kind = DataSourceKind(source)
    color, icon = ("green", ":material/public:") if kind.is_real else ("orange", ":material/science:")
    return f":{color}-badge[{icon} {kind.words}]"


def state_badge(state: str) -> str:
    """A state of a job as a coloured badge, in Markdown.

    Args:
        state: Such as "running".
    """
    color, icon = STATE_LOOKS.get(state, ("gray", ":material/help:"))
    return f":{color}-badge[{icon} {state}]"


def empty(title: str, text: str, *, page: str | None = None, label: str | None = None) -> None:
    """What a page says while it has nothing to show: why, and what to do.

    Args:
        title: Why nothing is here.
        text: What to do.
        page: Page to go to, if any.
        label: Text of the link.
    """
    with st.container(border=True):
        st.markdown(f"## {title}")
        st.markdown(text)
        if page:
            st.page_link(page, label=label, icon=":material/arrow_forward:")


def language_label(code: str) -> str:
    """Name and code of a language: "Swahili (sw)".

    Args:
        code: XTREME's code.
    """
    return f"{language(code).name} ({code})"


def points(fraction: float | None) -> str:
    """A gain in percentage points with its sign, or a dash.

    Args:
        fraction: The gain.
    """
    return "–" if fraction is None or pd.isna(fraction) else f"{100 * fraction:+.1f}".replace("-", "−")


def md(text: object) -> str:
    """Text from outside that is safe inside Markdown.

    Args:
        text: Names, messages, anything a user or a file may have written.
    """
    sendable = str(text).encode("utf-8", "backslashreplace").decode()  # names of files may be no text
    return "".join(f"\\{c}" if c in r"\`*_{}[]<>()#+!|$:~" else c for c in sendable)


def words_link() -> None:
    """The way to the words."""
    st.page_link("pages/glossary.py", label="What the words mean", icon=":material/menu_book:")


def words() -> None:
    """The glossary of the documents, its tables narrowed to the rows that a reader searches for."""
    asked = st.text_input("Search", placeholder="q value, third, head-room …", width=280).strip().lower()
    _, *lines = GLOSSARY.read_text(encoding="utf-8").splitlines()  # the page has a title
    is_head = [line.startswith("|") and following.startswith("|--") for line, following in pairwise([*lines, ""])]
    kept = [
        line for line, head in zip(lines, is_head, strict=True)
        if head or not line.startswith("|") or line.startswith("|--") or asked in line.lower()
    ]  # fmt: skip
    st.markdown("\n".join(kept))


def show_command(command: str, *, with_caution: bool = True) -> None:
    """A command of the program, and what must be done to it before it can start.

    Args:
        command: As it is typed.
        with_caution: False where several stand together and `show_caution` follows them.
    """
    st.code(command, language=None, wrap_lines=True)
    if with_caution:
        show_caution(command)


def show_caution(*commands: str) -> None:
    """What must be done to commands before they can start, once for all of them.

    Args:
        commands: As they are typed.
    """
    if caution := caution_of(*commands):
        st.caption(md(caution))


def in_percent(scores: pd.DataFrame) -> pd.DataFrame:
    """Rows of scores with their fractions in percent and points, as `score_columns` names them.

    Args:
        scores: Columns `score`, `baseline_score`, `gain`, `floor`, those that begin with `score_`, and others.
    """
    fractions = ("score", "baseline_score", "gain", "score_last", "score_mean", "score_oracle", "floor")
    return scores.assign(**{name: 100 * scores[name].astype("float64") for name in fractions})


def score_columns(scores: pd.DataFrame) -> dict[str, Any]:
    """What the columns of a table of scores are called.

    Args:
        scores: The table; columns of checkpoints that no row has are left out.
    """
    number = st.column_config.NumberColumn
    asked_for = {
        "score_mean": number(
            "mean of last checkpoints, %",
            format="%.2f",
            help="Mean score of the last three checkpoints of the target stage.",
        ),
        "score_oracle": number(
            "oracle (not zero-shot), %",
            format="%.2f",
            help="With the checkpoint that is best on development data of the language itself. Zero-shot transfer "
            "has no such data: this says how much a better choice of the checkpoint could give.",
        ),
    }
    return {
        "score": number("score, %", format="%.2f"),
        "baseline_score": number("baseline, %", format="%.2f"),
        "gain": number("gain, points", format="%+.2f"),
        "excluded": "why it does not count",
        "floor": number(
            "floor, %",
            format="%.2f",
            help="What the best rule that reads no meaning scores (the commonest label, say).",
        ),
        "floor_rule": "rule of the floor",
        "score_last": number(
            "last checkpoint, %",
            format="%.2f",
            help="The score column is of the checkpoint that is best on English development data; this is of the last.",
        ),
        **{name: column for name, column in asked_for.items() if scores[name].notna().any()},
        "n": "test examples",
        "split": "split",
        "missing": "why missing",
        "note": "note",
    }
