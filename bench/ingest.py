"""Rebuild of 10,000 synthetic runs x 15 languages, and the time of each query on them: `python -m bench.ingest`."""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb

from bench.table import Row
from core.actions.queue import list_runs
from core.paths import AtlasPaths
from core.queries import gains, overview, transfer
from core.queries.evidence import poolable_runs
from core.queries.filters import Filter
from core.queries.runs import listing as runs
from core.queries.runs import stages
from core.store.connection import Store
from core.store.ingest import ingest, rebuild
from tests.makers.folders import history, run_spec, scored, write_run

LANGS = ("en", "ar", "bg", "de", "el", "es", "fr", "hi", "ru", "sw", "th", "tr", "ur", "vi", "zh")
INTERMEDIATES = (None, "mnli", "qqp", "squad", "stsb", "cola", "sst2", "imdb", "swag", "ccg")
TARGETS = ("xnli", "pawsx", "udpos", "panx")


def make(paths: AtlasPaths, *, n_runs: int) -> str:
    """Write the run folders; the id of the last.

    Args:
        paths: Empty home.
        n_runs: How many.
    """
    spec = run_spec(languages=LANGS)
    for i in range(n_runs):
        intermediate = INTERMEDIATES[i % len(INTERMEDIATES)]
        target = TARGETS[i // len(INTERMEDIATES) % len(TARGETS)]
        seed = i // (len(INTERMEDIATES) * len(TARGETS))
        spec = run_spec(intermediate, target=target, seed=seed, languages=LANGS)
        scores = [scored(lang, 0.4 + (i * 31 + j * 17) % 100 / 250) for j, lang in enumerate(LANGS)]
        write_run(paths, spec, history(spec, scores, steps=10))
    return spec.run_id


def median_ms(question: Callable[[duckdb.DuckDBPyConnection], object], *, store: Store, times: int = 7) -> float:
    """Median time of a query in milliseconds.

    Args:
        question: What to ask.
        store: Whom.
        times: How often.
    """
    taken = []
    for _ in range(times):
        began = time.perf_counter()
        with store.cursor() as cur:
            question(cur)
        taken.append((time.perf_counter() - began) * 1000)
    return round(statistics.median(taken), 1)


def _view(cur: duckdb.DuckDBPyConnection) -> transfer.View:
    row = transfer.choices(cur).iloc[0]
    return transfer.View(**{name: row[name] for name in transfer.View._fields})


def main() -> list[Row]:
    """Measure and print one JSON object; its rows of the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=10_000)
    n_runs = parser.parse_args().runs
    with tempfile.TemporaryDirectory() as folder:
        paths = AtlasPaths(home=Path(folder))
        run_id = make(paths, n_runs=n_runs)
        report = rebuild(paths.database, paths)
        began = time.perf_counter()
        list_runs(paths)
        first_list_s = time.perf_counter() - began
        one = Filter(target="xnli", metric="accuracy")
        questions: dict[str, Callable[[duckdb.DuckDBPyConnection], object]] = {
            "gains of one target": lambda c: gains.gains(c, one),
            "pictures": transfer.choices,
            "seed rows of a picture": lambda c: transfer.seed_rows(c, _view(c)),
            "runs that can be pooled": lambda c: poolable_runs(c, Filter()),
            "counts of the overview": overview.counts,
            "findings of the overview": overview.findings,
            "runs": lambda c: runs.runs(c, Filter()),
            "lineage": lambda c: runs.lineage(c, run_id),
            "stages": lambda c: stages.stages(c, run_id),
            "steps": lambda c: stages.steps(c, run_id),
        }
        with Store.open(paths.database) as store:
            quiet = median_ms(lambda _: ingest(store, paths), store=store)
            queries = {name: median_ms(question, store=store) for name, question in questions.items()}
            again = median_ms(lambda _: list_runs(paths), store=store)
        figures: dict[str, Any] = {  # numbers by name, nested
            "n_runs": n_runs,
            "n_langs": len(LANGS),
            "rebuild_s": round(report.seconds, 1),
            "n_new": report.n_new,
            "quiet_ingest_ms": quiet,
            "first_list_jobs_s": round(first_list_s, 2),
            "list_jobs_ms": again,
            "queries_median_ms": queries,
        }
    print(json.dumps(figures, indent=1))
    name, slowest = max(queries.items(), key=lambda named: named[1])
    return [
        Row(f"rebuild of {n_runs:,} runs x {len(LANGS)} languages", "", f"{report.seconds:.1f} s", 1),
        Row(f"slowest query on them ({name})", "", f"{slowest:.0f} ms", 7),
    ]


if __name__ == "__main__":
    main()
