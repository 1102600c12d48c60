"""Which trainings running jobs are at, so that no other job is started only to wait for one of them.

A job that needs a stage which another is training would hold its slot and its memory until the stage is there, and do
nothing. What a job would train next is known from its spec; how far a running one has come, from its events and from
the folders of finished stages. What is said here decides an order and nothing else: who trains a stage locks it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field

from core.errors import RunFolderDamaged, as_damage
from core.files import opened, read_whole
from core.jobs.records import JobStatus
from core.paths import AtlasPaths
from core.spec.sharing import SharedTraining, trained_by_job


@dataclass
class _Reported:
    """What the events of a job said of its intermediate stages."""

    n_bytes: int = 0
    keys: dict[str, str] = field(default_factory=dict)
    """Key of each that it has begun or found, by its name."""


class Trainings:
    """The trainings that jobs of one home share."""

    def __init__(self, paths: AtlasPaths) -> None:
        """Know nothing yet."""
        self._paths = paths
        self._needed: dict[str, tuple[SharedTraining, ...]] = {}
        self._reported: dict[str, _Reported] = {}
        self._keys: dict[str, str] = {}
        self._passed: set[str] = set()

    def in_progress(self, running: Iterable[JobStatus]) -> set[str]:
        """What running jobs are training, or will train next.

        Args:
            running: All that run.
        """
        jobs = list(running)
        self._reported = {job.run_id: self._reported.get(job.run_id, _Reported()) for job in jobs}
        return {what for job in jobs if (what := self._current(job.run_id)) is not None}

    def next_of(self, job: JobStatus) -> str | None:
        """What a job that waits would train first; None: nothing that others train, too, or it is there already.

        Args:
            job: In the queue.
        """
        return next((t.what for t in self._trainings(job.run_id) if not self._is_there(t.what)), None)

    def _current(self, job_id: str) -> str | None:
        trainings = self._trainings(job_id)
        # The folds of a third bear the name of a stage that a profile trains before them: the first place is its own.
        places = {training.stage: place for place, training in reversed(list(enumerate(trainings)))}
        begun = {places[name]: key for name, key in self._begun(job_id).items() if name in places}
        last = max(begun, default=-1)
        # Stages are made in order, so those before the last one that has begun wait for nobody: a third's folds say
        # nothing of themselves.
        self._passed.update(training.what for training in trainings[: max(last, 0)])
        self._keys.update({trainings[place].what: key for place, key in begun.items()})
        return next((t.what for t in trainings[max(last, 0) :] if not self._is_there(t.what)), None)

    def _is_there(self, what: str) -> bool:
        # A stage is written beside its place and renamed: what is there is whole.
        return what in self._passed or (what in self._keys and self._paths.stage(self._keys[what]).is_dir())

    def _trainings(self, job_id: str) -> tuple[SharedTraining, ...]:
        if job_id not in self._needed:
            try:
                with as_damage(job_id):
                    self._needed[job_id] = trained_by_job(json.loads(read_whole(self._paths.job(job_id).spec)))
            except RunFolderDamaged:
                # Removed a moment ago, or more of it is damaged than lists look at: its worker says what is wrong.
                self._needed[job_id] = ()
        return self._needed[job_id]

    def _begun(self, job_id: str) -> dict[str, str]:
        reported = self._reported[job_id]
        trainings = self._trainings(job_id)
        if not trainings or trainings[-1].stage in reported.keys:
            return reported.keys
        try:
            with opened(self._paths.job(job_id).events) as stream:
                stream.seek(reported.n_bytes)
                new = stream.read()
        except (OSError, RunFolderDamaged):
            return reported.keys
        whole = new[: new.rfind(b"\n") + 1]
        reported.n_bytes += len(whole)
        for line in whole.splitlines():
            if b'"stage_started"' in line or b'"stage_reused"' in line:
                # A line that cannot be read says nothing: who trains a stage locks it all the same.
                with suppress(RunFolderDamaged), as_damage(job_id):
                    event = json.loads(line)["event"]
                    if event["kind"] == "intermediate":
                        reported.keys[str(event["name"])] = str(event["key"])
        return reported.keys
