"""Garbage for property tests: seeded, as many examples as asked for, and never made smaller (that takes minutes)."""

from __future__ import annotations

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

randomly = given(rng=st.randoms(use_true_random=False))
"""Gives a test `rng`, which decides what garbage it writes."""


def tries(n: int) -> settings:
    """So many examples, the same ones each time.

    Args:
        n: Of each test, or of each of its parameters.
    """
    return settings(
        max_examples=n,
        phases=(Phase.explicit, Phase.generate),
        deadline=None,
        derandomize=True,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    )
