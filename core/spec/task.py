"""What a task is: its type, its columns in the hub's layout, its splits, languages, metrics and licence."""

from __future__ import annotations

from enum import StrEnum
from typing import ClassVar, Literal, Self

from pydantic import Field, field_validator, model_validator

from core.errors import SpecError
from core.languages import check_language
from core.spec.base import DESCRIBING, GrowingSpec, Name, Spec
from core.spec.plain import shortened


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


class TaskSpec(GrowingSpec):
    """A task, complete: nothing about it is written anywhere else."""

    later: ClassVar[frozenset[str]] = frozenset({"english_test"})
    describing: ClassVar[frozenset[str]] = DESCRIBING

    name: Name
    """Short name, used in commands: `xnli`."""
    title: str
    """Name as its authors write it."""
    type: Name
    """What the model outputs: a name of `core/types`, which also says what a task of that type must set."""
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
    english_test: SplitRef | None = None
    """English test split where another data set holds it (XCOPA's lies in COPA)."""
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
    """Intermediates that train the same task; their cells are flagged "in-task"."""
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
        if twice := {code for code in codes if codes.count(code) > 1}:
            raise ValueError(f"languages are named twice: {shortened(sorted(twice))}")
        return tuple(check_language(code) for code in codes)

    @model_validator(mode="after")
    def _is_complete(self) -> Self:
        problems = self._missing_pieces()
        if problems:
            raise ValueError(f"task '{self.name}' of type {self.type}: " + "; ".join(problems))
        return self

    def _missing_pieces(self) -> list[str]:
        missing = []
        if self.label_values and len(self.label_values) != len(self.labels):
            missing.append(f"label_values has {len(self.label_values)} entries for {len(self.labels)} labels")
        if Role.TARGET in self.roles and self.test is None:
            missing.append("a target needs a test split")
        return missing

    @property
    def headline(self) -> Metric:
        """The metric that pages show first and model selection uses."""
        return self.metrics[0]

    def split_ref(self, role: Literal["train", "dev", "test"], *, lang: str) -> SplitRef | None:
        """Where a split of a language is declared; None where it is not."""
        if role == "test":
            return self.english_test if self.english_test and lang == "en" else self.test
        return self.train if role == "train" else self.dev

    def own_name(self, lang: str) -> str:
        """The data set's own name for a language."""
        return self.language_names.get(lang, lang)


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
