"""Predictions of runs as the folder that XTREME's `evaluate.py` reads: `predictions/<task>/test-<lang>.tsv|json`.

What that script reads (google-research/xtreme, `evaluate.py`): classification, one label a line; tagging, one tag a
line and an empty line between sentences; question answering, one JSON object from question id to answer; Tatoeba, one
row number a line. Lines are compared with the label file by their place, so that a test set must be whole and in
XTREME's order. That is the order of the data, save for Tatoeba, whose English sentences XTREME sorts by their text:
they are read again for it, because a run keeps no sentence. BUCC needs what nobody here has: see `_IMPOSSIBLE`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from core.errors import DataError, RunFolderDamaged, SpecError, UnknownName
from core.files import written_beside
from core.paths import AtlasPaths
from core.spec.run import DataSourceKind, RunSpec
from core.spec.task import TaskSpec
from core.store.connection import Store
from core.store.exchange.portable import portable_text

LANGUAGES: Mapping[str, tuple[str, ...]] = {
    task: tuple(codes.split())
    for task, codes in {
        "xnli": "ar bg de el en es fr hi ru sw th tr ur vi zh",
        "pawsx": "de en es fr ja ko zh",
        "panx": "ar he vi id jv ms tl eu ml ta te af nl en de el bn hi mr ur fa fr it pt es bg ru ja ka ko th sw yo my "
        "zh kk tr et fi hu",
        "udpos": "af ar bg de el en es et eu fa fi fr he hi hu id it ja kk ko mr nl pt ru ta te th tl tr ur vi yo zh",
        "xquad": "en es de el ru tr ar vi th zh hi",
        "mlqa": "en es de ar hi vi zh",
        "tydiqa": "en ar bn fi id ko ru sw te",
        "tatoeba": "ar he vi id jv tl eu ml ta te af nl de el bn hi mr ur fa fr it pt es bg ru ja ka ko th sw zh kk tr "
        "et fi hu",
    }.items()
}
"""Languages that `evaluate.py` opens a file for, by task: where one is missing it stops."""

_IMPOSSIBLE = {
    "bucc2018": "XTREME's file names pairs by the ids of the shared task's sentences (de-000413461), which the hub's "
    "copy does not have; it lacks the sentences without a translation, too, so that mining is another task there",
}
"""Tasks whose files cannot be made from what a run keeps, and why."""

_OTHER_DATA = {
    "udpos": "the hub's copy cuts words of several tokens, and joins treebanks, otherwise than XTREME's preparation: "
    "Marathi, Tamil and Chinese differ in their first sentences",
}
"""Tasks whose test sets are others than XTREME's wherever they are read from the hub or a mirror of it."""


class English(NamedTuple):
    """The English side of a retrieval test set."""

    sentences: tuple[str, ...]
    """In the order of the data."""
    fingerprint: str
    """Of the examples they belong to."""


ReadEnglish = Callable[[RunSpec, str], English]
"""Reads the English sentences that a run searched in a language."""


class Written(NamedTuple):
    """One file of a submission."""

    task: str
    """XTREME's name of the task."""
    lang: str
    """Language."""
    run_id: str
    """Whose predictions."""
    n: int
    """Examples in the file."""
    n_full: int
    """Examples of the test set in the run's data source."""
    file: str
    """Relative to the folder."""
    problem: str | None
    """Why the file cannot be submitted; None: it can."""


def write_submission(  # noqa: PLR0913  # what, where, from what
    store: Store,
    *,
    run_ids: Sequence[str],
    folder: Path,
    paths: AtlasPaths,
    read_english: ReadEnglish,
    partial: bool = False,
) -> list[Written]:
    """Write the files of some runs, one run a task, and `submission.json` beside them.

    Args:
        store: Open store that holds the runs.
        run_ids: Finished runs made here, each of another target.
        folder: Where `predictions/` goes; files of the same names are replaced.
        read_english: Reads the English sentences of Tatoeba, which decide the order of its lines.
        partial: Write also what cannot be submitted, for a look at the format.

    Returns:
        One row per file, in the order of the runs, then of `evaluate.py`'s languages.

    Raises:
        SpecError: A run is no XTREME task, two are of one task, or something cannot be submitted (and not `partial`).
        UnknownName: There is no such run.
        RunFolderDamaged: Predictions are missing or cannot be read.
        DataError: The data of Tatoeba are no longer those that the run searched.
        DiskFull: No space is left.
    """
    specs = {run_id: _spec(store, run_id) for run_id in run_ids}
    _check_tasks(specs)
    made = [
        row
        for run_id, spec in specs.items()
        for row in _files(store, spec, predictions=paths.run(run_id).predictions, read_english=read_english)
    ]
    wrong = [f"{row.written.task} {row.written.lang}: {row.written.problem}" for row in made if row.written.problem]
    there = {(row.written.task, row.written.lang) for row in made}
    wrong += [
        f"{spec.target} {lang}: {_why_absent(store, spec, lang=lang)}"
        for spec in specs.values()
        for lang in LANGUAGES[spec.target]
        if (spec.target, lang) not in there
    ]
    if wrong and not partial:
        raise SpecError(_refusal(wrong))
    for row in made:
        with written_beside(folder / row.written.file) as draft:
            draft.write_text(row.text, encoding="utf-8")
    with written_beside(folder / "submission.json") as draft:
        draft.write_text(_statement(specs, made, wrong), encoding="utf-8")
    return [row.written for row in made]


class _File(NamedTuple):
    written: Written
    text: str


def _refusal(wrong: Sequence[str]) -> str:
    shown = "\n  ".join(wrong[:12]) + (f"\n  and {len(wrong) - 12} more" if len(wrong) > 12 else "")
    return (
        f"{len(wrong)} of the files cannot be submitted:\n  {shown}\nevaluate.py compares line by line with the whole "
        "test set. Run with a protocol that has no max_test_examples on --data-source hub or mirror, or use "
        "--partial to write the files for inspection."
    )


def _spec(store: Store, run_id: str) -> RunSpec:
    with store.cursor() as cur:
        row = cur.execute("SELECT spec, collection, outcome FROM runs WHERE run_id = ?", [run_id]).fetchone()
        known = [str(r[0]) for r in cur.execute("SELECT run_id FROM runs WHERE collection = 'yours'").fetchall()]
    if row is None:
        raise UnknownName("run", run_id, known=known)
    text, collection, outcome = row
    if collection != "yours":
        raise SpecError(
            f"Run {run_id} came with the program without predictions. Run it here first, with the command on its page."
        )
    if outcome != "finished":
        raise SpecError(f"Run {run_id} is not finished ({outcome or 'not ended'}): wait for it, or retry it.")
    return RunSpec.model_validate_json(text)


def _check_tasks(specs: Mapping[str, RunSpec]) -> None:
    by_task: dict[str, str] = {}
    for run_id, spec in specs.items():
        if spec.target in _IMPOSSIBLE:
            raise SpecError(f"Run {run_id}: no submission of '{spec.target}' can be made: {_IMPOSSIBLE[spec.target]}.")
        if spec.target not in LANGUAGES:
            raise SpecError(f"Run {run_id}: '{spec.target}' is no task of XTREME. Its tasks: {', '.join(LANGUAGES)}.")
        if spec.target in by_task:
            raise SpecError(
                f"Runs {by_task[spec.target]} and {run_id} are both of '{spec.target}'; a submission holds one run a "
                "task. Name one of them."
            )
        by_task[spec.target] = run_id


def _why_absent(store: Store, spec: RunSpec, *, lang: str) -> str:
    """Why there is no file of a language that `evaluate.py` would look for in vain."""
    place = [spec.run_id, lang]
    with store.cursor() as cur:
        skip = cur.execute("SELECT reason FROM skips WHERE run_id = ? AND lang = ?", place).fetchone()
        scored = cur.execute("SELECT 1 FROM scores WHERE run_id = ? AND lang = ?", place).fetchone()
    if scored:
        return "no predictions: it was scored, but the run's file holds none of it"
    return f"no predictions: {skip[0] if skip else 'it was not scored'}"


def _files(store: Store, spec: RunSpec, *, predictions: Path, read_english: ReadEnglish) -> list[_File]:
    task, metric = spec.task(spec.target), str(spec.task(spec.target).headline)
    rows = _predictions(predictions, metric=metric)
    with store.cursor() as cur:
        found = cur.execute(
            """
            SELECT s.lang, s.split, s.fingerprint, p.n_available FROM scores s
            LEFT JOIN splits p ON p.run_id = s.run_id AND p.lang = s.lang AND p.task = $task AND p.role = 'test'
            WHERE s.run_id = $run AND s.metric = $metric
            """,
            {"run": spec.run_id, "task": spec.target, "metric": metric},
        ).fetchall()
    known = {str(lang): (str(split), str(fingerprint), available) for lang, split, fingerprint, available in found}
    made = []
    for lang in LANGUAGES[spec.target]:
        part = rows.filter(pc.equal(rows["lang"], lang)).sort_by("index")
        if lang not in known or not part.num_rows:
            continue
        split, fingerprint, available = known[lang]
        if spec.target == "tatoeba":
            part = _by_english(part, read_english(spec, lang), lang=lang, fingerprint=fingerprint)
        writer, ending = _WRITERS[spec.target]
        full = part.num_rows if available is None else int(available)
        problem = _problem(spec, task, lang=lang, split=split, n=part.num_rows, full=full)
        name = f"predictions/{spec.target}/test-{lang}.{ending}"
        made.append(
            _File(Written(spec.target, lang, spec.run_id, part.num_rows, full, name, problem), writer(part, task))
        )
    return made


def _predictions(file: Path, *, metric: str) -> pa.Table:
    """Rows of one metric: every metric of a run repeats the same predictions."""
    if not file.is_file():
        raise RunFolderDamaged(f"{file} is not there: the run keeps no predictions. Run it again.")
    try:
        rows = pq.read_table(file, columns=["lang", "metric", "index", "example_id", "prediction"])
    except (pa.ArrowException, OSError) as error:
        raise RunFolderDamaged(f"{file} cannot be read: {error}. Run it again.") from error
    return rows.filter(pc.equal(rows["metric"], metric))


def _by_english(rows: pa.Table, english: English, *, lang: str, fingerprint: str) -> pa.Table:
    """The rows in the order of their English sentences, equal ones in the order of the data, as XTREME sorts them."""
    if english.fingerprint != fingerprint or len(english.sentences) != rows.num_rows:
        raise DataError(
            f"Tatoeba in '{lang}': the data source has other sentences now ({english.fingerprint}) than the run "
            f"searched ({fingerprint}), so the order of its lines is unknown. Run it again."
        )
    return rows.take(sorted(range(rows.num_rows), key=lambda place: english.sentences[place]))


def _problem(spec: RunSpec, task: TaskSpec, *, lang: str, split: str, n: int, full: int) -> str | None:  # noqa: PLR0913
    if spec.data_source.kind is DataSourceKind.SAMPLE:
        return "the bundled sample data are not XTREME's"
    if task.name in _OTHER_DATA:
        return _OTHER_DATA[task.name]
    wanted = task.test.split if task.test else split
    if split != wanted:
        return f"scored on the split '{split}'; XTREME's test set is '{wanted}'"
    if n < full:
        return f"a sample of {n:,} of the {full:,} test examples"
    # Sizes are known of the English set alone where languages differ.
    if lang == "en" and task.test_examples is not None and full != task.test_examples:
        return f"the data source has {full:,} of the {task.test_examples:,} official test examples"
    return None


def _labels(rows: pa.Table, task: TaskSpec) -> str:
    raw = dict(zip(task.labels, map(str, task.label_values), strict=False))
    return "".join(f"{raw.get(label, label)}\n" for label in rows["prediction"].to_pylist())


def _tags(rows: pa.Table, task: TaskSpec) -> str:
    del task  # tags are XTREME's own names
    sentences = ["\n".join(tags.split(" ")) for tags in rows["prediction"].to_pylist()]
    return "\n\n".join(sentences) + "\n"


def _answers(rows: pa.Table, task: TaskSpec) -> str:
    del task  # an answer is the text itself
    found = dict(zip(rows["example_id"].to_pylist(), rows["prediction"].to_pylist(), strict=True))
    return json.dumps(found, ensure_ascii=False, indent=1) + "\n"


_WRITERS: Mapping[str, tuple[Callable[[pa.Table, TaskSpec], str], str]] = {
    **dict.fromkeys(("xnli", "pawsx", "tatoeba"), (_labels, "tsv")),
    **dict.fromkeys(("panx", "udpos"), (_tags, "tsv")),
    **dict.fromkeys(("xquad", "mlqa", "tydiqa"), (_answers, "json")),
}


def _statement(specs: Mapping[str, RunSpec], made: Sequence[_File], wrong: Sequence[str]) -> str:
    """What the folder holds, beside `predictions/`, where `evaluate.py` does not look."""
    runs: list[dict[str, Any]] = [
        {
            "task": spec.target, "run_id": run_id, "model": spec.model.name, "revision": spec.model.revision,
            "intermediate": spec.intermediate_name, "seed": spec.seed, "protocol": spec.protocol.name,
            "data_source": str(spec.data_source.kind),
        }
        for run_id, spec in specs.items()
    ]  # fmt: skip
    missing = sorted(set(LANGUAGES) - {spec.target for spec in specs.values()}) + sorted(_IMPOSSIBLE)
    whole = {
        "runs": runs,
        "can_be_submitted": not wrong,
        "problems": [portable_text(text) for text in wrong],
        "tasks_without_predictions": missing,
        "files": [
            row.written._asdict() | {"problem": row.written.problem and portable_text(row.written.problem)}
            for row in made
        ],
    }
    return json.dumps(whole, ensure_ascii=False, indent=1) + "\n"
