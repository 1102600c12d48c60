"""What every measure says of itself: one frozen record, next to the function that computes it.

Three kinds of measure each have one table: `similarity.table.SIMILARITIES`, `difficulty.table.DIFFICULTIES` and
`transferability.table.SELECTORS`. Profiles, queries, figures, pages and docs/measures.md read these tables and nothing
else, so that a measure that stands in one is computed, stored, offered, drawn and documented.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, TypeVar


@dataclass(frozen=True, kw_only=True)
class Measure:
    """A measure by its name."""

    name: str
    """As it is stored and typed; never changed."""
    title: str
    """As people read it."""
    unit: str
    """Unit and range of the stored value."""
    direction: Literal[1, -1]
    """1 where a large value means near (hard, a good choice), -1 where it means far (easy, a bad choice)."""
    meaning: str
    """In plain words: what it asks or counts, and what it does not see."""
    formula: str
    """In one line."""
    source: str
    """Paper, or `ours`."""
    function: Callable[..., Any]
    """Computes it; each kind of measure states the signature."""
    version: int = 1
    """Raised when the same input would get another number: what was measured before is measured again."""

    @property
    def label(self) -> str:
        """Title of the values after they were turned so that large means near (hard, a good choice)."""
        return self.title if self.direction > 0 else f"{self.title}, sign turned"


M = TypeVar("M", bound=Measure)


def by_name(*measures: M) -> dict[str, M]:
    """The table of some measures, in their order.

    Raises:
        ValueError: Two have the same name.
    """
    found = {measure.name: measure for measure in measures}
    if len(found) < len(measures):
        names = [measure.name for measure in measures]
        raise ValueError(f"Two measures are called '{next(n for n in names if names.count(n) > 1)}'; rename one.")
    return found
