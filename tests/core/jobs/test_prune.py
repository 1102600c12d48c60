"""Freeing disk: what may go, what stays because somebody will read it, and that it happens when the disk is full."""

from __future__ import annotations

import json
import os
import shutil
import time
from pathlib import Path
from typing import NamedTuple

import pytest
from filelock import FileLock

from core.errors import SpecError
from core.jobs.folders import Submission, enqueue
from core.jobs.prune import Rules, make_room, prunable, prune
from core.jobs.records import LOCAL
from core.paths import STAGE_MARKER, AtlasPaths
from core.spec.execution import USUAL
from core.spec.profile import ProfileKind, ProfileSpec
from core.spec.run import RunSpec
from core.variables import KEEP_FREE
from tests.makers.folders import MODEL, PROTOCOL, SAMPLE, run_spec, task

EVERYTHING = Rules(targets=True, intermediates=True, older_than_days=30)


@pytest.fixture
def paths(tmp_path: Path) -> AtlasPaths:
    return AtlasPaths(home=tmp_path)


def stage(paths: AtlasPaths, key: str, name: str, *, kind: str = "target", seed: int = 1, size: int = 1000) -> Path:
    folder = paths.stage(key)
    (folder / "encoder").mkdir(parents=True)
    (folder / "encoder" / "model.safetensors").write_bytes(bytes(size))
    marker = {"kind": kind, "name": name, "identity": {"seed": seed}}
    (folder / STAGE_MARKER).write_text(json.dumps(marker))
    return folder


def submit(paths: AtlasPaths, *specs: RunSpec | ProfileSpec) -> None:
    enqueue(specs, paths=paths, how=Submission(LOCAL, None, USUAL, None), again=False)


def names(paths: AtlasPaths, rules: Rules = EVERYTHING) -> list[str]:
    return [each.path.name for each in prunable(paths, rules=rules)]


def test_target_weights_go_first_and_intermediates_on_request(paths: AtlasPaths) -> None:
    stage(paths, "aa", "xnli", size=500)
    stage(paths, "bb", "udpos", size=900)
    stage(paths, "cc", "mnli", kind="intermediate", size=700)
    (paths.stages / "cc.lock").touch()
    (paths.stages / "dd").mkdir()  # being written, or none of ours
    assert names(paths, Rules()) == ["bb", "aa"]
    assert names(paths) == ["bb", "cc", "aa"]
    first = prunable(paths, rules=Rules())[0]
    assert first.what == "weights of the target stage 'udpos', seed 1" and first.size > 900
    assert prune(first, paths=paths) == first.size
    assert not first.path.exists() and names(paths, Rules()) == ["aa"]
    assert prune(first, paths=paths) == 0  # it is gone already


def test_what_an_open_job_reads_stays(paths: AtlasPaths) -> None:
    run = run_spec(intermediate="mnli", target="xnli", seed=2)
    submit(paths, run)
    stage(paths, "aa", "xnli", seed=2)
    stage(paths, "bb", "xnli", seed=1)
    stage(paths, "cc", "mnli", kind="intermediate", seed=2)
    stage(paths, "dd", "qqp", kind="intermediate", seed=2)
    assert sorted(names(paths)) == ["bb", "dd"]
    paths.run(run.run_id).finished.write_text("{}")
    assert sorted(names(paths)) == ["aa", "bb", "cc", "dd"]


def test_a_job_that_was_submitted_after_the_list_was_made_keeps_its_stage(paths: AtlasPaths) -> None:
    folder = stage(paths, "cc", "mnli", kind="intermediate")
    (found,) = prunable(paths, rules=EVERYTHING)
    submit(paths, run_spec(intermediate="mnli", target="xnli", seed=1))
    assert prune(found, paths=paths) == 0 and folder.is_dir()


def test_an_open_profile_keeps_every_stage_of_its_seed(paths: AtlasPaths) -> None:
    tasks = tuple(task(name) for name in ("mnli", "xnli"))
    submit(paths, ProfileSpec(
        kind=ProfileKind.ENCODER, model=MODEL, data_source=SAMPLE, intermediates=("mnli",), targets=("xnli",),
        tasks=tasks, protocol=PROTOCOL, seed=1,
    ))  # fmt: skip
    stage(paths, "aa", "anything", seed=1)
    stage(paths, "bb", "anything", seed=2)
    assert names(paths) == ["bb"]


def test_a_stage_that_a_job_holds_stays(paths: AtlasPaths) -> None:
    folder = stage(paths, "aa", "xnli")
    (found,) = prunable(paths, rules=Rules())
    with FileLock(str(paths.stages / "aa.lock")):
        assert prune(found, paths=paths) == 0
    assert folder.is_dir() and prune(found, paths=paths) == found.size


def test_caches_go_by_age_and_never_under_an_open_job(paths: AtlasPaths) -> None:
    old, new = paths.embeddings / "old.npy", paths.states / "new.npy"
    for file in (old, new):
        file.parent.mkdir(parents=True)
        file.write_bytes(bytes(10))
    long_ago = time.time() - 31 * 86_400
    os.utime(old, (long_ago, long_ago))
    assert names(paths) == ["old.npy"] and names(paths, Rules()) == []
    submit(paths, run_spec(seed=1))
    assert names(paths) == []


class _Usage(NamedTuple):
    total: int
    used: int
    free: int


def test_a_full_disk_loses_target_weights_until_enough_is_free(
    paths: AtlasPaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = stage(paths, "cc", "mnli", kind="intermediate", size=5000)
    stage(paths, "aa", "xnli", size=4000)
    stage(paths, "bb", "udpos", size=2000)
    total = 1_000_000_000

    def usage(_path: object) -> _Usage:
        used = sum(file.stat().st_size for file in paths.stages.rglob("*.safetensors"))
        return _Usage(total, used, total - used)

    monkeypatch.setattr(shutil, "disk_usage", usage)
    assert make_room(paths, {KEEP_FREE: "0.9"}) == []
    gone = make_room(paths, {KEEP_FREE: str((total - 8000) / 1e9)})
    assert [each.path.name for each in gone] == ["aa"] and kept.is_dir()
    assert [each.path.name for each in make_room(paths, {})] == ["bb"]  # 5 GB unless said: all that may go
    assert kept.is_dir()
    with pytest.raises(SpecError, match=r"ATLAS_KEEP_FREE_GB is 'much', expected a number from 0 on: GB of the disk"):
        make_room(paths, {KEEP_FREE: "much"})


@pytest.mark.parametrize(
    "marker",
    ["", "[", "[" * 100_000, "5", '{"kind": ["target"], "name": "x", "identity": {"seed": 1}}',
     '{"kind": "target", "name": "x", "identity": 5}', '{"kind": "target", "name": "x", "identity": {"seed": "y"}}'],
)  # fmt: skip
def test_a_damaged_marker_of_a_stage_stops_nothing(paths: AtlasPaths, marker: str) -> None:
    """`prune` ended in a traceback at it, and so did the dispatcher before it started a job on a full disk."""
    stage(paths, "aa", "xnli")
    (stage(paths, "bb", "udpos") / STAGE_MARKER).write_text(marker)
    (paths.stages / "cc").symlink_to("cc")
    assert names(paths) == ["aa"]
    assert [each.path.name for each in make_room(paths, {KEEP_FREE: "1e9"})] == ["aa"]
    assert paths.stage("bb").is_dir()


def test_links_among_the_kept_states_count_as_they_are(paths: AtlasPaths) -> None:
    paths.embeddings.mkdir(parents=True)
    for name, goal in (("nowhere", "nosuch"), ("circle", "circle"), ("home", str(paths.home))):
        (paths.embeddings / name).symlink_to(goal)
    assert names(paths) == []
    for file in paths.embeddings.iterdir():
        os.utime(file, (0, 0), follow_symlinks=False)
    assert sorted(names(paths)) == ["circle", "home", "nowhere"]
    assert {each.size for each in prunable(paths, rules=EVERYTHING)} == {0}
    for each in prunable(paths, rules=EVERYTHING):
        prune(each, paths=paths)
    assert names(paths) == [] and paths.home.is_dir()
