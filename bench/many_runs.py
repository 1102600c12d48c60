"""A home with more runs than are worth writing one by one: ten thousand are, the rest are theirs with other seeds."""

from __future__ import annotations

import os

from bench.ingest import make
from core.paths import AtlasPaths
from core.store.connection import Store
from core.store.ingest import PARTS, rebuild
from tests.makers.home import profile

WRITTEN = 10_000
"""Most runs whose folders are written and read, which takes half a minute."""


def fill(paths: AtlasPaths, *, n_runs: int) -> None:
    """Write the runs, their index and a domain profile.

    A run beyond `WRITTEN` has the scores of another, another seed and a baseline of that seed. Its folder is a link to
    that one's, so that a look at the folders and a list of the runs cost what they cost anywhere.

    Args:
        paths: Empty home.
        n_runs: How many; a multiple of `WRITTEN` if more.
    """
    make(paths, n_runs=min(n_runs, WRITTEN))
    written = [entry.name for entry in os.scandir(paths.runs)]
    rebuild(paths.database, paths)
    turns = range(1, n_runs // WRITTEN)
    for turn in turns:
        for name in written:
            (paths.runs / f"{name}-{turn}").symlink_to(name)
    with Store.open(paths.database) as store:
        profile(store)
        if turns:
            _repeat(store, n_turns=turns.stop)


def _repeat(store: Store, *, n_turns: int) -> None:
    copy = "x.run_id || '-' || turn AS run_id"
    others = {
        "runs": f"{copy}, pair_key || '-' || turn AS pair_key, (seed + 100000 * turn)::INTEGER AS seed",
        **dict.fromkeys(("ingested", *PARTS), copy),
    }
    with store.write() as cur:
        cur.execute("CREATE TEMP TABLE written AS SELECT run_id FROM runs WHERE collection = 'yours'")
        for table, changed in others.items():
            cur.execute(
                f"INSERT INTO {table} BY NAME SELECT x.* REPLACE ({changed}) FROM {table} x, range(1, $n) r(turn) "
                "WHERE x.run_id IN (SELECT run_id FROM written)",
                {"n": n_turns},
            )
