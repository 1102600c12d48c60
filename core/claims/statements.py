"""Properties of a protocol: which runs of `mohapatra2022` in the store are as the paper states it?

They speak of our runs, which are as they were asked to be: a count, without limits, that supports nothing of the paper.
Its own data sets and tables were never found.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pandas as pd

from core.claims.facts import Facts
from core.claims.records import Finding
from core.measures.inference.intervals import Interval

PROTOCOL = "mohapatra2022"
_SHARE = 0.7
_TOLERANCE = 0.005


def trained_share(facts: Facts) -> Finding:
    """Share of runs in which every stage trained on 70 % of the data there was."""
    rows = facts.frame(
        """
        SELECT r.run_id, bool_and(abs(s.n / s.n_available - $share) <= $tolerance) AS holds
        FROM current_runs r JOIN splits s USING (run_id)
        WHERE r.protocol = $protocol AND r.intermediate <> 'none' AND s.role = 'train' AND s.n_available > 0
        GROUP BY r.run_id ORDER BY r.run_id
        """,
        protocol=PROTOCOL, share=_SHARE, tolerance=_TOLERANCE,
    )  # fmt: skip
    return _share(rows["holds"].tolist(), note="recorded sizes of training sets, within half a per cent")


def hundred_epochs(facts: Facts) -> Finding:
    """Share of runs whose intermediate stage is set to 100 epochs without a bound on steps."""

    def holds(row: dict[str, Any]) -> bool:
        stage = _stage(row, "intermediate")
        return bool(stage["epochs"] == 100 and not stage.get("max_steps"))

    return _of_specs(facts, holds, note="epochs of the intermediate stage as specified")


def same_procedure(facts: Facts) -> Finding:
    """Share of runs whose baseline is in the store and has the same target stage."""
    rows = facts.specs(protocol=PROTOCOL)
    baselines = rows[rows["intermediate"] == "none"].set_index("pair_key")["spec"].to_dict()
    found = [
        row["pair_key"] in baselines and _stage(row, "target") == _stage({"spec": baselines[row["pair_key"]]}, "target")
        for row in _records(rows[rows["intermediate"] != "none"])
    ]
    return _share(found, note="target stage of each run against that of its paired baseline")


def all_weights(facts: Facts) -> Finding:
    """Share of runs in which both stages update every weight: none is frozen, and no adapter stands in for it."""

    def holds(row: dict[str, Any]) -> bool:
        stages = [_stage(row, name) for name in ("intermediate", "target")]
        # Fields that came later are not in the JSON where they are not set.
        return all(
            stage["freezing"] == "none" and stage.get("freeze_layers") is None and stage.get("lora_rank") is None
            for stage in stages
        )

    return _of_specs(facts, holds, note="freezing, frozen layers and adapters of both stages as specified")


def imdb_for_classification(facts: Facts) -> Finding:
    """Share of runs on a text classification target whose intermediate is IMDB."""

    def holds(row: dict[str, Any]) -> bool:
        return "imdb" in row["spec"]["intermediate"]["tasks"]

    return _of_specs(facts, holds, note="runs on classification targets", only="classification")


def order_of_magnitude(facts: Facts) -> Finding:
    """Share of pairs whose intermediate has ten times the target's training examples or more."""
    rows = facts.specs(protocol=PROTOCOL)
    larger: dict[tuple[str, str], bool] = {}
    for row in _records(rows[rows["intermediate"] != "none"]):
        sizes = {task["name"]: task.get("train_examples") for task in row["spec"]["tasks"]}
        between = [sizes.get(name) for name in row["spec"]["intermediate"]["tasks"]]
        if all(between) and sizes.get(row["target"]):
            larger[row["intermediate"], row["target"]] = (
                sum(size for size in between if size) >= 10 * sizes[row["target"]]
            )
    return _share(list(larger.values()), note="official sizes of both training sets", unit="pairs")


def _stage(row: dict[str, Any], name: str) -> dict[str, Any]:
    """Hyper-parameters of a stage with the overrides of its task; rows hold parsed JSON."""
    protocol = row["spec"]["protocol"]
    tasks = [row["spec"]["target"]] if name == "target" else (row["spec"].get("intermediate") or {}).get("tasks", [])
    stage = dict(protocol[name])
    for task in tasks:
        stage |= protocol.get(f"{name}_overrides", {}).get(task, {})
    return stage


def _of_specs(facts: Facts, holds: Callable[[dict[str, Any]], bool], *, note: str, only: str | None = None) -> Finding:
    rows = facts.specs(protocol=PROTOCOL)
    rows = rows[rows["intermediate"] != "none"]
    rows = rows if only is None else rows[rows["target_type"] == only]
    return _share([holds(row) for row in _records(rows)], note=note)


def _records(rows: pd.DataFrame) -> list[dict[str, Any]]:
    return [{str(name): value for name, value in row.items()} for row in rows.to_dict("records")]


def _share(found: list[bool], *, note: str, unit: str = "runs") -> Finding:
    if not found:
        return Finding(None, note=f"no finished run with an intermediate under protocol {PROTOCOL}")
    share = sum(map(bool, found)) / len(found)
    return Finding(Interval(share, share, share, 1.0, "count", len(found), 0), unit, PROTOCOL, note)
