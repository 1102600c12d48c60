"""Printed commands, typed into the program: its own parser takes the words, and what they ask for is queued."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterable

import typer.main
from typer.testing import CliRunner

from core.cli.main import app, spread
from core.errors import SpecError

_PRINTED = re.compile(r"python -m core (?:[^`\n<.;]|\.(?=\S))+")
"""A command in a text: up to a full stop at the end of a sentence, or the end of the line."""


def commands_in(texts: Iterable[object]) -> list[str]:
    """The commands that texts hold, each once."""
    return list(dict.fromkeys(m.group(0).strip() for text in texts for m in _PRINTED.finditer(str(text))))


def words_of(command: str) -> list[str]:
    """The words after `python -m core`, as the program spreads them."""
    words = shlex.split(command)
    assert words[:3] == ["python", "-m", "core"], command
    return spread(words[3:])


def parse(command: str) -> str:
    """Have the program parse a command, options and values; the command's name. Nothing is executed."""
    group = typer.main.get_command(app)
    with group.make_context("core", words_of(command)) as context:
        name, found, rest = group.resolve_command(context, words_of(command))  # type: ignore[attr-defined]
        found.make_context(name, rest, parent=context).close()
    return str(name)


def start(command: str) -> list[str]:
    """Have the program start a command's runs or profiles without waiting; ids of what is queued, or the command.

    The caller sees to it that no dispatcher wakes up.
    """
    try:
        done = CliRunner().invoke(app, [*words_of(command), "--no-wait", "--json"], catch_exceptions=False)
    except SpecError as error:
        # A claim about a task whose data are licensed names it all the same; the program says what to add and where.
        assert "you must add the file yourself" in str(error), f"{command}\n{error}"
        return [command]
    assert done.exit_code == 0, f"{command}\n{done.output}"
    rows: list[dict[str, str]] = json.loads(done.stdout)
    assert rows, command
    return [row.get("run_id") or row["profile_id"] for row in rows]
