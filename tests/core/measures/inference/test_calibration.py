"""Slow: tests reject 5 % of the time without an effect, and intervals cover a planted one 95 % of the time."""

from __future__ import annotations

import math

import pytest

from bench.calibration import METHODS, _cells, _one_seed, _row, _seeds, _thirds

CASES = [
    ("paired bootstrap", _one_seed, 3000),
    ("McNemar exact", _one_seed, 3000),
    ("crossed t interval", _seeds(3, spread=0.08), 3000),
    ("crossed t interval", _seeds(5), 3000),
    ("mixed model, difficulty", _cells, 1000),
    ("mixed model, similarity", _cells, 1000),
    ("permutation of intermediates, similarity", _cells, 1000),
    ("contrast inside tasks, difficulty", _thirds, 1000),
    ("mixed model with base tasks, similarity", _thirds, 300),
]
"""Method, simulated data, replications: with 300 a calibrated test has been seen to reject 9 %."""


@pytest.mark.slow
@pytest.mark.parametrize(("method", "draw", "n"), CASES)
def test_calibrated(method: str, draw: object, n: int, request: pytest.FixtureRequest) -> None:
    if not request.config.getoption("--run-slow", default=False):
        pytest.skip("slow: run with --run-slow")
    row = _row(method, design="", draw=draw, n=n, seed=1)
    # Three standard errors of a share; exact tests may reject less often.
    slack = 3 * math.sqrt(0.05 * 0.95 / n)
    assert row.rejected_without <= 0.05 + slack
    assert row.covered_with is None or row.covered_with >= 0.95 - slack
    assert row.power > 0.15


def test_the_table_has_every_method() -> None:
    assert {method for method, *_ in CASES} < set(METHODS)
