"""`backend.yaml` of an Atlas home: what jobs ask an engine for; an option of execution, part of no id."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

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
    memory: Annotated[str, Field(pattern=r"^\d+[KMGT]?$")] | None = None
    """Of a job, such as `32G`."""
    time: Annotated[str, Field(pattern=r"^(\d+-)?\d+(:\d\d){0,2}$")] | None = None
    """Limit of a job, such as `"24:00:00"`; where it is hit the job goes on from its last checkpoint in a new turn."""
    signal_s: int = Field(default=90, ge=10, le=3600)
    """Seconds before that limit at which a job stops, to be put back into the queue."""
    at_once: int | None = Field(default=None, ge=1)
    """Most jobs of an array that run at a time; None: as many as Slurm lets."""
    array_size: int = Field(default=1000, ge=1, le=1_000_000)
    """Most jobs of an array: the site's `MaxArraySize` less one, or fewer."""
    options: tuple[Word, ...] = ()
    """Further words for `sbatch`, such as `--constraint=a100`."""


class BackendFile(Spec):
    """All of the file: a part for each engine."""

    slurm: SlurmOptions = SlurmOptions()
    """For `--backend slurm`."""
