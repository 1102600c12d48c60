"""The base of every stored record, and the ids: hashes of the canonical JSON of a spec."""

from __future__ import annotations

import hashlib
import json
from functools import lru_cache
from typing import Annotated, Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field, SerializerFunctionWrapHandler, ValidationError, model_serializer

NAME_PATTERN = r"^[a-z0-9][a-z0-9_.-]*$"
"""What names of tasks, models and protocols look like."""

Name = Annotated[str, Field(pattern=NAME_PATTERN, max_length=80)]

Seed = Annotated[int, Field(ge=0, lt=2**31)]
"""Seed of random draws, as torch and NumPy take it."""


DESCRIBING = frozenset({"title", "summary", "licence", "citation", "url", "domain_words", "cautions"})
"""Fields of models and tasks that tell a reader about them and decide no number: no part of an id or a digest."""


class Spec(BaseModel):
    """Base of everything stored: frozen, no unknown fields, no NaN."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)
    describing: ClassVar[frozenset[str]] = frozenset()
    """Fields that are left out of the digest."""

    def canonical_json(self) -> str:
        """JSON with sorted keys and no spaces; equal specs give equal text."""
        return canonical(self.model_dump(mode="json"))

    def digest(self) -> str:
        """First 12 hexadecimal digits of the SHA-256 of the canonical JSON, of what decides numbers."""
        raw = self.model_dump(mode="json")
        return digest(canonical({name: value for name, value in raw.items() if name not in self.describing}))


class GrowingSpec(Spec):
    """A spec that was given fields after others of it had been stored; ids and digests of those stay what they were."""

    later: ClassVar[frozenset[str]] = frozenset()
    """Fields that came later: left out of the JSON where they have their default."""

    @model_serializer(mode="wrap")
    def _as_when_ids_were_made(self, handler: SerializerFunctionWrapHandler) -> dict[str, object]:
        return self.without_later(handler(self))

    def without_later(self, fields: dict[str, object]) -> dict[str, object]:
        """The JSON without the later fields that have their default.

        Args:
            fields: All of it.
        """
        kept = dict(fields)
        for name, default in _later_defaults(type(self)):
            if name in kept and kept[name] == default:
                del kept[name]
        return kept


@lru_cache(maxsize=100)
def _later_defaults(kind: type[GrowingSpec]) -> tuple[tuple[str, object], ...]:
    return tuple((name, kind.model_fields[name].default) for name in kind.later)


def canonical(raw: object) -> str:
    """JSON with sorted keys and no spaces.

    Args:
        raw: Plain JSON values.
    """
    return json.dumps(raw, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def run_id_of(raw: dict[str, Any]) -> str:
    """Id of the run that a `spec.json` describes, also where it was written before a field was added.

    Args:
        raw: `RunSpec` as plain JSON values.
    """
    plain = raw | {"model": _deciding(raw["model"]), "tasks": [_deciding(task) for task in raw["tasks"]]}
    return digest(canonical(_anywhere(plain)))


def run_id_before(raw: dict[str, Any]) -> str:
    """The same as it was until 1 December 2026, when what describes models and tasks was part of it.

    Args:
        raw: `RunSpec` as plain JSON values.
    """
    return digest(canonical(_anywhere(raw)))


def _deciding(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if name not in DESCRIBING}


def _anywhere(raw: dict[str, Any]) -> dict[str, Any]:
    """The same folder elsewhere, or the same checkout on another machine, is the same model."""
    model = raw["model"]
    return raw | {"model": model | {"path": ""}} if model.get("fingerprint") else raw


NEWER = "A newer version of Transfer Atlas may have written it: update the program."
"""Said of what holds something unknown."""
_OF_NEWER = frozenset({"extra_forbidden", "union_tag_invalid"})
_MOST_OF_A_PROBLEM = 300


def first_problem(error: ValueError) -> str:
    """What a value is refused for, in one line: of a record's problems the first, with its place.

    A field or an event that nobody here knows is likely to be a newer version's, and is said to be.

    Args:
        error: What pydantic or a reader of JSON raised.
    """
    if not isinstance(error, ValidationError):
        return str(error)[:_MOST_OF_A_PROBLEM]
    first = error.errors(include_url=False)[0]
    where = ".".join(str(part) for part in first["loc"])
    said = str(first["msg"]).removeprefix("Value error, ")[:_MOST_OF_A_PROBLEM]
    said = f"{where[:_MOST_OF_A_PROBLEM]}: {said}" if where else said
    return f"{said}. {NEWER}" if first["type"] in _OF_NEWER else said


def digest(text: str) -> str:
    """First 12 hexadecimal digits of the SHA-256 of a text.

    Args:
        text: Anything; encoded as UTF-8.
    """
    return hashlib.sha256(text.encode()).hexdigest()[:12]
