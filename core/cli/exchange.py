"""The commands that carry results between homes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Annotated

import typer

from core.cli.console import note, show
from core.cli.options import AsJson
from core.paths import AtlasPaths
from core.store.exchange.address import address_of
from core.store.exchange.folders import Moved, Outcome
from core.store.exchange.folders import pull as take
from core.store.exchange.folders import push as send
from core.store.exchange.imports import import_results
from core.variables import refuse_read_only

Address = Annotated[
    str,
    typer.Argument(
        help="A folder, or any address of fsspec: s3://bucket/atlas, sftp://host/folder (with its package)."
    ),
]
Only = Annotated[list[str] | None, typer.Option("--id", help="Ids of runs or profiles; all if none is given.")]


def register(app: typer.Typer) -> None:
    """Add the commands.

    Args:
        app: The command line.
    """
    app.command()(push)
    app.command()(pull)
    app.command("import")(import_)


def push(
    address: Address,
    ids: Only = None,
    replace: Annotated[
        bool, typer.Option("--replace", help="Put results of this home in place of others of the same job there.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Copy finished runs and profiles to an address that another home can reach; weights stay here."""
    found = send(AtlasPaths.from_environment(), address_of(address), only=ids or (), replace=replace)
    _told(found, done="pushed", as_json=as_json)


def pull(
    address: Address,
    ids: Only = None,
    replace: Annotated[
        bool, typer.Option("--replace", help="Put results that lie there in place of this home's of the same job.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Copy what others pushed to an address into this home; what is here already stays as it is."""
    refuse_read_only()
    found = take(AtlasPaths.from_environment(), address_of(address), only=ids or (), replace=replace)
    _told(found, done="pulled", as_json=as_json)


def import_(
    source: Annotated[
        str, typer.Argument(help="A gallery's folder (with runs.parquet), or an address that was pushed to.")
    ],
    name: Annotated[str, typer.Option(help="Of the collection; one of that name is replaced.")],
    as_json: AsJson = False,
) -> None:
    """Take results of others as a collection of their own, which no average mixes with yours."""
    refuse_read_only()
    found = import_results(AtlasPaths.from_environment(), source, name=name)
    row = {"collection": found.name, "runs": found.runs, "profiles": found.profiles, "left_out": len(found.left_out)}
    show([row], as_json=as_json, empty="")
    for line in found.left_out:
        note(f"Left out: {line}")
    note(f"Compare with: python -m core gains --collection {name}")


def _told(found: Iterable[Moved], *, done: str, as_json: bool) -> None:
    rows = [{"id": each.name, "outcome": each.outcome.value, "message": each.message} for each in found]
    shown = rows if as_json else [row for row in rows if row["outcome"] != Outcome.THERE]
    show(shown, as_json=as_json, empty="Nothing new.")
    counts = Counter(row["outcome"] for row in rows)
    words = {Outcome.COPIED: done}
    told = [f"{counts[each]} {words.get(each, each.value)}" for each in Outcome if counts[each]]
    note(f"{'; '.join(told)}." if told else "Nothing there.")
    if counts[Outcome.DIFFERS]:
        note("What differs was measured in both places; --replace takes the other results.")
    if counts[Outcome.DAMAGED] or counts[Outcome.BROKEN]:
        raise typer.Exit(1)
