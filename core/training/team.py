"""Several devices for one stage: helpers that each compute the gradients of a share of a step's micro-batches.

The stage's own process keeps all that decides: order, optimiser, checkpoints, development scores. A helper is a child
with a copy of encoder, heads and pieces; before a step it is sent the weights, after it the gradients of all are added
up (torch.distributed, with the backend of the device). So the result is that of one device but for the order of the
sums, and a stage goes on from its checkpoint with any number of devices.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import NamedTuple, NoReturn

import torch
import torch.distributed as dist

from core.encoder.device import fast_products
from core.encoder.memory import is_out_of_memory
from core.encoder.packing import register
from core.errors import JobError
from core.heads.states import Encoder
from core.paths import REPO
from core.training.gradients import ALL, Share, StageJob, Step, accumulate
from core.training.mixture import Objective
from core.training.optimisation import parameter_groups, set_frozen

_WAIT = timedelta(minutes=30)
"""Most that one waits for the others: a helper loads its modules, and the stage's own process scores in between."""
_PARENT_S, _END_S = 1.0, 30.0
_FIRST_LOOK_S, _LOOK_S = 5e-5, 0.05
"""Between two looks whether the others are done, and are still there: growing from the first to the second."""
_Look = Callable[[], None]
"""Raises RuntimeError where one of the others is gone. gloo may miss that, and then waits as long as it may."""
_left: list[object] = []
"""Groups that somebody is gone from: ending one waits for what its gloo waits for."""


class Stage(NamedTuple):
    """What the processes of a stage have in common."""

    job: StageJob
    """What it does."""
    encoder: Encoder
    """Trained."""
    objectives: list[Objective]
    """In order."""
    total: int
    """Steps."""
    epoch_steps: int
    """Steps of an epoch."""

    def parameters(self) -> list[torch.nn.Parameter]:
        """What is trained, in the order of the optimiser."""
        modules = [self.encoder.model, *(objective.head for objective in self.objectives)]
        groups = parameter_groups(modules, weight_decay=self.job.protocol.weight_decay)
        return [parameter for group in groups for parameter in group["params"]]

    def gradients(self, step: Step, *, scaled: Callable[[torch.Tensor], torch.Tensor], share: Share) -> float:
        """Add those of a share of the micro-batches; their part of the mean loss.

        Args:
            step: Which examples.
            scaled: The loss as its gradients are computed from it (float16).
            share: Of this process.
        """
        encoder, objectives = self.encoder, self.objectives
        return accumulate(self.job, step, encoder=encoder, objectives=objectives, scaled=scaled, share=share)


class _Order(NamedTuple):
    """What helpers are told before a step."""

    number: float
    """Of the step; -1: there is none any more."""
    batch_tokens: float
    """Most in a micro-batch."""
    n_chosen: float
    """Items of the batch."""
    scale: float
    """Of the loss."""


_END = _Order(-1, 0, 0, 1.0)


class Team:
    """The processes that compute a stage's gradients; without helpers this one alone. Leaving it ends them."""

    def __init__(self, stage: Stage, helpers: Sequence[torch.device] = ()) -> None:
        """Start the helpers, and meet them.

        Args:
            stage: What is trained.
            helpers: A device for each further process.

        Raises:
            JobError: A helper has ended.
        """
        self._stage, self._helpers, self._parameters = stage, tuple(helpers), stage.parameters()
        self._children: list[subprocess.Popen[bytes]] = []
        if not self._helpers:
            return
        self._folder = tempfile.TemporaryDirectory(prefix="atlas-team-")
        file, of = Path(self._folder.name) / "stage.pt", 1 + len(self._helpers)
        goals = [replace(goal, dev_score=_never, judge=_never) for goal in stage.objectives]
        torch.save(stage._replace(objectives=goals), file)
        for rank, device in enumerate(self._helpers, start=1):
            words = ("-m", "core.training.team", file, device, rank, of, torch.get_num_threads())
            command = [sys.executable, *map(str, words)]
            self._children.append(subprocess.Popen(command, cwd=REPO, stdin=subprocess.DEVNULL))
        try:
            with self._told():
                for rank in range(1, of):
                    _waited(_ready(file, rank).exists, look=self._look)
                _meet(file, Share(0, of), stage.encoder.device)
        except BaseException:
            self._end()
            raise

    def __enter__(self) -> Team:
        """The team itself."""
        return self

    def __exit__(self, kind: type[BaseException] | None, *_raised: object) -> None:
        """Let the helpers end; where the stage was broken off they are killed: they may wait for what never comes."""
        if not self._helpers:
            return
        if kind is None:
            with suppress(RuntimeError, subprocess.TimeoutExpired):  # they are killed, then
                _say(_END, device=self._stage.encoder.device, look=self._look)
                for child in self._children:
                    child.wait(timeout=_END_S)
        self._end(is_broken=kind is not None)

    def gradients(self, step: Step, *, scaler: torch.amp.GradScaler) -> float:
        """Add the gradients of a whole batch; the mean loss.

        Args:
            step: Which examples.
            scaler: Of float16.

        Raises:
            JobError: A helper has ended.
        """
        if not self._helpers:
            return self._stage.gradients(step, scaled=scaler.scale, share=ALL)
        device = self._stage.encoder.device
        with self._told():
            order = _Order(step.number, step.batch_tokens, len(step.chosen), scaler.get_scale())
            _say(order, device=device, look=self._look)
            for sent in (torch.from_numpy(step.chosen).to(device), *(p.data for p in self._parameters)):
                _done(dist.broadcast(sent, 0, async_op=True), look=self._look)
        loss = _tried(self._stage, step, scaled=scaler.scale, share=Share(0, 1 + len(self._helpers)))
        with self._told():
            found = _summed(self._parameters, loss, device=device, look=self._look)
        if found is None:
            raise torch.OutOfMemoryError("out of memory on one of the stage's devices")
        return found

    def _look(self) -> None:
        if gone := self._gone():
            raise RuntimeError(f"{', '.join(gone)} has ended")

    def _gone(self) -> list[str]:
        return [str(d) for d, c in zip(self._helpers, self._children, strict=True) if c.poll() is not None]

    def _end(self, *, is_broken: bool = False) -> None:
        for child in self._children:
            child.kill()
            child.wait()
        if dist.is_initialized():
            if is_broken:
                _left.append(dist.group.WORLD)
            dist.destroy_process_group()
        self._folder.cleanup()

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except RuntimeError as error:
            if not (gone := self._gone()):
                raise
            raise JobError(
                f"The process that helped with {', '.join(gone)} has ended; worker.log has its last words. "
                "Retry the run: it goes on from its last checkpoint."
            ) from error


def _meet(file: Path, share: Share, device: torch.device) -> None:
    """Join the processes of a stage, which find each other by a file beside what they were given."""
    meeting = file.with_name("meeting")
    backend = dist.get_default_backend_for_device(device.type)
    where = device if device.type != "cpu" else None
    dist.init_process_group(
        backend, init_method=f"file://{meeting}", rank=share.rank, world_size=share.of, timeout=_WAIT, device_id=where
    )


def _ready(file: Path, rank: int) -> Path:
    """What a helper makes when it has loaded what it needs."""
    return file.with_name(f"ready-{rank}")


def _waited(is_done: Callable[[], bool], *, look: _Look) -> None:
    pause = _FIRST_LOOK_S
    while not is_done():
        look()
        time.sleep(pause)
        pause = min(2 * pause, _LOOK_S)


def _done(work: dist.Work | None, *, look: _Look) -> None:
    """Wait for what all do together, as long as all are there."""
    assert work is not None, "this process is of the group"
    _waited(work.is_completed, look=look)
    work.wait()


def _alone() -> None:
    """A helper needs no look: it ends with the stage's own process."""


def _say(order: _Order, *, device: torch.device, look: _Look) -> None:
    look()  # what is sent to nobody may seem to be received
    _done(dist.broadcast(torch.tensor(order, dtype=torch.float32, device=device), 0, async_op=True), look=look)


def _hear(device: torch.device) -> _Order:
    heard = torch.zeros(len(_END), dtype=torch.float32, device=device)
    dist.broadcast(heard, 0)
    return _Order(*heard.tolist())


def _tried(stage: Stage, step: Step, *, scaled: Callable[[torch.Tensor], torch.Tensor], share: Share) -> float | None:
    """The loss of a share; None: memory ran out, which the others have to know before anything is raised."""
    try:
        return stage.gradients(step, scaled=scaled, share=share)
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        return None


def _summed(
    parameters: Sequence[torch.nn.Parameter], loss: float | None, *, device: torch.device, look: _Look
) -> float | None:
    """Add up everybody's gradients in the first process; the loss, or None where anybody's memory ran out.

    What nobody has a gradient for stays without one, so that the optimiser passes it over.
    """
    there = torch.tensor([p.grad is not None for p in parameters] + [loss is None], dtype=torch.int32, device=device)
    _done(dist.all_reduce(there, op=dist.ReduceOp.MAX, async_op=True), look=look)
    *somewhere, is_full = there.tolist()
    if is_full:
        return None
    for parameter, is_there in zip(parameters, somewhere, strict=True):
        if is_there:
            # A copy: the embedding fills its own place for gradients again in the next step.
            total = torch.zeros_like(parameter) if parameter.grad is None else parameter.grad.clone()
            _done(dist.reduce(total, 0, async_op=True), look=look)
            parameter.grad = total
    losses = torch.tensor([loss or 0.0], dtype=torch.float32, device=device)
    _done(dist.all_reduce(losses, async_op=True), look=look)
    return float(losses.item())


def _never() -> NoReturn:
    raise AssertionError("a helper scores nothing")


def _help(file: Path, device: torch.device, share: Share) -> None:
    """Compute one share of each step until there is none any more."""
    torch.set_flush_denormal(True)
    if device.type == "cpu":
        fast_products()
    else:
        torch.get_device_module(device).set_device(device)
    register()
    # Written a moment ago by the process that started this one, into a folder of its own.
    stage: Stage = torch.load(file, map_location=device, weights_only=False)
    parameters, protocol = stage.parameters(), stage.job.protocol
    _ready(file, share.rank).touch()
    _meet(file, share, device)
    while (order := _hear(device)).number >= 0:
        chosen = torch.zeros((int(order.n_chosen), 2), dtype=torch.int64, device=device)
        dist.broadcast(chosen, 0)
        for parameter in parameters:
            dist.broadcast(parameter.data, 0)
            parameter.grad = None
        step = Step(int(order.number), chosen.cpu().numpy(), int(order.batch_tokens))
        set_frozen(
            stage.encoder, freezing=protocol.freezing, step=step.number, total=stage.total,
            epoch_steps=stage.epoch_steps,
        )  # fmt: skip
        stage.encoder.train(True)
        for objective in stage.objectives:
            objective.head.train(True)
        loss = _tried(stage, step, scaled=partial(torch.mul, other=order.scale), share=share)
        _summed(parameters, loss, device=device, look=_alone)
    dist.destroy_process_group()


def _end_with(parent: int) -> None:
    """End when the stage's own process is gone: a helper that waits for it would wait for long."""
    while os.getppid() == parent:
        time.sleep(_PARENT_S)
    os._exit(os.EX_TEMPFAIL)


def main() -> None:
    """`python -m core.training.team STAGE DEVICE RANK OF THREADS`: help with a stage, for who started this process."""
    threading.Thread(target=_end_with, args=(os.getppid(),), daemon=True).start()
    file, device, *numbers = sys.argv[1:]
    rank, of, threads = map(int, numbers)
    torch.set_num_threads(threads)
    _help(Path(file), torch.device(device), Share(rank, of))


if __name__ == "__main__":
    main()
