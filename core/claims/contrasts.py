"""Tests that contrast gains of some intermediates or targets with others."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd

from core.analysis.model import analyse
from core.claims.facts import SETTING, Facts, best_of
from core.claims.records import Finding
from core.errors import DataError
from core.measures.inference.averages import average_gain, spread_seen
from core.measures.inference.cells import Cells
from core.measures.inference.contrasts import exact_share, mean_correlation, spread_interval, welch_interval
from core.measures.inference.intervals import t_interval
from core.measures.inference.mixed import fit_mixed
from core.measures.inference.variances import component_interval, share_interval
from core.queries.covariates import base_tasks

REASONING = frozenset(
    {"mnli", "snli", "anli", "anli_plus", "rte", "cosmosqa", "hellaswag", "swag", "commonsenseqa", "socialiqa", "piqa"}
)
"""Tasks that need inference or reasoning: language inference and multiple-choice commonsense; our assignment."""
BEST_OF_PHANG = ("mnli", "squad", "hellaswag")
QA, TAGGING, RETRIEVAL = ("xquad", "mlqa", "tydiqa"), ("udpos", "panx"), ("bucc2018", "tatoeba")


def gain_on(*targets: str) -> Callable[[Facts], Finding]:
    """Test of the mean gain on some targets, intermediates being the units.

    Args:
        targets: Their names.
    """

    def test(facts: Facts) -> Finding:
        rows = _real(facts.gains)
        rows = rows[rows["target"].isin(targets)]
        return best_of(rows, by=SETTING, test=_mean_gain, absent=f"no gain on {', '.join(targets)}")

    return test


def named_best(facts: Facts) -> Finding:
    """Mean gain of MNLI, SQuAD and HellaSwag less that of all others, targets being the units."""
    rows = _real(facts.gains)

    def one(part: pd.DataFrame) -> Finding:
        table = _table(part)
        named = [name for name in BEST_OF_PHANG if name in table]
        others = table.drop(columns=named)
        if len(named) < len(BEST_OF_PHANG) or others.shape[1] < 2:
            raise DataError(f"found {', '.join(table.columns)}; expected {', '.join(BEST_OF_PHANG)} and two others")
        difference = (table[named].mean(axis=1) - others.mean(axis=1)).dropna()
        return Finding(t_interval(difference), "targets", note=f"against {', '.join(others.columns)}")

    return best_of(rows, by=SETTING, test=one, absent="no gain with an intermediate")


def multi_task(facts: Facts) -> Finding:
    """Gain of a multi-task intermediate less that of its best single task, targets being the units."""
    rows = facts.gains[~facts.gains["intermediate"].str.contains("~", regex=False)]

    def one(part: pd.DataFrame) -> Finding:
        table = _table(part)
        differences = []
        for name in [n for n in map(str, table.columns) if "+" in base_tasks(n)]:
            singles = [n for n in base_tasks(name).split("+") if n in table]
            if singles:
                best = table[singles].mean().idxmax()
                differences.append(table[name] - table[best])
        if not differences:
            raise DataError("no multi-task intermediate beside one of its own tasks")
        mean = pd.concat(differences, axis=1).mean(axis=1).dropna()
        return Finding(t_interval(mean), "targets", note="against the component with the largest mean gain")

    return best_of(rows, by=SETTING, test=one, absent="no gain of a multi-task intermediate")


def reasoning(facts: Facts) -> Finding:
    """Mean gain of reasoning intermediates less that of all others, intermediates being the units."""
    rows = _real(facts.gains)
    rows = rows[~rows["intermediate"].str.contains("+", regex=False)]

    def one(part: pd.DataFrame) -> Finding:
        table = _table(part)
        effect = (table.sub(table.mean(axis=1), axis=0)).mean()
        inferring = effect.index.map(base_tasks).isin(REASONING)
        if min(inferring.sum(), (~inferring).sum()) < 2:
            raise DataError(
                f"{inferring.sum()} reasoning intermediates and {(~inferring).sum()} others; 2 of each needed"
            )
        contrast = welch_interval(effect[inferring], other=effect[~inferring])
        return Finding(
            contrast, "intermediates", note=f"reasoning: {', '.join(effect.index[inferring])} (our assignment)"
        )

    return best_of(rows, by=SETTING, test=one, absent="no gain with an intermediate")


def mostly_worse(facts: Facts) -> Finding:
    """Share of targets whose mean gain over intermediates is negative."""

    def one(part: pd.DataFrame) -> Finding:
        means = _table(part).mean(axis=1)
        return Finding(exact_share(int((means < 0).sum()), n=len(means)), "targets")

    return best_of(_real(facts.gains), by=SETTING, test=one, absent="no gain with an intermediate")


def severe_spread(facts: Facts) -> Finding:
    """The smaller of the spread of gains over seeds and the spread over intermediates."""

    def one(part: pd.DataFrame) -> Finding:
        groups = part.groupby(["intermediate", "target"])["gain"]
        within, seeds = part["gain"] - groups.transform("mean"), len(part) - groups.ngroups
        if seeds < 1:
            raise DataError("every pair has one seed; two or more are needed to see their spread")
        over_seeds = spread_interval(float((within**2).sum()), df=seeds)
        table = _table(part)
        between = table.sub(table.mean(axis=1), axis=0)
        over_tasks = spread_interval(float(np.nansum(between**2)), df=int(table.notna().sum().sum()) - len(table))
        smaller = min(over_seeds, over_tasks, key=lambda i: i.estimate)
        which = "seeds" if smaller is over_seeds else "intermediates"
        other = f"seeds {100 * over_seeds.estimate:.2f} points, intermediates {100 * over_tasks.estimate:.2f}"
        return Finding(smaller, f"runs; the smaller spread is that of {which}", note=f"standard deviations: {other}")

    return best_of(_real(facts.gains), by=SETTING, test=one, absent="no gain with an intermediate")


def similarity_predicts(facts: Facts) -> Finding:
    """Effect of one standard deviation of similarity in the crossed model."""
    if facts.evidence is None:
        return Finding(None, note="no gain with an intermediate")
    found = analyse(facts.evidence)
    if found.fit is None:
        return Finding(None, note=str(found.problem))
    term = next((c for c in found.fit.coefficients if c.name == "similarity"), None)
    if term is None:
        return Finding(None, note=f"similarity is not in the model: {found.prepared.dropped.get('similarity')}")
    note = f"{facts.evidence.origins['similarity']}; scarcity of data is not varied here"
    return Finding(term.interval, "intermediates", facts.evidence.pooled.label, note)


def match_is_minor(facts: Facts) -> Finding:
    """Share of intermediate x target in the variance that intermediate, target and their pairing make."""

    def one(part: pd.DataFrame) -> Finding:
        means = part.groupby(["intermediate", "target"])["gain"].agg(["mean", "size"]).reset_index()
        inter, target = means["intermediate"].nunique(), means["target"].nunique()
        seeds = len(part) - len(means)
        if inter < 4 or target < 3 or seeds < 1:
            raise DataError(f"{inter} intermediates, {target} targets, {seeds} repeated runs; needed: 4, 3 and 1")
        # One row a run, so that the pairing can be told from seeds.
        levels = {name: part[name].to_numpy(str) for name in ("intermediate", "target")}
        levels["language"] = np.zeros(len(part), dtype=str)
        cells = Cells(part["gain"].to_numpy(float), np.ones(len(part)), levels, np.empty((len(part), 0)), ())
        fit = fit_mixed(cells, components=(("intermediate",), ("target",), ("intermediate", "target")))
        below = fit.variances["residual"] * len(means) / len(part)
        part_of = component_interval(fit.variances["intermediate x target"], below=below, levels=len(means))
        rest = fit.variances["intermediate"] + fit.variances["target"]
        if part_of.estimate + rest <= 0:
            raise DataError("gains do not vary beyond seeds; there is nothing to split")
        share = share_interval(part_of, rest=rest)
        return Finding(share, "pairs", note=f"{inter} intermediates x {target} targets, {seeds} repeated runs")

    return best_of(_real(facts.gains), by=SETTING, test=one, absent="no gain with an intermediate")


def development_correlates(facts: Facts) -> Finding:
    """Correlation over runs of the English development score with the mean score of other languages, by target."""
    dev = facts.frame("""
        SELECT run_id, arg_max(d.score, d.step) AS dev FROM dev_scores d JOIN stages g USING (run_id, key)
        WHERE g.kind = 'target' GROUP BY run_id ORDER BY run_id
    """)
    rows = facts.pairs.merge(dev, on="run_id")
    rows = rows[rows["score"].notna()]

    def one(part: pd.DataFrame) -> Finding:
        found = []
        for _, runs in part.groupby("target"):
            if len(runs) >= 4 and runs["dev"].std() > 0 and runs["score"].std() > 0:
                found.append(float(np.corrcoef(runs["dev"], runs["score"])[0, 1]))
        return Finding(mean_correlation(found), "targets", note="over runs of each target: intermediates and seeds")

    return best_of(rows, by=SETTING, test=one, absent="no run with an English development score and another language")


def legal_domain(facts: Facts) -> Finding:
    """Gain in French and German after masked-language modelling on the target's own text, seeds being the units."""
    rows = facts.frame("""
        SELECT r.*, avg(g.gain) AS gain FROM counted_gains g JOIN runs r USING (run_id)
        WHERE r.target = 'multi_eurlex' AND r.intermediate = 'multi_eurlex~mlm' AND g.lang IN ('fr', 'de')
          AND g.is_headline GROUP BY ALL ORDER BY r.run_id
    """)
    return best_of(
        rows, by=SETTING, test=lambda part: Finding(t_interval(part["gain"]), "seeds"),
        absent="no gain of multi_eurlex~mlm on multi_eurlex in French or German",
    )  # fmt: skip


def multilingual_mlm(facts: Facts) -> Finding:
    """Published gains with multilingual MLM beside the intermediate less those without; units: intermediates."""
    rows = facts.frame("""
        SELECT p.intermediate AS without, avg(m.value - p.value) AS difference
        FROM published_figures p JOIN published_figures m
          ON m.table_name = p.table_name AND m.target = p.target AND m.metric = p.metric
         AND m.intermediate = p.intermediate || ' + multilingual MLM'
        WHERE p.kind = 'gain' AND m.kind = 'gain' AND p.metric <> 'avg' GROUP BY p.intermediate ORDER BY p.intermediate
    """)
    if len(rows) < 2:
        return Finding(
            None, note="no published pair with and without multilingual MLM, and the chain does not train both"
        )
    note = "the paper's own figures, not a replication: the chain does not train MLM beside the intermediate"
    return Finding(t_interval(rows["difference"]), "intermediates", "Phang et al. 2020 v1, Table 2", note)


def _mean_gain(part: pd.DataFrame) -> Finding:
    found = average_gain(part["gain"], intermediate=part["intermediate"], target=part["target"], seed=part["seed"])
    note = f"on {', '.join(sorted(part['target'].unique()))}; {spread_seen(found)}"
    return Finding(found.interval, "intermediates", note=note)


def _table(part: pd.DataFrame) -> pd.DataFrame:
    """Mean gain over seeds, targets x intermediates; missing pairs stay missing."""
    return part.pivot_table(index="target", columns="intermediate", values="gain", aggfunc="mean")


def _real(rows: pd.DataFrame) -> pd.DataFrame:
    """Without placebos."""
    return rows[~rows["intermediate"].str.contains("~", regex=False)]
