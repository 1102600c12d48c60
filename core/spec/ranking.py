"""A ranking that was frozen before its runs were made, as a record: what each selector said of each intermediate."""

from __future__ import annotations

from pydantic import Field

from core.spec.base import Spec


class RankedIntermediate(Spec):
    """One intermediate of a launch, as a selector sees it."""

    intermediate: str
    """Text form."""
    score: float | None
    """Large where the selector would choose; None: it does not know this one."""


class SelectorRanking(Spec):
    """What one selector said of the intermediates of one target."""

    model: str
    """Name of the model."""
    model_fingerprint: str | None
    """Digest of a local folder's weights, or the hub's revision."""
    target: str
    """Name of the task."""
    selector: str
    """Name, such as `difficulty`."""
    label: str
    """What it does, in words."""
    items: tuple[RankedIntermediate, ...] = ()
    """Every intermediate of the launch that is ranked; empty where the selector knows none."""
    why: str | None = None
    """Why it knows none."""


class FrozenRanking(Spec):
    """All rankings of one launch, written before its runs started and never again."""

    ranking_id: str
    """Digest of the ids of the runs that are ranked."""
    study: str | None
    """What the launch was called."""
    frozen_at: str
    """UTC, ISO 8601 with milliseconds and `Z`."""
    protocol: str
    """Name of the protocol."""
    protocol_digest: str
    """Its digest."""
    data_source: str
    """sample, mirror or hub."""
    seeds: tuple[int, ...] = Field(min_length=1)
    """Seeds of the launch."""
    runs: tuple[str, ...] = Field(min_length=1)
    """Ids of the runs whose gains will score it: those with an intermediate, sorted."""
    n_done: int = Field(ge=0)
    """How many of them had finished already, here or in the committed gallery: of these it is no prediction, though no
    selector saw their target's gains."""
    rankings: tuple[SelectorRanking, ...] = Field(min_length=1)
    """One per model, target and selector."""
