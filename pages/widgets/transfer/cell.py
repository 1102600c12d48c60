"""What is behind a cell: its runs and their baselines, curves, examples that flipped, the command to do it again."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pandas as pd
import streamlit as st

from core.analysis.cells import TESTS
from core.data.texts import texts_of
from core.errors import AtlasError
from core.figures.curves import dev_curve, loss_curve
from core.figures.heatmap import Cell, cell_text
from core.queries.transfer import View
from core.spec.note import Noted
from core.spec.run import RunSpec
from core.store.counted import REASONS
from pages.widgets.notes import show_note
from pages.widgets.runs.detail import again
from pages.widgets.runs.held import detail
from pages.widgets.shared import mode, paths, version
from pages.widgets.show import chart, in_percent, language_label, md, points, score_columns, show_command, table
from pages.widgets.transfer.beside import titled
from pages.widgets.transfer.data import flipped, runs_of_cell

_MOST_ROWS = 500


def show_summary(cell: Cell, cells: pd.DataFrame) -> None:
    """The answer to a click: value, limits, seeds, whether it is real.

    Args:
        cell: Language and intermediate, both chosen.
        cells: As `core.analysis.cells.cell_table` returns them.
    """
    lang, intermediate = str(cell.lang), str(cell.intermediate)
    after = "without an intermediate" if intermediate == "none" else f"after {titled(intermediate)}"
    st.header(f"{language_label(lang)} {after}", anchor=False)
    found = cells[(cells["lang"] == lang) & (cells["intermediate"] == intermediate)]
    if len(found):
        cell_of = found.iloc[0].to_dict()
        st.markdown(summary(cell_of))
        if pd.notna(cell_of["value"]) and pd.notna(cell_of["excluded"]):
            st.markdown(
                f":orange[:material/block:] **Does not count: {cell_of['excluded']}.** {REASONS[cell_of['excluded']]}"
            )


def show_cell(view: View, cell: Cell) -> None:
    """The runs behind a cell, their curves, the examples that flipped, and the command that makes them again.

    Args:
        view: What is fixed.
        cell: Language and intermediate, both chosen.
    """
    lang, intermediate = str(cell.lang), str(cell.intermediate)
    runs = runs_of_cell(version(), view, lang, intermediate)
    if runs.empty:
        st.caption("No run of this intermediate yet.")
        return
    known = detail(version(), str(runs["run_id"].iloc[0]))
    if known and intermediate != "none":
        same = {name: known.run[name] for name in ("model", "protocol", "data_source", "target")}
        show_note(Noted.model_validate(same | {"intermediate": intermediate, "lang": lang}))
    listed, curves, flips, command = st.tabs(
        ["Runs", "Curves", "Flipped examples", "Run again"], key="cell_tab", on_change="rerun"
    )
    if listed.open:
        with listed:
            _runs(runs)
    if curves.open:
        with curves:
            _curves(_one_seed(runs, key="curve_seed"), source=view.data_source)
    if flips.open:
        with flips:
            _flips(_one_seed(runs, key="flip_seed"), lang=lang, metric=view.metric)
    if command.open:
        with command:
            _command(_one_seed(runs, key="command_seed"))


def reproduction(rows: pd.DataFrame, title: Callable[[str], str]) -> list[str]:
    """What is said of runs that both this home and the gallery have, one sentence a line.

    Args:
        rows: As `core.queries.transfer.reproduced` returns them.
        title: From an intermediate to what people read.
    """
    exact, other = [], []
    for row in rows.to_dict("records"):
        name = "the baseline" if row["intermediate"] == "none" else title(str(row["intermediate"]))
        size = f"{name} ({row['equal']} of {row['langs']} languages"
        if row["equal"] == row["langs"]:
            exact.append(f"{size})")
        else:
            other.append(f"{size} equal, at most {points(row['largest']).lstrip('+')} points apart)")
    said = [f"Your runs reproduce those of the program exactly: {', '.join(exact)}."] if exact else []
    return said + ([f"Your runs differ from those of the program: {', '.join(other)}."] if other else [])


def summary(cell: dict[Any, Any]) -> str:
    """One line about a cell: gain with interval, seeds, significance, or why there is none.

    Args:
        cell: Row of `cell_table`.
    """
    if pd.isna(cell["value"]):
        return f"No value: **{cell['state']}**, {md(cell['missing'])}"
    parts = []
    if pd.notna(cell["gain"]):
        parts.append(f"gain **{points(cell['gain'])}** points")
        if pd.notna(cell["q_value"]):
            low, high = (cell_text(cell[name], quantity="gain") for name in ("low", "high"))
            parts[-1] += f" (95 % interval {low} to {high}, {TESTS[cell['tested_by']]})"
            verdict = "differs from zero" if cell["significant"] else "may be nothing"
            parts.append(f"{verdict}, corrected for the number of cells (q = {cell['q_value']:.2g})")
    parts.append(f"score {cell_text(cell['score'], quantity='score')} %")
    parts.append(f"{cell['n_seeds']} seed{'s' if cell['n_seeds'] != 1 else ''}")
    parts += ["in-task: trains the target's own task"] if cell["in_task"] else []
    return " · ".join(parts)


def _runs(runs: pd.DataFrame) -> None:
    table(
        in_percent(runs),
        alt="Runs behind the chosen cell, one row per seed",
        columns={"seed": "seed", **score_columns(runs), "run_id": "run", "baseline_run_id": "baseline run"},
    )
    with st.container(horizontal=True):
        for run in runs.head(12).to_dict("records"):
            gain = f", {points(run['gain'])} points" if pd.notna(run["gain"]) else ""
            _link(f"Seed {run['seed']}{gain}", run["run_id"])
            if pd.notna(run["baseline_run_id"]):
                _link(f"its baseline ({run['baseline_run_id']})", run["baseline_run_id"])


def _link(label: str, run_id: str) -> None:
    st.page_link("pages/runs.py", label=md(label), icon=":material/monitoring:", query_params={"run": run_id})


def _one_seed(runs: pd.DataFrame, *, key: str) -> dict[str, Any]:
    """The run of one seed; a picker where there are several."""
    by_seed = {int(run["seed"]): run for run in runs.to_dict("records")}
    seed = next(iter(by_seed))
    if len(by_seed) > 1:
        seed = st.segmented_control("Seed", list(by_seed), default=seed, required=True, key=key)
    return {str(name): None if pd.isna(value) else value for name, value in by_seed[seed].items()}


def _curves(run: dict[str, Any], *, source: str) -> None:
    steps, scores = [], []
    for role, run_id in (("run", run["run_id"]), ("baseline", run["baseline_run_id"])):
        found = detail(version(), run_id) if run_id else None
        if found is not None:
            steps.append(found.steps.assign(stage=f"{role}: " + found.steps["stage"].astype(str)))
            scores.append(found.dev_scores.assign(stage=f"{role}: " + found.dev_scores["stage"].astype(str)))
    every_step, every_score = (pd.concat(frames) if frames else pd.DataFrame() for frames in (steps, scores))
    if every_step.empty and every_score.empty:
        st.caption("No curves: these runs reused trainings of others, or only their scores came with the program.")
        return
    left, right = st.columns(2)
    if not every_score.empty:
        with left:
            draw = partial(dev_curve, every_score, mode=mode())
            chart(draw, key="cell_dev", alt="English development score of both runs", source=source)
    if not every_step.empty:
        with right:
            draw = partial(loss_curve, every_step, mode=mode())
            chart(draw, key="cell_loss", alt="Training loss of both runs", source=source)


def _flips(run: dict[str, Any], *, lang: str, metric: str) -> None:
    if not run["baseline_run_id"]:
        st.caption("This run has no baseline, so its answers cannot be compared.")
        return
    found = flipped(version(), run["run_id"], run["baseline_run_id"], lang, metric)
    if found is None:
        st.caption(f"No scores of single examples are stored for {md(metric)} in {language_label(lang)}.")
        return
    gained, lost = int((found.rows["change"] > 0).sum()), int((found.rows["change"] < 0).sum())
    line = f"**{gained}** examples scored higher and **{lost}** lower, of {found.n} that both runs answered."
    if found.test is not None:
        line += f" Exact McNemar test: p = {found.test.p_value:.2g}; for this seed alone."
    st.markdown(line)
    if "example_id" not in found.rows:
        st.caption("Runs that came with the program hold no answers and no sentences: only numbers.")
        rows = found.rows.head(_MOST_ROWS)
    else:
        rows = _with_texts(found.rows.head(_MOST_ROWS), run, lang=lang)
    table(
        rows,
        alt="Examples whose score differs between the run and its baseline",
        columns={
            **({"example_id": "example"} if "example_id" in rows else {}),
            **({"text": st.column_config.TextColumn("text", width="large")} if "text" in rows else {}),
            "index": "position in the test set",
            **({"before": "baseline answered", "after": "run answered"} if "example_id" in rows else {}),
            "change": st.column_config.NumberColumn("change in score", format="%+.2f"),
        },
    )
    if len(found.rows) > _MOST_ROWS:
        st.caption(f"The first {_MOST_ROWS} of {len(found.rows)}.")


@st.cache_data(max_entries=8, show_spinner="Reading the sentences")
def _sentences(spec: str, lang: str, ids: tuple[str, ...]) -> dict[str, str]:
    return texts_of(RunSpec.model_validate_json(spec), lang=lang, ids=ids, paths=paths())


def _with_texts(rows: pd.DataFrame, run: dict[str, Any], *, lang: str) -> pd.DataFrame:
    """The rows with their sentences, once the reader asks for them: they are read from the data source each time."""
    found = detail(version(), run["run_id"])
    if found is None or found.run["data_source"] == "hub":
        st.caption("Answers are stored without sentences; those are on the Hugging Face hub.")
        return rows
    if not st.toggle("Show the sentences", key="flip_texts", help="Read from the data each time, and not stored."):
        return rows
    try:
        texts = _sentences(found.run["spec"], lang, tuple(rows["example_id"]))
    except AtlasError as error:
        st.warning(md(error), title="The sentences cannot be read")
        return rows
    return rows.assign(text=rows["example_id"].map(texts))


def _command(run: dict[str, Any]) -> None:
    found = detail(version(), run["run_id"])
    if found is None:
        st.caption("This run has not been read yet; it appears within seconds.")
        return
    st.markdown("This command makes the run and its baseline; what is finished is not done again.")
    show_command(again(found.run))
