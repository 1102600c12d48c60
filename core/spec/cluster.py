"""`backend.yaml` of an Atlas home: what jobs ask an engine for; an option of execution, part of no id."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, field_validator

from core.spec.base import Spec

Word = Annotated[str, Field(pattern=r"^[^\s\x00]+$", max_length=200)]
"""One word of a command line."""
Line = Annotated[str, Field(pattern=r"^[^\n\x00]+$", max_length=2000)]
"""One line of a shell script."""


class OnNode(Spec):
    """How a worker is started on a node, whatever engine gave it one."""

    setup: tuple[Line, ...] = ()
    """Lines of a shell script before the job begins, such as `module load cuda`."""
    container: tuple[Word, ...] = ()
    """Command before Python, such as `[apptainer, exec, --nv, atlas.sif]`."""
    python: Word | None = None
    """Python on the nodes; None: the one that submits, at the same path."""


class SlurmOptions(OnNode):
    """What each job asks Slurm for; what is left out is as the site has it."""

    partition: Word | None = None
    """Such as `gpu`; several with commas."""
    account: Word | None = None
    """Who pays."""
    qos: Word | None = None
    """Quality of service."""
    gres: Word | None = None
    """Such as `gpu:1` or `gpu:a100:1`; one GPU is what a job uses."""
    cpus: int | None = Field(default=None, ge=1, le=1024)
    """Processors of a job, which are its threads, too."""
    memory: str | None = Field(default=None, pattern=r"^\d+[KMGT]?$", examples=["32G"])
    """Of a job, such as `32G`."""
    time: str | None = Field(default=None, pattern=r"^(\d+-)?\d+(:\d\d){0,2}$", examples=['"24:00:00"'])
    """Limit of a job, such as `"24:00:00"`; where it is hit the job goes on from its last checkpoint in a new turn."""
    signal_s: int = Field(default=90, ge=10, le=3600)
    """Seconds before that limit at which a job stops, to be put back into the queue."""
    at_once: int | None = Field(default=None, ge=1)
    """Most jobs of an array that run at a time; None: as many as Slurm lets."""
    array_size: int = Field(default=1000, ge=1, le=1_000_000)
    """Most jobs of an array: the site's `MaxArraySize` less one, or fewer."""
    options: tuple[Word, ...] = ()
    """Further words for `sbatch`, such as `--constraint=a100`."""


class RayOptions(OnNode):
    """What each job asks Ray for; a node takes as many at a time as it has of that."""

    address: Word | None = None
    """Of the head, such as `10.0.0.1:6379`; None: what `RAY_ADDRESS` says, else the cluster of this machine."""
    cpus: float = Field(default=1, gt=0, le=1024)
    """Processors of a job, which are its threads, too: a whole number, or a share of one."""
    gpus: float | None = Field(default=None, ge=0, le=1)
    """Share of a GPU: at 0.5 two jobs have one; None: a whole one where the cluster has any."""
    memory: str | None = Field(default=None, pattern=r"^\d+[KMGT]$", examples=["32G"])
    """Of a job, such as `32G`; None: it is not looked at."""
    resources: dict[Word, Annotated[float, Field(gt=0)]] = {}
    """Further resources by the names that the nodes were started with, such as `{a100: 1}`."""

    @field_validator("cpus")
    @classmethod
    def _is_whole_or_a_share(cls, cpus: float) -> float:
        if cpus > 1 and cpus != int(cpus):
            raise ValueError("expected a whole number, or a share of one processor such as 0.5")
        return cpus

    @property
    def memory_bytes(self) -> int | None:
        """The same as a number."""
        return int(self.memory[:-1]) * 1024 ** (1 + "KMGT".index(self.memory[-1])) if self.memory else None


class BackendFile(Spec):
    """All of the file: a part for each engine."""

    slurm: SlurmOptions = SlurmOptions()
    """For `--backend slurm`."""
    ray: RayOptions = RayOptions()
    """For `--backend ray`."""

    @field_validator("slurm", "ray", mode="before")
    @classmethod
    def _may_be_empty(cls, part: object) -> object:
        return {} if part is None else part  # all of its lines are left out, or comments
