"""Domain and difficulty that were set, against what is measured: `python -m tools.knobs`.

Runs the two profiles `knobs-*.profile.yaml` of `data/gallery/studies` (what is there is not measured again) and prints
two tables: every measure of difficulty over 3 domains × 3 difficulties, and for every measure of similarity how often
the nearest of three texts of another task is the one of the same domain. A step of the knob is measured the other way
round only where the two intervals are apart. Exits with 1 where a measure that the rest of the program takes by default
misses the order over the mean of the domains, or has a step the other way round.
"""

from __future__ import annotations

import sys
from typing import NamedTuple, get_args

import pandas as pd

from core.actions.launch import launch_profiles
from core.cli.progress import follow
from core.measures.difficulty.table import DIFFICULTIES
from core.measures.similarity.table import SIMILARITIES
from core.paths import AtlasPaths
from core.queries.similarity import measured
from core.sample.spec import Difficulty
from core.spec.profile import ProfileSpec
from core.store.reading import open_for_reading
from core.studies import ProfileRequest, build_profile, read_request

OWN, OTHER = "sst2", "mnli"
HEADLINE = ("v_information", "centroid_cosine")
"""The measures that the rest of the program takes unless asked for another."""


class Verdict(NamedTuple):
    """What became of one measure."""

    measure: str
    """Its name."""
    recovered: int
    """How often the order that was set was measured."""
    asked: int
    """How often it could have been."""
    is_kept: bool
    """Whether the order holds over all domains together, and nowhere the other way round."""


def main() -> None:
    """Measure, print both tables, and say whether the knobs are recovered."""
    paths = AtlasPaths.from_environment()
    folder = paths.gallery / "studies"
    difficulty, domain = (
        build_profile(read_request(folder / f"knobs-{kind}.profile.yaml", kind=ProfileRequest), paths=paths)
        for kind in ("difficulty", "domain")
    )
    launch_profiles([difficulty, domain], paths=paths, study="knobs")
    if follow([difficulty, domain], paths=paths):
        raise SystemExit("A profile failed; python -m core profile --list says why.")
    found = [_figures(spec, paths=paths) for spec in (difficulty, domain)]
    lines, by_difficulty = difficulty_table(found[0])
    more, by_domain = domain_table(found[1])
    sys.stdout.write("\n".join([*lines, "", *more]) + "\n")
    verdicts = {v.measure: v for v in (*by_difficulty, *by_domain)}
    missed = [name for name in HEADLINE if not verdicts[name].is_kept]
    if missed:
        raise SystemExit(f"Not recovered: {', '.join(missed)}.")


def _figures(spec: ProfileSpec, *, paths: AtlasPaths) -> pd.DataFrame:
    with open_for_reading(paths) as store, store.cursor() as cur:
        return measured(cur, spec.profile_id)


def difficulty_table(figures: pd.DataFrame) -> tuple[list[str], list[Verdict]]:
    """A row per measure and domain with its values from easy to hard, and how often they are in the order that was set.

    Args:
        figures: `intermediate` such as `sst2@food,easy`, `measure`, `value`, `ci_low`, `ci_high`.
    """
    slices = figures["intermediate"].str.extract(r"@(?P<domain>\w+),(?P<level>\w+)$")
    frame = pd.concat([figures, slices], axis=1).dropna(subset=["domain"])
    lines = ["| measure | domain | easy | medium | hard | in order |", "|---|---|---|---|---|---|"]
    verdicts = []
    for name, rows in frame.groupby("measure", sort=False):
        measure = str(name)
        said = []
        for domain, part in rows.groupby("domain", sort=False):
            levels = part.set_index("level").loc[list(get_args(Difficulty))]
            said.append(_order(levels, sign=_sign(measure)))
            cells = (f"{r.value:.3f} [{r.ci_low:.3f}, {r.ci_high:.3f}]" for r in levels.itertuples())
            lines.append(f"| {measure} | {domain} | {' | '.join(cells)} | {said[-1]} |")
        means = rows.groupby("level")["value"].mean()[list(get_args(Difficulty))]
        is_kept = bool((means.diff().dropna() * _sign(measure) > 0).all()) and "no" not in said
        lines.append(f"| {measure} | mean | {' | '.join(f'{v:.3f}' for v in means)} | {'yes' if is_kept else 'no'} |")
        verdicts.append(Verdict(measure, said.count("yes"), len(said), is_kept))
    return lines, verdicts


def _order(levels: pd.DataFrame, *, sign: int) -> str:
    """yes; not told apart (a step the other way round inside the intervals); no (beyond them)."""
    steps = levels["value"].diff().dropna() * sign
    if (steps > 0).all():
        return "yes"
    before, after = levels.iloc[:-1], levels.iloc[1:]
    apart = (after["ci_low"].to_numpy() > before["ci_high"].to_numpy()) | (
        after["ci_high"].to_numpy() < before["ci_low"].to_numpy()
    )
    return "no" if bool(((steps.to_numpy() < 0) & apart).any()) else "not told apart"


def _sign(measure: str) -> int:
    return DIFFICULTIES[measure].direction


def domain_table(figures: pd.DataFrame) -> tuple[list[str], list[Verdict]]:
    """A row per measure: how often the nearest of the other task's three texts has the same domain.

    Args:
        figures: `a`, `b`, `measure`, `centred`, `value`, one row per pair of points.
    """
    plain = figures[~figures["centred"].astype(bool)]
    ends = [_end(plain, side) for side in ("a", "b")]
    crossed = pd.concat(
        [plain[["measure", "value"]], *(end.add_prefix(side) for side, end in zip("ab", ends, strict=True))], axis=1
    )
    one = crossed[(crossed["atask"] == OWN) & (crossed["btask"] == OTHER)]
    two = crossed[(crossed["atask"] == OTHER) & (crossed["btask"] == OWN)]
    swapped = two.rename(columns={c: ("b" if c[0] == "a" else "a") + c[1:] for c in two.columns if c[0] in "ab"})
    pairs = pd.concat([one, swapped])
    lines = ["| measure | same domain, mean | other domains, mean | nearest is the own domain |", "|---|--:|--:|--:|"]
    verdicts = []
    for name, measure in SIMILARITIES.items():
        rows = pairs[pairs["measure"] == name]
        if rows.empty:
            continue
        same = rows["adomain"] == rows["bdomain"]
        nearest = rows.loc[
            rows.groupby(["adomain", "alevel"])["value"].agg("idxmax" if measure.direction > 0 else "idxmin")
        ]
        hits = int((nearest["adomain"] == nearest["bdomain"]).sum())
        verdict = Verdict(name, hits, len(nearest), is_kept=hits == len(nearest))
        means = (f"{rows.loc[part, 'value'].mean():.3f}" for part in (same, ~same))
        lines.append(f"| {name} | {' | '.join(means)} | {verdict.recovered} of {verdict.asked} |")
        verdicts.append(verdict)
    return lines, verdicts


def _end(figures: pd.DataFrame, side: str) -> pd.DataFrame:
    return figures[side].str.extract(r"^(?P<task>\w+)@(?P<domain>\w+),(?P<level>\w+)$")


if __name__ == "__main__":
    main()
