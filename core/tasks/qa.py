"""Span question answering in English: SQuAD v1.1 and v2.0.

One example: question "Who sleeps?", context "The cat sleeps.", answers `{"text": ["The cat"], "answer_start": [0]}`.
"""

from __future__ import annotations

from core.spec.task import Columns, Metric, Role, SplitRef, TaskSpec

_COLUMNS = Columns(question="question", context="context", answers="answers", id="id")
_SQUAD_REVISION = "7b6d24c440a36b6815f21b70d25016731768db1f"

SQUAD = TaskSpec(
    name="squad",
    title="SQuAD v1.1",
    type="span_qa",
    roles=(Role.INTERMEDIATE,),
    summary="Find the words of a Wikipedia paragraph that answer a question.",
    languages=("en",),
    columns=_COLUMNS,
    train=SplitRef(path="rajpurkar/squad", config="plain_text", split="train", revision=_SQUAD_REVISION),
    dev=SplitRef(path="rajpurkar/squad", config="plain_text", split="validation", revision=_SQUAD_REVISION),
    metrics=(Metric.F1, Metric.EXACT_MATCH),
    chance=0.0,
    max_length=384,
    doc_stride=128,
    licence="CC BY-SA 4.0",
    citation="Rajpurkar et al. 2016, 1606.05250",
    url="https://rajpurkar.github.io/SQuAD-explorer/",
    train_examples=87_599,
    domain_words=("Wikipedia",),
    cautions=(
        "Its validation set contains the paragraphs of XQuAD: never train on that set where XQuAD is a target.",
        "XQuAD and MLQA use its training set, so before them it is more of the same.",
    ),
)

SQUAD_V2 = TaskSpec(
    name="squad_v2",
    title="SQuAD v2.0",
    type="span_qa",
    roles=(Role.INTERMEDIATE,),
    summary="SQuAD v1.1 with questions whose answer is not in the paragraph.",
    languages=("en",),
    columns=_COLUMNS,
    train=SplitRef(path="rajpurkar/squad_v2", config="squad_v2", split="train"),
    dev=SplitRef(path="rajpurkar/squad_v2", config="squad_v2", split="validation"),
    metrics=(Metric.F1, Metric.EXACT_MATCH),
    chance=0.5,
    max_length=384,
    doc_stride=128,
    has_no_answer=True,
    licence="CC BY-SA 4.0",
    citation="Rajpurkar et al. 2018, 1806.03822",
    url="https://rajpurkar.github.io/SQuAD-explorer/",
    train_examples=130_319,
    domain_words=("Wikipedia",),
    cautions=(
        "There are no labels to guess among, so always answering 'no answer' is taken for guessing: it scores 0.50 on "
        "the official development set.",
        "Shares its answerable questions with SQuAD v1.1; its validation set contains paragraphs of XQuAD.",
    ),
)
