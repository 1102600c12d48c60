"""Commands that look after runs: runs, cancel, pause, resume, retry, move. `core.cli.main` registers them."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from typing import Annotated, Literal, cast

import typer

from core.actions import queue
from core.actions.alerts import MOST_SHOWN, alerts, in_short, of_store, tell
from core.cli.console import note, records, show
from core.cli.options import AsJson, executing
from core.errors import SpecError
from core.jobs.records import JobStatus
from core.paths import AtlasPaths
from core.queries.runs.listing import damaged as query_damaged
from core.spec.execution import ExecutionOptions
from core.spec.plain import shortened
from core.store.reading import open_for_reading

Ids = Annotated[list[str] | None, typer.Argument(help="Ids of runs.")]


def register(app: typer.Typer) -> None:
    """Add the commands.

    Args:
        app: The command line.
    """
    for command in (runs, cancel, pause, resume, executing(retry), move):
        app.command()(command)


def runs(as_json: AsJson = False) -> None:
    """List the runs with their states, folders that cannot be read, and what else needs somebody."""
    paths = AtlasPaths.from_environment()
    queue.wake(paths)
    jobs = queue.list_runs(paths)
    rows = [status._asdict() | {"state": str(status.state)} for status in jobs]
    columns = ("run_id", "state", "model", "intermediate", "target", "seed", "protocol", "data_source", "message")
    show(rows, as_json=as_json, empty="No runs yet. Start one: python -m core run --target xnli", columns=columns)
    with open_for_reading(paths) as store, store.cursor() as cur:
        for row in records(query_damaged(cur)):
            note(f"damaged: {row['folder']}: {row['reason']}")
        found = alerts(of_store(cur), jobs, paths=paths, environ=os.environ)
    for alert in found[:MOST_SHOWN]:
        note(f"{alert.kind}: {f'{alert.run_id}: ' if alert.run_id else ''}{alert.text}")
    if len(found) > MOST_SHOWN:
        note(f"In all: {in_short(found)}.")
    tell(found, paths=paths, environ=os.environ)


def cancel(
    run_ids: Ids = None,
    study: Annotated[str | None, typer.Option(help="All runs of this study that have not ended.")] = None,
    as_json: AsJson = False,
) -> None:
    """Stop runs or a study, their whole process tree; finished stages are kept."""
    _change(queue.cancel, run_ids, study, of=queue.open_of, as_json=as_json, empty="Nothing to stop.")


def pause(
    run_ids: Ids = None,
    study: Annotated[str | None, typer.Option(help="All runs of this study that have not ended.")] = None,
    as_json: AsJson = False,
) -> None:
    """Stop runs or a study until they are resumed; checkpoints and places in the queue are kept."""
    _change(queue.pause, run_ids, study, of=queue.open_of, as_json=as_json, empty="Nothing to pause.")


def resume(
    run_ids: Ids = None,
    study: Annotated[str | None, typer.Option(help="All runs of this study that are paused.")] = None,
    as_json: AsJson = False,
) -> None:
    """Put paused runs back in their places; they go on from their last checkpoint."""
    _change(queue.resume, run_ids, study, of=queue.paused_of, as_json=as_json, empty="Nothing is paused.")


def retry(
    *,
    run_ids: Annotated[list[str], typer.Argument(help="Ids of runs.")],
    execution: ExecutionOptions,
    as_json: AsJson = False,
) -> None:
    """Put failed, cancelled or lost runs back into the queue; they go on from their last checkpoint."""
    paths = AtlasPaths.from_environment()
    rows = [state_row(status) for status in queue.retry(run_ids, paths=paths, execution=execution)]
    show(rows, as_json=as_json, empty="Nothing to retry.")


def move(
    *,
    run_ids: Ids = None,
    place: Annotated[str, typer.Argument(help="first, last, or a number from 1.")],
    study: Annotated[str | None, typer.Option(help="All runs of this study that wait.")] = None,
    as_json: AsJson = False,
) -> None:
    """Give queued runs, or those of a study, another place in the queue: `move ID … first`."""
    if place not in {"first", "last"} and not (place.isascii() and place.isdigit() and int(place[:9]) > 0):
        raise SpecError(f"Place {shortened(place)}: expected first, last or a number from 1.")
    wanted = int(place[:9]) - 1 if place.isdigit() else cast("Literal['first', 'last']", place)
    change = partial(queue.move, place=wanted)
    _change(change, run_ids, study, of=queue.queued_of, as_json=as_json, empty="Nothing to move.")


def _change(
    change: Callable[..., list[JobStatus]],
    run_ids: list[str] | None,
    study: str | None,
    *,
    of: Callable[..., list[str]],
    as_json: bool,
    empty: str,
) -> None:
    """Do something to the runs that are named and to those of a study."""
    paths = AtlasPaths.from_environment()
    wanted = [*(run_ids or ()), *(of(study, paths=paths) if study is not None else ())]
    show([state_row(status) for status in change(wanted, paths=paths)], as_json=as_json, empty=empty)


def state_row(status: JobStatus) -> dict[str, object]:
    """What a command prints of a job that it changed.

    Args:
        status: As it is now.
    """
    return {"run_id": status.run_id, "state": str(status.state), "message": status.message}
