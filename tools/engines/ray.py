"""A Ray cluster on this machine: a head without processors and nodes of one each, processes that can be killed."""

from __future__ import annotations

import contextlib
import importlib.util
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psutil

from tools.engines import node

MISSING = importlib.util.find_spec("ray") is None
STORE_BYTES = 80_000_000
WAIT_S = 180


class Cluster:
    """What was started, by name."""

    def __init__(self, folder: Path, *, port: int, is_apart: bool) -> None:
        """Start nothing yet.

        Args:
            folder: Taken for what Ray writes; its path is short, because Ray makes sockets in it.
            port: Of the head.
            is_apart: Whether nodes are machines of their own (`node.start`); the head never is.
        """
        self._folder, self._port, self._is_apart = folder, port, is_apart
        self._started: dict[str, subprocess.Popen[bytes]] = {}
        self._leaving = set[str]()

    def start(self, name: str) -> None:
        """Start the head, or a node with one processor, whose custom resource is its name; not waited for."""
        words = [f"--port={self._port}", "--num-cpus=0", "--include-dashboard=false", f"--temp-dir={self._folder}"]
        if name != "head":
            words = [f"--address=127.0.0.1:{self._port}", "--num-cpus=1", f'--resources={{"{name}": 1}}']
        command = [sys.executable, "-m", "ray.scripts.scripts", "start", "--block", "--disable-usage-stats"]
        command += ["--no-monitor", "--include-log-monitor=false"]
        options = [f"--object-store-memory={STORE_BYTES}", "--node-ip-address=127.0.0.1", *words]
        if name == "head":
            options.insert(0, "--head")
        # Ray lets what it executes give way to all else of a machine, unless it is told not to.
        self._log(name).unlink(missing_ok=True)
        self._started[name] = node.start(
            [*command, *options],
            name=name, log=self._log(name), environ={"RAY_worker_niceness": "0"},
            is_apart=self._is_apart and name != "head",
        )  # fmt: skip

    def kill(self, name: str) -> None:
        """End all its processes at once, those of jobs too, as where the power goes."""
        self._leaving.discard(name)
        node.cut(self._started.pop(name))

    def end(self, name: str) -> None:
        """Have a node end in good order; `kill` takes away what is left of it."""
        self._leaving.add(name)
        for process in psutil.Process(self._started[name].pid).children(recursive=True):
            if process.name() == "raylet":
                process.terminate()

    def with_process(self, pid: int) -> str:
        """The node whose process it is."""
        above = {process.pid for process in psutil.Process(pid).parents()}
        return next(name for name, started in self._started.items() if started.pid in above)

    def kill_all(self) -> None:
        """Nodes first."""
        for name in reversed(list(self._started)):
            self.kill(name)

    def wait(self) -> None:
        """Wait until all that was started is up; Ray gives a node half a minute, which a busy machine may not have."""
        end = time.monotonic() + WAIT_S
        while any("Ray runtime started" not in self._log(name).read_text() for name in self._started):
            self.revive()
            if time.monotonic() > end:
                raise TimeoutError(self.logs())
            time.sleep(0.2)

    def revive(self) -> None:
        """Start again what has ended by itself."""
        for name, process in list(self._started.items()):
            if process.poll() is not None and name not in self._leaving:
                self.start(name)

    def _log(self, name: str) -> Path:
        return self._folder / f"{name}.log"

    def logs(self) -> str:
        """The ends of what its processes said."""
        return "\n".join(log.read_text(errors="replace")[-1500:] for log in self._folder.glob("*.log"))


@contextlib.contextmanager
def cluster(*nodes: str, is_apart: bool = False) -> Iterator[tuple[Cluster, dict[str, str]]]:
    """A running head, and nodes that join it; the variables by which commands find it.

    Args:
        nodes: Their names.
        is_apart: Whether they are machines of their own (`node.start`).
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    # Ray makes sockets of long names in it, so it is no folder of a test.
    with tempfile.TemporaryDirectory(prefix="ray", ignore_cleanup_errors=True) as folder:
        found = Cluster(Path(folder), port=port, is_apart=is_apart)
        try:
            for name in ("head", *nodes):
                found.start(name)
                if name == "head":
                    found.wait()
            found.wait()
            yield found, {"RAY_ADDRESS": f"127.0.0.1:{port}"}
        finally:
            found.kill_all()
