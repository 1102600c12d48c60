"""What a user asks for, as frozen records that cross processes and reach disk.

`TaskSpec`, `ModelSpec` and `ProtocolSpec` describe the pieces, `RunSpec` one chain, `StudySpec` a grid of chains.
Ids are hashes of the canonical JSON of a spec, so the same request has the same id everywhere.
A new field needs a default that means "as before"; a field whose default changes results needs a new id.
Every record of a request is imported from here; `spec_base` and `spec_task` hold what it is built of.
"""

from __future__ import annotations

import itertools
import re
from enum import StrEnum
from typing import Literal, Self, get_args

from pydantic import Field, SerializerFunctionWrapHandler, field_validator, model_serializer, model_validator

from core.errors import SpecError
from core.spec_base import NAME_PATTERN, Name, Spec, canonical, digest, run_id_of
from core.spec_task import Columns, Metric, Role, SplitRef, TaskSpec, TaskType, closure

__all__ = [
    "NAME_PATTERN",
    "Columns",
    "DataSource",
    "DataSourceKind",
    "IntermediateSpec",
    "Metric",
    "ModelSpec",
    "Name",
    "Placebo",
    "ProtocolSpec",
    "Role",
    "RunSpec",
    "Spec",
    "SplitRef",
    "StageProtocol",
    "StudySpec",
    "TaskSpec",
    "TaskType",
    "canonical",
    "closure",
    "digest",
    "run_id_of",
]


class ModelSpec(Spec):
    """A pretrained encoder at a revision."""

    name: Name
    """Short name: `xlm-r-base`."""
    title: str
    """Name as its authors write it."""
    path: str
    """Hub id, or an absolute folder in transformers' format."""
    revision: str | None = Field(default=None, pattern=r"^[0-9a-f]{40}$")
    """Commit on the hub; None where it is not known: the resolved one is recorded with every run."""
    fingerprint: str | None = None
    """Digest of the weights and configuration of a local folder; None for a hub model."""
    architecture: str
    """transformers' `model_type`: `xlm-roberta`."""
    languages: Literal["multilingual", "english"]
    """What it was pretrained on."""
    parameters_m: float | None = Field(default=None, gt=0)
    """Parameters in millions."""
    retrieval_layer: int | None = None
    """Layer whose states are pooled for retrieval, 0 the embeddings; negative counts from the last; None: the last."""
    retrieval_pooling: Literal["mean", "cls"] = "mean"
    """How the states of a sentence become one vector."""
    learning_rate_factor: float = Field(default=1.0, gt=0, le=100)
    """What the learning rates of unpublished protocols are multiplied by: small encoders want larger steps."""
    licence: str
    """Licence as its authors state it."""
    citation: str
    """Authors, year and arXiv id."""
    is_user_model: bool = False
    """Whether it is a local folder or came from a user's YAML file."""


# ------------------------------------------------------------------------------------------------------ protocols


class StageProtocol(Spec):
    """Hyper-parameters of one fine-tuning stage."""

    learning_rate: float = Field(gt=0, le=1)
    """Peak learning rate of AdamW."""
    epochs: float = Field(default=1.0, gt=0)
    """Passes over the training set."""
    max_steps: int | None = Field(default=None, ge=1)
    """Upper bound on optimiser steps; None: as many as the epochs need."""
    batch_size: int = Field(default=32, ge=1)
    """Examples per optimiser step; a step is split into micro-batches of at most `batch_tokens`."""
    batch_tokens: int = Field(default=8192, ge=64)
    """Tokens (with padding) that go through the model at once."""
    max_train_examples: int | None = Field(default=None, ge=1)
    """Size of the seeded sample of the training set; None: all of it."""
    max_dev_examples: int | None = Field(default=None, ge=1)
    """Size of the first part of the English development set that selection uses; None: all of it."""
    evaluations: int = Field(default=4, ge=1)
    """How often the English development set is scored during the stage, evenly spaced, the end included."""
    selection: Literal["best", "last"] = "best"
    """Which checkpoint goes on: the best on English development data, or the last."""
    patience: int | None = Field(default=None, ge=1)
    """Stop after so many evaluations without a better one; None: never."""
    warmup_fraction: float = Field(default=0.1, ge=0, le=1)
    """Share of the steps over which the learning rate rises."""
    warmup_steps: int | None = Field(default=None, ge=0)
    """Number of warm-up steps where a paper states it; overrides the fraction."""
    weight_decay: float = Field(default=0.01, ge=0)
    """Decoupled weight decay; none on biases and layer norms."""
    schedule: Literal["linear", "constant"] = "linear"
    """Learning rate after warm-up."""
    gradient_clip: float = Field(default=1.0, gt=0)
    """Largest norm of the gradient."""
    dropout: float | None = Field(default=None, ge=0, lt=1)
    """Dropout of the encoder and head; None: as the model's configuration says."""
    freezing: Literal["none", "gradual", "embeddings"] = "none"
    """`none`: all weights are updated; `gradual`: unfrozen layer by layer from the top (Howard & Ruder 2018);
    `embeddings`: the embedding matrix stays as it is."""
    mlm_probability: float = Field(default=0.15, gt=0, lt=1)
    """Share of pieces that are masked when the stage is masked-language modelling."""
    train_share: float = Field(default=1.0, gt=0, le=1)
    """Share of the training data that is trained on, the rest unused (70/30 split of 2210.01091)."""
    mix_cap: int | None = Field(default=None, ge=1)
    """Most examples that one task brings to a multi-task stage, which is mixed in proportion to size."""


class ProtocolSpec(Spec):
    """Hyper-parameters of both stages and of the evaluation."""

    name: Name
    """`quick`, `standard`, `phang2020`, `xtreme2020`, `mohapatra2022`, or a name of your own."""
    summary: str
    """One sentence: what it is for and whose figures it uses."""
    intermediate: StageProtocol
    """Intermediate stage."""
    target: StageProtocol
    """Target stage."""
    intermediate_overrides: dict[str, dict[str, float | int | str | None]] = {}
    """Fields of `intermediate` that differ for a task, by task name."""
    target_overrides: dict[str, dict[str, float | int | str | None]] = {}
    """Fields of `target` that differ for a task, by task name."""
    max_test_examples: int | None = Field(default=None, ge=1)
    """Size of the seeded sample of each language's test set; the same examples for every run; None: all of it."""
    max_length: int | None = Field(default=None, ge=8)
    """Upper bound on every task's `max_length`."""
    retrieval_layer: int | None = None
    """Layer for retrieval; None: the model's own."""
    retrieval_pooling: Literal["mean", "cls"] | None = None
    """Pooling for retrieval; None: the model's own."""
    stated: dict[str, str] = {}
    """For a published protocol: field → where the paper states it, or "ours" where it does not."""

    def stage_for(self, role: Role, task: str) -> StageProtocol:
        """Hyper-parameters of a stage on a task, overrides applied.

        Args:
            role: Which of the two stages.
            task: Name of the task trained on.
        """
        base = self.intermediate if role is Role.INTERMEDIATE else self.target
        overrides = self.intermediate_overrides if role is Role.INTERMEDIATE else self.target_overrides
        return StageProtocol.model_validate(base.model_dump() | overrides.get(task, {}))


# ---------------------------------------------------------------------------------------------------------- runs


class DataSourceKind(StrEnum):
    """Where the data of a run come from; one per run."""

    SAMPLE = "sample"
    """The bundled sample tasks, written for this project; offline."""
    MIRROR = "mirror"
    """A folder in the hub's layout."""
    HUB = "hub"
    """The Hugging Face hub, or the server that `HF_ENDPOINT` names."""


class DataSource(Spec):
    """Where the data of a run come from."""

    kind: DataSourceKind
    """One of three."""
    root: str | None = None
    """Absolute folder of the mirror; None for the others."""

    @model_validator(mode="after")
    def _mirror_has_root(self) -> Self:
        if (self.kind is DataSourceKind.MIRROR) != (self.root is not None):
            raise ValueError(f"data source '{self.kind}': a mirror, and only a mirror, needs its folder (--mirror)")
        return self


class Placebo(StrEnum):
    """Conditions that use an intermediate's text without its task."""

    SHUFFLED = "shuffled"
    """Labels shuffled over examples with the run's seed."""
    MLM = "mlm"
    """Masked-language modelling on the text."""


Third = Literal["easiest", "middle", "hardest"]
"""Third of a task's training examples by how much of their label the model can say, easy first."""

_INTERMEDIATE = re.compile(
    r"^(?P<tasks>[a-z0-9_.-]+(\+[a-z0-9_.-]+)*)(~(?P<placebo>[a-z]+))?(@(?P<slice>[a-z0-9_]+(,[a-z0-9_]+)*))?$"
)


class IntermediateSpec(Spec):
    """What is trained on between pretraining and the target.

    As text: `mnli`; `mnli+qqp+squad` (multi-task); `mnli~shuffled`, `imdb~mlm` (placebos);
    `mnli@food,hard` (a domain and a difficulty of the sample tasks); `mnli@hardest` (the third of its examples that is
    hardest for the run's model). A target's English training text can be used for masked-language modelling:
    `multi_eurlex~mlm`.
    """

    tasks: tuple[Name, ...] = Field(min_length=1)
    """Task names; more than one is a multi-task stage. Sorted, so that the order typed does not matter."""
    placebo: Placebo | None = None
    """Placebo on the text of the tasks, or None."""
    domain: str | None = None
    """Domain of the sample tasks; None: all of them."""
    difficulty: Literal["easy", "medium", "hard"] | None = None
    """Difficulty of the sample tasks; None: the mixture."""
    third: Third | None = None
    """Third of the training examples by measured difficulty; None: all. Absent from the JSON where it is None."""

    @model_serializer(mode="wrap")
    def _as_before_there_were_thirds(self, handler: SerializerFunctionWrapHandler) -> dict[str, object]:
        fields: dict[str, object] = handler(self)
        return {name: value for name, value in fields.items() if name != "third" or value is not None}

    @field_validator("tasks")
    @classmethod
    def _sorted(cls, tasks: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(tasks)) != len(tasks):
            raise ValueError(f"an intermediate is named twice in {'+'.join(tasks)}")
        return tuple(sorted(tasks))

    @classmethod
    def parse(cls, text: str) -> IntermediateSpec:
        """Read the text form.

        Args:
            text: Such as `mnli+qqp~shuffled`.

        Raises:
            SpecError: It is not of that form.
        """
        match = _INTERMEDIATE.match(text.strip())
        slices = match["slice"].split(",") if match and match["slice"] else []
        levels = [s for s in slices if s in {"easy", "medium", "hard"}]
        thirds = [s for s in slices if s in get_args(Third)]
        domains = [s for s in slices if s not in levels and s not in thirds]
        if match is None or max(len(levels), len(thirds), len(domains)) > 1:
            raise SpecError(
                f"'{text}' does not name an intermediate. Write one task (mnli), several (mnli+qqp), "
                "a placebo (mnli~shuffled, mnli~mlm), a difficulty third (mnli@hardest, @middle, @easiest) "
                "or a slice of the sample tasks (mnli@food,hard)."
            )
        if match["placebo"] and match["placebo"] not in set(Placebo):
            raise SpecError(f"'{text}': no placebo named '{match['placebo']}'. Known: {', '.join(Placebo)}.")
        return cls.model_validate(
            {
                "tasks": tuple(match["tasks"].split("+")),
                "placebo": Placebo(match["placebo"]) if match["placebo"] else None,
                "domain": next(iter(domains), None),
                "difficulty": next(iter(levels), None),
                "third": next(iter(thirds), None),
            }
        )

    @property
    def name(self) -> str:
        """The text form; equal for equal specs."""
        placebo = f"~{self.placebo}" if self.placebo else ""
        slices = ",".join(s for s in (self.domain, self.difficulty, self.third) if s)
        return "+".join(self.tasks) + placebo + (f"@{slices}" if slices else "")


class RunSpec(Spec):
    """One chain: model, intermediate or none, target, seed, protocol, data source."""

    model: ModelSpec
    """The pretrained encoder."""
    intermediate: IntermediateSpec | None
    """What comes between; None is the baseline."""
    target: Name
    """Task that is scored in every language."""
    seed: int = Field(ge=0, lt=2**31)
    """Seed of every random draw: heads, order, dropout, samples of training data."""
    protocol: ProtocolSpec
    """Hyper-parameters."""
    data_source: DataSource
    """Where the data come from."""
    tasks: tuple[TaskSpec, ...]
    """Definitions of every task the run uses, parts included, sorted by name: the run folder is complete in itself."""

    @property
    def run_id(self) -> str:
        """Id of the run: digest of the spec, save the place of a model folder whose bytes have a fingerprint."""
        return run_id_of(self.model_dump(mode="json"))

    @property
    def intermediate_name(self) -> str:
        """Text form of the intermediate, `none` for the baseline."""
        return self.intermediate.name if self.intermediate else "none"

    def task(self, name: str) -> TaskSpec:
        """Definition of one of the run's tasks.

        Args:
            name: Its name.

        Raises:
            SpecError: The run does not use it.
        """
        for spec in self.tasks:
            if spec.name == name:
                return spec
        raise SpecError(f"Run {self.run_id} carries no task '{name}', only {', '.join(t.name for t in self.tasks)}.")

    def stage_protocol(self, role: Role, task: str) -> StageProtocol:
        """Hyper-parameters of a stage for this run's model; a published protocol is taken as it is.

        Args:
            role: Which of the two stages.
            task: Name of the task trained on.
        """
        stage = self.protocol.stage_for(role, task)
        if self.protocol.stated:
            return stage
        return stage.model_copy(update={"learning_rate": stage.learning_rate * self.model.learning_rate_factor})

    def baseline(self) -> RunSpec:
        """The same chain without the intermediate stage: what its gain is measured against."""
        return RunSpec(
            model=self.model,
            intermediate=None,
            target=self.target,
            seed=self.seed,
            protocol=self.protocol,
            data_source=self.data_source,
            tasks=(self.task(self.target),),
        )

    def pair_key(self) -> str:
        """Digest of everything a run shares with its baseline; a gain is between two runs of one key."""
        return self.baseline().run_id


class StudySpec(Spec):
    """A set of runs from one form or file."""

    name: Name
    """What the user calls it."""
    models: tuple[ModelSpec, ...] = Field(min_length=1)
    """Encoders."""
    intermediates: tuple[IntermediateSpec | None, ...] = Field(min_length=1)
    """Intermediates; None stands for the chain without one."""
    targets: tuple[Name, ...] = Field(min_length=1)
    """Targets."""
    seeds: tuple[int, ...] = Field(min_length=1)
    """Seeds."""
    protocol: ProtocolSpec
    """Hyper-parameters."""
    data_source: DataSource
    """Where the data come from."""
    tasks: tuple[TaskSpec, ...]
    """Definitions of every task used, parts included."""
    with_baselines: bool = True
    """Whether each run's paired baseline is part of the study."""

    def runs(self) -> tuple[RunSpec, ...]:
        """All runs, each once: for every model, target and seed the baseline comes first."""
        wanted = list(dict.fromkeys(([None] if self.with_baselines else []) + list(self.intermediates)))
        grid = itertools.product(self.models, self.targets, self.seeds, wanted)
        return tuple(self._run(model, target, seed, intermediate) for model, target, seed, intermediate in grid)

    def _run(self, model: ModelSpec, target: str, seed: int, intermediate: IntermediateSpec | None) -> RunSpec:
        return RunSpec(
            model=model,
            intermediate=intermediate,
            target=target,
            seed=seed,
            protocol=self.protocol,
            data_source=self.data_source,
            tasks=closure((target, *(intermediate.tasks if intermediate else ())), tasks=self.tasks),
        )
