"""A task type from one module of its own goes all the way: definition, chain, profile, index, heatmap."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import plotly.graph_objects as go
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from core.analysis.cells import DisplayOptions, grid
from core.chain.pipeline import execute
from core.chain.worker import EventLog
from core.data.check import check_task
from core.data.origin import DataOrigin
from core.events import RunFinished, RunStarted
from core.figures.heatmap import transfer_heatmap
from core.measures.difficulty.table import DIFFICULTIES
from core.paths import AtlasPaths
from core.profiling.recipe import execute_profile
from core.queries.credits import view_tests
from core.queries.transfer import View, choices, seed_rows, states
from core.spec.model import ModelSpec
from core.spec.profile import ProfileKind, ProfileSpec, job_id_of
from core.spec.run import DataSource, IntermediateSpec, RunSpec
from core.spec.task import Columns, Metric, Role, SplitRef, TaskSpec
from core.store.connection import Store
from core.store.counted import REASONS
from core.store.ingest import ingest
from core.tasks import read_task_file
from core.types.table import TYPES, assemble
from tests.core.types.judgement import JUDGEMENT
from tests.fakes import WORDS, tiny_model, toy_context, toy_mirror, toy_protocol, toy_task

_FAST = toy_protocol(max_steps=3, evaluations=1, max_dev_examples=12)
_ROLES = {"train": "train", "dev": "validation", "test": "test"}


@pytest.fixture(autouse=True)
def _known(monkeypatch: pytest.MonkeyPatch) -> None:
    """One line in the table."""
    monkeypatch.setitem(TYPES, "judgement", assemble((*TYPES.values(), JUDGEMENT))["judgement"])


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> ModelSpec:
    """A tiny BERT."""
    return tiny_model(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> DataSource:
    """A mirror with texts that hold where they begin with `yes`, and with a toy classification task."""
    root = tmp_path_factory.mktemp("hub")
    for lang in ("en", "de"):
        folder = root / "toy" / "judgement" / lang
        folder.mkdir(parents=True)
        for place, split in enumerate(_ROLES.values()):
            texts = [f"{('not', 'yes')[i % 2]} {WORDS[(i + place) % 14]} {WORDS[(i * 5) % 14]}" for i in range(40)]
            rows = [{"id": f"{split}{i}", "text": t, "label": i % 2} for i, t in enumerate(texts)]
            pq.write_table(pa.Table.from_pylist(rows), folder / f"{split}-00000-of-00001.parquet")
    return toy_mirror(root, kinds=("classification",), n=40)


def _task() -> TaskSpec:
    splits = {role: SplitRef(path="toy/judgement", config="{lang}", split=name) for role, name in _ROLES.items()}
    return TaskSpec(
        name="judged",
        title="Judged",
        type="judgement",
        roles=(Role.TARGET, Role.INTERMEDIATE),
        summary="A toy.",
        languages=("en", "de"),
        columns=Columns(text="text", label="label", id="id"),
        train=splits["train"],
        dev=splits["dev"],
        test=splits["test"],
        metrics=(Metric.ACCURACY,),
        chance=0.5,
        max_length=32,
        licence="none",
        citation="none",
    )


def _run(model: ModelSpec, source: DataSource, *, intermediate: str | None) -> RunSpec:
    between = IntermediateSpec.parse(intermediate) if intermediate else None
    carried = (_task(), toy_task("classification")) if between and "toy_classification" in between.tasks else (_task(),)
    return RunSpec(
        model=model,
        intermediate=between,
        target="judged",
        seed=1,
        protocol=_FAST,
        data_source=source,
        tasks=carried,
    )


def _finish(spec: RunSpec | ProfileSpec, home: Path) -> None:
    """What the job process does with a folder, in this process, which knows the type."""
    files = AtlasPaths(home).job(job_id_of(spec))
    files.root.mkdir(parents=True)
    files.spec.write_text(spec.model_dump_json(), encoding="utf-8")
    log = EventLog(files.events)
    log.emit(RunStarted(run_id=job_id_of(spec), attempt=1, device="cpu", pid=1))
    if isinstance(spec, ProfileSpec):
        execute_profile(toy_context(spec, home, emit=log.emit))
    else:
        execute(toy_context(spec, home, emit=log.emit))
    log.emit(RunFinished(seconds=1.0))
    log.close()
    files.finished.write_text(json.dumps({"seconds": 1.0}), encoding="utf-8")


@pytest.fixture
def store(model: ModelSpec, source: DataSource, tmp_path: Path) -> Iterator[Store]:
    """An index of runs on the new type as target and as intermediate, and of its difficulty."""
    for intermediate in (None, "toy_classification", "judged~shuffled", "judged@hardest"):
        _finish(_run(model, source, intermediate=intermediate), tmp_path)
    profile = {"kind": ProfileKind.DIFFICULTY, "model": model, "data_source": source, "protocol": _FAST}
    profile |= {"intermediates": ("judged",), "tasks": (_task(),), "n": 30, "resamples": 40, "seed": 3}
    _finish(ProfileSpec.model_validate(profile), tmp_path)
    with Store.open(":memory:") as opened:
        report = ingest(opened, AtlasPaths(tmp_path))
        assert report.n_damaged == 0
        yield opened


def test_a_definition_in_yaml_is_of_the_new_type(tmp_path: Path, source: DataSource) -> None:
    file = tmp_path / "judged.yaml"
    file.write_text(_task().model_dump_json(), encoding="utf-8")  # JSON is YAML, too
    task = read_task_file(file)
    report = check_task(task, origin=DataOrigin(source, AtlasPaths(tmp_path)))
    assert not report.problems and report.splits[0].labels == {"does not hold": 20, "holds": 20}


def test_it_goes_through_chain_profile_and_heatmap(store: Store) -> None:
    with store.cursor() as cur:
        found = choices(cur)
        of_it = found[found["target"] == "judged"]
        assert list(of_it["runs"]) == [4]
        view = View(*of_it.iloc[0][list(View._fields)])
        rows = seed_rows(cur, view)
        shown = DisplayOptions(langs=("en", "de"))
        cells = grid(rows, states(cur, view), shown=shown, tests=view_tests(cur, view, seed=None)).cells
        kinds = cur.execute("SELECT DISTINCT task_type FROM stages WHERE name = 'judged' ORDER BY 1").fetchall()
        kept = cur.execute("SELECT count(*) FROM credits c JOIN runs USING (run_id) WHERE target = 'judged'").fetchone()
        measures = dict(cur.execute("SELECT measure, value FROM difficulties WHERE intermediate = 'judged'").fetchall())
    assert kinds == [("judgement",)]
    assert kept == (8,), "each example's own correctness, of four runs in two languages"
    assert set(cells["intermediate"]) == {"toy_classification", "judged~shuffled", "judged@hardest"}
    by_hand = rows.set_index(["intermediate", "lang"])
    for row in cells.itertuples():
        one = by_hand.loc[(row.intermediate, row.lang)]
        assert row.gain == pytest.approx(one["score"] - one["baseline_score"])
        assert row.excluded in REASONS, "three steps teach nothing"
    figure = transfer_heatmap(cells, quantity="gain")
    drawn = next(trace for trace in figure.data if isinstance(trace, go.Heatmap))
    assert set(drawn.x) == set(cells["intermediate"]) and set(drawn.y) == {"en", "de"}
    shown_at = {(x, y): z for y, row in zip(drawn.y, drawn.z, strict=True) for x, z in zip(drawn.x, row, strict=True)}
    assert shown_at == pytest.approx({(row.intermediate, row.lang): 100 * row.gain for row in cells.itertuples()})
    assert set(measures) == set(DIFFICULTIES)
    assert measures["label_entropy"] == pytest.approx(1.0, abs=1e-3), "two labels, equally many"
    assert measures["code_length"] == pytest.approx(1.0, rel=0.1), "after three steps little is known beyond 1 bit"
