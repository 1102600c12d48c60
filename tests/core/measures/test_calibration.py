"""Slow: tests reject 5 % of the time without an effect, and intervals cover a planted one 95 % of the time."""

from __future__ import annotations

import math

import pytest

from bench.calibration import METHODS, _cells, _one_seed, _row, _seeds

REPLICATIONS = 300
CASES = [
    ("paired bootstrap", _one_seed),
    ("McNemar exact", _one_seed),
    ("approximate randomisation", _one_seed),
    ("crossed t interval", _seeds(3, spread=0.08)),
    ("crossed t interval", _seeds(5)),
    ("mixed model, difficulty", _cells),
    ("mixed model, similarity", _cells),
    ("permutation of intermediates, similarity", _cells),
]


@pytest.mark.slow
@pytest.mark.parametrize(("method", "draw"), CASES)
def test_calibrated(method: str, draw: object, request: pytest.FixtureRequest) -> None:
    if not request.config.getoption("--run-slow", default=False):
        pytest.skip("slow: run with --run-slow")
    row = _row(method, design="", draw=draw, n=REPLICATIONS, seed=1)
    # Three standard errors of a share of 300: .05 +- .038; exact tests may reject less often.
    slack = 3 * math.sqrt(0.05 * 0.95 / REPLICATIONS)
    assert row.rejected_without <= 0.05 + slack
    assert row.covered_with is None or row.covered_with >= 0.95 - slack
    assert row.power > 0.15


def test_the_table_has_every_method() -> None:
    assert {method for method, _ in CASES} < set(METHODS)
