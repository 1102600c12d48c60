"""What needs somebody is listed, and told once to who is named."""

from __future__ import annotations

import contextlib
import http.server
import json
import socket
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from core.actions import alerts as alerts_module
from core.actions.alerts import Alert, alerts, in_short, of_store, tell
from core.actions.queue import list_runs
from core.cli.main import main as command
from core.errors import JobError
from core.events import RunFailed, StageJudged
from core.jobs.local import LocalBackend
from core.paths import AtlasPaths
from core.processes import ProcessRecord
from core.spec.task import Metric
from core.store.connection import Store
from core.store.ingest import ingest
from tests.makers.folders import history, run_spec, scored, write_run

ROOM = {"ATLAS_KEEP_FREE_GB": "0"}


def judged(task: str, *, key: str, constant: bool = False, p: float = 0.5) -> StageJudged:
    return StageJudged(
        key=key, task=task, metric=Metric.ACCURACY, score=0.34 if p > 0.5 else 0.38, chance=0.333,
        rule="the majority", rule_score=0.34, p_value=p, is_constant=constant, n=500,
    )  # fmt: skip


@pytest.fixture
def home(tmp_path: Path) -> AtlasPaths:
    """A run each that diverged, gives one answer, stays at chance and was lost; a placebo, and one in order."""
    paths = AtlasPaths(home=tmp_path)

    def ran(intermediate: str | None, *judgements: tuple[str, bool, float]) -> None:
        spec = run_spec(intermediate)
        facts = history(spec, [scored("de", 0.5)])
        keys = {fact.kind: fact.key for fact in facts if fact.type == "stage_started" and fact.kind != "evaluation"}
        told = [judged("a", key=keys[kind], constant=same, p=p) for kind, same, p in judgements]
        write_run(paths, spec, [*facts[:-1], *told, facts[-1]])

    ran(None, ("target", True, 1.0))
    ran("mnli", ("intermediate", False, 0.4), ("target", False, 1e-9))
    ran("mnli~shuffled", ("intermediate", False, 0.4), ("target", False, 1e-9))
    ran("qqp", ("intermediate", False, 1e-9), ("target", False, 1e-9))
    spec = run_spec("sst2")
    failed = RunFailed(
        error="Diverged", message="The target stage diverged at step 3 of 9: the loss is nan.", traceback=""
    )
    write_run(paths, spec, [*history(spec, [])[:-1], failed], finished=False)
    paths.run(spec.run_id).failed.write_text(json.dumps({"error": "Diverged", "message": failed.message}))
    gone = write_run(paths, run_spec("squad"), [], finished=False)
    gone.process.write_text(ProcessRecord(pid=2**22 + 1, started=0.0).model_dump_json())
    return paths


def found(paths: AtlasPaths, environ: dict[str, str]) -> list[Alert]:
    with Store.open(":memory:") as store:
        ingest(store, paths)
        with store.cursor() as cur:
            return alerts(of_store(cur), list_runs(paths), paths=paths, environ=environ)


def test_what_needs_somebody_is_listed_with_its_reason(home: AtlasPaths) -> None:
    listed = found(home, {"ATLAS_KEEP_FREE_GB": "1e9"})
    ids = {name: run_spec(name).run_id for name in ("mnli", "sst2", "squad")} | {"none": run_spec(None).run_id}
    assert [(alert.kind, alert.run_id) for alert in listed] == [
        ("diverged", ids["sst2"]), ("constant predictions", ids["none"]), ("at chance", ids["mnli"]),
        ("lost", ids["squad"]), ("disk low", None),
    ]  # fmt: skip
    texts = " ".join(alert.text for alert in listed)
    for said in ("diverged at step 3 of 9", "The target stage scores 0.340 on English development data of a, no better",
                 "The intermediate stage scores 0.380 on English development data of a, not clearly better than the",
                 "ended unexpectedly", "are free, fewer than 1,000,000,000 (ATLAS_KEEP_FREE_GB)"):  # fmt: skip
        assert said in texts
    assert in_short(listed) == "1 diverged, 1 constant predictions, 1 at chance, 1 lost, disk low"
    assert not [alert for alert in found(home, ROOM) if alert.kind == "disk low"]


class Heard(http.server.BaseHTTPRequestHandler):
    """Takes JSON."""

    bodies: list[dict[str, Any]]

    def do_POST(self) -> None:
        self.bodies.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def webhook() -> Iterator[tuple[str, list[dict[str, Any]]]]:
    Heard.bodies = []
    with http.server.HTTPServer(("127.0.0.1", 0), Heard) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/atlas", Heard.bodies
        server.shutdown()


def test_an_address_is_told_each_thing_once_and_again_when_it_comes_back(
    tmp_path: Path, webhook: tuple[str, list[dict[str, Any]]]
) -> None:
    address, bodies = webhook
    paths, environ = AtlasPaths(tmp_path), {"ATLAS_ALERT": address}
    lost, low = Alert("lost", "abc", "Gone."), Alert("disk low", None, "1 GB.")
    assert [tell(now, paths=paths, environ=environ) for now in ([lost], [lost], [lost, low], [low], [lost, low])] == [
        1, 0, 1, 0, 1,
    ]  # fmt: skip
    assert [body["text"] for body in bodies] == ["lost, run abc: Gone.", "disk low: 1 GB.", "lost, run abc: Gone."]
    assert bodies[0]["alerts"] == [{"kind": "lost", "run_id": "abc", "text": "Gone."}]
    (paths.cache / "alerts.json").write_text("{")
    assert tell([lost], paths=paths, environ=environ) == 1, "who has forgotten tells again"


def test_an_address_that_answers_a_byte_at_a_time_is_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(alerts_module, "_WAIT_S", 1.0)
    ended = threading.Event()

    def drip(server: socket.socket) -> None:
        client, _ = server.accept()
        with client, contextlib.suppress(OSError):
            client.sendall(b"HTTP/1.1 200 OK\r\nX: ")
            while not ended.wait(0.1):
                client.sendall(b"x")

    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=drip, args=(server,), daemon=True).start()
        who = f"http://127.0.0.1:{server.getsockname()[1]}/"
        with pytest.raises(JobError, match=r"names an address of '127.0.0.1:\d+', .* \(it did not end within 1 s\)"):
            tell([Alert("lost", "abc", "Gone.")], paths=AtlasPaths(tmp_path), environ={"ATLAS_ALERT": who})
        ended.set()


def test_a_command_gets_the_text_as_one_word_and_a_failure_is_told_and_tried_again(tmp_path: Path) -> None:
    paths, many = AtlasPaths(tmp_path), [Alert("lost", f"r{n}", "$(touch x); `y`") for n in range(25)]
    write = "import pathlib, sys; pathlib.Path(sys.argv[1]).write_text(sys.argv[2])"
    with pytest.raises(JobError, match="names the command '/nowhere/at/all', which cannot be told"):
        tell(many, paths=paths, environ={"ATLAS_ALERT": "/nowhere/at/all"})
    for who, said in (
        ("false", "it ended with 1"), ("http://a b/", "it is no address"), ("http://x/\n y", "it is no address"),
        ("'unclosed", "No closing quotation"), ("HTTP://me:secret@127.0.0.1:1/hook?secret", "of '127.0.0.1:1', which"),
    ):  # fmt: skip
        with pytest.raises(JobError) as error:
            tell(many, paths=paths, environ={"ATLAS_ALERT": who})
        line = str(error.value)
        assert said in line and "secret" not in line and "\n" not in line and len(line) < 250
    told = f"{sys.executable} -c '{write}' {tmp_path / 'said.txt'}"
    assert tell(many, paths=paths, environ={"ATLAS_ALERT": told}) == 25
    lines = (tmp_path / "said.txt").read_text().splitlines()
    assert lines[0] == "lost, run r0: $(touch x); `y`" and lines[-1] == "and 5 more" and len(lines) == 21


def test_without_a_name_and_in_a_home_for_visitors_nobody_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths, lost = AtlasPaths(tmp_path), [Alert("lost", "abc", "Gone.")]
    assert tell(lost, paths=paths, environ={}) == 0
    monkeypatch.setenv("ATLAS_READ_ONLY", "1")
    assert tell(lost, paths=paths, environ={"ATLAS_ALERT": "/nowhere"}) == 0
    assert not paths.cache.exists()


def test_the_command_runs_lists_twenty_and_counts_the_rest(
    home: AtlasPaths, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ATLAS_HOME", str(home.home))
    monkeypatch.setenv("ATLAS_GALLERY", str(home.home / "none"))
    monkeypatch.setenv("ATLAS_KEEP_FREE_GB", "0")
    monkeypatch.setattr(LocalBackend, "wake", lambda _self: False)
    monkeypatch.setattr(sys, "argv", ["atlas", "runs", "--json"])
    monkeypatch.setattr("core.cli.jobs.MOST_SHOWN", 2)
    with pytest.raises(SystemExit) as end:
        command()
    said = capsys.readouterr().err.splitlines()
    assert end.value.code in {0, None} and said[0].startswith("diverged: ")
    assert said[2:] == ["In all: 1 diverged, 1 constant predictions, 1 at chance, 1 lost."]
