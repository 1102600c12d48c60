"""What a launch would cost, asked for in a terminal: the same as on the page, and nothing is started."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from core.actions import plan as actions_plan
from core.actions.plan import plan
from core.cli.main import app
from core.jobs import slots as job_slots
from core.paths import AtlasPaths
from core.queries.runs.estimate import StudyEstimate
from core.store.connection import Store
from core.studies import StudyRequest


@pytest.mark.parametrize("slots", [("cpu",), ("cpu:0", "cpu:1"), ("cuda:0",), ("mps",)])
def test_dry_run_says_what_the_page_says_and_starts_nothing(
    slots: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ATLAS_HOME", str(tmp_path))
    monkeypatch.setattr(actions_plan, "_slots", lambda: slots)
    file = tmp_path / "grid.yaml"
    file.write_text("name: grid\nintermediates: [mnli, qqp]\ntargets: [xnli]\nseeds: [1, 2]\n")
    words = ["run", "--name", "grid", "--target", "xnli", "--seeds", "1", "--seeds", "2"]
    words += ["--intermediate", "mnli", "--intermediate", "qqp"]
    said = [CliRunner().invoke(app, [*w, "--dry-run", "--json"]) for w in (words, ["study", str(file)])]
    assert [done.exit_code for done in said] == [0, 0], said
    rows = [json.loads(done.stdout) for done in said]
    request = StudyRequest(name="grid", intermediates=("mnli", "qqp"), targets=("xnli",), seeds=(1, 2))
    with Store.open(":memory:") as store, store.cursor() as cur:
        found = plan(request, paths=AtlasPaths(tmp_path), cur=cur)
    threads = found.machine.threads
    assert rows[0] == rows[1] == [{**found.cost._asdict(), "slots": list(slots), "threads": threads}]
    # 2 intermediates and the baseline, 2 seeds; each intermediate is trained once a seed.
    assert (found.cost.n_runs, found.cost.n_trainings) == (6, 4 + 6)
    assert found.machine.kind == slots[0].partition(":")[0] and found.machine.kind in StudyEstimate(*found.cost).basis
    assert not AtlasPaths(tmp_path).runs.exists()
    lacking = CliRunner().invoke(app, [*words, "--dry-run", "--device", "auto:2"])
    assert "They would fail here: this machine has no auto:2." in lacking.stderr
    table = CliRunner().invoke(app, [*words, "--dry-run"])
    assert table.exit_code == 0 and "Nothing was started." in table.stderr and slots[-1] in table.stdout


def test_cpu_slots_share_the_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(actions_plan.os, "cpu_count", lambda: 8)
    monkeypatch.delenv("ATLAS_THREADS", raising=False)
    monkeypatch.setattr(actions_plan, "_slots", lambda: ("cpu:0", "cpu:1"))
    assert actions_plan.this_machine().threads == 4
    assert actions_plan.this_machine("cpu") == actions_plan.this_machine(), "the CPU is both of its slots"
    monkeypatch.setattr(job_slots, "total_memory_mb", lambda: 8000)
    assert actions_plan.this_machine(parameters_m=278) == (("cpu:0",), 8), "one that fits once has all cores"
    monkeypatch.setenv("ATLAS_THREADS", "3")
    assert actions_plan.this_machine().threads == 3
