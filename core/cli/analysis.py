"""Commands that answer: analyse, contrasts, predict, claims, next, sql. `core.cli.main` registers them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated

import typer

from core.actions.command import caution_of
from core.actions.words import cost
from core.cli.console import note, records, show
from core.cli.options import AsJson, Mirror, answering, filtered
from core.cli.sql import sql
from core.errors import DataError, UnknownName
from core.paths import AtlasPaths
from core.queries.evidence import AnalysisOptions, Evidence
from core.queries.filters import Filter
from core.store.reading import open_for_reading
from core.tasks import load_tasks

if TYPE_CHECKING:
    import pandas as pd

    from core.actions.answer import FullAnswer


def register(app: typer.Typer) -> None:
    """Add the commands to the program.

    Args:
        app: The program's.
    """
    for name, function in (
        ("analyse", analyse_),
        ("contrasts", contrasts),
        ("predict", predict),
        ("claims", claims),
        ("next", next_),
        ("sql", sql),
    ):
        app.command(name)(function)


@answering
def analyse_(
    options: AnalysisOptions,
    by: Annotated[str | None, typer.Option(help="Also fit the model within each target, family or script.")] = None,
    cells: Annotated[bool, typer.Option("--cells", help="Also test every cell on its test examples.")] = False,
    every_measure: Annotated[
        bool, typer.Option("--every-measure", help="Also print the model with every measure.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Say what contrasts inside data sets show, how much difficulty and similarity explain, and what is missing."""
    # scipy's fitting takes half a second to load, which other commands need not wait for.
    from core.actions.answer import answer_for, no_gain  # noqa: PLC0415
    from core.actions.proposals import gaps  # noqa: PLC0415
    from core.analysis.cell_tests import cell_tests  # noqa: PLC0415
    from core.analysis.model import by_group  # noqa: PLC0415

    if by is not None:
        _check_grouping(by)
    paths = AtlasPaths.from_environment()
    with open_for_reading(paths) as store, store.cursor() as cur:
        full = answer_for(cur, options, paths=paths)
        if full.evidence is None:
            raise DataError(no_gain())
        found = _said(full.evidence)
        extra = [by_group(found, kind=by)] if by else []
        if cells:
            extra.append(cell_tests(cur, found.frame[found.frame["gain"].notna()]).assign(kind="cell"))
        extra += [full.every] if every_measure and full.every is not None else []
        missing = gaps(cur, found, paths=paths)
    _caution(missing["remedy"])
    if as_json:
        _show_flat(full, missing=missing, extra=extra)
        return
    if full.contrasts is not None:
        _show_contrasts(full.contrasts, full.answer.within)
        typer.echo("\nAcross tasks, which differ in more than difficulty and similarity (a correlation):\n")
    for text in (full.answer.headline, *full.answer.details):
        typer.echo(f"{text}\n")
    main = ("kind", "name", "estimate", "ci_low", "ci_high", "p_value", "n", "n_unit", "unit")
    show(records(full.estimates), as_json=False, empty="No model.", columns=main)
    for frame in extra:
        whose = ("group", "difficulty_measure", "similarity_measure", "kind", "name", "intermediate", "lang")
        columns = (*whose, "gain", "estimate", "ci_low", "ci_high", "q_value")
        there = tuple(c for c in (*columns, "n", "note") if c in frame)
        show(records(frame), as_json=False, empty="No further details.", columns=there)


def _show_flat(full: FullAnswer, *, missing: pd.DataFrame, extra: list[pd.DataFrame]) -> None:
    said = full.answer
    texts = [(f"contrast {i}", text) for i, text in enumerate(said.within, 1)]
    texts += [("headline", said.headline), *((f"detail {i}", text) for i, text in enumerate(said.details, 1))]
    flat = [{"kind": "answer", "name": name, "label": text, "note": said.weight} for name, text in texts]
    rows = [] if full.contrasts is None else records(full.contrasts)
    flat += [{"kind": "contrast", "name": row["contrast"]} | row for row in rows]
    flat += [*records(full.estimates), *({"kind": "missing"} | row for row in records(missing))]
    show([*flat, *(row for frame in extra for row in records(frame))], as_json=True, empty="")


@answering
def contrasts(
    options: AnalysisOptions,
    by: Annotated[str, typer.Option(help="Also within each target, family or script.")] = "target",
    as_json: AsJson = False,
) -> None:
    """Compare thirds of one data set, and tasks with their placebos: what difficulty and similarity change alone."""
    from core.actions.answer import evidence_for  # noqa: PLC0415  # loads scipy
    from core.analysis.contrasts.sentences import in_words  # noqa: PLC0415
    from core.analysis.contrasts.table import contrast_rows  # noqa: PLC0415

    _check_grouping(by)
    with open_for_reading(AtlasPaths.from_environment()) as store, store.cursor() as cur:
        rows = contrast_rows(_said(evidence_for(cur, options)), by=by)
    if as_json:
        show(records(rows), as_json=True, empty="")
    else:
        _show_contrasts(rows, in_words(rows))


def _show_contrasts(rows: pd.DataFrame, said: tuple[str, ...]) -> None:
    from core.analysis.contrasts.sentences import for_people  # noqa: PLC0415  # loads scipy

    for text in said:
        typer.echo(f"{text}\n")
    numbers = ("estimate", "ci_low", "ci_high", "n", "unit", "points", "points_low", "points_high")
    columns = ("label", "group", *numbers, "targets", "langs", "seeds", "pairs", "note")
    show(records(for_people(rows)), as_json=False, empty="No contrast.", columns=columns)
    note("n: base tasks, the independent units. Intervals are not corrected for their number.")


def _check_grouping(by: str) -> None:
    if by not in {"target", "family", "script"}:
        raise UnknownName("grouping", by, known=("target", "family", "script"))


@answering
def predict(
    options: AnalysisOptions,
    explain: Annotated[
        str | None,
        typer.Option(help="Also print what each selector adds to the predictions for a target."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Say how well each selector would have chosen the intermediate, and how right those were that launches froze."""
    from core.actions.answer import evidence_for  # noqa: PLC0415  # loads scipy
    from core.actions.proposals import judged_selectors  # noqa: PLC0415
    from core.analysis.predictions import explained, selectors  # noqa: PLC0415
    from core.analysis.rankings import frozen_rankings  # noqa: PLC0415

    paths = AtlasPaths.from_environment()
    with open_for_reading(paths) as store, store.cursor() as cur:
        frozen = records(frozen_rankings(cur, options.wanted))
        judged, why = [], []
        try:
            found = _said(evidence_for(cur, options))
            judged = records(judged_selectors(cur, found, paths=paths))
            why = records(explained(selectors(cur, found), target=explain)) if explain else []
        except DataError as error:
            if not frozen:
                raise
            note(str(error))
    if as_json:
        kinds = {"held out": judged, "frozen": frozen, "explanation": why}
        show([{"kind": kind} | row for kind, rows in kinds.items() for row in rows], as_json=True, empty="")
        return
    over = ("ndcg_over_random", "ndcg_over_random_low", "ndcg_over_random_high")
    quality = ("ndcg", "ndcg_random", *over, "regret_at_1", "regret_at_1_random", "kendall_tau")
    columns = ("selector", "direction", "pairs", "targets", *quality, "ndcg_mnli", "ndcg_over_mean", "note")
    show(judged, as_json=False, empty="No selector.", columns=columns)
    _caution(row["note"] for row in judged)
    if why:
        note(f"What the combination predicts for {explain}, unseen, and what each selector adds to it:")
        show(why, as_json=False, empty="", columns=("intermediate", "predicted", "gain", "selector", "contribution"))
    if judged:
        note("Each selector is evaluated on the pairs for which it has a score, and so are random (uniform choice; for "
             "what learns: exchanged gains) and mnli (always MNLI). Limits exchange whole intermediates.")  # fmt: skip
    if frozen:
        note("Rankings frozen before the runs:")
        of = ("study", "frozen_at", "model", "target", "selector", "state", "choice", "best", "ended", "targets")
        show(frozen, as_json=False, empty="", columns=(*of, *quality, "note"))


@filtered
def claims(
    wanted: Filter,
    claim: Annotated[list[str] | None, typer.Option("--id", help="Only these claims: S1, P3 …")] = None,
    as_json: AsJson = False,
) -> None:
    """Test the published claims, each within its scope: the verdict, or what to run; generated data stand beside."""
    from core.claims.judging import judge_claims  # noqa: PLC0415  # loads scipy
    from core.claims.registry import CLAIMS  # noqa: PLC0415

    for name in claim or ():
        if name not in CLAIMS:
            raise UnknownName("claim", name, known=CLAIMS)
    with open_for_reading(AtlasPaths.from_environment()) as store, store.cursor() as cur:
        rows = judge_claims(cur, wanted, ids=tuple(claim or ()))
    columns = ("id", "verdict", "estimate", "ci_low", "ci_high", "n", "n_unit", "unit", "laboratory", "claim")
    found = records(rows)
    short = found if as_json else [row | {"claim": f"{row['claim'][:60]}…"} for row in found]
    show(short, as_json=as_json, empty="No claim.", columns=columns)
    if not as_json and any(row["needs"] for row in found):
        note("Not judged yet? `python -m core claims --json` has the command of each under 'needs'. What the column "
             "laboratory says was seen in generated data, which judge no paper.")  # fmt: skip


@answering
def next_(
    options: AnalysisOptions,
    seeds: Annotated[int, typer.Option(help="Seeds of each new pair.")] = 3,
    limit: Annotated[int, typer.Option(help="Maximum number of proposals.")] = 10,
    mirror: Mirror = None,
    as_json: AsJson = False,
) -> None:
    """Say what would settle each open sentence, what it costs, and which missing pairs narrow the answer most."""
    from core.actions.answer import evidence_for  # noqa: PLC0415  # loads scipy
    from core.actions.proposals import proposals, would_settle  # noqa: PLC0415
    from core.analysis.model import analyse  # noqa: PLC0415
    from core.analysis.next_cells import NO_PAIR, Plan  # noqa: PLC0415

    paths = AtlasPaths.from_environment()
    plan = Plan(load_tasks(paths), seeds=seeds, limit=limit)
    with open_for_reading(paths) as store, store.cursor() as cur:
        found = _said(evidence_for(cur, options))
        model = analyse(found)
        open_ = would_settle(cur, found, model, plan=plan, paths=paths, mirror=mirror)
        rows = proposals(cur, found, model, plan=plan, paths=paths, mirror=mirror)
    if as_json:
        settle = records(open_.drop(columns="request").assign(command=open_["command"].mask(open_["command"] == "")))
        show([*({"kind": "settle"} | row for row in settle), *records(rows)], as_json=True, empty="")
        return
    for row in open_.to_dict("records"):
        typer.echo(f"{row['said']} {cost(row['runs'], row['seconds_low'], row['seconds_high'])}".rstrip())
        typer.echo(f"  {row['command']}\n" if row["command"] else "")
    columns = ("kind", "intermediate", "target", "runs", "difficulty_narrower", "similarity_narrower", "command")
    show(
        records(rows),
        as_json=as_json,
        empty=NO_PAIR,
        columns=columns,
    )
    _caution([*open_["command"], *rows["command"]], ending=" Or give it here: python -m core next --mirror FOLDER")


def _caution(texts: Iterable[object], *, ending: str = "") -> None:
    """A note of what must be done to printed commands before they can start, if anything must."""
    if caution := caution_of(*map(str, texts)):
        note(f"{caution}{ending}")


def _said(found: Evidence) -> Evidence:
    """The same, with a note of what was pooled.

    Raises:
        DataError: No row is left.
    """
    if found.frame.empty:
        raise DataError(
            "No row is left: no score matches the languages, families or scripts requested. Remove some filters."
        )
    note(f"{found.pooled.label}: {found.units.intermediates} intermediates.")
    if found.left_out:
        note(f"{found.left_out} --with-excluded counts them.")
    return found
