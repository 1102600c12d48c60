"""The only place that spells a file name, without touching the disk; `AtlasPaths` is made at the edge and passed in."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from core.errors import SpecError

REPO = Path(__file__).resolve().parent.parent
"""The checkout: what is committed lives under `REPO / "data"`, wherever `ATLAS_HOME` points."""
GLOSSARY = REPO / "docs" / "glossary.md"
"""The words of this program, which a page shows."""
_CACHES = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")  # noqa: PTH111  nobody's home is no error
MADE_MODELS = Path(_CACHES).resolve() / "transfer-atlas" / "models"
"""Model folders made from packages: the user's, as the hub's cache is, and not of one Atlas home."""


@lru_cache(maxsize=64)  # a page asks some hundred times, and each part of a resolved path is a question to the kernel
def _absolute(variable: str, named: str, beside: str) -> Path:
    try:
        path = Path(str(Path(beside, Path(named).expanduser()).resolve()).encode().decode())  # DuckDB's are UTF-8
        if (path.exists() and not path.is_dir()) or len(str(path)) > 1000:  # noqa: PLR2004  messages repeat it
            raise ValueError("it is a file, or longer than 1,000 letters")
    except (RuntimeError, OSError, ValueError) as error:
        raise SpecError(f"{variable}: {named[:60]!r} names no folder ({error.args[-1]}). Set it to one.") from error
    return path


STAGE_MARKER = "stage.json"
"""In a finished stage's folder, written last: names the files of the stage with their digests."""


@dataclass(frozen=True)
class RunPaths:
    """File names inside one run folder, `data/runs/<run_id>/`."""

    root: Path
    """The folder itself; its name is the run id."""

    @property
    def run_id(self) -> str:
        """The id of the run, which is the folder's name."""
        return self.root.name

    @property
    def spec(self) -> Path:
        """`RunSpec` as JSON, written first."""
        return self.root / "spec.json"

    @property
    def events(self) -> Path:
        """Facts, one JSON object a line, appended by the job."""
        return self.root / "events.jsonl"

    @property
    def predictions(self) -> Path:
        """Predictions per example, one row per language, metric and example."""
        return self.root / "predictions.parquet"

    @property
    def environment(self) -> Path:
        """Versions, device and commit of the job, JSON."""
        return self.root / "environment.json"

    @property
    def log(self) -> Path:
        """Standard output and error of the job."""
        return self.root / "worker.log"

    @property
    def checkpoints(self) -> Path:
        """Resumable state of the stage in progress."""
        return self.root / "checkpoints"

    @property
    def job(self) -> Path:
        """`JobRecord` as JSON: place in the queue, attempts, device."""
        return self.root / "job.json"

    @property
    def process(self) -> Path:
        """Pid and start time of the process that executes the run, JSON."""
        return self.root / "process.json"

    @property
    def hold(self) -> Path:
        """Locked by the process that executes the run as long as it lives; holds what `process` does."""
        return self.root / "worker.lock"

    @property
    def heartbeat(self) -> Path:
        """Written by the job every few seconds: seconds of the machine's monotonic clock."""
        return self.root / "heartbeat"

    @property
    def reserve(self) -> Path:
        """Blocks that a running job sets aside, so that it can still write down that the disk is full."""
        return self.root / "reserve"

    @property
    def cancel(self) -> Path:
        """Marker: somebody asked the job to stop."""
        return self.root / "cancel"

    @property
    def finished(self) -> Path:
        """Marker, written last: the run folder is complete."""
        return self.root / "finished.json"

    @property
    def pushed(self) -> Path:
        """Marker of a copy at an address, written last: digests of its files by name, JSON."""
        return self.root / "pushed.json"

    @property
    def earlier(self) -> Path:
        """Folder of the results that a run had before it was run again, each in one of its own: 1, 2."""
        return self.root / "earlier"

    @property
    def failed(self) -> Path:
        """Marker: the last attempt ended with an error, JSON with its text."""
        return self.root / "failed.json"


@dataclass(frozen=True)
class ProfilePaths(RunPaths):
    """File names inside one profile folder, `data/profiles/<profile_id>/`: those of a run and its own tables."""

    def table(self, name: str) -> Path:
        """One of the profile's tables; a profile has those of its kind.

        Args:
            name: `profile_texts`, `similarities`, `positions`, `difficulties`, `encoder_changes` or `selector_scores`.
        """
        return self.root / f"{name.removeprefix('profile_')}.parquet"


@dataclass(frozen=True)
class FitPaths(RunPaths):
    """File names inside the folder of one long fit, `data/cache/fits/<key>/`: a job's, what it is given and finds."""

    @property
    def cells(self) -> Path:
        """What is fitted: mean gains by cell with their covariates."""
        return self.root / "cells.parquet"

    @property
    def lock(self) -> Path:
        """Held by whoever looks for the process and starts it."""
        return self.root / "lock"

    @property
    def progress(self) -> Path:
        """Parts done and parts there are, JSON."""
        return self.root / "progress.json"

    @property
    def finished(self) -> Path:
        """The figures, written last: a fit that has them is done."""
        return self.root / "result.parquet"


@dataclass(frozen=True)
class AtlasPaths:
    """Where everything lives for one Atlas home."""

    home: Path
    """Folder for what is made at run time; `data/` of the checkout unless `ATLAS_HOME` says otherwise."""

    @classmethod
    def from_environment(cls) -> AtlasPaths:
        """Paths for `ATLAS_HOME`, or for the checkout's `data/` folder.

        Raises:
            SpecError: The variable names no folder.
        """
        said = os.environ.get("ATLAS_HOME")  # where the process is, is a key and no path
        return cls(home=_absolute("ATLAS_HOME", said, os.getcwd()) if said else REPO / "data")  # noqa: PTH109

    @property
    def runs(self) -> Path:
        """One folder per run."""
        return self.home / "runs"

    @property
    def profiles(self) -> Path:
        """One folder per profile."""
        return self.home / "profiles"

    @property
    def rankings(self) -> Path:
        """One file per launch: the selectors' values before its runs were made."""
        return self.home / "rankings"

    @property
    def imported(self) -> Path:
        """Results of others, a folder a collection: tables as in a gallery, and `origin.json`."""
        return self.home / "imported"

    @property
    def protocols(self) -> Path:
        """Protocols that commands name by file, because they do not ship with the program."""
        return self.home / "protocols"

    @property
    def cache(self) -> Path:
        """Everything that can be made again."""
        return self.home / "cache"

    @property
    def stages(self) -> Path:
        """Finished stages by key, shared by all runs."""
        return self.cache / "stages"

    @property
    def states(self) -> Path:
        """States of frozen layers by what decides them, shared by all runs."""
        return self.cache / "states"

    @property
    def embeddings(self) -> Path:
        """Sentence embeddings by what decides them, shared by all profiles."""
        return self.cache / "embeddings"

    @property
    def similarities(self) -> Path:
        """Measures of pairs of texts by what decides them, shared by all profiles."""
        return self.cache / "similarities"

    @property
    def fits(self) -> Path:
        """Long fits of the analysis by what decides them."""
        return self.cache / "fits"

    def fit(self, key: str) -> FitPaths:
        """File names of one long fit."""
        return FitPaths(self.fits / key)

    def auxiliary_result(self, key: str) -> Path:
        """Log-probabilities and predictions that an auxiliary training run gave."""
        return self.cache / "probes" / f"{key}.parquet"

    @property
    def slots(self) -> Path:
        """Lock files: one per GPU, or one for the CPU, and the dispatcher's."""
        return self.cache / "slots"

    @property
    def bell(self) -> Path:
        """Written anew by whoever has work: the dispatcher looks at once; JSON, `SETTINGS` of who rang."""
        return self.slots / "bell.json"

    @property
    def warm_wish(self) -> Path:
        """Touched by whoever will have work soon: the dispatcher keeps a worker warm."""
        return self.slots / "warm"

    @property
    def dispatcher_starting(self) -> Path:
        """The dispatcher that was started and has not come to its lock, JSON: on a busy machine that takes seconds."""
        return self.slots / "dispatcher.json"

    @property
    def dispatcher_lock(self) -> Path:
        """Held by the one process that starts queued jobs."""
        return self.slots / "dispatcher.lock"

    @property
    def dispatcher_log(self) -> Path:
        """Standard output and error of that process."""
        return self.slots / "dispatcher.log"

    @property
    def backend_file(self) -> Path:
        """What jobs ask Slurm or Ray for: `BackendFile` as YAML, written by the user."""
        return self.home / "backend.yaml"

    @property
    def slurm(self) -> Path:
        """What Slurm was told and has not done yet: a file per job array, named by the array's name in Slurm."""
        return self.home / "slurm"

    @property
    def slurm_wanted(self) -> Path:
        """Files with ids of jobs that Slurm was not told of yet."""
        return self.slurm / "wanted"

    @property
    def slurm_logs(self) -> Path:
        """What batch scripts print before a job has a log of its own."""
        return self.slurm / "logs"

    @property
    def slurm_lock(self) -> Path:
        """Held by whoever talks to Slurm for this home."""
        return self.slurm / "lock"

    @property
    def slurm_trouble(self) -> Path:
        """Why jobs could not be handed to Slurm at the last try."""
        return self.slurm / "trouble.txt"

    @property
    def ray_driver(self) -> RunPaths:
        """The process that hands jobs to Ray, as a job: `environment` is the cluster, `failed` why there is none."""
        return RunPaths(self.home / "ray" / "driver")

    @property
    def database(self) -> Path:
        """The DuckDB index; deleting it loses nothing."""
        return self.home / "atlas.duckdb"

    @property
    def user_tasks(self) -> Path:
        """Tasks added by the user, one YAML file each."""
        return self.home / "tasks"

    @property
    def user_models(self) -> Path:
        """Models added by the user, one YAML file each."""
        return self.home / "models.d"

    @property
    def notes(self) -> Path:
        """What users wrote about runs and cells, one file a note."""
        return self.home / "notes"

    @property
    def guide(self) -> Path:
        """How to bring a task, a model or a protocol, with a complete example of each; part of the checkout."""
        return REPO / "docs" / "adding.md"

    @property
    def local_data(self) -> Path:
        """Licensed data that the user puts in place, such as `ccg/train.tsv`."""
        return self.home / "local"

    @property
    def published(self) -> Path:
        """Figures transcribed from papers, committed."""
        return REPO / "data" / "published"

    @property
    def gallery(self) -> Path:
        """Measured results, committed; another folder where `ATLAS_GALLERY` names one."""
        said = os.environ.get("ATLAS_GALLERY")
        return _absolute("ATLAS_GALLERY", said, os.getcwd()) if said else REPO / "data" / "gallery"  # noqa: PTH109

    @property
    def sample_sources(self) -> Path:
        """Lexicons and patterns of the bundled sample tasks."""
        return REPO / "data" / "sample"

    def ranking(self, ranking_id: str) -> Path:
        """The ranking that was frozen at one launch."""
        return self.rankings / f"{ranking_id}.json"

    def protocol(self, name: str, *, digest: str) -> Path:
        """A protocol as YAML; the digest is that of its record."""
        return self.protocols / f"{name}-{digest}.yaml"

    def run(self, run_id: str) -> RunPaths:
        """File names of one run."""
        return RunPaths(self.runs / run_id)

    def profile(self, profile_id: str) -> ProfilePaths:
        """File names of one profile."""
        return ProfilePaths(self.profiles / profile_id)

    def job(self, job_id: str) -> RunPaths:
        """File names of one run or profile; the id says which: that of a profile begins with `p`, no digest does."""
        return self.profile(job_id) if job_id.startswith("p") else self.run(job_id)

    def stage(self, key: str) -> Path:
        """Folder of one finished stage; `STAGE_MARKER` in it says that it is whole."""
        return self.stages / key
