"""A grid of chains through the program, and by a loop of stock scripts: `python -m bench.grid`.

Four intermediates, three targets and two seeds, without baselines; the bundled encoder, the sample data, the protocol
`quick`. The program: its queue and its workers, as a launch starts them, each finished stage shared. The loop: for each
chain `bench.stock` in a process of its own, with torch's usual number of threads: the Trainer at its best on the
intermediate, saved, the Trainer at its best on the target, every language predicted. Both have the same encoder,
examples, steps, evaluations and test texts, ready on disk before the clock starts. Chains of the
loop differ in little but their target, so as many of each target are measured and stand for the others; the output says
how many.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from bench.launch import all_done
from bench.table import Row, times
from core.actions.launch import Where, launch
from core.events import ENVELOPE, LanguageScored
from core.models.default import SMALL_MODEL
from core.paths import AtlasPaths, RunPaths
from core.spec.execution import ExecutionOptions
from core.spec.run import RunSpec, StudySpec
from core.spec.task import Metric, Role
from core.store.reading import cursor_for_reading
from core.studies import StudyRequest, build_study

INTERMEDIATES = ("mnli", "qqp", "sst2", "ag_news")
TARGETS = ("xnli", "pawsx", "tweet_sentiment")
SEEDS = (1, 2)
_GOAL = 3.0
_PATIENCE_S = 3600.0


def main() -> list[Row]:
    """Measure and print one JSON object; its row of the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--turns", type=int, default=1)
    parser.add_argument("--slots", type=int, default=os.cpu_count() or 1, help="jobs of the program at a time")
    parser.add_argument("--stock-runs", type=int, default=6, help="chains of the loop that are measured")
    parser.add_argument("--precision", choices=("fp32", "bf16"), default="fp32")
    parser.add_argument("--protocol", default="quick", help="name, or a YAML file")
    options = parser.parse_args()
    os.environ["ATLAS_CPU_SLOTS"] = str(options.slots)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as scratch:  # the dispatcher stays a little
        paths = AtlasPaths(home=Path(scratch) / "prepared")
        study = _study(paths, protocol=options.protocol)
        chosen = spread(study.runs(), n=options.stock_runs)
        commands = [_prepare(run, paths=paths, folder=Path(scratch) / "data", options=options) for run in chosen]
        found = []
        for turn in range(options.turns):
            ours = _ours(study, prepared=paths, home=Path(scratch) / f"home{turn}", options=options)
            stock = [_stock(command, out=Path(scratch) / f"stock{turn}-{i}") for i, command in enumerate(commands)]
            scores = [ours.scores[run.run_id] for run in chosen]
            found.append({"ours_s": ours.seconds, "stock_s": [s["seconds"] for s in stock], "ours_scores": scores})
            found[-1]["stock_scores"] = [statistics.fmean(s["scores"].values()) for s in stock]
            found[-1]["steps"] = stock[0]["steps"]
            print(found[-1], file=sys.stderr, flush=True)
    told = summary(found, n_runs=len(study.runs()))
    print(json.dumps(told, indent=1))
    measure = (
        f"grid of {told['n_runs']} chains, {options.slots} at a time, {options.precision}: times a loop of scripts"
    )
    return [Row(f"{measure} ({told['stock']})", f"≥ {_GOAL:g}", times(told["ratio"]), options.turns)]


def spread(runs: Sequence[RunSpec], *, n: int) -> list[RunSpec]:
    """Some chains of the grid: of every target as many, and of intermediates and seeds as many as can be.

    Args:
        runs: All of them.
        n: How many.
    """
    by_parts = {(r.intermediate and r.intermediate.name, r.target, r.seed): r for r in runs}
    firsts, targets, seeds = (list(dict.fromkeys(part)) for part in zip(*by_parts, strict=True))
    # After a whole round of the three the seeds change places, so that no chain comes twice in a whole grid.
    rounds = [(firsts[i % len(firsts)], targets[i % len(targets)], seeds[(i + i // 12) % len(seeds)]) for i in range(n)]
    return [by_parts[parts] for parts in dict.fromkeys(rounds)]


def summary(found: list[dict[str, Any]], *, n_runs: int) -> dict[str, Any]:
    """The median over turns of the loop's seconds, all its chains, divided by the program's; and what stands for what.

    Args:
        found: One measurement per turn.
        n_runs: Chains of the grid.
    """
    n = len(found[0]["stock_s"])
    loops = [statistics.fmean(turn["stock_s"]) * n_runs for turn in found]
    said = f"stock: {n} of {n_runs} runs measured, times {n_runs / n:g}" if n < n_runs else "stock: all runs measured"
    return {
        "n_runs": n_runs,
        "stock": said,
        "ours_s": statistics.median(turn["ours_s"] for turn in found),
        "stock_s": statistics.median(loops),
        "ratio": statistics.median(loop / turn["ours_s"] for loop, turn in zip(loops, found, strict=True)),
        "turns": found,
    }


def _study(paths: AtlasPaths, *, protocol: str) -> StudySpec:
    request = StudyRequest(
        name="bench", models=(SMALL_MODEL,), intermediates=INTERMEDIATES, targets=TARGETS, seeds=SEEDS,
        protocol=protocol, with_baselines=False,
    )  # fmt: skip
    return build_study(request, paths=paths)


def _prepare(run: RunSpec, *, paths: AtlasPaths, folder: Path, options: argparse.Namespace) -> list[str]:
    """Write the data of a chain as `run_glue.py` reads them, once for all chains; the words of the stock script."""
    import torch

    from core.errors import DataError
    from core.training.context import JobContext
    from core.training.plan import stage_data

    context = JobContext(run, paths, torch.device("cpu"), emit=lambda event: None, checkpoints=folder)
    assert run.intermediate is not None  # there are no baselines
    words = ["--model", run.model.path, "--seed", str(run.seed)]
    settings: dict[str, dict[str, Any]] = {}
    for role, name in ((Role.INTERMEDIATE, run.intermediate.tasks[0]), (Role.TARGET, run.target)):
        task, protocol = run.task(name), run.stage_protocol(role, name)
        data, place = stage_data(context, task, role=role), folder / f"{role}-{name}-{run.seed}"
        _write(place / "train.json", data.train.examples)
        _write(place / "dev.json", data.dev.examples)
        fields = ("learning_rate", "weight_decay", "warmup_fraction", "epochs", "batch_size", "evaluations")
        settings[str(role)] = {field: getattr(protocol, field) for field in fields} | {
            "longest": min(task.max_length, run.protocol.max_length or task.max_length),
            "on_cpu": True,
            "bf16": options.precision == "bf16",
        }
        words += [f"--{role}", str(place)]
        if role is Role.TARGET:
            for lang in task.languages:
                try:
                    split = context.loader.scored("test", lang, labels=data.train.labels)
                except DataError:
                    continue  # a language that the sample does not have
                _write(place / f"test.{lang}.json", split.examples)
    return [*words, "--settings", json.dumps(settings)]


def _write(file: Path, examples: Sequence[Any]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    rows = [{"text": e.text, "pair": e.text_pair, "label": e.label} for e in examples]
    file.write_text(json.dumps(rows), encoding="utf-8")


def _stock(command: list[str], *, out: Path) -> dict[str, Any]:
    """What a chain of the loop printed, and its seconds from the start of its process."""
    begun = time.perf_counter()
    words = [sys.executable, "-m", "bench.stock", *command, "--out", str(out)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"the stock script failed:\n{done.stderr[-3000:]}")
    seconds = time.perf_counter() - begun
    shutil.rmtree(out)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found | {"seconds": seconds}


class _Ours(NamedTuple):
    seconds: float
    """From the launch to the end of the last job."""
    scores: dict[str, float]
    """Mean accuracy over languages by run."""


def _ours(study: StudySpec, *, prepared: AtlasPaths, home: Path, options: argparse.Namespace) -> _Ours:
    shutil.copytree(prepared.home, home)
    paths = AtlasPaths(home=home)
    where = Where(execution=ExecutionOptions(precision=options.precision))
    begun = time.perf_counter()
    found = launch(study, paths=paths, cursor=partial(cursor_for_reading, paths), where=where)
    while not all_done(paths):
        if time.perf_counter() - begun > _PATIENCE_S:
            raise TimeoutError(f"the grid has not ended within {_PATIENCE_S:.0f} s")
        time.sleep(0.1)
    seconds = time.perf_counter() - begun
    return _Ours(seconds, {job.run_id: _score(paths.run(job.run_id)) for job in found.jobs})


def _score(run: RunPaths) -> float:
    facts = [ENVELOPE.validate_json(line).event for line in run.events.read_bytes().splitlines()]
    return statistics.fmean(f.score for f in facts if isinstance(f, LanguageScored) and f.metric is Metric.ACCURACY)


if __name__ == "__main__":
    main()
