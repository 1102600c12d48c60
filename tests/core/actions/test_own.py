"""A file of one's own from text: checked as the file would be, kept where the program looks for it."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from random import Random

import pytest

from core.actions.own import KINDS, own_protocols, read_own, save_own, template
from core.cli.doctor import _files
from core.errors import NotWritable, SpecError
from core.jobs.backend import backend_file
from core.models import load_models
from core.paths import AtlasPaths
from core.tasks import load_tasks, skipped_task_files
from tests.makers.garbage import randomly, tries
from tools.faults.garbage import garbled


@pytest.fixture
def paths(tmp_path: Path) -> AtlasPaths:
    return AtlasPaths(tmp_path)


@pytest.mark.parametrize("kind", KINDS)
def test_the_example_can_be_kept_and_used(paths: AtlasPaths, kind: str) -> None:
    text = template(kind, paths=paths)
    named = save_own(kind, text, paths=paths)
    known = {"task": load_tasks, "model": load_models, "protocol": own_protocols}[kind](paths)
    assert known[named] != read_own(kind, text.replace("name: ", "name: other-", 1), paths=paths)
    if kind != "protocol":
        with pytest.raises(SpecError, match=f"'{named}' is already the name of a {kind}; choose another"):
            save_own(kind, text, paths=paths)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("chance: 0.5", "chance: 5"), "yours.yaml:\n  field 'chance'"),
        (("name: galician_topics", "name: mnli"), "'mnli' is already the name of a task"),
        (("labels:", "parts: [nothing]\nlabels:"), "field 'parts': No task named 'nothing'"),
    ],
)
def test_what_is_wrong_is_said_and_nothing_is_kept(paths: AtlasPaths, change: tuple[str, str], said: str) -> None:
    text = template("task", paths=paths)
    assert change[0] in text
    with pytest.raises(SpecError) as refused:
        save_own("task", text.replace(*change), paths=paths)
    assert said in str(refused.value) and str(paths.home) not in str(refused.value)
    assert not list(paths.home.rglob("*.yaml")) and not skipped_task_files(paths)


def test_a_home_for_visitors_keeps_nothing(paths: AtlasPaths, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ATLAS_READ_ONLY", "1")
    with pytest.raises(NotWritable):
        save_own("task", template("task", paths=paths), paths=paths)
    assert not paths.user_tasks.exists()


@pytest.mark.parametrize("kind", KINDS)
@tries(25)
@randomly
def test_garbage_in_a_file_is_named_and_the_others_are_known(
    tmp_path_factory: pytest.TempPathFactory, kind: str, rng: Random
) -> None:
    paths = AtlasPaths(tmp_path_factory.mktemp("home"))
    own, known = KINDS[kind], own_protocols if kind == "protocol" else KINDS[kind].known
    before, text = len(known(paths)), template(kind, paths=paths).encode()
    files = [own.folder(paths) / f"{name}.yaml" for name in ("good", "mine")]
    files[0].parent.mkdir()
    files[0].write_bytes(text.replace(b"name: ", b"name: other-", 1))
    others = known(paths)
    files[1].write_bytes(text)
    whole = known(paths)
    assert len(whole) == before + 2 and own.skipped(paths) == ()
    files[1].write_bytes(garbled(text, rng))
    found, problems = known(paths), own.skipped(paths)
    assert len(found) + len(problems) == before + 2, "it is known or named"
    assert [str(files[1])] * len(problems) == [problem.split(":")[0] for problem in problems]
    assert all(len(problem) < 4000 for problem in problems)
    assert {name: found[name] for name in others} == others
    files[1].write_bytes(text)
    assert known(paths) == whole and own.skipped(paths) == ()


@tries(40)
@randomly
def test_garbage_in_what_engines_are_asked_for_is_named(tmp_path_factory: pytest.TempPathFactory, rng: Random) -> None:
    paths = AtlasPaths(tmp_path_factory.mktemp("home"))
    good = b"slurm:\n  partition: gpu\n  gres: gpu:1\n  time: '24:00:00'\nray:\n  cpus: 0.5\n  memory: 32G\n"
    paths.backend_file.write_bytes(garbled(good, rng))
    named = [check for check in _files(paths) if check.check == "backend file"]
    try:
        backend_file(paths)
        assert named == []
    except SpecError as error:
        assert str(error).startswith(f"{paths.backend_file}:") and [check.found for check in named] == [str(error)]
    paths.backend_file.write_bytes(good)
    assert list(_files(paths)) == [] and backend_file(paths).slurm.partition == "gpu"


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_no_file_of_ours_is_named(paths: AtlasPaths, kind: str) -> None:
    own, known = KINDS[kind], own_protocols if kind == "protocol" else KINDS[kind].known
    folder = own.folder(paths)
    folder.mkdir()
    text = template(kind, paths=paths)
    (folder / "mine.yaml").write_text(text)
    whole = known(paths)
    for name in ("mine.yaml.txt", os.fsdecode(b"\xff.yaml"), "a\nb.yaml", ".DS_Store"):
        (folder / name).write_text(text)
    (folder / "folder.yaml").mkdir()
    os.mkfifo(folder / "pipe.yaml")
    (folder / "circle.yaml").symlink_to("circle.yaml")
    assert known(paths) == whole
    assert sorted(problem.removeprefix(f"{folder}/").partition(": ")[0] for problem in own.skipped(paths)) == [
        r"\xff.yaml", "a\nb.yaml", "circle.yaml", "folder.yaml", "mine.yaml.txt", "pipe.yaml",
    ]  # fmt: skip
    shutil.rmtree(folder)
    folder.symlink_to(folder.name)
    assert own.skipped(paths) == (
        f"{folder} cannot be listed (Too many levels of symbolic links), expected a folder: nothing in it is shown.",
    )


@pytest.mark.parametrize("kind", KINDS)
def test_a_folder_that_cannot_be_made_is_one_line(paths: AtlasPaths, kind: str) -> None:
    KINDS[kind].folder(paths).write_text("in its place")
    with pytest.raises(NotWritable, match="cannot be written"):
        save_own(kind, template(kind, paths=paths).replace("quick", "mine"), paths=paths)
