"""What selectors say of an intermediate for each target: the encoder after that stage, before any target training.

Texts and labels are the target's English training examples, sampled as its own stage would be (never a development or
test split, never another language). The stage is the run's ordinary one, reused or left for the runs.
"""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Callable, Mapping
from functools import cached_property, partial
from typing import NamedTuple

import numpy as np

from core.data.datasets import subsample
from core.encoder.loading import load_encoder
from core.errors import DataError, SpecError
from core.events import PointSkipped
from core.examples import Split
from core.heads.states import Encoder
from core.measures.inference.intervals import Interval, Plan
from core.measures.transferability.space_map import SpaceMap, fit_space_map
from core.measures.transferability.table import SELECTORS, Candidate, TaskGradients
from core.measures.transferability.task_embedding import mean_embedding
from core.profiling.selector_features import Picks, class_probabilities, pick, pick_text, squared_gradients, states
from core.spec.run import Placebo
from core.spec.task import Role
from core.training.context import RunContext
from core.training.plan import Training, plan_intermediate, stage_data
from core.training.reuse import train_or_reuse
from core.training.stages import StageFolder
from core.types.pieces import Array
from core.types.table import learning_of, task_type


class SelectorScore(NamedTuple):
    """One row of the table `selector_scores`."""

    intermediate: str
    """Text form."""
    target: str
    """Name of the task."""
    selector: str
    """Key of `SELECTORS`."""
    value: float
    """In the selector's unit; large is better."""
    ci_low: float
    """Of the 95 % interval over examples."""
    ci_high: float
    """Upper end."""
    n: int
    """Examples; of the task with fewer for a task embedding."""


class OriginalEncoder:
    """What the encoder says of tasks before any stage, each worked out once for a profile."""

    def __init__(self, context: RunContext, *, n: int) -> None:
        """Nothing is loaded yet.

        Args:
            context: Gives model, device and protocol.
            n: Examples of a task, at most.
        """
        self._context, self._n = context, n
        self._embeddings: dict[str, Array] = {}
        self._states: dict[str, Array] = {}

    def embed(self, split: Split) -> Array:
        """(n, layers, hidden) squared gradients of a task's training examples.

        Args:
            split: English training examples.

        Raises:
            DataError: Fewer than two classes, or an architecture without gradients.
        """
        key = f"{split.task.name} {split.fingerprint}"
        if key not in self._embeddings:
            picks = _picks(self._context, self.sample(split), encoder=self.encoder)
            self._embeddings[key] = squared_gradients(self.encoder, picks)
        return self._embeddings[key]

    def states(self, picks: Picks) -> Array:
        """(n, hidden) states of what was picked.

        Args:
            picks: Of any task's training examples.
        """
        what = hashlib.sha256()
        for part in (picks.features.ids, picks.features.starts, picks.rows, picks.pieces):
            what.update(part.tobytes())
        key = what.hexdigest()
        if key not in self._states:
            self._states[key] = states(self.encoder, picks)
        return self._states[key]

    def sample(self, split: Split) -> Split:
        """As many examples as a profile reads of a task."""
        return subsample(split, n=self._n, seed=self._context.spec.seed)

    @cached_property
    def encoder(self) -> Encoder:
        """On the job's device."""
        return _placed(self._context, load_encoder(self._context.spec.model))


class _Maps:
    """What a stage does to the encoder's space, read off the stage's own texts."""

    def __init__(self, context: RunContext, texts: list[Split], *, original: OriginalEncoder, encoder: Encoder) -> None:
        self._context, self._texts, self._original, self._encoder = context, texts, original, encoder
        self._fitted: dict[bool, SpaceMap] = {}

    def __call__(self, rows: Array, *, pieces: bool) -> Array:
        """(n, hidden) states of the original encoder as the stage would have made them.

        Args:
            rows: (n, hidden) of any text.
            pieces: Whether they are states of single pieces, and not means of rows.
        """
        if pieces not in self._fitted:
            protocol, seed = self._context.spec.protocol, self._context.spec.seed
            picks = [
                pick_text(t, encoder=self._encoder, max_length=protocol.max_length, seed=seed, pieces=pieces)
                for t in self._texts
            ]
            before = [self._original.states(p) for p in picks]
            after = [states(self._encoder, p) for p in picks]
            self._fitted[pieces] = fit_space_map(np.concatenate(before), after=np.concatenate(after))
        return self._fitted[pieces](rows)


def training_text(context: RunContext, *, n: int) -> Split:
    """English training examples of a run's target: the sample of its own stage, and of that `n`.

    Args:
        context: Of a run; its target is read.
        n: Examples, at most.

    Raises:
        DataError: The target is scored and never trained, so it has no training examples.
    """
    task = context.spec.task(context.spec.target)
    if not task_type(task.type).is_trained:
        raise DataError(f"'{task.name}' is a {task.type} task: it is scored and never trained, so it has no labels.")
    train = stage_data(context, task, role=Role.TARGET).train
    return subsample(train, n=n, seed=context.spec.seed)


def measure_selectors(
    context: RunContext, *, targets: Mapping[str, Split], original: OriginalEncoder, resamples: int
) -> list[SelectorScore]:
    """Every selector of a run's intermediate for each target; what cannot be measured is reported with its reason.

    Args:
        context: Gives model, intermediate, seed, protocol and data source.
        targets: English training examples by target.
        original: The encoder before the stage.
        resamples: Of the intervals of `knn` and `linear_probe`.

    Raises:
        DataError: The intermediate cannot be trained.
        SpecError: There is no intermediate.
    """
    training = plan_intermediate(context)
    stage = train_or_reuse(context, training, parent=None)
    encoder = _placed(context, load_encoder(context.spec.model, weights=stage.encoder))
    source = _head_of(context, stage, training, encoder=encoder)
    own_texts = [original.sample(data.train) for data in training.data]
    mine = _of_intermediate(context, [data.train for data in training.data], original=original)
    maps = _Maps(context, own_texts, original=original, encoder=encoder)
    rows: list[SelectorScore] = []
    for target, split in targets.items():
        try:
            picks = _picks(context, split, encoder=encoder)
        except DataError as error:
            context.emit(PointSkipped(point=f"{context.spec.intermediate_name} > {target}", reason=str(error)))
            continue
        rng = np.random.default_rng([context.spec.seed, 13, zlib.crc32(target.encode())])
        gradients = partial(_gradients, mine, split=split, original=original)
        said = None if source is None else source(picks)
        mapped = maps(original.states(picks), pieces=picks.reads_pieces)
        candidate = Candidate(states(encoder, picks), picks.labels, gradients, said, mapped)
        found = score_candidate(candidate, rng=rng, resamples=resamples, skipped=partial(_skipped, context, target))
        rows += [
            SelectorScore(context.spec.intermediate_name, target, name, i.estimate, i.low, i.high, i.n)
            for name, i in found.items()
        ]
    return rows


def score_candidate(
    candidate: Candidate, *, rng: np.random.Generator, resamples: int, skipped: Callable[[str, str], None]
) -> dict[str, Interval]:
    """Every selector that is defined for a pair, with its interval over examples.

    Args:
        rng: Source of groups, folds and resamples.
        resamples: Of selectors that resample.
        skipped: Told the selector and the reason where one cannot be computed.
    """
    found: dict[str, Interval] = {}
    for selector in SELECTORS.values():
        try:
            interval = selector.function(candidate, rng=rng, plan=Plan(resamples))
        except DataError as error:
            skipped(selector.name, str(error))
            continue
        if interval is not None:
            found[selector.name] = interval
    return found


def _skipped(context: RunContext, target: str, selector: str, reason: str) -> None:
    context.emit(PointSkipped(point=f"{context.spec.intermediate_name} > {target}: {selector}", reason=reason))


def _gradients(mine: Array | None, *, split: Split, original: OriginalEncoder) -> TaskGradients | None:
    return None if mine is None else TaskGradients(mine, original.embed(split))


def _picks(context: RunContext, split: Split, *, encoder: Encoder) -> Picks:
    return pick(split, encoder=encoder, max_length=context.spec.protocol.max_length, seed=context.spec.seed)


def _placed(context: RunContext, encoder: Encoder) -> Encoder:
    encoder.model.to(context.device)
    return encoder


def _head_of(
    context: RunContext, stage: StageFolder, training: Training, *, encoder: Encoder
) -> Callable[[Picks], Array] | None:
    """What the intermediate's own head says of texts; None, with the reason reported, where it names no class."""
    spec, learnings = context.spec, [learning_of(data.train.task.type) for data in training.data]
    is_mlm = spec.intermediate is not None and spec.intermediate.placebo is Placebo.MLM
    if is_mlm or len(learnings) > 1 or not learnings[0].chooses_a_label:
        reason = "LEEP and NCE read the label that the intermediate's head chooses, and it has no single head for one."
        context.emit(PointSkipped(point=f"{spec.intermediate_name}: leep, nce", reason=reason))
        return None
    (learning,), train = learnings, training.data[0].train
    head = learning.head(encoder, len(train.labels), None)
    head.load_state_dict(stage.heads()[train.task.name])
    return partial(class_probabilities, encoder, head=head.to(context.device), learning=learning)


def _of_intermediate(context: RunContext, splits: list[Split], *, original: OriginalEncoder) -> Array | None:
    """Embedding of the intermediate's own task; None, with the reason reported, where it has no class to predict."""
    name = context.spec.intermediate_name
    try:
        if context.spec.intermediate is not None and context.spec.intermediate.placebo is Placebo.MLM:
            raise DataError("Masked-language modelling has no labels, so there is no task embedding.")
        return mean_embedding([original.embed(split) for split in splits])
    except (DataError, SpecError) as error:
        context.emit(PointSkipped(point=f"{name}: task_embedding", reason=str(error)))
        return None
