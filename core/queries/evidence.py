"""The evidence for an answer: one row per run and language with its gain and everything that may explain it.

A row counts where its gain, difficulty and similarity are all there; what is missing is listed with the reason and the
request that would fill it. Runs of different models, protocols or data sources are never pooled: `PooledRuns` come
first.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

import duckdb
import pandas as pd

from core.languages import language
from core.measures.difficulty.table import DIFFICULTIES
from core.measures.similarity.table import SIMILARITIES
from core.queries.covariates import (
    base_tasks,
    difficulties,
    intermediates,
    is_measurable,
    is_third,
    similarities,
    type_match,
)
from core.queries.difficulty import ProfileView
from core.queries.filters import Filter, condition
from core.queries.scales import Scale, divisors, trained_targets
from core.spec.profile import ProfileKind, text_point
from core.spec.run import DataSourceKind
from core.store.counted import BASELINE, EARLIER, FLOOR, INTERMEDIATE, TARGET, reasons_in_words
from core.store.gallery import own_first, whose
from core.studies import ProfileRequest, StudyRequest

_OF_TARGETS = frozenset({"in-task", "never trained", TARGET, BASELINE, FLOOR})
"""Reasons that are the target's: its names are listed, not those of the intermediates."""

Anchor = Literal["test", "train"]
"""Which text of the target an intermediate is compared with: its test text in each language, or its English one."""


class PooledRuns(NamedTuple):
    """Runs that may be pooled."""

    collection: str
    """published, measured or yours."""
    model: str
    """Name of the model."""
    model_fingerprint: str | None
    """Digest of a local folder's weights; None for a hub model."""
    protocol: str
    """Name of the protocol."""
    protocol_digest: str
    """Its digest: two protocols of one name are two settings."""
    data_source: str
    """sample, mirror or hub."""

    @property
    def label(self) -> str:
        """Model, protocol, data and collection in one line."""
        words = DataSourceKind(self.data_source).words
        return f"{self.model}, protocol {self.protocol}, {words}, {whose(self.collection)}"


@dataclass(frozen=True)
class AnalysisOptions:
    """Which rows, and which measures explain them."""

    wanted: Filter = field(default_factory=Filter)
    """Rows to keep; its collection, model, protocol and data source narrow the settings."""
    difficulty: str = "headroom"
    """Key of `DIFFICULTIES`."""
    similarity: str = "centroid_cosine"
    """Key of `SIMILARITIES`."""
    anchor: Anchor = "test"
    """Which text of the target the similarity is to."""
    centred: bool | None = None
    """Similarity with languages' means removed; None: where the store has that."""
    with_english: bool = False
    """Whether English cells count: they are not transfer to another language."""
    with_in_task: bool = False
    """Whether cells count whose intermediate trains the target's own task."""
    with_placebos: bool = True
    """Whether shuffled labels and masked-language modelling count as conditions."""
    with_excluded: bool = False
    """Whether gains count that are no evidence, as `core.store.counted` says."""
    families: tuple[str, ...] = ()
    """Language families to keep; empty: all."""
    scripts: tuple[str, ...] = ()
    """Scripts to keep; empty: all."""
    scale: Scale = "headroom"
    """Unit in which gains at several targets are averaged."""


class Units(NamedTuple):
    """How much there is of each, among complete rows."""

    rows: int
    """Runs x languages."""
    cells: int
    """Intermediate x target x language."""
    intermediates: int
    """Intermediate conditions: the independent units."""
    tasks: int
    """Different sets of tasks behind them: slices and placebos of one task share its text."""
    targets: int
    """Targets."""
    langs: int
    """Languages."""
    seeds: int
    """Seeds of the cell with most."""


class Evidence(NamedTuple):
    """What the store says on the question."""

    frame: pd.DataFrame
    """Every row of the pooled runs and filter; `complete` marks those that count. A gain that is excluded is NaN."""
    missing: pd.DataFrame
    """What is missing: what, cells, names, why, remedy (a request; None where it was left out on purpose)."""
    units: Units
    """Of complete rows."""
    pooled: PooledRuns
    """What was pooled."""
    options: AnalysisOptions
    """What was asked."""
    origins: dict[str, str]
    """Where difficulty and similarity are from."""

    @property
    def left_out(self) -> str:
        """How many gains are no evidence and why, as a sentence; empty where all are evidence, or they were wanted."""
        n, reasons = int(self.frame["gain"].notna().sum()), self.frame["excluded"].dropna()
        if reasons.empty:
            return ""
        verb = "does not count and is" if len(reasons) == 1 else "do not count and are"
        whole = "The only gain" if len(reasons) == 1 else f"All {len(reasons):,} gains"
        of = f"Of all {n + len(reasons):,} gains (parts and English too), {len(reasons):,}" if n else whole
        return f"{of} {verb} left out: {reasons_in_words(reasons)}."

    @property
    def complete(self) -> pd.DataFrame:
        """Rows with gain, difficulty and similarity."""
        return self.frame[self.frame["complete"]]


COLUMNS = (
    *("model", "intermediate", "target", "lang", "seed", "metric", "gain", "score", "baseline_score", "n", "in_task"),
    *("difficulty", "similarity", "type_match", "log_size", "distance", "family", "script", "target_type", "task"),
    *("complete", "why", "excluded", "run_id", "baseline_run_id", "divisor", "reason"),
)
"""Columns of the evidence, in order."""


def poolable_runs(cur: duckdb.DuckDBPyConnection, wanted: Filter) -> pd.DataFrame:
    """Sets of runs that may be pooled: on real data first where any counts, then with most intermediates that count.

    Columns: those of `PooledRuns`, intermediates, targets, langs, gains, counted (gains that are evidence).

    Args:
        wanted: Rows to keep.
    """
    kept = condition(wanted, table="g")
    return cur.execute(
        f"""
        SELECT r.collection, r.model, r.model_fingerprint, r.protocol, r.protocol_digest, r.data_source,
               count(DISTINCT r.intermediate) AS intermediates, count(DISTINCT r.target) AS targets,
               count(DISTINCT g.lang) AS langs, count(*) AS gains, count(*) FILTER (g.excluded IS NULL) AS counted
        FROM current_gains g JOIN runs r USING (run_id)
        WHERE g.gain IS NOT NULL AND g.is_headline AND {kept.sql}
        GROUP BY ALL
        ORDER BY any_value(r.data_source <> 'sample') AND count(*) FILTER (g.excluded IS NULL) > 0 DESC,
                 count(DISTINCT g.intermediate) FILTER (g.excluded IS NULL) DESC, counted DESC, intermediates DESC,
                 gains DESC, {own_first("r.collection")}, r.model, r.protocol
        """,
        kept.values,
    ).df()


def runs_to_pool(cur: duckdb.DuckDBPyConnection, wanted: Filter) -> PooledRuns | None:
    """The first set of `poolable_runs`; None: the filter leaves no gain.

    Args:
        wanted: Rows to keep.
    """
    rows = poolable_runs(cur, wanted)
    return None if rows.empty else pooled_runs_of(rows.iloc[0].to_dict())


def pooled_runs_of(row: Mapping[Hashable, Any]) -> PooledRuns:
    """The runs that a row of `poolable_runs` describes.

    Args:
        row: With the fields of `PooledRuns`.
    """
    fingerprint = None if pd.isna(row["model_fingerprint"]) else str(row["model_fingerprint"])
    fields = {name: str(row[name]) for name in PooledRuns._fields} | {"model_fingerprint": fingerprint}
    return PooledRuns(**fields)  # type: ignore[arg-type]  # only the fingerprint can be None


def evidence(cur: duckdb.DuckDBPyConnection, pooled: PooledRuns, *, options: AnalysisOptions) -> Evidence:
    """One row per run and language, with what may explain its gain.

    Columns: `COLUMNS`; gain and scores are fractions, difficulty large where hard, similarity large where near,
    type_match the share of the intermediate's tasks of the target's type, log_size log10 of its training examples,
    distance the syntactic distance of the language from English; `why` says why a row does not count. divisor: what a
    difference of scores is divided by to be in the target's own scale; reason: why the run's score is no evidence,
    wanted or not. Order: intermediate, target, lang, seed.

    Args:
        pooled: What is pooled.
        options: Which rows, which measures.

    Raises:
        UnknownName: There is no such measure or scale.
    """
    rows = _gains(cur, pooled, options=options)
    rows["divisor"] = divisors(rows, scale=options.scale)
    source = pooled.data_source
    hard = difficulties(cur, measure=options.difficulty, like=profile_view(pooled))
    near = similarities(cur, measure=options.similarity, data_source=source, centred=options.centred)
    numbers = rows.groupby(["intermediate", "target", "lang"], sort=False).ngroup().to_numpy()
    cells = rows.loc[
        ~pd.Series(numbers).duplicated(), ["intermediate", "target", "lang", "target_type", "in_task", "run_id"]
    ]
    runs = cells.drop_duplicates(["intermediate", "target"])["run_id"].tolist()
    cells = _explained(
        cells, facts=intermediates(cur, run_ids=runs), difficulty=hard.frame, similarity=_anchored(near.frame, options)
    )
    cells = _judged(cells, options)
    added = [name for name in (*COLUMNS, "keep") if name not in rows.columns]
    frame = pd.concat([rows, cells[added].take(numbers).set_axis(rows.index)], axis=1)
    frame = frame[frame.pop("keep")].reset_index(drop=True)
    frame.loc[frame["gain"].isna(), "why"] = frame["excluded"].fillna("no gain")
    frame["complete"] = frame["why"].isna()
    missing = _missing(frame, pooled=pooled, options=options)
    origins = {"difficulty": hard.origin, "similarity": near.origin}
    return Evidence(frame[list(COLUMNS)], missing, units_of(frame[frame["complete"]]), pooled, options, origins)


def profile_view(pooled: PooledRuns) -> ProfileView:
    """The difficulty profiles that are like the runs.

    Args:
        pooled: What is pooled.
    """
    fields = {name: value for name, value in pooled._asdict().items() if name in ProfileView._fields}
    return ProfileView(**fields)


def units_of(complete: pd.DataFrame) -> Units:
    """How much there is of each.

    Args:
        complete: Rows that count.
    """
    cells = complete.groupby(["intermediate", "target", "lang"], observed=True).size()
    return Units(
        len(complete), len(cells), complete["intermediate"].nunique(), complete["task"].nunique(),
        complete["target"].nunique(), complete["lang"].nunique(), int(cells.max()) if len(cells) else 0,
    )  # fmt: skip


def seeds_in_words(rows: pd.DataFrame) -> str:
    """The number of seeds of a pair, such as "2 seeds", or "2 to 3 seeds" where a study is under way.

    Args:
        rows: Columns intermediate, target, seed; at least one row.
    """
    counts = rows.groupby(["intermediate", "target"], observed=True)["seed"].nunique()
    few, many = int(counts.min()), int(counts.max())
    return f"{few} to {many} seeds" if few < many else f"{many} seed{'s' if many != 1 else ''}"


def _gains(cur: duckdb.DuckDBPyConnection, pooled: PooledRuns, *, options: AnalysisOptions) -> pd.DataFrame:
    same = frozenset({"collection", "model", "protocol", "data_source"})
    kept = condition(options.wanted, table="g", without=same)
    return cur.execute(
        f"""
        SELECT g.model, g.intermediate, g.target, g.lang, g.seed, g.metric,
               CASE WHEN $with_excluded_ OR g.excluded IS NULL THEN g.gain END AS gain,
               CASE WHEN NOT $with_excluded_ AND (g.gain IS NOT NULL OR g.excluded = '{EARLIER}')
                    THEN g.excluded END AS excluded,
               g.score, g.baseline_score, g.n, g.in_task, g.missing, g.run_id, g.baseline_run_id,
               r.task_type AS target_type, greatest(g.floor, r.chance) AS floor,
               coalesce(g.excluded, nullif(g.missing, 'no baseline')) AS reason
        FROM current_gains g JOIN runs r USING (run_id)
        WHERE g.is_headline AND r.collection = $collection_ AND r.model = $model_
          AND r.model_fingerprint IS NOT DISTINCT FROM $model_fingerprint_ AND r.data_source = $data_source_
          AND r.protocol_digest = $protocol_digest_ AND {kept.sql}
        ORDER BY g.intermediate, g.target, g.lang, g.seed, g.run_id
        """,
        kept.values
        | {f"{k}_": v for k, v in pooled._asdict().items() if k != "protocol"}
        | {"with_excluded_": options.with_excluded},
    ).df()


def _anchored(similarity: pd.DataFrame, options: AnalysisOptions) -> pd.DataFrame:
    """Similarities to the texts that are asked for; those to English training texts hold for every language."""
    kept = similarity[similarity["role"] == options.anchor][["point", "target", "lang", "similarity"]]
    return kept.drop(columns="lang") if options.anchor == "train" else kept


def _explained(
    cells: pd.DataFrame, *, facts: pd.DataFrame, difficulty: pd.DataFrame, similarity: pd.DataFrame
) -> pd.DataFrame:
    """One row per cell, in the order given, with every covariate."""
    names = facts.assign(point=facts["intermediate"].map(text_point), task=facts["intermediate"].map(base_tasks))
    frame = cells.merge(names, on="intermediate", how="left")
    frame = frame.merge(difficulty[["intermediate", "difficulty"]], on="intermediate", how="left")
    frame = frame.merge(similarity, on=[c for c in similarity.columns if c != "similarity"], how="left")
    pairs = frame[["types", "target_type"]].drop_duplicates()
    pairs["type_match"] = [type_match(a, target=b) for a, b in pairs.itertuples(index=False)]
    known = [language(code) for code in frame["lang"].unique()]
    about = pd.DataFrame(
        {
            "lang": pd.Series([entry.code for entry in known], dtype="object"),  # of text, even where no row is left
            "distance": pd.Series([entry.syntax_distance for entry in known], dtype="float64"),
            "family": [entry.family for entry in known],
            "script": [entry.script for entry in known],
        }
    )
    return frame.merge(pairs, on=["types", "target_type"], how="left").merge(about, on="lang", how="left")


def _judged(cells: pd.DataFrame, options: AnalysisOptions) -> pd.DataFrame:
    """The same cells with `keep` (of a wanted language) and the first reason why a cell does not count."""
    cells = cells.assign(keep=True, why=pd.Series(None, index=cells.index, dtype="object"), complete=False)
    if options.families:
        cells["keep"] &= cells["family"].isin(options.families)
    if options.scripts:
        cells["keep"] &= cells["script"].isin(options.scripts)
    retrieval = ~trained_targets(cells["target_type"])  # apart: their gains are ten times those of trained targets
    reasons = [
        ((cells["lang"] == "en") & (not options.with_english), "English"),
        (cells["in_task"] & (not options.with_in_task), "in-task"),
        (retrieval & (not bool(retrieval.all())), "never trained"),
        (cells["intermediate"].str.contains("~", regex=False) & (not options.with_placebos), "placebo"),
        (cells["similarity"].isna() & cells["intermediate"].map(is_third).astype(bool), "third"),
        (cells["difficulty"].isna() & ~cells["intermediate"].map(is_measurable).astype(bool), "difficulty undefined"),
        (cells["difficulty"].isna(), "no difficulty"),
        (cells["similarity"].isna(), "no similarity"),
    ]
    for mask, reason in reasons:
        cells.loc[mask & cells["why"].isna(), "why"] = reason
    return cells


def _missing(frame: pd.DataFrame, *, pooled: PooledRuns, options: AnalysisOptions) -> pd.DataFrame:
    """One row per reason: what, cells, names, why, remedy (None where it was left out on purpose)."""
    texts = {
        "no gain": "the paired baseline is missing, or saw other data",
        EARLIER: "made by an earlier version of the program: run them again",
        INTERMEDIATE: "left out: the intermediate was not learned",
        TARGET: "left out: the target was not learned in English",
        BASELINE: "left out: the baseline did not learn the target in English",
        FLOOR: "left out: the baseline does not beat a rule that reads no meaning",
        "English": "left out: English is not transfer to another language",
        "in-task": "left out: the intermediate trains the target's own task",
        "never trained": "left out: nothing is trained for retrieval, so it is analysed by itself: choose it as target",
        "placebo": "left out: placebos",
        "third": "left out here: a third is compared with the other thirds of its task",
        "no difficulty": f"{DIFFICULTIES[options.difficulty].title} of the intermediate was not measured on these data",
        "difficulty undefined": "left out: a mixture of tasks, or language modelling, has no difficulty of its own",
        "no similarity": f"{SIMILARITIES[options.similarity].title} of the intermediate's text and the target's "
        f"{'test text in that language' if options.anchor == 'test' else 'English training text'} was not measured",
    }
    rows = []
    for reason, text in texts.items():
        if (part := frame[frame["why"] == reason]).empty:
            continue
        names = sorted(part["target"].unique()) if reason in _OF_TARGETS else sorted(part["intermediate"].unique())
        n = len(part.drop_duplicates(["intermediate", "target", "lang"]))
        rows.append((reason, n, ", ".join(names), text, _remedy(reason, part=part, pooled=pooled)))
    return pd.DataFrame(rows, columns=["what", "cells", "names", "why", "remedy"]).astype({"remedy": "object"})


def _remedy(reason: str, *, part: pd.DataFrame, pooled: PooledRuns) -> StudyRequest | ProfileRequest | None:
    """What would fill the gap, by the names of model and protocol; `core.actions.command` completes and types it."""
    names, targets = tuple(sorted(part["intermediate"].unique())), tuple(sorted(part["target"].unique()))
    source = DataSourceKind(pooled.data_source)
    if reason in {EARLIER, "no gain"}:
        seeds = tuple(map(int, sorted(part["seed"].unique())))
        again = {"intermediates": names} if reason == EARLIER else {}  # else the baselines alone
        return StudyRequest(
            models=(pooled.model,), targets=targets, seeds=seeds, protocol=pooled.protocol, data_source=source, **again
        )  # fmt: skip
    if reason == "no difficulty":
        return ProfileRequest(
            kind=ProfileKind.DIFFICULTY, model=pooled.model, protocol=pooled.protocol, intermediates=names,
            data_source=source,
        )  # fmt: skip
    if reason == "no similarity":
        points = tuple(sorted(set(map(text_point, names))))
        return ProfileRequest(kind=ProfileKind.DOMAIN, intermediates=points, targets=targets, data_source=source)
    return None
