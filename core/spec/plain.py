"""Plain values from a YAML file that a user wrote: the one reader, with limits, for studies, tasks, models, protocols.

A file may come from anywhere: nothing in it is executed, none of it takes seconds or gigabytes, and whatever is wrong
is one `SpecError` that names the file.
"""

from __future__ import annotations

import errno
import reprlib
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from core.errors import SpecError

MOST_KB = 512
"""Size of a file: a task with thousands of labels has a tenth of it."""

MOST_DEPTH = 40
"""Lists and mappings inside one another; our records have six."""

MOST_SIZE = 2_000_000
"""Characters and values once every alias is written out."""

MOST_DIGITS = 18
"""Of a whole number: what every column and library holds."""

_LONGEST_PART, _LONGEST_PATH, _MOST_PROBLEMS = 255, 4000, 8
_CONTENT = "tag:yaml.org,2002:"


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]  # whichever there is
    """Safe YAML whose dates stay text: none of our fields is one, and titles may look like one."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in found if tag != f"{_CONTENT}timestamp"]
    for first, found in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def _whole_number(loader: Any, node: yaml.ScalarNode) -> int:  # noqa: ANN401  # one of two classes
    if len(node.value) > MOST_DIGITS:
        raise yaml.constructor.ConstructorError(
            None, None, f"a whole number of {len(node.value)} digits, expected {MOST_DIGITS} at most", node.start_mark
        )
    found: int = loader.construct_yaml_int(node)
    return found


_Loader.add_constructor(f"{_CONTENT}int", _whole_number)


def read_mapping(path: Path, *, example: str) -> dict[str, Any]:
    """The fields in a YAML file; Any: whatever YAML holds.

    Args:
        example: Where a complete example is, for the message.

    Raises:
        SpecError: The file cannot be read, is no YAML of ours, or holds something else than fields.
    """
    text = _text(path, example=example)
    try:
        _check_size(text)
        raw = yaml.load(text, Loader=_Loader)  # noqa: S506  # a safe loader
    except yaml.YAMLError as error:
        raise SpecError(f"{path}: is not YAML that can be read safely: {error}\n  See {example}.") from error
    except (ValueError, TypeError, AttributeError, LookupError, RecursionError) as error:
        # Its constructors say so where a value is not of the type that its tag names.
        raise SpecError(f"{path}: holds a value that YAML cannot read ({error}). See {example}.") from error
    if raw is None:  # empty, or comments alone: no field was given
        return {}
    if not isinstance(raw, dict):
        raise SpecError(f"{path}: holds {type(raw).__name__} where 'field: value' lines are expected. See {example}.")
    return {str(name): value for name, value in raw.items()}


def _text(path: Path, *, example: str) -> str:
    try:
        found = path.stat()
        if not stat.S_ISREG(found.st_mode):
            raise SpecError(f"{path}: is no file. Give a UTF-8 YAML file; see {example}.")
        if found.st_size > MOST_KB * 1024:
            raise SpecError(
                f"{path}: has {found.st_size / 1024:,.0f} KB, expected {MOST_KB} KB at most. Is it a YAML file? "
                f"See {example}."
            )
        return path.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        if isinstance(error, SpecError):
            raise
        too_long = isinstance(error, OSError) and error.errno == errno.ENAMETOOLONG
        name = shortened(str(path)) if too_long else str(path)
        said = (error.strerror or str(error)) if isinstance(error, OSError) else str(error)
        raise SpecError(f"{name}: cannot be read ({said}). Give a UTF-8 YAML file; see {example}.") from error


def _check_size(text: str) -> None:
    """Refuse deep nesting and aliases that write out to more than a reader or a message holds.

    Raises:
        SpecError: It is too deep, too large, or holds itself.
    """
    sizes: dict[str, int] = {}
    open_nodes: list[tuple[str | None, int]] = [(None, 0)]
    for event in yaml.parse(text, Loader=_Loader):
        if isinstance(event, yaml.CollectionEndEvent):
            anchor, size = open_nodes.pop()
        elif isinstance(event, yaml.CollectionStartEvent):
            open_nodes.append((event.anchor, 1))
            if len(open_nodes) > MOST_DEPTH:
                raise _refused(f"more than {MOST_DEPTH} levels of nesting", event)
            continue
        elif isinstance(event, yaml.ScalarEvent):
            anchor, size = event.anchor, 1 + len(event.value)
        elif isinstance(event, yaml.AliasEvent):
            if any(open_anchor == event.anchor for open_anchor, _ in open_nodes):
                raise _refused(f"'*{event.anchor}' holds itself", event)
            anchor, size = None, sizes.get(str(event.anchor), 0)
        else:
            continue
        if anchor:
            sizes[str(anchor)] = size
        above, so_far = open_nodes[-1]
        open_nodes[-1] = (above, so_far + size)
        if so_far + size > MOST_SIZE:
            raise _refused(f"aliases that write out to more than {MOST_SIZE:,} characters", event)


def _refused(what: str, event: yaml.Event) -> yaml.MarkedYAMLError:
    return yaml.MarkedYAMLError(None, None, what, event.start_mark)  # type: ignore[arg-type]  # of either parser


_SHORT = reprlib.Repr()
_SHORT.maxstring = _SHORT.maxother = 80
_SHORT.maxlevel, _SHORT.maxlist, _SHORT.maxtuple, _SHORT.maxdict = 2, 4, 4, 4


def shortened(value: object) -> str:
    """A value as it is shown in a message: never more than a line, whatever it holds.

    Args:
        value: Anything.
    """
    try:
        found = _SHORT.repr(value)
    except ValueError:  # a number of thousands of digits
        return f"a number of {value.bit_length() // 3:,} digits" if isinstance(value, int) else type(value).__name__
    return found if len(found) <= 120 else f"{found[:117]}..."


def clipped(text: str) -> str:
    """A text that somebody typed, as it is repeated inside a message: the beginning of a long one.

    Args:
        text: Without quotes, which the message has.
    """
    return text if len(text) <= _SHORT.maxstring else f"{text[: _SHORT.maxstring]}…"


def first_few(problems: Sequence[str]) -> list[str]:
    """As many problems as somebody reads at once, and how many more there are.

    Args:
        problems: A sentence or line each.
    """
    n = len(problems) - _MOST_PROBLEMS
    return [*problems[:_MOST_PROBLEMS], *([f"and {n:,} more"] if n > 0 else [])]


def first_line(error: Exception) -> str:
    """What an error of a library says, without the statement and the marks below it.

    Args:
        error: Of DuckDB, say.
    """
    return next(iter(str(error).splitlines()), type(error).__name__)


def folder_named(text: str, *, beside: Path | None = None) -> Path:
    """The absolute path that a user named: `~` and `~name` are homes, other names lie beside a folder.

    Args:
        text: As it was typed.
        beside: What a relative path is relative to; where the program was started if None.

    Raises:
        SpecError: It names the home of nobody, or no system takes such a name.
    """
    try:
        path = Path(text).expanduser()
        if len(text) > _LONGEST_PATH or any(len(part.encode()) > _LONGEST_PART for part in path.parts):
            raise ValueError(f"longer than the {_LONGEST_PART} bytes of a file name")
        return (path if beside is None else beside / path).resolve()
    except (RuntimeError, OSError, ValueError) as error:
        said = error.strerror if isinstance(error, OSError) else error
        raise SpecError(f"{shortened(text)} names no file or folder ({said}). Write its whole path.") from error


def is_folder(path: Path) -> bool:
    """Whether there is such a folder; a name that no system takes names none.

    Args:
        path: Any.
    """
    try:
        return path.is_dir()
    except (OSError, ValueError):
        return False
