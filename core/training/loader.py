"""The data of a run: English splits to train and select on, test splits to score, each reported as it is read."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from core.data.datasets import TEST_SEED, load_split, subsample
from core.data.lookup import look_up_studied, missing_tests, nothing_there
from core.data.origin import DataOrigin
from core.data.overlap import Seen
from core.errors import DataError, HubUnreachable, MissingSplit, SpecError
from core.events import DataLoaded, Emit, Flagged, LanguageSkipped
from core.examples import Split, SplitRole, fingerprint
from core.paths import AtlasPaths
from core.spec.protocol import StageProtocol
from core.spec.run import Placebo, RunSpec
from core.spec.task import Role, TaskSpec
from core.training.mixture import shuffled
from core.training.seeds import Draws
from core.types.table import task_type


@dataclass(frozen=True)
class EnglishData:
    """English training and development data of one task: all that training ever sees."""

    train: Split
    """English training split."""
    dev: Split
    """English development split."""
    without_input: bool = False
    """Whether the input is taken away, so that the model learns what can be said without it."""

    def __post_init__(self) -> None:
        """Refuse another language or a test split.

        Raises:
            SpecError: Zero-shot evaluation would no longer be zero-shot.
        """
        for split, role in ((self.train, "train"), (self.dev, "dev")):
            if split.lang != "en" or split.role != role:
                raise SpecError(
                    f"Training was handed the {split.role} split of '{split.task.name}' in '{split.lang}' as {role} "
                    "data; only English training and development splits are ever trained or selected on."
                )


class Loader:
    """Loads splits for a run and reports each: the one place of the chain that knows where data come from."""

    def __init__(self, spec: RunSpec, *, paths: AtlasPaths, emit: Emit) -> None:
        """Nothing is read yet.

        Args:
            spec: The run.
            paths: The Atlas home.
            emit: Takes `DataLoaded` and `Flagged`.
        """
        self._spec, self._paths, self._emit = spec, paths, emit
        self._seen: set[int] = set()
        self._met = Seen()

    def look_up(self) -> dict[str, str]:
        """Look for every split that the run will read; the languages that cannot be scored, with the reason of each.

        Raises:
            MissingSplit: Training or development data, or the test data of all languages, are not there.
            DataError: A data set cannot be looked into.
        """
        target, intermediate = self._spec.task(self._spec.target), self._spec.intermediate
        for name in intermediate.tasks if intermediate else ():
            look_up_studied(self._spec.task(name), origin=self._origin(Role.INTERMEDIATE))
        if intermediate and intermediate.to:
            look_up_studied(self._spec.task(intermediate.to), origin=self._origin(Role.TARGET))
        if task_type(target.type).is_trained:
            look_up_studied(target, origin=self._origin(Role.TARGET))
        reasons = missing_tests(target, origin=self._origin(Role.TARGET))
        if len(reasons) == len(target.languages):
            raise MissingSplit(nothing_there(target, reasons))
        for lang, reason in reasons.items():
            self._emit(LanguageSkipped(lang=lang, reason=reason))
        return reasons

    def whole(self, task: TaskSpec, *, role: Role, protocol: StageProtocol, draws: Draws) -> EnglishData:
        """All English training data that the protocol's share leaves, and the development data; nothing is reported.

        Args:
            task: What is trained on.
            role: Intermediate or target: only an intermediate can be a slice of the sample tasks.
            protocol: Share of the training data, size of the development set.
            draws: Of the task in its stage.
        """
        origin = self._origin(role)
        train = load_split(task, role="train", lang="en", origin=origin)
        if protocol.train_share < 1:
            n = max(1, round(protocol.train_share * len(train.examples)))
            train = subsample(train, n=n, seed=draws.number("share"))
        dev = load_split(task, role="dev", lang="en", origin=origin)
        return EnglishData(
            train=train, dev=first_examples(dev._replace(labels=train.labels), n=protocol.max_dev_examples)
        )

    def text(self, target: TaskSpec, *, n: int) -> tuple[str, ...]:
        """English training texts of a target, a sample that no run's seed moves; nothing is reported.

        Args:
            target: With English training data; not always the run's own.
            n: At most so many.
        """
        split = load_split(target, role="train", lang="en", origin=self._origin(Role.TARGET))
        own_text = task_type(target.type).own_text
        return tuple(own_text(e).strip() for e in subsample(split, n=n, seed=TEST_SEED).examples)

    def sampled(self, whole: EnglishData, *, protocol: StageProtocol, draws: Draws) -> EnglishData:
        """The data that a stage is trained on, reported; their texts are told from those that come later in the run.

        Args:
            whole: As `whole` returns them, or a third of that.
            protocol: Size of the sample.
            draws: Of the task in its stage.
        """
        train = self._report(subsample(whole.train, n=protocol.max_train_examples, seed=draws.number("sample")))
        self._report(whole.dev)
        text = task_type(train.task.type).text
        texts = [hash(text(e)) for e in train.examples]
        if draws.kind == "target":
            self._flag_same(train.task, known=sum(t in self._seen for t in texts), n=len(texts))
        self._seen.update(texts)
        self._met.add(train)
        self._met.add(whole.dev)
        return EnglishData(train=train, dev=whole.dev)

    def _flag_same(self, target: TaskSpec, *, known: int, n: int) -> None:
        if known and self._spec.intermediate is not None:
            message = (
                f"{known} of the {n} texts that {target.name} is trained on were trained on before, as "
                f"{self._spec.intermediate.name}: the target stage sees them again, not new ones."
            )
            self._emit(Flagged(flag="same_examples", message=message))

    def held_out(self, *, like: EnglishData, n: int) -> Split:
        """English development examples of the intermediate: those that select its model, and more where there are more.

        Args:
            like: Its training data, which name the labels.
            n: At most so many, from the first on.
        """
        split = load_split(like.train.task, role="dev", lang="en", origin=self._origin(Role.INTERMEDIATE))
        split = first_examples(split._replace(labels=like.train.labels), n=n)
        intermediate = self._spec.intermediate
        is_shuffled = intermediate is not None and intermediate.placebo is Placebo.SHUFFLED
        draws = Draws(self._spec.seed, "intermediate", (split.task.name,))
        return self._report(shuffled(split, draws=draws) if is_shuffled else split)

    def _origin(self, role: Role) -> DataOrigin:
        intermediate = self._spec.intermediate if role is Role.INTERMEDIATE else None
        return DataOrigin(
            source=self._spec.data_source,
            paths=self._paths,
            domain=intermediate.domain if intermediate else None,
            difficulty=intermediate.difficulty if intermediate else None,
            tasks=self._spec.tasks,
        )

    def scored(self, role: SplitRole, lang: str, *, labels: tuple[str, ...]) -> Split:
        """A split of the target: one that is scored, or one that mining's threshold or the oracle is chosen on.

        Args:
            role: `test`; `dev` for mining and the oracle.
            labels: Of the training split; empty for retrieval.
        """
        task = self._spec.task(self._spec.target)
        whole = load_split(task, role=role, lang=lang, origin=self._origin(Role.TARGET))
        whole = whole._replace(labels=labels or whole.labels)
        if role != "test":
            return self._report(whole)
        n = task_type(task.type).scored_of(self._spec.protocol.max_test_examples)
        split = subsample(whole, n=n, seed=TEST_SEED)
        met = self._met.flags(whole, drawn=split, english=self._english_test)
        return self._report(split._replace(flags=(*split.flags, *met)))

    @cached_property
    def _english_test(self) -> Split | None:
        """The target's English test set, whole: the other languages may be translations of it."""
        task = self._spec.task(self._spec.target)
        if "en" not in task.languages:
            return None
        try:
            return load_split(task, role="test", lang="en", origin=self._origin(Role.TARGET))
        except HubUnreachable:
            raise
        except DataError:
            return None

    def parallel(self, lang: str) -> Split:
        """All sentence pairs of a retrieval target in a language: for what is compared and not scored."""
        return load_split(self._spec.task(self._spec.target), role="test", lang=lang, origin=self._origin(Role.TARGET))

    def _report(self, split: Split) -> Split:
        self._emit(
            DataLoaded(
                task=split.task.name,
                role=split.role,
                lang=split.lang,
                split=split.split,
                n=len(split.examples),
                n_available=split.n_available,
                fingerprint=split.fingerprint,
                revision=split.revision,
                matched=split.matched,
            )
        )
        for flag in split.flags:
            self._emit(Flagged(flag=flag.flag, message=flag.message))
        return split


def first_examples(split: Split, *, n: int | None) -> Split:
    """The first part of a split.

    Args:
        split: A development set.
        n: Examples; None: all of them.
    """
    if n is None or n >= len(split.examples):
        return split
    examples = split.examples[:n]
    return split._replace(examples=examples, fingerprint=fingerprint(examples))
