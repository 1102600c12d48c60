"""Past-tense facts that a job reports, one JSON object a line in `events.jsonl`.

The chain knows only `emit: Callable[[Event], None]`; it does not know that there is a file or a database.
To add a fact: one class with a `Literal` tag, one line in `Event`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, TypeAdapter

from core.languages import check_language
from core.spec.base import Name, Spec
from core.spec.match import Match
from core.spec.task import Metric

LEARNED_LEVEL = 0.05
"""Of the one-sided tests that a stage has learned and that a baseline stands above its floor."""


Lang = Annotated[str, AfterValidator(check_language)]
"""A language's code, as every page takes it."""


class _Fact(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class PlannedStage(Spec):
    """One stage of the plan, before anything runs."""

    key: str
    """Content address of the stage."""
    kind: Literal["intermediate", "target", "evaluation"]
    """Place in the chain."""
    name: str
    """What is trained on or scored: `mnli`, `xnli`."""
    parent: str | None
    """Key of the stage whose encoder is carried over; None: the pretrained encoder."""
    is_done: bool
    """Whether a finished stage of that key exists already."""
    code: int | None = None
    """Version of the code that the stage is made by, as `CODE_VERSION` says; None: before versions were reported."""


class RunStarted(_Fact):
    """A job began to execute the run."""

    type: Literal["run_started"] = "run_started"
    run_id: str
    """Digest of the spec."""
    attempt: int = Field(ge=1)
    """1 for the first start, 2 for the first resumption …"""
    device: str
    """torch's name: `cpu`, `cuda:0`."""
    pid: int
    """Process id of the job."""
    threads: int | None = None
    """Of torch on the CPU: another number sums in another order. None in events of 0.2.0."""


class RunPlanned(_Fact):
    """The stages were worked out."""

    type: Literal["run_planned"] = "run_planned"
    stages: tuple[PlannedStage, ...]
    """In order of execution."""


class DataLoaded(_Fact):
    """A split was read and checked."""

    type: Literal["data_loaded"] = "data_loaded"
    task: str
    """Task name."""
    role: Literal["train", "dev", "test"]
    """What the split serves as."""
    lang: str
    """XTREME's code."""
    split: str
    """The split that was really read, such as `validation`."""
    n: int = Field(ge=0)
    """Examples used, after any seeded sample."""
    n_available: int = Field(ge=0)
    """Examples the split holds."""
    fingerprint: str
    """Digest of the examples used, in order."""
    revision: str | None
    """Resolved commit on the hub; None for a folder."""
    matched: Match | None = None
    """How a third is matched with the other two; None: it is no third."""


class StageStarted(_Fact):
    """A training or evaluation began, or went on after an interruption."""

    type: Literal["stage_started"] = "stage_started"
    key: str
    """Content address of the stage."""
    kind: Literal["intermediate", "target", "evaluation"]
    """Place in the chain."""
    name: str
    """What is trained on or scored."""
    task_type: Name
    """What the head outputs: a task type, `mlm` or `multi_task`."""
    total_steps: int = Field(ge=0)
    """Optimiser steps, or languages for an evaluation."""
    resumed_at: int = Field(default=0, ge=0)
    """Step from which it goes on; 0 for a fresh start."""


class StageReused(_Fact):
    """A finished stage of the same key was taken as it is."""

    type: Literal["stage_reused"] = "stage_reused"
    key: str
    """Content address."""
    kind: Literal["intermediate", "target", "evaluation"]
    """Place in the chain."""
    name: str
    """What it was trained on."""


class StepLogged(_Fact):
    """Some optimiser steps were taken."""

    type: Literal["step_logged"] = "step_logged"
    key: str
    """Stage."""
    step: int = Field(ge=1)
    """Steps taken so far."""
    loss: float
    """Mean training loss since the last report."""
    learning_rate: float
    """At this step."""
    examples_per_s: float
    """Training examples per second since the last report."""
    memory_mb: float | None = None
    """Memory held at this step: resident (CPU), or that torch has reserved on the first device (GPU)."""
    cores: float | None = Field(default=None, ge=0)
    """Processor cores at work for the job's own process since the last report, in the mean."""


class DevScored(_Fact):
    """The English development set was scored."""

    type: Literal["dev_scored"] = "dev_scored"
    key: str
    """Stage."""
    step: int = Field(ge=0)
    """Steps taken so far."""
    metric: Metric | Literal["loss"]
    """Headline metric of the task; the negated loss for masked-language modelling."""
    score: float
    """Larger is better."""
    n: int = Field(ge=1)
    """Examples scored."""


class StageJudged(_Fact):
    """Whether a trained stage learned one of its tasks, by its English development set."""

    type: Literal["stage_judged"] = "stage_judged"
    key: str
    """Stage."""
    task: str
    """Which of its tasks."""
    metric: Metric | Literal["loss"]
    """Headline metric of the task; the negated loss for masked-language modelling."""
    score: float
    """Of the selected checkpoint; larger is better."""
    chance: float | None
    """What guessing gives, as the task says; None for a loss."""
    rule: str
    """The best of the rules that read no meaning."""
    rule_score: float
    """Its score on the same examples."""
    p_value: float | None = Field(ge=0, le=1)
    """One-sided, of a score above chance and above the rule: the larger of the two, times the number of scores that the
    checkpoint is the best of; None: no test is possible."""
    is_constant: bool
    """Whether every prediction is the same."""
    n: int = Field(ge=1)
    """Examples scored."""

    @property
    def has_learned(self) -> bool:
        """Whether predictions differ and the score beats chance and the rule, at `LEARNED_LEVEL` where it is tested."""
        if self.p_value is not None:
            return not self.is_constant and self.p_value < LEARNED_LEVEL
        floor = self.rule_score if self.chance is None else max(self.chance, self.rule_score)
        return not self.is_constant and self.score > floor


class StageFinished(_Fact):
    """A stage is complete and on disk."""

    type: Literal["stage_finished"] = "stage_finished"
    key: str
    """Content address."""
    kind: Literal["intermediate", "target", "evaluation"]
    """Place in the chain."""
    name: str
    """What it was trained on or scored."""
    seconds: float = Field(ge=0)
    """Wall-clock time of this attempt's part."""
    best_step: int | None = None
    """Step of the checkpoint that goes on; None for an evaluation."""
    peak_memory_mb: float | None = None
    """Largest resident (CPU) or allocated (GPU) memory."""


class LanguageScored(_Fact):
    """One language's test set was scored with one metric."""

    type: Literal["language_scored"] = "language_scored"
    lang: Lang
    """XTREME's code."""
    metric: Metric
    """Which metric."""
    score: float
    """With the selected checkpoint."""
    score_last: float | None = None
    """With the last checkpoint; None where it is the selected one and not scored apart, or none was trained."""
    score_mean: float | None = None
    """Mean over the last checkpoints; None: the protocol does not have them scored."""
    score_oracle: float | None = None
    """With the checkpoint that is best on development data of this language, which is not zero-shot; None: there are
    none, or the protocol does not have the checkpoints scored."""
    floor: float | None = None
    """What the best rule that reads no meaning scores on the same examples; None: before floors were reported."""
    floor_rule: str | None = None
    """What that rule says."""
    floor_p: float | None = Field(default=None, ge=0, le=1)
    """One-sided p-value of `score` above the floor; None: no test is possible."""
    n: int = Field(ge=1)
    """Examples scored (words for word-level metrics, queries for retrieval)."""
    split: str
    """Split that was scored."""
    fingerprint: str
    """Digest of the examples scored."""


class LanguageSkipped(_Fact):
    """A language has no score, and why."""

    type: Literal["language_skipped"] = "language_skipped"
    lang: Lang
    """XTREME's code."""
    reason: str
    """Such as "no test split in this data source"."""


class Flagged(_Fact):
    """Something a reader of the scores must know."""

    type: Literal["flagged"] = "flagged"
    flag: str
    """Short name: `in_task`, `split_fallback`, `overlap`."""
    message: str
    """One sentence."""


class PointSkipped(_Fact):
    """A profile has no text for a point, and why."""

    type: Literal["point_skipped"] = "point_skipped"
    point: str
    """Such as `xnli:test:sw`."""
    reason: str
    """Such as "licensed data are not there"."""


class ProfileAdvanced(_Fact):
    """A part of a profile's work was done."""

    type: Literal["profile_advanced"] = "profile_advanced"
    phase: Literal["texts", "embeddings", "pairs", "intermediates"]
    """What is being worked on."""
    done: int = Field(ge=0)
    """How many are done."""
    total: int = Field(ge=0)
    """How many there are."""
    computed: int = Field(ge=0)
    """How many of the done were computed now and not found ready."""


class RunFinished(_Fact):
    """All scores are on disk."""

    type: Literal["run_finished"] = "run_finished"
    seconds: float = Field(ge=0)
    """Wall-clock time of this attempt."""


class RunFailed(_Fact):
    """The attempt ended with an error."""

    type: Literal["run_failed"] = "run_failed"
    error: str
    """Class name of the error."""
    message: str
    """Its text, for the user."""
    traceback: str
    """For whoever mends it."""


class RunCancelled(_Fact):
    """The attempt ended because somebody asked for it."""

    type: Literal["run_cancelled"] = "run_cancelled"


Event = Annotated[
    RunStarted
    | RunPlanned
    | DataLoaded
    | StageStarted
    | StageReused
    | StepLogged
    | DevScored
    | StageJudged
    | StageFinished
    | LanguageScored
    | LanguageSkipped
    | Flagged
    | PointSkipped
    | ProfileAdvanced
    | RunFinished
    | RunFailed
    | RunCancelled,
    Field(discriminator="type"),
]
"""Any fact."""

Emit = Callable[[Event], None]
"""What the chain is handed."""


class Envelope(_Fact):
    """A fact with its place and time: one line of `events.jsonl`."""

    seq: int = Field(ge=0)
    """Place in the file, over all attempts; `(run_id, seq)` is unique."""
    time: str
    """UTC, ISO 8601 with milliseconds and `Z`."""
    event: Event
    """The fact."""


ENVELOPE: TypeAdapter[Envelope] = TypeAdapter(Envelope)
"""Reads and checks one line."""
