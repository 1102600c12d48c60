"""`load_split` on small mirrors made by the test: every task type, every guard, and the real mirror where it is."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from core.data.datasets import load_split, subsample
from core.data.origin import DataOrigin
from core.data.overlap import Seen
from core.errors import AtlasError, DataError, MissingSplit, PlaceholderLabels, ScriptOnlyDataset, WrongColumns
from core.examples import Split, fingerprint
from core.paths import REPO, AtlasPaths
from core.spec.run import DataSource
from core.spec.task import TaskSpec
from core.tasks import TASKS
from core.types.table import task_type

Rows = dict[str, list[Any]]  # columns of any type
ABC = [f"sentence {i}" for i in range(30)]


@pytest.fixture
def origin(tmp_path: Path) -> DataOrigin:
    (tmp_path / "mirror").mkdir()
    source = DataSource(kind="mirror", root=str(tmp_path / "mirror"))
    return DataOrigin(source, AtlasPaths(tmp_path / "home"))


@pytest.fixture
def put(origin: DataOrigin) -> Callable[[str, Rows], None]:
    def write(name: str, rows: Rows) -> None:
        file = Path(str(origin.source.root)) / "me" / "data" / f"{name}-00000-of-00001.parquet"
        file.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(pa.table(rows), file)

    return write


def _task(**changes: object) -> TaskSpec:
    fields: dict[str, object] = {
        "name": "toy",
        "title": "Toy",
        "type": "classification",
        "roles": ["target", "intermediate"],
        "summary": "For tests.",
        "languages": ["en", "de"],
        "labels": ["no", "yes"],
        "columns": {"text": "a", "label": "y"},
        "train": {"path": "me/data", "config": "toy", "split": "train"},
        "dev": {"path": "me/data", "config": "toy", "split": "validation"},
        "test": {"path": "me/data", "config": "toy.{lang}", "split": "test", "fallbacks": ["validation"]},
        "metrics": ["accuracy"],
        "chance": 0.5,
        "licence": "none",
        "citation": "none",
    }
    return TaskSpec.model_validate(fields | changes)


def _flags(split: Split) -> list[str]:
    return [flag for flag, _ in split.flags]


def test_columns_are_joined_and_labels_mapped(origin: DataOrigin, put: Callable[[str, Rows], None]) -> None:
    texts: Rows = {"a": ["x", "y", "z"], "b": ["1", "", "3"], "c": ["p", "q", "r"]}
    put("toy/train", texts | {"y": ["J", "N", "-"], "n": [7, 8, 9]})
    columns = {"text": ["a", "b"], "text_pair": "c", "label": "y", "id": "n"}
    split = load_split(_task(columns=columns, label_values=["N", "J"]), role="train", lang="en", origin=origin)
    assert [tuple(e) for e in split.examples] == [("7", "x 1", "p", 1), ("8", "y", "q", 0)]
    assert _flags(split) == ["unlabelled_dropped"]
    assert "1 rows without a label were left out, 2 are used" in split.flags[0].message
    assert (split.split, split.revision, split.n_available) == ("train", None, 2)


def test_dev_is_cut_from_train_disjoint_and_always_the_same(
    origin: DataOrigin, put: Callable[[str, Rows], None]
) -> None:
    put("toy/train", {"a": ABC, "y": [0, 1] * 15})
    task = _task(dev={"path": "me/data", "config": "toy", "split": "validation", "fallbacks": ["train"]})
    train = load_split(task, role="train", lang="en", origin=origin)
    dev = load_split(task, role="dev", lang="en", origin=origin)
    # 10 % of 30 = 3
    assert (len(train.examples), len(dev.examples)) == (27, 3)
    assert {e.id for e in train.examples} | {e.id for e in dev.examples} == {str(i) for i in range(30)}
    assert "dev_cut_from_train" in _flags(train)
    assert _flags(dev) == ["split_fallback", "dev_cut_from_train"]
    assert dev == load_split(task, role="dev", lang="en", origin=origin)
    put("toy/train", {"a": ["one"], "y": [1]})
    with pytest.raises(DataError, match="holds 1 example, too few to cut a development split from"):
        load_split(task, role="train", lang="en", origin=origin)
    put("toy/train", {"a": ABC, "y": [0, 1] * 15})
    put("toy/validation", {"a": ["own"], "y": [1]})
    assert len(load_split(task, role="train", lang="en", origin=origin).examples) == 30
    assert load_split(task, role="dev", lang="en", origin=origin).flags == ()


def test_languages_by_config_column_and_id(origin: DataOrigin, put: Callable[[str, Rows], None]) -> None:
    put("toy.German/test", {"a": ["eins", "zwei"], "y": [0, 1]})
    task = _task(language_names={"de": "German"})
    text = task_type(task.type).text
    assert [text(e) for e in load_split(task, role="test", lang="de", origin=origin).examples] == ["eins", "zwei"]
    put("all/test", {"a": ["one", "eins", "two"], "y": [0, 1, 1], "l": ["English", "German", "English"]})
    by_column = {"path": "me/data", "config": "all", "split": "test", "language_column": "l"}
    found = load_split(_task(language_names={"de": "German"}, test=by_column), role="test", lang="de", origin=origin)
    assert [text(e) for e in found.examples] == ["eins"]
    with pytest.raises(MissingSplit, match=r"no row in language 'en'.* It has: English, German"):
        load_split(_task(test=by_column), role="test", lang="en", origin=origin)
    put("ids/test", {"a": ["one", "eins"], "y": [0, 1], "id": ["english-1-0", "german-1-0"]})
    by_id = {"path": "me/data", "config": "ids", "split": "test", "id_language_prefix": True}
    task = _task(language_names={"en": "english"}, test=by_id, columns={"text": "a", "label": "y", "id": "id"})
    assert [e.id for e in load_split(task, role="test", lang="en", origin=origin).examples] == ["english-1-0"]


def test_fallback_is_flagged_with_what_it_means(origin: DataOrigin, put: Callable[[str, Rows], None]) -> None:
    put("toy.en/validation", {"a": ["one", "two"], "y": [0, 1]})
    ref = {"path": "me/data", "config": "toy.{lang}", "split": "validation"}
    task = _task(dev=ref, train=ref | {"split": "train", "fallbacks": ["validation"]})
    split = load_split(task, role="test", lang="en", origin=origin)
    assert split.split == "validation"
    assert _flags(split) == ["split_fallback", "test_is_dev", "test_is_train"]
    put("toy.de/validation", {"a": ["eins", "zwei"], "y": [0, 1]})
    german = load_split(task, role="test", lang="de", origin=origin)
    assert _flags(german) == ["split_fallback", "test_is_train"]  # the model is selected on other rows


def test_a_test_set_that_selects_is_seen_in_any_language(origin: DataOrigin, put: Callable[[str, Rows], None]) -> None:
    put("toy/validation", {"a": ["one", "two"], "y": [0, 1], "l": ["en", "de"]})
    ref = {"path": "me/data", "config": "toy", "split": "validation", "language_column": "l"}
    same = _task(dev={"path": "me/data", "config": "toy", "split": "validation"}, test=ref | {"language_column": None})
    assert _flags(load_split(same, role="test", lang="de", origin=origin)) == ["test_is_dev"]
    filtered = _task(dev=ref, test=ref)
    assert _flags(load_split(filtered, role="test", lang="en", origin=origin)) == ["test_is_dev"]
    assert _flags(load_split(filtered, role="test", lang="de", origin=origin)) == []


SPAN = {
    "type": "span_qa",
    "labels": [],
    "columns": {"question": "q", "context": "c", "answers": "s"},
    "metrics": ["f1"],
}


def test_answers_are_repaired_dropped_or_kept(origin: DataOrigin, put: Callable[[str, Rows], None]) -> None:
    context = "Rome is old. Rome is big."
    answers = [
        {"text": ["Rome"], "answer_start": [13]},  # right
        {"text": ["Rome"], "answer_start": [11]},  # wrong: the nearest "Rome" begins at 13
        {"text": ["Paris"], "answer_start": [0]},  # not in the passage
        {"text": [], "answer_start": []},
    ]
    rows: Rows = {"q": ["?"] * 4, "c": [context] * 4, "s": answers}
    put("toy/train", rows)
    put("toy.en/test", rows)
    train = load_split(_task(**SPAN), role="train", lang="en", origin=origin)
    assert [e.starts for e in train.examples if hasattr(e, "starts")] == [(13,), (13,)]
    assert {"answers_dropped", "offsets_repaired"} <= set(_flags(train))
    test = load_split(_task(**SPAN), role="test", lang="en", origin=origin)
    assert [e.starts for e in test.examples if hasattr(e, "starts")] == [(13,), (13,), (-1,), ()]
    with_none = load_split(_task(**SPAN, has_no_answer=True), role="train", lang="en", origin=origin)
    assert len(with_none.examples) == 3  # the question without an answer is an example there


def test_choices_by_key_and_by_column(origin: DataOrigin, put: Callable[[str, Rows], None]) -> None:
    nested = {"label": ["A", "B"], "text": ["cat", "dog"]}
    put("toy/train", {"q": ["?", "!"], "ch": [nested, nested], "k": ["B", ""], "a": ["x", "y"], "b": ["u", "v"]})
    columns = {"text": "q", "choices": "ch.text", "choice_keys": "ch.label", "label": "k"}
    task = _task(type="multiple_choice", labels=[], columns=columns)
    assert [tuple(e) for e in load_split(task, role="train", lang="en", origin=origin).examples] == [
        ("0", "?", ("cat", "dog"), 1)
    ]
    columns = {"text": "q", "choices": ["a", "b"], "label": "k"}
    task = _task(type="multiple_choice", labels=[], columns=columns, label_values=[])
    with pytest.raises(WrongColumns, match="column 'k' holds 'B' for 2 choices; expected an index from 0 to 1"):
        load_split(task, role="train", lang="en", origin=origin)


def test_the_other_types(origin: DataOrigin, put: Callable[[str, Rows], None]) -> None:
    words: Rows = {"w": [["a", "b"], ["c"]], "t": [[0, 1], [1]]}
    put("toy/train", {"a": ["x", "y"], "y": [[1, 0], []], "v": [2.5, 5.0]} | words)
    several = _task(type="multilabel", metrics=["micro_f1"])
    assert [e[2] for e in load_split(several, role="train", lang="en", origin=origin).examples] == [(0, 1), ()]
    scored = _task(type="regression", columns={"text": "a", "label": "v"}, score_range=[0, 5], labels=[])
    assert [e[3] for e in load_split(scored, role="train", lang="en", origin=origin).examples] == [2.5, 5.0]
    tagged = _task(type="tagging", columns={"words": "w", "tags": "t"})
    assert load_split(tagged, role="train", lang="en", origin=origin).examples[0][1:] == (("a", "b"), (0, 1))
    put("toy.de/test", {"s": ["Hallo \n"], "t": ["Hello\n"]})
    pairs = _task(type="retrieval", roles=["target"], columns={"source": "s", "target": "t"}, labels=[], train=None)
    assert load_split(pairs, role="test", lang="de", origin=origin).examples[0][1:] == ("Hallo", "Hello")


@pytest.mark.parametrize(
    ("rows", "changes", "part"),
    [
        ({"a": ABC, "y": [0] * 30}, {}, "all 30 examples have the label 'no'"),
        ({"a": ABC, "y": [-1] * 30}, {}, "all 30 rows are unlabelled"),
        ({"w": [["a"]] * 30, "t": [[0]] * 30}, {"type": "tagging", "columns": {"words": "w", "tags": "t"}}, "'no'"),
        ({"q": ["?"], "c": ["x"], "s": [{"text": [""], "answer_start": [0]}]}, SPAN, "answers of all 1 questions"),
        ({"a": ABC, "y": [[0][:0]] * 30}, {"type": "multilabel"}, "all 30 texts have no label"),
    ],
    ids=["one class", "blank", "one tag", "empty answers", "no labels"],
)
def test_placeholder_labels_are_refused(
    origin: DataOrigin, put: Callable[[str, Rows], None], rows: Rows, changes: dict[str, object], part: str
) -> None:
    put("toy.en/test", rows)
    with pytest.raises(PlaceholderLabels, match=part) as caught:
        load_split(_task(**changes), role="test", lang="en", origin=origin)
    assert "would mean nothing" in str(caught.value)


def test_what_is_missing_is_listed(origin: DataOrigin, put: Callable[[str, Rows], None], tmp_path: Path) -> None:
    put("toy/train", {"a": ["x"], "y": [0]})
    with pytest.raises(MissingSplit, match=r"no configuration 'toy.de' .* It has: toy"):
        load_split(_task(), role="test", lang="de", origin=origin)
    wanted = {"path": "me/data", "config": "toy", "split": "nope"}
    with pytest.raises(MissingSplit, match="no split 'nope' in configuration 'toy'. It has: train"):
        load_split(_task(train=wanted), role="train", lang="en", origin=origin)
    with pytest.raises(WrongColumns, match="no column 'z', only a, y; expected 'z'"):
        load_split(_task(columns={"text": "z", "label": "y"}), role="train", lang="en", origin=origin)
    with pytest.raises(MissingSplit, match="no data set 'you/other'.*It holds me/data"):
        load_split(_task(train=wanted | {"path": "you/other"}), role="train", lang="en", origin=origin)
    gone = DataOrigin(DataSource(kind="mirror", root=str(tmp_path / "gone")), origin.paths)
    with pytest.raises(MissingSplit, match=r"gone is not a folder. Expected one in the hub's layout"):
        load_split(_task(), role="train", lang="en", origin=gone)


def test_label_of_no_class_script_and_damaged_file(origin: DataOrigin, put: Callable[[str, Rows], None]) -> None:
    put("toy/train", {"a": ["x"], "y": ["maybe"]})
    with pytest.raises(WrongColumns, match="column 'y' holds the label 'maybe'; expected one of no, yes"):
        load_split(_task(), role="train", lang="en", origin=origin)
    root = Path(str(origin.source.root))
    (root / "me" / "script").mkdir()
    (root / "me" / "script" / "script.py").write_text("raise SystemExit")
    ref = {"path": "me/script", "split": "train"}
    with pytest.raises(ScriptOnlyDataset, match="script.py.*never executed"):
        load_split(_task(train=ref), role="train", lang="en", origin=origin)
    file = root / "me" / "data" / "toy" / "train-00000-of-00001.parquet"
    file.write_bytes(file.read_bytes()[:-40])
    with pytest.raises(DataError, match="damaged or cut off"):
        load_split(_task(), role="train", lang="en", origin=origin)


def test_class_names_in_another_order_are_mapped_by_name(origin: DataOrigin, put: Callable[[str, Rows], None]) -> None:
    import datasets  # noqa: PLC0415  # only here

    features = datasets.Features({"a": datasets.Value("string"), "y": datasets.ClassLabel(names=["yes", "no"])})
    put("toy/train", {"a": ["x"], "y": [0]})
    file = next(Path(str(origin.source.root)).rglob("*.parquet"))
    datasets.Dataset.from_dict({"a": ["x"], "y": [0]}, features=features).to_parquet(file)
    assert load_split(_task(), role="train", lang="en", origin=origin).examples[0][3] == 1


CCG = {
    "type": "tagging",
    "labels": [],
    "labels_from_data": True,
    "columns": {"words": "words", "tags": "tags"},
    "train": {"path": "file:ccg", "split": "train"},
    "dev": {"path": "file:ccg/dev.tsv", "split": "dev"},
}


def test_a_licensed_file_and_its_errors(origin: DataOrigin) -> None:
    with pytest.raises(MissingSplit, match=r"no file .*ccg/train.tsv.*one `word<TAB>tag` a line"):
        load_split(_task(**CCG), role="train", lang="en", origin=origin)
    folder = origin.paths.local_data / "ccg"
    folder.mkdir(parents=True)
    (folder / "train.tsv").write_text("the\tNP/N\ncat\tN\n\nsleeps\tS\\NP\n", encoding="utf-8")
    (folder / "dev.tsv").write_text("cat\tN\n\ncat\tZ\n", encoding="utf-8")
    train = load_split(_task(**CCG), role="train", lang="en", origin=origin)
    assert train.labels == ("N", "NP/N", "S\\NP")
    assert [e[1:] for e in train.examples] == [(("the", "cat"), (1, 0)), (("sleeps",), (2,))]
    dev = load_split(_task(**CCG), role="dev", lang="en", origin=origin)
    assert (len(dev.examples), dev.labels, _flags(dev)) == (1, train.labels, ["unseen_tags_dropped"])
    (folder / "train.tsv").write_text("the\tNP/N\ncat N\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"train.tsv, line 2: found 'cat N', expected `word<TAB>tag`"):
        load_split(_task(**CCG), role="train", lang="en", origin=origin)


def test_parts_are_joined(origin: DataOrigin, put: Callable[[str, Rows], None]) -> None:
    put("toy/train", {"a": ["x"], "y": [0]})
    put("other/train", {"a": ["u", "v"], "y": [0, 1]})
    other = _task(name="other", train={"path": "me/data", "config": "other", "split": "train"}, labels=["yes", "no"])
    gone = _task(name="gone", train={"path": "me/data", "config": "gone", "split": "train"})
    both = _task(name="both", parts=["other", "gone"])
    joined = DataOrigin(origin.source, origin.paths, tasks=(other, gone))
    split = load_split(both, role="train", lang="en", origin=joined)
    # ids say where an example is from; labels follow their names: other's 0 is "yes", which is 1 here
    assert [(e[0], e[3]) for e in split.examples] == [("both:0", 0), ("other:0", 1), ("other:1", 0)]
    assert _flags(split)[0] == "part_missing"


def test_subsample_is_seeded_and_keeps_order(origin: DataOrigin, put: Callable[[str, Rows], None]) -> None:
    put("toy/train", {"a": ABC, "y": [0, 1] * 15})
    split = load_split(_task(), role="train", lang="en", origin=origin)
    some = subsample(split, n=10, seed=1)
    assert some == subsample(split, n=10, seed=1) != subsample(split, n=10, seed=2)
    ids = [int(e.id) for e in some.examples]
    assert ids == sorted(ids)
    assert (some.n_available, some.fingerprint) == (30, fingerprint(some.examples))
    assert some.fingerprint != split.fingerprint
    assert subsample(split, n=30, seed=1) is subsample(split, n=None, seed=1) is split


MIRROR = REPO.parent / "shared" / "hub"


@pytest.mark.skipif(not MIRROR.is_dir(), reason="../shared/hub, the mirror of real data, is not here")
@pytest.mark.parametrize("name", sorted(TASKS))
def test_every_task_reads_or_says_why_not_on_the_real_mirror(
    name: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    home = tmp_path_factory.getbasetemp() / "real"
    origin = DataOrigin(DataSource(kind="mirror", root=str(MIRROR)), AtlasPaths(home), tasks=tuple(TASKS.values()))
    task = TASKS[name]
    wanted = [("train", "en"), ("dev", "en")] if task.train else []
    wanted += [("test", lang) for lang in task.languages[:2] if task.test]
    for role, lang in wanted:
        try:
            split = load_split(task, role=role, lang=lang, origin=origin)
        except MissingSplit as error:
            assert str(error).count(" ") > 10  # a sentence that says what is there
            continue
        assert len({e.id for e in split.examples}) <= len(split.examples) == split.n_available
        assert all(task_type(task.type).text(e).strip() for e in split.examples[:100])


@pytest.mark.skipif(not MIRROR.is_dir(), reason="../shared/hub, the mirror of real data, is not here")
def test_squad_validation_shares_passages_with_xquad(tmp_path: Path) -> None:
    origin = DataOrigin(DataSource(kind="mirror", root=str(MIRROR)), AtlasPaths(tmp_path))
    test = load_split(TASKS["xquad"], role="test", lang="en", origin=origin)
    try:
        validation = load_split(TASKS["squad"], role="dev", lang="en", origin=origin)
        train = load_split(TASKS["squad"], role="train", lang="en", origin=origin)
    except AtlasError as error:
        pytest.skip(str(error))
    seen = Seen()
    seen.add(train)
    assert seen.flags(test) == ()
    seen.add(validation)
    german = load_split(TASKS["xquad"], role="test", lang="de", origin=origin)
    counts = []
    for split in (test, german):
        (flag,) = seen.flags(split, english=test)
        assert flag.flag == "dev_overlap"
        counts.append(int(flag.message.split()[0]))
    assert counts[0] == counts[1] > 100  # translations of the same questions
