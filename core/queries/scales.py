"""Units in which gains at unlike targets can be averaged: a point of F1 is no point of accuracy."""

from __future__ import annotations

from typing import Literal, NamedTuple

import pandas as pd

from core.errors import UnknownName
from core.types.table import task_type

Scale = Literal["headroom", "noise"]


class Unit(NamedTuple):
    """How a scale is said."""

    name: str
    """Short: follows a number."""
    meaning: str
    """One sentence."""
    factor: float
    """What a stored number is multiplied by before it is shown."""
    small: float
    """A stored number below it, whatever its sign, is taken not to matter."""

    @property
    def threshold(self) -> str:
        """`small` as people read it: "1 % of the head-room"."""
        return f"{self.factor * self.small:g} {self.name}"

    @property
    def verdicts(self) -> str:
        """When an interval that holds zero says something, in one sentence."""
        return (
            f"Where the 95 % interval holds zero, scores are called about the same if all of it lies within "
            f"{self.threshold} of zero, and the question is called open otherwise."
        )

    def holds(self, low: float, high: float) -> bool:
        """Whether nothing that matters lies in an interval: the two are about the same (equivalence, Schuirmann 1987).

        Args:
            low: As stored.
            high: As stored.
        """
        return -self.small <= low and high <= self.small


UNITS: dict[Scale, Unit] = {
    "headroom": Unit(
        "% of the head-room",
        "Head-room: what lies between a target's floor and a perfect score. The floor is the score of guessing or, if "
        "that is higher, of the best rule that reads no meaning, such as the commonest label. With a floor of 50 %, "
        "5 points are 10 % of the head-room.",
        100.0,
        0.01,
    ),
    "noise": Unit(
        "standard deviations of seeds",
        "Standard deviations of seeds: how many times larger a change is than what another seed alone does to the "
        "score at that target, in all languages and after all intermediates.",
        1.0,
        0.2,
    ),
}
"""The two scales, the usual one first."""


def trained_targets(types: pd.Series) -> pd.Series:
    """Whether targets of these types are trained at all; retrieval is scored as the encoder is.

    Args:
        types: Names of task types.
    """
    known = {name: task_type(name).is_trained for name in types.unique()}
    return types.map(known).astype(bool)


def divisors(rows: pd.DataFrame, *, scale: Scale) -> pd.Series:
    """What a difference of scores is divided by, for each row; NaN where the target has no such scale.

    Args:
        rows: Columns target, intermediate, lang, score, floor; one row per run and language.
        scale: Which one.

    Raises:
        UnknownName: There is no such scale.
    """
    if scale not in UNITS:
        raise UnknownName("scale", scale, known=UNITS)
    if scale == "noise":
        return rows["target"].map(_seed_noise(rows)).astype("float64")
    room = 1 - rows["floor"].astype("float64")
    return room.where(room > 0)


def _seed_noise(rows: pd.DataFrame) -> pd.Series:
    """Standard deviation of a score between seeds by target; none without two seeds that differ."""
    cells = rows.groupby(["target", "intermediate", "lang"], observed=True)["score"].agg(["var", "count"])
    cells = cells[cells["count"] > 1]
    freedom = cells["count"] - 1
    pooled = (cells["var"] * freedom).groupby("target").sum() / freedom.groupby("target").sum()
    return pooled[pooled > 0] ** 0.5
