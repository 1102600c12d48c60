"""What the process that talks to Ray wrote down of the cluster and its tasks: lists read it, and load no Ray."""

from __future__ import annotations

import time
from contextlib import suppress
from functools import lru_cache

from core.errors import RunFolderDamaged, as_damage
from core.files import read_whole
from core.holding import ELSEWHERE_S, since_beat_elsewhere
from core.jobs.records import failure_text
from core.paths import AtlasPaths
from core.spec.base import Spec


class Says(Spec):
    """Holds as long as its writer beats, which it does when Ray has answered."""

    cluster: str
    """How many nodes there are, with what."""
    asks: str
    """What a job asks for."""
    fits: bool
    """Whether some node has so much, used or not."""
    behind: frozenset[str]
    """Jobs that Ray holds back until their stage is there."""

    def of(self, job_id: str) -> str:
        """What a job waits for, for the user."""
        if job_id in self.behind:
            return "Ray: waits for its intermediate stage."
        if not self.fits:
            return f"Ray: no node has {self.asks}, and the job waits until one joins; the cluster is {self.cluster}."
        return f"Ray: waits for {self.asks}; the cluster is {self.cluster}."


def says(paths: AtlasPaths) -> Says | str:
    """What is known of Ray now; a text where nobody hands jobs to it: why."""
    return _says(paths, int(time.monotonic()))


@lru_cache(maxsize=8)
def _says(paths: AtlasPaths, second: int) -> Says | str:
    """The same, read once a second, since lists ask for each of thousands of jobs."""
    del second
    driver = paths.ray_driver
    age_s = since_beat_elsewhere(driver)
    if age_s is not None and age_s < ELSEWHERE_S:
        with suppress(FileNotFoundError, RunFolderDamaged), as_damage(driver.environment.name):
            return Says.model_validate_json(read_whole(driver.environment))
    with suppress(RunFolderDamaged):
        if trouble := failure_text(driver.failed):
            return f"Not handed to Ray yet: {trouble}"
    return "It is not handed to Ray yet: the process that does so was started a moment ago, or its machine is away."
