"""One loader for all data sources: `load_split` gives a task's examples in one language, read and checked.

The application imports it, too: what takes long to load (`datasets`, the hub's client) is imported where it is used.
Sample, mirror and hub differ in where the folder is; from there on everything is the same. A new way to declare data
is a field of `SplitRef` and a line in `locate` or `_rows`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from core.data import english, licensed
from core.data.guards import check_labels, check_texts, flags_of, unused_labels
from core.data.locate import Located, locate, located
from core.data.origin import DataOrigin
from core.data.tables import read_table
from core.errors import DataError, MissingSplit, SpecError
from core.examples import Example, Flag, Split, SplitRole, fingerprint
from core.spec.task import TaskSpec
from core.types.columns import Read, Rows
from core.types.table import task_type
from core.types.tagging import TaggedExample

DEV_SHARE = 0.1
"""Share of the training split that serves as development split where none of its own is there."""

TEST_SEED = 20200526
"""Of the sample of test sets: fixed, because every run must be scored on the same examples."""

_CUT_SEED = 20200526  # fixed, not a run's seed: every run must select on the same examples


def load_split(task: TaskSpec, *, role: SplitRole, lang: str, origin: DataOrigin) -> Split:
    """A task's examples for one role in one language, read and checked.

    Args:
        task: Its declaration.
        role: `train`, `dev` or `test`.
        origin: Data source, paths, and the definitions of joined parts.

    Raises:
        MissingSplit: The split, configuration or file is not there; lists what is.
        WrongColumns: The columns are not those declared.
        PlaceholderLabels: The labels of a test or development split are blanks or one class.
        ScriptOnlyDataset: The hub holds a loading script alone.
        HubUnreachable: No network, or the hub answered with an error.
        DataError: A file is broken, or there is no usable example.
    """
    if role == "train" and task.parts:
        return _joined(task, lang=lang, origin=origin)
    return _single(task, role=role, lang=lang, origin=origin)


def subsample(split: Split, *, n: int | None, seed: int) -> Split:
    """A seeded sample of a split that keeps its order; the split itself where it is not larger.

    Args:
        split: What to draw from.
        n: Number of examples wanted; None takes all.
        seed: Equal seeds give equal samples of equal splits.
    """
    if n is None or n >= len(split.examples):
        return split
    drawn = np.sort(np.random.default_rng(seed).choice(len(split.examples), size=n, replace=False))
    examples = tuple(split.examples[i] for i in drawn)
    return split._replace(examples=examples, fingerprint=fingerprint(examples))


# ----------------------------------------------------------------------------------------------------- one split


def _single(task: TaskSpec, *, role: SplitRole, lang: str, origin: DataOrigin) -> Split:
    place = locate(task, role=role, lang=lang, origin=origin)
    is_studied = role != "test" and lang == "en"  # trained or selected on
    if is_studied:
        english.check_place(task, place, role=role)
    what, rows = f"{task.name} {role} ({lang})", None
    if place.folder is None:
        found, labels, dropped = _licensed(task, place, role=role, origin=origin)
        unseen = Flag(
            "unseen_tags_dropped", f"{what}: {dropped} sentences with tags that do not occur in training are skipped."
        )
        flags = [unseen] if dropped else []
    else:
        labels, flags = task.labels, []
        rows = _rows(task, place, role=role, lang=lang, cache=origin.paths.cache / "datasets")
        found = task_type(task.type).read(rows)
    texts = [task_type(task.type).text(e) for e in found.examples]
    if is_studied:
        if rows is not None:
            english.check_rows(task, place, rows.table, texts, role=role)
        english.check_names(task, place, texts, role=role)
        english.check_script(task, place, texts, role=role)
    check_texts(texts, task=task, role=role, where=place.where)
    check_labels(found, task=task, role=role, where=place.where)
    flags += [
        *_place_flags(task, place, role=role, lang=lang, origin=origin),
        *flags_of(found, texts, what=what, unused=unused_labels(found, labels, task) if role == "train" else ()),
    ]
    examples, split = found.examples, place.split
    if role != "test" and _is_shared(task, lang=lang, origin=origin):
        if len(examples) == 1:
            raise DataError(f"{place.where} holds 1 example, too few to cut a development split from.")
        examples, split = _cut(examples, role=role, split=place.split)
        flags.append(Flag("dev_cut_from_train", f"{what}: no development split of its own; {split} is used."))
    return Split(
        task=task,
        role=role,
        lang=lang,
        split=split,
        examples=examples,
        n_available=len(examples),
        fingerprint=fingerprint(examples),
        revision=place.folder.revision if place.folder else None,
        labels=labels,
        flags=tuple(flags),
    )


def _rows(task: TaskSpec, place: Located, *, role: SplitRole, lang: str, cache: Path) -> Rows:
    """The rows of one language, not yet understood."""
    if place.folder is None:
        raise AssertionError("a licensed file has no table")
    data = read_table(tuple(place.folder.fetch(name) for name in place.files), cache)
    ref, own = place.ref, task.own_name(lang)
    rows = Rows(
        table=data.table,
        task=task,
        columns=ref.columns or task.columns,
        labels=task.labels,
        label_values=task.label_values if ref.label_values is None else ref.label_values,
        class_names=data.class_names,
        own_lang=own,
        role=role,
        where=place.where,
    )
    if ref.language_column:
        return _filtered(rows, column=ref.language_column, own=own, prefix=False)
    if ref.id_language_prefix:
        return _filtered(rows, column=rows.columns.id or "id", own=own, prefix=True)
    return rows


def _filtered(rows: Rows, *, column: str, own: str, prefix: bool) -> Rows:
    if column not in rows.table.column_names:
        has = ", ".join(rows.table.column_names)
        raise MissingSplit(f"{rows.where}: no column '{column}' to find the language by. It has: {has}.")
    cells = rows.table.column(column).cast(pa.string())
    if prefix:
        cells = pc.list_element(pc.split_pattern(cells, "-", max_splits=1), 0)
    table = rows.table.filter(pc.equal(cells, own))
    if not table.num_rows:
        names = ", ".join(sorted(str(v) for v in pc.unique(cells).to_pylist()[:60]))
        raise MissingSplit(f"{rows.where}: no row in language '{own}' (column '{column}'). It has: {names}.")
    return rows._replace(table=table)


# ----------------------------------------------------------------------------------------- cut, parts, licensed


def _is_shared(task: TaskSpec, *, lang: str, origin: DataOrigin) -> bool:
    """Whether training and development would read the same rows."""
    if task.train is None:
        return False
    train = located(task, role="train", lang=lang, origin=origin)
    dev = located(task, role="dev", lang=lang, origin=origin)
    return train is not None and dev is not None and train.data == dev.data


def _cut(examples: tuple[Example, ...], *, role: SplitRole, split: str) -> tuple[tuple[Example, ...], str]:
    """Nine tenths for training or the other tenth for development: disjoint, and the same for every run."""
    order = np.random.default_rng(_CUT_SEED).permutation(len(examples))
    n_dev = max(1, round(len(examples) * DEV_SHARE))
    chosen = order[-n_dev:] if role == "dev" else order[:-n_dev]
    percent = round(100 * DEV_SHARE)
    name = f"{split}[{percent}% held out]" if role == "dev" else f"{split}[{100 - percent}%]"
    return tuple(examples[i] for i in np.sort(chosen)), name


def _place_flags(task: TaskSpec, place: Located, *, role: SplitRole, lang: str, origin: DataOrigin) -> list[Flag]:
    what = f"{task.name} {role} ({lang})"
    flags = []
    if place.folder is not None and place.split != place.ref.split.replace("{lang}", task.own_name(lang)):
        message = f"{what}: split '{place.ref.split}' does not exist; '{place.split}' is used instead."
        flags.append(Flag("split_fallback", message))
    if place.folder is not None and place.folder.converted:
        flags.append(Flag("converted_parquet", f"{what}: the hub's own Parquet conversion is read, not the script."))
    if role == "test" and task.dev is not None:
        dev_lang = "en" if task_type(task.type).is_trained else lang  # a threshold is chosen in each language
        dev = located(task, role="dev", lang=dev_lang, origin=origin)
        if dev is not None and dev.data == place.data:
            message = f"{what}: '{place.split}' also selects the model, so its score is optimistic."
            flags.append(Flag("test_is_dev", message))
    if role == "test" and task.train is not None:
        train = located(task, role="train", lang="en", origin=origin)
        if train is not None and (train.ref.path, train.ref.config, train.split) == (*place.ref_key, place.split):
            message = f"{what}: '{place.split}' in English is what the model is trained on, so its score means little."
            flags.append(Flag("test_is_train", message))
    return flags


def _joined(task: TaskSpec, *, lang: str, origin: DataOrigin) -> Split:
    """Training sets of a task's own declaration and of its parts, one after another."""
    by_name = {t.name: t for t in origin.tasks}
    unknown = [name for name in task.parts if name not in by_name]
    if unknown:
        raise SpecError(
            f"Task '{task.name}' joins {', '.join(task.parts)}, but no definition of {', '.join(unknown)} was given."
        )
    splits, flags = [], []
    for part in (*((task.model_copy(update={"parts": ()}),) if task.train else ()), *(by_name[n] for n in task.parts)):
        if sorted(part.labels) != sorted(task.labels):
            raise SpecError(f"Task '{task.name}' has labels {task.labels}, its part '{part.name}' has {part.labels}.")
        try:
            splits.append(load_split(part, role="train", lang=lang, origin=origin))
        except MissingSplit as error:
            flags.append(Flag("part_missing", f"{task.name} train: part '{part.name}' is skipped. {error}"))
    if not splits:
        raise MissingSplit(f"No part of task '{task.name}' is there. " + " ".join(f.message for f in flags))
    examples = tuple(example for split in splits for example in _as_part(split, task))
    return splits[0]._replace(
        task=task,
        split=" + ".join(f"{s.task.name} {s.split}" for s in splits),
        examples=examples,
        n_available=len(examples),
        fingerprint=fingerprint(examples),
        revision=splits[0].revision if len(splits) == 1 else None,
        labels=task.labels,
        flags=(*flags, *(f for s in splits for f in s.flags)),
    )


def _as_part(split: Split, task: TaskSpec) -> list[Example]:
    """Examples of a part with the labels and ids of the whole."""
    ids = [task.labels.index(label) for label in split.labels]
    relabelled = task_type(task.type).relabelled
    examples: list[Any] = [relabelled(example, ids) for example in split.examples]  # Any: records of the task's type
    return [e._replace(id=f"{split.task.name}:{e.id}") for e in examples]


def _licensed(
    task: TaskSpec, place: Located, *, role: SplitRole, origin: DataOrigin
) -> tuple[Read, tuple[str, ...], int]:
    """Sentences of a licensed file, the labels, and how many sentences have tags that training lacks."""
    sentences = licensed.read_tagged(Path(place.files[0]))
    labels = task.labels
    if task.labels_from_data:
        train = locate(task, role="train", lang="en", origin=origin)
        seen = sentences if train.files == place.files else licensed.read_tagged(Path(train.files[0]))
        labels = tuple(sorted({tag for sentence in seen for tag in sentence.tags}))
    ids = {label: i for i, label in enumerate(labels)}
    known = [(str(n), s) for n, s in enumerate(sentences) if all(tag in ids for tag in s.tags)]
    if role == "train" and len(known) < len(sentences):
        odd = next(tag for s in sentences for tag in s.tags if tag not in ids)
        raise DataError(f"{place.where} holds the tag '{odd}', which is not among the labels of task '{task.name}'.")
    examples = tuple(TaggedExample(i, s.words, tuple(ids[t] for t in s.tags)) for i, s in known)
    return Read(examples), labels, len(sentences) - len(known)
