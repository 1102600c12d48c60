"""Linear CKA by its definition, and what it does not see."""

from __future__ import annotations

import math

import numpy as np
import pytest

from core.errors import DataError
from core.measures.similarity.alignment import linear_cka


def test_cka_by_definition_and_invariances() -> None:
    x, y = np.random.default_rng(0).normal(size=(50, 5)), np.random.default_rng(1).normal(size=(50, 7))
    turn = np.linalg.qr(np.random.default_rng(2).normal(size=(5, 5)))[0]
    assert linear_cka(x, other=3 * x @ turn + 4).estimate == pytest.approx(1)
    kx, ky = (c @ c.T for c in (x - x.mean(axis=0), y - y.mean(axis=0)))
    expected = np.sum(kx * ky) / math.sqrt(np.sum(kx**2) * np.sum(ky**2))
    assert linear_cka(x, other=y).estimate == pytest.approx(expected)
    with pytest.raises(DataError, match="50 texts against 49"):
        linear_cka(x, other=y[:49])
