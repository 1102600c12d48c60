"""The tables after all migrations, written out: a migration that changes them changes this file too."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from core.store.connection import Store
from core.store.schema import MIGRATIONS

EXPECTED: dict[str, list[str]] = {
    "pairing": [
        "run_id VARCHAR!",
        "baseline_run_id VARCHAR",
        "is_current BOOLEAN!",
        "mismatch VARCHAR",
        "excluded VARCHAR",
        "note VARCHAR",
    ],
    "credits": [
        "run_id VARCHAR!",
        "lang VARCHAR!",
        "metric VARCHAR!",
        "correct DOUBLE[]!",
        "functional VARCHAR",
    ],
    "damaged": [
        "folder VARCHAR!",
        "reason VARCHAR!",
    ],
    "dev_scores": [
        "run_id VARCHAR!",
        "key VARCHAR!",
        "step INTEGER!",
        "metric VARCHAR!",
        "score DOUBLE!",
        "n INTEGER!",
    ],
    "flags": [
        "run_id VARCHAR!",
        "flag VARCHAR!",
        "message VARCHAR!",
    ],
    "floors": [
        "run_id VARCHAR!",
        "lang VARCHAR!",
        "metric VARCHAR!",
    ],
    "gains": [
        "collection VARCHAR",
        "model VARCHAR",
        "intermediate VARCHAR",
        "target VARCHAR",
        "lang VARCHAR",
        "metric VARCHAR",
        "protocol VARCHAR",
        "data_source VARCHAR",
        "seed INTEGER",
        "score DOUBLE",
        "score_last DOUBLE",
        "baseline_score DOUBLE",
        "gain DOUBLE",
        "gain_last DOUBLE",
        "n INTEGER",
        "split VARCHAR",
        "run_id VARCHAR",
        "baseline_run_id VARCHAR",
        "pair_key VARCHAR",
        "study VARCHAR",
        "missing VARCHAR",
        "in_task BOOLEAN",
        "is_headline BOOLEAN",
        "is_current BOOLEAN",
        "floor DOUBLE",
        "floor_rule VARCHAR",
        "excluded VARCHAR",
        "note VARCHAR",
    ],
    "ingested": [
        "run_id VARCHAR!",
        "size BIGINT!",
        "stamp VARCHAR!",
    ],
    "judgements": [
        "run_id VARCHAR!",
        "key VARCHAR!",
        "task VARCHAR!",
        "metric VARCHAR!",
        "score DOUBLE!",
        "chance DOUBLE",
        "rule VARCHAR!",
        "rule_score DOUBLE!",
        "p_value DOUBLE",
        "is_constant BOOLEAN!",
        "has_learned BOOLEAN!",
        "n INTEGER!",
    ],
    "meta": [
        "key VARCHAR!",
        "value VARCHAR!",
    ],
    "migrations": [
        "name VARCHAR!",
        "applied_at TIMESTAMP!",
    ],
    "runs": [
        "run_id VARCHAR!",
        "collection VARCHAR!",
        "study VARCHAR",
        "model VARCHAR!",
        "model_fingerprint VARCHAR",
        "intermediate VARCHAR!",
        "target VARCHAR!",
        "task_type VARCHAR!",
        "seed INTEGER!",
        "protocol VARCHAR!",
        "protocol_digest VARCHAR!",
        "data_source VARCHAR!",
        "pair_key VARCHAR!",
        "headline_metric VARCHAR!",
        "chance DOUBLE!",
        "submitted_at TIMESTAMP",
        "started_at TIMESTAMP",
        "finished_at TIMESTAMP",
        "seconds DOUBLE",
        "attempts INTEGER!",
        "device VARCHAR",
        "outcome VARCHAR",
        "error VARCHAR",
        "message VARCHAR",
        "spec VARCHAR!",
        "environment VARCHAR",
        "threads INTEGER",
    ],
    "scores": [
        "run_id VARCHAR!",
        "lang VARCHAR!",
        "metric VARCHAR!",
        "score DOUBLE!",
        "score_last DOUBLE",
        "n INTEGER!",
        "split VARCHAR!",
        "fingerprint VARCHAR!",
        "floor DOUBLE",
        "floor_rule VARCHAR",
        "floor_p DOUBLE",
        "score_mean DOUBLE",
        "score_oracle DOUBLE",
    ],
    "skips": [
        "run_id VARCHAR!",
        "lang VARCHAR!",
        "reason VARCHAR!",
    ],
    "splits": [
        "run_id VARCHAR!",
        "task VARCHAR!",
        "role VARCHAR!",
        "lang VARCHAR!",
        "split VARCHAR!",
        "n INTEGER!",
        "n_available INTEGER!",
        "fingerprint VARCHAR!",
        "revision VARCHAR",
        "matched VARCHAR",
    ],
    "stages": [
        "run_id VARCHAR!",
        "key VARCHAR!",
        "position INTEGER!",
        "kind VARCHAR!",
        "name VARCHAR!",
        "parent VARCHAR",
        "state VARCHAR!",
        "step INTEGER",
        "total_steps INTEGER",
        "seconds DOUBLE",
        "best_step INTEGER",
        "peak_memory_mb DOUBLE",
        "task_type VARCHAR",
        "code INTEGER",
    ],
    "steps": [
        "run_id VARCHAR!",
        "key VARCHAR!",
        "step INTEGER!",
        "loss DOUBLE!",
        "learning_rate DOUBLE!",
        "examples_per_s DOUBLE!",
        "memory_mb DOUBLE",
        "cores DOUBLE",
    ],
    "difficulties": [
        "profile_id VARCHAR!",
        "intermediate VARCHAR!",
        "measure VARCHAR!",
        "value DOUBLE!",
        "ci_low DOUBLE",
        "ci_high DOUBLE",
        "n INTEGER!",
        "resamples INTEGER!",
    ],
    "encoder_changes": [
        "profile_id VARCHAR!",
        "intermediate VARCHAR!",
        "lang VARCHAR!",
        "layer INTEGER!",
        "measure VARCHAR!",
        "value DOUBLE!",
        "ci_low DOUBLE",
        "ci_high DOUBLE",
        "n INTEGER!",
    ],
    "positions": [
        "profile_id VARCHAR!",
        "point VARCHAR!",
        "method VARCHAR!",
        "centred BOOLEAN!",
        "x DOUBLE!",
        "y DOUBLE!",
    ],
    "profile_skips": [
        "profile_id VARCHAR!",
        "point VARCHAR!",
        "reason VARCHAR!",
    ],
    "profile_texts": [
        "profile_id VARCHAR!",
        "point VARCHAR!",
        "task VARCHAR!",
        "role VARCHAR!",
        "lang VARCHAR!",
        "split VARCHAR!",
        "n INTEGER!",
        "n_available INTEGER!",
        "fingerprint VARCHAR!",
    ],
    "profiles": [
        "profile_id VARCHAR!",
        "collection VARCHAR!",
        "kind VARCHAR!",
        "model VARCHAR!",
        "model_fingerprint VARCHAR",
        "data_source VARCHAR!",
        "seed INTEGER!",
        "finished_at TIMESTAMP",
        "seconds DOUBLE",
        "spec VARCHAR!",
        "environment VARCHAR",
    ],
    "selector_scores": [
        "profile_id VARCHAR!",
        "intermediate VARCHAR!",
        "target VARCHAR!",
        "selector VARCHAR!",
        "value DOUBLE!",
        "ci_low DOUBLE",
        "ci_high DOUBLE",
        "n INTEGER!",
    ],
    "rankings": [
        "ranking_id VARCHAR!",
        "study VARCHAR",
        "frozen_at TIMESTAMP!",
        "model VARCHAR!",
        "model_fingerprint VARCHAR",
        "protocol VARCHAR!",
        "protocol_digest VARCHAR!",
        "data_source VARCHAR!",
        "seeds INTEGER[]!",
        "target VARCHAR!",
        "selector VARCHAR!",
        "label VARCHAR!",
        "intermediate VARCHAR!",
        "score DOUBLE",
        "why VARCHAR",
        "runs VARCHAR[]",
        "n_done INTEGER",
    ],
    "similarities": [
        "profile_id VARCHAR!",
        "a VARCHAR!",
        "b VARCHAR!",
        "measure VARCHAR!",
        "centred BOOLEAN!",
        "value DOUBLE!",
        "ci_low DOUBLE",
        "ci_high DOUBLE",
        "n_a INTEGER!",
        "n_b INTEGER!",
        "resamples INTEGER!",
    ],
    "published_figures": [
        "table_name VARCHAR!",
        "position INTEGER!",
        "model VARCHAR",
        "intermediate VARCHAR",
        "target VARCHAR",
        "lang VARCHAR",
        "metric VARCHAR!",
        "split VARCHAR",
        "seed INTEGER",
        "kind VARCHAR!",
        "value DOUBLE",
        "rounding DOUBLE",
        "printed VARCHAR!",
        "derived BOOLEAN!",
        "caution VARCHAR",
        "source VARCHAR!",
        "target_task VARCHAR",
        "intermediate_task VARCHAR",
    ],
    "published_tables": [
        "name VARCHAR!",
        "file VARCHAR!",
        "title VARCHAR!",
        "paper VARCHAR!",
        "arxiv VARCHAR",
        "version VARCHAR!",
        "printed_table VARCHAR!",
        "source VARCHAR!",
        "unit VARCHAR!",
        "derived BOOLEAN!",
        "confidence VARCHAR!",
        "caution VARCHAR",
        "averages VARCHAR",
    ],
}
EXPECTED["current_gains"] = [column for column in EXPECTED["gains"] if column != "is_current BOOLEAN"]
EXPECTED["counted_gains"] = [
    column for column in EXPECTED["current_gains"] if column not in {"excluded VARCHAR", "missing VARCHAR"}
]
EXPECTED["current_runs"] = [column.rstrip("!") for column in EXPECTED["runs"]]


def test_the_tables_are_these() -> None:
    with Store.open(":memory:") as store, store.cursor() as cur:
        rows = cur.execute(
            "SELECT table_name, column_name || ' ' || data_type || CASE is_nullable WHEN 'NO' THEN '!' ELSE '' END "
            "FROM information_schema.columns ORDER BY table_name, ordinal_position"
        ).fetchall()
        applied = cur.execute("SELECT name FROM migrations ORDER BY name").fetchall()
    found: dict[str, list[str]] = {}
    for table, column in rows:
        found.setdefault(table, []).append(column)
    assert found == EXPECTED
    assert [row[0] for row in applied] == [name for name, _ in MIGRATIONS]


def test_an_older_database_is_brought_up_with_its_rows(tmp_path: Path) -> None:
    file = tmp_path / "a.duckdb"
    with duckdb.connect(str(file)) as con:
        con.execute("CREATE TABLE migrations (name VARCHAR PRIMARY KEY, applied_at TIMESTAMP NOT NULL)")
        for name, migration in MIGRATIONS[:2]:
            migration(con)
            con.execute("INSERT INTO migrations VALUES (?, now()::TIMESTAMP)", [name])
        con.execute(
            "INSERT INTO stages VALUES ('r', 'k', 0, 'target', 'xnli', NULL, 'planned', NULL, 4, NULL, NULL, NULL)"
        )
    with Store.open(file) as store, store.cursor() as cur:
        assert cur.execute("SELECT total_steps, task_type FROM stages").fetchall() == [(4, None)]


def test_profiles_keep_their_rows_and_their_key_when_a_kind_is_added(tmp_path: Path) -> None:
    file = tmp_path / "a.duckdb"
    row = "VALUES (?, 'yours', ?, 'm', NULL, 'sample', 1, NULL, 2.5, '{}', NULL)"
    with duckdb.connect(str(file)) as con:
        con.execute("CREATE TABLE migrations (name VARCHAR PRIMARY KEY, applied_at TIMESTAMP NOT NULL)")
        for name, migration in MIGRATIONS:
            if name < "008":
                migration(con)
                con.execute("INSERT INTO migrations VALUES (?, now()::TIMESTAMP)", [name])
        con.execute(f"INSERT INTO profiles {row}", ["p1", "domain"])
        with pytest.raises(duckdb.ConstraintException):
            con.execute(f"INSERT INTO profiles {row}", ["p2", "selectors"])
    with Store.open(file) as store, store.write() as cur:
        cur.execute(f"INSERT INTO profiles {row}", ["p2", "selectors"])
        assert cur.execute("SELECT profile_id, kind, seconds FROM profiles ORDER BY ALL").fetchall() == [
            ("p1", "domain", 2.5), ("p2", "selectors", 2.5)
        ]  # fmt: skip
    with Store.open(file) as store, pytest.raises(duckdb.ConstraintException), store.write() as cur:
        cur.execute(f"INSERT INTO profiles {row}", ["p1", "domain"])
