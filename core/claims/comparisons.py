"""Tests that compare models: BERT, RoBERTa and XLNet after the same intermediate, on the same targets and seeds.

The unit is the target: what a model scores in English (the claims' domain adaptation) and in the other languages
(cross-lingual prediction) hangs together, so a target has one figure, the mean of the two. XLM-RoBERTa counts as
RoBERTa, multilingual BERT as BERT.
"""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd

from core.claims.contrasts import whole_tasks
from core.claims.facts import COMPARISON, Facts, best_of
from core.claims.records import Finding
from core.errors import DataError
from core.measures.inference.contrasts import exact_share
from core.measures.inference.intervals import t_interval

FAMILIES = {"bert": "bert", "roberta": "roberta", "xlm-roberta": "roberta", "xlnet": "xlnet"}
"""Family of a model by its architecture."""
NAMES = ("bert", "roberta", "xlnet")
ALIKE = 0.02
"""Scores within two points count as alike."""


def leaders(facts: Facts) -> Finding:
    """Share of targets that BERT or RoBERTa lead; each must lead one."""

    def one(table: pd.DataFrame) -> Finding:
        first = table.idxmax(axis=1)
        found = exact_share(int((first != "xlnet").sum()), n=len(first))
        both = {"bert", "roberta"} <= set(first)
        note = ", ".join(f"{name} leads {int((first == name).sum())}" for name in NAMES)
        return Finding(found, "targets", note=note, holds=both)

    return _compare(facts, one)


def roberta_margin(facts: Facts) -> Finding:
    """RoBERTa less the better of the others, on sentiment and similarity targets."""
    return _compare(facts, lambda table: _margin(table, "roberta"), keep=_is_sentiment_or_similarity)


def bert_margin(facts: Facts) -> Finding:
    """BERT less the better of the others, on text classification targets other than sentiment."""
    return _compare(facts, lambda table: _margin(table, "bert"), keep=_is_classification)


def xlnet_worst(facts: Facts) -> Finding:
    """Share of targets on which XLNet comes last."""

    def one(table: pd.DataFrame) -> Finding:
        last = table.idxmin(axis=1)
        return Finding(exact_share(int((last == "xlnet").sum()), n=len(last)), "targets")

    return _compare(facts, one)


def alike_and_ahead(facts: Facts) -> Finding:
    """The worse of BERT and RoBERTa less XLNet; the two must be alike within `ALIKE`."""

    def one(table: pd.DataFrame) -> Finding:
        ahead = t_interval(table[["bert", "roberta"]].min(axis=1) - table["xlnet"])
        apart = t_interval(table["bert"] - table["roberta"])
        note = f"BERT less RoBERTa {100 * apart.low:+.1f} to {100 * apart.high:+.1f} points"
        return Finding(ahead, "targets", note=note, holds=apart.low >= -ALIKE and apart.high <= ALIKE)

    return _compare(facts, one)


def _margin(table: pd.DataFrame, name: str) -> Finding:
    others = table.drop(columns=name).max(axis=1)
    return Finding(t_interval(table[name] - others), "targets", note=f"targets: {', '.join(map(str, table.index))}")


def _is_sentiment_or_similarity(rows: pd.DataFrame) -> pd.Series[bool]:
    return rows["target"].str.contains("sentiment") | (rows["target_type"] == "regression")


def _is_classification(rows: pd.DataFrame) -> pd.Series[bool]:
    kinds = rows["target_type"].isin(["classification", "multilabel"])
    return kinds & ~rows["target"].str.contains("sentiment")


def _compare(
    facts: Facts,
    test: Callable[[pd.DataFrame], Finding],
    *,
    keep: Callable[[pd.DataFrame], pd.Series[bool]] | None = None,
) -> Finding:
    def kept(rows: pd.DataFrame) -> pd.DataFrame:
        rows = whole_tasks(rows[rows["intermediate"] != "none"])
        rows = rows.assign(family=rows["architecture"].map(FAMILIES))
        rows = rows[rows["family"].notna()]
        return rows if keep is None else rows[keep(rows)]

    def one(part: pd.DataFrame) -> Finding:
        return test(_units(part))

    return best_of(
        kept(facts.pairs), by=COMPARISON, test=one, absent="no run of BERT, RoBERTa or XLNet with an intermediate",
        left_out=kept(facts.left_out),
    )  # fmt: skip


def _units(part: pd.DataFrame) -> pd.DataFrame:
    """Targets x families: mean score over the (intermediate, seed) pairs that all three have, then over both parts."""
    missing = sorted(set(NAMES) - set(part["family"]))
    if missing:
        raise DataError(f"no runs of {', '.join(missing)} in the same setting; all of {', '.join(NAMES)} are needed")
    keys = ["target", "intermediate", "seed"]
    scores = {"en": "score_en", "other languages": "score"}
    long = pd.concat([part.assign(part=name, value=part[column]) for name, column in scores.items()])
    wide = long.pivot_table(index=["part", *keys], columns="family", values="value", aggfunc="mean").dropna()
    table = wide.groupby(["target", "part"]).mean().groupby("target").mean()[list(NAMES)]
    if len(table) < 2:
        raise DataError(f"{len(table)} targets with all three families; two or more are needed")
    return table
