"""The gallery's command: what its files ask for, and that finished work is saved and unfinished work is not."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from core.actions.queue import list_profiles, list_runs
from core.jobs.local import LocalBackend
from core.paths import REPO, AtlasPaths
from core.spec.profile import ProfileKind, ProfileSpec
from core.spec.run import DataSourceKind
from core.spec.versions import CODE_VERSION
from core.studies import ProfileRequest, read_request, read_study_file
from tests.makers.home import fill, spec
from tools import gallery
from tools.gallery import PROFILE, asked_in, main, saved_ids

STUDIES = sorted((REPO / "data" / "gallery" / "studies").glob("*.yaml"))


@pytest.fixture
def paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AtlasPaths:
    """A home of its own whose jobs nobody starts."""
    monkeypatch.setenv("ATLAS_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(LocalBackend, "wake", lambda _self: False)
    monkeypatch.setattr(gallery, "_POLL_S", 0.0)
    return AtlasPaths(home=tmp_path / "home")


def _written(folder: Path, name: str, text: str) -> Path:
    file = folder / name
    file.write_text(text, encoding="utf-8")
    return file


@pytest.mark.parametrize("file", STUDIES, ids=lambda file: file.name)
def test_every_committed_file_can_be_asked_for(file: Path, paths: AtlasPaths) -> None:
    request = read_request(file, kind=ProfileRequest) if file.name.endswith(PROFILE) else read_study_file(file)
    if request.mirror and not Path(request.mirror).is_dir():
        pytest.skip("the mirror lies beside a checkout, not in it")
    if any("/" in model and not Path(model).is_dir() for model in getattr(request, "models", ())):
        pytest.skip("the development encoder lies in another environment")
    found = asked_in(file, paths=paths)
    assert found.specs and {each.data_source.kind for each in found.specs} == {request.data_source}


def test_the_gallery_profiles_domains_difficulty_and_encoders_of_both_sources() -> None:
    requests = [read_request(file, kind=ProfileRequest) for file in STUDIES if file.name.endswith(PROFILE)]
    asked = {(request.kind, request.data_source) for request in requests}
    kinds = (ProfileKind.DOMAIN, ProfileKind.DIFFICULTY, ProfileKind.ENCODER)
    assert asked >= {(kind, source) for kind in kinds for source in (DataSourceKind.SAMPLE, DataSourceKind.MIRROR)}


def test_a_profile_file_asks_for_one_profile(tmp_path: Path, paths: AtlasPaths) -> None:
    file = _written(tmp_path, "small.profile.yaml", "kind: difficulty\nintermediates: [mnli]\nn: 50\nseed: 3\n")
    name, found = asked_in(file, paths=paths)
    assert name == "small" and isinstance(found, ProfileSpec)
    assert (found.kind, found.intermediates, found.n, found.seed) == ("difficulty", ("mnli",), 50, 3)
    assert found.protocol is not None and found.protocol.name == "quick"


def test_what_is_finished_is_saved_and_nothing_is_started(
    tmp_path: Path, paths: AtlasPaths, capsys: pytest.CaptureFixture[str]
) -> None:
    ids = fill(paths.home)
    study = "models: [xlm-r-base]\nintermediates: [mnli, stsb]\ntargets: [xnli]\n"
    files = [
        _written(tmp_path, "grid.yaml", study),
        _written(tmp_path, "wrong.yaml", "targets: [xnil]\n"),
        _written(tmp_path, "d.profile.yaml", "intermediates: [mnli]\ntargets: [xnli]\n"),
    ]
    main(files, wait=False, folder=tmp_path / "gallery")
    saved = pq.read_table(tmp_path / "gallery" / "runs.parquet")["run_id"].to_pylist()
    assert sorted(saved) == sorted([ids["finished"], ids["baseline"]])  # STS-B failed
    said = capsys.readouterr()
    assert "runs:2" in said.out and "of 4 jobs asked for" in said.out  # three runs and a profile
    assert "wrong.yaml is left out: No task named 'xnil'" in said.err
    assert list_profiles(paths) == []


def test_started_again_it_asks_only_for_what_is_missing(
    tmp_path: Path, paths: AtlasPaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The jobs end while it waits: a profile is submitted beside the runs, finished runs keep their folders."""
    fill(paths.home)
    folder = paths.run(spec("mnli", "xnli").run_id)
    before = folder.events.stat().st_mtime_ns
    study = _written(tmp_path, "grid.yaml", "models: [xlm-r-base]\nintermediates: [mnli]\ntargets: [xnli]\n")
    small = _written(tmp_path, "d.profile.yaml", "intermediates: [mnli]\ntargets: [xnli]\n")
    seen: list[int] = []

    def end(home: AtlasPaths) -> None:
        seen.append(len(list_profiles(home)))
        for job in list_profiles(home):
            home.job(job.run_id).cancel.touch()

    monkeypatch.setattr(gallery, "wake", end)
    main([study, small], wait=True, folder=tmp_path / "gallery")
    assert seen == [1]
    assert folder.events.stat().st_mtime_ns == before
    assert {job.run_id for job in list_runs(paths) if job.state == "queued"} == set()


def test_what_another_machine_has_saved_is_not_run_again(
    tmp_path: Path, paths: AtlasPaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path / "other"
    fill(other)
    study = _written(tmp_path, "grid.yaml", "models: [xlm-r-base]\nintermediates: [mnli, stsb]\ntargets: [xnli]\n")
    with monkeypatch.context() as there:
        there.setenv("ATLAS_HOME", str(other))
        main([study], wait=False, folder=tmp_path / "gallery")

    def end(home: AtlasPaths) -> None:
        for job in list_runs(home):
            home.job(job.run_id).cancel.touch()

    monkeypatch.setattr(gallery, "wake", end)
    main([study], wait=True, folder=tmp_path / "gallery")
    assert [job.intermediate for job in list_runs(paths)] == ["stsb"]  # it failed there


def test_what_an_earlier_version_has_saved_is_run_again(tmp_path: Path) -> None:
    place = tmp_path / "gallery"
    place.mkdir()
    pq.write_table(pa.table({"run_id": ["now", "before", "long ago"]}), place / "runs.parquet")
    code = CODE_VERSION["evaluation"]
    stages = {"run_id": ["now", "before", "long ago"], "kind": ["evaluation"] * 3, "code": [code, code - 1, None]}
    pq.write_table(pa.table(stages), place / "stages.parquet")
    assert saved_ids(place) == {"now"}
    pq.write_table(pa.table(stages).drop_columns("code"), place / "stages.parquet")
    assert saved_ids(place) == set()
