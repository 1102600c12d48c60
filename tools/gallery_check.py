"""Cells of the committed gallery from scratch: `make gallery-check`, or `python -m tools.gallery_check --cells 5`.

Draws cells (a run and its baseline) at random, trains and scores both in an empty home, one after the other, with the
threads and in the precision that made them, and compares every score with the committed one. By the same processor
and the same versions every score must be equal. Elsewhere sums are taken in another order and examples change sides:
there the mean over the languages of the headline metric may differ by `--tolerance`. Exit status 1 where a cell does
not hold, 2 where none can be checked here.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import numpy as np
import pyarrow.parquet as pq
import typer

from core.errors import AtlasError
from core.files import write_text
from core.models import as_placed_here
from core.models.available import availability
from core.paths import AtlasPaths
from core.spec.run import MIRROR, RunSpec
from core.store.reading import open_for_reading
from core.variables import PRECISION
from tools.gallery import saved_ids

TOLERANCE = 0.03
"""Of a mean over languages, on another machine."""
_MADE_BY = ("versions", "device_name", "cpu_capability", "products", "threads", "precision")
"""What decides whether two machines give the same numbers, in a run's environment."""

Scores = dict[tuple[str, str], float]
"""By language and metric."""


class Cell(NamedTuple):
    """A committed run that can be made again here."""

    spec: RunSpec
    """Its model and its data where they lie here."""
    environment: dict[str, Any]
    """What made it."""
    headline: str
    """Metric."""
    scores: Scores
    """Committed."""

    @property
    def title(self) -> str:
        """For the output."""
        return f"{self.spec.model.name}: {self.spec.intermediate_name} → {self.spec.target}, seed {self.spec.seed}"


class Verdict(NamedTuple):
    """What a comparison found."""

    holds: bool
    """Whether the committed scores stand."""
    words: str
    """How they differ."""


def main(
    cells: Annotated[int, typer.Option(min=1, help="How many are drawn.")] = 5,
    seed: Annotated[int, typer.Option(help="Of the draw.")] = 1,
    only: Annotated[str | None, typer.Option(help="Only cells of this data source: sample, mirror or hub.")] = None,
    mirror: Annotated[Path | None, typer.Option(help="Folder in the hub's layout, for cells of real data.")] = None,
    tolerance: Annotated[float, typer.Option(help="Of the mean over languages, on another machine.")] = TOLERANCE,
) -> None:
    """Make some committed cells again and compare."""
    paths = AtlasPaths.from_environment()
    there = committed(paths.gallery, mirror=mirror)
    drawn = draw(there, n=cells, seed=seed, only=only)
    if not drawn:
        sys.stderr.write(f"No cell of {paths.gallery} can be made here: give --mirror for those of real data.\n")
        raise typer.Exit(2)
    holds = True
    with tempfile.TemporaryDirectory() as scratch:
        for cell in drawn:
            found = check(cell, home=Path(scratch), tolerance=tolerance)
            holds = holds and found.holds
            sys.stdout.write(f"{'holds' if found.holds else 'DIFFERS'}  {cell.title}: {found.words}\n")
            sys.stdout.flush()
    raise typer.Exit(0 if holds else 1)


def committed(gallery: Path, *, mirror: Path | None) -> dict[str, Cell]:
    """Runs of a gallery that can be made here, by id; those of an earlier version are left out.

    Args:
        gallery: Folder of the Parquet files.
        mirror: Where data of the committed mirrors lie here; None: nowhere.
    """
    wanted = saved_ids(gallery)
    scores: dict[str, Scores] = {}
    for row in pq.read_table(gallery / "scores.parquet", columns=["run_id", "lang", "metric", "score"]).to_pylist():
        scores.setdefault(row["run_id"], {})[row["lang"], row["metric"]] = row["score"]
    found = {}
    for row in pq.read_table(gallery / "runs.parquet").to_pylist():
        if row["run_id"] in wanted and (spec := _as_here(row["spec"], mirror=mirror)):
            environment = json.loads(row["environment"] or "{}")
            found[row["run_id"]] = Cell(spec, environment, row["headline_metric"], scores.get(row["run_id"], {}))
    return found


def draw(there: dict[str, Cell], *, n: int, seed: int, only: str | None) -> list[Cell]:
    """Some cells at random, each with its baseline before it, each run once.

    Args:
        there: By id.
        n: Cells, at most.
        seed: Of the draw.
        only: A data source; None: any.
    """
    of = {cell.spec.run_id: cell for cell in there.values()}
    chosen = [
        (of[cell.spec.baseline().run_id], cell)
        for _, cell in sorted(there.items())
        if cell.spec.intermediate is not None
        and only in {None, cell.spec.data_source.kind}
        and cell.spec.baseline().run_id in of
    ]
    drawn = random.Random(seed).sample(chosen, min(n, len(chosen)))
    return list({cell.spec.run_id: cell for pair in drawn for cell in pair}.values())


def check(cell: Cell, *, home: Path, tolerance: float) -> Verdict:
    """Make one run again and compare; stages that a run before it made in the same home are its own.

    Args:
        cell: Committed.
        home: Empty at first.
        tolerance: Of the mean over languages, on another machine.
    """
    paths, made_by = AtlasPaths(home=home), cell.environment
    run = paths.run(cell.spec.run_id)
    run.root.mkdir(parents=True)
    write_text(run.spec, cell.spec.model_dump_json())
    how = {"ATLAS_THREADS": str(made_by.get("threads", 1)), PRECISION: made_by.get("precision", "fp32")}
    environ = os.environ | {"ATLAS_HOME": str(home)} | how
    words = [sys.executable, "-m", "core.chain.worker", str(run.root)]
    done = subprocess.run(words, env=environ, capture_output=True, text=True, check=False)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or [f"exit status {done.returncode}"])[-1]
        return Verdict(holds=False, words=f"could not be made: {last}")
    again = json.loads(run.environment.read_bytes())
    differs = [name for name in _MADE_BY if made_by.get(name) != again.get(name)]
    return compare(cell.scores, _scores(cell.spec.run_id, paths=paths), headline=cell.headline, differs=differs,
                   tolerance=tolerance)  # fmt: skip


def compare(before: Scores, now: Scores, *, headline: str, differs: list[str], tolerance: float) -> Verdict:
    """Committed scores against those of a rerun.

    Args:
        before: Committed.
        now: Of the rerun.
        headline: Metric whose mean is compared where machines differ.
        differs: What is not the same in the two environments.
        tolerance: Of that mean.
    """
    if before.keys() != now.keys():
        return Verdict(holds=False, words=f"other languages or metrics: {sorted(before.keys() ^ now.keys())[:5]}")
    largest = max((abs(before[key] - now[key]) for key in before), default=0.0)
    if not largest:
        return Verdict(holds=True, words=f"{len(before)} scores are equal")
    at = f"{len(before)} scores, largest difference {largest:.4f}"
    if not differs:
        return Verdict(holds=False, words=f"{at}, by the same processor and versions")
    mean = float(np.mean([now[key] - before[key] for key in before if key[1] == headline]))
    holds = abs(mean) <= tolerance
    return Verdict(holds, f"{at}, mean {mean:+.4f} (tolerance {tolerance}); not the same: {', '.join(differs)}")


def _as_here(spec: str, *, mirror: Path | None) -> RunSpec | None:
    raw = json.loads(spec)
    if raw["data_source"].get("root") == MIRROR:
        if mirror is None:
            return None
        raw["data_source"]["root"] = str(mirror.resolve())
    try:
        read = RunSpec.model_validate(raw)
        model = as_placed_here(read.model)
        here = availability(model).can_run
    except (ValueError, AtlasError):
        return None
    return read.model_copy(update={"model": model}) if here else None


def _scores(run_id: str, *, paths: AtlasPaths) -> Scores:
    with open_for_reading(paths) as store, store.cursor() as cur:
        rows = cur.execute("SELECT lang, metric, score FROM scores WHERE run_id = ?", [run_id]).fetchall()
    return {(lang, metric): score for lang, metric, score in rows}


if __name__ == "__main__":
    typer.run(main)
