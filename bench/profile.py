"""A domain profile of 20 tasks x 15 languages x 1,000 sentences, cold and cached: `python -m bench.profile`.

Ten tasks are intermediates, ten are targets with 15 languages each; their texts are made of the bundled sample's own
sentences, drawn anew for each task and language, and embedded with the bundled encoder.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch

from bench.table import Row
from core.data.datasets import load_split
from core.data.origin import DataOrigin
from core.errors import MissingSplit
from core.events import Event, ProfileAdvanced
from core.models import resolve_model
from core.paths import AtlasPaths
from core.profiling.recipe import execute_profile
from core.spec.profile import ProfileKind, ProfileSpec
from core.spec.run import DataSource, DataSourceKind
from core.spec.task import Columns, Metric, Role, SplitRef, TaskSpec
from core.tasks import TASKS
from core.training.context import JobContext
from core.types.table import task_type

LANGS = TASKS["xnli"].languages
"""15; those that the bundled sample has no text in take the text of another, letter for letter as long."""


def main() -> list[Row]:
    """Measure and print one JSON object; its rows of the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--intermediates", type=int, default=10)
    parser.add_argument("--targets", type=int, default=10)
    parser.add_argument("--sentences", type=int, default=1000)
    parser.add_argument("--threads", type=int, default=0, help="of torch; 0: its own choice")
    options = parser.parse_args()
    if options.threads:
        torch.set_num_threads(options.threads)
    with tempfile.TemporaryDirectory() as folder:
        paths = AtlasPaths(home=Path(folder))
        tasks = _tasks(options.intermediates, options.targets)
        source = _mirror(paths, tasks, n=options.sentences)
        names = [task.name for task in tasks]
        spec = ProfileSpec(
            kind=ProfileKind.DOMAIN,
            model=resolve_model("atlas-mini", paths=paths),
            data_source=source,
            intermediates=tuple(names[: options.intermediates]),
            targets=tuple(names[options.intermediates :]),
            tasks=tasks,
            n=options.sentences,
            seed=1,
        )
        cold, cached = (_timed(spec, paths) for _ in range(2))
    print(json.dumps({"threads": torch.get_num_threads(), "cold": cold, "cached": cached}, indent=1))
    measure = f"domain profile of {cold['points']:g} points"
    return [
        Row(f"{measure}, {name}", "", f"{found['seconds']:.0f} s", 1)
        for name, found in (("cold", cold), ("cached", cached))
    ]


def _timed(spec: ProfileSpec, paths: AtlasPaths) -> dict[str, float]:
    ends: dict[str, float] = {}
    totals: dict[str, int] = {}

    def emit(event: Event) -> None:
        if isinstance(event, ProfileAdvanced):
            ends[event.phase], totals[event.phase] = time.perf_counter(), event.total

    paths.profile(spec.profile_id).root.mkdir(parents=True, exist_ok=True)
    began, cpu = time.perf_counter(), time.process_time()
    checkpoints = paths.profile(spec.profile_id).checkpoints
    n_rows = execute_profile(JobContext(spec, paths, torch.device("cpu"), emit, checkpoints))
    steps = [began, ends["texts"], ends["embeddings"], ends["pairs"]]
    named = zip(("texts_s", "embeddings_s", "pairs_s"), np.diff(steps), strict=True)
    return {
        "points": totals["texts"],
        "pairs": totals["pairs"],
        "rows": n_rows,
        "seconds": round(time.perf_counter() - began, 1),
        "cpu_seconds": round(time.process_time() - cpu, 1),
    } | {name: round(float(seconds), 1) for name, seconds in named}


def _tasks(n_intermediates: int, n_targets: int) -> tuple[TaskSpec, ...]:
    made = []
    for place in range(n_intermediates + n_targets):
        is_target = place >= n_intermediates
        name = f"{'target' if is_target else 'between'}{place:02d}"
        split = SplitRef(path=f"bench/{name}", config="{lang}", split="train")
        made.append(
            TaskSpec(
                name=name,
                title=name,
                type="classification",
                roles=(Role.TARGET,) if is_target else (Role.INTERMEDIATE,),
                summary="Made for a measurement.",
                languages=LANGS if is_target else ("en",),
                labels=("no", "yes"),
                columns=Columns(text="text", label="label"),
                train=split,
                test=split.model_copy(update={"split": "test"}) if is_target else None,
                metrics=(Metric.ACCURACY,),
                chance=0.5,
                licence="CC0-1.0",
                citation="none",
            )
        )
    return tuple(sorted(made, key=lambda task: task.name))


def _mirror(paths: AtlasPaths, tasks: tuple[TaskSpec, ...], *, n: int) -> DataSource:
    origin = DataOrigin(source=DataSource(kind=DataSourceKind.SAMPLE), paths=paths, tasks=tuple(TASKS.values()))
    texts = {lang: _sample(lang, origin=origin) for lang in LANGS}
    root = paths.home / "mirror"
    for place, task in enumerate(tasks):
        for lang in task.languages:
            rng = np.random.default_rng([place, LANGS.index(lang)])
            for split in ("train", "test") if lang == "en" else ("test",):
                # Two halves of two texts: as many different sentences as are asked for, of the sample's length.
                picked = rng.integers(0, len(texts[lang]), size=(n, 2))
                rows = [f"{_half(texts[lang][i], 0)} {_half(texts[lang][j], 1)}" for i, j in picked]
                file = root / "bench" / task.name / lang / f"{split}-00000-of-00001.parquet"
                file.parent.mkdir(parents=True, exist_ok=True)
                pq.write_table(pa.table({"text": rows, "label": np.arange(n) % 2}), file)
    return DataSource(kind=DataSourceKind.MIRROR, root=str(root))


def _sample(lang: str, *, origin: DataOrigin) -> list[str]:
    try:
        split = load_split(TASKS["xnli"], role="test", lang=lang, origin=origin)
    except MissingSplit:
        split = load_split(TASKS["xnli"], role="test", lang="ru", origin=origin)
    return [task_type(split.task.type).text(example) for example in split.examples]


def _half(text: str, which: int) -> str:
    middle = len(text) // 2
    return text[middle:] if which else text[:middle]


if __name__ == "__main__":
    main()
