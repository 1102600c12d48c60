"""Reading a spec that a user wrote as a YAML file: one function, used for tasks, models and protocols.

A file is read by `core.spec.plain` alone, and every problem is reported at once: file, field, what was found, what is
expected, and the nearest known field for a misspelt one.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from pathlib import Path
from types import UnionType
from typing import Any, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from core.errors import SpecError
from core.files import listed, name_as_text, why_no_folder
from core.spec.base import Spec
from core.spec.plain import clipped, first_few, read_mapping, shortened

S = TypeVar("S", bound=Spec)


def read_spec_file(path: Path, *, kind: type[S], example: str) -> S:
    """The spec in a YAML file.

    Args:
        kind: What it must hold.
        example: Where a complete example is, for the message.

    Raises:
        SpecError: The file cannot be read, is not YAML, or does not hold such a spec.
    """
    raw = read_mapping(path, example=example)
    try:
        return kind.model_validate(raw)
    except ValidationError as error:
        problems: list[dict[str, Any]] = [dict(problem) for problem in error.errors()]
        deeper = {problem["loc"][:-1] for problem in problems}  # an empty list whose members were refused
        shown = [p for p in problems if not (p["type"] == "too_short" and p["loc"] in deeper)]
        # A misspelt field first: it says why another is missing.
        shown.sort(key=lambda p: (p["type"] == "missing", p["type"] != "extra_forbidden"))
        lines = first_few([_line(problem, kind=kind) for problem in shown])
        raise SpecError(f"{path}:\n" + "\n".join(f"  {line}" for line in lines) + f"\n  See {example}.") from error


def own_files(folder: Path) -> tuple[list[Path], list[str]]:
    """YAML files that a user put into a folder, in order; and why anything else that lies there is not read.

    Args:
        folder: It need not be there.
    """
    if (why := why_no_folder(folder)) is not None:
        return [], [why]
    files, problems = list[Path](), list[str]()
    for name in listed(folder):
        shown = f"{folder}/{name_as_text(name)}"
        if not name.isprintable():
            problems.append(f"{shown}: no file here can have such a name; rename it.")
        elif not name.endswith((".yaml", ".yml")):
            problems.append(f"{shown}: is not read: expected a name that ends in .yaml. Rename it, or move it away.")
        else:
            files.append(folder / name)
    return files, problems


def _line(problem: Mapping[str, Any], *, kind: type[BaseModel]) -> str:  # Any: values of pydantic's ErrorDetails
    place = [str(part) for part in problem["loc"]]
    field = ".".join(place) or "the whole file"
    found = shortened(problem["input"])
    if problem["type"] == "extra_forbidden":
        known = sorted(_fields_at(kind, place[:-1]))
        near = difflib.get_close_matches(place[-1], known, n=1, cutoff=0.5)
        hint = f" Did you mean '{near[0]}'?" if near else ""
        return f"field '{field}' is not known.{hint} Known here: {', '.join(known)}."
    if problem["type"] == "missing":
        return f"field '{field}' is missing."
    expected = str(problem["msg"]).removeprefix("Value error, ")
    if not place:
        return expected
    if problem["type"] == "string_pattern_mismatch" and (examples := _examples_at(kind, place)):
        expected = f"text such as {examples[0]}"
    return f"field '{field}': found {found}; expected: {expected}.{advice(problem)}"


def advice(problem: Mapping[str, Any]) -> str:  # Any: as above
    """What to write instead, where YAML reads something else than was meant; a sentence after a space, or nothing.

    Args:
        problem: One of pydantic's errors.
    """
    value = problem["input"]
    if problem["type"] == "string_type" and isinstance(value, bool):
        words = '"yes" or "on"' if value else '"no" (Norwegian, say) or "off"'
        return f" YAML reads no and yes as false and true: write {words} in quotes."
    if problem["type"] == "string_type" and isinstance(value, (int, float)):
        return " YAML reads it as a number (12:00:00 as 43200): write it in quotes."
    if problem["type"] in {"tuple_type", "list_type"} and isinstance(value, str):
        return f" Write a list: [{clipped(value)}]."
    return ""


def _examples_at(kind: type[BaseModel], place: list[str]) -> list[Any]:  # Any: values of fields
    info = _fields_at(kind, place[:-1]).get(place[-1])
    return (info.examples if info else None) or []


def _fields_at(kind: type[BaseModel], place: list[str]) -> dict[str, FieldInfo]:
    here: type[BaseModel] | None = kind
    for part in place:
        info = here.model_fields.get(part) if here else None
        here = _record_in(info.annotation) if info else None
    return here.model_fields if here else {}


def _record_in(annotation: object) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    if get_origin(annotation) in {Union, UnionType}:
        return next((r for a in get_args(annotation) if (r := _record_in(a))), None)
    return None
