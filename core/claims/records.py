"""What a claim is, what testing one finds, and the rules by which a verdict follows."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

import pandas as pd

from core.claims.scope import Scope
from core.measures.inference.intervals import Interval

Verdict = Literal[
    "supported",
    "contradicted",
    "mixed",
    "not testable",
    "outside its scope: seen here",
    "outside its scope: not seen here",
    "outside its scope: mixed here",
    "property of the protocol: in every run",
    "property of the protocol: not in every run",
]
Seen = Literal["seen", "not seen", "mixed", ""]
"""What runs show that judge no paper; empty: they do not show it either way, as there are too few."""

VERDICTS: Mapping[Verdict, str] = {
    "supported": "Runs within the claim's scope: the whole interval lies in the region that the claim allows.",
    "contradicted": "Runs within the claim's scope: the whole interval lies outside that region.",
    "mixed": "Runs within the claim's scope: the interval holds values of both kinds, so they do not decide.",
    "not testable": "No runs on real data have what the test needs; the note says what is missing.",
    "outside its scope: seen here": "Runs on real data, but of other models, languages or cut training sets: what was "
    "claimed is seen in them. The claim itself is not judged.",
    "outside its scope: not seen here": "Runs on real data, but of other models, languages or cut training sets: the "
    "whole interval lies outside the claimed region, so the opposite may have been found. The claim itself is not "
    "judged.",
    "outside its scope: mixed here": "Runs on real data, but of other models, languages or cut training sets: the "
    "interval holds values of both kinds, so they do not decide.",
    "property of the protocol: in every run": "Not a finding: the statement describes how the paper's runs were made. "
    "Every run of ours under that protocol is made so.",
    "property of the protocol: not in every run": "Not a finding: the statement describes how the paper's runs were "
    "made. Some runs of ours under that protocol are made otherwise.",
}
"""Every verdict with what it means."""

LABORATORY = (
    "Runs on texts that were generated for this project. What they hold was put there, so they test the method and "
    "judge no paper: seen, not seen or mixed."
)
"""What the second verdict of a claim means."""


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
    about: Scope
    """Models and targets that it is judged on."""
    request: Mapping[str, object] = field(default_factory=dict)
    """Fields of a `StudyRequest` whose runs would make it testable; empty: no runs would."""
    kind: Literal["finding", "property", "published"] = "finding"
    """finding: judged on runs; property: of a protocol, counted; published: judged on the paper's own figures."""
    least: int = 3
    """Fewest independent units for a verdict."""
    remark: str = ""
    """How our test differs from theirs."""

    @property
    def rule(self) -> str:
        """The verdict rule in one sentence."""
        if self.kind == "property":
            return f"a property of the protocol, no finding: {self.quantity} is counted and supports nothing"
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
            f"none of it does, mixed otherwise; not testable on fewer than {self.least}; runs on real data that are "
            f"not of {self.about.models} go by the same rule, but do not judge the claim, so that their verdicts are "
            "called seen here, not seen here and mixed here"
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
    left_out: str = ""
    """How many runs are no evidence and why; empty: none."""
    rows: pd.DataFrame | None = None
    """Runs of the setting that was tested."""
    holds: bool = True
    """Whether the claim's second half holds, which the interval does not show; if not, supported becomes mixed."""


def verdict_of(claim: Claim, found: Finding) -> Verdict:
    """What follows from an interval by the claim's rule, whatever the runs are of.

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


def property_of(found: Finding) -> Verdict:
    """What a count of runs says of a property of the protocol.

    Args:
        found: Its share of runs.
    """
    if found.interval is None:
        return "not testable"
    held = found.interval.estimate >= 1
    return "property of the protocol: in every run" if held else "property of the protocol: not in every run"


def seen_in(verdict: Verdict) -> Seen:
    """The verdict as it is said of runs that judge no paper.

    Args:
        verdict: From `verdict_of`.
    """
    return _SEEN.get(verdict, "")


def outside(verdict: Verdict) -> Verdict:
    """The verdict as it is said of runs outside the claim's scope.

    Args:
        verdict: From `verdict_of`.
    """
    return _OUTSIDE.get(verdict, verdict)


_SEEN: dict[Verdict, Seen] = {"supported": "seen", "contradicted": "not seen", "mixed": "mixed"}
_OUTSIDE: dict[Verdict, Verdict] = {
    "supported": "outside its scope: seen here",
    "contradicted": "outside its scope: not seen here",
    "mixed": "outside its scope: mixed here",
}
