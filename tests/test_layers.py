"""The arrows of docs/architecture.md, read from the imports.

A room is a folder or a module of `core`, or `pages`, `pages.widgets`, `app`. A failing line names the file, the
import and what the room may import instead.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from core.paths import REPO

GROUND = {"errors", "paths", "languages", "spec", "spec_profile", "events", "protocols", "models", "tasks", "studies"}


class Room(NamedTuple):
    """What one room may load."""

    rooms: set[str]
    third_party: set[str]


ROOMS: dict[str, Room] = {
    "errors": Room(set(), set()),
    "paths": Room(set(), set()),
    "languages": Room({"errors"}, {"langcodes"}),
    "spec_base": Room(set(), {"pydantic"}),
    "spec_task": Room({"errors", "languages", "spec_base"}, {"pydantic"}),
    "spec": Room({"errors", "languages", "spec_base", "spec_task"}, {"pydantic"}),
    "spec_profile": Room({"errors", "languages", "spec"}, {"pydantic"}),
    "spec_ranking": Room({"spec"}, {"pydantic"}),
    "events": Room({"spec"}, {"pydantic"}),
    "spec_files": Room({"errors", "spec"}, {"pydantic", "yaml"}),
    "protocols": Room({"errors", "spec", "spec_files"}, {"pydantic", "yaml"}),
    "models": Room({"errors", "paths", "spec", "spec_files"}, {"pydantic", "yaml"}),
    "tasks": Room({"errors", "languages", "paths", "spec", "spec_files"}, {"pydantic", "yaml"}),
    "studies": Room({"errors", "paths", "spec", "spec_profile", "tasks", "models", "protocols"}, {"pydantic", "yaml"}),
    "sample": Room({"errors"}, {"pydantic", "yaml", "numpy", "pyarrow"}),
    "measures": Room({"errors"}, {"numpy", "scipy", "statsmodels", "sklearn"}),
    "chain": Room(
        GROUND - {"studies"} | {"measures", "sample"},
        {
            "torch", "transformers", "sentence_transformers", "datasets", "huggingface_hub", "safetensors",
            "tokenizers", "numpy", "pyarrow", "pydantic", "filelock", "psutil", "httpx2", "yaml", "pandas",
        },
    ),
    "jobs": Room({"errors", "paths", "spec", "spec_profile", "events"}, {"psutil", "filelock", "pydantic", "orjson"}),
    "store": Room(
        {"errors", "paths", "spec", "spec_profile", "spec_ranking", "events"},
        {"duckdb", "pyarrow", "orjson", "pydantic", "filelock"},
    ),
    "queries": Room(
        {"errors", "languages", "spec", "spec_profile", "spec_ranking", "tasks", "models", "protocols", "store"}
        | {"measures"},
        {"duckdb", "pandas", "numpy", "pydantic"},
    ),
    "fits": Room({"errors", "paths", "jobs", "store", "queries"}, {"pandas", "filelock"}),
    "figures": Room({"languages"}, {"plotly", "pandas", "numpy"}),
    "console": Room({"errors"}, {"typer", "pandas", "orjson"}),
    "doctor": Room({"errors", "paths", "models", "store", "jobs", "sample"}, {"psutil", "filelock"}),
    "progress": Room({"console", "jobs", "paths", "spec", "spec_profile"}, {"orjson"}),
    "reading": Room({"console", "errors", "paths", "store"}, set()),
    "cli_options": Room(set(), {"typer"}),
    "cli_profile": Room(
        GROUND | {"jobs", "store", "queries", "cli_options", "console", "progress", "reading"},
        {"typer", "click", "pandas"},
    ),
    "claims": Room(
        {"errors", "spec", "studies", "queries", "measures"}, {"duckdb", "pandas", "numpy"}
    ),
    "report": Room(
        {"errors", "paths", "languages", "store", "queries", "figures"},
        {"jinja2", "plotly", "duckdb", "pandas"},
    ),
    "cli_export": Room(
        GROUND | {"report", "store", "queries", "cli_options", "console", "reading", "chain"}, {"typer", "duckdb"}
    ),
    "cli_analysis": Room(
        GROUND | {"claims", "store", "queries", "cli_options", "console", "reading"}, {"typer", "pandas"}
    ),
    "cli": Room(
        GROUND
        | {"cli_profile", "cli_analysis", "cli_export", "chain", "jobs", "store", "queries"}
        | {"cli_options", "console", "doctor", "progress", "reading"},
        {"typer", "click", "pandas", "pydantic"},
    ),
    "__main__": Room({"cli"}, set()),
    "pages": Room(GROUND | {"jobs", "store", "queries", "claims", "figures", "pages.widgets"}, {"streamlit", "pandas"}),
    "pages.widgets": Room(
        GROUND | {"jobs", "store", "queries", "fits", "claims", "figures", "report"},
        {"streamlit", "pandas", "numpy", "plotly", "pydantic"},
    ),
    "app": Room(GROUND | {"jobs", "store", "queries", "pages.widgets"}, {"streamlit"}),
}  # fmt: skip


def _room_of(path: Path) -> str:
    parts = path.relative_to(REPO).with_suffix("").parts
    if parts[0] == "core":
        return parts[1] if len(parts) > 1 else "core"
    if parts[:2] == ("pages", "widgets"):
        return "pages.widgets"
    return parts[0]


def _room_of_module(module: str) -> str | None:
    parts = module.split(".")
    if parts[0] == "core":
        return parts[1] if len(parts) > 1 else None
    if parts[:2] == ["pages", "widgets"]:
        return "pages.widgets"
    return parts[0] if parts[0] in {"pages", "app"} else None


def _imports(path: Path) -> list[tuple[int, str]]:
    found = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found += [(node.lineno, alias.name) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path.relative_to(REPO)}:{node.lineno}: relative import; write it from the root"
            module = node.module or ""
            if module in {"core", "pages"}:
                found += [(node.lineno, f"{module}.{alias.name}") for alias in node.names]
            else:
                found.append((node.lineno, module))
    return found


def _files() -> list[Path]:
    files = [p for root in ("core", "pages") for p in (REPO / root).rglob("*.py")]
    files += [REPO / "app.py"] if (REPO / "app.py").exists() else []
    return sorted(p for p in files if p.name != "__init__.py" or p.stat().st_size > 300)


@pytest.mark.parametrize("path", _files(), ids=lambda p: str(p.relative_to(REPO)))
def test_imports_follow_the_table(path: Path) -> None:
    room = _room_of(path)
    assert room in ROOMS, f"{path.relative_to(REPO)}: room '{room}' is not in the table of tests/test_layers.py"
    allowed = ROOMS[room]
    for line, module in _imports(path):
        top = module.split(".")[0]
        other = _room_of_module(module)
        where = f"{path.relative_to(REPO)}:{line}: '{room}' imports {module}"
        if other is not None:
            assert other == room or other in allowed.rooms, f"{where}; it may import {sorted(allowed.rooms)}"
        elif top not in sys.stdlib_module_names and top != "core":
            assert top in allowed.third_party, f"{where}; it may load {sorted(allowed.third_party)}"


def test_inside_the_chain_arrows_point_down() -> None:
    """Pipeline and worker are imported by nobody in the chain but each other."""
    for path in (REPO / "core" / "chain").glob("*.py"):
        for line, module in _imports(path):
            if module in {"core.chain.pipeline", "core.chain.worker"}:
                assert path.stem == "worker", f"{path.name}:{line} imports {module}; only the worker may"


def test_app_rooms_do_not_load_torch() -> None:
    """A fresh process that imports all rooms of the app wing has neither torch nor its friends."""
    rooms = ["jobs", "store", "queries", "fits", "figures", "report", "studies", "events"]
    modules = [
        ".".join(p.relative_to(REPO).with_suffix("").parts)
        for p in _files()
        if _room_of(p) in {*rooms, *GROUND} and p.name != "__init__.py"
    ]
    heavy = "{'torch', 'transformers', 'sentence_transformers', 'datasets'}"
    code = (
        f"import sys, importlib; [importlib.import_module(m) for m in {modules!r}]; print({heavy} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=REPO, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "set()", f"the app wing loaded {done.stdout.strip()}"


def test_budgets() -> None:
    """Pages hold at most 100 lines, app.py 40, modules of core 400."""
    limits = {"pages": 100, "app": 40}
    for path in _files():
        limit = limits.get(_room_of(path), 400)
        lines = len(path.read_text(encoding="utf-8").splitlines())
        assert lines <= limit, f"{path.relative_to(REPO)} has {lines} lines, budget {limit}"
