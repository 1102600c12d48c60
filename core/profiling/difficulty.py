"""How hard an intermediate is for a model, measured: the schedule of trainings, and the figures that come of them.

The training set in a seeded order is cut at an eighth, a quarter and a half. A model is trained on each part before a
cut with that share of the protocol's budget; the whole budget is the run's ordinary intermediate stage, which is
reused. Each model is scored on English development data (learning curve) and sends the labels of the next part
(prequential code). One more model is trained without the input (usable information). That is the ordinary stage, 7/8
of it, and one training on inputs of a few pieces (of full length where answers are positions).
"""

from __future__ import annotations

import math
import zlib
from typing import NamedTuple

import numpy as np

from core.encoder.judging import floors, taught
from core.encoder.scoring import score
from core.errors import DataError, SpecError
from core.examples import Split
from core.measures.difficulty.log_probabilities import LogProbabilities
from core.measures.difficulty.table import DIFFICULTIES, Learned
from core.measures.inference.intervals import Interval, Plan, resampled_sums
from core.spec.protocol import StageProtocol
from core.spec.run import Placebo
from core.training.auxiliary import (
    AuxiliaryResult,
    AuxiliaryRun,
    ScoredBy,
    ScoredPart,
    run_auxiliary,
    score_with_stage,
)
from core.training.context import RunContext
from core.training.loader import EnglishData
from core.training.plan import Training, plan_intermediate
from core.training.reuse import train_or_reuse
from core.training.seeds import Draws
from core.training.subsets.information import log_probabilities_of, subset, without_input
from core.types.base import Prediction
from core.types.pieces import Array
from core.types.table import learning_of

SHARES = (1 / 8, 1 / 4, 1 / 2)
"""Of the training set and of the budget that small trainings take; the whole of both is the ordinary stage."""

FEWEST = 16
"""Training examples below which there is nothing to cut."""


class Difficulty(NamedTuple):
    """One row of the table `difficulties`."""

    intermediate: str
    """Text form."""
    measure: str
    """Key of `DIFFICULTIES`."""
    value: float
    """In the measure's unit."""
    ci_low: float | None
    """Of the 95 % bootstrap interval over examples; None where there is none."""
    ci_high: float | None
    """Upper end."""
    n: int
    """Examples that were resampled."""
    resamples: int
    """How often; 0 where there is no interval."""


class _Measured(NamedTuple):
    """What the models of one intermediate gave."""

    data: EnglishData
    """Training data of the whole budget."""
    dev: Split
    """English development examples that are scored."""
    sizes: tuple[int, ...]
    """Training examples of each model, smallest first; the last is the whole budget's."""
    models: tuple[dict[str, AuxiliaryResult], ...]
    """What each gave for `dev` and, but for the last, `next`; the first also has `first`, under the uniform code."""
    blank: AuxiliaryResult
    """Of `dev` without the input."""


def measure_difficulty(context: RunContext, *, n: int, resamples: int) -> list[Difficulty]:
    """Every measure of difficulty that the intermediate of a run has.

    Args:
        context: Gives model, intermediate, seed, protocol and data source; its target is not looked at.
        n: English development examples that are scored, at most.
        resamples: Of each interval.

    Raises:
        SpecError: The intermediate has no labels of its own, or several tasks.
        DataError: The training set is too small.
    """
    _check(context)
    training = plan_intermediate(context)
    learned = _learned(_measure(context, training, n=n), rng=_rng(context, 1), resamples=resamples)
    name, plan = context.spec.intermediate_name, Plan(resamples)
    rows = {
        measure.name: measure.function(learned, rng=_rng(context, _stream(measure.name)), plan=plan)
        for measure in DIFFICULTIES.values()
    }
    return [_row(name, measure, interval) for measure, interval in rows.items() if interval is not None]


def _check(context: RunContext) -> None:
    intermediate = context.spec.intermediate
    if intermediate is None:
        raise SpecError("Difficulty is measured of an intermediate; 'none' has no task. Name one, such as mnli.")
    if intermediate.placebo is Placebo.MLM:
        raise SpecError(
            f"'{intermediate.name}' is masked-language modelling: it has no labels whose difficulty could be measured. "
            f"Measure '{intermediate.tasks[0]}'."
        )
    if len(intermediate.tasks) > 1:
        raise SpecError(
            f"'{intermediate.name}' is {len(intermediate.tasks)} tasks; difficulty is measured of one at a time: "
            f"{', '.join(intermediate.tasks)}."
        )


def _rng(context: RunContext, which: int) -> np.random.Generator:
    return np.random.default_rng([context.spec.seed, 6, which])


def _stream(measure: str) -> int:
    """Number of a measure's random stream; three had numbers before streams went by name, and keep their intervals."""
    return {"v_information": 2, "code_length": 3, "label_entropy": 4}.get(measure, zlib.crc32(measure.encode()))


def _row(name: str, measure: str, interval: Interval) -> Difficulty:
    has_interval = interval.resamples > 0
    low, high = (interval.low, interval.high) if has_interval else (None, None)
    return Difficulty(name, measure, interval.estimate, low, high, interval.n, interval.resamples)


# ----------------------------------------------------------------------------------------------------- the schedule


def _measure(context: RunContext, training: Training, *, n: int) -> _Measured:
    data, protocol, name = training.data[0], training.job.protocol, training.job.name
    dev = context.loader.held_out(like=data, n=n)
    folder = train_or_reuse(context, training, parent=None)
    wanted = ScoredPart("dev", dev, predictions=True)
    whole = score_with_stage(context, folder, key=training.job.key, parts=(wanted,))
    runs = _auxiliary_runs(data, protocol=protocol, dev=dev, name=name, draws=training.job.draws)
    models = (*(run_auxiliary(context, run) for run in runs), whole)
    blank = without_input(context, data, part=ScoredPart("dev", dev), name=name, protocol=protocol)
    sizes = (*(len(run.data.train.examples) for run in runs), len(data.train.examples))
    return _Measured(data, dev, sizes, models, blank)


def _auxiliary_runs(
    data: EnglishData, *, protocol: StageProtocol, dev: Split, name: str, draws: Draws
) -> list[AuxiliaryRun]:
    total = len(data.train.examples)
    if total < FEWEST:
        raise DataError(f"'{name}' has {total} training examples; difficulty needs at least {FEWEST} to be cut.")
    order = draws.rng("cuts").permutation(total)
    cuts = [round(total * share) for share in SHARES]
    scored_by: ScoredBy = "model" if learning_of(data.train.task.type).is_density else "nobody"
    runs = []
    for i, (cut, end) in enumerate(zip(cuts, [*cuts[1:], total], strict=True)):
        train = subset(data.train, np.sort(order[:cut]))
        parts = [ScoredPart("dev", dev, scored_by=scored_by, predictions=True)]
        parts.append(ScoredPart("next", subset(data.train, np.sort(order[cut:end]))))
        parts += [ScoredPart("first", train, scored_by="uniform")] if i == 0 else []
        share = share_of(protocol, SHARES[i])
        known = f"{name}, {cut} of {total} examples"
        runs.append(AuxiliaryRun(known, EnglishData(train=train, dev=data.dev), share, tuple(parts)))
    return runs


def share_of(protocol: StageProtocol, share: float) -> StageProtocol:
    """The protocol with a share of its budget; epochs stay, as their steps shrink with the data.

    Args:
        protocol: Of the whole budget.
        share: In (0, 1].
    """
    limits = {"max_steps": protocol.max_steps, "warmup_steps": protocol.warmup_steps}
    update = {name: max(1, math.ceil(share * limit)) for name, limit in limits.items() if limit}
    return protocol.model_copy(update=update)


# ------------------------------------------------------------------------------------------------------ the figures


def _learned(found: _Measured, *, rng: np.random.Generator, resamples: int) -> Learned:
    """The numbers that measures of difficulty read, from what the models gave."""
    results = [model["dev"] for model in found.models]
    given, blank = (
        log_probabilities_of(results[-1], split=found.dev),
        log_probabilities_of(found.blank, split=found.dev),
    )
    first = found.models[0]["first"].log_probabilities
    assert first is not None  # wanted by the schedule
    learning = learning_of(found.dev.task.type)
    later = [_sent(model, split=found.data.train, dev=found.dev) for model in found.models[:-1]]
    return Learned(
        sizes=found.sizes,
        floor=floor_of(found.data.train, found.dev),
        scores=np.array([a.score for a in results], dtype=float),
        score_draws=_resampled_scores(found.dev, results, rng=rng, resamples=resamples),
        with_input=given,
        without_input=blank,
        are_densities=learning.is_density,
        first_part=first,
        later_parts=LogProbabilities(
            np.concatenate([part.nats for part in later]), np.concatenate([part.decisions for part in later])
        ),
        label_counts=learning.label_counts(found.data.train) if learning.label_counts else None,
    )


def floor_of(train: Split, dev: Split) -> float:
    """What takes no reading: chance, or the score of the best rule on the same examples where that is higher.

    Args:
        train: English training data, which teach the rules.
        dev: What is scored.
    """
    task = dev.task
    best = floors(taught(train), dev, metrics=[task.headline]).get(task.headline)
    return task.chance if best is None else max(task.chance, best.found.score)


def _resampled_scores(dev: Split, results: list[AuxiliaryResult], *, rng: np.random.Generator, resamples: int) -> Array:
    """(resamples, models) headline scores on resamples of the development examples, the same ones for every model."""
    each = [a.contributions for a in results if a.contributions is not None and _is_a_mean(a.contributions, a.score)]
    if len(each) == len(results):
        return resampled_sums(np.stack(each, axis=1), rng=rng, resamples=resamples) / len(dev.examples)
    draws = []
    for _ in range(resamples):
        rows = rng.integers(0, len(dev.examples), len(dev.examples))
        again = dev._replace(examples=tuple(dev.examples[i] for i in rows))
        try:
            draws.append([_headline(again, [(a.predictions or [])[i] for i in rows]) for a in results])
        except DataError:
            continue  # such as a resample of one class, which has no correlation
    return np.array(draws).reshape(-1, len(results))


def _is_a_mean(each: Array, headline: float | None) -> bool:
    """Whether the score is the mean over examples: then it need not be computed anew for every resample."""
    return headline is not None and math.isclose(float(each.mean()), headline, abs_tol=1e-9)


def _headline(split: Split, predictions: list[Prediction]) -> float:
    metric = split.task.headline
    return score(split, predictions, only=metric)[metric].score


def _sent(model: dict[str, AuxiliaryResult], *, split: Split, dev: Split) -> LogProbabilities:
    """Log-probabilities of the next part; a regression's error is known from development data, before the part is."""
    if not learning_of(split.task.type).is_density:
        return log_probabilities_of(model["next"], split=split)
    of_dev = model["dev"].log_probabilities
    assert of_dev is not None and len(of_dev.nats) == len(dev.examples)
    return log_probabilities_of(model["next"], split=split, variance=max(float(of_dev.nats.mean()), 1e-12))
