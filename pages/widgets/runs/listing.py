"""The table of runs; the chosen one is in the URL as `?run=<id>`."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import pandas as pd
import streamlit as st

from core.actions.plan import time_left
from core.actions.words import span
from core.errors import SpecError
from core.jobs.records import JobState, JobStatus
from core.queries.runs.detail import progress
from core.queries.runs.listing import damaged, no_evidence
from core.queries.runs.listing import run as query_run
from core.queries.runs.pace import Span
from core.spec.run import DataSourceKind
from core.tasks.titles import Titles
from pages.widgets.export import Later, export_popover
from pages.widgets.keeping import shared
from pages.widgets.runs.jobs import Jobs
from pages.widgets.runs.several import show_several
from pages.widgets.shared import paths, refresh, store, titles, version
from pages.widgets.show import STATE_LOOKS, md, table

_ICONS = {
    "running": "▶",
    "queued": "…",
    "done": "✓",
    "failed": "✗",
    "cancelled": "■",
    "paused": "‖",
    "lost": "?",
    "damaged": "!",
}


PAGE_ROWS = 500
"""Most runs that the table and the picker offer at once: a browser is sent no more."""


class Known(NamedTuple):
    """What the store says of runs."""

    done: pd.DataFrame
    """As `progress` returns it."""
    excluded: Mapping[str, str]
    """Run → why its gains are no evidence."""
    left: Mapping[str, Span]
    """Open run → seconds until it has ended."""


def show_list(jobs: Jobs) -> str | None:
    """Draw counts, filter, table and picker; the id of the chosen run.

    Args:
        jobs: All runs.
    """
    refresh(str(paths().home))
    show_damaged()
    kept_states = st.session_state.get("state") or []
    states = [state for state in STATE_LOOKS if jobs.counts[state] or state in kept_states]
    shown_states = st.pills(
        "State", states, selection_mode="multi", key="state", format_func=lambda s: f"{_ICONS[s]} {s}",
    ) if states else []  # fmt: skip
    there = [f"{jobs.counts[state]:,} {state}" for state in STATE_LOOKS if jobs.counts[state]]
    st.caption(f"{len(jobs.listed):,} run{'s' * (len(jobs.listed) != 1)}: {', '.join(there)}.")
    kept = [job for job in jobs.listed if job.shown in shown_states] if shown_states else jobs.listed
    left = left_of(jobs)
    for text in ends(jobs.open, left, now=datetime.now(_zone())):
        st.caption(text)
    known = Known(_progress(version()), _excluded(version()), left)
    here = _page(kept)
    if here:
        _table(run_rows(here, known))
        export_popover("runs", Later(len(kept), lambda: exported(kept, known)), what="list of runs")
    named = titles()
    show_several(here, named=lambda job: label(job, named))
    offered = here if len(jobs.listed) > PAGE_ROWS else jobs.listed
    return _pick(jobs, {job.run_id: label(job, named) for job in offered})


def left_of(jobs: Jobs) -> dict[str, Span]:
    """Seconds until each open run has ended.

    Args:
        jobs: All runs.
    """
    return _left(version(), tuple((job.run_id, job.state) for job in jobs.open))


def doing(begun: Mapping[Any, Any], named: Titles) -> str:
    """What a run that executes does at this moment, before its first stage and between stages, too.

    Args:
        begun: Its row of `progress`; empty before its first fact.
        named: What people read for the ids of tasks.
    """
    stage = begun.get("stage")
    if isinstance(stage, str):  # a frame holds NaN for a run without a stage
        kind, _, name = stage.partition(" ")
        step, total = begun["step"], begun["total_steps"]
        unit = "language" if kind == "evaluation" else "step"
        at = f"{unit} {int(step)} of {int(total)}" if pd.notna(step) and step else f"the first {unit}"
        doing = "scoring" if kind == "evaluation" else f"training the {kind}"
        return f"{doing} {named.of(name)}: {at}"
    if not begun:
        return "starting"
    if pd.notna(begun["done"]):
        return "loading the model"
    n = int(begun["n_read"])
    return f"reading the data: {n} part{'s' * (n != 1)} so far" if n else "looking up the data"


def _page(jobs: list[JobStatus]) -> list[JobStatus]:
    """The runs of the page that the reader has turned to."""
    n_pages = math.ceil(len(jobs) / PAGE_ROWS)
    if n_pages < 2:
        return jobs
    with st.container(horizontal=True, vertical_alignment="center"):
        # The number of pages follows the filter; a number past the end would be an error of the widget's.
        at = st.pagination(n_pages, key=f"runs_page_{n_pages}")
        first = (at - 1) * PAGE_ROWS
        st.caption(f"Runs {first + 1:,} to {min(first + PAGE_ROWS, len(jobs)):,} of {len(jobs):,}")
    return jobs[first : first + PAGE_ROWS]


def exported(jobs: Sequence[JobStatus], known: Known) -> pd.DataFrame:
    """All rows of the table as its files hold them.

    Args:
        jobs: Runs.
        known: What the store says of them.
    """
    rows = run_rows(jobs, known)
    return rows.assign(state=rows["state"].str[2:])


def label(job: JobStatus, named: Titles) -> str:
    """A run in one line, the same in every state.

    Streamlit knows an option of a picker by its words: where they change while the page looks again, a browser that
    has not heard of it sends the old ones, and the choice is lost.

    Args:
        job: A run that can be read.
        named: What people read for its ids.
    """
    chain = f"{named.of(str(job.intermediate))} → {named.of(str(job.target))}"
    return f"{chain}, {named.of_model(str(job.model))}, seed {job.seed} · {job.run_id}"


def run_rows(jobs: Sequence[JobStatus], known: Known) -> pd.DataFrame:
    """The table's rows, in the order given.

    Args:
        jobs: Runs to show.
        known: What the store says of them.
    """
    (done, excluded, left), named = known, titles()
    begun = done.set_index("run_id").to_dict("index")
    rows = []
    for job in jobs:
        here = begun.get(job.run_id, {})
        finished = 1.0 if job.state is JobState.DONE else None
        rows.append(
            {
                "run": job.run_id,
                "state": f"{_ICONS[job.shown]} {job.shown}",
                "chain": " → ".join(named.of(name) for name in (job.intermediate, job.target) if name),
                "model": named.of_model(job.model) if job.model else None,
                "seed": job.seed,
                "progress": finished if job.state is JobState.DONE else here.get("done"),
                "stage": doing(here, named) if job.state is JobState.RUNNING else None,
                "left": span(*left[job.run_id]) if job.run_id in left else None,
                "evidence": f"no: {excluded[job.run_id]}" if job.run_id in excluded else None,
                "protocol": job.protocol,
                "data": job.data_source,
                "study": job.study,
                "message": job.message,
            }
        )
    return pd.DataFrame(rows)


def ends(jobs: Sequence[JobStatus], left: Mapping[str, Span], *, now: datetime) -> list[str]:
    """When each study and the whole queue will have ended, one line each; one study is the queue.

    Args:
        jobs: Runs.
        left: Open run → seconds until it has ended.
        now: The reader's time.
    """
    studies: dict[str, list[str]] = {}
    for job in jobs:
        if job.run_id in left:
            studies.setdefault(job.study or "", []).append(job.run_id)
    groups = [(f"Study {md(study)}" if study else "Runs without a study", ids) for study, ids in studies.items()]
    everything = [("All runs", [run_id for _, ids in groups for run_id in ids])] if groups else []
    lines = []
    for name, ids in (*(groups if len(groups) > 1 else []), *everything):
        low, high = (max(left[run_id][end] for run_id in ids) for end in (0, 1))
        at = now + timedelta(seconds=math.sqrt(low * high))
        day = "" if at.date() == now.date() else f"{at:%a %d %b} "
        lines.append(f"{name}: {len(ids)} not finished, about {span(low, high)} left, done at about {day}{at:%H:%M}.")
    return lines


def _zone() -> tzinfo:
    try:
        return ZoneInfo(st.context.timezone or "UTC")
    except (ZoneInfoNotFoundError, ValueError):
        return UTC


@st.cache_data(max_entries=2, show_spinner=False)
def _left(version: tuple[str, int], open_jobs: tuple[tuple[str, JobState], ...]) -> dict[str, Span]:
    del version  # part of the cache's key alone
    try:
        with store().cursor() as cur:
            return time_left(cur, open_jobs)
    except SpecError:  # the number of slots is none: the page says so above
        return {}


@shared(max_entries=2, show_spinner=False)
def _progress(version: tuple[str, int]) -> pd.DataFrame:
    del version  # part of the cache's key alone
    with store().cursor() as cur:
        return progress(cur)


@shared(max_entries=2, show_spinner=False)
def _excluded(version: tuple[str, int]) -> dict[str, str]:
    del version  # part of the cache's key alone
    with store().cursor() as cur:
        return dict(no_evidence(cur).itertuples(index=False, name=None))


def _table(rows: pd.DataFrame) -> None:
    config = st.column_config
    st.session_state["_run_order"] = rows["run"].tolist()
    under_way = {
        "stage": config.TextColumn("what it does", width=290),
        "left": config.TextColumn("until it ends", width=110),
    }
    table(
        rows.assign(data=rows["data"].map(lambda source: DataSourceKind(source).words, na_action="ignore")),
        key="runs_table",
        alt="All runs with their state and progress; selecting a row shows the run below",
        on_select=_on_row,
        selection_mode="single-row",
        height=min(38 + 35 * len(rows), 360),
        columns={
            "state": config.TextColumn("state", width=110),
            "chain": config.TextColumn("intermediate → target", width="medium"),
            "model": config.TextColumn("model", width="small"),
            "seed": config.NumberColumn("seed", width=60),
            "progress": config.ProgressColumn("progress", format="percent", min_value=0, max_value=1, width=120),
            **{name: column for name, column in under_way.items() if rows[name].notna().any()},
            "evidence": config.TextColumn("counts?", width="medium"),
            "protocol": config.TextColumn("protocol", width="small"),
            "data": config.TextColumn("data", width="medium"),
            "study": config.TextColumn("study", width="small"),
            "message": config.TextColumn("message", width="medium"),
            "run": config.TextColumn("run", width=120),
        },
    )


def _on_row() -> None:
    rows = st.session_state["runs_table"]["selection"]["rows"]
    order = st.session_state["_run_order"]
    if rows and rows[0] < len(order):
        st.query_params["run"] = order[rows[0]]


def _pick(jobs: Jobs, labels: dict[str, str]) -> str | None:
    asked = st.query_params.get("run")
    if asked and asked not in jobs.by_id:
        with store().cursor() as cur:
            there = not query_run(cur, asked).empty
        if not there:
            st.warning(f"No run {md(asked)} here. Choose one below.", icon=":material/search_off:")
            asked = None
    if asked and asked not in labels:
        there_too = jobs.by_id.get(asked)
        labels = {asked: label(there_too, titles()) if there_too else asked, **labels}
    st.session_state["run_pick"] = asked
    typed = len(jobs.listed) > PAGE_ROWS
    st.selectbox(
        "Run", list(labels), index=None, key="run_pick", format_func=lambda r: labels.get(r, r), on_change=_on_pick,
        placeholder="choose a run of this page, or type its id" if typed else "choose a run, or select a row above",
        accept_new_options=typed,
    )  # fmt: skip
    return asked


def _on_pick() -> None:
    picked = st.session_state["run_pick"]
    if picked:
        st.query_params["run"] = picked
    else:
        st.query_params.pop("run", None)


def show_damaged() -> None:
    """Draw the folded list of what cannot be read, with why; nothing where all can."""
    with store().cursor() as cur:
        rows = damaged(cur)
    if rows.empty:
        return
    n = len(rows)
    with st.expander(
        f"{n} folder{'s' if n > 1 else ''} or file{'s' if n > 1 else ''} cannot be read; others are not affected",
        icon=":material/warning:",
    ):
        st.dataframe(rows, hide_index=True, alt="Folders and files that cannot be read, and why")
