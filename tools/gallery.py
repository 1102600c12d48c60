"""The committed gallery: `make gallery`, or `python -m tools.gallery [STUDY …]`.

Starts what is missing of every study file in `data/gallery/studies`, and writes what is finished to
`data/gallery/*.parquet` every few minutes. Stop it at any time and start it again: finished runs are not done again,
and the jobs go on without it.
"""

import sys
import time
from pathlib import Path
from typing import Annotated

import typer

from core.errors import AtlasError
from core.jobs import local
from core.jobs.records import JobState
from core.paths import AtlasPaths
from core.reading import open_for_reading
from core.spec import RunSpec
from core.store.gallery import save_gallery
from core.studies import build_study, read_study_file

ENDED = {JobState.DONE, JobState.FAILED, JobState.CANCELLED, JobState.DAMAGED}
SAVE_EVERY_S = 300.0
_POLL_S = 5.0


def main(
    studies: Annotated[list[Path] | None, typer.Argument(help="Study files; all of the gallery's if none.")] = None,
    wait: Annotated[bool, typer.Option(help="Wait for the runs; otherwise save what is finished now.")] = True,
) -> None:
    """Run the studies and save their figures."""
    paths = AtlasPaths.from_environment()
    specs: list[RunSpec] = []
    for file in studies or sorted((paths.gallery / "studies").glob("*.yaml")):
        try:
            request = read_study_file(file)
            wanted = build_study(request, paths=paths).runs()
        except AtlasError as error:
            sys.stderr.write(f"{file.name} is left out: {error}\n")
            continue
        specs += wanted
        if wait:
            local.submit(wanted, paths=paths, study=request.name)
    if wait:
        _follow(specs, paths=paths)
    _save(specs, paths=paths)


def _follow(specs: list[RunSpec], *, paths: AtlasPaths) -> None:
    saved = time.monotonic()
    ids = {spec.run_id for spec in specs}
    while True:
        states = {s.run_id: s.state for s in local.list_jobs(paths) if s.run_id in ids}
        if all(state in ENDED for state in states.values()):
            return
        local.ensure_dispatcher(paths)
        if time.monotonic() - saved > SAVE_EVERY_S:
            _save(specs, paths=paths)
            saved = time.monotonic()
        time.sleep(_POLL_S)


def _save(specs: list[RunSpec], *, paths: AtlasPaths) -> None:
    with open_for_reading(paths) as store:
        rows = save_gallery(store, folder=paths.gallery, run_ids={spec.run_id for spec in specs})
    sys.stdout.write(" ".join(f"{name}:{n}" for name, n in rows.items()) + f" of {len(specs)} runs asked for\n")
    sys.stdout.flush()


if __name__ == "__main__":
    typer.run(main)
