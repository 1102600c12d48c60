"""One fine-tuning stage: English training data in, an encoder out.

The data come as `EnglishData` (`loader.py`), which cannot be built from another language or from a test split: model
selection sees English development data alone by construction. Interrupted at any moment, a stage goes on from its last
checkpoint and ends with the weights of an undisturbed one (bit for bit on a CPU with the same number of threads).
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import torch

from core.encoder.batches import step_items
from core.encoder.device import (
    memory_now_mb,
    own_random_state,
    own_threads,
    peak_memory_mb,
    random_state,
    set_random_state,
)
from core.encoder.judging import Judgement
from core.encoder.memory import halving
from core.errors import Diverged
from core.events import DevScored, Flagged, StageStarted, StepLogged
from core.heads.dropout import with_fast_dropout
from core.heads.states import Encoder
from core.training.adapters import Adapters
from core.training.checkpoints import Checkpoints, Progress, as_it_was_written, flag_damage, trained_part
from core.training.context import RunContext
from core.training.gradients import StageJob, Step
from core.training.mixture import Objective, pieces_used, pool
from core.training.optimisation import Compaction, clip, left_of_unused, parameter_groups, rate_at, set_frozen
from core.training.team import Stage, Team
from core.types.pieces import Ints

_LOG_EVERY_S = 1.5


@dataclass(frozen=True)
class StageResult:
    """What came of a stage; the weights went to `keep`."""

    steps: int
    """Optimiser steps taken."""
    best_step: int
    """Step of the checkpoint that goes on."""
    seconds: float
    """Of this attempt."""
    peak_memory_mb: float
    """Resident (CPU) or allocated (GPU)."""
    judged: tuple[Judgement, ...]
    """Of each task, with the checkpoint that goes on."""


Checkpoint = Literal["selected", "last"] | int
"""Which weights of a stage: those that go on, the last ones, or those at a step."""

Keep = Callable[[Checkpoint], None]
"""Called when the encoder and the heads hold the named weights: each checkpoint once, the selected one at the end."""


@dataclass
class _Training:
    """The state of a stage while it runs."""

    context: RunContext
    job: StageJob
    encoder: Encoder
    objectives: list[Objective]
    pool: list[tuple[int, int]] | Ints = field(default_factory=list)
    progress: Progress = field(default_factory=Progress)

    def __post_init__(self) -> None:
        self.pool = pool(self.objectives, cap=self.job.protocol.mix_cap, draws=self.job.draws)
        protocol = self.job.protocol
        self.epoch_steps = max(1, -(-len(self.pool) // protocol.batch_size))
        total = max(1, -(-round(protocol.epochs * len(self.pool)) // protocol.batch_size))
        self.total = min(total, protocol.max_steps or total)
        points = np.linspace(0, self.total, protocol.evaluations + 1)[1:]
        self.points = {int(round(p)) for p in points} - {0}
        self.files = Checkpoints(self.context.checkpoints, key=self.job.key)
        self.modules = {"encoder": self.encoder.model} | {f"head:{o.name}": o.head for o in self.objectives}
        groups = parameter_groups(self.modules.values(), weight_decay=protocol.weight_decay)
        self.optimiser = torch.optim.AdamW(groups, lr=protocol.learning_rate, fused=True)
        self.scaler = torch.amp.GradScaler(self.context.device.type, enabled=self.encoder.precision == "fp16")
        self.parameters = [p for group in self.optimiser.param_groups for p in group["params"]]
        shared = Stage(self.job, self.encoder, self.objectives, self.total, self.epoch_steps)
        self.team = Team(shared, self.context.helpers)

    def weights(self) -> dict[str, Any]:
        return {name: trained_part(module, self.parameters) for name, module in self.modules.items()}

    def load_weights(self, weights: dict[str, Any]) -> None:
        for name, module in self.modules.items():
            module.load_state_dict(module.state_dict() | weights[name])

    def train_mode(self, on: bool) -> None:  # noqa: FBT001  mirrors nn.Module.train
        self.encoder.train(on)
        for objective in self.objectives:
            objective.head.train(on)


def train_stage(
    context: RunContext, job: StageJob, *, encoder: Encoder, objectives: list[Objective], keep: Keep
) -> StageResult:
    """Fine-tune an encoder on one or several tasks, and hand the selected weights and others to `keep`.

    Args:
        context: Device, events, checkpoints.
        job: What to do.
        encoder: Trained in place; holds the selected weights at the end.
        objectives: One per task, made by `objectives.make`; mixed in proportion to size.
        keep: Called with the encoder in the state to save.

    Raises:
        ModelError: Adapters are asked for, and the architecture has no linear layers.
        OutOfMemory: The device is too small for a single example.
        RunFolderDamaged: A checkpoint is of no use (`anew_if_damaged`).
        Diverged: A loss, gradient or development score is no finite number.
        DiskFull: No space for a checkpoint.
    """
    started = time.monotonic()
    adapters = Adapters(encoder, job.protocol, draws=job.draws)
    compaction = Compaction(encoder, used=pieces_used(objectives))
    if context.device.type == "cpu":
        for module in (encoder.model, *(o.head for o in objectives)):
            with_fast_dropout(module)
    with own_random_state(job.draws.number("dropout"), device=context.device), own_threads():
        training = _Training(context, job, encoder, objectives)
        with training.team:
            _resume(training)
            _announce(training)
            _loop(training)
        _finish(training, adapters=adapters, compaction=compaction, keep=keep)
    progress = training.progress
    return StageResult(
        steps=progress.step,
        best_step=progress.best_step or progress.step,
        seconds=time.monotonic() - started,
        peak_memory_mb=peak_memory_mb(context.device),
        judged=tuple(Judgement(**found) for found in progress.judged),
    )


def _announce(training: _Training) -> None:
    kinds = {o.kind for o in training.objectives}
    training.context.emit(
        StageStarted(
            key=training.job.key,
            kind=training.job.kind,
            name=training.job.name,
            task_type=kinds.pop() if len(training.objectives) == 1 or kinds == {"mlm"} else "multi_task",
            total_steps=training.total,
            resumed_at=training.progress.step,
        )
    )


def _loop(training: _Training) -> None:
    progress, job = training.progress, training.job
    logged, saved, loss, steps = time.monotonic(), time.monotonic(), 0.0, 0
    worked = time.process_time()  # of all threads
    while progress.step < training.total and not _out_of_patience(training):
        loss += _step(training)
        steps += 1
        progress.step += 1
        now = time.monotonic()
        if now - logged >= _LOG_EVERY_S or progress.step in (1, training.total) or progress.step in training.points:
            passed, busy = max(now - logged, 1e-9), time.process_time() - worked
            _log(training, loss=loss / steps, rate=steps * job.protocol.batch_size / passed, cores=busy / passed)
            logged, worked, loss, steps = now, time.process_time(), 0.0, 0
        if progress.step in training.points:
            _score_dev(training)
            logged, worked = time.monotonic(), time.process_time()
        if progress.step in training.points or time.monotonic() - saved >= training.context.save_every_s:
            _checkpoint(training)
            saved = time.monotonic()


def _step(training: _Training) -> float:
    protocol = training.job.protocol
    step = training.progress.step
    set_frozen(
        training.encoder, freezing=protocol.freezing, step=step, total=training.total, epoch_steps=training.epoch_steps
    )
    training.train_mode(True)
    order = training.job.draws.number("order")
    items = step_items(len(training.pool), seed=order, step=step, batch_size=protocol.batch_size)
    loss = _gradients(training, chosen=np.asarray(training.pool)[items])
    _refuse_divergence(training, "the loss", loss, step=step + 1)
    training.scaler.unscale_(training.optimiser)
    norm = clip(training.parameters, largest=protocol.gradient_clip)
    if not training.scaler.is_enabled() or training.scaler.get_scale() < 1.0:  # else the loss was scaled too much
        _refuse_divergence(training, "the norm of the gradient", norm, step=step + 1)
    for group in training.optimiser.param_groups:
        group["lr"] = rate_at(step, total=training.total, protocol=protocol)
    training.scaler.step(training.optimiser)
    training.scaler.update()
    training.optimiser.zero_grad(set_to_none=True)
    return loss


def _refuse_divergence(training: _Training, what: str, value: float, *, step: int) -> None:
    if math.isfinite(value):
        return
    job, protocol = training.job, training.job.protocol
    advice = (
        f"Lower the learning rate (now {protocol.learning_rate:g}) or gradient_clip (now {protocol.gradient_clip:g}), "
        "or warm up for longer."
    )
    if step == 1:
        advice = "Nothing was learned before it, so the model's weights are the likely cause: check them for nan."
    if training.encoder.precision == "fp16":
        advice += " Or compute in float32 (--precision fp32): float16 has no number above 65,504."
    raise Diverged(f"The {job.title} diverged at step {step} of {training.total}: {what} is {value}. {advice}")


def _gradients(training: _Training, *, chosen: Ints) -> float:
    """`_accumulate`, anew with smaller micro-batches where memory runs out: from there on for the rest of the stage."""

    def attempt(tokens: int) -> float:
        training.optimiser.zero_grad(set_to_none=True)
        return _accumulate(training, chosen=chosen, batch_tokens=tokens)

    def largest() -> int:
        return max(int(training.objectives[which].features.item_tokens[item]) for which, item in chosen)

    asked = training.context.batch_tokens
    before = min(asked, training.progress.batch_tokens or asked)
    loss, now = halving(attempt, tokens=before, largest=largest, device=training.context.device)
    if now < before:
        training.progress.batch_tokens = now
        message = (
            f"The {training.job.title} ran out of memory with {before:,} tokens at once and goes on with {now:,} "
            f"from step {training.progress.step + 1}: a step has the same examples."
        )
        training.context.emit(Flagged(flag="memory_reduced", message=message))
    return loss


def _accumulate(training: _Training, *, chosen: Ints, batch_tokens: int) -> float:
    """Gradients of a whole batch, micro-batch by micro-batch; the mean loss.

    Args:
        training: Whose gradients.
        chosen: (batch_size, 2) objective and item.
        batch_tokens: Most tokens in a micro-batch.
    """
    return training.team.gradients(Step(training.progress.step, chosen, batch_tokens), scaler=training.scaler)


def _score_dev(training: _Training) -> None:
    training.train_mode(False)
    objectives, progress = training.objectives, training.progress
    # The largest class of logits that are no numbers is a class like any other, so scores alone would not show it.
    are_numbers = all(bool(torch.isfinite(p).all()) for p in training.parameters)
    _refuse_divergence(training, "a weight", 0.0 if are_numbers else math.nan, step=progress.step)
    score = float(np.mean([o.dev_score() for o in objectives]))
    _refuse_divergence(training, "the development score", score, step=progress.step)
    metric = objectives[0].metric
    n = sum(o.n_dev for o in objectives)
    training.context.emit(DevScored(key=training.job.key, step=progress.step, metric=metric, score=score, n=n))
    progress.since_best += 1
    by_last = training.job.protocol.selection == "last"
    is_best = progress.best_score is None or score > progress.best_score
    if is_best:
        progress.best_step, progress.best_score, progress.since_best = progress.step, score, 0
    if is_best or by_last:
        n = 1 if by_last else len(training.points)  # the best of n scores is luckier than one (Bonferroni)
        judged = [found for o in objectives if (found := o.judge()) is not None]
        progress.judged = [f._replace(p_value=f.p_value and min(1.0, n * f.p_value))._asdict() for f in judged]
    if is_best and not by_last and progress.step < training.total:
        training.files.save_best(training.weights(), step=progress.step)
    if training.job.protocol.score_checkpoints:
        training.files.save_point(training.weights(), step=progress.step)


def _out_of_patience(training: _Training) -> bool:
    patience = training.job.protocol.patience
    return patience is not None and training.progress.since_best >= patience


def _log(training: _Training, *, loss: float, rate: float, cores: float) -> None:
    protocol, step = training.job.protocol, training.progress.step
    training.context.emit(
        StepLogged(
            key=training.job.key,
            step=step,
            loss=loss,
            learning_rate=rate_at(step - 1, total=training.total, protocol=protocol),
            examples_per_s=rate,
            memory_mb=memory_now_mb(training.context.device),
            cores=cores,
        )
    )


def _checkpoint(training: _Training) -> None:
    if training.job.protocol.selection == "last":
        training.progress.best_step = None
    moments, draws = training.optimiser.state_dict(), random_state(training.context.device)
    state = {"weights": training.weights(), "optimiser": moments, "scaler": training.scaler.state_dict(), **draws}
    if training.progress.best_step == training.progress.step == training.total:
        training.files.save_best(training.weights(), step=training.progress.step)
    training.files.save(state, progress=training.progress)


def _resume(training: _Training) -> None:
    state, damage = training.files.load()
    if damage is not None:
        then = f"goes on from step {state['progress']['step']}" if state else "begins anew"
        flag_damage(training.context.emit, what=training.job.title, text=f"{damage}. The training {then}.")
    if state is None:
        return
    with as_it_was_written():
        torch.set_num_threads(state["threads"])  # another number of threads sums in another order
        training.load_weights(state["weights"])
        training.optimiser.load_state_dict(state["optimiser"])
        training.scaler.load_state_dict(state.get("scaler", {}))  # none in a checkpoint of before there was one
        set_random_state(state, training.context.device)
        training.progress = Progress(**state["progress"])


def _finish(training: _Training, *, adapters: Adapters, compaction: Compaction, keep: Keep) -> None:
    """Hand over the last weights, then the selected ones, each with the whole embedding matrix and without adapters."""
    training.train_mode(False)
    training.encoder.model.requires_grad_(True)
    training.optimiser.zero_grad(set_to_none=True)
    training.optimiser.state.clear()  # the whole matrix takes its place in memory
    protocol, total, epoch_steps = training.job.protocol, training.total, training.epoch_steps
    last, best = training.progress.step, training.progress.best_step

    def decay(step: int) -> float:
        return left_of_unused(training.encoder, protocol, step=step, total=total, epoch_steps=epoch_steps)

    def keep_in_between(which: Checkpoint, *, step: int) -> None:
        with compaction.whole(decay=decay(step)), adapters.merged():
            keep(which)

    if best is not None and best != last:
        keep_in_between("last", step=last)
    others = [step for step in sorted(training.points) if step < last and step != best]
    for step in others if protocol.score_checkpoints else []:
        training.load_weights(training.files.load_point(step))
        keep_in_between(step, step=step)
    if best is not None and best != last:
        training.load_weights(training.files.load_best(best))
    elif others and protocol.score_checkpoints:
        training.load_weights(training.files.load_point(last))
    compaction.end(decay=decay(best or last))
    adapters.merge()
    keep("selected")
    training.files.clear()
