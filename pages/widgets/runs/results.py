"""What came of one run: scores by language, and the curves of its training."""

from __future__ import annotations

from functools import partial

import pandas as pd
import streamlit as st

from core.figures.curves import USED, dev_curve, loss_curve, use_curve
from core.figures.progress import language_dots
from core.tasks.titles import metric_title
from pages.widgets.export import export_popover
from pages.widgets.runs.held import RunDetail
from pages.widgets.shared import mode
from pages.widgets.show import chart, in_percent, language_label, md, score_columns, table

_FEW_LANGS = 12
_NAMED = r"'[^']*'|It has: .*"


def show_scores(found: RunDetail) -> None:
    """Draw scores beside those of the baseline, and which languages have none."""
    if found.scores.empty:
        st.caption("No language has been scored yet. English training comes first.")
        return
    metric = metric_title(str(found.run["headline_metric"]))
    headline = found.scores[found.scores["metric"] == found.run["headline_metric"]]
    left, right = st.columns(2)
    with left:
        chart(
            lambda: language_dots(headline, chance=float(str(found.run["chance"])), metric=metric, mode=mode()),
            key="dots",
            alt=f"{metric} per language of this run and its baseline; the table beside it holds the same numbers",
            source=str(found.run["data_source"]),
        )
    with right:
        shown = in_percent(found.scores).assign(language=found.scores["lang"].map(language_label))
        table(
            shown,
            alt="Scores of this run per language and metric",
            height=min(38 + 35 * len(shown), 520),
            columns={"language": "language", "metric": "metric", **score_columns(shown)},
        )
    dots = partial(language_dots, headline, chance=float(str(found.run["chance"])), metric=metric)
    export_popover(
        f"run-{found.run['run_id']}", found.scores, what="scores of a run", figures={"Scores by language": dots},
        source=str(found.run["data_source"]),
    )  # fmt: skip
    if not found.skips.empty:
        _unscored(found.skips, n_scored=found.scores["lang"].nunique())


def _unscored(skips: pd.DataFrame, *, n_scored: int) -> None:
    """Languages without a score in one folded line, reasons that are alike but for names once."""
    langs = skips["lang"].tolist()
    few = f": {', '.join(langs)}" if len(langs) <= _FEW_LANGS else ""
    with st.expander(
        f"{len(langs)} of {len(langs) + n_scored} languages without a score{few}", icon=":material/translate:"
    ):
        alike = skips["reason"].str.replace(_NAMED, "", regex=True)
        for _, part in skips.groupby(alike, sort=False):
            names = ", ".join(language_label(lang) for lang in part["lang"])
            st.caption(md(f"{names}. {part['reason'].iloc[0]}"))


def show_curves(found: RunDetail) -> None:
    """Draw training loss, English development score and speed by step."""
    if found.steps.empty and found.dev_scores.empty:
        st.caption("No training curve: this run reused trainings of others, or it has not begun.")
        return
    source = str(found.run["data_source"])
    left, right = st.columns(2)
    if not found.steps.empty:
        with left:
            draw, alt = partial(loss_curve, found.steps, mode=mode()), "Training loss by step, one line per stage"
            chart(draw, key="loss", alt=alt, source=source)
    if not found.dev_scores.empty:
        with right:
            draw, alt = partial(dev_curve, found.dev_scores, mode=mode()), "English development score by step"
            chart(draw, key="dev", alt=alt, source=source)
    st.caption("Which checkpoint is scored is chosen on English development data alone.")
    if not found.steps.empty:
        _show_use(found.steps, source=source)


def _show_use(steps: pd.DataFrame, *, source: str) -> None:
    """What the training took of the machine: speed, memory and cores, as far as the job reported them."""
    reported = [name for name, used in USED.items() if steps[used.column].notna().any()]
    for name, column in zip(reported, st.columns(len(USED)), strict=False):
        with column:
            alt = f"{USED[name].title} by step, one line per stage"
            chart(partial(use_curve, steps, of=name, mode=mode()), key=name, alt=alt, source=source)
    st.caption(
        "Memory: on a processor what the run's process holds, on a GPU what it has reserved there. Cores: how many "
        "processor cores its process kept busy, in the mean since the point before; with fewer than it was given it "
        "waits for others, for data or for the GPU. The most memory that a stage took stands in its line above (peak)."
    )
