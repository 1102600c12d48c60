"""Nothing in core and pages is there for tests alone; and the tool sees what is."""

from __future__ import annotations

from pathlib import Path

import pytest

from tools import unreached
from tools.rooms import modules


def test_every_line_is_reached_by_a_page_a_command_or_a_job() -> None:
    found = [d for d in unreached.unreached(modules()) if d.address not in unreached.EXCEPTIONS]
    assert not found, "\n".join(unreached.report(found))


def test_every_exception_is_one_and_has_a_reason() -> None:
    found = {d.address for d in unreached.unreached(modules())}
    assert set(unreached.EXCEPTIONS) <= found
    assert all(len(reason) > 10 for reason in unreached.EXCEPTIONS.values())


_FILES = {
    "app.py": "import core.shown as shown\nshown.page()\n",
    "core/shown.py": '''
from core.kept import Kept, field_of
LIMIT = 3
"""Read by the page."""
UNREAD = 4
"""Read by nobody."""

def page():
    return Kept().used, LIMIT, field_of

def _first():
    return _second()

def _second():
    return _first()
''',
    "core/kept.py": """
import somewhere

def field_of(): ...

class Kept(somewhere.Window):
    def __init__(self): ...
    def on_close(self): ...
    @property
    def used(self): ...

class Plain:
    def never(self): ...
""",
    "core/command.py": """
import typer
program = typer.Typer()
WHEN_WANTED = {"far": "core.far:Away"}

@program.command()
def said():
    return helper(WHEN_WANTED)

def helper(): ...
def lonely(): ...

if __name__ == "__main__":
    program()
""",
    "core/far.py": "class Away: ...\nclass Further: ...\n",
    "core/island.py": "def alone(): ...\nalone()\n",
}


def test_what_only_calls_itself_is_not_reached(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two functions that call each other, a constant, a class, a module that nobody imports though it runs its own."""
    for name, text in _FILES.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    monkeypatch.setattr(unreached, "REPO", tmp_path)
    found = unreached.unreached([tmp_path / name for name in _FILES])
    assert {d.address: len(d.lines) for d in found} == {
        "core.shown:UNREAD": 2,
        "core.shown:_first": 2,
        "core.shown:_second": 2,
        "core.kept:Plain": 2,
        "core.command:lonely": 1,
        "core.far:Further": 1,
        "core.island:alone": 1,
    }
    assert unreached.report(found)[-1] == "11 lines that no page, command or job reaches"
