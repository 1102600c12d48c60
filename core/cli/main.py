"""`python -m core …`: everything the pages can start or export.

The chain is never imported here, save inside the commands that need it; a job is a process of its own.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

import core
from core.actions.command import command_of
from core.actions.launch import Where, launch
from core.actions.plan import plan
from core.actions.words import size, span
from core.cli import analysis as cli_analysis
from core.cli import exchange as cli_exchange
from core.cli import export as cli_export
from core.cli import jobs as cli_jobs
from core.cli import models as cli_models
from core.cli.console import errors_as_messages, note, readable, records, show
from core.cli.jobs import state_row
from core.cli.options import Again, AsJson, DryRun, filtered, launching
from core.cli.profile import profile
from core.cli.progress import follow
from core.cli.prune import prune
from core.cli.selectors import checked
from core.cli.words import spread
from core.errors import SpecError
from core.jobs.records import JobStatus
from core.models import skipped_model_files
from core.models.default import DEFAULT_MODEL, SMALL_MODEL, default_model
from core.paths import AtlasPaths
from core.queries.filters import Filter
from core.queries.gains import gains as query_gains
from core.queries.published import averages as query_averages
from core.queries.published import figures as query_figures
from core.queries.published import tables as query_tables
from core.spec.run import DataSourceKind
from core.store.connection import Store
from core.store.counted import reasons_in_words
from core.store.ingest import rebuild as rebuild_store
from core.store.reading import cursor_for_reading, open_for_reading
from core.studies import NO_INTERMEDIATE, StudyRequest, checked_source, read_study_file, requested
from core.tasks import check_name, load_tasks, read_task_file, skipped_task_files

app = typer.Typer(name="atlas", no_args_is_help=True)

app.command()(profile)
app.command()(prune)
cli_exchange.register(app)
cli_jobs.register(app)
cli_analysis.register(app)
cli_export.register(app)
app.add_typer(cli_models.app, name="models")

_MODELS = f"Models: names, hub ids or folders; default: {DEFAULT_MODEL}. For a first try: {SMALL_MODEL}."


def main() -> None:
    """Run a command; errors meant for the user are one line on standard error."""
    with errors_as_messages():
        words = spread(readable(sys.argv[1:]))
        is_module = Path(sys.argv[0]).stem == "__main__"
        if is_module and words[:1] in (["--install-completion"], ["--show-completion"]):
            raise SpecError("Shells complete commands, not modules: pip install --editable . gives the command atlas.")
        app(args=words, prog_name="python -m core" if is_module else "atlas")


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"Transfer Atlas {core.__version__}")
        raise typer.Exit


@app.callback()
def atlas(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and stop.")
    ] = False,
) -> None:
    """Transfer Atlas: how difficulty and domain similarity of an English intermediate task change transfer."""


@app.command()
def tasks(as_json: AsJson = False) -> None:
    """List the tasks: what they are, in which languages, and the score of a model that knows nothing."""
    _name_skipped(AtlasPaths.from_environment())
    rows: list[dict[str, Any]] = [
        {
            "name": task.name,
            "roles": [str(role) for role in task.roles],
            "type": str(task.type),
            "languages": list(task.languages),
            "metric": str(task.headline),
            "chance": task.chance,
            "licence": task.licence,
            "train_examples": task.train_examples,
        }
        for task in load_tasks(AtlasPaths.from_environment()).values()
    ]
    counted = rows if as_json else [row | {"languages": len(row["languages"])} for row in rows]
    show(
        counted, as_json=as_json, empty="No tasks.", columns=("name", "roles", "type", "languages", "metric", "chance")
    )


@app.command("check-task")
def check_task(
    file: Annotated[Path, typer.Argument(help="YAML file that declares a task; see docs/adding.md.")],
    data_source: Annotated[DataSourceKind, typer.Option(help="Where the examples come from.")] = DataSourceKind.HUB,
    mirror: Annotated[str | None, typer.Option(help="Folder in the hub's layout.")] = None,
    as_json: AsJson = False,
) -> None:
    """Check a task file and read 50 examples of each split."""
    from core.data.check import check_task_file  # noqa: PLC0415  # the chain only where it is needed

    paths = AtlasPaths.from_environment()
    source = StudyRequest(data_source=DataSourceKind.MIRROR if mirror else data_source, mirror=mirror)
    task = read_task_file(file)
    check_name(task.name, file=file)
    rows = check_task_file(task, source=checked_source(source), paths=paths)
    show(rows, as_json=as_json, empty="No examples were read.")
    if any(row["problem"] for row in rows):
        note(f"{file} is not ready: see the column 'problem'.")
        sys.exit(1)
    if not as_json:
        is_there = file.resolve().parent == paths.user_tasks.resolve()
        then = f"Use it: python -m core run --target {task.name}" if is_there else f"Put it into {paths.user_tasks}."
        typer.echo(f"{file} is valid. {then}")


@app.command()
@launching
def run(  # noqa: PLR0913  # one parameter per option
    *,
    target: Annotated[list[str], typer.Option(help="Target tasks.")],
    model: Annotated[list[str] | None, typer.Option(help=_MODELS)] = None,
    intermediate: Annotated[list[str] | None, typer.Option(help="mnli, mnli+qqp, mnli~mlm, none …")] = None,
    seeds: Annotated[list[int] | None, typer.Option(help="Seeds.")] = None,
    protocol: Annotated[str, typer.Option(help="Hyper-parameters: a name or a YAML file.")] = "quick",
    data_source: Annotated[DataSourceKind, typer.Option(help="Where the data come from.")] = DataSourceKind.SAMPLE,
    mirror: Annotated[str | None, typer.Option(help="Folder in the hub's layout.")] = None,
    name: Annotated[str, typer.Option(help="Name of the study.")] = "study",
    baselines: Annotated[bool, typer.Option(help="Also run the paired baselines.")] = True,
    wait: Annotated[bool, typer.Option(help="Wait until the runs end and print the gains.")] = True,
    where: Where,
    again: Again = False,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Start runs, wait for them, and print what the intermediate did per language."""
    request = _request(
        models=tuple(model or ()),
        intermediates=tuple(intermediate or ("none",)),
        targets=tuple(target),
        seeds=tuple(seeds or (1,)),
        protocol=protocol,
        data_source=DataSourceKind.MIRROR if mirror else data_source,
        mirror=mirror,
        name=name,
        with_baselines=baselines,
    )
    _launch(request, wait=wait, where=where, again=again, dry_run=dry_run, as_json=as_json)


@app.command()
@launching
def study(  # noqa: PLR0913  # one parameter per option
    *,
    file: Annotated[Path, typer.Argument(help="YAML grid: models, intermediates, targets, seeds, protocol …")],
    wait: Annotated[bool, typer.Option(help="Wait until the runs end and print the gains.")] = True,
    where: Where,
    again: Again = False,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Start all runs of a study file."""
    _launch(read_study_file(file), wait=wait, where=where, again=again, dry_run=dry_run, as_json=as_json)


@app.command()
@filtered
def gains(
    wanted: Filter,
    intermediate: Annotated[list[str] | None, typer.Option(help="Only these intermediates.")] = None,
    metric: Annotated[str | None, typer.Option(help="Only this metric.")] = None,
    as_json: AsJson = False,
) -> None:
    """List the gains: score minus the score of the paired run without the intermediate."""
    wanted = checked(replace(wanted, intermediate=tuple(intermediate or ()), metric=metric))
    with open_for_reading(AtlasPaths.from_environment()) as store:
        _show_gains(store, wanted=wanted, run_ids=None, as_json=as_json)


@app.command()
def published(
    table: Annotated[str | None, typer.Option(help="Numbers of this table, one per line.")] = None,
    averages: Annotated[bool, typer.Option(help="Printed averages beside the averages of their parts.")] = False,
    as_json: AsJson = False,
) -> None:
    """List the tables transcribed from papers with version and caution, the figures of one, or a check of averages."""
    columns: tuple[str, ...] = ("name", "version", "confidence", "derived", "n_gains", "n_scores", "n_facts", "title")
    with open_for_reading(AtlasPaths.from_environment()) as store, store.cursor() as cur:
        if averages:
            rows = records(query_averages(cur, table))
            columns = ("table", "model", "intermediate", "target", "metric", "printed", "recomputed", "agrees")
        elif table is not None:
            rows = records(query_figures(cur, table))
            columns = ("model", "intermediate", "target", "lang", "metric", "kind", "printed", "derived", "caution")
            note(f"{rows[0]['version']}. {rows[0]['table_caution'] or ''} Source: {rows[0]['source']}")
        else:
            rows = records(query_tables(cur))
    show(rows, as_json=as_json, empty="No published numbers.", columns=columns)


@app.command()
def rebuild(as_json: AsJson = False) -> None:
    """Make the database again from run folders and committed results."""
    paths = AtlasPaths.from_environment()
    report = rebuild_store(paths.database, paths)
    show([report._asdict()], as_json=as_json, empty="Nothing to read.")


@app.command()
def doctor(as_json: AsJson = False) -> None:
    """Say what this machine can do, and what is wrong."""
    from core.cli.doctor import examine  # noqa: PLC0415  # asks every library for its version: a second

    rows = [check._asdict() for check in examine(AtlasPaths.from_environment())]
    show(rows, as_json=as_json, empty="No check ran.")
    if any(row["state"] == "wrong" for row in rows):
        sys.exit(1)


def _name_skipped(paths: AtlasPaths) -> None:
    for text in (*skipped_task_files(paths), *skipped_model_files(paths)):
        note(f"Skipped, so its name is not known: {text}")


def _request(*, models: tuple[str, ...], **fields: object) -> StudyRequest:
    known = {"models": models} if models else {}
    return requested(StudyRequest, **known, **fields)


def _launch(request: StudyRequest, *, wait: bool, where: Where, again: bool, dry_run: bool, as_json: bool) -> None:
    paths = AtlasPaths.from_environment()
    _name_skipped(paths)
    if "models" not in request.model_fields_set and (why := default_model().why):
        note(why)
    if dry_run:
        with cursor_for_reading(paths) as cur:
            found = plan(request, paths=paths, cur=cur, where=where, again=again)
        row = {**found.cost._asdict(), "slots": list(found.machine.slots), "threads": found.machine.threads}
        words = {"time": span(*found.time), "disk": size(found.cost.disk_bytes)}
        columns = ("n_runs", "n_done", "n_trainings", "n_trainings_there", "n_evaluations", "time", "disk", "slots")
        show([row if as_json else row | words], as_json=as_json, empty="Nothing to start.", columns=columns)
        note(f"Nothing was started. {found.cost.basis} {found.where}")
        return
    launched = launch(request, paths=paths, cursor=partial(cursor_for_reading, paths), where=where, again=again)
    for text in launched.messages:
        note(text)
    if not wait:
        show([state_row(s) for s in launched.jobs], as_json=as_json, empty="Nothing to start.")
        return
    note(f"Stopping this command does not stop them. Again: {command_of(request, where=where)}")
    failed = follow(launched.specs, paths=paths)
    with open_for_reading(paths) as store:
        _show_gains(store, wanted=None, run_ids=_shown(launched.jobs), as_json=as_json)
    if failed:
        sys.exit(1)


def _shown(jobs: Sequence[JobStatus]) -> tuple[str, ...]:
    """Ids of the runs to print: those with an intermediate, or the baselines where nothing else was asked for."""
    with_intermediate = tuple(job.run_id for job in jobs if job.intermediate != NO_INTERMEDIATE)
    return with_intermediate or tuple(job.run_id for job in jobs)


def _show_gains(store: Store, *, wanted: Filter | None, run_ids: tuple[str, ...] | None, as_json: bool) -> None:
    with store.cursor() as cur:
        frame = query_gains(cur, wanted or Filter(), run_ids=run_ids)
    told_apart = tuple(name for name in ("protocol", "data_source", "collection") if frame[name].nunique() > 1)
    row = ("model", "intermediate", "target", "lang", "metric", *told_apart)
    columns = (*row, "seed", "score", "baseline_score", "gain", "n")
    show(records(frame), as_json=as_json, empty="No gains yet.", columns=(*columns, "excluded"))
    there = frame[frame["gain"].notna()]
    if len(out := there["excluded"].dropna()):
        note(f"{len(out):,} of {len(there):,} gains do not count: {reasons_in_words(out)}.")
    alone = frame["missing"].isna() | (frame["missing"] == "is the baseline")
    for why, n in frame.loc[~alone, "missing"].value_counts().items():
        note(f"{n:,} of {len(frame):,} rows have no gain: {why}.")
