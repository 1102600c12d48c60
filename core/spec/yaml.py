"""Reading a spec that a user wrote as a YAML file: one function, used for tasks, models and protocols.

A file is read with `yaml.safe_load` alone, and every problem is reported at once: file, field, what was found, what is
expected, and the nearest known field for a misspelt one.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from pathlib import Path
from types import UnionType
from typing import Any, TypeVar, Union, get_args, get_origin

import yaml
from pydantic import BaseModel, ValidationError

from core.errors import SpecError
from core.spec.base import Spec

S = TypeVar("S", bound=Spec)


def read_spec_file(path: Path, *, kind: type[S], example: str) -> S:
    """The spec in a YAML file.

    Args:
        kind: What it must hold.
        example: Where a complete example is, for the message.

    Raises:
        SpecError: The file cannot be read, is not YAML, or does not hold such a spec.
    """
    raw = _mapping(path, example=example)
    try:
        return kind.model_validate(raw)
    except ValidationError as error:
        lines = [_line(dict(problem), kind=kind) for problem in error.errors()]
        raise SpecError(f"{path}:\n" + "\n".join(f"  {line}" for line in lines) + f"\n  See {example}.") from error


def _mapping(path: Path, *, example: str) -> dict[str, Any]:  # Any: whatever a YAML file holds
    try:
        raw = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise SpecError(f"{path}: cannot be read ({error}). Give a UTF-8 YAML file; see {example}.") from error
    except yaml.YAMLError as error:
        raise SpecError(f"{path}: is not YAML that can be read safely: {error}\n  See {example}.") from error
    if not isinstance(raw, dict):
        raise SpecError(f"{path}: holds {type(raw).__name__} where 'field: value' lines are expected. See {example}.")
    return raw


def _line(problem: Mapping[str, Any], *, kind: type[BaseModel]) -> str:  # Any: values of pydantic's ErrorDetails
    place = [str(part) for part in problem["loc"]]
    field = ".".join(place) or "the whole file"
    found = repr(problem["input"])
    found = found if len(found) <= 80 else found[:77] + "..."
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
    return f"field '{field}': found {found}; expected: {expected}."


def _fields_at(kind: type[BaseModel], place: list[str]) -> set[str]:
    here: type[BaseModel] | None = kind
    for part in place:
        info = here.model_fields.get(part) if here else None
        here = _record_in(info.annotation) if info else None
    return set(here.model_fields) if here else set()


def _record_in(annotation: object) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    if get_origin(annotation) in {Union, UnionType}:
        return next((r for a in get_args(annotation) if (r := _record_in(a))), None)
    return None
