"""Profiles in the queue of the runs: submitted, listed, reordered, cancelled, retried, started by the dispatcher."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from core.errors import JobError, UnknownName
from core.jobs.local import cancel, ensure_dispatcher, list_jobs, list_profiles, reorder, retry, submit
from core.jobs.records import JobState
from core.jobs.state import derive_state
from core.paths import AtlasPaths
from core.spec.profile import ProfileKind, ProfileSpec
from tests.core.store.makers import MODEL, PROTOCOL, SAMPLE, run_spec, task

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
    submit([run_spec("mnli")], paths=paths)
    (status,) = submit([_profile()], paths=paths)
    assert (status.state, status.position, status.kind) == (JobState.QUEUED, 2.0, "difficulty")
    assert (status.intermediate, status.target, status.protocol) == ("mnli, qqp", "", "quick")
    assert [s.kind for s in list_jobs(paths)] == ["run"]
    assert [s.run_id for s in list_profiles(paths)] == [_profile().profile_id]
    assert submit([_profile()], paths=paths) == list_profiles(paths), "twice is once"
    assert reorder(_profile().profile_id, place="first", paths=paths).position == pytest.approx(0.0)


def test_a_profile_is_cancelled_and_retried_like_a_run(paths: AtlasPaths) -> None:
    profile_id = _profile(ProfileKind.DOMAIN).profile_id
    submit([_profile(ProfileKind.DOMAIN)], paths=paths)
    assert cancel(profile_id, paths=paths).state is JobState.CANCELLED
    assert retry(profile_id, paths=paths).state is JobState.QUEUED
    paths.profile(profile_id).failed.write_text(json.dumps({"message": "no text"}))
    assert list_profiles(paths)[0].message == "no text"
    assert submit([_profile(ProfileKind.DOMAIN)], paths=paths)[0].state is JobState.QUEUED
    paths.profile(profile_id).finished.write_text("{}")
    with pytest.raises(JobError, match="is done"):
        retry(profile_id, paths=paths)
    with pytest.raises(UnknownName, match=profile_id):
        cancel("p000000000000", paths=paths)


def test_the_dispatcher_starts_profiles_and_runs_in_turn(paths: AtlasPaths, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    run, profile = run_spec("mnli"), _profile()
    submit([run], paths=paths)
    submit([profile], paths=paths)
    assert ensure_dispatcher(paths, options=_OPTIONS)
    end = time.monotonic() + 120
    folders = (paths.job(run.run_id), paths.job(profile.profile_id))
    while not all(derive_state(folder).state is JobState.DONE for folder in folders):
        assert time.monotonic() < end, [derive_state(folder) for folder in folders]
        time.sleep(0.05)
    started = [line.split()[0] for line in (paths.home / "starts.txt").read_text().splitlines()]
    assert started == [run.run_id, profile.profile_id]
