"""The recipes of CONTRIBUTING.md, followed word for word in a copy of the tree.

A block of Python is the file that the line above it names as new; a block of diff is a change of the file that is named
there, or of the one before; a block of bash is run.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from core.paths import REPO

GUIDE = (REPO / "CONTRIBUTING.md").read_text(encoding="utf-8")
FOLDERS = ("core", "pages", "tests", "tools", "docs", "bench", ".streamlit")
FILES = ("app.py", "pyproject.toml", "requirements.txt", "README.md", "CONTRIBUTING.md", "CHANGELOG.md", "Makefile")
BIN = Path(sys.executable).parent
WRITTEN = ("A task for everybody", "A measure of similarity", "A selector", "A page", "A task type", "A job backend")
"""Recipes that change the code."""


SWEEPS = (
    "tests/core/types tests/core/actions tests/core/profiling tests/core/analysis/test_predictions.py "
    "tests/core/queries/test_covariates.py tests/core/tasks tests/pages/test_new_measures.py tests/tools"
)
"""Tests that go over whole tables, so that one more line could break them."""


class Block(NamedTuple):
    """A block of code and the words right above it."""

    above: str
    language: str
    text: str


def recipe(title: str) -> list[Block]:
    """The blocks of one recipe, in order."""
    (section,) = re.findall(rf"^### {title}\n(.*?)(?=^##|\Z)", GUIDE, flags=re.MULTILINE | re.DOTALL)
    return [Block(*found) for found in re.findall(r"([^\n]*)\n\n```(\w+)\n(.*?)```", section, flags=re.DOTALL)]


def follow(blocks: list[Block], *, checkout: Path) -> None:
    """Write and change the files as the blocks say."""
    file: Path | None = None
    for block in blocks:
        if block.language not in {"python", "diff"}:
            continue
        named = re.match(r"(?:New file|In) `([^`]+)`", block.above)
        file = checkout / named[1] if named else file
        assert file is not None, f"no file is named above:\n{block.text}"
        if block.language == "python":
            assert not file.exists(), f"{file.relative_to(checkout)} is there already"
            file.write_text(block.text, encoding="utf-8")
        else:
            file.write_text(changed(file.read_text(encoding="utf-8"), block.text), encoding="utf-8")


def changed(text: str, diff: str) -> str:
    """A text after a change: lines with a space stay, with a minus go, with a plus come."""
    lines = diff.splitlines()
    old = "".join(f"{line[1:]}\n" for line in lines if line[:1] != "+")
    new = "".join(f"{line[1:]}\n" for line in lines if line[:1] != "-")
    assert text.count(old) == 1, f"{text.count(old)} places, expected one, for:\n{old}"
    return text.replace(old, new)


def run(command: str, *, checkout: Path) -> subprocess.CompletedProcess[str]:
    """A command line in the copy, with this environment's programs."""
    line = command.replace(".venv/bin", str(BIN))
    environ = os.environ | {"PYTHONPATH": str(checkout), "ATLAS_HOME": str(checkout / "home")}
    return subprocess.run(["bash", "-ec", line], cwd=checkout, env=environ, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the tree in which every recipe was followed."""
    root = tmp_path_factory.mktemp("contributing") / "checkout"
    for folder in FOLDERS:
        shutil.copytree(REPO / folder, root / folder, ignore=shutil.ignore_patterns("__pycache__"))
    for file in FILES:
        shutil.copy(REPO / file, root / file)
    (root / "data").symlink_to(REPO / "data")
    for title in WRITTEN:
        follow(recipe(title), checkout=root)
    return root


def test_every_recipe_is_followed() -> None:
    titles = re.findall(r"^### (.*)$", GUIDE.split("## Recipes")[1], flags=re.MULTILINE)
    assert titles == ["A task, model or protocol of your own", *WRITTEN]


@pytest.mark.parametrize("title", WRITTEN)
def test_the_commands_of_a_recipe_succeed(title: str, checkout: Path) -> None:
    commands = [block.text for block in recipe(title) if block.language == "bash"]
    assert commands, "a recipe ends with what shows that it worked"
    for command in commands:
        done = run(command, checkout=checkout)
        assert done.returncode == 0, f"{command}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"


@pytest.mark.parametrize(
    "command",
    [
        ".venv/bin/ruff check --no-cache .",
        ".venv/bin/ruff format --no-cache --check .",
        ".venv/bin/python -m tools.unreached",
        ".venv/bin/python -m pytest tests/test_layers.py -k 'follow or allows or budgets'",
        pytest.param(".venv/bin/mypy core pages", marks=pytest.mark.slow),
        pytest.param(f".venv/bin/python -m pytest {SWEEPS}", marks=pytest.mark.slow),
    ],
)
def test_the_house_stands_after_all_of_them(command: str, checkout: Path) -> None:
    done = run(command, checkout=checkout)
    assert done.returncode == 0, f"{done.stdout[-3000:]}\n{done.stderr[-3000:]}"


def test_the_first_green_test_needs_three_libraries_and_no_more(tmp_path: Path) -> None:
    """With every other third-party package hidden, the first test of the guide is green."""
    (line,) = re.findall(r"\.venv/bin/python -m pytest (\S*test_averages\.py)", GUIDE)
    hidden = ("torch", "pandas", "duckdb", "pydantic", "streamlit", "plotly", "yaml", "datasets", "sklearn")
    for name in hidden:
        (tmp_path / f"{name}.py").write_text(f"raise ImportError('{name} is not installed')\n", encoding="utf-8")
    environ = os.environ | {"PYTHONPATH": str(tmp_path)}
    words = [sys.executable, "-m", "pytest", "-p", "no:xdist", "-p", "no:cacheprovider", line]
    done = subprocess.run(words, cwd=REPO, env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-3000:]


def test_a_change_must_fit_one_place() -> None:
    assert changed("a\nb\nc\n", " a\n-b\n+d\n c\n") == "a\nd\nc\n"
    with pytest.raises(AssertionError, match="2 places"):
        changed("a\na\n", " a\n+b\n")
    with pytest.raises(AssertionError, match="0 places"):
        changed("a\n", " c\n+b\n")
