"""Profiles in the queue of the runs: submitted, listed, reordered, cancelled, retried, started by the dispatcher."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from core.actions.queue import list_profiles, list_runs
from core.errors import JobError, UnknownName
from core.jobs.local import LocalBackend
from core.jobs.records import JobState
from core.jobs.state import derive_state
from core.paths import AtlasPaths
from core.spec.profile import ProfileKind, ProfileSpec
from core.variables import CPU_SLOTS
from tests.makers.folders import MODEL, PROTOCOL, SAMPLE, run_spec, task

_OPTIONS = ("--worker-module", "tests.core.jobs.fakeworker", "--poll-s", "0.05", "--idle-s", "0.2")


@pytest.fixture
def paths(tmp_path: Path) -> AtlasPaths:
    return AtlasPaths(home=tmp_path)


def _profile(kind: ProfileKind = ProfileKind.DIFFICULTY, *, seed: int = 1) -> ProfileSpec:
    return ProfileSpec(
        kind=kind,
        model=MODEL,
        data_source=SAMPLE,
        intermediates=("mnli", "qqp"),
        targets=("xnli",) if kind is not ProfileKind.DIFFICULTY else (),
        tasks=(task("mnli"), task("qqp"), task("xnli")),
        protocol=None if kind is ProfileKind.DOMAIN else PROTOCOL,
        seed=seed,
    )


def test_a_profile_waits_behind_a_run_and_is_listed_apart(paths: AtlasPaths) -> None:
    LocalBackend(paths).submit([run_spec("mnli")])
    (status,) = LocalBackend(paths).submit([_profile()])
    assert (status.state, status.position, status.kind) == (JobState.QUEUED, 2.0, "difficulty")
    assert (status.intermediate, status.target, status.protocol) == ("mnli, qqp", "", "quick")
    assert [s.kind for s in list_runs(paths)] == ["run"]
    assert [s.run_id for s in list_profiles(paths)] == [_profile().profile_id]
    assert LocalBackend(paths).submit([_profile()]) == list_profiles(paths), "twice is once"
    assert LocalBackend(paths).move([_profile().profile_id], place="first")[0].position == pytest.approx(0.0)


def test_a_profile_is_cancelled_and_retried_like_a_run(paths: AtlasPaths) -> None:
    profile_id = _profile(ProfileKind.DOMAIN).profile_id
    LocalBackend(paths).submit([_profile(ProfileKind.DOMAIN)])
    assert LocalBackend(paths).cancel(profile_id).state is JobState.CANCELLED
    assert LocalBackend(paths).retry(profile_id).state is JobState.QUEUED
    paths.profile(profile_id).failed.write_text(json.dumps({"message": "no text"}))
    assert list_profiles(paths)[0].message == "no text"
    assert LocalBackend(paths).submit([_profile(ProfileKind.DOMAIN)])[0].state is JobState.QUEUED
    paths.profile(profile_id).finished.write_text("{}")
    with pytest.raises(JobError, match="is done"):
        LocalBackend(paths).retry(profile_id)
    with pytest.raises(UnknownName, match=profile_id):
        LocalBackend(paths).cancel("p000000000000")


def test_the_dispatcher_starts_profiles_and_runs_in_turn(paths: AtlasPaths, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    monkeypatch.setenv(CPU_SLOTS, "1")
    run, profile = run_spec("mnli"), _profile()
    LocalBackend(paths).submit([run])
    LocalBackend(paths).submit([profile])
    assert LocalBackend(paths, options=_OPTIONS).wake()
    end = time.monotonic() + 120
    folders = (paths.job(run.run_id), paths.job(profile.profile_id))
    while not all(derive_state(folder).state is JobState.DONE for folder in folders):
        assert time.monotonic() < end, [derive_state(folder) for folder in folders]
        time.sleep(0.05)
    started = [line.split()[0] for line in (paths.home / "starts.txt").read_text().splitlines()]
    assert started == [run.run_id, profile.profile_id]
