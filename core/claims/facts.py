"""The store as the claims' tests read it: pairs of intermediate and target, and what the specs of runs say."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from functools import cached_property
from typing import Any

import duckdb
import pandas as pd

from core.claims.records import Finding
from core.errors import DataError
from core.queries.evidence import AnalysisOptions, Evidence, PooledRuns, evidence
from core.queries.filters import RUN_ONLY, Filter, condition
from core.store.counted import FLOOR, reasons_in_words

SETTING = ("collection", "model", "model_fingerprint", "protocol", "protocol_digest", "data_source")
"""Columns that runs must share to be pooled."""
COMPARISON = ("collection", "protocol", "protocol_digest", "data_source")
"""Columns that runs of different models must share to be compared."""


class Facts:
    """Frames that several tests need, read once each; `only` keeps some of the runs."""

    def __init__(
        self, cur: duckdb.DuckDBPyConnection, wanted: Filter, *, options: AnalysisOptions | None = None
    ) -> None:
        """Remember what to read.

        Args:
            wanted: Rows to keep.
            options: Measures of difficulty and similarity.
        """
        self.cur, self.wanted = cur, wanted
        self.options = options or AnalysisOptions(wanted=wanted)

    @cached_property
    def runs(self) -> pd.DataFrame:
        """One row per current run: means over languages of its headline score and gain, and whether it is evidence.

        Columns: `SETTING`, model_path, architecture, most_examples (what its stages are cut to), intermediate, target,
        target_type, seed, run_id, score, score_en (NULL where English is not scored), gain, gain_en, langs, excluded
        (why the run, or every gain of it, is no evidence). Means are over languages other than English, gains without
        the languages in which the baseline is at its floor. Baselines have no gain.
        """
        kept = condition(self.wanted, table="r", without=RUN_ONLY)
        langs = condition(self.wanted, table="s", without=frozenset(set(Filter.__dataclass_fields__) - {"langs"}))
        pooled = ", ".join(f"r.{name}" for name in SETTING)
        return self.cur.execute(
            f"""
            WITH means AS (
                SELECT s.run_id,
                       avg(s.score) FILTER (s.lang <> 'en') AS score, avg(s.score) FILTER (s.lang = 'en') AS score_en,
                       avg(g.gain) FILTER (s.lang <> 'en' AND g.excluded IS NULL) AS gain,
                       avg(g.gain) FILTER (s.lang = 'en' AND g.excluded IS NULL) AS gain_en,
                       count(*) FILTER (s.lang <> 'en') AS langs,
                       coalesce(any_value(p.excluded),
                                CASE WHEN count(g.gain) > 0 AND count(g.gain) FILTER (g.excluded IS NULL) = 0
                                     THEN '{FLOOR}' END) AS excluded
                FROM current_runs r JOIN scores s ON s.run_id = r.run_id AND s.metric = r.headline_metric
                JOIN pairing p ON p.run_id = r.run_id
                LEFT JOIN current_gains g ON g.run_id = s.run_id AND g.lang = s.lang AND g.metric = s.metric
                WHERE {kept.sql} AND {langs.sql} GROUP BY s.run_id
            )  -- one row a run before its spec is read: JSON once a run and not once a language
            SELECT {pooled}, json_extract_string(r.spec, '$.model.path') AS model_path,
                   json_extract_string(r.spec, '$.model.architecture') AS architecture,
                   least(json_extract(r.spec, '$.protocol.intermediate.max_train_examples')::DOUBLE,
                         json_extract(r.spec, '$.protocol.target.max_train_examples')::DOUBLE) AS most_examples,
                   r.intermediate, r.target, r.task_type AS target_type, r.seed, r.run_id, m.* EXCLUDE (run_id)
            FROM means m JOIN runs r ON r.run_id = m.run_id ORDER BY ALL
            """,
            kept.values | langs.values,
        ).df()

    @cached_property
    def pairs(self) -> pd.DataFrame:
        """Rows of `runs` that are evidence."""
        return self.runs[self.runs["excluded"].isna() | (self.runs["excluded"] == FLOOR)]

    @cached_property
    def gains(self) -> pd.DataFrame:
        """Rows of `pairs` that have a gain."""
        return self.pairs[self.pairs["gain"].notna()]

    @cached_property
    def left_out(self) -> pd.DataFrame:
        """Rows of `runs` with an intermediate that are no evidence."""
        return self.runs[self.runs["excluded"].notna() & (self.runs["intermediate"] != "none")]

    def only(self, kept: pd.Series[bool], *, in_english: bool = False) -> Facts:
        """The same of some runs.

        Args:
            kept: Which rows of `runs`.
            in_english: Whether scores and gains are those in English, and not of the other languages.
        """
        part = Facts(self.cur, self.wanted, options=self.options)
        part.runs = self.runs[kept]
        if in_english:
            part.runs = part.runs.assign(score=part.runs["score_en"], gain=part.runs["gain_en"])
            part.options = replace(self.options, with_english=True, wanted=replace(self.options.wanted, langs=("en",)))
        return part

    @cached_property
    def evidence(self) -> Evidence | None:
        """Evidence of the setting with most intermediates; None where there is no gain."""
        counts = self.gains.groupby(list(SETTING), dropna=False, sort=True)["intermediate"].nunique().reset_index()
        if counts.empty:
            return None
        first = counts.iloc[int(counts["intermediate"].to_numpy().argmax())][list(SETTING)].to_dict()
        fingerprint = None if pd.isna(first["model_fingerprint"]) else str(first["model_fingerprint"])
        pooled = PooledRuns(**({str(k): v for k, v in first.items()} | {"model_fingerprint": fingerprint}))
        return evidence(self.cur, pooled, options=self.options)

    def specs(self, *, protocol: str) -> pd.DataFrame:
        """Current runs of a protocol and all its baselines: a run's own need not be the one that counts.

        Columns: run_id, intermediate, target, target_type, pair_key, spec (parsed).

        Args:
            protocol: Its name.
        """
        kept = condition(self.wanted, without=RUN_ONLY | {"protocol"})
        rows = self.cur.execute(
            f"""
            SELECT run_id, intermediate, target, task_type AS target_type, pair_key, spec
            FROM runs JOIN pairing USING (run_id)
            WHERE protocol = $name AND outcome = 'finished' AND (is_current OR intermediate = 'none')
              AND {kept.sql} ORDER BY run_id
            """,
            kept.values | {"name": protocol},
        ).df()
        rows["spec"] = pd.Series([json.loads(text) for text in rows["spec"]], dtype="object", index=rows.index)
        return rows

    def frame(self, sql: str, **values: Any) -> pd.DataFrame:  # noqa: ANN401  # whatever DuckDB binds
        """Rows of a statement that one test alone needs.

        Args:
            sql: With named parameters.
            values: Theirs.
        """
        return self.cur.execute(sql, values).df()


def best_of(
    rows: pd.DataFrame,
    *,
    by: tuple[str, ...],
    test: Callable[[pd.DataFrame], Finding],
    absent: str,
    left_out: pd.DataFrame,
) -> Finding:
    """The finding with most units among the sets of rows that may be pooled; why there is none otherwise.

    Args:
        rows: Of `pairs` or like it.
        by: Columns that must be equal.
        test: From the rows of one set to a finding.
        absent: What to say where there is no row at all.
        left_out: Rows that the test would have read were they evidence.
    """
    found: list[Finding] = []
    for _, part in rows.groupby(list(by), dropna=False, sort=True):
        try:
            result = test(part)
        except DataError as error:
            result = Finding(None, note=str(error))
        same = left_out if left_out.empty else left_out.merge(part[list(by)].drop_duplicates(), on=list(by))
        found.append(result._replace(tested_on=_label(part), rows=part, left_out=_in_words(same, n=len(part))))
    if not found:
        return Finding(None, note=absent, left_out=_in_words(left_out, n=0))
    return max(found, key=lambda f: (f.interval is not None, f.interval.n if f.interval else 0))


def _in_words(left_out: pd.DataFrame, *, n: int) -> str:
    if left_out.empty:
        return ""
    whole = n + len(left_out)
    return (
        f"{len(left_out):,} of {whole:,} runs with an intermediate left out: {reasons_in_words(left_out['excluded'])}"
    )


def _label(rows: pd.DataFrame) -> str:
    models = ", ".join(sorted(rows["model"].unique()))
    first = rows.iloc[0]
    of = (str(first[name]) for name in ("protocol", "protocol_digest", "data_source"))
    return PooledRuns(str(first["collection"]), models, None, *of).label
