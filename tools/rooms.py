"""The rooms of the program: read from docs/rooms.yaml, measured in the code, written into docs/architecture.md.

`python -m tools.rooms` writes table and picture anew; `tests/test_layers.py` holds code and documents to the same file.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import yaml

from core.paths import REPO

SOURCE = REPO / "docs" / "rooms.yaml"
DOCUMENT = REPO / "docs" / "architecture.md"
PICTURE = REPO / "docs" / "images" / "house.svg"
BEGIN, END = "<!-- rooms: written by `python -m tools.rooms` from docs/rooms.yaml -->", "<!-- end of rooms -->"


class Room(NamedTuple):
    """One room, from docs/rooms.yaml."""

    name: str
    """Module or folder of core/, or `pages`, `pages.widgets`, `app`."""
    wing: str
    """`ground`, `job` or `app`."""
    holds: str
    """What is in it."""
    imports: frozenset[str]
    """Rooms it may import; all stand before it in the file."""
    loads: frozenset[str]
    """Packages it may load."""
    lazily: frozenset[str]
    """Packages it may load inside functions alone; type checkers may see them."""


class Import(NamedTuple):
    """One import of one file."""

    line: int
    module: str
    is_lazy: bool
    """Whether it stands inside a function, or for type checkers alone."""


def rooms() -> dict[str, Room]:
    """All rooms by name, in the order of the file: from the ground floor up."""
    found: dict[str, Room] = {}
    for raw in yaml.safe_load(SOURCE.read_text(encoding="utf-8")):
        if raw.get("wing") not in {"ground", "job", "app"}:
            raise ValueError(f"{SOURCE}: room '{raw['room']}' has no wing: expected ground, job or app.")
        sets = {name: frozenset(raw.get(name, ())) for name in ("imports", "loads", "lazily")}
        found[raw["room"]] = Room(raw["room"], raw["wing"], raw["holds"], **sets)
    return found


def modules() -> list[Path]:
    """Every Python file of core, pages and app.py, sorted."""
    found = [p for root in ("core", "pages") for p in (REPO / root).rglob("*.py")]
    return sorted([*found, REPO / "app.py"])


def room_of(path: Path) -> str | None:
    """Name of the room a file belongs to; None for `core/__init__.py`.

    Args:
        path: A file of `modules`.
    """
    parts = path.relative_to(REPO).with_suffix("").parts
    return room_of_module(".".join(p for p in parts if p != "__init__"))


def room_of_module(module: str) -> str | None:
    """Name of the room of a dotted module; None where it is none of ours.

    Args:
        module: Such as `core.spec.run`.
    """
    first, *rest = module.split(".")
    if first == "core":
        return rest[0] if rest else None
    if first == "pages":
        return "pages.widgets" if rest[:1] == ["widgets"] else "pages"
    return "app" if first == "app" else None


def imports_of(path: Path) -> Iterator[Import]:
    """Every import of a file, those inside functions included.

    Args:
        path: A Python file.

    Raises:
        ValueError: An import is relative.
    """
    tree = ast.parse(path.read_text(encoding="utf-8"))
    inside = {id(child) for node in ast.walk(tree) if _is_lazy(node) for child in ast.walk(node)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            if node.level:
                raise ValueError(f"{path}:{node.lineno}: relative import; write it from the root")
            module = node.module or ""
            is_root = module in {"core", "pages"}
            names = [f"{module}.{alias.name}" for alias in node.names] if is_root else [module]
        else:
            continue
        for name in names:
            yield Import(node.lineno, name, id(node) in inside)


def _is_lazy(node: ast.AST) -> bool:
    """Whether what is in it is not run at import: a function, or what type checkers alone read."""
    is_function = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    return is_function or (isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING")


def is_third_party(module: str) -> bool:
    """Whether a module is neither ours nor Python's own."""
    top = module.split(".", maxsplit=1)[0]
    return top not in {"core", "pages", "app"} and top not in sys.stdlib_module_names


def table() -> str:
    """The table of docs/architecture.md."""
    lines = ["| room | holds | may import | loads |", "|---|---|---|---|"]
    for room in rooms().values():
        order = [name for name in rooms() if name in room.imports]
        loads = [*sorted(room.loads), *(f"({name})" for name in sorted(room.lazily))]
        lines.append(f"| {room.name} | {room.holds} | {', '.join(order) or '–'} | {', '.join(loads) or '–'} |")
    return "\n".join(lines)


def with_table(document: str) -> str:
    """A document whose part between the two marks is the table.

    Args:
        document: Holds both marks.
    """
    before, rest = document.split(BEGIN)
    after = rest.split(END)[1]
    return f"{before}{BEGIN}\n\n{table()}\n\n{END}{after}"


if __name__ == "__main__":
    from tools.house import picture

    PICTURE.write_text(picture(), encoding="utf-8")
    DOCUMENT.write_text(with_table(DOCUMENT.read_text(encoding="utf-8")), encoding="utf-8")
