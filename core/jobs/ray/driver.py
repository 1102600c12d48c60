"""The process that hands the jobs of a home to Ray: `python -m core.jobs.ray.driver`. Nobody imports it.

Each job, and each stage that several share, is a task of Ray, and what it waits for is an argument of it. So Ray holds
it back, places it and starts it again where its node dies; what is told anew here is what Ray forgot, with its head or
with this process. There is one of it for a home. Ray ends a process whose cluster is gone: so it is two, of which the
first loads no Ray and starts the second again.
"""

from __future__ import annotations

import argparse
import logging
import math
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from types import ModuleType
from typing import Any

from core.errors import AtlasError, RunFolderDamaged, SpecError
from core.files import is_there, write_text
from core.holding import Busy, beat, held
from core.jobs.backend import backend_file
from core.jobs.dispatch import WORKER
from core.jobs.folders import is_open, open_jobs
from core.jobs.graph import Node, stage_graph, trainings_of
from core.jobs.ray.backend import DRIVER, RayBackend
from core.jobs.ray.says import Says
from core.jobs.ray.task import Order, execute
from core.jobs.records import JobRecord, is_of, read_job, write_failure
from core.paths import REPO, AtlasPaths
from core.spec.cluster import RayOptions
from core.spec.execution import n_devices

UNREACHABLE = 69
"""Exit code of a second process that could not connect."""

_POLL_S = 0.5
_SAY_S = 5.0
_LOOK_S = 30.0
_AGAIN_S = 15.0
_MOST_REFUSALS = 3
_LOG = logging.getLogger(__name__)


def main(words: list[str] | None = None) -> int:
    """Hand jobs over until none is open; the exit code.

    Args:
        words: Command line; the process's own if None.
    """
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--worker-module", default=WORKER)
    parser.add_argument("--idle-s", type=float, default=10.0, help="seconds without an open job after which it ends")
    parser.add_argument("--once", action="store_true", help="be the second process")
    options = parser.parse_args(words)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    paths = AtlasPaths.from_environment()
    if options.once:
        return _hand_over(paths, worker=options.worker_module, idle_s=options.idle_s)
    return _kept([*(sys.argv[1:] if words is None else words), "--once"], paths=paths)


def _kept(words: list[str], *, paths: AtlasPaths) -> int:
    """Start the second process, and start it again where its cluster went away; one that was never there is left."""
    was_there = False
    while (code := subprocess.call([sys.executable, "-m", DRIVER, *words], cwd=REPO)) not in {0, os.EX_TEMPFAIL}:
        if code != UNREACHABLE:
            was_there = True
            _note_trouble(
                paths, f"the cluster went away, and is looked for (exit code {code}; see {paths.ray_driver.log})."
            )
        if not was_there or not any(is_of(RayBackend.name, run) for run in open_jobs(paths)):
            return code
        time.sleep(_AGAIN_S)
    return 0


def _hand_over(paths: AtlasPaths, *, worker: str, idle_s: float) -> int:
    paths.ray_driver.root.mkdir(parents=True, exist_ok=True)
    try:
        with held(paths.ray_driver):
            import ray  # noqa: PLC0415  optional, and it takes a second

            try:
                address = backend_file(paths).ray.address or os.environ.get("RAY_ADDRESS") or "auto"
                if not is_there(paths.ray_driver.failed):  # Ray tries for minutes, and lists are looked at meanwhile
                    _note_trouble(paths, f"nobody has answered at '{address}' yet; Ray goes on trying for minutes.")
                ray.init(address, namespace="atlas", log_to_driver=False, logging_level=logging.WARNING)
            except SpecError as error:
                _note_trouble(paths, str(error))
                return UNREACHABLE
            except (ConnectionError, RuntimeError, ValueError, AssertionError) as error:
                first = str(error).strip().partition("\n")[0]
                _note_trouble(paths, f"no cluster answers at '{address}' from this machine: {first}")
                return UNREACHABLE
            paths.ray_driver.failed.unlink(missing_ok=True)
            Driver(paths, ray=ray, worker=worker).work(idle_s)
            ray.shutdown()
    except Busy:
        return os.EX_TEMPFAIL
    return 0


def _note_trouble(paths: AtlasPaths, text: str) -> None:
    _LOG.warning("%s", text)
    with suppress(AtlasError):
        write_failure(paths.ray_driver.failed, error="JobError", message=text)


class Driver:
    """Tells Ray of jobs; what it knows can be read from the folders again."""

    def __init__(self, paths: AtlasPaths, *, ray: ModuleType, worker: str) -> None:
        """Tell nothing yet.

        Args:
            ray: The package, connected to a cluster.
            worker: Module that executes a job.
        """
        self._paths, self._ray, self._worker = paths, ray, worker
        self._execute = ray.remote(execute)
        self._tasks: dict[Any, Node] = {}
        self._stages: dict[str, Any] = {}
        self._after: dict[Any, Any] = {}
        self._refusals: Counter[str] = Counter()
        self._heard, self._looked, self._said = 0, -math.inf, -math.inf

    def work(self, idle_s: float) -> None:
        """Look after the jobs until none has been open for a while.

        Args:
            idle_s: How long.
        """
        idle_since = time.monotonic()
        while time.monotonic() - idle_since < idle_s:
            if self.step():
                idle_since = time.monotonic()
            time.sleep(_POLL_S)

    def step(self) -> bool:
        """Look at what has ended and what is new; whether Ray has anything to do."""
        self._forget_ended()
        rung, now = self._bell(), time.monotonic()
        if rung != self._heard or now - self._looked > _LOOK_S:
            self._heard, self._looked, self._said = rung, now, -math.inf
            self._withdraw()
            self._place()
        if now - self._said > _SAY_S:
            self._say()
            self._said = now
        return bool(self._tasks)

    def _bell(self) -> int:
        """When somebody rang last: the time of the folder above the driver's own."""
        return self._paths.ray_driver.root.parent.stat().st_mtime_ns

    def _forget_ended(self) -> None:
        if not self._tasks:
            return
        ended, _ = self._ray.wait(list(self._tasks), num_returns=len(self._tasks), timeout=0, fetch_local=False)
        for ref in ended:
            node = self._tasks.pop(ref)
            self._after.pop(ref, None)
            if node.stage is not None:
                del self._stages[node.stage]
            try:
                _LOG.info("%s: %s", _named(node), self._ray.get(ref))
            except self._ray.exceptions.RayError as error:
                self._looked = -math.inf
                _LOG.warning("%s: %s", _named(node), error)
                if not isinstance(error, self._ray.exceptions.TaskCancelledError) and node.stage is None:
                    self._note_refusal(node.jobs[0], error)

    def _note_refusal(self, job_id: str, error: Exception) -> None:
        """What Ray itself could not do, such as loading this program on a node, is tried again, and not for ever."""
        self._refusals[job_id] += 1
        if self._refusals[job_id] >= _MOST_REFUSALS and is_open(run := self._paths.job(job_id)):
            last = str(error).strip().rpartition("\n")[2]
            message = (
                f"Ray gave its task up {self._refusals.pop(job_id)} times: {last} See {self._paths.ray_driver.log}."
            )
            with suppress(AtlasError):
                write_failure(run.failed, error="JobLost", message=message)

    def _withdraw(self) -> None:
        """Have Ray forget tasks that no open job needs any more."""
        for ref, node in self._tasks.items():
            if not any(is_open(self._paths.job(job)) for job in node.jobs):
                self._ray.cancel(ref)

    def _place(self) -> None:
        jobs = self._fresh()
        if not jobs:
            return
        try:
            options = backend_file(self._paths).ray
        except SpecError as error:
            _note_trouble(self._paths, str(error))
            return
        devices = {job.run_id: job.device for job in jobs}
        has_gpus = any(node["Resources"].get("GPU", 0) >= 1 for node in self._nodes())
        threads = str(max(1, int(options.cpus)))
        order = Order(str(self._paths.home), options, threads, self._worker)
        refs: list[Any] = []
        for node in stage_graph(
            {job_id: trainings_of(job_id, paths=self._paths) for job_id in devices}, live=self._stages
        ):
            after = refs[node.after] if isinstance(node.after, int) else self._stages.get(node.after or "")
            asks = asked(options, device=devices[node.jobs[0]], has_gpus=has_gpus)
            task = self._execute.options(name=_named(node), max_retries=-1, **asks)
            ref = task.remote(node, order=order, has_gpu=bool(asks["num_gpus"]), after=after)
            refs.append(ref)
            self._tasks[ref] = node
            if node.stage is not None:
                self._stages[node.stage] = ref
            if after is not None:
                self._after[ref] = after
        _LOG.info("%d tasks for %d jobs were handed over", len(refs), len(jobs))

    def _fresh(self) -> list[JobRecord]:
        """Open jobs that have no task of their own, in order of the queue."""
        known = {node.jobs[0] for node in self._tasks.values() if node.stage is None}
        found = []
        for run in open_jobs(self._paths):
            if run.run_id not in known and is_of(RayBackend.name, run):
                with suppress(RunFolderDamaged):  # lists of jobs say what is wrong with it
                    job = read_job(run.job)
                    found += [job] if job and job.run_id == run.run_id else []
        return sorted(found, key=lambda job: (job.position, job.submitted_at, job.run_id))

    def _nodes(self) -> list[Mapping[str, Any]]:
        return [node for node in self._ray.nodes() if node["Alive"]]

    def _say(self) -> None:
        try:
            options = backend_file(self._paths).ray
        except SpecError:
            return  # who hands jobs over says so
        nodes = [node["Resources"] for node in self._nodes()]
        has_gpus = any(node.get("GPU", 0) >= 1 for node in nodes)
        asks = asked(options, device="auto", has_gpus=has_gpus)
        needs = {"CPU": asks["num_cpus"], "GPU": asks["num_gpus"], "memory": asks["memory"] or 0, **options.resources}
        behind = {self._tasks[ref].jobs[0] for ref, after in self._after.items() if after in self._tasks}
        said = Says(
            cluster=_counted(len(nodes), "node") + " with " + _in_words(nodes),
            asks=_in_words([needs]) + (f" and {options.memory} of memory" if options.memory else ""),
            fits=any(all(node.get(name, 0) >= amount for name, amount in needs.items()) for node in nodes),
            behind=frozenset(behind),
        )
        with suppress(AtlasError):  # a full disk: what was said before is true enough
            write_text(self._paths.ray_driver.environment, said.model_dump_json())
        beat(self._paths.ray_driver.heartbeat)


def asked(options: RayOptions, *, device: str, has_gpus: bool) -> dict[str, Any]:
    """What a task asks Ray for, as its `options` takes it.

    Args:
        device: That the job was submitted with: one for the CPU takes no GPU.
        has_gpus: Whether any node of the cluster has a GPU.
    """
    gpus = (1 if has_gpus else 0) if options.gpus is None else options.gpus
    several = n_devices(device)
    return {
        "num_cpus": options.cpus,
        "num_gpus": 0 if device.startswith("cpu") or not gpus else several if several > 1 else gpus,
        "memory": options.memory_bytes,
        "resources": dict(options.resources) or None,
    }


def _named(node: Node) -> str:
    """Name of a task in Ray's own lists."""
    return f"atlas {node.jobs[0]}" if node.stage is None else f"atlas stage {node.stage}"


def _in_words(resources: Sequence[Mapping[str, float]]) -> str:
    cpus, gpus = (sum(each.get(name, 0) for each in resources) for name in ("CPU", "GPU"))
    return f"{_counted(cpus, 'CPU')} and {_counted(gpus, 'GPU')}"


def _counted(n: float, noun: str) -> str:
    return f"{n:g} {noun}{'' if n == 1 else 's'}"


if __name__ == "__main__":
    sys.exit(main())
