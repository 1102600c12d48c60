"""A cluster of Slurm on this machine: its controller and nodes of some processors, plain processes in a folder."""

from __future__ import annotations

import contextlib
import getpass
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from tools.engines import node

NEEDED = ("slurmctld", "slurmd", "sbatch", "squeue", "scancel", "scontrol")
MISSING = [name for name in NEEDED if shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin") is None]
WAIT_S = 60
URGENT = "urgent"
"""Partition whose jobs stop those of the usual one and have them put back."""

# Without munge: every user of this machine is who they say. A job that is put back starts after five seconds, not 120.
_CONF = """
ClusterName=atlas
SlurmctldHost={host}(127.0.0.1)
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/none
CredType=cred/none
AuthInfo=cred_expire=5
SlurmctldPort={port}
SlurmctldTimeout=30
SlurmdTimeout=30
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool-%n
SlurmctldPidFile={folder}/ctld.pid
SlurmdPidFile={folder}/slurmd-%n.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SchedulerParameters=batch_sched_delay=0,sched_interval=1,sched_min_interval=0,bf_interval=1
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
MpiDefault=none
SwitchType=switch/none
ReturnToService=2
KillWait=2
MinJobAge=300
{nodes}
PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP PriorityTier=1
PartitionName={urgent} Nodes=ALL MaxTime=INFINITE State=UP PriorityTier=2
"""


def _free_ports(n: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(n)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


class Cluster:
    """What was started, by name: `controller`, and the nodes, of which the first is `n1`."""

    def __init__(self, folder: Path, *, nodes: int, cpus: int, is_apart: bool) -> None:
        """Write the configuration, and start nothing yet.

        Args:
            folder: Taken for all that Slurm writes; made.
            nodes: How many.
            cpus: Processors of each, as Slurm believes.
            is_apart: Whether nodes are machines of their own (`node.start`).
        """
        self._folder, self._is_apart, self.nodes = folder, is_apart, [f"n{i}" for i in range(1, nodes + 1)]
        (folder / "state").mkdir(parents=True)
        host, first, *ports = socket.gethostname().split(".")[0], *_free_ports(nodes + 1)
        lines = [
            f"NodeName={name} NodeHostname={host} NodeAddr=127.0.0.1 Port={port} CPUs={cpus}"
            for name, port in zip(self.nodes, ports, strict=True)
        ]
        conf = _CONF.format(
            host=host, user=getpass.getuser(), folder=folder, port=first, nodes="\n".join(lines), urgent=URGENT
        )
        (folder / "slurm.conf").write_text(conf)
        self.said = {"SLURM_CONF": str(folder / "slurm.conf"), "PATH": f"{os.environ['PATH']}:/usr/sbin"}
        self._started: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, name: str, *, is_first: bool = False) -> None:
        """Start the controller, or a node; not waited for.

        Args:
            is_first: Whether the controller begins without what it knew.
        """
        words = ["slurmctld", "-D", *(["-c"] if is_first else [])]
        if name != "controller":
            words = ["slurmd", "-D", "-N", name]
        is_apart = self._is_apart and name != "controller"
        self._started[name] = node.start(
            words, name=name, log=self._folder / f"{name}.log", environ=self.said, is_apart=is_apart
        )

    def kill(self, name: str) -> None:
        """End all its processes at once, those of jobs too where it is a machine of its own."""
        node.cut(self._started.pop(name))

    def await_nodes(self) -> None:
        """Wait until all nodes answer.

        Raises:
            TimeoutError: They did not within a minute.
        """
        end = time.monotonic() + WAIT_S
        while True:
            words = ["sinfo", "--noheader", "--Node", "--partition=main", "--format=%T"]
            environ = os.environ | self.said
            states = subprocess.run(words, env=environ, capture_output=True, text=True, check=False).stdout.split()
            if len(states) == len(self.nodes) and set(states) <= {"idle", "mixed", "allocated"}:
                return
            if time.monotonic() > end:
                raise TimeoutError(f"the nodes are {states}:\n{self.logs()}")
            time.sleep(0.2)

    def stop(self) -> None:
        """Nodes first, and then the controller."""
        for name in reversed(list(self._started)):
            if not self._is_apart:  # the first process of a machine apart heeds no signal but the last
                self._started[name].terminate()
                with contextlib.suppress(subprocess.TimeoutExpired):
                    self._started[name].wait(timeout=10)
            self.kill(name)

    def logs(self) -> str:
        """The ends of what its processes said."""
        return "\n".join(log.read_text(errors="replace")[-2000:] for log in self._folder.glob("*.log"))


@contextlib.contextmanager
def cluster(folder: Path, *, nodes: int = 2, cpus: int = 2, is_apart: bool = False) -> Iterator[Cluster]:
    """A running cluster; its `said` holds the variables by which commands find it.

    Args:
        folder: Taken for all that Slurm writes; made.
        nodes: How many.
        cpus: Processors of each, as Slurm believes.
        is_apart: Whether nodes are machines of their own (`node.start`).
    """
    found = Cluster(folder, nodes=nodes, cpus=cpus, is_apart=is_apart)
    try:
        found.start("controller", is_first=True)
        for name in found.nodes:
            found.start(name)
        found.await_nodes()
        yield found
    finally:
        found.stop()


def said_of_jobs() -> str:
    """What Slurm says of all jobs."""
    words = ["squeue", "--array", "--states=all", "--format=%i %j %T %r %N"]
    return subprocess.run(words, capture_output=True, text=True, check=False).stdout
