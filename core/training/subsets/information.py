"""What each example of a pool says of its label, by a model that was not trained on it.

Two folds; the model trained on one scores the other (cross-fitted pointwise V-information, Ethayarajh et al. 2022).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from core.examples import Split, fingerprint
from core.measures.difficulty.information import gaussian_nats, pointwise_information
from core.measures.difficulty.log_probabilities import LogProbabilities
from core.spec.protocol import StageProtocol
from core.training.auxiliary import AuxiliaryResult, AuxiliaryRun, ScoredPart, run_auxiliary
from core.training.context import RunContext
from core.training.loader import EnglishData
from core.training.seeds import Draws
from core.types.pieces import Array
from core.types.table import learning_of


class Information(NamedTuple):
    """Of the examples of a pool."""

    bits: Array
    """(n,) pointwise information a decision; large is easy."""
    fold: Array
    """(n,) 0 or 1: which of the two models has not seen the example, and scored it."""


def cross_fitted(context: RunContext, pool: EnglishData, *, protocol: StageProtocol) -> Information:
    """Every example's pointwise information from the other fold's model.

    Args:
        context: Model, seed, device.
        pool: Training examples, and the development set that the folds' models are selected on.
        protocol: Of the intermediate stage.
    """
    learning, n = learning_of(pool.train.task.type), len(pool.train.examples)
    side = np.zeros(n, dtype=np.int64)
    side[_draws(context, pool).rng("folds").permutation(n)[n // 2 :]] = 1
    bits = np.zeros(n)
    for fold in (0, 1):
        scored, other = np.flatnonzero(side == fold), np.flatnonzero(side != fold)
        given, blank = _of_fold(context, pool, protocol=protocol, rows=(scored, other), fold=fold)
        found = pointwise_information(given.nats, without_input=blank.nats, densities=learning.is_density)
        bits[scored] = found / np.maximum(given.decisions, 1)
    return Information(bits, side)


def _draws(context: RunContext, pool: EnglishData) -> Draws:
    return Draws(context.spec.seed, "intermediate", (pool.train.task.name,))


def _of_fold(
    context: RunContext, pool: EnglishData, *, protocol: StageProtocol, rows: tuple[Array, Array], fold: int
) -> tuple[LogProbabilities, LogProbabilities]:
    """Log-probabilities of the scored rows with and without the input, from models trained on the other rows."""
    scored, other = (subset(pool.train, r) for r in rows)
    if protocol.max_train_examples is not None and len(other.examples) > protocol.max_train_examples:
        rng = _draws(context, pool).rng("fold", fold)
        drawn = rng.choice(len(other.examples), protocol.max_train_examples, replace=False)
        other = subset(other, np.sort(drawn))
    data, part = EnglishData(train=other, dev=pool.dev), ScoredPart("fold", scored)
    name = f"{pool.train.task.name}, fold {fold + 1} of 2"
    given = run_auxiliary(context, AuxiliaryRun(name, data, protocol, (part,)))["fold"]
    blank = without_input(context, data, part=part, name=name, protocol=protocol)
    return log_probabilities_of(given, split=scored), log_probabilities_of(blank, split=scored)


def without_input(
    context: RunContext, data: EnglishData, *, part: ScoredPart, name: str, protocol: StageProtocol
) -> AuxiliaryResult:
    """What the same model gives when it is trained, and scores, without the input.

    Trained on all examples to the last step: there is nothing to select by where every input is the same. A task type
    may know the result without a training.

    Args:
        context: Model, seed, device.
        data: Training and development data, with their input.
        part: What is scored.
        name: For events.
        protocol: Of the intermediate stage.
    """
    known = learning_of(part.split.task.type).known_without_input
    if known is not None:
        return AuxiliaryResult(known(part.split), None, None, None)
    last = protocol.model_copy(update={"evaluations": 1, "selection": "last", "patience": None})
    blank = EnglishData(train=data.train, dev=data.dev, without_input=True)
    wanted = part._replace(predictions=False)
    return run_auxiliary(context, AuxiliaryRun(f"{name}, without input", blank, last, (wanted,)))[part.name]


def log_probabilities_of(result: AuxiliaryResult, *, split: Split, variance: float | None = None) -> LogProbabilities:
    """Log-probabilities of a result, log-densities where labels are real numbers.

    Args:
        result: With log-probabilities.
        split: What was scored.
        variance: Of the errors of a regression; None: their mean square on these examples, which are held out.
    """
    found = result.log_probabilities
    assert found is not None  # wanted by every caller
    if not learning_of(split.task.type).is_density:
        return found
    return found._replace(nats=gaussian_nats(found.nats, variance=variance or max(float(found.nats.mean()), 1e-12)))


def subset(split: Split, rows: Array) -> Split:
    """Some examples of a split, in the order of the rows.

    Args:
        split: What to choose from.
        rows: (m,) indices.
    """
    examples = tuple(split.examples[i] for i in rows)
    return split._replace(examples=examples, fingerprint=fingerprint(examples))
