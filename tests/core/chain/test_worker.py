"""The job process: what it writes, what a kill -9 leaves, how it fails and how it is cancelled."""

from __future__ import annotations

import errno
import json
import os
import platform
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import torch

from core.chain import worker
from core.chain.worker import EventLog, is_disk_full
from core.events import ENVELOPE, Envelope, LanguageScored, RunCancelled, RunFinished
from core.models import MODELS
from core.paths import REPO, AtlasPaths, RunPaths
from core.processes import Spare
from core.spec.profile import job_id_of
from core.spec.run import RunSpec
from tests.fakes import tiny_model, toy_mirror, toy_protocol, toy_run
from tests.makers.folders import run_spec


def _prepare(folder: Path, *, steps: int = 40) -> tuple[RunPaths, RunSpec]:
    source = toy_mirror(folder / "hub", kinds=("classification",), n=48)
    protocol = toy_protocol(max_steps=steps, epochs=steps / 6, evaluations=4)  # 6 steps each
    run = toy_run(tiny_model(folder / "model"), target="classification", source=source, protocol=protocol)
    return _place(run, folder / "home"), run


def _place(run: RunSpec, home: Path) -> RunPaths:
    paths = AtlasPaths(home).run(run.run_id)
    paths.root.mkdir(parents=True)
    paths.spec.write_text(run.model_dump_json(), encoding="utf-8")
    paths.job.write_text('{"batch_tokens": 256, "precision": "fp32"}', encoding="utf-8")
    return paths


_ENVIRON = {"ATLAS_CHECKPOINT_SECONDS": "0", "ATLAS_THREADS": "1", "OMP_NUM_THREADS": "1"}


def _start(paths: RunPaths, **environ: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "core.chain.worker", str(paths.root)],
        cwd=REPO,
        env=os.environ | _ENVIRON | environ,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def _lines(paths: RunPaths) -> list[Envelope]:
    return [ENVELOPE.validate_json(line) for line in paths.events.read_text(encoding="utf-8").splitlines()]


def _scores(paths: RunPaths) -> list[LanguageScored]:
    return [line.event for line in _lines(paths) if isinstance(line.event, LanguageScored)]


def _wait_for(paths: RunPaths, text: str, job: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        if paths.events.is_file() and text in paths.events.read_text(encoding="utf-8"):
            return
        assert job.poll() is None, "the job ended early: see failed.json in the run folder"
        time.sleep(0.02)
    pytest.fail(f"'{text}' did not show in {paths.events} within 120 s")


def test_killed_mid_stage_and_restarted_warm_it_ends_with_the_scores_of_an_undisturbed_run(
    tmp_path: Path,
) -> None:
    paths, run = _prepare(tmp_path)
    other = _place(run, tmp_path / "other")
    undisturbed = _start(other)
    assert undisturbed.wait(timeout=200) == 0, "see failed.json in the run folder"
    job = _start(paths)
    _wait_for(paths, '"dev_scored"', job)
    job.send_signal(signal.SIGKILL)
    job.wait()
    assert not paths.finished.exists()
    with paths.events.open("a", encoding="utf-8") as stream:
        stream.write('{"seq": 99, "torn')  # what a kill in the middle of a line leaves
    warm = Spare("core.chain.worker", log=tmp_path / "spare.log", environ={})
    again = warm.use(str(paths.root), log=paths.log, environ=_ENVIRON, record=paths.process)
    assert again is not None and again.wait(timeout=200) == 0, "see failed.json in the run folder"

    assert _scores(paths) == _scores(other)
    assert pq.read_table(paths.predictions).equals(pq.read_table(other.predictions))
    lines = _lines(paths)
    assert [line.seq for line in lines] == list(range(len(lines)))
    attempts = [line.event.attempt for line in lines if line.event.type == "run_started"]
    resumed = [
        line.event.resumed_at for line in lines if line.event.type == "stage_started" and line.event.kind == "target"
    ]
    assert attempts == [1, 2]
    assert resumed[0] == 0 and resumed[1] > 0
    assert isinstance(lines[-1].event, RunFinished)
    assert json.loads(paths.finished.read_text())["seconds"] == lines[-1].event.seconds
    assert [line.event.threads for line in lines if line.event.type == "run_started"] == [1, 1]
    environment = json.loads(paths.environment.read_text())
    assert environment["device"] == "cpu" and environment["threads"] == 1 and "torch" in environment["versions"]
    assert environment["device_name"] not in {"", platform.machine()} or not Path("/proc/cpuinfo").is_file()
    assert environment["cpu_capability"] == torch.backends.cpu.get_cpu_capability()
    assert environment["products"] in {"mkl", "onednn"}
    assert (environment["batch_tokens"], environment["precision"]) == (256, "fp32"), "as job.json asks"
    assert json.loads(paths.process.read_text())["pid"] == again.pid


def test_a_model_of_the_program_is_where_this_program_keeps_it(tmp_path: Path) -> None:
    """Retried with another cache, as the message about one that cannot be written advises, a job goes there."""
    model = MODELS["e5-small-q4"].model_copy(update={"path": str(tmp_path / "a cache of before")})
    spec = run_spec().model_copy(update={"model": model})
    paths = AtlasPaths(tmp_path).run(spec.run_id)
    paths.root.mkdir(parents=True)
    paths.spec.write_text(spec.canonical_json())
    found = worker._read_spec(paths, paths=AtlasPaths(tmp_path))
    assert found.model == MODELS["e5-small-q4"] and job_id_of(found) == spec.run_id


def _bytes(paths: RunPaths) -> dict[str, bytes]:
    """Everything that a run computed: weights of its stages, predictions, scores."""
    stages = AtlasPaths(paths.root.parent.parent).stages
    own = {line.event.key for line in _lines(paths) if line.event.type in {"stage_finished", "stage_reused"}}
    weights = {str(f.relative_to(stages)): f.read_bytes() for f in stages.rglob("*.safetensors")}
    found = {name: content for name, content in weights.items() if name.split("/")[0] in own}
    assert len({name.split("/")[0] for name in found}) == 2, "an intermediate and a target"
    scores = "".join(fact.model_dump_json() for fact in _scores(paths))
    return found | {"predictions": paths.predictions.read_bytes(), "scores": scores.encode()}


def test_the_same_launch_gives_the_same_bytes_resumed_or_with_a_stage_of_another_run(tmp_path: Path) -> None:
    source = toy_mirror(tmp_path / "hub", kinds=("classification", "multilabel", "regression"), n=48)
    protocol, model = toy_protocol(max_steps=30, epochs=5.0, evaluations=3), tiny_model(tmp_path / "model")
    run, other = (
        toy_run(model, target=target, intermediate="toy_multilabel", source=source, protocol=protocol)
        for target in ("classification", "regression")
    )

    plain = _place(run, tmp_path / "plain")
    assert _start(plain, PYTHONHASHSEED="1").wait(timeout=200) == 0, "see failed.json in the run folder"

    killed = _place(run, tmp_path / "killed")
    job = _start(killed, PYTHONHASHSEED="2")
    _wait_for(killed, '"dev_scored"', job)
    job.send_signal(signal.SIGKILL)
    job.wait()
    assert _start(killed, PYTHONHASHSEED="3").wait(timeout=200) == 0, "see failed.json in the run folder"
    resumed = [line.event.resumed_at for line in _lines(killed) if line.event.type == "stage_started"]
    assert resumed[0] == 0 and 0 < resumed[1] < 30, "in the middle of the intermediate stage"

    assert _start(_place(other, tmp_path / "cached"), PYTHONHASHSEED="4").wait(timeout=200) == 0
    cached = _place(run, tmp_path / "cached")
    assert _start(cached, PYTHONHASHSEED="5").wait(timeout=200) == 0, "see failed.json in the run folder"
    assert [line.event.kind for line in _lines(cached) if line.event.type == "stage_reused"] == ["intermediate"]

    assert _bytes(plain) == _bytes(killed)
    assert _bytes(plain) == _bytes(cached)


def test_cancelled_by_sigterm(tmp_path: Path) -> None:
    paths, _ = _prepare(tmp_path, steps=10_000)
    job = _start(paths)
    _wait_for(paths, '"step_logged"', job)
    paths.cancel.touch()
    job.terminate()
    assert job.wait(timeout=60) != 0
    last = paths.events.read_text(encoding="utf-8").splitlines()[-1]
    assert isinstance(ENVELOPE.validate_json(last).event, RunCancelled)
    assert not paths.failed.exists() and not paths.finished.exists()


def test_a_failure_is_written_down(tmp_path: Path) -> None:
    source = toy_mirror(tmp_path / "hub", kinds=("classification",))
    model = tiny_model(tmp_path / "model")
    (tmp_path / "model" / "model.safetensors").unlink()
    paths = _place(toy_run(model, target="classification", source=source), tmp_path / "home")
    job = _start(paths)
    assert job.wait(timeout=120) == 1
    failed = json.loads(paths.failed.read_text())
    assert failed["error"] == "ModelError" and "expected model.safetensors" in failed["message"]
    assert "Traceback" in failed["traceback"]
    last = ENVELOPE.validate_json(paths.events.read_text(encoding="utf-8").splitlines()[-1]).event
    assert last.type == "run_failed" and last.message == failed["message"]


def test_fewer_devices_than_a_job_asks_for_is_a_failure_that_says_so(tmp_path: Path) -> None:
    """An engine that was asked for one GPU gives one, whatever the job says."""
    model, source = tiny_model(tmp_path / "model"), toy_mirror(tmp_path / "hub", kinds=("classification",))
    paths = _place(toy_run(model, target="classification", source=source), tmp_path / "home")
    paths.job.write_text('{"device": "auto:2"}')
    assert _start(paths).wait(timeout=120) == 1
    said = json.loads(paths.failed.read_text())["message"]
    assert "asks for 2 devices (--device auto:2) and was given cpu. Ask the engine for as many" in said


_PANICS = """
import sys
from tokenizers import Tokenizer, models, pre_tokenizers
import core.chain.worker as worker

def panic(*args, **named):
    raw = Tokenizer(models.WordLevel({"a": 0, "b": 1}, unk_token="a"))
    raw.pre_tokenizer = pre_tokenizers.Whitespace()
    raw.enable_truncation(max_length=2, stride=2)
    raw.encode("a b a b")

worker._compute = panic
sys.exit(worker.main([sys.argv[1]]))
"""


def test_a_panic_of_the_tokenizer_is_a_failure_like_any_other(tmp_path: Path) -> None:
    """Such a panic is a `BaseException` and no `Exception`: the process vanished without a word, three times."""
    paths, _ = _prepare(tmp_path)
    code = subprocess.run(
        [sys.executable, "-c", _PANICS, str(paths.root)], cwd=REPO, check=False, capture_output=True
    ).returncode
    assert code == 1
    failed = json.loads(paths.failed.read_text())
    assert failed["error"] == "PanicException" and "\n" not in failed["message"]
    assert re.search("A library panicked .*stride.* The model's tokenizer files may be damaged", failed["message"])
    last = ENVELOPE.validate_json(paths.events.read_text(encoding="utf-8").splitlines()[-1]).event
    assert last.type == "run_failed" and last.message == failed["message"]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 4 MiB, where the machine lets us mount one."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=4m", "none", str(folder)]
    if subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("mounting a small file system needs root")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk_is_named_and_the_run_goes_on_when_there_is_space(tmp_path: Path, small_disk: Path) -> None:
    source = toy_mirror(tmp_path / "hub", kinds=("classification",))
    run = toy_run(tiny_model(tmp_path / "model"), target="classification", source=source)
    paths = _place(run, small_disk)
    filler = small_disk / "filler"
    filler.write_bytes(b"x" * (shutil.disk_usage(small_disk).free - 200_000))
    assert _start(paths).wait(timeout=120) == 1
    failed = json.loads(paths.failed.read_text(encoding="utf-8"))
    assert failed["error"] == "DiskFull", failed["message"]
    assert "No space left" in failed["message"]
    assert "then retry the run" in failed["message"]
    filler.unlink()
    assert _start(paths).wait(timeout=120) == 0, paths.failed.read_text(encoding="utf-8")
    assert [fact.lang for fact in _scores(paths)] == ["en", "de"]
    assert not paths.failed.exists()


@pytest.mark.parametrize(
    ("error", "is_full"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), True),
        (ValueError("Error while serializing: I/O error: No space left on device (os error 28)"), True),
        (OSError(errno.EACCES, "Permission denied"), False),
    ],
)
def test_a_full_disk_is_known_in_every_library_s_words(error: Exception, is_full: bool) -> None:
    assert is_disk_full(error) is is_full
    try:
        raise RuntimeError("wrapped") from error
    except RuntimeError as wrapped:
        assert is_disk_full(wrapped) is is_full


def test_a_torn_line_is_cut_off(tmp_path: Path) -> None:
    file = tmp_path / "events.jsonl"
    log = EventLog(file)
    log.emit(RunCancelled())
    log.close()
    file.write_text(file.read_text() + '{"seq": 1, "ti', encoding="utf-8")
    log = EventLog(file)
    log.emit(RunCancelled())
    log.close()
    assert [ENVELOPE.validate_json(line).seq for line in file.read_text().splitlines()] == [0, 1]
