"""Frozen rankings: one JSON file a launch in `<home>/rankings/`, written once; the table `rankings` is their index."""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from pathlib import Path

import pyarrow as pa

from core.errors import RunFolderDamaged, as_damage
from core.files import name_as_text, read_whole, written_beside
from core.paths import AtlasPaths
from core.spec.ranking import FrozenRanking
from core.store.connection import Store
from core.store.setting_aside import insert_table, strays_in

_STAMP = "rankings"
_DAMAGED = "rankings/"
_ENDING = ".json"
NOBODY = "none"
"""Intermediate in the row of a selector that knows no intermediate."""

_COLUMNS = pa.schema(
    {
        **dict.fromkeys(("ranking_id", "study"), pa.string()),
        "frozen_at": pa.timestamp("us"),
        **dict.fromkeys(("model", "model_fingerprint", "protocol", "protocol_digest", "data_source"), pa.string()),
        "seeds": pa.list_(pa.int32()),
        **dict.fromkeys(("target", "selector", "label", "intermediate"), pa.string()),
        "score": pa.float64(),
        "why": pa.string(),
        "runs": pa.list_(pa.string()),
        "n_done": pa.int32(),
    }
)


def save_ranking(ranking: FrozenRanking, *, paths: AtlasPaths) -> Path:
    """Write a ranking down; one of the same launch that is there already stays as it was.

    Args:
        ranking: What to freeze.

    Raises:
        DiskFull: No space is left.
        StoreError: The file cannot be written.
    """
    file = paths.ranking(ranking.ranking_id)
    if not file.exists():
        with written_beside(file) as draft:
            draft.write_text(ranking.canonical_json(), encoding="utf-8")
    return file


def ingest_rankings(store: Store, paths: AtlasPaths) -> int:
    """Bring the table up to date with the files; number of files read, 0 where none changed.

    A file that cannot be read is listed as damaged.
    """
    files = sorted(paths.rankings.glob("*.json"))
    stamp = ";".join(f"{name_as_text(f.name)}:{seen.st_size}:{seen.st_mtime_ns}" for f in files if (seen := f.lstat()))
    with store.cursor() as cur:
        known = cur.execute("SELECT value FROM meta WHERE key = ?", [_STAMP]).fetchone()
    if stamp == (known[0] if known else ""):
        return 0
    with store.write() as cur:
        cur.execute("DELETE FROM rankings")
        cur.execute("DELETE FROM damaged WHERE starts_with(folder, ?) AND ends_with(folder, ?)", [_DAMAGED, _ENDING])
        for file in files:
            try:
                with as_damage(name_as_text(file.name)):
                    table = _rows(FrozenRanking.model_validate_json(read_whole(file)), file=file)
            except RunFolderDamaged as error:
                cur.execute("INSERT INTO damaged VALUES (?, ?)", [f"{_DAMAGED}{name_as_text(file.name)}", str(error)])
                continue
            insert_table(cur, "rankings", table=table)
        cur.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", [_STAMP, stamp])
    return len(files)


def strays_of_rankings(paths: AtlasPaths) -> dict[str, str]:
    """What lies among the rankings and is none, with why; a ranking that cannot be read is not among it.

    Args:
        paths: The home.
    """
    return strays_in(paths.rankings, belongs=lambda e: e.name.endswith(_ENDING), expected="files that end in .json")


def _rows(found: FrozenRanking, *, file: Path) -> pa.Table:
    if found.ranking_id != file.stem:
        raise ValueError(f"The file is of ranking {found.ranking_id}, but is named {file.stem}: it was changed.")
    head = {
        "ranking_id": found.ranking_id,
        "study": found.study,
        "frozen_at": datetime.fromisoformat(found.frozen_at).replace(tzinfo=None),
        "protocol": found.protocol,
        "protocol_digest": found.protocol_digest,
        "data_source": found.data_source,
        "seeds": list(found.seeds),
        "runs": list(found.runs),
        "n_done": found.n_done,
    }
    rows = []
    for ranking in found.rankings:
        fields = ("model", "model_fingerprint", "target", "selector", "label", "why")
        one = head | {name: getattr(ranking, name) for name in fields}
        rows += [one | item.model_dump() for item in ranking.items] or [one | {"intermediate": NOBODY, "score": None}]
    keys = Counter(tuple(row[name] for name in ("model", "target", "selector", "intermediate")) for row in rows)
    if twice := [" > ".join(key) for key, n in keys.items() if n > 1]:
        raise ValueError(f"It ranks '{twice[0]}' twice, expected once. Remove the file: the rest is read without it.")
    return pa.Table.from_pylist(rows, schema=_COLUMNS)
