"""The rooms are as docs/rooms.yaml says: arrows, packages, sizes; and docs/architecture.md shows the same table."""

from __future__ import annotations

import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import pytest

from core.paths import REPO
from tools.house import picture
from tools.rooms import (
    DOCUMENT,
    PICTURE,
    imports_of,
    is_third_party,
    modules,
    room_of,
    room_of_module,
    rooms,
    with_table,
)

ROOMS = rooms()
HEAVY = {"torch", "transformers", "sentence_transformers", "datasets"}


def _files() -> list[Path]:
    return [path for path in modules() if room_of(path) is not None]


@pytest.mark.parametrize("path", _files(), ids=lambda p: str(p.relative_to(REPO)))
def test_imports_follow_the_table(path: Path) -> None:
    name = room_of(path)
    assert name in ROOMS, f"{path.relative_to(REPO)}: room '{name}' is not in docs/rooms.yaml"
    room = ROOMS[name]
    for line, module, is_lazy in imports_of(path):
        other, top = room_of_module(module), module.split(".", maxsplit=1)[0]
        where = f"{path.relative_to(REPO)}:{line}: '{room.name}' imports {module}"
        if other is not None:
            assert other == room.name or other in room.imports, f"{where}; it may import {sorted(room.imports)}"
        elif is_third_party(module):
            allowed = room.loads | room.lazily if is_lazy else room.loads
            assert top in allowed, f"{where}; it may load {sorted(allowed)}"


def test_no_arrow_runs_back_up() -> None:
    above: set[str] = set()
    for room in ROOMS.values():
        assert room.imports <= above, f"'{room.name}' imports {sorted(room.imports - above)}, which stand below it"
        above.add(room.name)


def test_the_table_allows_what_is_used_and_no_more() -> None:
    rooms_used: dict[str, set[str]] = defaultdict(set)
    packages: dict[str, set[str]] = defaultdict(set)
    for path in _files():
        name = room_of(path) or ""
        for _, module, _ in imports_of(path):
            rooms_used[name].add(room_of_module(module) or name)
            packages[name] |= {module.split(".", maxsplit=1)[0]} if is_third_party(module) else set()
    for room in ROOMS.values():
        assert room.imports <= rooms_used[room.name], f"{room.name}: {sorted(room.imports - rooms_used[room.name])}"
        idle = (room.loads | room.lazily) - packages[room.name]
        assert not idle, f"{room.name} loads no {sorted(idle)}; take it out of docs/rooms.yaml"


def test_neither_wing_imports_the_other() -> None:
    for room in ROOMS.values():
        wings = {ROOMS[name].wing for name in room.imports}
        assert wings <= {"ground", room.wing}, f"'{room.name}' of the wing '{room.wing}' imports of {sorted(wings)}"


def test_the_picture_shows_the_rooms() -> None:
    assert PICTURE.read_text(encoding="utf-8") == picture(), "docs/images/house.svg is behind: python -m tools.rooms"
    for name in ROOMS.keys() - {"__main__"}:
        assert f">{name.replace('.', '/')}</text>" in picture(), f"'{name}' is not drawn"


def test_the_document_shows_the_table() -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    assert text == with_table(text), "docs/architecture.md is behind docs/rooms.yaml: python -m tools.rooms"


def test_app_wing_does_not_load_torch() -> None:
    """A fresh process that imports every room of the app wing but pages, which are scripts, and data, has no torch."""
    light = {name for name, room in ROOMS.items() if room.wing == "app"} | {"data"}
    names = [
        ".".join(path.relative_to(REPO).with_suffix("").parts)
        for path in _files()
        if room_of(path) in light and path.parts[len(REPO.parts)] == "core" and path.stem[0] != "_"
    ]
    load = f"[importlib.import_module(m) for m in {names!r}]"
    code = f"import sys, importlib; {load}; print({HEAVY!r} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], cwd=REPO, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "set()", f"the app wing loaded {done.stdout.strip()}"


def _lines(path: Path) -> int:
    return len(path.read_text(encoding="utf-8").splitlines())


def test_budgets() -> None:
    """Pages hold at most 100 lines, app.py 40, other modules 400."""
    limits = {"pages": 100, "app": 40}
    for path in _files():
        limit = limits.get(room_of(path) or "", 400)
        assert _lines(path) <= limit, f"{path.relative_to(REPO)} has {_lines(path)} lines, budget {limit}"


def test_no_room_is_a_warehouse() -> None:
    """No room holds more than 12 % of all lines; no folder more than 15 modules."""
    sizes: dict[str, int] = defaultdict(int)
    crowd: dict[Path, int] = defaultdict(int)
    for path in modules():
        sizes[room_of(path) or "core"] += _lines(path)
        crowd[path.parent] += path.name != "__init__.py"
    total = sum(sizes.values())
    for name, lines in sizes.items():
        assert lines <= 0.12 * total, f"'{name}' holds {lines} of {total} lines, {lines / total:.0%}"
    for folder, n in crowd.items():
        assert n <= 15, f"{folder.relative_to(REPO)} holds {n} modules: make folders by meaning"
