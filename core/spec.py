"""What a user asks for, as frozen records that cross processes and reach disk.

`TaskSpec`, `ModelSpec` and `ProtocolSpec` describe the pieces, `RunSpec` one chain, `StudySpec` a grid of chains.
Ids are hashes of the canonical JSON of a spec, so the same request has the same id everywhere.
A new field needs a default that means "as before"; a field whose default changes results needs a new id.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import re
from enum import StrEnum
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from core.errors import SpecError
from core.languages import check_language

NAME_PATTERN = r"^[a-z0-9][a-z0-9_.-]*$"
"""What names of tasks, models and protocols look like."""

Name = Annotated[str, Field(pattern=NAME_PATTERN, max_length=80)]


class Spec(BaseModel):
    """Base of everything stored: frozen, no unknown fields, no NaN."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    def canonical_json(self) -> str:
        """JSON with sorted keys and no spaces; equal specs give equal text."""
        return canonical(self.model_dump(mode="json"))

    def digest(self) -> str:
        """First 12 hexadecimal digits of the SHA-256 of the canonical JSON."""
        return digest(self.canonical_json())


def canonical(raw: object) -> str:
    """JSON with sorted keys and no spaces.

    Args:
        raw: Plain JSON values.
    """
    return json.dumps(raw, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def run_id_of(raw: dict[str, Any]) -> str:
    """Id of the run that a `spec.json` describes, also where it was written before a field was added.

    Args:
        raw: `RunSpec` as plain JSON values.
    """
    model = raw["model"]
    if model.get("fingerprint"):
        # The same folder elsewhere, or the same checkout on another machine, is the same model.
        model = model | {"path": ""}
    return digest(canonical(raw | {"model": model}))


def digest(text: str) -> str:
    """First 12 hexadecimal digits of the SHA-256 of a text.

    Args:
        text: Anything; encoded as UTF-8.
    """
    return hashlib.sha256(text.encode()).hexdigest()[:12]


# ---------------------------------------------------------------------------------------------------------- tasks


class TaskType(StrEnum):
    """What a model has to output; each has one head, one featurisation and one family of metrics."""

    CLASSIFICATION = "classification"
    """One label for a text or a pair of texts."""
    MULTILABEL = "multilabel"
    """Any number of labels for a text."""
    REGRESSION = "regression"
    """One real number for a text or a pair of texts."""
    TAGGING = "tagging"
    """One label for each word of a sentence."""
    SPAN_QA = "span_qa"
    """A span of a context that answers a question, or no answer."""
    MULTIPLE_CHOICE = "multiple_choice"
    """One of several candidate texts."""
    RETRIEVAL = "retrieval"
    """The translation of each sentence; nothing is trained."""


class Role(StrEnum):
    """What a task can serve as."""

    TARGET = "target"
    """Scored per language."""
    INTERMEDIATE = "intermediate"
    """Trained on in English between pretraining and the target."""


class Metric(StrEnum):
    """Names of metrics; every score is a fraction, correlations lie in [-1, 1]."""

    ACCURACY = "accuracy"
    """Share of examples (or words) labelled right."""
    F1 = "f1"
    """Entity F1 (tagging), token F1 (span QA) or mining F1 (BUCC)."""
    EXACT_MATCH = "exact_match"
    """Share of answers equal to a gold answer after normalisation."""
    MACRO_F1 = "macro_f1"
    """Unweighted mean of the F1 of each class."""
    MICRO_F1 = "micro_f1"
    """F1 over all decisions of a multi-label task."""
    MRP = "mrp"
    """Mean R-precision of a multi-label task."""
    MATTHEWS = "matthews"
    """Matthews correlation."""
    SPEARMAN = "spearman"
    """Rank correlation with the gold value."""
    PEARSON = "pearson"
    """Linear correlation with the gold value."""


class Columns(Spec):
    """Which columns of a data set hold what; a dot enters a struct (`choices.text`)."""

    text: str | tuple[str, ...] | None = None
    """First (or only) text; several columns are joined by a space."""
    text_pair: str | tuple[str, ...] | None = None
    """Second text of a pair."""
    label: str | None = None
    """Label, score or list of labels; the index or key of the right choice."""
    words: str | None = None
    """List of words (tagging)."""
    tags: str | None = None
    """List of tags, one a word (tagging)."""
    question: str | None = None
    """Question (span QA)."""
    context: str | None = None
    """Passage with the answer (span QA)."""
    answers: str | None = None
    """Struct of lists `text` and `answer_start` (span QA); empty lists mean "no answer"."""
    choices: str | tuple[str, ...] | None = None
    """A list column, or one column per choice (multiple choice)."""
    choice_keys: str | None = None
    """List column with the key of each choice, where the label is a key such as "B"."""
    source: str | None = None
    """Sentence in the other language (retrieval)."""
    target: str | None = None
    """Its English translation (retrieval)."""
    id: str | None = None
    """Identifier of the example; the row number if None."""


class SplitRef(Spec):
    """Where one split of a task is, in the hub's layout."""

    path: str
    """Hub id, such as `google/xtreme`; `file:` and a name under `data/local` for licensed data."""
    config: str | None = None
    """Configuration; `{lang}` stands for the data set's own name of the language."""
    split: str
    """Split; several are joined with `+` (`train_r1+train_r2`)."""
    revision: str | None = Field(default=None, pattern=r"^[0-9a-f]{40}$")
    """Commit of the data set; None where it is not known: the resolved one is recorded with every run."""
    fallbacks: tuple[str, ...] = ()
    """Splits taken, in order, where `split` is not there; the score then names the one used."""
    columns: Columns | None = None
    """Columns of this split where they differ from the task's."""
    label_values: tuple[str | int, ...] | None = None
    """Raw labels in label order where they differ from the task's."""
    language_column: str | None = None
    """Column to filter on where one configuration holds all languages."""
    id_language_prefix: bool = False
    """Whether the language is the part of the id before the first `-` (TyDiQA)."""


class TaskSpec(Spec):
    """A task, complete: nothing about it is written anywhere else."""

    name: Name
    """Short name, used in commands: `xnli`."""
    title: str
    """Name as its authors write it."""
    type: TaskType
    """What the model outputs."""
    roles: tuple[Role, ...] = Field(min_length=1)
    """What it can serve as."""
    summary: str
    """One sentence: what a reader must know."""
    languages: tuple[str, ...] = Field(min_length=1)
    """Languages that are scored, English first where it is there; `("en",)` for an intermediate."""
    language_names: dict[str, str] = {}
    """The data set's own name for a language where it is not the code: `{"de": "German"}`."""
    labels: tuple[str, ...] = ()
    """Label names in id order (classification, multi-label, tagging)."""
    label_values: tuple[str | int, ...] = ()
    """Raw values in label order; empty where the raw value is the id itself or equals the label name."""
    labels_from_data: bool = False
    """Whether the labels are those of the training split (CCG), sorted."""
    columns: Columns
    """Columns of all splits that do not say otherwise."""
    train: SplitRef | None = None
    """English training split; None for retrieval."""
    dev: SplitRef | None = None
    """English development split, the only one that model selection sees."""
    test: SplitRef | None = None
    """Test split in each language; None for a task that is only an intermediate."""
    parts: tuple[str, ...] = ()
    """Names of tasks with the same labels whose training sets are joined (ANLI+)."""
    metrics: tuple[Metric, ...] = Field(min_length=1)
    """Metrics that are stored; the first is the headline."""
    chance: float = Field(ge=-1, le=1)
    """Headline score of a model that knows nothing but the label distribution of a balanced test set."""
    score_range: tuple[float, float] | None = None
    """Smallest and largest gold value (regression), used to scale the output."""
    max_length: int = Field(default=128, ge=8, le=4096)
    """Longest input in pieces; longer ones are cut (windows for span QA)."""
    doc_stride: int = Field(default=128, ge=1)
    """Overlap of windows in pieces (span QA)."""
    has_no_answer: bool = False
    """Whether a question can have no answer (SQuAD v2.0)."""
    answer_normalisation: Literal["squad", "mlqa"] = "squad"
    """How answers are normalised before they are compared; `mlqa` knows the language."""
    tag_scheme: Literal["iob2", "plain"] = "plain"
    """How tags are read when entities are counted (tagging)."""
    mining: bool = False
    """Whether retrieval mines pairs with a threshold (BUCC) and does not rank one answer per query (Tatoeba)."""
    in_task_with: tuple[str, ...] = ()
    """Intermediates that are more training on the same task; their cells are flagged "in-task"."""
    licence: str
    """Licence as its authors state it."""
    citation: str
    """Authors, year and arXiv or ACL id."""
    url: str | None = None
    """Home of the data."""
    train_examples: int | None = Field(default=None, ge=0)
    """Size of the official English training split."""
    test_examples: int | None = Field(default=None, ge=0)
    """Size of the official test split of one language (English where they differ)."""
    domain_words: tuple[str, ...] = ()
    """What the text is about or from: `("news", "Wikipedia")`."""
    cautions: tuple[str, ...] = ()
    """What a reader of the scores must know."""
    is_user_task: bool = False
    """Whether it came from a user's YAML file."""

    @field_validator("languages")
    @classmethod
    def _languages_exist(cls, codes: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(codes)) != len(codes):
            raise ValueError(f"languages are named twice: {sorted({c for c in codes if codes.count(c) > 1})}")
        return tuple(check_language(code) for code in codes)

    @model_validator(mode="after")
    def _is_complete(self) -> Self:
        problems = list(self._missing_pieces())
        if problems:
            raise ValueError(f"task '{self.name}' of type {self.type}: " + "; ".join(problems))
        return self

    def _missing_pieces(self) -> list[str]:
        wanted = {
            TaskType.CLASSIFICATION: ("text", "label"),
            TaskType.MULTILABEL: ("text", "label"),
            TaskType.REGRESSION: ("text", "label"),
            TaskType.TAGGING: ("words", "tags"),
            TaskType.SPAN_QA: ("question", "context", "answers"),
            TaskType.MULTIPLE_CHOICE: ("text", "choices", "label"),
            TaskType.RETRIEVAL: ("source", "target"),
        }[self.type]
        missing = [f"columns.{c} is not set" for c in wanted if getattr(self.columns, c) is None]
        needs_labels = self.type in {TaskType.CLASSIFICATION, TaskType.MULTILABEL, TaskType.TAGGING}
        if needs_labels and not self.labels and not self.labels_from_data:
            missing.append("labels is empty: list them in id order")
        if self.label_values and len(self.label_values) != len(self.labels):
            missing.append(f"label_values has {len(self.label_values)} entries for {len(self.labels)} labels")
        if self.type is TaskType.REGRESSION and self.score_range is None:
            missing.append("score_range is not set")
        if Role.TARGET in self.roles and self.test is None:
            missing.append("a target needs a test split")
        if self.type is not TaskType.RETRIEVAL and self.train is None and not self.parts:
            missing.append("a task that is trained needs a train split")
        if self.type is TaskType.RETRIEVAL and Role.INTERMEDIATE in self.roles:
            missing.append("retrieval is never trained, so it cannot be an intermediate")
        return missing

    @property
    def headline(self) -> Metric:
        """The metric that pages show first and model selection uses."""
        return self.metrics[0]

    def own_name(self, lang: str) -> str:
        """The data set's own name for a language.

        Args:
            lang: XTREME's code.
        """
        return self.language_names.get(lang, lang)


# --------------------------------------------------------------------------------------------------------- models


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


_INTERMEDIATE = re.compile(
    r"^(?P<tasks>[a-z0-9_.-]+(\+[a-z0-9_.-]+)*)(~(?P<placebo>[a-z]+))?(@(?P<slice>[a-z0-9_]+(,[a-z0-9_]+)*))?$"
)


class IntermediateSpec(Spec):
    """What is trained on between pretraining and the target.

    As text: `mnli`; `mnli+qqp+squad` (multi-task); `mnli~shuffled`, `imdb~mlm` (placebos);
    `mnli@food,hard` (a domain and a difficulty of the sample tasks). A target's English training text can be used
    for masked-language modelling: `multi_eurlex~mlm`.
    """

    tasks: tuple[Name, ...] = Field(min_length=1)
    """Task names; more than one is a multi-task stage. Sorted, so that the order typed does not matter."""
    placebo: Placebo | None = None
    """Placebo on the text of the tasks, or None."""
    domain: str | None = None
    """Domain of the sample tasks; None: all of them."""
    difficulty: Literal["easy", "medium", "hard"] | None = None
    """Difficulty of the sample tasks; None: the mixture."""

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
        domains = [s for s in slices if s not in levels]
        if match is None or len(levels) > 1 or len(domains) > 1:
            raise SpecError(
                f"'{text}' does not name an intermediate. Write one task (mnli), several (mnli+qqp), "
                "a placebo (mnli~shuffled, mnli~mlm) or a slice of the sample tasks (mnli@food,hard)."
            )
        if match["placebo"] and match["placebo"] not in set(Placebo):
            raise SpecError(f"'{text}': no placebo named '{match['placebo']}'. Known: {', '.join(Placebo)}.")
        return cls(
            tasks=tuple(match["tasks"].split("+")),
            placebo=Placebo(match["placebo"]) if match["placebo"] else None,
            domain=domains[0] if domains else None,
            difficulty=levels[0] if levels else None,
        )

    @property
    def name(self) -> str:
        """The text form; equal for equal specs."""
        placebo = f"~{self.placebo}" if self.placebo else ""
        slices = ",".join(s for s in (self.domain, self.difficulty) if s)
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


def closure(names: tuple[str, ...], *, tasks: tuple[TaskSpec, ...]) -> tuple[TaskSpec, ...]:
    """The named tasks and all their parts, each once, sorted by name.

    Args:
        names: Task names.
        tasks: Definitions to take them from.

    Raises:
        SpecError: A name or a part is not among them.
    """
    by_name = {t.name: t for t in tasks}
    found: dict[str, TaskSpec] = {}
    todo = list(names)
    while todo:
        name = todo.pop()
        if name not in by_name:
            raise SpecError(f"No definition of task '{name}' was given, only of {', '.join(sorted(by_name))}.")
        if name not in found:
            found[name] = by_name[name]
            todo.extend(by_name[name].parts)
    return tuple(found[name] for name in sorted(found))
