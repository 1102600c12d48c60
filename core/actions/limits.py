"""What a form may start on a server that others can reach: a stated policy, which variables of the operator change.

On loopback everything is allowed that the operator did not forbid. Commands have no such limits: who has a shell here
needs no form. docs/serving.md says all of it.
"""

from __future__ import annotations

import os
import shutil
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from core.errors import SpecError
from core.jobs.prune import wanted_free
from core.paths import REPO, AtlasPaths
from core.spec.plain import folder_named, shortened
from core.studies import StudyRequest
from core.variables import KEEP_FREE, MOST_OPEN, MOST_RUNS, MOST_SESSIONS, number

FOLDERS = "ATLAS_FOLDERS"
"""Environment variable: folders under which forms may name a mirror, a model or a protocol, as PATH lists its own."""

OPEN_TO_ALL = (
    "Everybody who can reach this server, or can sign in to it, can start and stop runs here: it listens beyond this "
    "machine. Name a sign-in in its secrets, put a proxy with one before it, or set ATLAS_READ_ONLY=1; "
    "docs/serving.md has all three."
)
"""What an operator is told whose server listens on other addresses than loopback."""

_USUAL_RUNS, _USUAL_OPEN, _USUAL_SESSIONS = 200, 500, 50
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


class Limits(NamedTuple):
    """What a form may ask for."""

    folders: tuple[Path, ...] | None = None
    """Under these it may name folders and files of the server; None: anywhere."""
    runs: int | None = None
    """Most runs of one launch; None: any number."""
    open_runs: int | None = None
    """Most runs of one visitor that wait or run; None: any number."""
    free_bytes: float = 0.0
    """Of the disk, which must be free before a launch."""
    sessions: int | None = None
    """Most browser sessions at a time; None: any number."""


def is_public(address: str | None) -> bool:
    """Whether a server with this address can be reached from elsewhere.

    Args:
        address: On which it listens; None or empty: on all.
    """
    return (address or "") not in _LOOPBACK


def served_at(environ: Mapping[str, str]) -> str | None:
    """The address on which `streamlit run app.py` listens, unless its own option says another.

    Args:
        environ: Where the variable is looked up that goes before the checkout's configuration.
    """
    said = environ.get("STREAMLIT_SERVER_ADDRESS")
    if said is not None:
        return said
    try:
        configured = tomllib.loads((REPO / ".streamlit" / "config.toml").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    found = configured.get("server", {}).get("address")
    return None if found is None else str(found)


def limits(environ: Mapping[str, str], *, public: bool) -> Limits:
    """What forms may ask for.

    Args:
        environ: Where the variables are looked up.
        public: Whether others can reach the server: then there are limits that nobody has to set.

    Raises:
        SpecError: A variable holds something else than it should.
    """
    said = environ.get(FOLDERS)
    named = [word for word in (said or "").split(os.pathsep) if word]
    try:
        folders = tuple(map(folder_named, named))
    except SpecError as error:
        raise SpecError(f"{FOLDERS}: {error}") from error
    return Limits(
        folders=folders if said is not None or public else None,
        runs=_number(environ, MOST_RUNS, usual=_USUAL_RUNS if public else None),
        open_runs=_number(environ, MOST_OPEN, usual=_USUAL_OPEN if public else None),
        free_bytes=wanted_free(environ) if public else 0.0,
        sessions=_number(environ, MOST_SESSIONS, usual=_USUAL_SESSIONS if public else None),
    )


def refusals(request: StudyRequest, *, within: Limits, n_open: int, paths: AtlasPaths) -> list[str]:
    """Why a request may not be started here, as sentences; nothing that it names is looked at on the disk.

    Args:
        within: What is allowed.
        n_open: Runs of the same visitor that wait or run already.
        paths: The Atlas home.
    """
    found = [text for word in _places(request) if (text := _elsewhere(word, within=within, own=paths.protocols))]
    n = n_runs(request)
    if within.runs is not None and n > within.runs:
        found.append(
            f"This asks for {n:,} runs, and one launch may queue {within.runs:,} here. Ask for fewer at a time; "
            f"whoever runs this server sets {MOST_RUNS}."
        )
    elif within.open_runs is not None and n + n_open > within.open_runs:
        found.append(
            f"You have {n_open:,} runs that wait or run, and this asks for {n:,} more: {within.open_runs:,} are "
            f"allowed at a time. Wait until some have ended; whoever runs this server sets {MOST_OPEN}."
        )
    if within.free_bytes and (free := _free(paths)) < within.free_bytes:
        found.append(
            f"{free / 1e9:,.1f} GB of the server's disk are free, and {within.free_bytes / 1e9:,.0f} GB stay free "
            f"({KEEP_FREE}): nothing is started until its operator has made room."
        )
    return found


def n_runs(request: StudyRequest) -> int:
    """Runs that a request asks for, baselines included; counted without building one of them.

    Args:
        request: As it was typed.
    """
    before = set(request.intermediates) | ({"none"} if request.with_baselines else set())
    return len(set(request.models)) * len(set(request.targets)) * len(set(request.seeds)) * len(before)


def _places(request: StudyRequest) -> list[str]:
    """What of a request names a folder or file of the server."""
    marks = ("/", "~", ".", "\\")
    models = [model for model in request.models if model.startswith(marks) or ".." in model]
    protocol = [request.protocol] if request.protocol.endswith((".yaml", ".yml")) or "/" in request.protocol else []
    return [*models, *protocol, *([request.mirror] if request.mirror else [])]


def _elsewhere(word: str, *, within: Limits, own: Path) -> str | None:
    if within.folders is None:
        return None
    try:
        place = folder_named(word)
    except SpecError as error:
        return str(error)
    if any(place == root or root in place.parents for root in (*within.folders, own)):
        return None
    allowed = ", ".join(map(str, within.folders)) or "none"
    return (
        f"{shortened(word)} may not be named here: forms of this server take folders under {allowed} alone. Whoever "
        f"runs it sets {FOLDERS}."
    )


def _number(environ: Mapping[str, str], name: str, *, usual: int | None) -> int | None:
    found = number(name, environ, usual=usual)
    return None if found is None else int(found)


def _free(paths: AtlasPaths) -> float:
    place = paths.home
    while not place.exists():
        place = place.parent
    return float(shutil.disk_usage(place).free)
