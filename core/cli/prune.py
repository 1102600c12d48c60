"""The command that frees disk."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from core.actions.words import size
from core.cli.console import note, show
from core.cli.options import AsJson
from core.jobs.prune import Prunable, Rules, prunable
from core.jobs.prune import prune as remove
from core.paths import AtlasPaths
from core.variables import refuse_read_only


def prune(
    *,
    yes: Annotated[bool, typer.Option("--yes", help="Remove; without it the command only says what it would.")] = False,
    stages: Annotated[
        bool,
        typer.Option("--stages", help="Intermediate stages that no open job needs, too."),
    ] = False,
    older_than: Annotated[
        float | None, typer.Option(min=0, help="Kept states and embeddings that nobody used for so many days, too.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Free disk: weights of target stages that no open job reads; scores, predictions, logs and specs stay."""
    if yes:
        refuse_read_only()
    paths = AtlasPaths.from_environment()
    found = prunable(paths, rules=Rules(intermediates=stages, older_than_days=older_than))
    rows = [_row(each, freed=remove(each, paths=paths) if yes else None) for each in found]
    show(rows, as_json=as_json, empty="Nothing to remove.", columns=("size", "what", "path"))
    if not found:
        return
    total = sum(row["freed_bytes"] if yes else row["bytes"] for row in rows)
    note(f"{size(total)} {'freed' if yes else 'can be freed: the same command with --yes'}.")


def _row(each: Prunable, *, freed: int | None) -> dict[str, Any]:
    row = {"what": each.what, "path": str(each.path), "bytes": each.size, "size": size(each.size)}
    return row if freed is None else row | {"freed_bytes": freed}
