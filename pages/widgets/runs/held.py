"""Everything the store holds about one run."""

from __future__ import annotations

from typing import Any, NamedTuple

import pandas as pd
import streamlit as st

from core.queries.runs import stages as of_stages
from core.queries.runs.detail import paired_scores
from core.queries.runs.listing import no_evidence
from core.queries.runs.listing import run as query_run
from pages.widgets.shared import store, titles


class RunDetail(NamedTuple):
    """Everything the store holds about one run."""

    run: dict[Any, Any]
    """The row of `runs`, missing values None."""
    stages: pd.DataFrame
    """In order of execution."""
    steps: pd.DataFrame
    """Training curve, with a column `stage` ("intermediate mnli")."""
    dev_scores: pd.DataFrame
    """English development scores, with a column `stage`."""
    scores: pd.DataFrame
    """Scores beside those of the baseline."""
    judgements: pd.DataFrame
    """Whether its stages learned their tasks."""
    matched: pd.DataFrame
    """How the thirds of its intermediate are matched."""
    excluded: str | None
    """Why its gains are no evidence; None: no such reason holds for all of them."""
    skips: pd.DataFrame
    """Languages without a score."""
    flags: pd.DataFrame
    """What a reader must know."""


@st.cache_data(max_entries=32, show_spinner=False)
def detail(version: tuple[str, int], run_id: str) -> RunDetail | None:
    """What the store holds about a run, None where it holds nothing."""
    del version  # part of the cache's key alone
    with store().cursor() as cur:
        found = query_run(cur, run_id)
        if found.empty:
            return None
        stages = of_stages.stages(cur, run_id)
        named = titles()
        names = {row["key"]: f"{row['kind']} {named.of(row['name'])}" for row in stages.to_dict("records")}
        steps, dev = of_stages.steps(cur, run_id), of_stages.dev_scores(cur, run_id)
        return RunDetail(
            run={k: None if pd.isna(v) else v for k, v in found.iloc[0].to_dict().items()},
            stages=stages,
            steps=steps.assign(stage=steps["key"].map(names)),
            dev_scores=dev.assign(stage=dev["key"].map(names)),
            scores=paired_scores(cur, run_id),
            judgements=of_stages.judgements(cur, run_id),
            matched=of_stages.matched(cur, run_id),
            excluded=no_evidence(cur).set_index("run_id")["excluded"].get(run_id),
            skips=of_stages.skips(cur, run_id),
            flags=of_stages.flags(cur, run_id),
        )
