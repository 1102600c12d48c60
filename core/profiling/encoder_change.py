"""What an intermediate stage did to the encoder, before any training on a target.

Retrieval of translations per language with the encoder before and after (the same sentences and layer as a run on
that target, so the figures are that run's), the similarity of every layer's sentence vectors to those of the
original encoder (linear CKA), and the masked-language loss of models that have the head they were pretrained with.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch

from core.data.datasets import TEST_SEED, subsample
from core.encoder.loading import embed, load_encoder
from core.errors import DataError, HubUnreachable, SpecError
from core.events import LanguageSkipped
from core.examples import Split
from core.heads.states import Encoder
from core.measures.inference.intervals import Interval, Plan, mean_interval
from core.measures.metrics.retrieval import hits
from core.measures.similarity.alignment import linear_cka
from core.profiling.masked_loss import MaskedPair, masked_pair, sentence_losses
from core.training.context import RunContext
from core.training.plan import plan_intermediate
from core.training.reuse import train_or_reuse
from core.types.pieces import Array, tokenise
from core.types.table import task_type

CKA_SENTENCES = 500
"""Sentences of a language whose layers are compared, at most: CKA of fewer sentences than dimensions is biased up."""

_BATCH_TOKENS = 8192


class EncoderChange(NamedTuple):
    """One row of the table `encoder_changes`."""

    intermediate: str
    """Text form; `none` for the original encoder."""
    lang: str
    """XTREME's code."""
    layer: int
    """0 the embeddings."""
    measure: str
    """`retrieval`: share of sentences whose translation is found; `retrieval_change`: that minus the original's;
    `cka`: with the original encoder, 1 where nothing changed but rotation and scale; `masked_loss`: of the pretrained
    head, `masked_loss_change`: that minus the original's."""
    value: float
    """In [0, 1]; a change in [-1, 1]; losses in nats a masked piece, large where worse."""
    ci_low: float
    """Of the 95 % interval over sentences."""
    ci_high: float
    """Upper end."""
    n: int
    """Sentences."""


class _Pair(NamedTuple):
    """The encoder before and after the stage."""

    before: Encoder
    after: Encoder


def measure_encoder_change(context: RunContext, *, langs: Sequence[str], resamples: int) -> list[EncoderChange]:
    """Retrieval before and after the run's intermediate stage, and CKA of every layer, per language.

    A language whose sentences are not there is reported as skipped and has no row.

    Args:
        context: Of a run; its target is the retrieval task whose sentences are used.
        langs: Languages of that task.
        resamples: Of the intervals of retrieval; those of CKA need none.

    Raises:
        SpecError: The target is not retrieval by rank, or there is no intermediate.
        DataError: No language could be measured.
    """
    task = context.spec.task(context.spec.target)
    if task_type(task.type).translation is None or task.mining:
        raise SpecError(f"'{task.name}' is no retrieval task that ranks translations; expected one such as tatoeba.")
    folder = train_or_reuse(context, plan_intermediate(context), parent=None)
    pair = _Pair(*(load_encoder(context.spec.model, weights=weights) for weights in (None, folder.encoder)))
    for encoder in pair:
        context.place(encoder)
    masked = masked_pair(context, after=pair.after)
    rows: list[EncoderChange] = []
    english: dict[str, None] = {}
    for lang in langs:
        try:
            split = context.loader.scored("test", lang, labels=())
            every = context.loader.parallel(lang)
        except HubUnreachable:
            raise
        except DataError as error:
            context.emit(LanguageSkipped(lang=lang, reason=str(error)))
            continue
        english |= dict.fromkeys(_sides(every).english)
        rows += _retrieval(context, pair, split=split, resamples=resamples)
        if lang != "en":  # compared once, at the end, on the English sides of all
            texts = _sides(subsample(every, n=CKA_SENTENCES, seed=TEST_SEED)).sources
            rows += _alignment(context, pair, lang=lang, texts=texts)
            rows += _masked(context, masked, lang=lang, texts=texts, resamples=resamples)
    if not rows:
        raise DataError(f"None of {len(langs)} languages of '{task.name}' could be measured; see what was skipped.")
    texts = _drawn(list(english))
    rows += _alignment(context, pair, lang="en", texts=texts)
    return rows + _masked(context, masked, lang="en", texts=texts, resamples=resamples)


class _Sides(NamedTuple):
    """Sentences and their translations, in the same order."""

    sources: list[str]
    english: list[str]


def _sides(split: Split) -> _Sides:
    translation = task_type(split.task.type).translation
    assert translation is not None  # checked before anything is measured
    pairs = [translation(e) for e in split.examples]
    return _Sides([source for source, _ in pairs], [english for _, english in pairs])


def _drawn(texts: list[str]) -> list[str]:
    """A seeded sample of the English sides, each sentence once."""
    rows = np.random.default_rng(TEST_SEED).permutation(len(texts))[:CKA_SENTENCES]
    return [texts[i] for i in np.sort(rows)]


def _retrieval(context: RunContext, pair: _Pair, *, split: Split, resamples: int) -> list[EncoderChange]:
    sides = _sides(split)
    protocol, model = context.spec.protocol, context.spec.model
    layer = protocol.retrieval_layer if protocol.retrieval_layer is not None else model.retrieval_layer
    pooling = protocol.retrieval_pooling or model.retrieval_pooling

    def found(encoder: Encoder) -> Array:
        english, other = (
            embed(
                encoder, texts, layer=layer, pooling=pooling, batch_tokens=_BATCH_TOKENS, prefix=model.retrieval_prefix
            )
            for texts in (sides.english, sides.sources)
        )
        return np.asarray(hits(english, other), dtype=float)

    before, after = found(pair.before), found(pair.after)
    place, plan = _place(layer, encoder=pair.before), Plan(resamples)
    rng = np.random.default_rng([context.spec.seed, 9, *split.lang.encode()])
    return [
        _row(name, split.lang, place, measure, mean_interval(values, rng=rng, plan=plan))
        for name, measure, values in (
            ("none", "retrieval", before),
            (context.spec.intermediate_name, "retrieval", after),
            (context.spec.intermediate_name, "retrieval_change", after - before),
        )
    ]


def _place(layer: int | None, *, encoder: Encoder) -> int:
    """The layer counted from the embeddings, 0."""
    last = int(encoder.model.config.num_hidden_layers)
    if layer is None:
        return last
    return layer if layer >= 0 else last + 1 + layer


def _alignment(context: RunContext, pair: _Pair, *, lang: str, texts: list[str]) -> list[EncoderChange]:
    """CKA of each layer before with the same layer after; a layer whose vectors are all alike has no row."""
    layers = [all_layers(encoder, texts) for encoder in pair]
    rows = []
    for layer, (before, after) in enumerate(zip(*layers, strict=True)):
        if min(np.ptp(states, axis=0).max() for states in (before, after)) > 0:
            interval = linear_cka(after, other=before)
            rows.append(_row(context.spec.intermediate_name, lang, layer, "cka", interval))
    return rows


def _masked(
    context: RunContext, masked: MaskedPair | None, *, lang: str, texts: list[str], resamples: int
) -> list[EncoderChange]:
    """Loss of the pretrained head before and after; no row where the model has none."""
    if masked is None:
        return []
    losses = np.stack([sentence_losses(one, texts) for one in masked])
    before, after = losses[:, np.isfinite(losses[0])]
    place, plan = _place(None, encoder=masked.before.encoder), Plan(resamples)
    rng = np.random.default_rng([context.spec.seed, 10, *lang.encode()])
    return [
        _row(name, lang, place, measure, mean_interval(values, rng=rng, plan=plan))
        for name, measure, values in (
            ("none", "masked_loss", before),
            (context.spec.intermediate_name, "masked_loss", after),
            (context.spec.intermediate_name, "masked_loss_change", after - before),
        )
    ]


def _row(name: str, lang: str, layer: int, measure: str, interval: Interval) -> EncoderChange:
    return EncoderChange(name, lang, layer, measure, interval.estimate, interval.low, interval.high, interval.n)


def all_layers(encoder: Encoder, texts: Sequence[str]) -> Array:
    """Mean over pieces of the states of every layer, not scaled, in the order of the texts.

    Args:
        encoder: Evaluated without dropout.
        texts: Sentences; cut at the encoder's longest input.

    Returns:
        (layers + 1, n_texts, hidden) float64, the embeddings first.
    """
    limit = min(encoder.max_length, 512)
    ids = tokenise(encoder, texts, limit=limit)["input_ids"]
    out: Array | None = None
    encoder.model.eval()
    with torch.inference_mode():
        for rows in _batches([len(row) for row in ids]):
            padded = encoder.tokenizer.pad({"input_ids": [ids[i] for i in rows]}, return_tensors="pt")
            mask = padded["attention_mask"].to(encoder.device)
            states = encoder.model(
                input_ids=padded["input_ids"].to(encoder.device), attention_mask=mask, output_hidden_states=True
            ).hidden_states
            if out is None:
                out = np.zeros((len(states), len(texts), states[0].shape[-1]))
            weights = mask.unsqueeze(-1).to(states[0].dtype)
            for layer, found in enumerate(states):
                out[layer, rows] = ((found * weights).sum(dim=1) / weights.sum(dim=1)).double().cpu().numpy()
    if out is None:
        raise DataError("No sentence to compare the layers on. Expected at least three.")
    return out


def _batches(lengths: list[int]) -> Iterator[list[int]]:
    order = np.argsort(lengths, kind="stable")[::-1]
    start = 0
    while start < len(order):
        size = max(1, _BATCH_TOKENS // lengths[order[start]])
        yield order[start : start + size].tolist()
        start += size
