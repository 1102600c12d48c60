"""What a claim is, what testing one finds, and the one rule by which a verdict follows from an interval."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from core.measures.inference.intervals import Interval

Verdict = Literal["supported", "contradicted", "mixed", "not testable"]
"""supported: the whole interval lies in the claimed region; contradicted: the whole interval lies outside; mixed:
neither; not testable: the store does not have what the test needs."""


@dataclass(frozen=True)
class Claim:
    """A published claim and how it is tested here."""

    id: str
    """As in the list of claims: `S1`, `P3`."""
    text: str
    """What was claimed."""
    source: str
    """Who claimed it: arXiv id and where it was read."""
    scope: str
    """Models and conditions of the claim."""
    test: str
    """Key of `judging.TESTS`: the query that tests it."""
    quantity: str
    """What the estimate is, in words."""
    region: tuple[float, float]
    """Values of the estimate that the claim allows, ends included."""
    unit: str
    """Of the estimate."""
    request: Mapping[str, object] = field(default_factory=dict)
    """Fields of a `StudyRequest` whose runs would make it testable; empty: no runs would."""
    least: int = 3
    """Fewest independent units for a verdict."""
    remark: str = ""
    """How our test differs from theirs."""

    @property
    def rule(self) -> str:
        """The verdict rule in one sentence."""
        low, high = self.region
        if math.isinf(low) and math.isinf(high):
            bounds = "anywhere"
        elif math.isinf(high):
            bounds = f"at {low:g} or above"
        elif math.isinf(low):
            bounds = f"at {high:g} or below"
        else:
            bounds = f"between {low:g} and {high:g}"
        return (
            f"supported if the whole 95 % interval of {self.quantity} ({self.unit}) lies {bounds}, contradicted if "
            f"none of it does, mixed otherwise; not testable below {self.least} units"
        )


class Finding(NamedTuple):
    """What a test found."""

    interval: Interval | None
    """Estimate with limits; None: not testable."""
    n_unit: str = ""
    """What n counts."""
    tested_on: str = ""
    """Models and settings of the runs."""
    note: str = ""
    """What a reader must know; where not testable, why."""
    holds: bool = True
    """Whether the claim's second half holds, which the interval does not show; if not, supported becomes mixed."""


def verdict_of(claim: Claim, found: Finding) -> Verdict:
    """The verdict that follows from an interval by the claim's rule.

    Args:
        claim: Its region and fewest units.
        found: What the test found.
    """
    if found.interval is None or found.interval.n < claim.least:
        return "not testable"
    low, high = claim.region
    if found.interval.high < low or found.interval.low > high:
        return "contradicted"
    inside = found.interval.low >= low and found.interval.high <= high
    return "supported" if inside and found.holds else "mixed"
