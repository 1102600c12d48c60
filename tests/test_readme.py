"""The README is true: its commands exist with their options, its tree is the tree, its links lead somewhere."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import typer

import core
from core.cli.main import app, spread
from core.paths import REPO
from tools.pictures import PICTURES

README = (REPO / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```(\w*)\n(.*?)```", README, flags=re.DOTALL)
LINES = [line for language, text in BLOCKS if language == "bash" for line in text.splitlines() if line.strip()]
TREE = next(text for language, text in BLOCKS if not language and text.startswith("app.py"))


TUTORIAL = (REPO / "docs" / "tutorial.md").read_text(encoding="utf-8")
STEPS = [
    line
    for text in re.findall(r"```bash\n(.*?)```", TUTORIAL, flags=re.DOTALL)
    for line in text.splitlines()
    if line.startswith("python -m core")
]


def _tree_paths() -> list[str]:
    """Paths of the tree, folders ending in a slash."""
    paths: list[str] = []
    stack: list[tuple[int, str]] = []
    for line in TREE.splitlines():
        name = line.split()[0]
        indent = len(line) - len(line.lstrip())
        stack = [entry for entry in stack if entry[0] < indent]
        paths.append("".join(folder for _, folder in stack) + name)
        if name.endswith("/"):
            stack.append((indent, name))
    return paths


@pytest.mark.parametrize("line", [line for line in LINES if line.startswith("make ")])
def test_make_targets_exist(line: str) -> None:
    target = line.split()[1]
    assert re.search(rf"^{target}:", (REPO / "Makefile").read_text(encoding="utf-8"), flags=re.MULTILINE), line


@pytest.mark.parametrize("line", [line for line in LINES if line.startswith("python -m core")])
def test_commands_parse(line: str) -> None:
    """Every command of the README is one the program has, with options it knows."""
    words = spread(shlex.split(line, comments=True)[3:])
    group = typer.main.get_command(app)
    command = group.commands[words[0]]  # type: ignore[attr-defined]  # a typer app with several commands is a group
    command.make_context(words[0], words[1:], resilient_parsing=False)


def test_the_python_example_runs_on_the_committed_gallery(tmp_path: Path) -> None:
    """In a process of its own, as in a notebook, with a fresh home; what it leaves is looked at."""
    (example,) = [text for language, text in BLOCKS if language == "python"]
    look = "print(frame[['lang', 'score', 'baseline_score', 'gain', 'missing']].to_json(orient='records'))"
    environ = {k: v for k, v in os.environ.items() if k != "ATLAS_GALLERY"} | {"ATLAS_HOME": str(tmp_path)}
    words = [sys.executable, "-c", f"{example}\n{look}"]
    done = subprocess.run(words, cwd=REPO, env=environ, capture_output=True, text=True, check=True)
    rows = json.loads(done.stdout)
    assert {row["lang"] for row in rows} >= {"en", "de", "sw", "zh"}
    assert all(row["gain"] == pytest.approx(row["score"] - row["baseline_score"]) for row in rows)


def test_the_tutorial_does_what_it_says(tmp_path: Path) -> None:
    """Its commands in their order, on a fresh home; what would train is planned alone."""
    environ = {k: v for k, v in os.environ.items() if not k.startswith("ATLAS_")} | {
        "ATLAS_HOME": str(tmp_path / "home")
    }
    environ["PYTHONPATH"] = str(REPO)
    said = {}
    for line in STEPS:
        words = [sys.executable, "-m", "core", *shlex.split(line)[3:]]
        words += ["--dry-run"] if words[3] == "run" else []
        done = subprocess.run(words, cwd=tmp_path, env=environ, capture_output=True, text=True, check=False)
        assert done.returncode == 0, (line, done.stderr)
        said[words[3]] = done.stdout
    assert "de" in said["gains"] and "mnli@" not in said["gains"]
    assert re.search(r"^4 +0 ", said["run"], flags=re.MULTILINE), said["run"]  # of four runs none is done
    assert "<svg" in (tmp_path / "tweets.svg").read_text() and "toprule" in (tmp_path / "tweets.tex").read_text()
    assert len((tmp_path / "cells.csv").read_text().splitlines()) > 8 * 5


@pytest.mark.parametrize("name", re.findall(r"\]\((images/[^)]+)\)", TUTORIAL))
def test_pictures_of_the_tutorial_are_made_by_the_script(name: str) -> None:
    assert (REPO / "docs" / name).exists() and Path(name).stem in PICTURES


def test_the_version_to_cite_is_this_one() -> None:
    (cited,) = re.findall(r"version = \{(.*?)\}", README)
    assert cited == core.__version__


@pytest.mark.parametrize("path", _tree_paths())
def test_tree_is_the_tree(path: str) -> None:
    assert (REPO / path).exists(), f"README names {path}, which is not there"


def test_every_module_of_core_stands_in_the_tree() -> None:
    named = {path.removeprefix("core/").rstrip("/") for path in _tree_paths() if path.startswith("core/")} - {""}
    there = {
        p.name for p in (REPO / "core").iterdir() if not p.name.startswith("__") and (p.is_dir() or p.suffix == ".py")
    }
    assert named == there, f"README lacks {sorted(there - named)} and invents {sorted(named - there)}"


@pytest.mark.parametrize("path", sorted(set(re.findall(r"\]\(([^)#:]+)\)|`(docs/[^`]+)`", README))))
def test_links_lead_somewhere(path: tuple[str, str]) -> None:
    assert (REPO / (path[0] or path[1])).exists(), path
