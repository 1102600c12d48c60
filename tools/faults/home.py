"""A small home with finished runs of its own and a gallery, in which campaigns damage things."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from core.events import Envelope, Event, LanguageScored, RunFinished, RunStarted
from core.paths import AtlasPaths, RunPaths
from core.processes import ProcessRecord
from core.spec.profile import ProfileKind
from core.spec.ranking import FrozenRanking, RankedIntermediate, SelectorRanking
from core.spec.run import RunSpec
from core.spec.task import Metric
from core.store.connection import Store
from core.store.exchange.tables import save_gallery
from core.store.ingest import ingest
from core.store.rankings import save_ranking
from core.studies import ProfileRequest, StudyRequest, build_profile, build_study


class Home(AtlasPaths):
    """Paths whose committed files are in the home, too."""

    @property
    def gallery(self) -> Path:
        """In the home."""
        return self.home / "gallery"

    @property
    def published(self) -> Path:
        """In the home; there are none."""
        return self.home / "published"


def runs_of(paths: AtlasPaths, *, seeds: int) -> tuple[RunSpec, ...]:
    """Runs of the bundled encoder on the sample data, a baseline each.

    Args:
        paths: A home.
        seeds: How many pairs.
    """
    asked = StudyRequest(targets=("xnli",), intermediates=("mnli",), seeds=tuple(range(seeds)))
    return build_study(asked, paths=paths).runs()


def make_home(folder: Path) -> Home:
    """Four finished runs, two of which are committed, a finished profile, a frozen ranking.

    Args:
        folder: Becomes the home.
    """
    paths = Home(home=folder)
    specs = runs_of(paths, seeds=2)
    for spec in specs:
        finished(paths.run(spec.run_id), spec)
    _profiled(paths)
    _ranked(paths, specs)
    with Store.open(":memory:") as store:
        ingest(store, paths)
        save_gallery(store, folder=paths.gallery, ids=[spec.run_id for spec in specs[:2]])
    return paths


def _profiled(paths: AtlasPaths) -> None:
    asked = ProfileRequest(kind=ProfileKind.DIFFICULTY, intermediates=("mnli",))
    spec = build_profile(asked, paths=paths)
    profile = paths.profile(spec.profile_id)
    profile.root.mkdir(parents=True)
    profile.spec.write_text(spec.canonical_json(), encoding="utf-8")
    row = {
        "profile_id": spec.profile_id,
        "intermediate": "mnli",
        "measure": "bits",
        "value": 0.5,
        "n": 4,
        "resamples": 9,
    }
    pq.write_table(pa.Table.from_pylist([row]), profile.table("difficulties"))
    profile.finished.write_text('{"seconds": 1.0}', encoding="utf-8")


def _ranked(paths: AtlasPaths, specs: Sequence[RunSpec]) -> None:
    one = SelectorRanking(
        model="m", model_fingerprint=None, target="xnli", selector="difficulty", label="Difficulty",
        items=(RankedIntermediate(intermediate="mnli", score=0.5),),
    )  # fmt: skip
    ranking = FrozenRanking(
        ranking_id="r1", study="faults", frozen_at="2026-01-01T00:00:00.000Z", protocol="quick", protocol_digest="d",
        data_source="sample", seeds=(1,), runs=tuple(spec.run_id for spec in specs), n_done=0, rankings=(one,),
    )  # fmt: skip
    save_ranking(ranking, paths=paths)


def finished(run: RunPaths, spec: RunSpec) -> None:
    """The folder that a finished run leaves.

    Args:
        run: Where.
        spec: Of the run.
    """
    run.root.mkdir(parents=True)
    run.spec.write_text(spec.canonical_json(), encoding="utf-8")
    job = {"run_id": spec.run_id, "study": "faults", "position": 1.0, "submitted_at": "2026-01-01T00:00:00.000Z"}
    run.job.write_text(json.dumps(job), encoding="utf-8")
    run.process.write_text(ProcessRecord(pid=2**22 + 1, started=0.0).model_dump_json(), encoding="utf-8")
    run.environment.write_text('{"precision": "fp32", "python": "3"}', encoding="utf-8")
    facts: tuple[Event, ...] = (
        RunStarted(run_id=spec.run_id, attempt=1, device="cpu", pid=1),
        LanguageScored(lang="de", metric=Metric.ACCURACY, score=0.5, n=4, split="test", fingerprint="f"),
        RunFinished(seconds=1.0),
    )
    first = datetime(2026, 1, 1, tzinfo=UTC)
    lines = [
        Envelope(seq=i, time=(first + timedelta(seconds=i)).isoformat(timespec="milliseconds"), event=fact)
        for i, fact in enumerate(facts)
    ]
    run.events.write_text("".join(line.model_dump_json() + "\n" for line in lines), encoding="utf-8")
    n = 4
    columns = {"lang": ["de"] * n, "metric": ["accuracy"] * n, "index": list(range(n)), "correct": [1.0, 0.0, 1.0, 0.0]}
    pq.write_table(pa.table(columns), run.predictions)
    run.finished.write_text('{"seconds": 1.0}', encoding="utf-8")
