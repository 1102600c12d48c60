"""Chunks: IOB2 against the installed seqeval, POS against seqeval 0.0.12's rules written out plainly."""

from __future__ import annotations

import numpy as np
import pytest
from seqeval.metrics import f1_score, precision_score, recall_score
from seqeval.metrics.sequence_labeling import get_entities

from core.errors import DataError
from core.measures.metrics import entities
from core.measures.metrics.entities import Chunk

IOB2 = ["O", "B-PER", "I-PER", "B-LOC", "I-LOC", "B-ORG", "I-ORG"]
UPOS = ["ADJ", "ADP", "ADV", "AUX", "CCONJ", "DET", "INTJ", "NOUN", "NUM", "PART", "PRON", "PROPN", "PUNCT"]
UPOS += ["SCONJ", "SYM", "VERB", "X"]


def test_iob2_by_hand() -> None:
    gold = [["B-PER", "I-PER", "O", "B-LOC"], ["O", "B-ORG"]]
    predicted = [["B-PER", "I-PER", "O", "I-LOC"], ["B-ORG", "I-ORG"]]
    # I-LOC without B-LOC begins a chunk (not strict): right are PER(0,1) and LOC(3,3) of 3 gold and 3 predicted.
    found = entities.chunk_scores(entities.chunk_counts(gold, predicted, scheme="iob2"))
    assert found == pytest.approx((2 / 3, 2 / 3, 2 / 3))
    assert entities.sentence_f1(entities.chunk_counts(gold, predicted, scheme="iob2")).tolist() == [1, 0]
    assert entities.word_accuracy(gold, predicted) == pytest.approx(3 / 6)


def test_pos_by_hand() -> None:
    # Equal neighbours merge; SCONJ and SYM (first letter S) are always single.
    assert entities.chunks(["NOUN", "NOUN", "VERB"], scheme="plain") == [Chunk("NOUN", 0, 1), Chunk("VERB", 2, 2)]
    assert entities.chunks(["SYM", "SYM"], scheme="plain") == [Chunk("SYM", 0, 0), Chunk("SYM", 1, 1)]
    # gold NOUN NOUN VERB = 2 chunks, predicted NOUN ADJ VERB = 3 chunks, only VERB right: 2·1/5, though accuracy is 2/3
    gold, predicted = [["NOUN", "NOUN", "VERB"]], [["NOUN", "ADJ", "VERB"]]
    assert entities.chunk_scores(entities.chunk_counts(gold, predicted, scheme="plain")).f1 == pytest.approx(0.4)
    assert entities.word_accuracy(gold, predicted) == pytest.approx(2 / 3)


def _seqeval_0_0_12(tags: list[str]) -> set[tuple[str, int, int]]:
    """The rules of the old version, one line each, over the whole tag as type."""
    found, prev, prev_type, begin = set(), "O", "", 0
    for i, whole in enumerate([*tags, "O"]):
        tag, type_ = whole[0], whole.split("-")[-1]
        pair = (prev, tag)
        end = prev in "ES" or pair in {("B", "B"), ("B", "S"), ("B", "O"), ("I", "B"), ("I", "S"), ("I", "O")}
        end = end or (prev not in "O." and prev_type != type_)
        start = tag in "BS" or pair in {("E", "E"), ("E", "I"), ("S", "E"), ("S", "I"), ("O", "E"), ("O", "I")}
        start = start or (tag not in "O." and prev_type != type_)
        if end:
            found.add((prev_type, begin, i - 1))
        begin = i if start else begin
        prev, prev_type = tag, type_
    return found


@pytest.mark.parametrize("seed", range(20))
def test_equal_to_seqeval(seed: int) -> None:
    rng = np.random.default_rng(seed)
    gold = [list(map(str, rng.choice(IOB2, size=n))) for n in rng.integers(1, 15, 20)]
    predicted = [list(map(str, rng.choice(IOB2, size=len(g)))) for g in gold]
    found = entities.chunk_scores(entities.chunk_counts(gold, predicted, scheme="iob2"))
    theirs = (precision_score(gold, predicted), recall_score(gold, predicted), f1_score(gold, predicted))
    assert tuple(found) == pytest.approx(theirs, abs=1e-9)
    tags = list(map(str, rng.choice([*UPOS, "B", "I", "E", "O"], size=60, p=None)))
    assert {tuple(c) for c in entities.chunks(tags, scheme="plain")} == _seqeval_0_0_12(tags)


def test_the_new_seqeval_reads_pos_otherwise() -> None:
    # 1.2.2 cuts the first letter off: "NOUN" is of type "OUN". That is why the old rules are written out.
    with pytest.warns(UserWarning, match="NOUN seems not to be NE tag"):
        assert get_entities(["NOUN"]) == [("OUN", 0, 0)]
    assert entities.chunks(["NOUN"], scheme="plain") == [Chunk("NOUN", 0, 0)]


def test_nothing_and_unequal_are_errors() -> None:
    with pytest.raises(DataError, match="no sentences"):
        entities.chunk_scores(entities.chunk_counts([], [], scheme="iob2"))
    with pytest.raises(DataError, match="Sentence 0 has 2 words and 1 predicted tags"):
        entities.word_accuracy([["A", "B"]], [["A"]])
    assert (
        entities.chunk_scores(entities.chunk_counts([["O"]], [["O"]], scheme="iob2")).f1 == 0
    )  # seqeval: nothing found is 0
