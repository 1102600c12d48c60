"""Slow: tests reject 5 % of the time without an effect, and intervals cover a planted one 95 % of the time."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest

from bench.calibration import SIMULATIONS, _cells, table
from bench.tally import BLOCK, tally
from core.measures.inference.mixed import any_term, fit_mixed

CASES = {
    "1 seed x 400 examples": 3000,
    "3 seeds that differ much x 200 examples": 3000,
    "5 seeds x 200 examples": 3000,
    "view of 22 x 5 cells, 3 seeds x 200 examples": 200,
    "22 x 13 pairs, 3 seeds": 3000,
    "22 intermediates": 3000,
    "12 x 5 x 4 cells": 1000,
    "5 tasks x 3 thirds x 5 x 4 cells": 300,
}
"""Replications by design: with 300 a calibrated test has been seen to reject 9 %."""
TOO_SURE = ("examples alone", "naive", "the same without base tasks")
"""What takes rows for independent that are not; shown to say how wrong it is. Five alike seeds hide it."""
NOT_USED = ("Satterthwaite", "one spread of seeds")
"""Shown to say why something else is used."""


@pytest.mark.slow
@pytest.mark.parametrize("design", CASES)
def test_calibrated(design: str) -> None:
    rows = list(table({design: SIMULATIONS[design]}, replications=CASES[design], seed=1))
    assert rows
    for row in rows:
        assert row.rejects is not None
        # Three standard errors of a share; exact and cautious tests may reject less often.
        slack = 3 * max(math.sqrt(0.05 * 0.95 / CASES[design]), row.rejects.error)
        if row.method.startswith(NOT_USED):
            continue
        if row.method.startswith(TOO_SURE):
            assert design.startswith("5 seeds") or row.rejects.mean > 0.05 + slack, row
            continue
        assert row.rejects.mean <= 0.05 + slack, row
        assert row.covers is None or row.covers.mean >= 0.95 - slack, row
        assert row.power is None or row.power.mean > 0.15, row


def test_a_planted_effect_moves_the_estimate_and_nothing_else() -> None:
    """Why the same fit serves without and with it."""
    cells = _cells(np.random.default_rng(3))
    planted = cells._replace(gain=cells.gain + cells.covariates @ [2.0, -1.0])
    before, after = (fit_mixed(each).coefficients[1:] for each in (cells, planted))
    for one, other, effect in zip(before, after, (2.0, -1.0), strict=True):
        assert other.interval.estimate == pytest.approx(one.interval.estimate + effect, abs=1e-4)
        assert (other.standard_error, other.df) == pytest.approx((one.standard_error, one.df), rel=1e-2)


def test_any_term_is_the_smallest_p_value_times_their_number() -> None:
    fit = fit_mixed(_cells(np.random.default_rng(3)))
    one, other = (c.p_value for c in fit.coefficients[1:])
    assert any_term(fit) == pytest.approx(min(1.0, 2 * min(one, other)))
    assert any_term(fit._replace(coefficients=fit.coefficients[:1])) == 1


def test_a_tally_that_was_stopped_goes_on_and_says_the_same(tmp_path: Path) -> None:
    calls = []

    def simulate(rng: np.random.Generator) -> dict[str, float | None]:
        calls.append(1)
        value = float(rng.random())
        return {"half": value < 0.5, "small": value if value < 0.25 else None}

    whole = tally("x", simulate, replications=50)
    file = tmp_path / "counts.jsonl"
    tally("x", simulate, replications=BLOCK, file=file)
    tally("other", simulate, replications=BLOCK, file=file)
    calls.clear()
    again = tally("x", simulate, replications=50, file=file)
    assert len(calls) == 50 - BLOCK
    assert again["half"] == pytest.approx(whole["half"]) and again["small"] == pytest.approx(whole["small"])
    assert tally("x", simulate, replications=0, file=file) == again
    assert whole["half"].n == 50 > whole["small"].n
    share = whole["half"].mean
    assert whole["half"].error == pytest.approx(math.sqrt(share * (1 - share) / 50))
    assert {json.loads(line)["name"] for line in file.read_text().splitlines()} == {"x", "other"}


def test_counts_that_were_damaged_are_counted_again(tmp_path: Path) -> None:
    def simulate(rng: np.random.Generator) -> dict[str, float | None]:
        return {"half": float(rng.random() < 0.5)}

    file, whole = tmp_path / "counts.jsonl", tally("x", simulate, replications=4 * BLOCK)
    tally("x", simulate, replications=4 * BLOCK, file=file)
    first, second, third, fourth = file.read_bytes().splitlines()
    for damaged in (second[:-9], b"\xff", b"[" * 100_000, second.replace(b"1.0", b"{}"), b'{"name": "x", "seed": 0}'):
        file.write_bytes(b"\n".join([first, damaged, third, fourth[:-5]]))  # and killed while it wrote the last
        for _ in range(2):
            assert tally("x", simulate, replications=4 * BLOCK, file=file) == whole


def test_every_slow_case_is_a_simulation() -> None:
    assert set(CASES) < set(SIMULATIONS)
