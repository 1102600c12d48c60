"""What runs were asked to do and where they ran, field by field, so that their differences can be listed.

The fields are those of the stored specification, of the data that was read and of the environment; nothing is chosen
by hand, so a field that is added to a specification appears by itself.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import duckdb
import pandas as pd

SECTIONS = ("run", "model", "intermediate", "protocol", "data", "task", "environment")
"""Parts of the table, in order."""

_ONLY_WHERE_USED = {"data", "task"}
_OF_RUN = ("collection", "study", "target", "seed", "outcome")
Fields = dict[tuple[str, str], str | None]


def run_settings(cur: duckdb.DuckDBPyConnection, run_ids: Sequence[str]) -> pd.DataFrame:
    """One row per field of specification, data and environment.

    Columns: section (of `SECTIONS`), field (dotted), differs (whether the runs have more than one value), then one
    column per run in the order asked: the value as text, None where the run has none. A missing value counts as one
    but for data and tasks: which of them a run reads follows from its intermediate and target. A task's definition
    is written out where two runs have it in different forms, and is one row elsewhere. Order: section, then field in
    its order in the specification.
    """
    rows = cur.execute(
        """
        SELECT run_id, collection, study, target, intermediate, seed, outcome, spec, environment FROM runs
        WHERE list_contains($run_ids, run_id) ORDER BY list_position($run_ids, run_id)
        """,
        {"run_ids": list(run_ids)},
    ).df()
    texts = rows.astype(object).where(rows.notna(), None).to_dict("records")
    specs = {str(row["run_id"]): json.loads(row["spec"]) for row in texts}
    found = {str(row["run_id"]): _fields(row, spec=specs[str(row["run_id"])]) for row in texts}
    for run_id, fields in _data(cur, run_ids).items():
        found[run_id] |= fields
    for run_id, fields in _tasks(specs).items():
        found[run_id] |= fields
    keys = sorted(dict.fromkeys(key for fields in found.values() for key in fields), key=_place)
    table = pd.DataFrame([(section, name) for section, name in keys], columns=["section", "field"])
    values = {run_id: [fields.get(key) for key in keys] for run_id, fields in found.items()}
    table["differs"] = [
        len(set(line) - ({None} if section in _ONLY_WHERE_USED else set())) > 1
        for (section, _), line in zip(keys, zip(*values.values(), strict=True), strict=True)
    ]
    return table.assign(**{run_id: pd.Series(line, dtype="object") for run_id, line in values.items()})


def _place(key: tuple[str, str]) -> int:
    return SECTIONS.index(key[0])


def _fields(row: Mapping[Any, Any], *, spec: Mapping[str, Any]) -> Fields:
    fields: Fields = {("run", name): _text(row[name]) for name in _OF_RUN}
    fields["intermediate", "intermediate"] = _text(row["intermediate"])
    for section in ("model", "protocol", "intermediate"):
        fields |= {(section, name): value for name, value in _flat(spec.get(section) or {}).items()}
    source = spec.get("data_source") or {}
    fields |= {("data", f"data source {name}"): value for name, value in _flat(source).items()}
    environment = json.loads(row["environment"]) if row["environment"] else {}
    return fields | {("environment", name): value for name, value in _flat(environment).items()}


def _flat(tree: Mapping[str, Any], *, before: str = "") -> dict[str, str | None]:
    """Dotted names and texts of the leaves."""
    found: dict[str, str | None] = {}
    for name, value in tree.items():
        if isinstance(value, Mapping):
            found |= _flat(value, before=f"{before}{name}.")
        else:
            found[before + name] = _text(value)
    return found


def _text(value: object) -> str | None:
    """A leaf as a person would write it."""
    if value is None:
        return None
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return format(value, "g")
    if isinstance(value, list):
        whole = all(isinstance(part, str | int | float) for part in value)
        return ", ".join(map(str, value)) if whole else json.dumps(value, sort_keys=True)
    return str(value)


def _data(cur: duckdb.DuckDBPyConnection, run_ids: Sequence[str]) -> dict[str, Fields]:
    """What was read of each split, by run."""
    rows = cur.execute(
        """
        SELECT run_id, task, role, lang, split, n, n_available, fingerprint, revision FROM splits
        WHERE list_contains($run_ids, run_id) ORDER BY role <> 'train', role, task, lang <> 'en', lang
        """,
        {"run_ids": list(run_ids)},
    ).df()
    found: dict[str, Fields] = {}
    for row in rows.to_dict("records"):
        revision = "" if pd.isna(row["revision"]) else f", revision {str(row['revision'])[:12]}"
        text = f"{row['n']} of {row['n_available']} of {row['split']}, {str(row['fingerprint'])[:8]}{revision}"
        found.setdefault(row["run_id"], {})["data", f"{row['task']} {row['role']} {row['lang']}"] = text
    return found


def _tasks(specs: Mapping[str, Mapping[str, Any]]) -> dict[str, Fields]:
    """One row for a task that all its runs define alike, its fields where they do not."""
    by_name: dict[str, dict[str, Mapping[str, Any]]] = {}
    for run_id, spec in specs.items():
        for task in spec.get("tasks") or ():
            by_name.setdefault(str(task["name"]), {})[run_id] = task
    found: dict[str, Fields] = {run_id: {} for run_id in specs}
    for name, runs in by_name.items():
        forms = {json.dumps(task, sort_keys=True) for task in runs.values()}
        for run_id, task in runs.items():
            fields = {"": "used"} if len(forms) == 1 else {f".{k}": v for k, v in _flat(task).items()}
            found[run_id] |= {("task", name + field): value for field, value in fields.items()}
    return found
