"""Finished profile folders into the index; like runs, but read from their Parquet files.

A profile that has not ended has no rows; a finished one whose files cannot be read is listed as damaged.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple

import duckdb
import orjson
import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import ValidationError

from core import events as facts
from core.errors import RunFolderDamaged, as_damage
from core.files import MOST_TABLE, check_regular, read_whole
from core.paths import AtlasPaths, ProfilePaths
from core.spec.base import canonical
from core.spec.profile import ProfileSpec, check_named
from core.store.connection import Store
from core.store.setting_aside import folders_in, insert_table, read_events, thorough_stamp, written_apart

PARTS = (
    *("profile_texts", "profile_skips", "similarities", "positions", "difficulties", "encoder_changes"),
    "selector_scores",
)
"""Tables that hold rows of a profile beside `profiles`."""

TABLES_OF = {
    "domain": ("profile_texts", "similarities", "positions"),
    "difficulty": ("difficulties",),
    "encoder": ("encoder_changes",),
    "selectors": ("selector_scores",),
}
"""Files that a finished profile of each kind has."""

PREFIX = "p"
"""First letter of a profile's id, which no run's has."""


class ProfileChanges(NamedTuple):
    """Folders that an ingest has to look at."""

    new: dict[str, str]
    """Stamps by folder."""
    updated: dict[str, str]
    """Stamps by folder."""
    gone: tuple[str, ...]
    """Folders that vanished."""


def ingest_profiles(store: Store, paths: AtlasPaths) -> ProfileChanges:
    """Bring the index up to date with the profile folders; writes nothing where nothing changed."""
    changes = _look(store, paths)

    def take(cur: duckdb.DuckDBPyConnection, unfit: Mapping[str, str]) -> None:
        nonlocal changes
        # Looked at again inside the lock: another thread may have taken them meanwhile.
        changes = _look(store, paths)
        _forget(cur, [*changes.updated, *changes.gone])
        for name, stamp in (changes.new | changes.updated).items():
            _take(cur, paths.profile(name), stamp=stamp, unfit=unfit.get(name))

    def alone(cur: duckdb.DuckDBPyConnection, name: str) -> None:
        _take(cur, paths.profile(name), stamp="", unfit=None)

    if any(changes):
        written_apart(store, (*changes.new, *changes.updated), take=take, alone=alone)
    return changes


def _look(store: Store, paths: AtlasPaths) -> ProfileChanges:
    with store.cursor() as cur:
        rows = cur.execute("SELECT run_id, stamp FROM ingested WHERE starts_with(run_id, ?)", [PREFIX]).fetchall()
    known: dict[str, str] = dict(rows)
    names, _ = folders_in(paths.profiles, belongs=is_name)
    found = {name: stamp for name in names if (stamp := _stamp(paths.profile(name))) is not None}
    return ProfileChanges(
        new={name: stamp for name, stamp in found.items() if name not in known},
        updated={name: stamp for name, stamp in found.items() if name in known and known[name] != stamp},
        gone=tuple(name for name in known if name not in found),
    )


def is_name(name: str) -> bool:
    """Whether a profile's folder can have this name.

    Args:
        name: Of any folder.
    """
    return name.startswith(PREFIX)


def _stamp(profile: ProfilePaths) -> str | None:
    """What was seen of a folder that has ended well, or holds no readable spec; None: nothing to read yet."""
    try:
        is_ready = profile.finished.exists() or not profile.spec.exists()
    except OSError:
        is_ready = True  # not ours to look into: reading it will say so
    return thorough_stamp(profile.root) if is_ready else None


def _forget(cur: duckdb.DuckDBPyConnection, names: list[str]) -> None:
    if not names:
        return
    ids = {"ids": names}
    for table in ("profiles", *PARTS):
        cur.execute(f"DELETE FROM {table} WHERE list_contains($ids::VARCHAR[], profile_id)", ids)
    cur.execute("DELETE FROM ingested WHERE list_contains($ids::VARCHAR[], run_id)", ids)
    cur.execute("DELETE FROM damaged WHERE list_contains($ids::VARCHAR[], folder)", ids)


def _take(cur: duckdb.DuckDBPyConnection, profile: ProfilePaths, *, stamp: str, unfit: str | None) -> None:
    tables: dict[str, pa.Table] = {}
    try:
        if unfit:
            raise RunFolderDamaged(unfit)
        with as_damage(profile.run_id):
            tables = _read(profile)
    except RunFolderDamaged as error:
        cur.execute("INSERT INTO damaged VALUES (?, ?)", [profile.run_id, str(error)])
    for name, table in tables.items():
        if table.num_rows:
            insert_table(cur, name, table=table)
    cur.execute("INSERT INTO ingested VALUES (?, 0, ?)", [profile.run_id, stamp])


def _read(profile: ProfilePaths) -> dict[str, pa.Table]:
    spec, raw = _spec(profile)
    found = {name: _table(profile, name) for name in TABLES_OF[spec.kind]}
    points: set[str] = set()
    if "profile_texts" in found:
        points = set(found["profile_texts"].column("point").to_pylist())
    skips, ended = _facts(profile)
    skipped = [
        {"profile_id": profile.run_id, "point": point, "reason": reason}
        for point, reason in sorted(skips.items())
        if point not in points
    ]
    row = {
        "profile_id": profile.run_id,
        "collection": "yours",
        "kind": str(spec.kind),
        "model": spec.model.name,
        "model_fingerprint": spec.model.fingerprint or spec.model.revision,
        "data_source": str(spec.data_source.kind),
        "seed": spec.seed,
        "finished_at": ended,
        "seconds": _seconds(profile),
        "spec": canonical(raw),
        "environment": read_whole(profile.environment).decode("utf-8", "replace")
        if profile.environment.exists()
        else None,
    }
    return {"profiles": pa.Table.from_pylist([row]), "profile_skips": pa.Table.from_pylist(skipped)} | found


def _spec(profile: ProfilePaths) -> tuple[ProfileSpec, dict[str, Any]]:
    try:
        raw: dict[str, Any] = orjson.loads(read_whole(profile.spec))
        spec = ProfileSpec.model_validate(raw)
    except FileNotFoundError:
        raise RunFolderDamaged(f"There is no {profile.spec.name}.") from None
    except (ValueError, ValidationError) as error:
        raise RunFolderDamaged(f"{profile.spec.name} is not the spec of a profile: {error}") from error
    check_named(raw, profile.run_id)
    return spec, raw


def _table(profile: ProfilePaths, name: str) -> pa.Table:
    file = profile.table(name)
    try:
        check_regular(file.stat(), file=file, most_bytes=MOST_TABLE)
        found = pq.read_table(file)
    except FileNotFoundError:
        raise RunFolderDamaged(
            f"There is no {file.name}, though {profile.finished.name} says it is complete."
        ) from None
    except pa.ArrowException as error:
        raise RunFolderDamaged(f"{file.name}: {error}") from error
    ids = set(found.column("profile_id").to_pylist()) if "profile_id" in found.column_names else {"no"}
    if ids - {profile.run_id}:
        raise RunFolderDamaged(f"{file.name} holds rows of profile {', '.join(sorted(ids))}: it was changed.")
    return found


def _seconds(profile: ProfilePaths) -> float | None:
    try:
        return float(orjson.loads(read_whole(profile.finished))["seconds"])
    except (ValueError, KeyError, TypeError) as error:
        raise RunFolderDamaged(f"{profile.finished.name}: {type(error).__name__}: {error}") from error


def _facts(profile: ProfilePaths) -> tuple[dict[str, str], datetime | None]:
    """Reasons by point of the last attempt, and when it ended."""
    skips: dict[str, str] = {}
    ended: datetime | None = None
    raw = read_events(profile)
    for number, line in enumerate(raw[: raw.rfind(b"\n") + 1].split(b"\n")[:-1], start=1):
        try:
            envelope = facts.ENVELOPE.validate_json(line)
        except ValidationError as error:
            raise RunFolderDamaged(f"{profile.events.name}, line {number}: {error}") from error
        if isinstance(envelope.event, facts.RunStarted):
            skips.clear()
        elif isinstance(envelope.event, facts.PointSkipped):
            skips[envelope.event.point] = envelope.event.reason
        elif isinstance(envelope.event, facts.RunFinished):
            ended = datetime.fromisoformat(envelope.time).replace(tzinfo=None)
    return skips, ended
