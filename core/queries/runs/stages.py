"""What happened inside one run: its stages, curves, data, remarks and skipped languages."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import duckdb
import pandas as pd

from core.spec.match import Match

MATCHED = (
    *("task", "target", "encoder", "third", "is_trained", "n", "length", "bits", "similarity", "word_overlap"),
    *("label_gap", "d_length", "d_bits", "d_similarity"),
)
"""Columns of `matched`."""

LEFT_S = """
    CASE WHEN state IN ('finished', 'reused') THEN 0.0
         WHEN state = 'running' AND total_steps > 0
         THEN seconds / nullif(step, 0) * greatest(0, total_steps - step) END
"""
"""Over a row of `stages`: seconds that it still needs at its pace so far; NULL before its first report."""


def stages(cur: duckdb.DuckDBPyConnection, run_id: str) -> pd.DataFrame:
    """Stages of a run.

    Columns: key, position, kind, name, parent, task_type, state, step, total_steps, fraction (in [0, 1], NULL where
    unknown), seconds, left_s (that it still needs at its pace so far, NULL where unknown), best_step, peak_memory_mb,
    examples_per_s (of the last report). Order: position.
    """
    sql = f"""
        SELECT g.key, g.position, g.kind, g.name, g.parent, g.task_type, g.state, g.step, g.total_steps,
               CASE WHEN g.state IN ('finished', 'reused') THEN 1.0
                    WHEN g.total_steps > 0 THEN least(1.0, coalesce(g.step, 0) / g.total_steps) END AS fraction,
               g.seconds, {LEFT_S} AS left_s, g.best_step, g.peak_memory_mb, p.examples_per_s
        FROM stages g LEFT JOIN (
            SELECT run_id, key, arg_max(examples_per_s, step) AS examples_per_s FROM steps WHERE run_id = $run_id GROUP
            BY ALL
        ) p USING (run_id, key)
        WHERE g.run_id = $run_id ORDER BY g.position, g.key
    """
    return cur.execute(sql, {"run_id": run_id}).df()


def steps(cur: duckdb.DuckDBPyConnection, run_id: str, *, key: str | None = None) -> pd.DataFrame:
    """Training curve of a run.

    Columns: key, step, loss, learning_rate, examples_per_s, memory_mb, cores (both NULL where they were not
    reported). Order: position of the stage, step.

    Args:
        key: Only this stage; None: all of them.
    """
    sql = """
        SELECT p.key, p.step, p.loss, p.learning_rate, p.examples_per_s, p.memory_mb, p.cores
        FROM steps p LEFT JOIN stages g USING (run_id, key)
        WHERE p.run_id = $run_id AND ($key::VARCHAR IS NULL OR p.key = $key) ORDER BY g.position, p.step
    """
    return cur.execute(sql, {"run_id": run_id, "key": key}).df()


def dev_scores(cur: duckdb.DuckDBPyConnection, run_id: str) -> pd.DataFrame:
    """Scores on the English development sets during training.

    Columns: key, name, kind, step, metric, score, n. Order: position of the stage, step.
    """
    sql = """
        SELECT d.key, g.name, g.kind, d.step, d.metric, d.score, d.n
        FROM dev_scores d LEFT JOIN stages g USING (run_id, key) WHERE d.run_id = $run_id ORDER BY g.position, d.step
    """
    return cur.execute(sql, {"run_id": run_id}).df()


def curves(cur: duckdb.DuckDBPyConnection, run_ids: Sequence[str], *, of: Literal["loss", "dev"]) -> pd.DataFrame:
    """Training curves of several runs, those that differ in their seed alone side by side.

    Columns: intermediate, target, model, protocol, data_source, kind (of the stage), name, seed, step, value (loss; or
    the headline development score, a fraction, a negated loss for masked-language modelling), run_id. Order: as the
    columns.

    Args:
        run_ids: The runs; a stage that several share has the curve of the one that trained it.
        of: Training loss, or English development score.
    """
    rows = "SELECT run_id, key, step, loss AS value FROM steps"
    if of == "dev":
        rows = "SELECT run_id, key, step, arg_min(score, metric) AS value FROM dev_scores GROUP BY run_id, key, step"
    sql = f"""
        SELECT r.intermediate, r.target, r.model, r.protocol, r.data_source, g.kind, g.name, r.seed, c.step, c.value,
               r.run_id
        FROM ({rows}) c JOIN runs r USING (run_id) JOIN stages g USING (run_id, key)
        WHERE list_contains($ids::VARCHAR[], r.run_id) ORDER BY ALL
    """
    return cur.execute(sql, {"ids": list(run_ids)}).df()


def judgements(cur: duckdb.DuckDBPyConnection, run_id: str) -> pd.DataFrame:
    """Whether the trained stages of a run learned their tasks, by English development data.

    Columns: kind, task, metric, score, chance (NULL for a loss), rule (the best that reads no meaning), rule_score,
    p_value (one-sided, above chance and the rule; NULL: no test is possible), is_constant, has_learned, n. Order:
    position of the stage, task.
    """
    sql = """
        SELECT g.kind, j.task, j.metric, j.score, j.chance, j.rule, j.rule_score, j.p_value, j.is_constant,
               j.has_learned, j.n
        FROM judgements j JOIN stages g USING (run_id, key) WHERE j.run_id = $run_id ORDER BY g.position, j.task
    """
    return cur.execute(sql, {"run_id": run_id}).df()


def matched(cur: duckdb.DuckDBPyConnection, run_id: str) -> pd.DataFrame:
    """How the thirds of a run's intermediate are matched; empty where it is trained on no third.

    Columns: task, target (whose text they are near to or matched with; NULL for thirds by difficulty alone), encoder
    (that embeds; NULL likewise), third, is_trained (whether it is the run's), n, length (characters), bits (usable
    information a decision, large is easy), similarity, word_overlap (both NULL without a target); then the run's third
    against this one, NULL for itself: label_gap, d_length, d_bits, d_similarity (standardised differences).
    Order: task, then as the thirds come.
    """
    sql = "SELECT task, matched FROM splits WHERE run_id = $run_id AND matched IS NOT NULL ORDER BY task"
    rows = []
    for task, text in cur.execute(sql, {"run_id": run_id}).fetchall():
        match = Match.model_validate_json(text)
        against = {contrast.other: contrast for contrast in match.contrasts}
        for third in match.thirds:
            contrast = against.get(third.name)
            rows.append(
                {"task": task, "target": match.target, "encoder": match.encoder, "third": third.name,
                 "is_trained": contrast is None}
                | third.model_dump(include={"n", "length", "bits", "similarity", "word_overlap"})
                | {"label_gap": contrast and contrast.label_gap}
                | {f"d_{name}": contrast and getattr(contrast, name) for name in ("length", "bits", "similarity")}
            )  # fmt: skip
    return pd.DataFrame(rows, columns=MATCHED)


def flags(cur: duckdb.DuckDBPyConnection, run_id: str) -> pd.DataFrame:
    """What a reader of a run's scores must know.

    Columns: flag, message. Order: as the columns.
    """
    sql = "SELECT flag, message FROM flags WHERE run_id = $run_id ORDER BY flag, message"
    return cur.execute(sql, {"run_id": run_id}).df()


def skips(cur: duckdb.DuckDBPyConnection, run_id: str) -> pd.DataFrame:
    """Languages of a run that have no score.

    Columns: lang, reason. Order: lang.
    """
    return cur.execute("SELECT lang, reason FROM skips WHERE run_id = $run_id ORDER BY lang", {"run_id": run_id}).df()
