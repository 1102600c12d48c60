"""Looks at the folders of jobs: at once where they are quick, beside the pages where they are slow."""

from __future__ import annotations

import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from core.paths import AtlasPaths
from core.queries.filters import Filter
from core.queries.runs.listing import runs
from pages.widgets import shared
from pages.widgets.runs import jobs as jobs_module
from pages.widgets.runs.jobs import Jobs
from pages.widgets.shared import Look
from tests.makers.folders import history, run_spec, scored, write_run
from tests.makers.home import finish
from tests.makers.home import spec as spec_of
from tests.pages.conftest import Open


def _ids(look: Look) -> set[str]:
    with look.store.cursor() as cur:
        return set(runs(cur, Filter(collection="yours"))["run_id"])


@pytest.mark.parametrize("slow_s", [60.0, -1.0])
def test_a_slow_look_is_taken_beside_the_pages_and_finds_the_same(
    slow_s: float, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shared, "SLOW_S", slow_s)
    started: list[object] = []
    usual = shared.Thread
    monkeypatch.setattr(shared, "Thread", lambda **how: started.append(how) or usual(**how))
    paths, look = AtlasPaths(home), Look(AtlasPaths(home))
    for seed in (1, 2):
        spec = run_spec(seed=seed)
        write_run(paths, spec, history(spec, [scored("en", 0.5)]))
        look.take()
        deadline = time.monotonic() + 20
        while spec.run_id not in _ids(look) and time.monotonic() < deadline:
            time.sleep(0.01)
        assert spec.run_id in _ids(look)
    assert len(started) == (0 if slow_s > 0 else 2)


def test_what_the_last_job_wrote_is_read_before_the_page_stops_looking(
    home: Path, open_page: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shared, "SLOW_S", -1.0)  # every look is beside the page,
    monkeypatch.setattr(shared, "Thread", lambda **_how: SimpleNamespace(start=lambda: None))  # and comes too late
    run, usual, was_open = spec_of("mnli", "xnli"), jobs_module.jobs_now, [True]
    finish(AtlasPaths(home), run)

    def ends_between_two_looks() -> Jobs:
        jobs = usual()
        return jobs._replace(open=jobs.listed if was_open and was_open.pop() else [])

    monkeypatch.setattr(jobs_module, "jobs_now", ends_between_two_looks)
    at = open_page("pages/runs.py", run=run.run_id)
    assert not was_open
    assert any("MNLI → XNLI" in m.value for m in at.markdown), [c.value for c in at.caption]
