"""Environment variables that hold a number, a word, or yes or no: what each may hold, and the one way to read it.

One more is a name, its line in `_NUMBERS`, `_WORDS` or `_SWITCHES`, and its sentence in the documents. What a job
or its dispatcher reads belongs to `OF_JOBS`, too, so that whoever launches is told.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Mapping
from typing import NamedTuple, TypeVar, get_args

from core.errors import NotWritable, SpecError
from core.spec.execution import Precision
from core.spec.plain import shortened

CPU_SLOTS = "ATLAS_CPU_SLOTS"
"""Jobs at a time on a machine without GPUs, which share its cores."""
GPU_SLOTS = "ATLAS_GPU_SLOTS"
"""Jobs at a time on each GPU, which share its memory."""
THREADS = "ATLAS_THREADS"
"""Threads of a job on the CPU."""
SAVE_EVERY = "ATLAS_CHECKPOINT_SECONDS"
"""Seconds between two checkpoints."""
STATES_GB = "ATLAS_STATES_GB"
"""GB that states of frozen layers take at most."""
KEEP_FREE = "ATLAS_KEEP_FREE_GB"
"""While fewer GB of the disk are free, finished runs lose their target weights."""
MOST_RUNS = "ATLAS_MOST_RUNS"
"""Runs that one launch of a form may ask for."""
MOST_OPEN = "ATLAS_MOST_OPEN_RUNS"
"""Runs of one visitor that wait or run at a time."""
MOST_SESSIONS = "ATLAS_MOST_SESSIONS"
"""Browser sessions that the pages take at a time."""
MOST_MEMORY = "ATLAS_MOST_MEMORY_GB"
"""GB of memory above which the server forgets what it can compute again."""
PRECISION = "ATLAS_PRECISION"
"""The precision of jobs that do not say one."""
WARM = "ATLAS_WARM"
"""Whether a worker may be kept warm."""
READ_ONLY = "ATLAS_READ_ONLY"
"""Whether nothing may be started or changed here, as on a server for visitors."""

LOOK_ONLY = f"""{READ_ONLY} is set: this Transfer Atlas shows results, and nothing can be started or changed here. \
To run something, start one of your own without {READ_ONLY}."""
"""What a user is told who tries."""

T = TypeVar("T")
_MOST_DIGITS = 9


class _Number(NamedTuple):
    what: str
    least: float = 0
    most: float = math.inf
    is_whole: bool = False


_NUMBERS = {
    CPU_SLOTS: _Number("jobs at a time", least=1, most=256, is_whole=True),
    GPU_SLOTS: _Number("jobs at a time", least=1, most=256, is_whole=True),
    THREADS: _Number("threads of a job", least=1, most=100_000, is_whole=True),
    SAVE_EVERY: _Number("seconds between two checkpoints", most=100_000),
    STATES_GB: _Number("GB for states of frozen layers; 0 keeps none"),
    KEEP_FREE: _Number("GB of the disk that stay free"),
    MOST_RUNS: _Number("runs of one launch", is_whole=True),
    MOST_OPEN: _Number("runs of one visitor", is_whole=True),
    MOST_SESSIONS: _Number("sessions at a time", is_whole=True),
    MOST_MEMORY: _Number("GB of memory", least=0.001),
}
_WORDS = {PRECISION: ("auto", *get_args(Precision))}
_SWITCHES = (WARM, READ_ONLY)
_YES, _NO = ("1", "true", "yes", "on"), ("0", "false", "no", "off")

OF_JOBS = (CPU_SLOTS, GPU_SLOTS, THREADS, SAVE_EVERY, STATES_GB, KEEP_FREE, PRECISION, WARM)
"""What a job or its dispatcher reads, where nobody looks on."""
ALL = (*_NUMBERS, *_WORDS, *_SWITCHES)
"""Every variable of this module."""


def number(name: str, environ: Mapping[str, str], *, usual: T) -> float | T:
    """The number that a variable holds.

    Args:
        name: Of the variable.
        environ: Where it is looked up.
        usual: What holds where it is not set.

    Raises:
        SpecError: It holds something else.
    """
    said, wanted = environ.get(name), _NUMBERS[name]
    if said is None:
        return usual
    text = said.strip()
    is_number = text.isascii() and (not wanted.is_whole or (text.isdigit() and len(text) <= _MOST_DIGITS))
    try:
        found = float(text) if is_number else math.nan
    except ValueError:
        found = math.nan
    if not (wanted.least <= found <= wanted.most and math.isfinite(found)):
        kind = "a whole number" if wanted.is_whole else "a number"
        end = f"to {wanted.most:.0f}" if math.isfinite(wanted.most) else "on"
        raise SpecError(f"{name} is {shortened(said)}, expected {kind} from {wanted.least:g} {end}: {wanted.what}.")
    return found


def word(name: str, environ: Mapping[str, str], *, usual: str) -> str:
    """The word that a variable holds, as `number` takes it.

    Raises:
        SpecError: It holds another one than it may.
    """
    said = environ.get(name, usual).strip()
    if said not in _WORDS[name]:
        raise SpecError(f"{name} is {shortened(said)}, expected {', '.join(_WORDS[name])}.")
    return said


def switch(name: str, environ: Mapping[str, str], *, usual: bool) -> bool:
    """Whether a variable says yes, as `number` takes it; capitals do not matter.

    Raises:
        SpecError: It says neither yes nor no.
    """
    said = environ.get(name)
    if said is None:
        return usual
    if (text := said.strip().lower()) not in (*_YES, *_NO):
        raise SpecError(f"{name} is {shortened(said)}, expected {', '.join(_YES)} or {', '.join(_NO)}.")
    return text in _YES


def is_read_only() -> bool:
    """Whether the environment says that nothing here may be written.

    Raises:
        SpecError: It says neither yes nor no.
    """
    return switch(READ_ONLY, os.environ, usual=False)


def refuse_read_only() -> None:
    """End what would write where nothing may be written.

    Raises:
        NotWritable: Nothing may.
        SpecError: Whether it may is not said clearly.
    """
    if is_read_only():
        raise NotWritable(LOOK_ONLY)


def wrong(environ: Mapping[str, str], *, names: Iterable[str] = ALL) -> list[str]:
    """What is wrong with variables that are set, a sentence each.

    Args:
        environ: Where they are looked up.
        names: Which.
    """
    found = list[str]()
    for name in names:
        try:
            if name in _WORDS:
                word(name, environ, usual=_WORDS[name][0])
            elif name in _SWITCHES:
                switch(name, environ, usual=False)
            else:
                number(name, environ, usual=None)
        except SpecError as error:
            found.append(str(error))
    return found


def check_for_jobs(environ: Mapping[str, str]) -> None:
    """Refuse now what a job or its dispatcher would stumble over later.

    Args:
        environ: That they will have.

    Raises:
        SpecError: One of `OF_JOBS` holds something else than it may; the first is named.
    """
    for text in wrong(environ, names=OF_JOBS):
        raise SpecError(text)
