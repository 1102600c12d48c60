"""Log-probabilities of gold labels: what task types compute and measures of difficulty read."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]


class LogProbabilities(NamedTuple):
    """Of the gold labels of some examples."""

    nats: Array
    """(n,) float64 of each example: summed over its decisions. Where labels are real numbers, a model gives the squared
    errors of values scaled to [0, 1]; `information.gaussian_nats` makes them log-densities."""
    decisions: Array
    """(n,) float64 labels of each example: words of a sentence that are read, 1 for one label."""
