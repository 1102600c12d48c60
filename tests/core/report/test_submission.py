"""The submission folder, read as XTREME's `evaluate.py` reads it, by a reader of our own written from its description.

`evaluate.py` opens one file for each language of a task; labels and tags are compared by their place, answers by their
id; it stops where a file is missing or has another number of examples than the label file.
"""

from __future__ import annotations

import json
import string
from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from seqeval.metrics import f1_score

from core.errors import DataError, RunFolderDamaged, SpecError, UnknownName
from core.events import DataLoaded, LanguageScored, LanguageSkipped
from core.models import MODELS
from core.paths import AtlasPaths
from core.protocols import PROTOCOLS
from core.report.submission import LANGUAGES, English, write_submission
from core.spec.run import DataSource, DataSourceKind, RunSpec
from core.store.connection import Store
from core.store.ingest import ingest
from core.tasks import TASKS
from tests.makers.folders import history, write_run

N = 5
"""Examples of every test set here."""


def _spec(target: str, *, source: DataSourceKind = DataSourceKind.HUB, seed: int = 1) -> RunSpec:
    task = TASKS[target].model_copy(update={"test_examples": N})
    return RunSpec(
        model=MODELS["xlm-r-base"], intermediate=None, target=target, seed=seed,
        protocol=PROTOCOLS["standard"], data_source=DataSource(kind=source), tasks=(task,),
    )  # fmt: skip


ENGLISH = ("He sleeps.", "a cat", "She sleeps.", "A dog", "A dog")
"""The English side of Tatoeba here; upper case sorts before lower case, equal sentences keep their order."""


def english(_spec: RunSpec, _lang: str) -> English:
    return English(ENGLISH, "f")


def _prediction(target: str, lang: str, i: int) -> str:
    wrong = (len(lang) + ord(lang[0]) + i) % 3 == 0
    if target in ("panx", "udpos"):
        tags = ["B-PER", "I-PER", "O"] if target == "panx" else ["NOUN", "VERB", "PUNCT"]
        return " ".join(tags[: 2 + i % 2]) if not wrong else " ".join(["O" if target == "panx" else "X"] * (2 + i % 2))
    if target in ("xquad", "mlqa", "tydiqa"):
        return "The cat\nof 1,000" if not wrong else ""
    if target in ("tatoeba", "bucc2018"):  # the row of the nearest sentence
        return str(i if not wrong else (i + 1) % N)
    labels = TASKS[target].labels
    return labels[i % len(labels)] if not wrong else labels[(i + 1) % len(labels)]


def _gold(target: str, i: int) -> str:
    if target in ("panx", "udpos"):
        tags = ["B-PER", "I-PER", "O"] if target == "panx" else ["NOUN", "VERB", "PUNCT"]
        return " ".join(tags[: 2 + i % 2])
    if target in ("xquad", "mlqa", "tydiqa"):
        return "cat of 1000"
    if target == "tatoeba":  # of the i-th English sentence in XTREME's order, by hand from `ENGLISH`
        return "34021"[i]
    return TASKS[target].labels[i % len(TASKS[target].labels)]


def _made(
    paths: AtlasPaths,
    spec: RunSpec,
    *,
    skip: Sequence[str] = (),
    split: str | None = None,
    available: int = N,
    keep_predictions: bool = True,
    forget: Sequence[str] = (),
) -> str:
    """A finished run with predictions in every language; rows of a language are stored in no order."""
    task = spec.task(spec.target)
    langs = [lang for lang in task.languages if lang not in skip]
    assert task.test is not None
    name = split or task.test.split
    common = {"split": name, "fingerprint": "f"}
    events: list[object] = []
    for lang in langs:
        events.append(DataLoaded(task=task.name, role="test", lang=lang, n=N, n_available=available, revision=None,
                                 **common))  # fmt: skip
        events += [LanguageScored(lang=lang, metric=m, score=0.5, n=N, **common) for m in task.metrics]
    events += [LanguageSkipped(lang=lang, reason="no test split here") for lang in skip]
    run = write_run(paths, spec, history(spec, events))  # type: ignore[arg-type]  # events all
    rows = [
        {"lang": lang, "metric": str(metric), "index": i, "example_id": f"{lang}-{i}",
         "prediction": _prediction(task.name, lang, i), "correct": None}
        for metric in task.metrics for i in reversed(range(N)) for lang in langs if lang not in forget
    ]  # fmt: skip
    if keep_predictions:
        kinds = {"lang": pa.string(), "metric": pa.string(), "index": pa.int32(), "example_id": pa.string(),
                 "prediction": pa.string(), "correct": pa.float64()}  # fmt: skip
        pq.write_table(pa.Table.from_pylist(rows, schema=pa.schema(kinds)), run.predictions)
    return spec.run_id


@pytest.fixture
def paths(tmp_path: Path) -> AtlasPaths:
    return AtlasPaths(home=tmp_path / "home")


@pytest.fixture
def store() -> Iterator[Store]:
    with Store.open(":memory:") as opened:
        yield opened


# ----------------------------------------------------------------------------------- a reader like XTREME's script


def read_lines(file: Path) -> list[str]:
    with file.open(encoding="utf-8") as opened:
        return [line.strip() for line in opened]


def read_tags(file: Path) -> list[list[str]]:
    """Sentences end at an empty line; what is left at the end of the file is one more."""
    sentences: list[list[str]] = [[]]
    for line in read_lines(file):
        if line:
            sentences[-1].append(line)
        else:
            sentences.append([])
    return sentences if sentences[-1] else sentences[:-1]


def normalised(answer: str) -> list[str]:
    """SQuAD's: lower case, no punctuation, no articles."""
    text = "".join(c for c in answer.lower() if c not in string.punctuation)
    return [word for word in text.split() if word not in ("a", "an", "the")]


def scored_by_xtreme(folder: Path, task: str, lang: str) -> float:
    """Accuracy, seqeval's F1 or exact match of one file, in [0, 1]."""
    ending = "json" if task in ("xquad", "mlqa", "tydiqa") else "tsv"
    file = folder / "predictions" / task / f"test-{lang}.{ending}"
    gold = [_gold(task, i) for i in range(N)]
    if ending == "json":
        found = json.loads(file.read_text(encoding="utf-8"))
        return sum(normalised(found[f"{lang}-{i}"]) == normalised(g) for i, g in enumerate(gold)) / N
    if task in ("panx", "udpos"):
        sentences = read_tags(file)
        assert [len(s) for s in sentences] == [len(g.split()) for g in gold]
        return float(f1_score([g.split() for g in gold], sentences))
    values = {"not_paraphrase": "0", "paraphrase": "1"} if task == "pawsx" else {}
    labels = read_lines(file)
    assert len(labels) == N
    return sum(values.get(g, g) == p for g, p in zip(gold, labels, strict=True)) / N


@pytest.mark.filterwarnings("ignore:.*seems not to be NE tag")
@pytest.mark.parametrize("task", LANGUAGES)
def test_xtreme_reads_every_file_and_scores_it_as_it_should(
    task: str, store: Store, paths: AtlasPaths, tmp_path: Path
) -> None:
    run_id = _made(paths, _spec(task))
    ingest(store, paths)
    rows = write_submission(
        store, run_ids=[run_id], folder=tmp_path / "out", paths=paths, read_english=english, partial=task == "udpos"
    )
    assert [row.lang for row in rows] == list(LANGUAGES[task])
    assert all((row.problem is None) == (task != "udpos") and (row.n, row.n_full) == (N, N) for row in rows)
    for lang in LANGUAGES[task]:
        gold = [_gold(task, i) for i in range(N)]
        predicted = [_prediction(task, lang, i) for i in range(N)]
        found = scored_by_xtreme(tmp_path / "out", task, lang)
        if task in ("panx", "udpos"):
            assert found == float(f1_score([g.split() for g in gold], [p.split() for p in predicted]))
            assert 0 < found < 1
        else:
            assert found == sum((len(lang) + ord(lang[0]) + i) % 3 != 0 for i in range(N)) / N
    said = json.loads((tmp_path / "out" / "submission.json").read_text())
    assert said["can_be_submitted"] is (task != "udpos")


def test_tatoeba_is_in_the_order_of_its_english_sentences(store: Store, paths: AtlasPaths, tmp_path: Path) -> None:
    """By hand: the order is A dog (3), A dog (4), He (0), She (2), a cat (1); in Swahili 0 finds 1 and 3 finds 4."""
    run_id = _made(paths, _spec("tatoeba"))
    ingest(store, paths)
    write_submission(store, run_ids=[run_id], folder=tmp_path, paths=paths, read_english=english)
    assert read_lines(tmp_path / "predictions/tatoeba/test-sw.tsv") == ["4", "4", "1", "2", "1"]
    with pytest.raises(DataError, match=r"has other sentences now \(g\) than the run searched \(f\)"):
        write_submission(store, run_ids=[run_id], folder=tmp_path, paths=paths,
                         read_english=lambda *_: English(ENGLISH, "g"))  # fmt: skip


def test_the_languages_are_those_of_the_tasks() -> None:
    """`evaluate.py` opens a file for each language of its list: our tasks have the same ones."""
    for task, langs in LANGUAGES.items():
        assert sorted(langs) == sorted(TASKS[task].languages)


def test_several_tasks_in_one_folder(store: Store, paths: AtlasPaths, tmp_path: Path) -> None:
    ids = [_made(paths, _spec(task)) for task in ("pawsx", "xquad")]
    ingest(store, paths)
    write_submission(store, run_ids=ids, folder=tmp_path, paths=paths, read_english=english)
    assert {p.name for p in (tmp_path / "predictions").iterdir()} == {"pawsx", "xquad"}
    said = json.loads((tmp_path / "submission.json").read_text())
    assert [run["task"] for run in said["runs"]] == ["pawsx", "xquad"]
    assert {"xnli", "tatoeba", "bucc2018"} <= set(said["tasks_without_predictions"])


def test_a_sample_is_refused_with_the_full_n_and_written_on_request(
    store: Store, paths: AtlasPaths, tmp_path: Path
) -> None:
    run_id = _made(paths, _spec("xquad"), available=1190)
    ingest(store, paths)
    with pytest.raises(SpecError, match=r"xquad en: a sample of 5 of the 1,190 test examples(.|\n)*--partial"):
        write_submission(store, run_ids=[run_id], folder=tmp_path / "out", paths=paths, read_english=english)
    assert not (tmp_path / "out").exists()
    rows = write_submission(
        store, run_ids=[run_id], folder=tmp_path / "out", paths=paths, read_english=english, partial=True
    )
    assert {row.n_full for row in rows} == {1190} and len(rows) == 11
    assert json.loads((tmp_path / "out" / "submission.json").read_text())["can_be_submitted"] is False


@pytest.mark.parametrize(
    ("task", "change", "expected"),
    [
        ("pawsx", {"split": "validation"}, "scored on the split 'validation'; XTREME's test set is 'test'"),
        ("pawsx", {"skip": ("ko",)}, "pawsx ko: no predictions: no test split here"),
        ("pawsx", {"forget": ("ko",)}, "pawsx ko: no predictions: it was scored, but the run's file holds none of it"),
        ("udpos", {}, "udpos af: the hub's copy cuts words of several tokens, and joins treebanks, otherwise"),
    ],
)
def test_what_xtreme_would_score_wrongly_is_refused(
    task: str, change: dict[str, object], expected: str, store: Store, paths: AtlasPaths, tmp_path: Path
) -> None:
    run_id = _made(paths, _spec(task), **change)  # type: ignore[arg-type]  # options of _made
    ingest(store, paths)
    with pytest.raises(SpecError, match=expected):
        write_submission(store, run_ids=[run_id], folder=tmp_path, paths=paths, read_english=english)


def test_runs_that_cannot_be_part_of_it(store: Store, paths: AtlasPaths, tmp_path: Path) -> None:
    ids = {name: _made(paths, _spec(name)) for name in ("bucc2018", "sib200", "xnli")}
    ids["other"] = _made(paths, _spec("xnli", seed=2))
    ids["sample"] = _made(paths, _spec("pawsx", source=DataSourceKind.SAMPLE))
    ids["bare"] = _made(paths, _spec("mlqa"), keep_predictions=False)
    ingest(store, paths)
    for wanted, error, text in (
        (["bucc2018"], SpecError, "names pairs by the ids of the shared task's sentences"),
        (["sib200"], SpecError, "'sib200' is no task of XTREME"),
        (["xnli", "other"], SpecError, "are both of 'xnli'; a submission holds one run a task"),
        (["sample"], SpecError, "the bundled sample data are not XTREME's"),
        (["bare"], RunFolderDamaged, "is not there: the run keeps no predictions"),
    ):
        with pytest.raises(error, match=text):
            write_submission(
                store, run_ids=[ids[name] for name in wanted], folder=tmp_path, paths=paths, read_english=english
            )
    with pytest.raises(UnknownName, match="No run named 'nothing'"):
        write_submission(store, run_ids=["nothing"], folder=tmp_path, paths=paths, read_english=english)
    with store.write() as cur:
        cur.execute("UPDATE runs SET collection = 'measured' WHERE run_id = ?", [ids["xnli"]])
    with pytest.raises(SpecError, match="came with the program without predictions"):
        write_submission(store, run_ids=[ids["xnli"]], folder=tmp_path, paths=paths, read_english=english)
    assert not (tmp_path / "predictions").exists()
