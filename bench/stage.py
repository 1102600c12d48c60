"""A stage of the program on made-up rows, as the benches train it: the same encoder, order and rates every time."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from bench.made import KINDS, N_POOL, Kind, Rows, make_rows
from core.spec.run import DataSource, DataSourceKind, RunSpec

if TYPE_CHECKING:
    from bench.stock import Timed
    from core.events import Event
    from core.heads.states import Encoder
    from core.spec.protocol import StageProtocol
    from core.training.mixture import Objective

RATE = 5e-5
"""Highest learning rate, of every way."""


def counts_processor(options: argparse.Namespace) -> bool:
    """Whether speeds are told by processor time: of one thread, which waits for no other.

    Args:
        options: Of the command line.
    """
    return bool(options.device == "cpu" and options.threads == 1)


def in_own_process(module: str, way: str, *, passed: tuple[str, ...], options: argparse.Namespace) -> dict[str, float]:
    """What `python -m module --one way` measures, in a process of its own, so that no way finds what another left.

    Args:
        passed: Options that it is given, too.
        options: Of the command line.
    """
    command = [sys.executable, "-m", module, "--one", way]
    for name in passed:
        command += [f"--{name}", str(getattr(options, name))]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{way} failed:\n{done.stderr[-3000:]}")
    result: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return result


class Data(NamedTuple):
    """Rows of a training."""

    taken: Rows
    """Trained on, in the order of the Trainer's batches."""
    pool: Rows
    """Where they were taken from."""


def rows_for(kind: Kind, *, pieces: int, options: argparse.Namespace) -> Data:
    """As many rows as the steps take, in batches as the Trainer groups them.

    Args:
        kind: Of task.
        pieces: Of the vocabulary.
        options: Give steps and batch.
    """
    from bench.stock import grouped_batches

    n = max(N_POOL if kind.type != "span_qa" else N_POOL // 4, 4 * options.steps * options.batch)
    pool = make_rows(kind, pieces=pieces, n=n)
    places = grouped_batches(pool.lengths.tolist(), batch=options.batch, n=options.steps)
    return Data(pool.take(places), pool)


def _run(home: Path) -> RunSpec:
    """Any run: a stage reads its data, model and protocol from its own arguments."""
    from core.models import resolve_model
    from core.paths import AtlasPaths
    from core.protocols import get_protocol
    from core.tasks import TASKS

    return RunSpec(
        model=resolve_model("atlas-mini", paths=AtlasPaths(home)),
        intermediate=None,
        target="xnli",
        seed=1,
        protocol=get_protocol("quick"),
        data_source=DataSource(kind=DataSourceKind.SAMPLE),
        tasks=(TASKS["xnli"],),
    )


class Stage(NamedTuple):
    """What `train` needs, made before the clock starts."""

    encoder: Encoder
    """On its device."""
    goal: Objective
    """With a fresh head."""


def make_stage(data: Data, *, options: argparse.Namespace, dropout: float | None = None) -> Stage:
    """Our encoder and objective of some rows.

    Args:
        data: What is trained on.
        options: Of the command line.
        dropout: Of encoder and head; None: the model's.
    """
    import torch

    from core.encoder.loading import load_encoder
    from core.models import resolve_model
    from core.paths import AtlasPaths
    from core.training.mixture import Objective
    from core.types.table import learning_of

    kind = KINDS[options.task]
    encoder = load_encoder(resolve_model(options.model, paths=AtlasPaths(Path(options.model))), dropout=dropout)
    encoder.model.to(options.device)
    encoder.precision = options.precision
    torch.manual_seed(0)
    head = learning_of(kind.type).head(encoder, kind.outputs, dropout).to(options.device)
    used = np.unique(np.concatenate(data.pool.ids))
    goal = Objective(
        name="bench", kind=kind.type, features=data.taken.features(kind), head=head, dev_score=lambda: 0.0,
        judge=lambda: None, metric="loss", n_dev=1, used_ids=used,
    )  # fmt: skip
    return Stage(encoder, goal)


def train_ours(stage: Stage, protocol: StageProtocol, *, options: argparse.Namespace) -> Timed:
    """One stage of the program, timed.

    Args:
        stage: What is trained.
        protocol: Steps, batches, freezing.
        options: Of the command line.
    """
    import torch

    from bench.stock import Timed
    from core.events import StepLogged
    from core.paths import AtlasPaths
    from core.training.context import JobContext
    from core.training.gradients import StageJob
    from core.training.loop import train_stage
    from core.training.seeds import Draws

    losses: list[float] = []

    def emit(event: Event) -> None:
        if isinstance(event, StepLogged):
            losses.append(event.loss)

    with tempfile.TemporaryDirectory() as scratch:
        home, device = Path(scratch), torch.device(options.device)
        context = JobContext(_run(home), AtlasPaths(home), device, emit=emit, checkpoints=home / "c", save_every_s=1e9)
        job = StageJob(
            key="bench", kind="target", name="bench", protocol=protocol, draws=Draws(1, "target", ("bench",))
        )
        begun, cpu = time.perf_counter(), time.process_time()
        result = train_stage(context, job, encoder=stage.encoder, objectives=[stage.goal], keep=lambda which: None)
        if options.device != "cpu":
            torch.cuda.synchronize()
        seconds, spent = time.perf_counter() - begun, time.process_time() - cpu
    assert result.steps == protocol.max_steps
    return Timed(losses, seconds, spent)


def protocol_of(options: argparse.Namespace, **fields: Any) -> StageProtocol:  # noqa: ANN401  fields of a spec
    """The program's protocol of a bench.

    Args:
        options: Of the command line.
        fields: What else it says.
    """
    from core.spec.protocol import StageProtocol

    usual = {"evaluations": 1, "selection": "last", "learning_rate": RATE, "max_steps": options.steps}
    return StageProtocol.model_validate(usual | {"batch_size": options.batch} | fields)
