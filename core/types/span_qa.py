"""Span question answering: the answer is a span of a passage, or there is none.

One example: question "Who sleeps?", context "Maria sleeps.", answer "Maria" from character 0 on.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from core.examples import Example, Flag, Split
from core.measures.difficulty.log_probabilities import LogProbabilities
from core.measures.metrics.answers import AnswerScores, score_answers
from core.spec.task import Metric, TaskSpec
from core.types import base
from core.types.columns import Read, Rows, column_of, ids_of, text_of, wrong
from core.types.floors import WINDOWS, question_window
from core.types.pieces import (
    Array,
    Features,
    Ints,
    RowCollector,
    all_masked,
    chunks,
    one_each,
    sequences_of,
    stride_beside_questions,
    tokenise,
)

if TYPE_CHECKING:
    import torch

    from core.heads.layers import Head
    from core.heads.states import Batch, Encoder

N_BEST = 20
"""Starts and ends that are combined in each window (the official SQuAD baseline's figure)."""
MAX_ANSWER_PIECES = 30
"""Longest answer, in pieces (the same source)."""
_RULE_QUESTIONS = 300
"""Training questions that the size of a rule's window is chosen on."""


class SpanExample(NamedTuple):
    """A question about a passage."""

    id: str
    question: str
    context: str
    answers: tuple[str, ...]
    """Gold answers; empty where the question has none."""
    starts: tuple[int, ...]
    """First character of each answer in the context; -1 where the answer is not in it word by word."""


# --------------------------------------------------------------------------------------------------------- reading


def _read(rows: Rows) -> Read:
    found: list[Example] = []
    lost = repaired = textual = 0
    questions, contexts = text_of(rows, "question"), text_of(rows, "context")
    for i, q, c, cell in zip(ids_of(rows), questions, contexts, column_of(rows, "answers"), strict=True):
        texts, stated = _answers(rows, cell)
        if not texts and rows.role == "train" and not rows.task.has_no_answer:
            lost += 1
            continue
        starts = tuple(_start(c, text, at) for text, at in zip(texts, stated, strict=True))
        repaired += sum(s not in (-1, at) for s, at in zip(starts, stated, strict=True))
        textual += starts.count(-1)
        if rows.role == "train" and texts and max(starts) < 0:
            lost += 1
            continue
        found.append(SpanExample(i, q, c, texts, starts))
    return Read(tuple(found), remarks=_remarks(len(found), lost=lost, repaired=repaired, textual=textual))


def _remarks(n: int, *, lost: int, repaired: int, textual: int) -> tuple[Flag, ...]:
    gone = f"{lost} questions whose answer is not in the passage were left out, {n} are used"
    remarks = (
        (lost, Flag("answers_dropped", gone)),
        (repaired, Flag("offsets_repaired", f"{repaired} wrong answer offsets were mended by search")),
        (textual, Flag("answers_not_in_passage", f"{textual} answers are not in the passage word by word")),
    )
    return tuple(flag for count, flag in remarks if count)


def _start(context: str, answer: str, stated: int) -> int:
    """Where the answer begins: as stated if it is there, else the nearest place it occurs, else -1."""
    if answer and stated >= 0 and context.startswith(answer, stated):
        return stated
    if not answer or answer not in context:
        return -1
    before = context.rfind(answer, 0, max(stated, 0) + len(answer))
    after = context.find(answer, max(stated, 0))
    return min((at for at in (before, after) if at >= 0), key=lambda at: (abs(at - stated), at))


def _answers(rows: Rows, cell: Any) -> tuple[tuple[str, ...], tuple[int, ...]]:  # noqa: ANN401  # a stranger's cell
    if isinstance(cell, Mapping) and "text" in cell:
        texts, starts = cell["text"] or (), cell.get("answer_start")
    elif isinstance(cell, list):
        texts, starts = [a["text"] for a in cell], [a.get("answer_start", -1) for a in cell]
    else:
        raise wrong(rows, f"column '{rows.columns.answers}' holds {cell!r}"[:200], "lists `text` and `answer_start`")
    found = [(str(t), int(s)) for t, s in zip(texts, starts or [-1] * len(texts), strict=True) if t]
    return tuple(t for t, _ in found), tuple(s for _, s in found)


def _text(example: SpanExample) -> str:
    return base.joined(example.question, example.context)


def _known_text(example: SpanExample) -> str:
    return example.context  # SQuAD's validation split and XQuAD share passages


def _label_names(example: SpanExample, names: Sequence[str]) -> list[str]:
    del example, names
    return []


def _placeholder(examples: Sequence[SpanExample], task: TaskSpec) -> str | None:
    is_empty = not task.has_no_answer and not any(e.answers for e in examples)
    return f"the answers of all {len(examples)} questions are empty" if is_empty else None


# -------------------------------------------------------------------------------------------------------- features


def _featurise(split: Split, encoder: Encoder, limit: int) -> Features:
    """Windows of the passage behind the question; without the answer in it a window points at the summary token."""
    rows = RowCollector()
    offsets: list[Array] = []
    targets: list[tuple[int, int]] = []
    stride = stride_beside_questions(split.task, encoder, limit=limit)
    for start, chunk in chunks(base.records(split, SpanExample)):
        questions = _cut_questions([e.question.strip() for e in chunk], encoder=encoder, limit=limit)
        contexts = [e.context for e in chunk]
        encoded = tokenise(encoder, questions, second=contexts, limit=limit, stride=stride, truncation="only_second")
        owners = encoded["overflow_to_sample_mapping"]
        rows.add(encoded, examples=[start + o for o in owners], takes_types=encoder.takes_types)
        for row, owner in enumerate(owners):
            places = _context_offsets(encoded, row)
            offsets.append(places)
            targets.append(_target(places, example=chunk[owner], encoder=encoder))
    positions = np.concatenate(offsets).astype(np.int32)
    return rows.finish(np.asarray(targets, dtype=np.int64), targets_on="places", positions=positions)


def _context_offsets(encoded: Any, row: int) -> Array:  # noqa: ANN401  BatchEncoding
    places = np.asarray(encoded["offset_mapping"][row], dtype=np.int64).reshape(-1, 2).copy()
    places[:, 1] -= 1  # last character, not one behind it
    places[(sequences_of(encoded, row) != 1) | (places[:, 1] < places[:, 0])] = -1
    return places


def _target(places: Array, *, example: SpanExample, encoder: Encoder) -> tuple[int, int]:
    nowhere = 0 if encoder.summary == "first" else len(places) - 1
    for answer, first in zip(example.answers, example.starts, strict=True):
        last = first + len(answer) - 1
        inside = np.flatnonzero((places[:, 0] >= 0) & (places[:, 1] >= first) & (places[:, 0] <= last))
        if first < 0 or not len(inside):
            continue
        begin, end = int(inside[0]), int(inside[-1])
        if places[begin, 0] <= first and places[end, 1] >= last:
            return begin, end
    return nowhere, nowhere


def _cut_questions(questions: list[str], *, encoder: Encoder, limit: int) -> list[str]:
    """Questions of at most half the window, cut at a piece's end: the passage needs the other half."""
    most = limit // 2
    encoded = encoder.tokenizer(questions, add_special_tokens=False, return_offsets_mapping=True)
    return [
        q if len(spans) <= most else q[: spans[most - 1][1]]
        for q, spans in zip(questions, encoded["offset_mapping"], strict=True)
    ]


def _positions(features: Features) -> Array:
    assert features.positions is not None  # set by `_featurise`
    return features.positions


# ------------------------------------------------------------------------------------------------ head, probabilities


def _head(encoder: Encoder, n_labels: int, dropout: float | None) -> Head:
    from core.heads.layers import token_head  # noqa: PLC0415  torch, only where a model is

    del n_labels
    return token_head(encoder, outputs=2, dropout=dropout)


def _loss_sum(logits: torch.Tensor, batch: Batch) -> torch.Tensor:
    """The mean of the start's loss and the end's."""
    from torch.nn import functional  # noqa: PLC0415  see `_head`

    targets = base.targets_of(batch)
    logits = logits.masked_fill(batch.mask.unsqueeze(-1) == 0, -1e4)
    start = functional.cross_entropy(logits[..., 0], targets[:, 0], reduction="sum")
    return (start + functional.cross_entropy(logits[..., 1], targets[:, 1], reduction="sum")) / 2


def _log_probabilities(logits: torch.Tensor, batch: Batch) -> torch.Tensor:
    from torch.nn import functional  # noqa: PLC0415  see `_head`

    logits = logits.masked_fill(batch.mask.unsqueeze(-1) == 0, -1e4)
    return -functional.cross_entropy(logits, base.targets_of(batch), reduction="none").sum(dim=1)


def _by_example(by_item: Array, features: Features) -> LogProbabilities:
    """Of the window that the answer is looked for in."""
    chosen = _answering(features)
    return LogProbabilities(by_item[chosen], np.ones(len(chosen)))


def _answering(features: Features) -> Ints:
    """(n_examples,) the first window that holds the answer, or the first window where none does."""
    owner, n = features.owners
    begins = features.starts[:-1] + features.targets[:, 0]
    inside = _positions(features)[begins, 0] >= 0
    window = np.full(n, -1, dtype=np.int64)
    for wanted in (inside, ~inside):
        rows = np.flatnonzero(wanted & (window[owner] < 0))[::-1]
        window[owner[rows]] = rows  # reversed: the first window of an example is written last
    return window


def _uniform(features: Features, n_labels: int) -> LogProbabilities:
    """Over the pieces of the window, once for the start and once for the end."""
    del n_labels
    rows = features.row_lengths[_answering(features)]
    return LogProbabilities(-2 * np.log(rows), np.ones(len(rows)))


# ------------------------------------------------------------------------------------------------ decoding, scoring


def _decoded(raw: Array, features: Features, split: Split, encoder: Encoder) -> list[base.Prediction]:
    examples = base.records(split, SpanExample)
    best: list[tuple[float, str]] = [(-np.inf, "")] * len(examples)
    nothing = np.full(len(examples), np.inf)
    for row, owner in enumerate(features.example_of):
        piece = slice(int(features.starts[row]), int(features.starts[row + 1]))
        logits, places = raw[piece], _positions(features)[piece]
        summary = logits[0 if encoder.summary == "first" else -1]
        nothing[owner] = min(nothing[owner], float(summary.sum()))
        span = best_span(logits, usable=places[:, 0] >= 0)
        if span is not None and span[0] > best[owner][0]:
            best[owner] = (span[0], examples[owner].context[places[span[1], 0] : places[span[2], 1] + 1])
    may_be_empty = split.task.has_no_answer
    return ["" if may_be_empty and nothing[i] > score else text for i, (score, text) in enumerate(best)]


def best_span(logits: Array, *, usable: Array) -> tuple[float, int, int] | None:
    """Score, first and last piece of the best span of one window; None where the window holds no passage.

    Args:
        logits: (n_pieces, 2) of start and end.
        usable: (n_pieces,) bool, whether a piece is of the passage.
    """
    pieces = np.flatnonzero(usable)
    if not len(pieces):
        return None
    starts = pieces[np.argsort(-logits[pieces, 0], kind="stable")[:N_BEST]]
    ends = pieces[np.argsort(-logits[pieces, 1], kind="stable")[:N_BEST]]
    size = ends[None, :] - starts[:, None] + 1
    scores = np.where(
        (size >= 1) & (size <= MAX_ANSWER_PIECES), logits[starts, 0][:, None] + logits[ends, 1][None, :], -np.inf
    )
    i, j = np.unravel_index(int(np.argmax(scores)), scores.shape)
    if not np.isfinite(scores[i, j]):
        return None
    return float(scores[i, j]), int(starts[i]), int(ends[j])


def _as_text(prediction: str, labels: Sequence[str]) -> str:
    del labels
    return prediction


def _gold(example: SpanExample) -> tuple[str, ...]:
    return example.answers


def _compared(predicted: base.Predicted) -> AnswerScores:
    task = predicted.split.task
    return score_answers(
        [str(p) for p in predicted.predictions],
        list(predicted.gold),
        normalisation=task.answer_normalisation,
        lang=predicted.split.lang,
        no_answer=task.has_no_answer,
    )


def _f1(predicted: base.Predicted) -> base.MetricScore:
    found = _compared(predicted)
    return base.MetricScore(found.f1, len(predicted.predictions), found.f1_each)


def _exact_match(predicted: base.Predicted) -> base.MetricScore:
    found = _compared(predicted)
    return base.MetricScore(found.exact_match, len(predicted.predictions), found.exact_each)


# ------------------------------------------------------------------------------------- placebo, thirds, selectors


def _window(train: Split) -> Callable[[Split], base.Guess]:
    """The window of a passage with most words of the question, in the size that suits English training questions."""
    drawn = base.records(train, SpanExample)[:_RULE_QUESTIONS]

    def guess(split: Split, size: int) -> base.Guess:
        return base.Guess([question_window(e.question, e.context, size=size) for e in base.records(split, SpanExample)])

    def score(size: int) -> float:
        some = train._replace(examples=drawn)
        return _f1(base.Predicted(some, [e.answers for e in drawn], guess(some, size).predictions, None)).score

    return partial(guess, size=max(WINDOWS, key=score))


def _no_answer(train: Split) -> Callable[[Split], base.Guess]:
    del train
    return base.always("")


def _shuffled(examples: Sequence[SpanExample], rng: np.random.Generator) -> list[SpanExample]:
    """An answer moves to a random place of its own passage and keeps its length."""
    return [_moved(e, rng=rng) for e in examples]


def _moved(example: SpanExample, *, rng: np.random.Generator) -> SpanExample:
    if not example.answers:
        return example
    size = min(len(example.answers[0]), len(example.context))
    start = int(rng.integers(0, len(example.context) - size + 1))
    return example._replace(answers=(example.context[start : start + size],), starts=(start,))


def _strata(split: Split) -> Ints:
    """Whether there is an answer."""
    return base.classes([float(bool(e.answers)) for e in base.records(split, SpanExample)])


def _picked(features: Features, rng: np.random.Generator) -> base.Picked:
    """One piece of the passage of each question with an answer: inside it, or outside, with equal chance."""
    positions = _positions(features)
    places = np.flatnonzero(positions[:, 0] >= 0)
    rows = np.searchsorted(features.starts, places, side="right") - 1
    start, end = (features.starts[rows] + features.targets[rows, side] for side in (0, 1))
    answered = (positions[features.starts[:-1] + features.targets[:, 0], 0] >= 0)[rows]
    inside = (places >= start) & (places <= end)
    wanted = rng.random(int(features.example_of.max()) + 1) < 0.5
    fits = np.flatnonzero(answered & (inside == wanted[features.example_of[rows]]))
    first = fits[one_each(features.example_of[rows[fits]], rng=rng)]
    return base.Picked(rows[first], places[first], inside[first].astype(np.int64))


SPAN_QA = base.TaskType(
    name="span_qa",
    summary="A span of a context that answers a question, or no answer.",
    record=SpanExample,
    columns=("question", "context", "answers"),
    read=_read,
    text=_text,
    own_text=_text,
    known_text=_known_text,
    label_names=_label_names,
    placeholder=_placeholder,
    relabelled=base.unchanged,
    learning=base.Learning(
        featurise=_featurise,
        blanked=all_masked,
        head=_head,
        loss_sum=_loss_sum,
        log_probabilities=_log_probabilities,
        by_example=_by_example,
        uniform=_uniform,
        reads="pieces",
        decoded=_decoded,
        as_text=_as_text,
        gold=_gold,
        metrics={Metric.F1: _f1, Metric.EXACT_MATCH: _exact_match},
        rules={"the window with most words of the question": _window, "no answer to any question": _no_answer},
        shuffled=_shuffled,
        strata=_strata,
        picked=_picked,
    ),
)
