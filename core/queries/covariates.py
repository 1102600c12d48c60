"""What is known of each intermediate, target and language beside its gains: the explaining side of the evidence.

Difficulty and similarity come from profiles, task types and sizes from the runs themselves, language facts from
`core.languages`. Every covariate is turned so that its name says what large means: hard, near, match, large, far.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, NamedTuple, get_args

import duckdb
import numpy as np
import pandas as pd

from core.errors import UnknownName
from core.measures.difficulty.table import DIFFICULTIES
from core.measures.similarity.table import SIMILARITIES
from core.queries.difficulty import ProfileView, closest_view
from core.queries.difficulty import difficulties as profiled
from core.queries.similarity import current_profile
from core.queries.similarity import similarities as pairwise
from core.spec.profile import text_point
from core.spec.run import DataSourceKind, Nearness, Third

_THIRD = re.compile(rf"[@,]({'|'.join((*get_args(Third), *get_args(Nearness)))})(:|$)")


class Measured(NamedTuple):
    """Values of a measure, and where they are from in one sentence."""

    frame: pd.DataFrame
    origin: str


def base_tasks(intermediate: str) -> str:
    """The tasks of an intermediate without placebo and slice: conditions that share them are not quite independent.

    Args:
        intermediate: Text form.
    """
    return text_point(intermediate).split("@")[0]


def is_measurable(intermediate: str) -> bool:
    """Whether an intermediate has a difficulty: one task with labels has, a mixture or language modelling has none.

    Args:
        intermediate: Text form.
    """
    return "+" not in intermediate and "~mlm" not in intermediate


def is_third(intermediate: str) -> bool:
    """Whether an intermediate is a third of a task's examples: which texts it has depends on trained models.

    Args:
        intermediate: Text form.
    """
    return _THIRD.search(intermediate) is not None


def difficulties(cur: duckdb.DuckDBPyConnection, *, measure: str, like: ProfileView) -> Measured:
    """Difficulty of each intermediate, large meaning hard; of one model, protocol and data source.

    They are those of `closest_view`. Columns: intermediate, difficulty. Order: hardest first.

    Args:
        measure: Key of `DIFFICULTIES`.
        like: The runs' own.

    Raises:
        UnknownName: There is no such measure.
    """
    if measure not in DIFFICULTIES:
        raise UnknownName("difficulty measure", measure, known=DIFFICULTIES)
    empty = pd.DataFrame({"intermediate": pd.Series(dtype=str), "difficulty": []})
    view = closest_view(cur, kind="difficulty", like=like)
    if view is None:
        return Measured(empty, f"not measured on {DataSourceKind(like.data_source).words}")
    rows = profiled(cur, view, measure=measure)
    frame = rows.rename(columns={"hardness": "difficulty"})
    whose = f"{view.model}, as that of {like.model} was not measured"
    if view.model == like.model:
        is_same = view.model_fingerprint == (like.model_fingerprint or None)
        whose = "the runs' own model" if is_same else "the runs' model with other weights"
    where = f"trained by protocol {view.protocol} on {DataSourceKind(view.data_source).words}"
    return Measured(frame[["intermediate", "difficulty"]], f"{DIFFICULTIES[measure].title}, by {whose}, {where}")


def similarities(
    cur: duckdb.DuckDBPyConnection, *, measure: str, data_source: str, centred: bool | None = None
) -> Measured:
    """Similarity of each intermediate's text to each text of the targets, large meaning near; of one profile.

    Columns: point (text of an intermediate), target, role (train, test), lang, similarity. Order: the first four.

    Args:
        measure: Key of `SIMILARITIES`.
        data_source: Of the runs.
        centred: With each language's mean removed or not; None: removed where the measure has that.

    Raises:
        UnknownName: There is no such measure.
    """
    if measure not in SIMILARITIES:
        raise UnknownName("similarity measure", measure, known=SIMILARITIES)
    profile = current_profile(cur, data_source=data_source)
    wanted = SIMILARITIES[measure].is_embedded if centred is None else centred
    rows = pairwise(cur, profile or "", measure=measure, centred=wanted).rename(columns={"intermediate": "point"})
    rows = rows.sort_values(["point", "target", "role", "lang"], kind="stable", ignore_index=True)
    similarity = SIMILARITIES[measure].direction * rows["value"]
    frame = rows[["point", "target", "role", "lang"]].assign(similarity=similarity)
    if profile is None:
        return Measured(frame, f"not measured on {DataSourceKind(data_source).words}")
    means = "each language's mean subtracted" if wanted else "languages' means kept"
    words = DataSourceKind(data_source).words
    return Measured(frame, f"{SIMILARITIES[measure].title} of texts, {means}, on {words} (stored as profile {profile})")


def intermediates(cur: duckdb.DuckDBPyConnection, *, run_ids: list[str]) -> pd.DataFrame:
    """Task types and training size of each intermediate of some runs.

    Columns: intermediate, types (text, sorted, joined by `+`; `mlm` for masked-language modelling), log_size (log10 of
    the training examples that were used, of all its tasks together; NULL where not known). Order: intermediate.

    Args:
        run_ids: One run or more of each intermediate.
    """
    rows = cur.execute(
        """
        WITH chosen AS (SELECT * FROM runs WHERE list_contains($run_ids, run_id) AND intermediate <> 'none'),
        sizes AS (
            SELECT c.intermediate, s.task, max(s.n) AS n
            FROM splits s JOIN chosen c USING (run_id) WHERE s.role = 'train' GROUP BY ALL
        )
        SELECT c.intermediate, c.spec, s.sizes
        FROM (SELECT intermediate, min(spec) AS spec FROM chosen GROUP BY intermediate) c
        LEFT JOIN (SELECT intermediate, map_from_entries(list((task, n))) AS sizes FROM sizes GROUP BY intermediate) s
        USING (intermediate) ORDER BY c.intermediate
        """,
        {"run_ids": run_ids},
    ).fetchall()
    facts = [_facts(name, json.loads(spec), sizes or {}) for name, spec, sizes in rows]
    return pd.DataFrame(facts, columns=["intermediate", "types", "log_size"])


def planned_intermediates(specs: Mapping[str, dict[str, Any]]) -> pd.DataFrame:
    """The same of intermediates that need not have been run: sizes are those that the protocol will take.

    Columns and order: those of `intermediates`.

    Args:
        specs: A run with each intermediate, by its text form, as plain JSON values of `RunSpec`.
    """
    facts = [_facts(name, specs[name], {}) for name in sorted(specs)]
    return pd.DataFrame(facts, columns=["intermediate", "types", "log_size"])


def type_match(types: str, *, target: str) -> float:
    """Share of an intermediate's tasks that have the target's type.

    Args:
        types: As `intermediates` returns them.
        target: Type of the target.
    """
    named = types.split("+")
    return sum(name == target for name in named) / len(named)


def _facts(name: str, spec: dict[str, Any], sizes: dict[str, int]) -> tuple[str, str, float | None]:
    """`spec` is a run's JSON: whatever older versions of the program wrote."""
    between = spec.get("intermediate") or {}
    tasks = {task["name"]: task for task in spec.get("tasks", [])}
    named = between.get("tasks") or base_tasks(name).split("+")
    if between.get("placebo") == "mlm":
        types = "mlm"
    else:
        types = "+".join(sorted(str(tasks[task]["type"]) if task in tasks else "unknown" for task in named))
    counts = [sizes.get(task) or _planned_size(task, tasks=tasks, spec=spec) for task in named]
    known = [count for count in counts if count]
    return name, types, float(np.log10(sum(known))) if len(known) == len(counts) else None


def _planned_size(name: str, *, tasks: dict[str, Any], spec: dict[str, Any]) -> int | None:
    """What the protocol would take, where no run has said what it took."""
    task = tasks.get(name, {})
    parts = [tasks[part].get("train_examples") for part in task.get("parts", ()) if part in tasks]
    size = task.get("train_examples") or (sum(parts) if parts and all(parts) else None)
    stage = spec.get("protocol", {}).get("intermediate", {})
    if not size:
        return None
    wanted = int(size * (stage.get("train_share") or 1.0))
    return min(wanted, stage.get("max_train_examples") or wanted)
