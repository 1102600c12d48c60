"""Retrieval and mining: what each example gave to the score."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from core.examples import Split
from core.types.retrieval import PairExample
from core.types.table import TYPES
from tests.fakes import toy_split


def _split(role: str, *, mining: bool) -> Split:
    """Thirty pairs; for mining, the last five have no translation and five translations no source."""
    split = toy_split("classification", role=role, n=1)
    rows = [PairExample(str(i), f"{role} quelle {i}", f"{role} source {i}") for i in range(30)]
    if mining:
        rows = [row._replace(target="") if i >= 25 else row for i, row in enumerate(rows)]
        rows += [PairExample(f"t{i}", "", f"{role} alone {i}") for i in range(5)]
    return split._replace(task=split.task.model_copy(update={"mining": mining}), examples=tuple(rows))


def _embed(texts: list[str]) -> npt.NDArray[np.float32]:
    """A translation is near its source; every fourth is not."""
    rows = []
    for text in texts:
        role, side, number = text.split()
        code = [ord(role[0]), int(number), side == "alone"]
        if side == "source" and int(number) % 4 == 0:
            code.append(7)
        noise = np.random.default_rng([*map(ord, text)]).normal(size=16)
        rows.append(np.random.default_rng([int(c) for c in code]).normal(size=16) + 0.3 * noise)
    vectors = np.array(rows)
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


@pytest.mark.parametrize("mining", [False, True])
def test_the_mean_of_the_credits_is_the_score(mining: bool) -> None:
    search = TYPES["retrieval"].search
    assert search is not None
    test, dev = _split("test", mining=mining), _split("dev", mining=mining)
    found = search(test, _embed, lambda: dev)
    credits = found.score.credits
    assert credits is not None and len(credits) == len(found.texts) == len(test.examples)
    assert 0.3 < found.score.score < 0.95
    assert credits.mean() == pytest.approx(found.score.score, abs=1e-12)
    if not mining:
        assert found.score.functional is None
        return
    counts = found.score.counts
    assert counts is not None and counts.sum(axis=0)[1] == found.score.n == 25
    assert counts[25:, 1].sum() == 0 and counts[30:].sum() == 0, "no true pair, and no source sentence at all"
    right = [text == str(i) for i, text in enumerate(found.texts)]  # the place of the example that was found
    assert counts[:, 0].astype(bool).tolist() == right
