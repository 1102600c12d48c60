"""What a profile measures, as a frozen record: domains of texts, difficulty, change of the encoder, selectors.

A point is one text: `mnli` or `mnli@food,hard` (English training text of an intermediate), `xnli:train` (a target's
English training text), `xnli:test:de` (its test text in German). A new field needs a default that means "as before".
"""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Any, Self

from pydantic import Field, field_validator, model_validator

from core.errors import RunFolderDamaged, SpecError
from core.languages import check_language
from core.spec.base import Name, Spec, run_id_before, run_id_of
from core.spec.model import ModelSpec
from core.spec.protocol import ProtocolSpec
from core.spec.run import DataSource, IntermediateSpec, RunSpec
from core.spec.task import Role, TaskSpec

_PLACEBO = re.compile(r"~[a-z]+")

DEFAULT_TEXTS = 1_000
"""Texts of a point, at most, unless somebody asks for another number."""

DEFAULT_RESAMPLES = 200
"""Resamples of an interval that has no closed form."""


class ProfileKind(StrEnum):
    """What a profile measures."""

    DOMAIN = "domain"
    """Similarity of texts: needs no training."""
    DIFFICULTY = "difficulty"
    """How hard an intermediate is for a model: trains on it."""
    ENCODER = "encoder"
    """What an intermediate stage did to the encoder: trains that stage."""
    SELECTORS = "selectors"
    """What selectors say of intermediates for targets, before training on these: trains the intermediate stage."""


class ProfileSpec(Spec):
    """One profile: a kind, a model, a data source, and what is measured."""

    kind: ProfileKind
    """What is measured."""
    model: ModelSpec
    """Sentence encoder (domain), or the model that is trained (the others)."""
    data_source: DataSource
    """Where the texts come from."""
    intermediates: tuple[str, ...] = ()
    """Text forms of `IntermediateSpec`, slices included: `mnli@food,hard`; sorted, each once."""
    targets: tuple[Name, ...] = ()
    """Names of target tasks, sorted; for an encoder profile those whose parallel sentences are retrieved, for a
    selectors profile those whose English training examples are looked at."""
    languages: tuple[str, ...] = ()
    """Languages of the targets' test sets, sorted; empty: all of each target."""
    tasks: tuple[TaskSpec, ...]
    """Definitions of every task used, parts included, sorted by name: the folder is complete in itself."""
    protocol: ProtocolSpec | None = None
    """Hyper-parameters of what is trained; None for a domain profile, which trains nothing."""
    n: int = Field(default=DEFAULT_TEXTS, ge=10)
    """Texts of a point (domain) or examples that are scored (the others), at most."""
    resamples: int = Field(default=DEFAULT_RESAMPLES, ge=20, le=100_000)
    """Resamples of intervals that have no closed form."""
    seed: int = Field(ge=0, lt=2**31)
    """Seed of every random draw: samples, directions, resamples, trainings."""
    code: int = Field(default=1, ge=1)
    """Version of what is computed: raised when the same request would give other figures."""

    @field_validator("intermediates")
    @classmethod
    def _intermediates_sorted(cls, texts: tuple[str, ...]) -> tuple[str, ...]:
        try:
            return tuple(sorted({IntermediateSpec.parse(text).name for text in texts}))
        except SpecError as error:
            raise ValueError(str(error)) from error

    @field_validator("targets")
    @classmethod
    def _targets_sorted(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(sorted(set(names)))

    @field_validator("languages")
    @classmethod
    def _languages_sorted(cls, codes: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(sorted({check_language(code) for code in codes}))

    @model_validator(mode="after")
    def _is_complete(self) -> Self:
        if (self.kind is ProfileKind.DOMAIN) != (self.protocol is None):
            needs = "trains nothing, so it takes no protocol" if self.protocol else "trains, so it needs a protocol"
            raise ValueError(f"a {self.kind} profile {needs}")
        if self.kind is not ProfileKind.DOMAIN and not self.intermediates:
            raise ValueError(f"a {self.kind} profile needs at least one intermediate, such as mnli")
        if self.kind is ProfileKind.SELECTORS and not self.targets:
            raise ValueError("a selectors profile needs at least one target, such as xnli")
        if not self.intermediates and not self.targets:
            raise ValueError("a profile needs at least one intermediate or target")
        named = {name for spec in self.intermediate_specs for name in spec.needs} | set(self.targets)
        missing = sorted(named - {task.name for task in self.tasks})
        if missing:
            raise ValueError(f"no definition of {', '.join(missing)} is carried")
        unscored = [name for name in self.targets if Role.TARGET not in self.task(name).roles]
        if unscored:
            raise ValueError(f"{', '.join(unscored)}: not a target task, so it has no test texts")
        return self

    @property
    def profile_id(self) -> str:
        """Id of the profile, `p` and a digest of the spec; the place of a fingerprinted model folder does not count."""
        return profile_id_of(self.model_dump(mode="json"))

    @property
    def intermediate_specs(self) -> tuple[IntermediateSpec, ...]:
        """The intermediates as records, in the order of their names."""
        return tuple(IntermediateSpec.parse(text) for text in self.intermediates)

    def task(self, name: str) -> TaskSpec:
        """Definition of one of the profile's tasks.

        Raises:
            SpecError: The profile does not use it.
        """
        for spec in self.tasks:
            if spec.name == name:
                return spec
        raise SpecError(f"The profile carries no task '{name}', only {', '.join(t.name for t in self.tasks)}.")

    def scored_languages(self, target: str) -> tuple[str, ...]:
        """Languages of a target that are measured, in the target's order.

        Args:
            target: Its name.
        """
        return tuple(code for code in self.task(target).languages if not self.languages or code in self.languages)


def profile_id_of(raw: dict[str, object]) -> str:
    """Id of the profile that a `spec.json` describes, also where it was written before a field was added.

    Args:
        raw: `ProfileSpec` as plain JSON values.
    """
    return f"p{run_id_of(raw)}"


def job_id_of(spec: RunSpec | ProfileSpec) -> str:
    """Id of the job that computes a run or profile: its folder's name.

    Args:
        spec: What is asked for.
    """
    return spec.run_id if isinstance(spec, RunSpec) else spec.profile_id


def raw_id_of(raw: dict[str, Any]) -> str:
    """Id of the job that a `spec.json` describes, a run's or a profile's.

    Args:
        raw: Its plain JSON values.
    """
    return profile_id_of(raw) if "kind" in raw else run_id_of(raw)


def check_named(raw: dict[str, Any], name: str) -> None:
    """Refuse a `spec.json` that is another job's than its folder's name says.

    Args:
        raw: Its plain JSON values.
        name: Of the folder; ids that an earlier version gave are right as well.

    Raises:
        RunFolderDamaged: They differ.
    """
    is_profile = "kind" in raw
    before = f"p{run_id_before(raw)}" if is_profile else run_id_before(raw)
    if name not in {raw_id_of(raw), before}:
        what = "profile" if is_profile else "run"
        raise RunFolderDamaged(
            f"spec.json is of {what} {raw_id_of(raw)}, but the folder is named {name}: "
            "it was changed, copied or renamed."
        )


def text_point(intermediate: str) -> str:
    """Name of the point of an intermediate's text: that of the task itself, as a placebo has the same text.

    Args:
        intermediate: Text form, such as `mnli~shuffled@food`.
    """
    return _PLACEBO.sub("", intermediate)


def train_point(target: str) -> str:
    """Name of the point of a target's English training text: `xnli:train`."""
    return f"{target}:train"


def test_point(target: str, lang: str) -> str:
    """Name of the point of a target's test text in a language: `xnli:test:de`."""
    return f"{target}:test:{lang}"
