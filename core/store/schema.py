"""The tables, as numbered migrations that are applied once each and never edited afterwards.

To change a table: append a function `m00N_…` to `MIGRATIONS`; `tests/core/store/test_schema.py` holds the result.
"""

from __future__ import annotations

from collections.abc import Callable

import duckdb

from core.store.counted import m012_evidence
from core.store.exchange.migration import m014_imported, m016_in_use, m017_ids

Migration = Callable[[duckdb.DuckDBPyConnection], None]


def m001_first_tables(con: duckdb.DuckDBPyConnection) -> None:
    """Runs with their stages, curves, scores, skipped languages, flags, data and damaged folders."""
    con.execute("""
        CREATE TABLE meta (key VARCHAR PRIMARY KEY, value VARCHAR NOT NULL);
        INSERT INTO meta VALUES ('version', '0');
        CREATE TABLE ingested (
            run_id VARCHAR PRIMARY KEY,
            size BIGINT NOT NULL,            -- bytes of events.jsonl already read (complete lines only)
            stamp VARCHAR NOT NULL           -- what was seen of the folder: sizes and times of its files
        );
        CREATE TABLE damaged (folder VARCHAR PRIMARY KEY, reason VARCHAR NOT NULL);
        CREATE TABLE runs (
            run_id VARCHAR PRIMARY KEY,
            collection VARCHAR NOT NULL CHECK (collection IN ('published', 'measured', 'yours')),
            study VARCHAR,
            model VARCHAR NOT NULL,
            model_fingerprint VARCHAR,
            intermediate VARCHAR NOT NULL,   -- 'none' for the baseline
            target VARCHAR NOT NULL,
            task_type VARCHAR NOT NULL,
            seed INTEGER NOT NULL,
            protocol VARCHAR NOT NULL,
            protocol_digest VARCHAR NOT NULL,
            data_source VARCHAR NOT NULL,    -- sample, mirror, hub
            pair_key VARCHAR NOT NULL,       -- equal for a run and its baseline
            headline_metric VARCHAR NOT NULL,
            chance DOUBLE NOT NULL,
            submitted_at TIMESTAMP,
            started_at TIMESTAMP,            -- of the first attempt, UTC
            finished_at TIMESTAMP,           -- UTC
            seconds DOUBLE,                  -- over all attempts
            attempts INTEGER NOT NULL,
            device VARCHAR,
            outcome VARCHAR CHECK (outcome IN ('finished', 'failed', 'cancelled')),   -- NULL: not ended
            error VARCHAR,
            message VARCHAR,
            spec VARCHAR NOT NULL,           -- JSON
            environment VARCHAR              -- JSON
        );
        CREATE TABLE stages (
            run_id VARCHAR NOT NULL,
            key VARCHAR NOT NULL,
            position INTEGER NOT NULL,
            kind VARCHAR NOT NULL CHECK (kind IN ('intermediate', 'target', 'evaluation')),
            name VARCHAR NOT NULL,
            parent VARCHAR,
            state VARCHAR NOT NULL CHECK (state IN ('planned', 'running', 'finished', 'reused')),
            step INTEGER,
            total_steps INTEGER,
            seconds DOUBLE,
            best_step INTEGER,
            peak_memory_mb DOUBLE,
            PRIMARY KEY (run_id, key)
        );
        CREATE TABLE steps (
            run_id VARCHAR NOT NULL, key VARCHAR NOT NULL, step INTEGER NOT NULL,
            loss DOUBLE NOT NULL, learning_rate DOUBLE NOT NULL, examples_per_s DOUBLE NOT NULL,
            PRIMARY KEY (run_id, key, step)
        );
        CREATE TABLE dev_scores (
            run_id VARCHAR NOT NULL, key VARCHAR NOT NULL, step INTEGER NOT NULL,
            metric VARCHAR NOT NULL, score DOUBLE NOT NULL, n INTEGER NOT NULL,
            PRIMARY KEY (run_id, key, step)
        );
        CREATE TABLE scores (
            run_id VARCHAR NOT NULL, lang VARCHAR NOT NULL, metric VARCHAR NOT NULL,
            score DOUBLE NOT NULL, score_last DOUBLE, n INTEGER NOT NULL,
            split VARCHAR NOT NULL, fingerprint VARCHAR NOT NULL,
            PRIMARY KEY (run_id, lang, metric)
        );
        CREATE TABLE skips (
            run_id VARCHAR NOT NULL, lang VARCHAR NOT NULL, reason VARCHAR NOT NULL,
            PRIMARY KEY (run_id, lang)
        );
        CREATE TABLE flags (
            run_id VARCHAR NOT NULL, flag VARCHAR NOT NULL, message VARCHAR NOT NULL,
            PRIMARY KEY (run_id, flag, message)
        );
        CREATE TABLE splits (
            run_id VARCHAR NOT NULL, task VARCHAR NOT NULL, role VARCHAR NOT NULL, lang VARCHAR NOT NULL,
            split VARCHAR NOT NULL, n INTEGER NOT NULL, n_available INTEGER NOT NULL,
            fingerprint VARCHAR NOT NULL, revision VARCHAR,
            PRIMARY KEY (run_id, task, role, lang)
        );
    """)


def m002_gains(con: duckdb.DuckDBPyConnection) -> None:
    """The gain as a stored pair: one row per run with an intermediate, language and metric.

    A gain exists where the baseline of the same pair key scored the same examples (equal fingerprint); otherwise the
    row has NULL for `baseline_score` and `gain`, and `missing` says why.
    """
    con.execute("""
        CREATE VIEW gains AS
        SELECT
            r.collection, r.model, r.intermediate, r.target, s.lang, s.metric, r.protocol, r.data_source, r.seed,
            s.score, s.score_last,
            CASE WHEN b.fingerprint = s.fingerprint THEN b.score END AS baseline_score,
            CASE WHEN b.fingerprint = s.fingerprint THEN s.score - b.score END AS gain,
            CASE WHEN b.fingerprint = s.fingerprint THEN s.score_last - b.score_last END AS gain_last,
            s.n, s.split, r.run_id, b.run_id AS baseline_run_id, r.pair_key, r.study,
            CASE
                WHEN b.run_id IS NULL THEN 'no baseline'
                WHEN b.fingerprint <> s.fingerprint THEN 'baseline scored other examples'
            END AS missing,
            EXISTS (SELECT 1 FROM flags f WHERE f.run_id = r.run_id AND f.flag = 'in_task') AS in_task,
            s.metric = r.headline_metric AS is_headline
        FROM runs r
        JOIN scores s ON s.run_id = r.run_id
        LEFT JOIN (
            SELECT br.pair_key, br.collection, bs.run_id, bs.lang, bs.metric, bs.score, bs.score_last, bs.fingerprint
            FROM runs br JOIN scores bs ON bs.run_id = br.run_id
            WHERE br.intermediate = 'none'
        ) b ON b.pair_key = r.pair_key AND b.collection = r.collection AND b.lang = s.lang AND b.metric = s.metric
        WHERE r.intermediate <> 'none';
    """)


def m003_measured_speed(con: duckdb.DuckDBPyConnection) -> None:
    """What a stage's head outputs: estimates take the speed of earlier stages of the same type."""
    con.execute("ALTER TABLE stages ADD COLUMN task_type VARCHAR;")


def m004_profiles(con: duckdb.DuckDBPyConnection) -> None:
    """What profile jobs measured: domains of texts, similarity of pairs, difficulty, change of the encoder.

    A point is one text: `mnli` (English training text of an intermediate), `mnli@food,hard` (a slice of it),
    `xnli:train` (a target's English training text), `xnli:test:de` (its test text in German).
    """
    con.execute("""
        CREATE TABLE profiles (
            profile_id VARCHAR PRIMARY KEY,
            collection VARCHAR NOT NULL CHECK (collection IN ('measured', 'yours')),
            kind VARCHAR NOT NULL CHECK (kind IN ('domain', 'difficulty', 'encoder')),
            model VARCHAR NOT NULL,          -- sentence encoder (domain) or fine-tuned model (the others)
            model_fingerprint VARCHAR,
            data_source VARCHAR NOT NULL,
            seed INTEGER NOT NULL,
            finished_at TIMESTAMP,           -- UTC
            seconds DOUBLE,
            spec VARCHAR NOT NULL,           -- JSON
            environment VARCHAR              -- JSON
        );
        CREATE TABLE profile_texts (
            profile_id VARCHAR NOT NULL, point VARCHAR NOT NULL, task VARCHAR NOT NULL,
            role VARCHAR NOT NULL CHECK (role IN ('intermediate', 'train', 'test')),
            lang VARCHAR NOT NULL, split VARCHAR NOT NULL,
            n INTEGER NOT NULL, n_available INTEGER NOT NULL, fingerprint VARCHAR NOT NULL,
            PRIMARY KEY (profile_id, point)
        );
        CREATE TABLE similarities (
            profile_id VARCHAR NOT NULL, a VARCHAR NOT NULL, b VARCHAR NOT NULL,   -- points, a < b
            measure VARCHAR NOT NULL,
            centred BOOLEAN NOT NULL,        -- whether each language's mean was removed first
            value DOUBLE NOT NULL, ci_low DOUBLE, ci_high DOUBLE,
            n_a INTEGER NOT NULL, n_b INTEGER NOT NULL, resamples INTEGER NOT NULL,
            PRIMARY KEY (profile_id, a, b, measure, centred)
        );
        CREATE TABLE positions (
            profile_id VARCHAR NOT NULL, point VARCHAR NOT NULL,
            method VARCHAR NOT NULL,         -- pca, umap
            centred BOOLEAN NOT NULL,
            x DOUBLE NOT NULL, y DOUBLE NOT NULL,
            PRIMARY KEY (profile_id, point, method, centred)
        );
        CREATE TABLE difficulties (
            profile_id VARCHAR NOT NULL, intermediate VARCHAR NOT NULL, measure VARCHAR NOT NULL,
            value DOUBLE NOT NULL, ci_low DOUBLE, ci_high DOUBLE,
            n INTEGER NOT NULL, resamples INTEGER NOT NULL,
            PRIMARY KEY (profile_id, intermediate, measure)
        );
        CREATE TABLE encoder_changes (
            profile_id VARCHAR NOT NULL, intermediate VARCHAR NOT NULL,
            lang VARCHAR NOT NULL, layer INTEGER NOT NULL,
            measure VARCHAR NOT NULL,        -- retrieval, cka
            value DOUBLE NOT NULL, ci_low DOUBLE, ci_high DOUBLE, n INTEGER NOT NULL,
            PRIMARY KEY (profile_id, intermediate, lang, layer, measure)
        );
    """)


def m005_published(con: duckdb.DuckDBPyConnection) -> None:
    """Figures transcribed from papers, beside the runs: they have no folder, seldom a seed, often no languages.

    A published table is one table of one document; its figures are never shown beside those of another table.
    """
    con.execute("""
        CREATE TABLE published_tables (
            name VARCHAR PRIMARY KEY,        -- such as phang2020v1-table2
            file VARCHAR NOT NULL,           -- in data/published
            title VARCHAR NOT NULL,
            paper VARCHAR NOT NULL,
            arxiv VARCHAR,
            version VARCHAR NOT NULL,        -- such as 'v1 draft, May 2020'
            printed_table VARCHAR NOT NULL,  -- where in the document
            source VARCHAR NOT NULL,         -- the document that was read
            unit VARCHAR NOT NULL CHECK (unit IN ('percent', 'fraction', 'none')),   -- of the printed figures
            derived BOOLEAN NOT NULL,        -- computed by us from printed figures
            confidence VARCHAR NOT NULL CHECK (confidence IN ('verified', 'second-hand', 'unclear')),
            caution VARCHAR,
            averages VARCHAR CHECK (averages IN ('all', 'without en'))   -- languages in its printed averages
        );
        CREATE TABLE published_figures (
            table_name VARCHAR NOT NULL,
            position INTEGER NOT NULL,       -- line in the table, from 1
            model VARCHAR,                   -- as printed; NULL where the figure is not about a model
            intermediate VARCHAR,            -- as printed; 'none' for the baseline
            target VARCHAR,                  -- as printed
            lang VARCHAR,                    -- NULL: average over languages
            metric VARCHAR NOT NULL,         -- 'avg': the printed average over the targets of the row
            split VARCHAR CHECK (split IN ('dev', 'test')),   -- NULL: not stated
            seed INTEGER,
            kind VARCHAR NOT NULL CHECK (kind IN ('score', 'gain', 'fact')),
            value DOUBLE,                    -- fraction; NULL for a fact
            rounding DOUBLE,                 -- half a unit of the last printed digit, as a fraction; NULL for a fact
            printed VARCHAR NOT NULL,
            derived BOOLEAN NOT NULL,
            caution VARCHAR,                 -- about this figure alone
            source VARCHAR NOT NULL,
            target_task VARCHAR,             -- the registry's name; NULL: not one of ours
            intermediate_task VARCHAR,       -- our text form of the intermediate; NULL: not one of ours
            PRIMARY KEY (table_name, position),
            CHECK (kind <> 'score' OR (value IS NOT NULL AND value BETWEEN 0 AND 1)),
            CHECK (kind <> 'gain' OR (value IS NOT NULL AND value BETWEEN -1 AND 1)),
            CHECK (kind <> 'fact' OR value IS NULL)
        );
    """)


def m006_profile_skips(con: duckdb.DuckDBPyConnection) -> None:
    """Points that a profile has no text for, and why."""
    con.execute("""
        CREATE TABLE profile_skips (
            profile_id VARCHAR NOT NULL, point VARCHAR NOT NULL, reason VARCHAR NOT NULL,
            PRIMARY KEY (profile_id, point));
    """)


def m007_selector_scores(con: duckdb.DuckDBPyConnection) -> None:
    """What selectors that read the encoder's features say of an intermediate for a target, before its training."""
    con.execute("""
        CREATE TABLE selector_scores (
            profile_id VARCHAR NOT NULL, intermediate VARCHAR NOT NULL, target VARCHAR NOT NULL,
            selector VARCHAR NOT NULL,       -- logme, h_score, transrate, knn, linear_probe, task_embedding
            value DOUBLE NOT NULL, ci_low DOUBLE, ci_high DOUBLE, n INTEGER NOT NULL,
            PRIMARY KEY (profile_id, intermediate, target, selector)
        );
    """)


def m008_selectors_and_rankings(con: duckdb.DuckDBPyConnection) -> None:
    """Profiles of a fourth kind, `selectors`; rankings that were frozen before runs were made, to be scored after."""
    con.execute("""
        CREATE TABLE profiles_new (
            profile_id VARCHAR PRIMARY KEY,
            collection VARCHAR NOT NULL CHECK (collection IN ('measured', 'yours')),
            kind VARCHAR NOT NULL CHECK (kind IN ('domain', 'difficulty', 'encoder', 'selectors')),
            model VARCHAR NOT NULL,          -- sentence encoder (domain) or fine-tuned model (the others)
            model_fingerprint VARCHAR,
            data_source VARCHAR NOT NULL,
            seed INTEGER NOT NULL,
            finished_at TIMESTAMP,           -- UTC
            seconds DOUBLE,
            spec VARCHAR NOT NULL,           -- JSON
            environment VARCHAR              -- JSON
        );
        INSERT INTO profiles_new SELECT * FROM profiles;
        DROP TABLE profiles;
        ALTER TABLE profiles_new RENAME TO profiles;
        CREATE TABLE rankings (
            ranking_id VARCHAR NOT NULL,     -- digest of what was launched
            study VARCHAR,
            frozen_at TIMESTAMP NOT NULL,    -- UTC
            model VARCHAR NOT NULL, model_fingerprint VARCHAR,
            protocol VARCHAR NOT NULL, protocol_digest VARCHAR NOT NULL,
            data_source VARCHAR NOT NULL,
            seeds INTEGER[] NOT NULL,        -- of the launch
            target VARCHAR NOT NULL,
            selector VARCHAR NOT NULL,
            label VARCHAR NOT NULL,
            intermediate VARCHAR NOT NULL,
            score DOUBLE,                    -- large where the selector would choose; NULL: it does not know
            why VARCHAR,                     -- where no selector is known
            PRIMARY KEY (ranking_id, model, target, selector, intermediate)
        );
    """)


def m009_credits(con: duckdb.DuckDBPyConnection) -> None:
    """What each test example gave to a score: figures without a sentence or an id, so that they can be committed.

    Lists of one task, language and metric are of the same examples in the same order where `scores.fingerprint` is.
    """
    con.execute("""
        CREATE TABLE credits (
            run_id VARCHAR NOT NULL, lang VARCHAR NOT NULL, metric VARCHAR NOT NULL,
            correct DOUBLE[] NOT NULL,       -- in [0, 1], by place in the sampled test set; their mean is the score
            PRIMARY KEY (run_id, lang, metric)
        );
        UPDATE ingested SET stamp = '';      -- everything is read once more
    """)


def m010_ranked_runs(con: duckdb.DuckDBPyConnection) -> None:
    """The runs whose gains score a frozen ranking, and how many had ended before it was frozen."""
    con.execute("""
        ALTER TABLE rankings ADD COLUMN runs VARCHAR[];
        ALTER TABLE rankings ADD COLUMN n_done INTEGER;
    """)


def m011_current_runs(con: duckdb.DuckDBPyConnection) -> None:
    """Runs that stand twice count once: what `core.store.current` chose, and the views that aggregates read."""
    con.execute("""
        CREATE TABLE pairing (               -- one row a run
            run_id VARCHAR NOT NULL,
            baseline_run_id VARCHAR,         -- NULL: none of its pair key
            is_current BOOLEAN NOT NULL      -- whether it is the run of its cell and seed that counts
        );
        CREATE VIEW current_runs AS
        SELECT r.* FROM runs r SEMI JOIN (SELECT run_id FROM pairing WHERE is_current) p ON p.run_id = r.run_id;
        CREATE OR REPLACE VIEW gains AS
        SELECT
            r.collection, r.model, r.intermediate, r.target, s.lang, s.metric, r.protocol, r.data_source, r.seed,
            s.score, s.score_last,
            CASE WHEN b.fingerprint = s.fingerprint THEN b.score END AS baseline_score,
            CASE WHEN b.fingerprint = s.fingerprint THEN s.score - b.score END AS gain,
            CASE WHEN b.fingerprint = s.fingerprint THEN s.score_last - b.score_last END AS gain_last,
            s.n, s.split, r.run_id, b.run_id AS baseline_run_id, r.pair_key, r.study,
            CASE
                WHEN b.run_id IS NULL THEN 'no baseline'
                WHEN b.fingerprint <> s.fingerprint THEN 'baseline scored other examples'
            END AS missing,
            EXISTS (SELECT 1 FROM flags f WHERE f.run_id = r.run_id AND f.flag = 'in_task') AS in_task,
            s.metric = r.headline_metric AS is_headline,
            p.is_current
        FROM runs r
        JOIN pairing p ON p.run_id = r.run_id
        JOIN scores s ON s.run_id = r.run_id
        LEFT JOIN (
            SELECT o.* FROM scores o SEMI JOIN (SELECT run_id FROM runs WHERE intermediate = 'none') n
            ON n.run_id = o.run_id
        ) b ON b.run_id = p.baseline_run_id AND b.lang = s.lang AND b.metric = s.metric
        WHERE r.intermediate <> 'none';
        CREATE VIEW current_gains AS SELECT * EXCLUDE (is_current) FROM gains WHERE is_current;
    """)


def m013_matched(con: duckdb.DuckDBPyConnection) -> None:
    """How a training set that is a third of a task is matched with the other two thirds."""
    con.execute("ALTER TABLE splits ADD COLUMN matched VARCHAR;")  # JSON of `core.spec.match.Match`; NULL: no third


def m015_checkpoints(con: duckdb.DuckDBPyConnection) -> None:
    """Two more columns of a run: the mean of its last checkpoints, and the oracle's."""
    con.execute("ALTER TABLE scores ADD COLUMN score_mean DOUBLE; ALTER TABLE scores ADD COLUMN score_oracle DOUBLE;")


MIGRATIONS: tuple[tuple[str, Migration], ...] = (
    ("001_first_tables", m001_first_tables),
    ("002_gains", m002_gains),
    ("003_measured_speed", m003_measured_speed),
    ("004_profiles", m004_profiles),
    ("005_published", m005_published),
    ("006_profile_skips", m006_profile_skips),
    ("007_selector_scores", m007_selector_scores),
    ("008_selectors_and_rankings", m008_selectors_and_rankings),
    ("009_credits", m009_credits),
    ("010_ranked_runs", m010_ranked_runs),
    ("011_current_runs", m011_current_runs),
    ("012_evidence", m012_evidence),
    ("013_matched", m013_matched),
    ("014_imported", m014_imported),
    ("015_checkpoints", m015_checkpoints),
    ("016_in_use", m016_in_use),
    ("017_ids", m017_ids),
)
"""In order; names are recorded in the table `migrations` when they have been applied."""
