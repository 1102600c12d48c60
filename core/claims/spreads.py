"""Tests of how gains spread, with the noise of runs taken out before they speak.

A gain over seeds and a mean gain over intermediates vary without any effect, too: two trainings differ. What a test
reads is what is left of a mean square when the noise in it is gone, with limits in which the noise is uncertain.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd

from core.claims.contrasts import gain_table, over_settings, trained_targets
from core.claims.facts import SETTING, Facts
from core.claims.records import Finding
from core.errors import DataError
from core.measures.inference.intervals import Floats
from core.measures.inference.mean_squares import MeanSquare, drawn_squares, generalised_interval, pooled_square

_LEVEL = 0.95


class Noise(NamedTuple):
    """What differs between runs of one pair."""

    runs: MeanSquare
    """Of what a seed does to one intermediate alone."""
    seeds: MeanSquare
    """Of what a seed does to all intermediates of a target (their baseline is the same run), times `width`."""
    width: float
    """Intermediates that a seed's mean is over."""
    repeats: float
    """Runs of a pair: harmonic mean."""


def severe_spread(facts: Facts) -> Finding:
    """The smaller of two spreads: of gains over intermediates, and of what an intermediate adds to that over seeds."""

    def one(part: pd.DataFrame) -> Finding:
        noise, table = noise_of(part), gain_table(part)
        between = pooled_square(MeanSquare(float(row.var()), int(row.notna().sum()) - 1) for _, row in table.iterrows())
        squares = {"between": between, "noise": noise.runs, "baselines": _over_baselines(facts, part)}
        seen = _two_spreads(squares, repeats=noise.repeats)
        rng = np.random.default_rng(0)
        drawn = _two_spreads({k: drawn_squares(v, rng=rng) for k, v in squares.items()}, repeats=noise.repeats)
        smaller = min(seen, key=lambda name: float(seen[name]))
        interval = generalised_interval(
            np.minimum(*drawn.values()), estimate=float(seen[smaller]), n=int(table.notna().sum().sum())
        )
        note = ", ".join(f"{name} {100 * float(value):.2f} points" for name, value in seen.items())
        return Finding(
            interval, f"pairs; the smaller spread is that over {smaller}",
            note=f"standard deviations beyond the noise of runs: {note}",
        )  # fmt: skip

    return over_settings(facts, one, rows=trained_targets)


def match_is_minor(facts: Facts) -> Finding:
    """Share of intermediate x target in the variance that intermediate, target and their pairing make."""
    return over_settings(facts, _match, rows=trained_targets)


def noise_of(part: pd.DataFrame) -> Noise:
    """What differs between runs of one pair: for each target, seeds and intermediates are taken out of its gains.

    Args:
        part: Gains of one setting.

    Raises:
        DataError: No target has two intermediates with two seeds each.
    """
    runs, seeds, widths = [], [], []
    table = part.pivot_table(index=["target", "intermediate"], columns="seed", values="gain")
    places = table.index.get_level_values("target")
    for target in places.unique():
        gains = table.to_numpy()[places == target]
        gains = gains[:, np.isfinite(gains).sum(axis=0) >= 2]
        gains = gains[np.isfinite(gains).all(axis=1)]
        rows, columns = gains.shape
        if rows < 2 or columns < 2:
            continue
        left = gains - gains.mean(axis=1, keepdims=True)
        shift = left.mean(axis=0)
        df = (rows - 1) * (columns - 1)
        runs.append(MeanSquare(float(((left - shift) ** 2).sum()) / df, df))
        seeds.append(MeanSquare(rows * float((shift**2).sum()) / (columns - 1), columns - 1))
        widths.append(rows)
    if not runs:
        raise DataError(
            "no target has two intermediates with two seeds each: the noise of runs cannot be told from an effect"
        )
    counts = part.groupby(["intermediate", "target"])["gain"].count()
    repeats = len(counts) / float((1 / counts).sum())
    return Noise(pooled_square(runs), pooled_square(seeds), float(np.mean(widths)), repeats)


def _over_baselines(facts: Facts, part: pd.DataFrame) -> MeanSquare:
    """What a seed does to a target trained alone."""
    same = facts.pairs.merge(part[[*SETTING, "target"]].drop_duplicates(), on=[*SETTING, "target"])
    alone = same[same["intermediate"] == "none"].groupby("target")["score"]
    if not (alone.count() > 1).any():
        raise DataError("every baseline has one seed; two or more show what a seed does without an intermediate")
    return pooled_square(MeanSquare(float(s.var()), len(s) - 1) for _, s in alone if len(s) > 1)


def _two_spreads(squares: dict[str, Floats] | dict[str, MeanSquare], *, repeats: float) -> dict[str, Floats]:
    between, noise, alone = (np.asarray(s.value if isinstance(s, MeanSquare) else s) for s in squares.values())
    return {
        "intermediates": np.sqrt(np.maximum(between - noise / repeats, 0)),
        "seeds": np.sqrt(np.maximum(noise - alone, 0)),
    }


def _match(part: pd.DataFrame) -> Finding:
    """The part of the table without gaps, by its mean squares."""
    noise, table = noise_of(part), _without_gaps(gain_table(part))
    targets, inter = table.shape
    if inter < 4 or targets < 3:
        raise DataError(f"{inter} intermediates on the same {targets} targets; needed: 4 and 3")
    values = table.to_numpy()
    rows, columns, mean = values.mean(axis=1, keepdims=True), values.mean(axis=0), values.mean()
    cells = (targets - 1) * (inter - 1)
    squares = {
        "intermediate": MeanSquare(targets * float(np.var(columns, ddof=1)), inter - 1),
        "target": MeanSquare(inter * float(np.var(rows, ddof=1)), targets - 1),
        "pair": MeanSquare(float(((values - rows - columns + mean) ** 2).sum()) / cells, cells),
        "runs": noise.runs,
        "seeds": noise.seeds,
    }
    rng = np.random.default_rng(0)
    drawn = _variances({k: drawn_squares(v, rng=rng) for k, v in squares.items()}, noise=noise, shape=table.shape)
    seen = _variances({k: np.asarray(v.value) for k, v in squares.items()}, noise=noise, shape=table.shape)
    if np.quantile(sum(drawn), 1 - _LEVEL) <= 0:
        raise DataError("gains do not vary beyond the noise of runs; there is nothing to split")
    share, estimate = _share_of_last(drawn), float(_share_of_last(seen))
    interval = generalised_interval(share, estimate=estimate, n=targets * inter)
    return Finding(interval, "pairs", note=f"{inter} intermediates x {targets} targets, {noise.repeats:.1f} runs each")


def _variances(squares: dict[str, Floats], *, noise: Noise, shape: tuple[int, int]) -> list[Floats]:
    """Of intermediate, target and pairing, without the noise of runs; below zero where the noise was larger."""
    targets, inter = shape
    shift = (squares["seeds"] - squares["runs"]) / noise.width  # what a seed does to the mean of a target
    return [
        (squares["intermediate"] - squares["pair"]) / targets,
        (squares["target"] - squares["pair"]) / inter - np.maximum(shift, 0) / noise.repeats,
        squares["pair"] - squares["runs"] / noise.repeats,
    ]


def _share_of_last(parts: list[Floats]) -> Floats:
    kept = [np.maximum(part, 0) for part in parts]
    whole = np.asarray(sum(kept))
    share: Floats = np.divide(kept[-1], whole, out=np.zeros_like(whole), where=whole > 0)
    return share


def _without_gaps(table: pd.DataFrame) -> pd.DataFrame:
    """The table without the rows and columns that have gaps, the one with the larger share of gaps first."""
    while table.isna().any(axis=None):
        by_row, by_column = table.isna().mean(axis=1), table.isna().mean(axis=0)
        if by_row.max() >= by_column.max():
            table = table.drop(index=by_row.idxmax())
        else:
            table = table.drop(columns=by_column.idxmax())
    return table
