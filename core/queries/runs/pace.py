"""How long a stage takes: from the seconds that stages of the same model really took, else from the model's size.

A stage is as much work as examples go through the model: those it is trained on, and a third of those it only scores,
which need one of about three passes. Seconds for a piece of work are log-normal to a good approximation, so limits are
factors around a median. They come from the stages that are most alike: of the same task and source of data where there
are some, of the same task type and source next, then of any task; of this machine where it has made some. How far they
may be off for several reasons (spread, another machine, other texts) adds up as independent errors do, in squares.
"""

from __future__ import annotations

import json
import math
import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Literal, NamedTuple

import duckdb
import numpy as np

from core.spec.model import ModelSpec
from core.spec.protocol import ProtocolSpec, StageProtocol
from core.spec.run import DataSourceKind, RunSpec
from core.spec.task import Role

StageKind = Literal["intermediate", "target", "evaluation"]

FORWARD_SPEEDUP = 3.0
"""An evaluation has the forward pass of a training step (1 of about 3 passes' work)."""

FALLBACK_TEST_EXAMPLES = 2_000
"""Test or development examples of a task that does not say."""

FALLBACK_PARAMETERS_M = 280.0
"""XLM-R base, where a model's size is not known."""

ENCODER_PARAMETERS_M = {
    "atlas-mini": 2.1, "e5-small-q4": 21, "multilingual-e5-small": 21, "multilingual-minilm": 21, "xlm-r-base": 85,
    "xlm-r-large": 302, "mbert": 85, "distilmbert": 43, "mdeberta-v3-base": 86,
    "bert-base-uncased": 85, "bert-base-cased": 85, "roberta-base": 85, "xlnet-base": 92,
}  # fmt: skip
"""Parameters in millions without the embedding matrix, which costs no multiplication."""

ENCODER_SHARE = (0.25, 1.0)
"""Least and most of a model's parameters that are not embeddings, where it is not listed above."""

GUESSED_M_EXAMPLES_PER_S = {
    "cpu": (20.0, 800.0),
    "cuda": (4_000.0, 300_000.0),
    "xpu": (2_000.0, 100_000.0),
    "mps": (800.0, 30_000.0),
}
"""Slow and fast guess of examples/s times encoder parameters in millions; of one thread for `cpu`.

An example of 15 to 300 pieces costs 6 operations a parameter and piece; a core does 20 to 80 thousand million of them a
second, a GPU a hundred to a few thousand times that.
"""

GUESSED_START_S = (2.0, 40.0)
"""Seconds from the start of a job to its first stage and between stages, where none was measured."""

_MANY, _Z = 20, 1.645
_FEW, _FEW_SPREAD = 5, 0.35  # fewer stages than that say little of their spread: then it is this, in log units
_LEAST_SPREAD = 0.1
_ELSEWHERE = math.log(2)  # how far another machine of the same kind may be from this one
_COMPARED = math.log(1.3)  # the same, where stages of other models were made on both
_OTHER_SOURCE = math.log(3)  # real texts are up to three times as long as the laboratory's
_THREADS_POWER, _THREADS_POWER_SPREAD = 0.65, 0.35  # n threads are n^0.3 to n times as fast as one
_NEWEST = 4_000
_FIRST_TASK = re.compile(r"[+~@]")
_EMPTY = "without input"  # a fold that is shown no text, and so takes a fraction of what others do


class Span(NamedTuple):
    """Seconds: nine of ten are within."""

    low: float
    """Fast."""
    high: float
    """Slow."""


NO_TIME = Span(0.0, 0.0)


class Machine(NamedTuple):
    """Where jobs run."""

    slots: tuple[str, ...]
    """Places for one job at a time: `cpu`, `cpu:0`, `cuda:1`, `cuda:1#2`, `mps`; at least one."""
    threads: int = 1
    """Threads of each job on the CPU."""

    @property
    def kind(self) -> str:
        """`cpu`, `cuda`, `xpu` or `mps`: speeds of two kinds are never mixed."""
        return self.slots[0].partition(":")[0]


class StageTime(NamedTuple):
    """What a stage took."""

    run_id: str
    """Its run."""
    is_own: bool
    """Whether it ran on this machine; a committed one did not."""
    kind: StageKind
    """Which stage."""
    name: str
    """Task, or the intermediate's text form."""
    task_type: str
    """What its head outputs."""
    data_source: str
    """sample, mirror or hub."""
    threads: int | None
    """Of its process; None where it was not recorded."""
    work: float
    """Examples through the model, those only scored at a third."""
    seconds: float
    """From its start to its end."""


class Times(NamedTuple):
    """What stages of a model took on a kind of device, and what came between them."""

    stages: tuple[StageTime, ...]
    """The newest few thousand."""
    starts: tuple[tuple[str, bool, float], ...]
    """Run, whether it is of this machine, and its seconds outside of stages: start, reading of data."""
    here: float | None = None
    """Logarithm of this machine's seconds over those of the others for the same stages of any model; None: unknown."""


def measured(cur: duckdb.DuckDBPyConnection, model: str, *, device: str) -> Times:
    """What stages of a model took, those of runs that have not ended included.

    Args:
        model: Its name.
        device: `cpu`, `cuda`, `xpu` or `mps`.
    """
    sql = """
        WITH chosen AS (
            SELECT run_id, collection, protocol_digest, data_source, seconds, attempts, outcome,
                   coalesce(threads, try_cast(regexp_extract(environment, '"threads": *([0-9]+)', 1) AS INTEGER))
                   AS threads
            FROM runs WHERE model = $model AND starts_with(device, $device)
            ORDER BY started_at DESC NULLS LAST, run_id LIMIT $newest
        ), tested AS (
            SELECT run_id, sum(n) AS n FROM splits SEMI JOIN chosen USING (run_id) WHERE role = 'test' GROUP BY run_id
        )
        SELECT c.run_id, c.collection = 'yours', g.kind, g.name, coalesce(g.task_type, ''), c.data_source, c.threads,
               c.protocol_digest, g.total_steps, t.n, g.seconds,
               CASE WHEN c.outcome = 'finished' AND c.attempts = 1 THEN c.seconds END
        FROM stages g JOIN chosen c USING (run_id) LEFT JOIN tested t USING (run_id)
        WHERE g.state = 'finished' AND g.seconds > 0 ORDER BY c.run_id, g.position
    """
    rows = cur.execute(sql, {"model": model, "device": device, "newest": _NEWEST}).fetchall()
    protocols = _protocols(cur, {row[7] for row in rows})
    stages, whole, inside = [], dict[str, tuple[bool, float]](), defaultdict[str, float](float)
    for run_id, own, kind, name, task_type, source, threads, digest, steps, n, seconds, all_s in rows:
        inside[run_id] += seconds
        if all_s is not None:
            whole[run_id] = (own, all_s)
        work = (n or 0) / FORWARD_SPEEDUP
        if kind != "evaluation":
            stage = protocols[digest].stage_for(Role(kind), _FIRST_TASK.split(name)[0])
            work = (steps or 0) * stage.batch_size + development_work(stage)
        if work > 0:
            stages.append(StageTime(run_id, own, kind, name, task_type, source, threads, work, seconds))
    starts = tuple((run_id, own, max(0.0, s - inside[run_id])) for run_id, (own, s) in whole.items())
    return Times(tuple(stages), starts, _here(cur, device=device))


def _here(cur: duckdb.DuckDBPyConnection, *, device: str) -> float | None:
    """How much slower this machine is than the others, from equal stages that both have made, three at least."""
    sql = """
        SELECT CASE WHEN count(*) >= 3 THEN median(ln(own / other)) END FROM (
            SELECT median(g.seconds) FILTER (r.collection = 'yours') AS own,
                   median(g.seconds) FILTER (r.collection <> 'yours') AS other
            FROM stages g JOIN runs r USING (run_id)
            WHERE g.state = 'finished' AND g.seconds > 0 AND starts_with(r.device, $device)
            GROUP BY r.model, r.protocol_digest, r.data_source, r.threads, r.target, g.kind, g.name
        ) WHERE own IS NOT NULL AND other IS NOT NULL
    """
    (found,) = cur.execute(sql, {"device": device}).fetchone() or (None,)
    return None if found is None else float(found)


def development_work(stage: StageProtocol) -> float:
    """Examples of the English development set that a stage scores, at a third."""
    n_dev = min(stage.max_dev_examples or FALLBACK_TEST_EXAMPLES, FALLBACK_TEST_EXAMPLES)
    return stage.evaluations * n_dev / FORWARD_SPEEDUP


class Pace:
    """Seconds of stages of one model on one machine."""

    def __init__(self, model: ModelSpec, times: Times, *, machine: Machine) -> None:
        """Sort what was measured.

        Args:
            times: Of the model on devices of the machine's kind.
        """
        self._model, self._machine = model, machine
        self._groups = defaultdict[tuple[str, ...], list[StageTime]](list)
        for time in times.stages:
            for group in _groups(time.kind, time.name, time.task_type, time.data_source):
                self._groups[group].append(time)
        own = [s for _, is_own, s in times.starts if is_own]
        self._starts = own if len(own) > 1 else [s for *_, s in times.starts]
        self._here = times.here
        self.n_measured = len(times.stages)
        self.is_own = any(time.is_own for time in times.stages)

    def start(self) -> Span:
        """A run outside of its stages: start of the process, reading of data, writing of results."""
        if not self._starts:
            return Span(*GUESSED_START_S)
        low, high = np.quantile(self._starts, [0.05, 0.95])
        return Span(float(low), float(high))

    def stage(self, kind: StageKind, name: str, *, task_type: str, data_source: str, work: float) -> Span:
        """A stage.

        Args:
            kind: Which.
            name: Task, or the intermediate's text form.
            task_type: What its head outputs.
            data_source: sample, mirror or hub.
            work: Examples through the model, those only scored at a third.
        """
        for group in _groups(kind, name, task_type, data_source):
            alike = self._groups.get(group)
            if alike and (len(alike) > 1 or len(group) == 1):
                return self._from(alike, work=work, source=data_source)
        return self._guess(work)

    def _from(self, alike: Sequence[StageTime], *, work: float, source: str) -> Span:
        own = [time for time in alike if time.is_own]
        used = own if len(own) > 1 else alike
        ratios = np.log([self._machine.threads / (t.threads or self._machine.threads) for t in used])
        if self._machine.kind != "cpu":
            ratios = np.zeros(len(used))
        paces = np.log([t.seconds / t.work for t in used]) - _THREADS_POWER * ratios
        low, high = _limits(paces)
        errors = [_THREADS_POWER_SPREAD * float(np.median(np.abs(ratios)))]
        shift = 0.0
        if not own:
            shift += self._here or 0.0
            errors.append(_ELSEWHERE if self._here is None else _COMPARED)
        if source not in {t.data_source for t in used}:
            shift += (-_OTHER_SOURCE if source == DataSourceKind.SAMPLE else _OTHER_SOURCE) / 2
            errors.append(_OTHER_SOURCE / 2)
        middle = float(np.median(paces))
        below, above = (math.hypot(spread, *errors) for spread in (middle - low, high - middle))
        return Span(work * math.exp(middle + shift - below), work * math.exp(middle + shift + above))

    def _guess(self, work: float) -> Span:
        size = self._model.parameters_m or FALLBACK_PARAMETERS_M
        known = ENCODER_PARAMETERS_M.get(self._model.name)
        least, most = (known, known) if known else (ENCODER_SHARE[0] * size, ENCODER_SHARE[1] * size)
        slow, fast = GUESSED_M_EXAMPLES_PER_S[self._machine.kind]
        many = self._machine.threads if self._machine.kind == "cpu" else 1
        low_power = _THREADS_POWER - _THREADS_POWER_SPREAD
        return Span(work * least / (fast * many), work * most / (slow * many**low_power))


def _limits(logs: np.ndarray) -> tuple[float, float]:
    """Nine of ten are within: by quantiles where there are many, else by a spread that one odd stage does not move."""
    if len(logs) >= _MANY:
        low, high = np.quantile(logs, [0.05, 0.95])
        return float(low), float(high)
    low, middle, high = np.quantile(logs, [0.16, 0.5, 0.84])
    spread = max(float(high - low) / 2, _FEW_SPREAD if len(logs) < _FEW else _LEAST_SPREAD)
    half = _Z * spread * math.sqrt(1 + 1 / len(logs))
    return float(middle) - half, float(middle) + half


def _groups(kind: str, name: str, task_type: str, data_source: str) -> Iterable[tuple[str, ...]]:
    """What a stage belongs to, narrowest first."""
    what = "scored" if kind == "evaluation" else _EMPTY if name.endswith(_EMPTY) else "trained"
    yield (data_source, kind, name)
    yield (data_source, what, task_type, "type")
    yield (what, kind, name, "any source", "name")
    yield (what, task_type)
    yield (what,)


def _protocols(cur: duckdb.DuckDBPyConnection, digests: set[str]) -> dict[str, ProtocolSpec]:
    sql = """
        SELECT protocol_digest, arg_min(spec, run_id) FROM runs
        WHERE list_contains($digests::VARCHAR[], protocol_digest) GROUP BY protocol_digest ORDER BY protocol_digest
    """
    found = cur.execute(sql, {"digests": sorted(digests)}).fetchall()
    return {digest: RunSpec.model_validate(json.loads(text), strict=False).protocol for digest, text in found}


def sizes_found(
    cur: duckdb.DuckDBPyConnection, tasks: Iterable[str], *, data_source: str
) -> dict[tuple[str, str], dict[str, int]]:
    """Examples that a source of data really has, as earlier runs found them: (task, role) → language → examples.

    Args:
        tasks: Targets and intermediates.
        data_source: sample, mirror or hub.
    """
    sql = """
        SELECT task, role, lang, max(n_available) FROM splits
        SEMI JOIN (SELECT run_id FROM runs WHERE data_source = $source) r USING (run_id)
        WHERE list_contains($tasks::VARCHAR[], task) GROUP BY task, role, lang ORDER BY ALL
    """
    found: dict[tuple[str, str], dict[str, int]] = {}
    for task, role, lang, n in cur.execute(sql, {"source": data_source, "tasks": sorted(set(tasks))}).fetchall():
        found.setdefault((task, role), {})[lang] = n
    return found
