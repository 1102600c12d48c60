"""Which models can run here, and fetching one, against a hub of this test's own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from core.errors import ModelError
from core.models import MODELS
from core.models.available import availability, get_model
from core.paths import REPO
from tests.core.data.hubserver import COMMIT, HubServer
from tests.core.models.test_registry import weights

GOOD = {
    "config.json": json.dumps({"model_type": "bert", "auto_map": {"AutoModel": "code.Model"}}).encode(),
    "tokenizer.json": b"{}",
    "model.safetensors": weights(),
    "pytorch_model.bin": b"pickle",
    "onnx/config.json": b"{}",
    "code.py": b"raise SystemExit",
}
FILES = {
    "me/good": GOOD,
    "me/decoder": GOOD | {"config.json": b'{"model_type": "llama"}'},
    "me/pickled": {name: content for name, content in GOOD.items() if name != "model.safetensors"},
}
STATE = """
import json, sys
from core.models import resolve_model
from core.models.available import availability
from core.paths import AtlasPaths
model = resolve_model(sys.argv[1], paths=AtlasPaths.from_environment())
print(json.dumps([model.name, *availability(model)]))
"""


def _run(words: list[str], home: Path, **more: str) -> subprocess.CompletedProcess[str]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("HF_", "HUGGING")) and "proxy" not in k.lower()}
    quiet = {"HF_HUB_DISABLE_TELEMETRY": "1", "ATLAS_HOME": str(home), "HF_HOME": str(home / "hf")}
    command = [sys.executable, *words]
    return subprocess.run(
        command, env=kept | quiet | more, cwd=REPO, capture_output=True, text=True, timeout=120, check=False
    )


def _get(name: str, home: Path, hub: HubServer) -> subprocess.CompletedProcess[str]:
    return _run(["-m", "core", "models", "get", name], home, HF_ENDPOINT=hub.address)


def _state(name: str, home: Path) -> list[object]:
    done = _run(["-c", STATE, name], home, HF_HUB_OFFLINE="1")
    assert done.returncode == 0, done.stderr
    found: list[object] = json.loads(done.stdout)
    return found


def test_a_model_is_fetched_once_and_runs_then_without_the_hub(tmp_path: Path) -> None:
    """What is needed and nothing else; after a broken try, the files that came are not fetched again."""
    assert _state("me/good", tmp_path) == ["me--good", False, "to be fetched: models get"]
    with HubServer(FILES, cut=1) as hub:
        broken = _get("me/good", tmp_path, hub)
        assert broken.returncode == 1 and "What was fetched is kept" in broken.stderr
        assert _state("me/good", tmp_path)[1:] == [False, "to be fetched: models get"], "a part is not a model"
        hub.requests.clear()
        done = _get("me/good", tmp_path, hub)
        assert done.returncode == 0, done.stderr
        fetched = [request.rpartition("/")[2] for request in hub.requests if request.startswith("GET /me/good")]
        assert fetched == ["model.safetensors"]
    folder = Path(done.stdout.strip())
    assert {str(p.relative_to(folder)) for p in folder.rglob("*.*")} == {
        "config.json", "tokenizer.json", "model.safetensors"
    }  # fmt: skip
    assert _state("me/good", tmp_path) == ["me--good", True, "in the hub's cache"]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("me/decoder", "Model 'me/decoder': found architecture 'llama', expected an encoder"),
        ("me/pickled", "Model 'me/pickled': no safetensors on the hub, and pickled weights"),
        ("me/nothing", "Model 'me/nothing' is not on http"),
    ],
)
def test_what_cannot_be_used_is_refused_before_its_weights_come(tmp_path: Path, name: str, message: str) -> None:
    with HubServer(FILES) as hub:
        done = _get(name, tmp_path, hub)
    assert done.returncode == 1 and message in done.stderr
    assert not [request for request in hub.requests if request.endswith((".safetensors", ".bin"))]
    if name == "me/decoder":
        again = _run(["-c", STATE, name], tmp_path, HF_HUB_OFFLINE="1")
        assert "expected an encoder" in again.stderr, "its configuration is in the cache now"


def test_a_hub_that_does_not_answer_is_named(tmp_path: Path) -> None:
    done = _run(["-m", "core", "models", "get", "mbert"], tmp_path, HF_HUB_OFFLINE="1")
    assert done.returncode == 1
    assert "Model 'google-bert/bert-base-multilingual-cased' at fdfce55e83db could not be fetched" in done.stderr
    assert COMMIT not in done.stderr


def test_a_cache_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("where a folder would be")
    with HubServer(FILES) as hub:
        done = _run(
            ["-m", "core", "models", "get", "me/good"], tmp_path, HF_ENDPOINT=hub.address,
            HF_HUB_CACHE=str(tmp_path / "file" / "hub"),
        )  # fmt: skip
    assert done.returncode == 1 and "Traceback" not in done.stderr, done.stderr
    assert f"cannot be kept in {tmp_path / 'file' / 'hub'}" in done.stderr and "Set HF_HOME" in done.stderr


def test_a_users_file_that_names_nothing_on_the_hub_spoils_no_list() -> None:
    wrong = MODELS["mbert"].model_copy(update={"name": "mine", "path": "./models/mine"})
    assert availability(wrong).can_run is False
    with pytest.raises(ModelError, match=r"Model './models/mine' at .* is not on .*HFValidationError.*Check the id"):
        get_model(wrong)


def test_folders_are_here_or_not(tmp_path: Path) -> None:
    assert availability(MODELS["atlas-mini"]) == (True, "bundled; small, for tests and a first try")
    elsewhere = MODELS["atlas-mini"].model_copy(update={"path": str(tmp_path)})
    assert availability(elsewhere) == (True, "folder")
    missing = MODELS["atlas-mini"].model_copy(update={"path": str(tmp_path / "none")})
    assert availability(missing) == (False, f"no folder {tmp_path / 'none'}")
