"""What rules that read no meaning go by, and what the rules of each type say."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from core.encoder.judging import floors, taught
from core.examples import Split
from core.measures.metrics.labels import micro_f1
from core.spec.task import Metric
from core.types.classification import TextExample
from core.types.floors import commonest, commonest_set, question_window, word_shape
from core.types.multiple_choice import ChoiceExample
from core.types.span_qa import SpanExample
from core.types.table import TYPES
from core.types.tagging import TaggedExample
from tests.fakes import TRAINED, toy_split


@pytest.mark.parametrize(
    ("word", "shape"),
    [("Ada", "Xx"), ("NASA", "X"), ("1815", "0"), ("it's", "x.x"), ("McCarthy", "XxXx"), ("日本", "o"), ("?", "."),
     ("B-52", "X.0"), ("", "")],
)  # fmt: skip
def test_a_word_is_the_kinds_of_its_characters(word: str, shape: str) -> None:
    assert word_shape(word) == shape


def test_the_smaller_of_two_equally_common_labels() -> None:
    assert commonest([2, 1, 1, 2, 0], n=4) == 1


def test_the_commonest_set_is_the_best_of_all_sets() -> None:
    rng = np.random.default_rng(0)
    for shares in ([0.9, 0.5, 0.1], [0.2, 0.2, 0.2], [0.6, 0.55, 0.05]):
        hot = rng.random((60, 3)) < shares
        chosen = commonest_set(hot)
        every = [c for size in (1, 2, 3) for c in itertools.combinations(range(3), size)]
        scores = {c: micro_f1(hot, np.isin(np.arange(3), c)[None, :].repeat(60, axis=0)) for c in every}
        assert scores[chosen] == pytest.approx(max(scores.values()))


def test_the_window_holds_most_words_of_the_question() -> None:
    context = "Ada wrote a note. Charles Babbage built an engine in London, and nobody paid."
    assert question_window("Who built an engine?", context, size=3) == "built an engine"
    assert question_window("Nothing of it", context, size=2) == "Ada wrote"
    assert question_window("Who?", "one", size=8) == "one"
    assert question_window("Who?", "", size=8) == ""
    # Written without spaces: each character is a word.
    assert question_window("機関は何ですか", "彼は蒸気機関を作った。", size=2) == "機関"


def test_the_window_by_brute_force() -> None:
    rng, words = np.random.default_rng(1), list("abcdefgh")
    for _ in range(60):
        found, asked = rng.choice(words, 12).tolist(), set(rng.choice(words, 3).tolist())
        size = int(rng.integers(1, 6))
        windows = [found[i : i + size] for i in range(12 - size + 1)]
        best = max(windows, key=lambda w: len(set(w) & asked))
        assert question_window(" ".join(asked), " ".join(found), size=size) == " ".join(best)


@pytest.mark.parametrize("kind", TRAINED)
def test_every_type_has_rules_that_any_split_can_be_guessed_by(kind: str) -> None:
    train, test = toy_split(kind), toy_split(kind, role="test", lang="de")
    best = floors(taught(train), test, metrics=test.task.metrics)
    assert set(best) == set(test.task.metrics)
    assert all(-1 <= floor.found.score <= 1 for floor in best.values())


def test_every_type_that_is_trained_has_a_rule() -> None:
    for kind in TYPES.values():
        assert kind.learning is None or kind.learning.rules, kind.name


def _with(kind: str, examples: tuple[object, ...], **task: object) -> Split:
    split = toy_split(kind)
    return split._replace(examples=examples, task=split.task.model_copy(update=task))  # type: ignore[arg-type]


def test_the_majority_of_training_is_guessed_whatever_the_test_set_is_like() -> None:
    train = _with("classification", tuple(TextExample(str(i), "a", None, 2 if i < 5 else 0) for i in range(8)))
    test = _with("classification", tuple(TextExample(str(i), "a", None, 0 if i < 6 else 2) for i in range(8)))
    floor = floors(taught(train), test, metrics=[Metric.ACCURACY])[Metric.ACCURACY]
    assert floor.rule == "the commonest label for every text" and floor.found.score == 0.25


def test_the_better_rule_of_tagging_depends_on_the_language() -> None:
    labels = ("O", "B-PER", "I-PER")
    train = _with("tagging", (TaggedExample("a", ("Ada", "sleeps", "in", "Rome"), (1, 0, 0, 1)),))._replace(
        labels=labels
    )
    names = train._replace(examples=(TaggedExample("b", ("Bob", "sings"), (1, 0)),))
    found = floors(taught(train), names, metrics=[Metric.F1])[Metric.F1]
    assert (found.rule, found.found.score) == ("the commonest tag of the word's shape", 1.0)
    whole = train._replace(examples=(TaggedExample("c", ("東京", "タワー"), (1, 2)),))
    found = floors(taught(train), whole, metrics=[Metric.F1])[Metric.F1]
    assert (found.rule, found.found.score) == ("the whole sentence as one entity", 1.0)


def test_a_place_that_a_question_does_not_have_becomes_the_first() -> None:
    three = ("x", "y", "z")
    train = _with("multiple_choice", tuple(ChoiceExample(str(i), "t", three, 2) for i in range(3)))
    test = _with("multiple_choice", (ChoiceExample("a", "t", three[:2], 0), ChoiceExample("b", "t", three, 2)))
    assert floors(taught(train), test, metrics=[Metric.ACCURACY])[Metric.ACCURACY].found.score == 1.0


def test_no_answer_is_a_rule_where_questions_may_have_none() -> None:
    train = _with("span_qa", (SpanExample("a", "who ?", "the cat runs", ("cat",), (4,)),), has_no_answer=True)
    test = train._replace(examples=tuple(SpanExample(str(i), "who ?", "the cat runs", (), ()) for i in range(4)))
    floor = floors(taught(train), test, metrics=[Metric.F1])[Metric.F1]
    assert (floor.rule, floor.found.score) == ("no answer to any question", 1.0)
