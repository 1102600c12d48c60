"""What a user wrote about a run or a cell: a note that travels into the report."""

from __future__ import annotations

from core.spec.base import Spec


class Noted(Spec):
    """What a note is about: one run, or a cell of the heatmap whatever its runs."""

    model: str
    """Name of the encoder."""
    protocol: str
    """Name of the protocol."""
    data_source: str
    """sample, mirror or hub."""
    intermediate: str
    """Text form, `none` for a baseline."""
    target: str
    """Target."""
    lang: str | None = None
    """Language of a cell; None: the note is about a run."""
    run_id: str | None = None
    """The run; None: the note is about a cell."""


class Note(Spec):
    """A note, as its file holds it."""

    about: Noted
    """What it is about."""
    text: str
    """As it was written."""
    written_at: str
    """UTC, ISO 8601 to the second."""
    written_by: str | None = None
    """Who wrote it, where users sign in."""
