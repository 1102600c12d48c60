"""One shape for every number of an answer: an estimate with its interval, n, unit, method and formula.

Pages, commands and sentences read the same rows. Gains are fractions here; points appear in figures and text.
"""

from __future__ import annotations

from typing import Any

import pandas as pd

ESTIMATES = (
    *("kind", "name", "label", "estimate", "ci_low", "ci_high", "level", "p_value", "n", "n_unit", "unit"),
    *("detectable", "method", "formula", "note"),
)
"""Columns: n counts the independent units, which n_unit names; detectable is what 80 % of such studies would find."""

EstimateRow = dict[str, object]
"""One row; its values have the types of the columns."""


def estimate_row(
    kind: str, name: str, *, low: float | None = None, high: float | None = None, **fields: object
) -> EstimateRow:  # one keyword per column, checked by `estimates_frame`
    """One row of figures.

    Args:
        kind: What it is: term, naive, share, null, permutation.
        name: Of what.
        low: Lower limit, if there is an interval.
        high: Upper limit.
        fields: The other columns of `ESTIMATES`.
    """
    level = 0.95 if low is not None else None
    return {"kind": kind, "name": name, "ci_low": low, "ci_high": high, "level": level} | fields


def estimates_frame(rows: list[EstimateRow]) -> pd.DataFrame:
    """Rows as a frame with the columns `ESTIMATES`, missing ones None.

    Args:
        rows: From `estimate_row`.

    Raises:
        KeyError: A row has a column that is not one of `ESTIMATES`.
    """
    strange = {name for row in rows for name in row} - set(ESTIMATES)
    if strange:
        raise KeyError(f"Figures have no columns {sorted(strange)}; known: {', '.join(ESTIMATES)}.")
    return pd.DataFrame(rows, columns=list(ESTIMATES)).astype({"n": "Int64"})


def by_name(frame: pd.DataFrame) -> dict[tuple[str, str], dict[str, Any]]:
    """Rows of figures by kind and name, for sentences.

    Args:
        frame: From `estimates_frame`.
    """
    return {(row["kind"], row["name"]): {str(k): v for k, v in row.items()} for row in frame.to_dict("records")}
