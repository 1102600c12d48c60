"""What a launch starts: its size and cost before the button, and the start itself."""

from __future__ import annotations

from typing import Any

import streamlit as st

from core.jobs import local
from core.jobs.records import JobState
from core.studies import StudyRequest, build_study, problems
from pages.widgets.shared import paths, refresh


def wrong_with(request: StudyRequest) -> list[str]:
    """Everything that keeps a request from running.

    Args:
        request: What the form says.
    """
    return problems(request, paths=paths())


def show_plan(request: StudyRequest) -> None:
    """Number of runs and trainings.

    Args:
        request: A request without problems.
    """
    study = build_study(request, paths=paths())
    runs = study.runs()
    st.metric("Runs", len(runs))


def start_study(request: StudyRequest) -> dict[str, Any]:
    """Put the study's runs into the queue.

    Args:
        request: A request without problems.

    Raises:
        AtlasError: It has one after all, or there is no room on the disk.
    """
    study = build_study(request, paths=paths())
    statuses = local.submit(study.runs(), paths=paths(), study=study.name)
    local.ensure_dispatcher(paths())
    refresh.clear()
    first = next((s for s in statuses if s.intermediate != "none"), statuses[0])
    waiting = sum(s.state in {JobState.QUEUED, JobState.RUNNING} for s in statuses)
    return {"runs": len(statuses), "open": waiting, "link": {"run": first.run_id}}
