"""`python -m core profile`: how alike texts are, how hard tasks are, what a stage did, what selectors say."""

from __future__ import annotations

import sys
from typing import Annotated, Any

import typer

from core.actions.launch import Where, launch_profiles
from core.actions.queue import list_profiles, wake
from core.cli.console import note, records, show
from core.cli.options import Again, AsJson, launching
from core.cli.progress import follow
from core.errors import UnknownName
from core.measures.similarity.table import SIMILARITIES
from core.models.default import DEFAULT_MODEL, default_model
from core.paths import AtlasPaths
from core.queries.similarity import measured
from core.spec.profile import DEFAULT_TEXTS, ProfileKind, ProfileSpec
from core.spec.run import DataSourceKind
from core.store.reading import open_for_reading
from core.studies import ProfileRequest, build_profile, requested

_SHOWN = "centroid_cosine"
_MODEL = f"Sentence encoder, or model to train: name, hub id or folder; default: {DEFAULT_MODEL}."


@launching
def profile(  # noqa: PLR0913  # one parameter per option
    *,
    kind: Annotated[ProfileKind, typer.Option(help="What to measure.")] = ProfileKind.DOMAIN,
    intermediate: Annotated[list[str] | None, typer.Option(help="mnli, mnli@food,hard …; default: all.")] = None,
    target: Annotated[list[str] | None, typer.Option(help="Targets; default: all.")] = None,
    lang: Annotated[list[str] | None, typer.Option(help="Only test texts in these languages.")] = None,
    model: Annotated[str | None, typer.Option(help=_MODEL)] = None,
    data_source: Annotated[DataSourceKind, typer.Option(help="Where the data come from.")] = DataSourceKind.SAMPLE,
    mirror: Annotated[str | None, typer.Option(help="Folder in the hub's layout.")] = None,
    n: Annotated[int, typer.Option(help="Maximum number of texts per sample, or of examples scored.")] = DEFAULT_TEXTS,
    seeds: Annotated[list[int] | None, typer.Option("--seeds", "--seed", help="Seeds; each makes one profile.")] = None,
    protocol: Annotated[
        str | None, typer.Option(help="Protocol (hyper-parameters) for what is trained; default: quick.")
    ] = None,
    measure: Annotated[str | None, typer.Option(help="Only this measure.")] = None,
    wait: Annotated[bool, typer.Option(help="Wait until the profiles end and print the measures.")] = True,
    listing: Annotated[bool, typer.Option("--list", help="List the profiles instead.")] = False,
    where: Where,
    again: Again = False,
    as_json: AsJson = False,
) -> None:
    """Measure texts, tasks, encoders or selectors, and print a line per figure; what is there is not measured again."""
    paths = AtlasPaths.from_environment()
    if listing:
        _list(paths, as_json=as_json)
        return
    if kind is ProfileKind.DOMAIN and measure is not None and measure not in SIMILARITIES:
        raise UnknownName("measure", measure, known=SIMILARITIES)
    default = default_model()
    if model is None and default.why:
        note(default.why)
    request = requested(
        ProfileRequest,
        kind=kind,
        model=model or default.name,
        intermediates=tuple(intermediate or ()),
        targets=tuple(target or ()),
        languages=tuple(lang or ()),
        n=n,
        protocol=protocol,
        data_source=DataSourceKind.MIRROR if mirror else data_source,
        mirror=mirror,
    )
    wanted = [requested(ProfileRequest, **dict(request) | {"seed": seed}) for seed in dict.fromkeys(seeds or (1,))]
    specs = [build_profile(each, paths=paths) for each in wanted]
    launched = launch_profiles(specs, paths=paths, where=where, again=again)
    if launched.outdated:
        note(launched.outdated)
    if not wait:
        rows = [{"profile_id": s.run_id, "state": str(s.state), "message": s.message} for s in launched.jobs]
        show(rows, as_json=as_json, empty="Nothing to start.")
        return
    failed = follow(specs, paths=paths)
    _show(specs, paths=paths, measure=measure, as_json=as_json)
    if failed:
        sys.exit(1)


def _list(paths: AtlasPaths, *, as_json: bool) -> None:
    wake(paths)
    rows: list[dict[str, Any]] = [
        {
            "profile_id": status.run_id,
            "state": str(status.state),
            "kind": status.kind,
            "model": status.model,
            "data_source": status.data_source,
            "seed": status.seed,
            "protocol": status.protocol,
            "intermediates": status.intermediate,
            "targets": status.target,
            "message": status.message,
        }
        for status in list_profiles(paths)
    ]
    columns = ("profile_id", "state", "kind", "model", "data_source", "seed", "protocol", "message")
    show(rows, as_json=as_json, empty="No profiles yet. Measure one: python -m core profile", columns=columns)


def _show(specs: list[ProfileSpec], *, paths: AtlasPaths, measure: str | None, as_json: bool) -> None:
    rows: list[dict[str, Any]] = []
    with open_for_reading(paths) as store, store.cursor() as cur:
        for spec in specs:
            rows += records(measured(cur, spec.profile_id))
    is_long = specs[0].kind is ProfileKind.DOMAIN and not as_json
    only = measure or (_SHOWN if is_long else None)
    if only and only != measure:
        note(f"{len(rows)} numbers; shown: {only}. All: --json. Another: --measure with {', '.join(SIMILARITIES)}.")
    kept = [row for row in rows if only is None or row.get("measure", row.get("selector")) == only]
    columns = [name for name in (kept[0] if kept else {}) if name != "profile_id"]
    show(kept, as_json=as_json, empty="Nothing was measured.", columns=columns)
