"""What options select: a name that nothing has is an error with the nearest names, and no empty answer."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from core.errors import SpecError, UnknownName
from core.languages import LANGUAGES, check_language
from core.models import load_models
from core.paths import AtlasPaths
from core.protocols import load_protocols
from core.queries.filters import Filter, names_in_store
from core.spec.run import DataSourceKind, IntermediateSpec
from core.spec.task import Metric
from core.store.reading import cursor_for_reading
from core.studies import NO_INTERMEDIATE, target_names
from core.tasks import load_tasks

_Column = Literal["model", "target", "protocol", "intermediate", "collection"]
_COLLECTIONS = ("published", "measured", "yours")


def checked(wanted: Filter) -> Filter:
    """The same filter, each of whose names is one that the program or the store knows.

    Args:
        wanted: As it was typed.

    Raises:
        UnknownName: Nothing has a name; the message lists the nearest and all known ones.
    """
    paths = AtlasPaths.from_environment()
    tasks = load_tasks(paths)
    for code in wanted.langs:
        check_language(code)
    _known("data source", wanted.data_source, known=map(str, DataSourceKind))
    _known("metric", wanted.metric, known=map(str, Metric))
    registered: dict[_Column, tuple[str, str | tuple[str, ...] | None, Iterable[str]]] = {
        "collection": ("collection", wanted.collection, _COLLECTIONS),
        "model": ("model", wanted.model, load_models(paths)),
        "target": ("target", wanted.target, target_names(tasks)),
        "protocol": ("protocol", wanted.protocol, load_protocols()),
        "intermediate": ("intermediate", _unparsed(wanted.intermediate, tasks=tasks), (NO_INTERMEDIATE, *tasks)),
    }
    strangers = {
        column: (kind, names, known)
        for column, (kind, names, known) in registered.items()
        if any(name not in known for name in _each(names))
    }
    if strangers:
        # Models are folders, and tasks and protocols files, that may be gone: what was run with them is in the store,
        # as are collections that were imported.
        with cursor_for_reading(paths) as cur:
            for column, (kind, names, known) in strangers.items():
                _known(kind, names, known={*known, *names_in_store(cur, column)})
    return wanted


def check_names(kind: str, names: Iterable[str], *, known: Iterable[str]) -> tuple[str, ...]:
    """The names themselves, if all are known.

    Args:
        kind: What they name, in the singular.
        known: All there are.

    Raises:
        UnknownName: One is not.
    """
    found = tuple(names)
    _known(kind, found, known=known)
    return found


FAMILIES = tuple(sorted({entry.family for entry in LANGUAGES.values()}))
"""Language families of the table."""

SCRIPTS = tuple(sorted({entry.script for entry in LANGUAGES.values()}))
"""Scripts of the table."""


def _each(names: str | Iterable[str] | None) -> tuple[str, ...]:
    return () if names is None else (names,) if isinstance(names, str) else tuple(names)


def _known(kind: str, names: str | Iterable[str] | None, *, known: Iterable[str]) -> None:
    there = set(known)
    for name in _each(names):
        if name not in there:
            raise UnknownName(kind, name, known=there)


def _unparsed(names: str | Iterable[str] | None, *, tasks: Iterable[str]) -> tuple[str, ...]:
    """Those that are no form of known tasks, such as `mnli@hardest`."""
    strange = []
    for name in _each(names):
        try:
            is_known = name == NO_INTERMEDIATE or set(IntermediateSpec.parse(name).tasks) <= set(tasks)
        except SpecError:
            is_known = False
        strange += [] if is_known else [name]
    return tuple(strange)
