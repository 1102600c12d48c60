"""The committed gallery: `make gallery`, or `python -m tools.gallery [FILE …]`.

Starts what is missing of every file in `data/gallery/studies` (`NAME.yaml` is a study, `NAME.profile.yaml` a profile),
and writes what is finished to `data/gallery/*.parquet` every few minutes. Stop it at any time and start it again:
what is finished is not done again, on this machine or on the one whose figures lie in the folder, and the jobs go on
without it.
"""

import sys
import time
from collections.abc import Collection, Iterable
from functools import partial
from pathlib import Path
from typing import Annotated, NamedTuple

import pyarrow.parquet as pq
import typer

from core.actions.launch import Launched, launch, launch_profiles
from core.actions.queue import list_profiles, list_runs, wake
from core.errors import AtlasError
from core.jobs.records import JobState
from core.paths import AtlasPaths
from core.spec.profile import ProfileSpec, job_id_of
from core.spec.run import RunSpec, StudySpec
from core.spec.versions import CODE_VERSION
from core.store.exchange.tables import save_gallery
from core.store.reading import cursor_for_reading, open_for_reading
from core.studies import ProfileRequest, build_profile, build_study, read_request, read_study_file

PROFILE = ".profile.yaml"
"""How the name of a profile's file ends."""
ENDED = {JobState.DONE, JobState.FAILED, JobState.CANCELLED, JobState.DAMAGED}
SAVE_EVERY_S = 300.0
_POLL_S = 5.0


class Asked(NamedTuple):
    """What a file asks for."""

    name: str
    """Of the study."""
    wanted: StudySpec | ProfileSpec
    """What it asks for."""

    @property
    def specs(self) -> tuple[RunSpec | ProfileSpec, ...]:
        """Its runs, or its one profile."""
        return self.wanted.runs() if isinstance(self.wanted, StudySpec) else (self.wanted,)


def main(
    files: Annotated[list[Path] | None, typer.Argument(help="Study and profile files; the gallery's if none.")] = None,
    wait: Annotated[bool, typer.Option(help="Wait for the jobs; otherwise save what is finished now.")] = True,
    folder: Annotated[Path | None, typer.Option(help="Where the figures go; the gallery if none.")] = None,
) -> None:
    """Run the studies, measure the profiles, and save their figures."""
    paths = AtlasPaths.from_environment()
    asked = list(_readable(files or sorted((paths.gallery / "studies").glob("*.yaml")), paths=paths))
    ids = {job_id_of(spec) for each in asked for spec in each.specs}
    place = folder or paths.gallery
    if wait:
        there = saved_ids(place)
        for each in asked:
            launched = start(each, leave_out=there, paths=paths)
            for text in launched.messages if launched.specs else ():
                sys.stderr.write(f"{each.name}: {text}\n")
        _follow(ids, paths=paths, folder=place)
    _save(ids, paths=paths, folder=place)


def asked_in(file: Path, *, paths: AtlasPaths) -> Asked:
    """What a study or profile file asks for.

    Args:
        file: YAML.

    Raises:
        AtlasError: The first thing that is wrong with it.
    """
    if file.name.endswith(PROFILE):
        wanted = read_request(file, kind=ProfileRequest)
        return Asked(file.name.removesuffix(PROFILE), build_profile(wanted, paths=paths))
    request = read_study_file(file)
    return Asked(request.name, build_study(request, paths=paths))


def start(asked: Asked, *, leave_out: Collection[str], paths: AtlasPaths) -> Launched:
    """Start what a file asks for.

    Args:
        leave_out: Ids of runs and profiles that are not started.
    """
    if isinstance(asked.wanted, StudySpec):
        cursor = partial(cursor_for_reading, paths)
        return launch(asked.wanted, paths=paths, cursor=cursor, leave_out=leave_out)
    missing = [] if asked.wanted.profile_id in leave_out else [asked.wanted]
    return launch_profiles(missing, paths=paths, study=asked.name)


def saved_ids(folder: Path) -> set[str]:
    """Ids of the runs and profiles whose figures a gallery holds; runs that an earlier version made are not among them.

    Args:
        folder: Where `save_gallery` wrote; need not exist.
    """
    files = ((folder / f"{name}.parquet", key) for name, key in (("runs", "run_id"), ("profiles", "profile_id")))
    saved = {i for file, key in files if file.exists() for i in pq.read_table(file, columns=[key])[key].to_pylist()}
    stages = folder / "stages.parquet"
    rows = pq.read_table(stages).to_pylist() if stages.exists() else []
    return saved - {row["run_id"] for row in rows if row.get("code") != CODE_VERSION[row["kind"]]}


def _readable(files: Iterable[Path], *, paths: AtlasPaths) -> Iterable[Asked]:
    for file in files:
        try:
            yield asked_in(file, paths=paths)
        except AtlasError as error:
            sys.stderr.write(f"{file.name} is left out: {error}\n")


def _follow(ids: set[str], *, paths: AtlasPaths, folder: Path) -> None:
    saved = time.monotonic()
    while True:
        jobs = [*list_runs(paths), *list_profiles(paths)]
        if all(job.state in ENDED for job in jobs if job.run_id in ids):
            return
        wake(paths)
        if time.monotonic() - saved > SAVE_EVERY_S:
            _save(ids, paths=paths, folder=folder)
            saved = time.monotonic()
        time.sleep(_POLL_S)


def _save(ids: set[str], *, paths: AtlasPaths, folder: Path) -> None:
    with open_for_reading(paths) as store:
        rows = save_gallery(store, folder=folder, ids=ids)
    sys.stdout.write(" ".join(f"{name}:{n}" for name, n in rows.items()) + f" of {len(ids)} jobs asked for\n")
    sys.stdout.flush()


if __name__ == "__main__":
    typer.run(main)
