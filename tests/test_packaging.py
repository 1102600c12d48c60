"""`pip install --editable .` gives a command `atlas` that is `python -m core` from any folder."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tomllib
import venv
from collections.abc import Callable
from pathlib import Path

import pytest

import core
from core.cli.main import main
from core.paths import REPO

Atlas = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def atlas(tmp_path_factory: pytest.TempPathFactory) -> Atlas:
    """The command of a fresh environment, run in a folder that is not the checkout's.

    The checkout is a copy, so that the build leaves nothing in ours; libraries are those of this environment.
    """
    root = tmp_path_factory.mktemp("packaging")
    checkout, environment = root / "checkout", root / "environment"
    for folder in ("core", "pages"):
        shutil.copytree(REPO / folder, checkout / folder, ignore=shutil.ignore_patterns("__pycache__"))
    for file in ("pyproject.toml", "README.md", "LICENSE", "requirements.txt"):
        shutil.copy(REPO / file, checkout / file)
    venv.create(environment, with_pip=False)
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    shared = environment / "lib" / version / "site-packages" / "zz_shared.pth"
    shared.write_text(sysconfig.get_path("purelib"), encoding="utf-8")
    words = ["install", "--quiet", "--no-index", "--no-deps", "--no-build-isolation", "--editable", str(checkout)]
    subprocess.run([environment / "bin" / "python", "-m", "pip", *words], check=True, capture_output=True)

    def run(*words: str, **environ: str) -> subprocess.CompletedProcess[str]:
        command = [str(environment / "bin" / "atlas"), *words]
        variables = os.environ | {"ATLAS_HOME": str(root / "home")} | environ
        return subprocess.run(command, cwd=root, env=variables, capture_output=True, text=True, check=False)

    return run


def test_the_version_is_that_of_the_package(atlas: Atlas) -> None:
    assert atlas("--version").stdout.strip() == f"Transfer Atlas {core.__version__}"


def test_the_command_does_what_the_module_does(atlas: Atlas) -> None:
    module = [sys.executable, "-m", "core", "tasks", "--json"]
    expected = subprocess.run(module, cwd=REPO, capture_output=True, text=True, check=True)
    found = atlas("tasks", "--json")
    assert (found.returncode, found.stdout) == (0, expected.stdout)


@pytest.mark.parametrize(
    ("typed", "offered"),
    [("atlas ga", "gains"), ("atlas gains --targ", "--target"), ("atlas run --seeds 1 2 --proto", "--protocol")],
)
def test_the_shell_completes_commands_and_options(atlas: Atlas, typed: str, offered: str) -> None:
    """The third has two values after one option, which the program spreads before typer sees them."""
    place = str(len(typed.split()) - 1)
    found = atlas(_ATLAS_COMPLETE="complete_bash", COMP_WORDS=typed, COMP_CWORD=place)
    assert offered in found.stdout.split(), found


def test_completion_names_the_command(atlas: Atlas) -> None:
    assert "complete -o default -F _atlas_completion atlas" in atlas("--show-completion", "bash").stdout


def test_the_module_offers_no_completion(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """A shell would be told to complete a command `python -m core`, which does not exist."""
    monkeypatch.setattr(sys, "argv", [str(REPO / "core" / "__main__.py"), "--install-completion"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 1
    assert "pip install --editable ." in capsys.readouterr().err


def test_the_changelog_has_a_release_of_this_version() -> None:
    releases = re.findall(r"^## (\S+)", (REPO / "CHANGELOG.md").read_text(encoding="utf-8"), flags=re.MULTILINE)
    assert releases[:2] == ["Unreleased", core.__version__]


def test_the_container_is_made_by_the_commands_of_the_makefile(tmp_path: Path) -> None:
    """What is copied before the installation is all that it reads, and what a container is told exists."""
    lines = (REPO / "Containerfile").read_text(encoding="utf-8").splitlines()
    until = next(i for i, line in enumerate(lines) if line.startswith("RUN if"))
    for name in next(line for line in lines if line.startswith("COPY")).split()[1:-1]:
        shutil.copy(REPO / name, tmp_path / name)
    making = lines[until].rpartition("; ")[2]
    said = subprocess.run([*making.split(), "--dry-run"], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert "pip install --quiet --requirement requirements-dev.txt" in said.stdout, "all of it, torch and Ray too"
    told = next(line for line in lines if line.startswith("CMD")).removeprefix("CMD ")
    for words in (json.loads(told), ["make", "test"]):
        done = subprocess.run([*words, "--dry-run"], cwd=REPO, capture_output=True, text=True, check=True)
        assert ".venv/bin/" in done.stdout
    image = re.search(r"FROM \S+/python:(\d+\.\d+)-", "\n".join(lines))
    wanted = tomllib.loads((REPO / "pyproject.toml").read_text(encoding="utf-8"))["project"]["requires-python"]
    assert image and f">={image[1]}" == wanted, "the Python that everything is tested with"
