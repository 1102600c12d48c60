"""English data to training objectives: features, a fresh head, and how development data are scored."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cached_property

import numpy as np
import torch

from core.encoder.batches import sorted_batches, training_batch
from core.encoder.device import autocast
from core.encoder.features import featurise, featurise_text
from core.encoder.frozen import with_states
from core.encoder.judging import Floor, Judgement, floors, judge, taught
from core.encoder.memory import halving, over_batches
from core.encoder.mlm import MlmHead, masked_batch, mlm_losses
from core.encoder.predicting import INFERENCE_TOKENS, label_scores, predict
from core.encoder.scoring import score
from core.examples import Split
from core.heads.layers import Head
from core.heads.states import Encoder
from core.measures.inference.one_sided import one_sided_paired
from core.spec.protocol import StageProtocol
from core.spec.task import Metric
from core.training.gradients import batch_loss
from core.training.loader import EnglishData
from core.training.mixture import Objective
from core.training.seeds import Draws
from core.types.base import MetricScore, Prediction, targets_of
from core.types.pieces import IGNORED, Array, Features, Ints
from core.types.table import learning_of


def supervised(
    data: Sequence[EnglishData], *, encoder: Encoder, protocol: StageProtocol, draws: Draws, max_length: int | None
) -> list[Objective]:
    """One objective per task, each with a fresh head: its first weights depend on seed, stage and task.

    With one task, or with tasks that share their headline metric, development scores are that metric (its mean); tasks
    of different metrics are selected by their mean development loss, negated.

    Args:
        data: English training and development data of each task.
        encoder: On its device.
        protocol: Gives the dropout.
        draws: Of the stage.
        max_length: Upper bound on the length of inputs.
    """
    shared = len({d.train.task.headline for d in data}) == 1
    objectives = []
    for d in data:
        head = fresh_head(d.train, encoder=encoder, dropout=protocol.dropout, draws=draws)
        made = _one(d, encoder=encoder, head=head, max_length=max_length, by_metric=shared)
        passes = _passes(made.features.n_items, protocol=protocol, draws=draws)
        made.features = with_states(made.features, encoder=encoder, passes=passes)
        objectives.append(made)
    return objectives


def _passes(n_items: int, *, protocol: StageProtocol, draws: Draws) -> float:
    """How often all of a task's training examples go through the encoder; a target's do so in other runs, too."""
    if protocol.mix_cap is not None and len(draws.tasks) > 1 and n_items > protocol.mix_cap:
        return 0.0
    steps = protocol.max_steps or math.inf
    passes = min(protocol.epochs, steps * protocol.batch_size / n_items)
    return 2 * passes if draws.kind == "target" else passes


def fresh_head(split: Split, *, encoder: Encoder, dropout: float | None, draws: Draws) -> Head:
    """A task's head before its first step, on the encoder's device.

    Args:
        split: Of the task; gives the labels.
        encoder: What it reads.
        dropout: Of the protocol; None: as the encoder's configuration says.
        draws: Of the stage.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(draws.of(split.task.name).number("head"))
        return learning_of(split.task.type).head(encoder, len(split.labels), dropout).to(encoder.device)


def _one(data: EnglishData, *, encoder: Encoder, head: Head, max_length: int | None, by_metric: bool) -> Objective:
    task, learning = data.train.task, learning_of(data.train.task.type)
    features = featurise(data.train, encoder=encoder, max_length=max_length)
    dev = featurise(data.dev, encoder=encoder, max_length=max_length)
    if data.without_input:
        features, dev = (learning.blanked(found, encoder) for found in (features, dev))
    if learning.start is not None:
        learning.start(head, features)
    dev = with_states(dev, encoder=encoder)
    scored = _SupervisedDev(data, dev, encoder=encoder, head=head)
    objective = Objective(
        name=task.name,
        kind=task.type,
        features=features,
        head=head,
        dev_score=scored,
        judge=scored.judgement,
        metric=task.headline if by_metric else "loss",
        n_dev=len(data.dev.examples),
        used_ids=np.union1d(features.ids, dev.ids),
    )
    if not by_metric:
        objective.dev_score = lambda: -_dev_loss(objective, dev, encoder=encoder)
        objective.judge = lambda: scored.judgement(anew=True)
    return objective


class _SupervisedDev:
    """The headline score of English development data, and whether it says that something was learned."""

    def __init__(self, data: EnglishData, features: Features, *, encoder: Encoder, head: Head) -> None:
        self._data, self._features, self._encoder, self._head = data, features, encoder, head
        self._last: tuple[list[Prediction], MetricScore] | None = None

    @cached_property
    def _floor(self) -> Floor | None:
        dev = self._data.dev
        return floors(taught(self._data.train), dev, metrics=[dev.task.headline]).get(dev.task.headline)

    def __call__(self) -> float:
        dev, headline = self._data.dev, self._data.dev.task.headline
        predictions = predict(self._encoder, self._head, features=self._features, split=dev)
        ranks = headline is Metric.MRP
        logits = label_scores(self._encoder, self._head, features=self._features, split=dev) if ranks else None
        found = score(dev, predictions, label_scores=logits, only=headline)[headline]
        self._last = predictions, found
        return found.score

    def judgement(self, *, anew: bool = False) -> Judgement | None:
        """Of what was scored last; `anew`: of the model as it is."""
        if anew:
            self()
        if self._last is None or self._floor is None:
            return None
        predictions, found = self._last
        return judge(self._data.dev, predictions, found=found, floor=self._floor)


def masked(
    data: Sequence[EnglishData], *, encoder: Encoder, head: MlmHead, protocol: StageProtocol, max_length: int | None
) -> list[Objective]:
    """One objective per task's text; all share the head, and development scores are negated losses.

    Args:
        data: Whose text is read; labels are not.
        encoder: On its device.
        head: Of `load_for_mlm`.
        protocol: Gives the share of masked pieces.
        max_length: Upper bound on the length of inputs.
    """
    objectives = []
    for d in data:
        features = featurise_text(d.train, encoder=encoder, max_length=max_length)
        dev = featurise_text(d.dev, encoder=encoder, max_length=max_length)
        scored = _MaskedDev(d, (features, dev), encoder=encoder, head=head, probability=protocol.mlm_probability)
        objectives.append(
            Objective(
                name=d.train.task.name,
                kind="mlm",
                features=features,
                head=head,
                dev_score=scored,
                judge=scored.judgement,
                metric="loss",
                n_dev=len(d.dev.examples),
                used_ids=None,
            )
        )
    return objectives


class _MaskedDev:
    """Negated loss per masked piece of the development text, with the same masks every time."""

    def __init__(
        self, data: EnglishData, features: tuple[Features, Features], *, encoder: Encoder, head: MlmHead,
        probability: float,
    ) -> None:  # fmt: skip
        self._data, (self._train, self._features) = data, features
        self._encoder, self._head, self._probability = encoder, head, probability
        self._losses = self._pieces = np.zeros(0)
        self._tokens = INFERENCE_TOKENS.get(encoder.device.type, 8192)

    def __call__(self) -> float:
        # Masks depend on the batches before, so a budget that does not fit means all of it anew, and then for good.
        (self._losses, self._pieces), self._tokens = halving(
            self._scored,
            tokens=self._tokens,
            largest=lambda: int(self._features.row_lengths.max()),
            device=self._encoder.device,
        )
        return -float(self._losses.mean())

    def _scored(self, tokens: int) -> tuple[Array, Ints]:
        """Loss and piece of every masked place."""
        rng = np.random.default_rng(0)
        losses, pieces = [], []
        with torch.no_grad(), autocast(self._encoder):
            for rows in sorted_batches(self._features.row_lengths, batch_tokens=tokens):
                batch = masked_batch(
                    self._features, rows, encoder=self._encoder, rng=rng, probability=self._probability
                )
                losses.append(mlm_losses(self._encoder, self._head, batch).double().cpu().numpy())
                pieces.append(targets_of(batch)[targets_of(batch) != IGNORED].cpu().numpy())
        return np.concatenate(losses), np.concatenate(pieces)

    def judgement(self) -> Judgement | None:
        """Of what was scored last, against the frequency of pieces in the training text."""
        if len(self._losses) < 2:
            return None
        counts = np.bincount(self._train.ids, minlength=len(self._encoder.tokenizer)) + 1.0
        rule = -np.log(counts / counts.sum())[self._pieces]
        return Judgement(
            task=self._data.train.task.name, metric="loss", score=-float(self._losses.mean()), chance=None,
            rule="the frequency of pieces in the training text", rule_score=-float(rule.mean()),
            p_value=one_sided_paired(-self._losses, -rule), is_constant=False, n=len(self._data.dev.examples),
        )  # fmt: skip


def _dev_loss(objective: Objective, features: Features, *, encoder: Encoder) -> float:
    total = weight = 0.0

    def add(items: Ints) -> None:
        nonlocal total, weight
        batch = training_batch(features, items, encoder=encoder)
        total += float(batch_loss(objective, batch, encoder=encoder))
        weight += batch.weight

    budget, device = INFERENCE_TOKENS.get(encoder.device.type, 8192), encoder.device
    with torch.no_grad(), autocast(encoder):
        over_batches(features.item_tokens, add, batch_tokens=budget, device=device)
    return total / max(weight, 1.0)
