"""What a user asks for: one chain (`RunSpec`), a grid of chains (`StudySpec`), and the pieces that only they have."""

from __future__ import annotations

import itertools
import re
from enum import StrEnum
from typing import ClassVar, Literal, Self, get_args

from pydantic import Field, field_validator, model_validator

from core.errors import SpecError
from core.spec.base import GrowingSpec, Name, Spec, run_id_of
from core.spec.model import ModelSpec
from core.spec.plain import clipped
from core.spec.protocol import ProtocolSpec, StageProtocol
from core.spec.task import Role, TaskSpec, closure


class DataSourceKind(StrEnum):
    """Where the data of a run come from; one per run."""

    SAMPLE = "sample"
    """The bundled sample tasks, written for this project; offline."""
    MIRROR = "mirror"
    """A folder in the hub's layout."""
    HUB = "hub"
    """The Hugging Face hub, or the server that `HF_ENDPOINT` names."""

    @property
    def is_real(self) -> bool:
        """Whether people wrote the texts; those of the laboratory are generated."""
        return self is not DataSourceKind.SAMPLE

    @property
    def words(self) -> str:
        """What a reader must know of the numbers: the laboratory never passes for XTREME."""
        return {"sample": "generated sentences, known truth", "mirror": "real data", "hub": "real data, hub"}[self]


MIRROR = "FOLDER-IN-THE-HUBS-LAYOUT"
"""Stands for the folder of a mirror in a committed spec: a folder of this machine means nothing elsewhere."""


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

Nearness = Literal["near", "far"]
"""Third of a task's training examples by similarity to a target's English training text: nearest or farthest."""

_SLICE = r"[a-z0-9_]+(:[a-z0-9_.-]+)?"
_INTERMEDIATE = re.compile(
    rf"^(?P<tasks>[a-z0-9_.-]+(\+[a-z0-9_.-]+)*)(~(?P<placebo>[a-z]+))?(@(?P<slice>{_SLICE}(,{_SLICE})*))?$"
)


class IntermediateSpec(GrowingSpec):
    """What is trained on between pretraining and the target.

    As text: `mnli`; `mnli+qqp+squad` (multi-task); `mnli~shuffled`, `imdb~mlm` (placebos);
    `mnli@food,hard` (a domain and a difficulty of the sample tasks); `mnli@hardest` (the third of its examples that is
    hardest for the run's model); `mnli@near:udpos`, `mnli@far:udpos` (the third that is nearest to or farthest from the
    English text of a target, for the run's model); `mnli@hardest:udpos` (a difficulty third matched in similarity to a
    target, too). In a study `mnli@near` is near to the target of each run.
    A target's English training text can be used for masked-language modelling: `multi_eurlex~mlm`.
    """

    later: ClassVar[frozenset[str]] = frozenset({"third", "nearness", "to"})

    tasks: tuple[Name, ...] = Field(min_length=1)
    """Task names; more than one is a multi-task stage. Sorted, so that the order typed does not matter."""
    placebo: Placebo | None = None
    """Placebo on the text of the tasks, or None."""
    domain: str | None = None
    """Domain of the sample tasks; None: all of them."""
    difficulty: Literal["easy", "medium", "hard"] | None = None
    """Difficulty of the sample tasks; None: the mixture."""
    third: Third | None = None
    """Third of the training examples by measured difficulty; None: all."""
    nearness: Nearness | None = None
    """Third of the training examples by similarity to the text of `to`; None: all."""
    to: Name | None = None
    """Target whose text nearness is measured to, or that a difficulty third is matched in similarity to; None beside
    `nearness`: the target of the run, which only a study can leave open."""

    @field_validator("tasks")
    @classmethod
    def _sorted(cls, tasks: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(tasks)) != len(tasks):
            raise ValueError(f"an intermediate is named twice in {clipped('+'.join(tasks))}")
        return tuple(sorted(tasks))

    @model_validator(mode="after")
    def _one_third(self) -> Self:
        if self.third and self.nearness:
            raise ValueError(
                f"it is a third by difficulty ({self.third}) and by similarity ({self.nearness}); name one"
            )
        if self.to and not self.is_third:
            raise ValueError(f"':{self.to}' names a target without saying what of it; write near:{self.to}")
        return self

    @property
    def is_third(self) -> bool:
        """Whether it is trained on a third of its examples, which the run's model chooses."""
        return self.third is not None or self.nearness is not None

    @property
    def needs(self) -> tuple[str, ...]:
        """Names of the tasks whose data it takes: its own, and the target that its text is compared with."""
        return (*self.tasks, *([self.to] if self.to else ()))

    def before(self, target: str) -> IntermediateSpec:
        """What it is in a run: `mnli@near` before udpos is `mnli@near:udpos`.

        Args:
            target: Of the run.
        """
        return self.model_copy(update={"to": target}) if self.nearness and not self.to else self

    @classmethod
    def parse(cls, text: str) -> IntermediateSpec:
        """Read the text form.

        Args:
            text: Such as `mnli+qqp~shuffled`.

        Raises:
            SpecError: It is not of that form.
        """
        match = _INTERMEDIATE.match(text.strip())
        parts = [s.partition(":") for s in match["slice"].split(",")] if match and match["slice"] else []
        known = {"difficulty": {"easy", "medium", "hard"}, "third": get_args(Third), "nearness": get_args(Nearness)}
        slices = {name: [word for word, *_ in parts if word in words] for name, words in known.items()}
        slices["domain"] = [word for word, *_ in parts if not any(word in found for found in slices.values())]
        slices["to"] = [to for word, colon, to in parts if colon]
        measured = slices["third"] + slices["nearness"]
        is_misplaced = any(colon and word not in measured for word, colon, _ in parts)
        if match is None or is_misplaced or len(measured) > 1 or max(map(len, slices.values())) > 1:
            raise SpecError(
                f"'{clipped(text)}' does not name an intermediate. Write one task (mnli), several (mnli+qqp), "
                "a placebo (mnli~shuffled, mnli~mlm), a difficulty third (mnli@hardest, @middle, @easiest), "
                "the third nearest to or farthest from a target's text (mnli@near:udpos, @far:udpos) "
                "or a slice of the sample tasks (mnli@food,hard)."
            )
        if match["placebo"] and match["placebo"] not in set(Placebo):
            raise SpecError(
                f"'{clipped(text)}': no placebo named '{clipped(match['placebo'])}'. Known: {', '.join(Placebo)}."
            )
        return cls.model_validate(
            {
                "tasks": tuple(match["tasks"].split("+")),
                "placebo": Placebo(match["placebo"]) if match["placebo"] else None,
                **{name: next(iter(found), None) for name, found in slices.items()},
            }
        )

    @property
    def name(self) -> str:
        """The text form; equal for equal specs."""
        placebo = f"~{self.placebo}" if self.placebo else ""
        to = f":{self.to}" if self.to else ""
        measured = f"{self.third or self.nearness}{to}" if self.is_third else None
        slices = ",".join(s for s in (self.domain, self.difficulty, measured) if s)
        return "+".join(self.tasks) + placebo + (f"@{slices}" if slices else "")


class RunSpec(Spec):
    """One chain: model, intermediate or none, target, seed, protocol, data source."""

    model: ModelSpec
    """The pretrained encoder."""
    intermediate: IntermediateSpec | None
    """What is trained before the target; None: the baseline."""
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

    @model_validator(mode="after")
    def _says_near_to_what(self) -> Self:
        if self.intermediate and self.intermediate.nearness and not self.intermediate.to:
            raise ValueError(f"'{self.intermediate.name}': near to or far from what? Write @near:{self.target}")
        return self

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
        return tuple(
            self._run(model, target, seed, intermediate)
            for model, target, seed in itertools.product(self.models, self.targets, self.seeds)
            for intermediate in self.before(target)
        )

    def before(self, target: str) -> tuple[IntermediateSpec | None, ...]:
        """What is trained on before a target, each once, the baseline's None first.

        Args:
            target: One of the study's.
        """
        wanted = [*([None] if self.with_baselines else []), *self.intermediates]
        return tuple(dict.fromkeys(spec and spec.before(target) for spec in wanted))

    def _run(self, model: ModelSpec, target: str, seed: int, intermediate: IntermediateSpec | None) -> RunSpec:
        return RunSpec(
            model=model,
            intermediate=intermediate,
            target=target,
            seed=seed,
            protocol=self.protocol,
            data_source=self.data_source,
            tasks=closure((target, *(intermediate.needs if intermediate else ())), tasks=self.tasks),
        )
