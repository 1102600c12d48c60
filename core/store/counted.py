"""Which gains count as evidence, chosen anew at each write: the columns `mismatch`, `excluded`, `note` of `pairing`.

A gain is taken against a baseline that was trained on the same data. It counts where both runs were made by the code
as it is, their stages learned what they were trained on, and the baseline stands above its floor. What does not count
is shown with its reason and enters no average, test, model, selector or claim.

Single tests are at `LEARNED_LEVEL`. Over the seeds of one condition, K p-values count as K / k times the k-th smallest,
k = ⌈K / 2⌉ (Rüger 1978: valid whatever they have in common), so that one seed that failed does not speak for the
others; over the conditions of one pool the false discovery rate is kept at the same level (Benjamini & Hochberg 1995).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import duckdb

from core.events import LEARNED_LEVEL
from core.spec.versions import CODE_VERSION

EARLIER = "made by an earlier version"
"""`excluded` of runs whose code has changed since; the others are `REASONS`."""
INTERMEDIATE = "intermediate not learned"
TARGET = "target not learned"
BASELINE = "baseline not learned"
FLOOR = "baseline at the floor"
REASONS = {
    EARLIER: "The run or its baseline was made by an earlier version of the program, whose stages gave other results. "
    "Run both again.",
    INTERMEDIATE: "On English development data the intermediate does no better than guessing, or than the best rule "
    "that reads no meaning (such as the commonest label), or it gives one answer to everything: there is nothing to "
    "transfer.",
    TARGET: "On English development data the run does no better at the target than guessing, or than the best rule "
    "that reads no meaning (such as the commonest label), or it gives one answer to everything.",
    BASELINE: "On English development data the baseline does no better at the target than guessing, or than the best "
    "rule that reads no meaning (such as the commonest label), or it gives one answer to everything.",
    FLOOR: "In this language the baseline does no better than the best rule that reads no meaning (such as the "
    "commonest label): a gain over it says nothing about transfer.",
}
"""What each reason means, for a reader."""


_CLAUSES = {
    EARLIER: EARLIER,
    INTERMEDIATE: "whose intermediate (a task or a part of one) was not learned",
    TARGET: "whose run did not learn the target",
    BASELINE: "whose baseline did not learn the target",
    FLOOR: "whose baseline is at the floor",
}
"""Each reason as it follows a number."""


def reasons_in_words(reasons: Iterable[str]) -> str:
    """How often each reason is given, such as "264 made by an earlier version, 3 whose baseline is at the floor".

    Args:
        reasons: One of `REASONS` each.
    """
    counts = Counter(reasons)
    return ", ".join(f"{counts[reason]:,} {clause}" for reason, clause in _CLAUSES.items() if counts[reason])


_POOL = "collection, model, model_fingerprint, protocol_digest, data_source"


def m012_evidence(con: duckdb.DuckDBPyConnection) -> None:
    """What was learned, what a rule without meaning scores, by which code; and which gains count as evidence."""
    con.execute("""
        ALTER TABLE stages ADD COLUMN code INTEGER;      -- version of the code that made it; NULL: before versions
        ALTER TABLE runs ADD COLUMN threads INTEGER;     -- of torch on the CPU, in the last attempt
        ALTER TABLE scores ADD COLUMN floor DOUBLE;      -- what the best rule that reads no meaning scores
        ALTER TABLE scores ADD COLUMN floor_rule VARCHAR;
        ALTER TABLE scores ADD COLUMN floor_p DOUBLE;    -- one-sided, of the score above the floor
        ALTER TABLE credits ADD COLUMN functional VARCHAR;   -- NULL: credits as they are; else they are linearised
        CREATE TABLE judgements (                        -- whether a trained stage learned a task
            run_id VARCHAR NOT NULL, key VARCHAR NOT NULL, task VARCHAR NOT NULL, metric VARCHAR NOT NULL,
            score DOUBLE NOT NULL, chance DOUBLE, rule VARCHAR NOT NULL, rule_score DOUBLE NOT NULL,
            p_value DOUBLE,                              -- one-sided, above chance and above the rule
            is_constant BOOLEAN NOT NULL,                -- whether every prediction is the same
            has_learned BOOLEAN NOT NULL, n INTEGER NOT NULL,
            PRIMARY KEY (run_id, key, task)
        );
        ALTER TABLE pairing ADD COLUMN mismatch VARCHAR; -- why there is no gain although there is a baseline
        ALTER TABLE pairing ADD COLUMN excluded VARCHAR; -- why no gain of the run counts as evidence
        ALTER TABLE pairing ADD COLUMN note VARCHAR;     -- what differs between the two runs and may be seen in a gain
        CREATE TABLE floors (                            -- scores of baselines that do not beat a rule without meaning
            run_id VARCHAR NOT NULL, lang VARCHAR NOT NULL, metric VARCHAR NOT NULL,
            PRIMARY KEY (run_id, lang, metric)
        );
        DROP VIEW current_gains;
        CREATE OR REPLACE VIEW current_runs AS
        SELECT r.* FROM runs r SEMI JOIN (SELECT run_id FROM pairing WHERE is_current) p ON p.run_id = r.run_id;
        CREATE OR REPLACE VIEW gains AS
        SELECT
            r.collection, r.model, r.intermediate, r.target, s.lang, s.metric, r.protocol, r.data_source, r.seed,
            s.score, s.score_last,
            CASE WHEN p.mismatch IS NULL AND b.fingerprint = s.fingerprint THEN b.score END AS baseline_score,
            CASE WHEN p.mismatch IS NULL AND b.fingerprint = s.fingerprint THEN s.score - b.score END AS gain,
            CASE WHEN p.mismatch IS NULL AND b.fingerprint = s.fingerprint
                 THEN s.score_last - b.score_last END AS gain_last,
            s.n, s.split, r.run_id, b.run_id AS baseline_run_id, r.pair_key, r.study,
            CASE
                WHEN b.run_id IS NULL THEN 'no baseline'
                WHEN p.mismatch IS NOT NULL THEN p.mismatch
                WHEN b.fingerprint <> s.fingerprint THEN 'baseline scored other examples'
            END AS missing,
            EXISTS (SELECT 1 FROM flags f WHERE f.run_id = r.run_id AND f.flag = 'in_task') AS in_task,
            s.metric = r.headline_metric AS is_headline,
            p.is_current,
            b.floor, b.floor_rule,
            CASE
                WHEN p.excluded IS NOT NULL THEN p.excluded
                WHEN l.run_id IS NOT NULL THEN 'baseline at the floor'
            END AS excluded,
            p.note
        FROM runs r
        JOIN pairing p ON p.run_id = r.run_id
        JOIN scores s ON s.run_id = r.run_id
        LEFT JOIN (
            SELECT o.* FROM scores o SEMI JOIN (SELECT run_id FROM runs WHERE intermediate = 'none') n
            ON n.run_id = o.run_id
        ) b ON b.run_id = p.baseline_run_id AND b.lang = s.lang AND b.metric = s.metric
        LEFT JOIN floors l ON l.run_id = b.run_id AND l.lang = b.lang AND l.metric = b.metric
        WHERE r.intermediate <> 'none';
        CREATE VIEW current_gains AS SELECT * EXCLUDE (is_current) FROM gains WHERE is_current;
        CREATE VIEW counted_gains AS             -- current gains that are evidence
        SELECT * EXCLUDE (excluded, missing) FROM current_gains WHERE gain IS NOT NULL AND excluded IS NULL;
        UPDATE ingested SET stamp = '';          -- everything is read once more
    """)


_MISMATCHES = """
    WITH computed AS (
        SELECT run_id, target, threads, CASE regexp_extract(environment, '"precision": *"([a-z0-9]+)"', 1)
            WHEN 'fp32' THEN 'float32' WHEN 'bf16' THEN 'bfloat16' WHEN 'fp16' THEN 'float16'
            ELSE CASE WHEN starts_with(device, 'cpu') THEN 'float32' END  -- of before there was a choice
        END AS precision FROM runs
    )
    UPDATE pairing p SET mismatch = m.mismatch, note = m.note
    FROM (
        SELECT q.run_id,
               CASE
                   WHEN count(*) FILTER (WHERE a.fingerprint <> b.fingerprint) > 0 THEN
                       'baseline was trained or selected on other data (' || string_agg(a.role, ', ' ORDER BY a.role)
                           FILTER (WHERE a.fingerprint <> b.fingerprint) || '): ' || any_value(q.older)
                   WHEN count(*) FILTER (WHERE a.revision IS DISTINCT FROM b.revision) > 0 THEN
                       'baseline read another revision of the target''s data: ' || any_value(q.older)
               END AS mismatch,
               nullif(concat_ws('; ',
                   CASE WHEN any_value(r.threads) <> any_value(o.threads) THEN
                       'trained with ' || any_value(r.threads) || ' threads, its baseline with '
                       || any_value(o.threads) || ': equal only to rounding' END,
                   CASE WHEN any_value(r.precision) <> any_value(o.precision) THEN
                       'trained in ' || any_value(r.precision) || ', its baseline in ' || any_value(o.precision)
                       || ': rounding alone may have changed some answers' END
               ), '') AS note
        FROM (
            SELECT p.*, CASE WHEN b.finished_at < r.finished_at THEN 'run the baseline again (--again)'
                             WHEN b.finished_at > r.finished_at THEN 'run this one again (--again)'
                             ELSE 'run both again (--again)' END AS older
            FROM pairing p JOIN runs r ON r.run_id = p.run_id JOIN runs b ON b.run_id = p.baseline_run_id
        ) q
        JOIN computed r ON r.run_id = q.run_id
        JOIN computed o ON o.run_id = q.baseline_run_id
        LEFT JOIN splits a ON a.run_id = r.run_id AND a.task = r.target AND a.role IN ('train', 'dev')
        LEFT JOIN splits b ON b.run_id = o.run_id AND b.task = a.task AND b.role = a.role AND b.lang = a.lang
        GROUP BY q.run_id
    ) m WHERE m.run_id = p.run_id
"""

_FALSE_DISCOVERIES = """
    min(least(1, p * n / place)) OVER (PARTITION BY {family} ORDER BY place DESC ROWS UNBOUNDED PRECEDING)
"""
_OVER_SEEDS = "least(1, count(*) / ceil(count(*) / 2) * quantile_disc({p}, 0.5))"

_EXCLUDED = f"""
    WITH versions AS (SELECT unnest($kinds) AS kind, unnest($codes) AS code),
    earlier AS (
        SELECT DISTINCT s.run_id FROM stages s JOIN versions v ON v.kind = s.kind WHERE coalesce(s.code, 0) < v.code
    ),
    stages_judged AS (
        SELECT j.run_id, j.key, s.kind, bool_and(j.has_learned) AS has_learned,
               max(coalesce(j.p_value, CASE WHEN j.has_learned THEN 0 ELSE 1 END)) AS p
        FROM judgements j JOIN stages s ON s.run_id = j.run_id AND s.key = j.key GROUP BY ALL
    ),
    intermediates AS (
        SELECT r.*, j.key, j.p, j.has_learned FROM stages_judged j JOIN runs r ON r.run_id = j.run_id
        WHERE j.kind = 'intermediate' AND NOT contains(r.intermediate, '~shuffled')  -- made so that nothing is learned
    ),
    conditions AS (  -- of runs that count: those that were made again since speak for no condition
        SELECT {_POOL}, intermediate, {_OVER_SEEDS.format(p="p")} AS p
        FROM (
            SELECT DISTINCT {_POOL}, intermediate, key, p FROM intermediates
            WHERE run_id IN (SELECT run_id FROM pairing WHERE is_current) AND run_id NOT IN (FROM earlier)
        ) GROUP BY ALL
    ),
    placed AS (
        SELECT *, row_number() OVER (PARTITION BY {_POOL} ORDER BY p, intermediate) AS place,
               count(*) OVER (PARTITION BY {_POOL}) AS n
        FROM conditions
    ),
    corrected AS (SELECT *, {_FALSE_DISCOVERIES.format(family=_POOL)} AS q FROM placed),
    not_learned AS (
        SELECT i.run_id FROM intermediates i LEFT JOIN corrected c
            ON c.collection = i.collection AND c.model = i.model
            AND c.model_fingerprint IS NOT DISTINCT FROM i.model_fingerprint AND c.data_source = i.data_source
            AND c.protocol_digest = i.protocol_digest AND c.intermediate = i.intermediate
        WHERE NOT i.has_learned OR c.q >= $level
    ),
    target_not_learned AS (SELECT run_id FROM stages_judged WHERE kind = 'target' AND NOT has_learned)
    UPDATE pairing p SET excluded = CASE
        WHEN p.run_id IN (FROM earlier) OR p.baseline_run_id IN (FROM earlier) THEN '{EARLIER}'
        WHEN p.run_id IN (FROM not_learned) THEN '{INTERMEDIATE}'
        WHEN p.run_id IN (FROM target_not_learned) THEN '{TARGET}'
        WHEN p.baseline_run_id IN (FROM target_not_learned) THEN '{BASELINE}'
    END
"""

_FLOORS = f"""
    INSERT INTO floors
    WITH baselines AS (
        SELECT {_POOL}, r.target, s.lang, s.metric, s.run_id,
               coalesce(s.floor_p, CASE WHEN s.score > s.floor THEN 0 ELSE 1 END) AS p
        FROM runs r JOIN scores s ON s.run_id = r.run_id JOIN pairing o ON o.run_id = r.run_id
        WHERE r.intermediate = 'none' AND s.floor IS NOT NULL AND o.excluded IS DISTINCT FROM '{EARLIER}'
          AND (o.is_current OR r.run_id IN (SELECT baseline_run_id FROM pairing WHERE is_current))
    ),
    cells AS (
        SELECT {_POOL}, target, lang, metric, list(run_id) AS run_ids, {_OVER_SEEDS.format(p="p")} AS p
        FROM baselines GROUP BY {_POOL}, target, lang, metric
    ),
    placed AS (
        SELECT *, row_number() OVER (PARTITION BY {_POOL}, metric ORDER BY p, target, lang) AS place,
               count(*) OVER (PARTITION BY {_POOL}, metric) AS n
        FROM cells
    ),
    corrected AS (SELECT *, {_FALSE_DISCOVERIES.format(family=f"{_POOL}, metric")} AS q FROM placed)
    SELECT unnest(run_ids), lang, metric FROM corrected WHERE q >= $level
"""


def choose_counted(cur: duckdb.DuckDBPyConnection) -> None:
    """Fill `floors` and the columns of `pairing` that say what counts; `choose_current` has filled the rest.

    Args:
        cur: Cursor inside a transaction.
    """
    cur.execute(_MISMATCHES)
    versions = {"kinds": list(CODE_VERSION), "codes": list(CODE_VERSION.values())}
    cur.execute(_EXCLUDED, versions | {"level": LEARNED_LEVEL})
    cur.execute("DELETE FROM floors")
    cur.execute(_FLOORS, {"level": LEARNED_LEVEL})
