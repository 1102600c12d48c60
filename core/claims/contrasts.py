"""Tests that contrast gains of some intermediates or targets with others.

Whole tasks alone are evidence on a paper's tasks: placebos, slices and thirds are left to the analysis. Targets that
are never trained (retrieval) have tests of their own and enter no mean over unlike targets.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd

from core.analysis.model import prepare
from core.claims.facts import SETTING, Facts, best_of
from core.claims.records import Finding
from core.errors import DataError
from core.measures.inference.averages import AverageGain, average_gain, spread_seen
from core.measures.inference.contrasts import exact_share, mean_correlation, welch_interval
from core.measures.inference.intervals import t_interval
from core.measures.inference.mixed import fit_mixed
from core.queries.covariates import base_tasks

REASONING = frozenset(
    {"mnli", "snli", "anli", "anli_plus", "rte", "cosmosqa", "hellaswag", "swag", "commonsenseqa", "socialiqa", "piqa"}
)
"""Tasks that need inference or reasoning: language inference and multiple-choice commonsense; our assignment."""
BEST_OF_PHANG = ("mnli", "squad", "hellaswag")
QA, TAGGING, RETRIEVAL = ("xquad", "mlqa", "tydiqa"), ("udpos", "panx"), ("bucc2018", "tatoeba")
NO_GAIN = "no gain with an intermediate"

Rows = Callable[[pd.DataFrame], pd.DataFrame]
Test = Callable[[pd.DataFrame], Finding]


def gain_on(*targets: str) -> Callable[[Facts], Finding]:
    """Test of the mean gain on some targets, intermediates being the units.

    Args:
        targets: Their names.
    """

    def kept(rows: pd.DataFrame) -> pd.DataFrame:
        whole = whole_tasks(rows)
        return whole[whole["target"].isin(targets)]

    def test(facts: Facts) -> Finding:
        return over_settings(facts, _mean_gain, rows=kept, absent=f"no gain on {', '.join(targets)}")

    return test


def named_best(facts: Facts) -> Finding:
    """Mean gain of MNLI, SQuAD and HellaSwag less that of all others, targets being the units."""

    def one(part: pd.DataFrame) -> Finding:
        table = gain_table(part)
        named = [name for name in BEST_OF_PHANG if name in table]
        others = table.drop(columns=named)
        if len(named) < len(BEST_OF_PHANG) or others.shape[1] < 2:
            raise DataError(f"found {', '.join(table.columns)}; expected {', '.join(BEST_OF_PHANG)} and two others")
        difference = (table[named].mean(axis=1) - others.mean(axis=1)).dropna()
        return Finding(t_interval(difference), "targets", note=f"against {', '.join(others.columns)}")

    return over_settings(facts, one, rows=trained_targets)


def multi_task(facts: Facts) -> Finding:
    """Gain of a multi-task intermediate less that of its best single task, targets being the units.

    It is less than each of the differences to a single task, so their lower limits bound it as they are, and their
    upper ones at the level that Bonferroni's inequality gives: no task is chosen by the gains it is judged with.
    """

    def one(part: pd.DataFrame) -> Finding:
        table = gain_table(part)
        mixtures = [(name, name.split("+")) for name in map(str, table.columns) if "+" in name]
        pairs = [(name, task) for name, tasks in mixtures for task in tasks if task in table]
        if not pairs:
            raise DataError("no multi-task intermediate beside one of its own tasks")
        values = [(table[name] - table[task]).dropna() for name, task in pairs]
        plain = [t_interval(each) for each in values]
        strict = [t_interval(each, level=1 - (1 - _LEVEL) / len(pairs)) for each in values]
        least = min(plain, key=lambda interval: interval.estimate)
        low, high = min(interval.low for interval in plain), min(interval.high for interval in strict)
        method = f"the least of {len(pairs)} differences, t and Bonferroni" if len(pairs) > 1 else least.method
        found = least._replace(low=low, high=high, method=method)
        return Finding(found, "targets", note=f"against {', '.join(dict.fromkeys(task for _, task in pairs))}")

    return over_settings(facts, one, rows=trained_targets, absent="no gain of a multi-task intermediate")


_LEVEL = 0.95


def reasoning(facts: Facts) -> Finding:
    """Mean gain of reasoning intermediates less that of all others, intermediates being the units."""
    return over_settings(facts, _reasoning, rows=_single_tasks)


def reasoning_of_a_benefit(facts: Facts) -> Finding:
    """The same, where some benefit is seen: without one, an absent difference says nothing of its cause."""

    def one(part: pd.DataFrame) -> Finding:
        found = _reasoning(part)
        inferring = part["intermediate"].isin(REASONING)
        groups = [_average(part[mask]) for mask in (inferring, ~inferring)]
        if all(group.interval.low <= 0 for group in groups):
            shown = ", ".join(f"{100 * g.interval.estimate:+.1f} (from {100 * g.interval.low:+.1f})" for g in groups)
            raise DataError(
                f"no benefit is seen whose cause could be compared: mean gains in points, reasoning and others, {shown}"
            )
        return found

    return over_settings(facts, one, rows=_single_tasks)


def mostly_worse(facts: Facts) -> Finding:
    """Share of targets whose mean gain over intermediates is negative."""

    def one(part: pd.DataFrame) -> Finding:
        means = gain_table(part).mean(axis=1)
        return Finding(exact_share(int((means < 0).sum()), n=len(means)), "targets")

    return over_settings(facts, one, rows=whole_tasks)


def similarity_predicts(facts: Facts) -> Finding:
    """Effect of one standard deviation of similarity in the crossed model."""
    found = facts.evidence
    if found is None:
        return Finding(None, note=NO_GAIN)
    rows = facts.gains[facts.gains["run_id"].isin(found.frame["run_id"])]
    where = Finding(None, tested_on=found.pooled.label, left_out=found.left_out.rstrip("."), rows=rows)
    try:
        prepared = prepare(found)
        fit = fit_mixed(prepared.cells, components=prepared.components)
    except DataError as error:
        return where._replace(note=str(error))
    term = next((c for c in fit.coefficients if c.name == "similarity"), None)
    if term is None:
        return where._replace(note=f"similarity is not in the model: {prepared.dropped.get('similarity')}")
    note = f"{found.origins['similarity']}; scarcity of data is not varied here"
    return where._replace(interval=term.interval, n_unit="intermediates", note=note)


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

    return best_of(
        rows, by=SETTING, test=one, absent="no run with an English development score and another language",
        left_out=facts.left_out,
    )  # fmt: skip


def legal_domain(facts: Facts) -> Finding:
    """Gain in French and German after masked-language modelling on the target's own text, seeds being the units."""
    there = facts.frame("""
        SELECT run_id, avg(gain) AS gain FROM counted_gains
        WHERE target = 'multi_eurlex' AND intermediate = 'multi_eurlex~mlm' AND lang IN ('fr', 'de') AND is_headline
        GROUP BY run_id ORDER BY run_id
    """)
    rows = facts.pairs.drop(columns="gain").merge(there, on="run_id")
    out = facts.left_out
    return best_of(
        rows, by=SETTING, test=lambda part: Finding(t_interval(part["gain"]), "seeds"),
        absent="no gain of multi_eurlex~mlm on multi_eurlex in French or German",
        left_out=out[(out["target"] == "multi_eurlex") & (out["intermediate"] == "multi_eurlex~mlm")],
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


def over_settings(facts: Facts, test: Test, *, rows: Rows, absent: str = NO_GAIN) -> Finding:
    """A test of gains, on the setting with most units.

    Args:
        facts: The store.
        test: From the gains of one setting to a finding.
        rows: Keeps those that the test reads.
        absent: What to say where there is none.
    """
    return best_of(rows(facts.gains), by=SETTING, test=test, absent=absent, left_out=rows(facts.left_out))


def whole_tasks(rows: pd.DataFrame) -> pd.DataFrame:
    """Without placebos, slices and thirds.

    Args:
        rows: With intermediate.
    """
    return rows[rows["intermediate"].map(base_tasks) == rows["intermediate"]]


def trained_targets(rows: pd.DataFrame) -> pd.DataFrame:
    """Of them, those whose target is trained: what retrieval gains is of another size and has a test of its own.

    Args:
        rows: With intermediate and target_type.
    """
    kept = whole_tasks(rows)
    return kept[kept["target_type"] != "retrieval"]


def gain_table(part: pd.DataFrame) -> pd.DataFrame:
    """Mean gain over seeds, targets x intermediates; missing pairs stay missing.

    Args:
        part: Rows of one setting.
    """
    return part.pivot_table(index="target", columns="intermediate", values="gain", aggfunc="mean")


def _reasoning(part: pd.DataFrame) -> Finding:
    table = gain_table(part)
    effect = (table.sub(table.mean(axis=1), axis=0)).mean()
    inferring = effect.index.isin(REASONING)
    if min(inferring.sum(), (~inferring).sum()) < 2:
        raise DataError(f"{inferring.sum()} reasoning intermediates and {(~inferring).sum()} others; 2 of each needed")
    contrast = welch_interval(effect[inferring], other=effect[~inferring])
    return Finding(contrast, "intermediates", note=f"reasoning: {', '.join(effect.index[inferring])} (our assignment)")


def _single_tasks(rows: pd.DataFrame) -> pd.DataFrame:
    kept = trained_targets(rows)
    return kept[~kept["intermediate"].str.contains("+", regex=False)]


def _mean_gain(part: pd.DataFrame) -> Finding:
    found = _average(part)
    note = f"on {', '.join(sorted(part['target'].unique()))}; {spread_seen(found)}"
    return Finding(found.interval, "intermediates", note=note)


def _average(part: pd.DataFrame) -> AverageGain:
    return average_gain(part["gain"], intermediate=part["intermediate"], target=part["target"], seed=part["seed"])
