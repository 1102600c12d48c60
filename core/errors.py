"""Every error that Transfer Atlas raises on purpose.

Pages and commands catch `AtlasError` alone and show `str(error)`; anything else is a bug and is shown as one.

    AtlasError
    ├── SpecError                 the request is invalid
    │   └── UnknownName           no task, model, language or protocol of that name
    ├── DataError                 the data are not what the task declares
    │   ├── MissingSplit          a split, configuration or file is not there
    │   ├── WrongColumns          columns or types differ from the declaration
    │   ├── PlaceholderLabels     a test split whose labels are blanks or one class
    │   ├── ScriptOnlyDataset     the hub holds a loading script, no data files
    │   └── HubUnreachable        no network, or the hub answered with an error
    ├── ModelError                a model cannot be loaded
    │   └── UnsafeWeights         pickled weights or remote code
    ├── StoreError                the database cannot do what was asked
    │   ├── StoreLocked           another process holds the database file
    │   └── NotWritable           a file or folder cannot be written
    ├── RunFolderDamaged          a run folder cannot be read back
    ├── DiskFull                  no space left for what must be written
    ├── Diverged                  a training whose loss, gradient or score is no finite number
    └── JobError                  a job cannot be started, found or stopped
        └── OutOfMemory           the device ran out of memory
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

_LONGEST_NAME, _MOST_NAMES = 100, 120


class AtlasError(Exception):
    """Base of all errors whose text is written for the user."""


class SpecError(AtlasError, ValueError):
    """The request is invalid: a field, a name or a combination.

    A `ValueError` as well, so that pydantic names the field whose check raised it.
    """


class UnknownName(SpecError):
    """No thing of that kind has that name; the message lists the nearest and all known names."""

    def __init__(self, kind: str, name: str, *, known: Iterable[str]) -> None:
        """Keep the parts and build the message.

        Args:
            kind: What was looked up, in the singular: "task", "model", "language".
            name: The name that was not found.
            known: All names that exist.
        """
        self.kind, self.name, self.known = kind, name, tuple(sorted(known))
        near = difflib.get_close_matches(name[:_LONGEST_NAME], self.known, n=1, cutoff=0.5)
        hint = f" Did you mean '{near[0]}'?" if near else ""
        shown = name if len(name) <= _LONGEST_NAME else f"{name[:_LONGEST_NAME]}…"
        more = f" and {len(self.known) - _MOST_NAMES:,} more" if len(self.known) > _MOST_NAMES else ""
        listed = ", ".join(self.known[:_MOST_NAMES]) or "none"
        super().__init__(f"No {kind} named '{shown}'.{hint} Known: {listed}{more}.")

    def __reduce__(self) -> tuple[object, ...]:
        """Rebuild across processes from the keyword arguments."""
        return (_rebuild_unknown_name, (self.kind, self.name, self.known))


def _rebuild_unknown_name(kind: str, name: str, known: tuple[str, ...]) -> UnknownName:
    return UnknownName(kind, name, known=known)


class DataError(AtlasError):
    """The data are not what the task declares."""


class MissingSplit(DataError):
    """A split, configuration or file is not there."""


class WrongColumns(DataError):
    """Columns or types differ from what the task declares."""


class PlaceholderLabels(DataError):
    """A test split whose labels are blanks or all one class: scores on it would mean nothing."""


class ScriptOnlyDataset(DataError):
    """The hub holds only a loading script for this data set, which is never executed."""


class HubUnreachable(DataError):
    """No network, or the hub answered with an error."""


class ModelError(AtlasError):
    """A model cannot be loaded."""


class UnsafeWeights(ModelError):
    """Weights are pickled, or loading would execute code that came with the model."""


class StoreError(AtlasError):
    """The database cannot do what was asked."""


class StoreLocked(StoreError):
    """Another process holds the database file."""

    def __init__(self, found: str, remedy: str = "") -> None:
        """What holds it, and what to do where the file itself is needed.

        Args:
            found: A sentence.
            remedy: Another.
        """
        super().__init__(f"{found} {remedy}".strip())
        self.found = found


class NotWritable(StoreError):
    """A file or folder cannot be written: another user's, a read-only disk, something else in its place."""


class RunFolderDamaged(AtlasError):
    """A run folder cannot be read back."""


class DiskFull(AtlasError):
    """No space is left for what must be written."""


class Diverged(AtlasError):
    """A training's loss, gradient or development score is no finite number."""


class JobError(AtlasError):
    """A job cannot be started, found or stopped."""


class OutOfMemory(JobError):
    """The device ran out of memory; the message names a batch size to try."""


_MOST_OF_A_REASON = 500


@contextmanager
def as_damage(what: str) -> Iterator[None]:
    """Whatever goes wrong while a file or folder of ours is read is one error, so that a reader can set it aside.

    Its content may be anything: the one place beside the worker's outermost handler where every exception is caught.

    Args:
        what: File that is read, for errors that do not name it.

    Raises:
        RunFolderDamaged: The block raised.
    """
    try:
        yield
    except MemoryError:
        raise
    except Exception as error:
        if isinstance(error, RunFolderDamaged) and len(str(error)) <= _MOST_OF_A_REASON:
            raise
        said = str(error) if isinstance(error, (AtlasError, OSError)) else f"{type(error).__name__}: {error}"
        text = said if len(said) <= _MOST_OF_A_REASON else f"{said[:_MOST_OF_A_REASON]}…"
        raise RunFolderDamaged(text if what in text else f"{what}: {text}") from error
