"""One run: what it does, where its scores come from, and what can be done about it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
import streamlit as st

from core.actions import queue
from core.actions.command import request_again, run_again
from core.actions.words import duration, span
from core.errors import AtlasError, RunFolderDamaged
from core.figures.lineage import lineage
from core.files import opened
from core.jobs.records import JobState, JobStatus
from core.queries.runs.detail import progress
from core.queries.runs.pace import Span
from core.spec.note import Noted
from core.spec.run import DataSourceKind
from core.store.counted import REASONS
from pages.widgets.compare.choice import offer
from pages.widgets.launch.form import address_of
from pages.widgets.notes import show_note
from pages.widgets.runs.held import RunDetail, detail
from pages.widgets.runs.jobs import list_again
from pages.widgets.runs.listing import doing
from pages.widgets.runs.matched import show_matched
from pages.widgets.runs.results import show_curves, show_scores
from pages.widgets.runs.several import offer_delete
from pages.widgets.shared import mode, paths, refresh, store, titles, version
from pages.widgets.show import chart, md, p_column, show_command, state_badge, table
from pages.widgets.transfer.onward import offer as offer_transfer

_TAIL_BYTES = 8192
_OUTCOMES = {"finished": "done", "failed": "failed", "cancelled": "cancelled", None: "queued"}


def show_run(run_id: str, *, job: JobStatus | None, left: Span | None = None) -> None:
    """Draw a run.

    Args:
        job: Its state here; None for a run that came with the application.
        left: Seconds until it has ended; None where that is not known or it has.
    """
    found = detail(version(), run_id)
    if found is None:
        st.caption("The results of this run are read within seconds.")
        return
    run, named = found.run, titles()
    chain = [named.of(str(run[name])) for name in ("intermediate", "target")]
    state = job.shown if job else _OUTCOMES[run["outcome"]]
    with st.container(border=True):
        st.markdown(f"## {md(' → '.join(chain))} &nbsp; {state_badge(state)}")
        facts = [
            named.of_model(str(run["model"])),
            f"seed {run['seed']}",
            f"protocol {run['protocol']}",
            DataSourceKind(str(run["data_source"])).words,
        ]
        if state == "running":
            facts += [f"for {duration(_since(run['started_at']))}"]
            facts += [f"about {span(*left)} left"] if left else []
        else:
            facts += [duration(run["seconds"])]
        facts += [f"on {run['device']}"] if run["device"] else []
        facts += [f"launched by {job.launched_by}"] if job and job.launched_by else []
        st.caption(md(" · ".join([*facts, run_id])))
        if state == "running":
            st.markdown(f":blue[:material/pending:] {md(doing(_begun(version()).get(run_id, {}), named))}")
        if run["outcome"] == "finished":
            offer_transfer(run, scored=found.scores)
        if job:
            _actions(job)
        with st.container(horizontal=True):
            offer(run_id)
            _new_from(run)
        _trouble(run, job)
        if found.excluded:
            st.markdown(f":orange[:material/block:] **Does not count: {found.excluded}.** {REASONS[found.excluded]}")
        for flag in found.flags.to_dict("records"):
            st.markdown(f":orange[:material/flag:] **{md(flag['flag'])}**: {md(flag['message'])}")
    show_note(
        Noted.model_validate(
            {name: run[name] for name in ("model", "protocol", "data_source", "intermediate", "target", "run_id")}
        )
    )
    chart(
        lambda: lineage(_nodes(found), mode=mode()),
        key="lineage",
        alt=f"Lineage: {named.of_model(str(run['model']))}, intermediate {chain[0]}, target {chain[1]}, languages",
    )
    _stages(found.stages)
    _learned(found.judgements)
    show_matched(found.matched)
    scores, curves, log, config = st.tabs(["Scores", "Curves", "Log", "Configuration"])
    with scores:
        show_scores(found)
    with curves:
        show_curves(found)
    with log:
        _log(run_id)
    with config:
        _configuration(run)


def tail(file: Path, *, n_bytes: int = _TAIL_BYTES) -> str:
    """The last complete lines of a file, "" where there is none.

    Args:
        file: A log that may be growing.
        n_bytes: Most bytes to read.
    """
    try:
        with opened(file) as stream:
            start = max(0, file.stat().st_size - n_bytes)
            stream.seek(start)
            text = stream.read(n_bytes).decode("utf-8", errors="replace")
    except (OSError, RunFolderDamaged):
        return ""
    return text.partition("\n")[2] if start else text


def again(run: dict[str, Any]) -> str:
    """The command that asks for the same run and its baseline.

    Args:
        run: Row of `runs`.
    """
    with store().cursor() as cur:
        return str(run_again(cur, run, paths=paths()))


def _since(started_at: datetime | None) -> float | None:
    """Seconds from a moment of the store, which is UTC, to now."""
    return None if started_at is None else (datetime.now(UTC).replace(tzinfo=None) - started_at).total_seconds()


@st.cache_data(max_entries=2, show_spinner=False)
def _begun(version: tuple[str, int]) -> dict[Any, Any]:
    del version  # part of the cache's key alone
    with store().cursor() as cur:
        return progress(cur).set_index("run_id").to_dict("index")


def _new_from(run: dict[str, Any]) -> None:
    with store().cursor() as cur:
        request = request_again(cur, run, paths=paths())
    st.page_link(
        "pages/launch.py", label="New from this", icon=":material/post_add:", query_params=address_of(request),
        help="Opens the page Launch, filled in as for this run.",
    )  # fmt: skip


def _actions(job: JobStatus) -> None:
    offers: list[tuple[str, str, set[str], Callable[[], object]]] = [
        ("Pause", "pause", {"running", "queued", "lost"}, lambda: queue.pause([job.run_id], paths=paths())),
        ("Resume", "resume", {"paused"}, lambda: queue.resume([job.run_id], paths=paths())),
        ("Cancel", "cancel", {"running", "queued", "lost"}, lambda: queue.cancel([job.run_id], paths=paths())),
        ("Retry", "replay", {"failed", "cancelled", "lost"}, lambda: queue.retry([job.run_id], paths=paths())),
        ("Move to front", "vertical_align_top", {"queued"},
         lambda: queue.move([job.run_id], place="first", paths=paths())),
    ]  # fmt: skip
    wanted = [offer for offer in offers if job.shown in offer[2]]
    has_ended = job.state in {JobState.DONE, JobState.FAILED, JobState.CANCELLED}
    with st.container(horizontal=True):
        for text, icon, _, act in wanted:
            st.button(text, icon=f":material/{icon}:", key=f"act_{icon}", on_click=_do, args=(act,))
        if has_ended:
            offer_delete([job.run_id], key="act")
    trouble = st.session_state.pop("_action_error", None)
    if trouble:
        st.error(md(trouble), title="The action failed")


def _do(act: Callable[[], object]) -> None:
    try:
        act()
    except AtlasError as error:
        st.session_state["_action_error"] = str(error)
    refresh.clear()
    list_again()


def _trouble(run: dict[str, Any], job: JobStatus | None) -> None:
    message = (job.message if job else None) or run["message"]
    if not message:
        return
    if job and job.state is not JobState.FAILED:
        st.warning(md(message))
        return
    st.error(md(message), title=md(run["error"] or "The run failed"), icon=":material/error:")
    st.caption(
        "Retry goes on from the last checkpoint; trainings that are finished are not repeated. The tab Log has the "
        "full message."
    )


def _nodes(found: RunDetail) -> pd.DataFrame:
    run, by_kind = found.run, found.stages.set_index("kind").to_dict("index")
    n_langs = found.scores["lang"].nunique()
    named = titles()
    rows = [{"kind": "encoder", "name": named.of_model(str(run["model"])), "detail": "pretrained"}]
    if run["intermediate"] != "none":
        name = named.of(str(run["intermediate"]))
        rows.append({"kind": "intermediate", "name": name, "detail": _detail(by_kind, "intermediate")})
    name = named.of(str(run["target"]))
    rows.append({"kind": "target", "name": name, "detail": _detail(by_kind, "target") or "not trained"})
    rows.append({"kind": "languages", "name": str(n_langs), "detail": "scored"})
    return pd.DataFrame(rows)


def _detail(by_kind: dict[Any, Any], kind: str) -> str:
    return str(by_kind[kind]["state"]) if kind in by_kind else ""


def _stages(stages: pd.DataFrame) -> None:
    named = titles()
    for row in stages.to_dict("records"):
        open_ended = row["state"] == "running" and pd.notna(row["total_steps"])
        step = int(row["step"]) if pd.notna(row["step"]) else 0
        unit = "languages" if row["kind"] == "evaluation" else "steps"
        parts = [f"**{row['kind']} {md(named.of(row['name']))}**", row["state"]]
        parts += [f"{step} of {int(row['total_steps'])} {unit}"] if open_ended else []
        parts += [duration(row["seconds"])] if pd.notna(row["seconds"]) else []
        if open_ended and pd.notna(row["left_s"]):
            parts += [f"about {duration(row['left_s'])} left"]
        parts += [f"best at step {int(row['best_step'])}"] if pd.notna(row["best_step"]) else []
        parts += [f"peak {row['peak_memory_mb']:.0f} MB"] if pd.notna(row["peak_memory_mb"]) else []
        st.progress(float(row["fraction"]) if pd.notna(row["fraction"]) else 0.0, text=" · ".join(parts))


def _learned(rows: pd.DataFrame) -> None:
    if rows.empty:
        return
    n = int(rows["has_learned"].sum())
    icon = ":material/school:" if n == len(rows) else ":material/block:"
    with st.expander(f"Learned {n} of {len(rows)} tasks, as its scores on English development data say", icon=icon):
        percent = st.column_config.NumberColumn
        is_loss = rows["metric"] == "loss"
        scaled = {c: rows[c].astype("float64").where(is_loss, 100 * rows[c].astype("float64"))
                  for c in ("score", "chance", "rule_score")}  # fmt: skip
        verdict = rows["has_learned"].map({True: "learned", False: "not learned"})
        table(
            rows.assign(
                **scaled,
                named=rows["task"].map(titles().of),
                verdict=verdict.mask(rows["is_constant"], "not learned: every prediction is the same"),
            ),
            alt="Whether each task of the trained stages was learned, with the test",
            columns={
                "kind": "stage",
                "named": "task",
                "metric": "metric",
                "score": percent("score, %", format="%.2f"),
                "chance": percent("chance, %", format="%.2f"),
                "rule": "best rule that reads no meaning",
                "rule_score": percent("its score, %", format="%.2f"),
                "p_value": p_column("p"),
                "n": "examples",
                "verdict": "verdict",
            },
        )
        loss = " A loss has its sign turned, so that larger is better, and is no per cent." if is_loss.any() else ""
        st.caption(
            "Learned: the score is above chance and above the rule, by one-sided tests at 5 % on the same examples; "
            f"the larger p is shown.{loss}"
        )


def _log(run_id: str) -> None:
    text = tail(paths().run(run_id).log)
    st.code(text or "No log yet.", language=None, height=320, wrap_lines=True)


def _configuration(run: dict[str, Any]) -> None:
    st.markdown("This command makes the same run again:")
    show_command(again(run))
    left, right = st.columns(2)
    with left:
        st.caption("What was asked for")
        st.json(run["spec"], expanded=1)
    with right:
        st.caption("Where it ran")
        st.json(run["environment"] or "{}", expanded=1)
