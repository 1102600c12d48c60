"""The match of a third goes from the fact of its split through the store to the table of its run."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.events import DataLoaded
from core.paths import AtlasPaths
from core.queries.runs.stages import MATCHED, matched
from core.store.connection import Store
from core.store.ingest import ingest
from tests.makers.folders import history, run_spec, scored, write_run
from tests.makers.matches import near_match


def test_thirds_stand_beside_the_one_that_was_trained_on(tmp_path: Path) -> None:
    paths = AtlasPaths(tmp_path)
    spec = run_spec("mnli@near:pawsx")
    told = DataLoaded(
        task="mnli", role="train", lang="en", split="train", n=500, n_available=9000, fingerprint="f", revision=None,
        matched=near_match("pawsx"),
    )  # fmt: skip
    events = history(spec, [scored("en", 0.5)])
    write_run(paths, spec, [*events[:2], told, *events[2:]])
    write_run(paths, run_spec("mnli"), history(run_spec("mnli"), [scored("en", 0.5)]))
    with Store.open(paths.database) as store:
        ingest(store, paths)
        with store.cursor() as cur:
            rows, none = (matched(cur, run.run_id) for run in (spec, run_spec("mnli")))
    assert tuple(rows.columns) == tuple(none.columns) == MATCHED
    assert none.empty
    assert rows["third"].tolist() == ["near", "middle", "far"] and rows["is_trained"].tolist() == [True, False, False]
    assert rows.iloc[0][["task", "target", "encoder", "n"]].tolist() == ["mnli", "pawsx", "tiny", 500]
    assert rows["similarity"].tolist() == [0.1, 0.0, -0.1]
    assert rows["d_length"].isna().tolist() == [True, False, False] and rows["d_similarity"].iloc[2] == 2.5


def test_facts_from_before_there_were_matches_are_read() -> None:
    told = DataLoaded(task="m", role="dev", lang="en", split="s", n=1, n_available=1, fingerprint="f", revision=None)
    raw = told.model_dump(exclude={"matched"})
    assert DataLoaded.model_validate(raw) == told
    with pytest.raises(ValueError, match="third"):
        DataLoaded.model_validate(raw | {"matched": {}})
