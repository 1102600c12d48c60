"""How an engine is hurt: what each fault does to it, and how it is mended again."""

from __future__ import annotations

import contextlib
import os
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from random import Random

import psutil

from core.errors import AtlasError
from core.holding import is_held
from core.jobs.backend import Backend
from core.jobs.folders import job_folders, mark_paused
from core.jobs.local import LocalBackend
from core.jobs.ray.backend import RayBackend
from core.jobs.slurm.backend import SlurmBackend
from core.paths import AtlasPaths
from core.processes import read_process
from tools.engines import node, ray, slurm
from tools.engines.study import NODES, SETTINGS, variables
from tools.faults.kills import OPTIONS
from tools.faults.worker import STEP_S

DISK_MB = 64
WORKER = "tools.faults.worker"
_AWAY_S = (2.0, 8.0)
"""How long a node, a controller or the space of the disk is away."""
_LIMIT_S = 15


class Hurt:
    """An engine with a home; each kind of fault by its name."""

    def __init__(self, engine_name: str, paths: AtlasPaths, backend: Backend) -> None:
        """Nothing is hurt yet.

        Args:
            engine_name: `local`, `slurm` or `ray`.
            paths: Its home.
            backend: Executes stand-ins.
        """
        self.engine, self.paths, self.backend = engine_name, paths, backend
        self.made = Counter[str]()
        self.kinds: dict[str, Callable[[Random], bool]] = {}
        self._due: list[tuple[float, Callable[[], object]]] = []

    def make(self, rng: Random) -> None:
        """Make one fault of the kind that was made least; nothing where it finds nobody to hurt."""
        for kind in sorted(self.kinds, key=lambda kind: (self.made[kind], rng.random())):
            with contextlib.suppress(subprocess.CalledProcessError, AtlasError, psutil.Error):
                if self.kinds[kind](rng):
                    self.made[kind] += 1
                    return

    def later(self, rng: Random, what: Callable[[], object]) -> None:
        """Have something done after some seconds.

        Args:
            rng: Decides how many.
            what: It.
        """
        self._due.append((time.monotonic() + rng.uniform(*_AWAY_S), what))

    def mend(self, *, at_once: bool = False) -> None:
        """Do what is due.

        Args:
            at_once: All of it.
        """
        due = [each for each in self._due if at_once or each[0] <= time.monotonic()]
        self._due = [each for each in self._due if each not in due]
        for _, what in due:
            what()

    def is_whole(self) -> bool:
        """Whether nothing waits to be mended."""
        return not self._due

    def running(self) -> list[str]:
        """Ids of jobs that somebody executes."""
        return [run.run_id for run in job_folders(self.paths) if is_held(run)]

    def fill(self, rng: Random) -> bool:
        """Leave no space on the disk of the home, for some seconds."""
        file = self.paths.home / "full"
        if not self.is_whole() or not self.running():
            return False
        with contextlib.suppress(OSError), file.open("wb", buffering=0) as stream:
            for size in (2**20, 2**12, 1):
                with contextlib.suppress(OSError):
                    while stream.write(bytes(size)) == size:
                        pass
        self.later(rng, lambda: file.unlink(missing_ok=True))
        return True


class HurtLocal(Hurt):
    """This machine: its dispatcher and its workers."""

    def __init__(self, paths: AtlasPaths) -> None:
        """Nothing is hurt yet.

        Args:
            paths: An empty home.
        """
        super().__init__("local", paths, LocalBackend(paths, options=OPTIONS))
        self.kinds = {
            "node killed": self._restarted,
            "controller restarted": lambda _: self._kill("core.jobs.dispatch") > 0,
            "preempted": self._paused,
            "process killed": self._worker,
        }

    def _restarted(self, rng: Random) -> bool:
        """All processes of the home at once, as where the machine goes down."""
        del rng
        return bool(self.running()) and self._kill("core.jobs.dispatch", WORKER) > 1

    def _worker(self, rng: Random) -> bool:
        running = self.running()
        record = read_process(self.paths.run(rng.choice(running)).process) if running else None
        if record is not None:
            psutil.Process(record.pid).kill()
        return record is not None

    def _paused(self, rng: Random) -> bool:
        running = self.running()
        if running:
            run_id = rng.choice(running)
            self.backend.cancel(run_id)
            mark_paused(run_id, paths=self.paths)
            self.later(rng, lambda: self.backend.retry(run_id))
        return bool(running)

    def _kill(self, *modules: str) -> int:
        found = [each for each in processes_of(self.paths) if set(modules) & set(each.cmdline())]
        for each in found:
            each.kill()
        return len(found)


class HurtSlurm(Hurt):
    """A cluster of Slurm."""

    def __init__(self, paths: AtlasPaths, nodes: slurm.Cluster) -> None:
        """Nothing is hurt yet.

        Args:
            paths: An empty home.
            nodes: Running.
        """
        super().__init__("slurm", paths, SlurmBackend(paths, words=("--worker-module", WORKER)))
        self._nodes, self._limited = nodes, set[str]()
        self.kinds = {
            "node killed": self._node,
            "controller restarted": self._controller,
            "preempted": self._preempted,
            "time limit": self._limit,
        }

    def _at_work(self) -> list[tuple[str, str]]:
        """Task and node of what Slurm runs."""
        words = ["squeue", "--noheader", "--array", "--states=RUNNING", "--partition=main", "--format=%i %N"]
        said = subprocess.run(words, capture_output=True, text=True, check=True, timeout=30).stdout
        found = [line.split() for line in said.splitlines()]
        return [(line[0], line[1]) for line in found if len(line) == 2]  # noqa: PLR2004

    def _node(self, rng: Random) -> bool:
        found = self._at_work() if self.is_whole() else []
        if found:
            name = rng.choice(found)[1]
            self._nodes.kill(name)
            self.later(rng, lambda: self._nodes.start(name))
        return bool(found)

    def _controller(self, rng: Random) -> bool:
        if not self.is_whole() or not self._at_work():
            return False
        self._nodes.kill("controller")
        self.later(rng, lambda: self._nodes.start("controller"))
        return True

    def _preempted(self, rng: Random) -> bool:
        """Somebody's job of more importance takes the node of one of ours."""
        found = self._at_work() if self.is_whole() else []
        if found:
            options = [f"--partition={slurm.URGENT}", f"--nodelist={rng.choice(found)[1]}", "--no-requeue"]
            words = ["sbatch", "--parsable", *options, "--output=/dev/null", "--wrap=sleep 60"]
            job = subprocess.run(words, check=True, capture_output=True, text=True, timeout=30).stdout.strip()
            self.later(rng, lambda: subprocess.run(["scancel", job], check=False, capture_output=True, timeout=30))
        return bool(found)

    def _limit(self, rng: Random) -> bool:
        """A running task has some seconds left; Slurm looks for such every half minute."""
        found = [task for task, _ in self._at_work() if task not in self._limited] if self.is_whole() else []
        if found:
            task = rng.choice(found)
            self._limited.add(task)
            words = ["scontrol", "update", f"JobId={task}", f"EndTime=now+{_LIMIT_S}"]
            subprocess.run(words, check=True, capture_output=True, timeout=30)
        return bool(found)


class HurtRay(Hurt):
    """A Ray cluster."""

    def __init__(self, paths: AtlasPaths, nodes: ray.Cluster, *, names: list[str]) -> None:
        """Nothing is hurt yet.

        Args:
            paths: An empty home.
            nodes: Running.
            names: Of those that execute jobs.
        """
        super().__init__("ray", paths, RayBackend(paths, options=("--worker-module", WORKER)))
        self._nodes, self._names = nodes, names
        self.kinds = {
            "node killed": self._node,
            "controller restarted": self._head,
            "preempted": self._told_to_go,
            "driver killed": self._driver,
        }

    def _node(self, rng: Random) -> bool:
        if not self.is_whole() or not self.running():
            return False
        name = rng.choice(self._names)
        self._nodes.kill(name)
        self.later(rng, lambda: self._nodes.start(name))
        return True

    def _head(self, rng: Random) -> bool:
        """The head goes, and all nodes with it, as a cluster that is started for some hours."""
        if not self.is_whole() or not self.running():
            return False
        self._nodes.kill_all()
        self.later(rng, self._begin)
        return True

    def _begin(self) -> None:
        for name in ("head", *self._names):
            self._nodes.start(name)

    def mend(self, *, at_once: bool = False) -> None:
        """Start again, too, what ended because its head was not there yet, or because the machine was busy."""
        super().mend(at_once=at_once)
        self._nodes.revive()

    def _told_to_go(self, rng: Random) -> bool:
        """A node ends in good order, as one does that a cloud takes back."""
        if not self.is_whole() or not self.running():
            return False
        name = rng.choice(self._names)
        self._nodes.end(name)
        self.later(rng, lambda: (self._nodes.kill(name), self._nodes.start(name)))
        return True

    def _driver(self, rng: Random) -> bool:
        del rng
        driver = read_process(self.paths.ray_driver.process) if self.is_whole() else None
        if driver is not None and self.running():
            psutil.Process(driver.pid).kill()
            return True
        return False


def processes_of(paths: AtlasPaths) -> list[psutil.Process]:
    """Processes of this program that look after a home or execute its jobs.

    Args:
        paths: The home.
    """
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.environ().get("ATLAS_HOME") == str(paths.home) and process.pid != os.getpid():
                found.append(process)
    return found


@contextmanager
def hurt(engine_name: str, folder: Path) -> Iterator[Hurt]:
    """A running engine that can be hurt, with a home on a small disk of its own where this user may mount one.

    Args:
        engine_name: `local`, `slurm` or `ray`.
        folder: Empty.
    """
    paths = AtlasPaths(home=folder / engine_name)
    paths.home.mkdir(parents=True)
    apart, names = node.may_be_apart(), [f"n{i}" for i in range(1, NODES + 1)]
    said = SETTINGS | {"ATLAS_HOME": str(paths.home), STEP_S: "0.4", "ATLAS_KEEP_FREE_GB": "0"}
    with ExitStack() as stack:
        stack.enter_context(variables(said))
        has_disk = stack.enter_context(_small_disk(paths.home))
        found: Hurt = HurtLocal(paths)
        if engine_name == "slurm":
            # A limit that no job comes to by itself, and that can be moved.
            paths.backend_file.write_text('slurm: {time: "30", signal_s: 10}', encoding="utf-8")
            nodes = stack.enter_context(slurm.cluster(folder / "cluster", nodes=NODES, cpus=1, is_apart=apart))
            stack.enter_context(variables(nodes.said))
            found = HurtSlurm(paths, nodes)
        elif engine_name == "ray":
            started, address = stack.enter_context(ray.cluster(*names, is_apart=apart))
            stack.enter_context(variables(address))
            found = HurtRay(paths, started, names=names)
        if has_disk:
            found.kinds["disk full"] = found.fill
        try:
            yield found
        finally:
            found.mend(at_once=True)
            for process in processes_of(paths):
                with contextlib.suppress(psutil.Error):
                    process.kill()


@contextmanager
def _small_disk(home: Path) -> Iterator[bool]:
    """A disk in memory at the home's place; False where this user may not mount one."""
    words = ["mount", "-t", "tmpfs", "-o", f"size={DISK_MB}m", "tmpfs", str(home)]
    is_there = subprocess.run(words, check=False, capture_output=True).returncode == 0
    try:
        yield is_there
    finally:
        if is_there:
            subprocess.run(["umount", "--lazy", str(home)], check=False, capture_output=True)
