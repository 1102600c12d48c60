"""The hub path against a local server that speaks the hub's protocol; each load is a process, as a job is."""

from __future__ import annotations

import io
import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from core.paths import REPO
from tests.core.data.hubserver import COMMIT, HubServer

LOAD = """
import json, sys
from pathlib import Path
from core.data import hub
from core.data.datasets import load_split
from core.data.origin import DataOrigin
from core.errors import AtlasError
from core.paths import AtlasPaths
from core.spec.run import DataSource
from core.spec.task import TaskSpec
hub.DELAYS_S = (0.01, 0.01, 0.01)
task = TaskSpec.model_validate_json(sys.argv[1])
try:
    origin = DataOrigin(DataSource(kind="hub"), AtlasPaths(Path(sys.argv[2])))
    split = load_split(task, role="test", lang="de", origin=origin)
    out = {"n": len(split.examples), "revision": split.revision, "first": list(split.examples[0])}
except AtlasError as error:
    out = {"error": type(error).__name__, "message": str(error)}
print(json.dumps(out))
"""
TASK = {
    "name": "tiny",
    "title": "Tiny",
    "type": "classification",
    "roles": ["target"],
    "summary": "Three rows in the schema of XTREME's XNLI.",
    "languages": ["de"],
    "labels": ["entailment", "neutral", "contradiction"],
    "columns": {"text": "sentence1", "text_pair": "sentence2", "label": "gold_label"},
    "train": {"path": "google/tiny", "config": "XNLI", "split": "train"},
    "test": {"path": "google/tiny", "config": "XNLI", "split": "test", "language_column": "language"},
    "metrics": ["accuracy"],
    "chance": 0.333,
    "licence": "none",
    "citation": "none",
}
CARD = b"---\nconfigs:\n- config_name: XNLI\n  data_files:\n  - split: test\n    path: XNLI/test-*\n---\n"


def _parquet() -> bytes:
    rows = {
        "language": ["de", "de", "fr"] * 200,
        "sentence1": [f"Satz {i}" for i in range(600)],
        "sentence2": [f"Folge {i}" for i in range(600)],
        "gold_label": ["neutral", "entailment", "contradiction"] * 200,
    }
    sink = io.BytesIO()
    pq.write_table(pa.table(rows), sink)
    return sink.getvalue()


FILES = {"google/tiny": {"README.md": CARD, "XNLI/test-00000-of-00001.parquet": _parquet()}}


def _load(address: str, home: Path, *, revision: str | None = None, **more: str) -> dict[str, object]:
    task = json.loads(json.dumps(TASK))
    task["test"]["revision"] = revision
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("HF_", "HUGGING")) and "proxy" not in k.lower()}
    env = kept | {"HF_ENDPOINT": address, "HF_HOME": str(home / "hf"), "HF_HUB_DISABLE_TELEMETRY": "1"} | more
    args = [sys.executable, "-c", LOAD, json.dumps(task), str(home)]
    done = subprocess.run(args, env=env, cwd=REPO, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    loaded: dict[str, object] = json.loads(done.stdout.splitlines()[-1])
    return loaded


def test_a_language_is_loaded_and_the_commit_recorded_then_read_offline(tmp_path: Path) -> None:
    with HubServer(FILES) as hub:
        loaded = _load(hub.address, tmp_path)
        # 600 rows, two of three in German; row 0 of the German ones is "Satz 0", neutral = 1.
        assert loaded == {"n": 400, "revision": COMMIT, "first": ["0", "Satz 0", "Folge 0", 1]}
        fetched = [r for r in hub.requests if r.startswith("GET /datasets") and r.endswith(".parquet")]
        assert len(fetched) == 1
    # The server is gone: what was fetched still answers when the hub is declared offline.
    assert _load(hub.address, tmp_path, HF_HUB_OFFLINE="1") == loaded


def test_503_twice_then_works(tmp_path: Path) -> None:
    with HubServer(FILES, busy=2) as hub:
        assert _load(hub.address, tmp_path)["n"] == 400


def test_503_always_says_what_to_set(tmp_path: Path) -> None:
    with HubServer(FILES, busy=-1) as hub:
        found = _load(hub.address, tmp_path)
    assert found["error"] == "HubUnreachable"
    for part in ("it answered 503", hub.address, "HF_ENDPOINT", "--data-source mirror", "--data-source sample"):
        assert part in str(found["message"])
    assert len(hub.requests) == 4  # bounded: one try and three more


def test_a_truncated_file_is_named_and_a_second_try_succeeds(tmp_path: Path) -> None:
    with HubServer(FILES, cut=1) as hub:
        found = _load(hub.address, tmp_path)
        assert found["error"] == "DataError"
        assert "XNLI/test-00000-of-00001.parquet" in str(found["message"])
        assert "arrived incomplete" in str(found["message"])
        assert not list((tmp_path / "cache").rglob("*.parquet"))
        assert _load(hub.address, tmp_path)["n"] == 400


def test_a_refused_connection_is_hub_unreachable(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    found = _load(f"http://127.0.0.1:{port}", tmp_path)
    assert found["error"] == "HubUnreachable"
    assert "HF_ENDPOINT" in str(found["message"])


@pytest.mark.parametrize(
    ("files", "revision", "error", "part"),
    [
        ({"google/tiny": {"README.md": b"", "tiny.py": b"raise SystemExit"}}, None, "ScriptOnlyDataset", "never"),
        ({}, None, "MissingSplit", "RepositoryNotFoundError"),
        (FILES, "f" * 40, "MissingSplit", "RevisionNotFoundError"),
    ],
    ids=["script only", "no such data set", "no such revision"],
)
def test_what_the_hub_does_not_have(
    tmp_path: Path, files: dict[str, dict[str, bytes]], revision: str | None, error: str, part: str
) -> None:
    with HubServer(files) as hub:
        found = _load(hub.address, tmp_path, revision=revision)
    assert found["error"] == error
    assert part in str(found["message"])
