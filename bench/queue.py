"""A queue of 10,000 runs that nobody has started: submitted, listed, looked at, indexed: `python -m bench.queue`."""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from bench.ingest import INTERMEDIATES, LANGS, TARGETS
from bench.table import Row
from core.actions.queue import list_runs
from core.files import write_text
from core.holding import held
from core.jobs.backend import backend_class
from core.jobs.dispatch import Dispatcher
from core.jobs.records import LOCAL
from core.paths import AtlasPaths
from core.store.connection import Store
from core.store.ingest import ingest
from tests.makers.folders import run_spec

GOALS = {"submitted": 5.0, "listed first": 1.0, "listed again": 1.0}
"""Seconds wanted for 10,000 runs."""


def main() -> list[Row]:
    """Measure and print one JSON object; its rows of the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=10_000)
    n_runs = parser.parse_args().runs
    n_kinds = len(INTERMEDIATES) * len(TARGETS)
    specs = [
        run_spec(INTERMEDIATES[i % 10], target=TARGETS[i // 10 % 4], seed=i // n_kinds, languages=LANGS)
        for i in range(n_runs)
    ]
    with tempfile.TemporaryDirectory() as folder:
        paths = AtlasPaths(home=Path(folder))
        paths.slots.mkdir(parents=True)
        dispatcher, first = Dispatcher(paths, worker="none", slots=("cpu:0",)), paths.run(specs[0].run_id)
        backend = backend_class(LOCAL)(paths)
        backend.submit(specs[:1])
        # This process holds the first run and with it the one slot: nothing is started, what is left is the look.
        with Store.open(paths.database) as store, held(first) as mine:
            write_text(first.process, mine.model_dump_json())
            steps: dict[str, Callable[[], object]] = {
                "submitted": lambda: backend.submit(specs),
                "listed first": lambda: list_runs(paths),
                "listed again": lambda: list_runs(paths),
                "dispatcher's first look": dispatcher.step,
                "dispatcher's next look": dispatcher.step,
                "indexed first": lambda: ingest(store, paths),
                "indexed again": lambda: ingest(store, paths),
            }
            took = {name: _seconds(step) for name, step in steps.items()}
    said = {name: {"seconds": each.clock, "of processor": each.processor} for name, each in took.items()}
    print(json.dumps({"runs": n_runs, "load": round(os.getloadavg()[0], 1), **said}, indent=1))
    return [
        Row(
            f"{n_runs:,} queued runs, {name}",
            f"≤ {GOALS[name]:.0f} s" if name in GOALS else "",
            f"{each.clock:.2f} s",
            1,
        )
        for name, each in took.items()
    ]


class _Took(NamedTuple):
    """What a step took."""

    clock: float
    """Seconds, of which others on the machine may have taken a part."""
    processor: float
    """Seconds of this process."""


def _seconds(step: Callable[[], object]) -> _Took:
    began, at_work = time.perf_counter(), time.process_time()
    step()
    return _Took(round(time.perf_counter() - began, 3), round(time.process_time() - at_work, 3))


if __name__ == "__main__":
    main()
