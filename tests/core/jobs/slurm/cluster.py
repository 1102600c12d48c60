"""A cluster of Slurm on this machine: its controller and two nodes of two processors, plain processes in a folder."""

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

NEEDED = ("slurmctld", "slurmd", "sbatch", "squeue", "scancel", "scontrol")
MISSING = [name for name in NEEDED if shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin") is None]
WAIT_S = 30

# Without munge: every user of this machine is who they say. A job that is put back starts after five seconds, not 120.
_CONF = """
ClusterName=atlas
SlurmctldHost={host}(127.0.0.1)
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/none
CredType=cred/none
AuthInfo=cred_expire=5
SlurmctldPort={ports[0]}
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
MpiDefault=none
SwitchType=switch/none
ReturnToService=2
KillWait=2
MinJobAge=300
NodeName=n1 NodeHostname={host} NodeAddr=127.0.0.1 Port={ports[1]} CPUs=2
NodeName=n2 NodeHostname={host} NodeAddr=127.0.0.1 Port={ports[2]} CPUs=2
PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""


def _free_ports(n: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(n)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


@contextlib.contextmanager
def cluster(folder: Path) -> Iterator[dict[str, str]]:
    """A running cluster; the variables by which commands find it."""
    (folder / "state").mkdir(parents=True)
    conf = folder / "slurm.conf"
    host = socket.gethostname().split(".")[0]
    conf.write_text(_CONF.format(host=host, user=getpass.getuser(), folder=folder, ports=_free_ports(3)))
    said = {"SLURM_CONF": str(conf), "PATH": f"{os.environ['PATH']}:/usr/sbin"}
    environ = os.environ | said
    started = []
    try:
        for words in (["slurmctld", "-D", "-c"], ["slurmd", "-D", "-N", "n1"], ["slurmd", "-D", "-N", "n2"]):
            with (folder / f"{words[-1].strip('-')}.log").open("wb") as log:
                started.append(subprocess.Popen(words, env=environ, stdout=log, stderr=log, stdin=subprocess.DEVNULL))
        _await_nodes(environ, folder)
        yield said
    finally:
        for process in reversed(started):
            process.terminate()
        for process in started:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(timeout=10)
            process.kill()
            process.wait()


def _await_nodes(environ: dict[str, str], folder: Path) -> None:
    end = time.monotonic() + WAIT_S
    while True:
        words = ["sinfo", "--noheader", "--Node", "--format=%T"]
        states = subprocess.run(words, env=environ, capture_output=True, text=True, check=False).stdout.split()
        if states == ["idle", "idle"]:
            return
        if time.monotonic() > end:
            logs = "\n".join(log.read_text(errors="replace")[-2000:] for log in folder.glob("*.log"))
            raise TimeoutError(f"the nodes are {states}:\n{logs}")
        time.sleep(0.2)


def said_of_jobs() -> str:
    """What Slurm says of all jobs."""
    words = ["squeue", "--array", "--states=all", "--format=%i %j %T %r %N"]
    return subprocess.run(words, capture_output=True, text=True, check=False).stdout
