"""The whole chain through the commands, on toy tasks and a tiny model: from YAML files to gains, kills included."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import psutil
import pyarrow.parquet as pq
import pytest
import yaml

from core.paths import REPO, AtlasPaths, RunPaths
from tests.fakes import tiny_model, toy_mirror, toy_protocol, toy_task

KINDS = ("classification", "tagging")
WAIT_S = 240


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A mirror, a model and a protocol, shared by the homes of this module."""
    root = tmp_path_factory.mktemp("world")
    toy_mirror(root / "hub", kinds=KINDS)
    tiny_model(root / "model")
    protocol = toy_protocol(max_steps=30, epochs=20.0).model_dump(mode="json", exclude_defaults=True)
    (root / "toy.yaml").write_text(yaml.safe_dump(protocol), encoding="utf-8")
    return root


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """An Atlas home with the two toy tasks as a user's files."""
    return _home(tmp_path / "home")


def _home(folder: Path) -> Path:
    (folder / "tasks").mkdir(parents=True)
    for kind in KINDS:
        task = toy_task(kind).model_dump(mode="json", exclude_defaults=True)
        (folder / "tasks" / f"{kind}.yaml").write_text(yaml.safe_dump(task), encoding="utf-8")
    return folder


def _environment(home: Path) -> dict[str, str]:
    return os.environ | {"ATLAS_HOME": str(home), "ATLAS_CHECKPOINT_SECONDS": "0", "ATLAS_THREADS": "1"}


def _atlas(home: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "core", *words],
        cwd=REPO,
        env=_environment(home),
        capture_output=True,
        text=True,
        check=False,
        timeout=WAIT_S,
    )


def _run_words(world: Path) -> list[str]:
    words = ["run", "--data-source", "mirror", "--mirror", str(world / "hub"), "--model", str(world / "model")]
    words += ["--intermediate", "toy_tagging", "--target", "toy_classification", "--seeds", "1", "2"]
    return [*words, "--protocol", str(world / "toy.yaml")]


def _wait(condition: object, *, what: str) -> None:
    deadline = time.monotonic() + WAIT_S
    while time.monotonic() < deadline:
        if condition():  # type: ignore[operator]
            return
        time.sleep(0.05)
    pytest.fail(f"{what} did not happen within {WAIT_S} s")


def test_from_files_to_gains(world: Path, home: Path) -> None:
    done = _atlas(home, *_run_words(world), "--json")
    assert done.returncode == 0, done.stderr
    rows = json.loads(done.stdout)
    # 2 seeds × the 2 languages that have a test split × 1 metric; Swahili has none, so no row and no zero.
    assert {(r["seed"], r["lang"], r["metric"]) for r in rows} == {
        (seed, lang, "accuracy") for seed in (1, 2) for lang in ("en", "de")
    }
    assert len(rows) == 4
    for row in rows:
        assert row["intermediate"] == "toy_tagging"
        assert row["gain"] == pytest.approx(row["score"] - row["baseline_score"])
        assert row["baseline_run_id"] != row["run_id"]
        assert row["n"] == 30
    states = json.loads(_atlas(home, "runs", "--json").stdout)
    assert [s["state"] for s in states] == ["done"] * 4
    assert json.loads(_atlas(home, "gains", "--json").stdout) == rows
    assert _atlas(home, "export", str(home / "gains.parquet")).returncode == 0
    assert pq.read_table(home / "gains.parquet").num_rows == 4
    (home / "atlas.duckdb").unlink()
    assert json.loads(_atlas(home, "rebuild", "--json").stdout)[0]["n_new"] == 4
    assert json.loads(_atlas(home, "gains", "--json").stdout) == rows, "deleting the database loses nothing"


def test_server_worker_and_dispatcher_killed_together(world: Path, tmp_path: Path) -> None:
    """Kill -9 of everything in mid-stage; the next command resumes, and the scores are those of an undisturbed run."""
    calm, stormy = _home(tmp_path / "calm"), _home(tmp_path / "stormy")
    words = [*_run_words(world), "--json"]
    words[words.index("2")] = "--no-baselines"  # seed 1 alone, one run: both stages and the evaluation
    quiet = _atlas(calm, *words)
    assert quiet.returncode == 0, quiet.stderr

    server = _serve(stormy)
    try:
        assert _atlas(stormy, *words, "--no-wait").returncode == 0
        folder = next((stormy / "runs").iterdir())
        run = AtlasPaths(stormy).run(folder.name)
        _wait(lambda: run.events.exists() and '"step_logged"' in run.events.read_text(), what="a training step")
        worker = json.loads(run.process.read_text(encoding="utf-8"))["pid"]
        dispatchers = _processes("core.jobs.dispatch", home=stormy)
        assert dispatchers, "a queue is worked off by a process of its own"
    finally:
        server.send_signal(signal.SIGKILL)
        server.wait()
    for pid in (worker, *dispatchers):
        os.kill(pid, signal.SIGKILL)
    _wait(lambda: not _processes("core.", home=stormy), what="the end of all processes")
    assert not run.finished.exists(), "the run ended before it could be killed: make the toy longer"

    assert _atlas(stormy, "runs").returncode == 0  # any command that looks at the queue restarts it
    _wait(run.finished.exists, what="the end of the resumed run")
    assert len(_facts(run, "run_started")) == 2
    other = AtlasPaths(calm).run(folder.name)
    assert _facts(run, "language_scored") == _facts(other, "language_scored")
    assert pq.read_table(run.predictions).equals(pq.read_table(other.predictions))


def _facts(run: RunPaths, kind: str) -> list[dict[str, object]]:
    events = [json.loads(line)["event"] for line in run.events.read_text(encoding="utf-8").splitlines()]
    return [event for event in events if event["type"] == kind]


def _processes(module: str, *, home: Path) -> list[int]:
    """Pids of living Python processes of a module that belong to a home."""
    found = []
    for process in psutil.process_iter(["cmdline", "status"]):
        line = " ".join(process.info["cmdline"] or ())
        if module in line and str(home) in line and process.info["status"] != psutil.STATUS_ZOMBIE:
            found.append(process.pid)
        elif module in line and process.info["status"] != psutil.STATUS_ZOMBIE:
            try:
                if process.environ().get("ATLAS_HOME") == str(home):
                    found.append(process.pid)
            except (psutil.NoSuchProcess, psutil.AccessDenied):
                continue
    return found


def _serve(home: Path) -> subprocess.Popen[bytes]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = subprocess.Popen(
        [sys.executable, "-m", "streamlit", "run", "app.py", "--server.headless=true", f"--server.port={port}"],
        cwd=REPO,
        env=_environment(home),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )

    def is_up() -> bool:
        try:
            return bool(urllib.request.urlopen(f"http://127.0.0.1:{port}/_stcore/health", timeout=1).status == 200)
        except OSError:
            return False

    _wait(is_up, what="the server's start")
    return server


def test_a_command_beside_a_process_that_holds_the_database(world: Path, home: Path) -> None:
    code = "import sys, time, duckdb; c = duckdb.connect(sys.argv[1]); print('open', flush=True); time.sleep(60)"
    holder = subprocess.Popen(
        [sys.executable, "-c", code, str(home / "atlas.duckdb")], stdout=subprocess.PIPE, text=True
    )
    try:
        assert holder.stdout is not None
        holder.stdout.readline()
        done = _atlas(home, "gains", "--json")
    finally:
        holder.kill()
        holder.wait()
        holder.stdout.close()
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == []
    assert str(holder.pid) in done.stderr, "the message names the process that holds the database"
    assert "Reading the run folders instead" in done.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["run", "--target", "xnil", "--model", "MODEL"], "Did you mean 'xnli'?"),
        (["run", "--target", "xnli", "--model", "nowhere/at/all"], "nowhere/at/all"),
        (["run", "--target", "xnli", "--mirror", "nowhere", "--model", "MODEL"], "does not exist"),
        (["study", "nowhere.yaml"], "cannot be read"),
        (["cancel", "0123456789ab"], "0123456789ab"),
        (["check-task", "nowhere.yaml"], "nowhere.yaml"),
    ],
)
def test_mistakes_are_one_line_and_no_traceback(world: Path, home: Path, words: list[str], said: str) -> None:
    done = _atlas(home, *[str(world / "model") if w == "MODEL" else w for w in words])
    assert done.returncode != 0
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
