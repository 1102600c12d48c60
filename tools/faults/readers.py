"""Malformed inputs over every reader: each is taken or refused with one clear error, within two seconds."""

from __future__ import annotations

import contextlib
import io
import json
import os
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random
from typing import NamedTuple

import pandas as pd
import torch
import yaml

from core.actions.queue import list_runs
from core.cli.main import main as command
from core.encoder.loading import load_config
from core.errors import AtlasError, as_damage
from core.jobs.fits import FitKind, fit_key, known, write_result
from core.jobs.state import derive_state
from core.models import MODELS
from core.models.default import SMALL_MODEL
from core.models.folders import check_model_folder, rate_factor
from core.paths import RunPaths
from core.protocols import PROTOCOLS, read_protocol_file
from core.spec.model import ModelSpec
from core.spec.task import TaskSpec
from core.spec.yaml import read_spec_file
from core.store.connection import Store
from core.store.example_scores import read_example_scores
from core.store.ingest import ingest
from core.store.reducer import reduce_run
from core.studies import ProfileRequest, StudyRequest, build_profile, build_study, read_request, read_study_file
from core.tasks import TASKS, read_task_file
from core.training.checkpoints import Checkpoints, Progress
from core.training.stages import StageFolder
from tools.faults.garbage import VALUES, garbled
from tools.faults.home import Home, make_home

LIMIT_S = 2.0
"""Processor time; a reader that takes longer hangs, for who waits."""

WAIT_S = 20.0
"""Time on the clock, which other processes take from: a reader that takes longer waits for something."""

_MOST_TEXT = 4000
_COMMANDS = (
    *("run --no-wait --dry-run --target", "gains --target", "gains --lang", "analyse --family", "cancel", "retry"),
    *("move", "profile --no-wait --target", "published --table", "export --what", "figure --kind", "predict --model"),
    *("study", "check-task", "run --dry-run --target xnli --seeds", "run --dry-run --target xnli --mirror"),
    *("run --dry-run --target xnli --model", "run --dry-run --target xnli --name", "run --dry-run --protocol"),
    "claims --collection",
)


class Outcome(NamedTuple):
    """What came of many inputs to one reader."""

    name: str
    """The reader."""
    n: int
    """Inputs."""
    taken: int
    """Read as if nothing were wrong."""
    refused: int
    """Refused with an error of ours."""
    tracebacks: tuple[str, ...]
    """Any other error, with its input."""
    slow: tuple[str, ...]
    """Inputs that took longer than the limit."""
    longest_s: float
    """Time of the slowest."""


class Unclear(Exception):
    """A refusal that nobody can act on: too long, or it names nothing."""


Read = Callable[[bytes, Random], None]
"""Reads a content; an `AtlasError` refuses it."""


class Reader(NamedTuple):
    """One reader of a campaign."""

    good: bytes
    """A content that is right."""
    read: Read
    """Reads another one."""
    share: float = 1.0
    """Inputs for each one of a reader that takes milliseconds: who brings a whole index up to date has fewer."""
    garble: Callable[[bytes, Random], bytes] = garbled
    """Makes a malformed content of the right one."""


FEW = 0.03
"""Share of readers that bring an index up to date twice an input; of the quick ones' inputs, too, as many do."""


def all_readers(folder: Path) -> dict[str, Reader]:
    """Each reader, by its name.

    Args:
        folder: Empty; takes a home.
    """
    home = make_home(folder / "home")
    os.environ["ATLAS_HOME"] = str(home.home)
    os.environ["ATLAS_GALLERY"] = str(home.gallery)
    return {
        **_of_yaml(folder, home),
        **_of_folders(home),
        **_of_stages(folder),
        **_of_fits(home),
        **_of_models(folder),
        **_of_words(),
    }


def feed(name: str, reader: Reader, *, n: int, rng: Random) -> Outcome:
    """Give a reader so many malformed inputs.

    Args:
        name: Of the reader.
        reader: It.
        n: Inputs.
        rng: Decides which.
    """
    counts, tracebacks, slow, longest = {"taken": 0, "refused": 0}, list[str](), list[str](), 0.0
    for _ in range(n):
        content = reader.garble(reader.good, rng)
        began, at_work = time.monotonic(), time.process_time()
        try:
            reader.read(content, rng)
            counts["taken"] += 1
        except AtlasError as error:
            counts["refused"] += 1
            if len(str(error)) > _MOST_TEXT:
                tracebacks.append(f"a message of {len(str(error)):,} characters for {content[:80]!r}")
        except Exception:  # noqa: BLE001  # what is looked for
            tracebacks.append(f"{traceback.format_exc().splitlines()[-1]} for {content[:80]!r}")
        took = time.process_time() - at_work
        longest = max(longest, took)
        if took > LIMIT_S or time.monotonic() - began > WAIT_S:
            slow.append(f"{took:.1f} s for {content[:80]!r}")
    return Outcome(name, n, counts["taken"], counts["refused"], tuple(tracebacks), tuple(slow), longest)


def together(found: Sequence[Outcome]) -> Outcome:
    """What came of all readers.

    Args:
        found: One each.
    """
    return Outcome(
        name="together",
        n=sum(one.n for one in found),
        taken=sum(one.taken for one in found),
        refused=sum(one.refused for one in found),
        tracebacks=tuple(text for one in found for text in one.tracebacks),
        slow=tuple(text for one in found for text in one.slow),
        longest_s=max((one.longest_s for one in found), default=0.0),
    )


def _of_yaml(folder: Path, home: Home) -> dict[str, Reader]:
    def of(name: str, record: object, read: Callable[[Path], object]) -> tuple[str, Reader]:
        file = folder / f"{name}.yaml"

        def written(content: bytes, rng: Random) -> None:
            del rng
            file.write_bytes(content)
            read(file)

        return f"{name} file", Reader(yaml.safe_dump(record, sort_keys=False).encode(), written)

    def study(file: Path) -> None:
        build_study(read_study_file(file), paths=home)

    def profile(file: Path) -> None:
        build_profile(read_request(file, kind=ProfileRequest), paths=home)

    task: TaskSpec = TASKS["xnli"].model_copy(update={"name": "mine"})
    asked = StudyRequest(targets=("xnli",), intermediates=("mnli", "none"), seeds=(1, 2)).model_dump(mode="json")
    measured = ProfileRequest(intermediates=("mnli",), targets=("xnli",)).model_dump(mode="json", exclude_none=True)
    return dict(
        (
            of("study", asked, study),
            of("profile", measured, profile),
            of("task", task.model_dump(mode="json", exclude_none=True, exclude={"is_user_task"}), read_task_file),
            of("protocol", PROTOCOLS["quick"].model_dump(mode="json", exclude_none=True), read_protocol_file),
            of("model", next(iter(MODELS.values())).model_dump(mode="json", exclude_none=True), _read_model),
        )
    )


def _read_model(file: Path) -> None:
    read_spec_file(file, kind=ModelSpec, example="docs/adding.md")


def _of_folders(home: Home) -> dict[str, Reader]:
    """Files of run folders and committed ones: the others must be answered, and a repaired one must heal."""
    store = Store.open(":memory:")
    ingest(store, home)
    before = _rows(store)

    def of(file: Path) -> tuple[str, Reader]:
        good = file.read_bytes()

        def alone(content: bytes, rng: Random) -> None:
            """Most often the folder by itself, which is quick."""
            if rng.random() < FEW:
                read(content, rng)
                return
            _in_place(file, content, rng)
            try:
                derive_state(RunPaths(file.parent))
                with as_damage(file.name):
                    reduce_run(RunPaths(file.parent))
                    read_example_scores(RunPaths(file.parent))
            finally:
                _in_place(file, good, rng)

        def read(content: bytes, rng: Random) -> None:
            _in_place(file, content, rng)
            try:
                ingest(store, home)
                list_runs(home)
                damaged = _damaged(store)
                if len(damaged) > 1 or (damaged and file.parent.name not in str(damaged)):
                    raise Unclear(f"named: {damaged}")
                lost = [r for r in before if r not in _rows(store) and file.parent.name not in str(r)]
                if lost and file.parent not in (home.gallery, home.rankings):
                    raise Unclear(f"lost: {lost[:3]}")
            finally:
                _in_place(file, good, rng)
            ingest(store, home)
            if _rows(store) != before or _damaged(store):
                raise Unclear(f"not healed: {_damaged(store)}")

        is_run = file.parent.parent == home.runs
        name = f"{file.parent.parent.name}/{file.name}" if is_run else f"{file.parent.name}/{file.name}"
        return name, Reader(good, alone) if is_run else Reader(good, read, share=FEW)

    run = home.run(next(iter(sorted(path.name for path in home.runs.iterdir()))))
    files = (run.spec, run.events, run.job, run.process, run.finished, run.environment, run.predictions)
    (profile,) = (home.profile(path.name) for path in home.profiles.iterdir())
    files += (profile.spec, profile.finished, profile.table("difficulties"), *home.rankings.glob("*.json"))
    return dict(of(file) for file in (*files, *sorted(home.gallery.glob("*.parquet"))))


def _in_place(file: Path, content: bytes, rng: Random) -> None:
    if rng.random() < 0.5:
        draft = file.with_name(".draft")
        draft.write_bytes(content)
        draft.replace(file)
    else:
        file.write_bytes(content)
        os.utime(file.parent)


def _rows(store: Store) -> list[tuple[object, ...]]:
    with store.cursor() as cur:
        return cur.execute(
            "SELECT run_id, lang, score FROM scores UNION ALL SELECT profile_id, measure, value FROM difficulties "
            "UNION ALL SELECT ranking_id, selector, score FROM rankings ORDER BY ALL"
        ).fetchall()


def _damaged(store: Store) -> list[tuple[object, ...]]:
    with store.cursor() as cur:
        return cur.execute("SELECT folder, reason FROM damaged").fetchall()


def _of_stages(folder: Path) -> dict[str, Reader]:
    files = Checkpoints(folder / "checkpoints", key="k")
    one = torch.arange(200.0)
    weights = {"encoder": {"w": one}}
    for step in (1, 2):
        files.save({"weights": weights}, progress=Progress(step=step))
    good = {file: file.read_bytes() for file in (files.state_file, files.state_before)}

    def checkpoint(content: bytes, rng: Random) -> None:
        del rng
        for file, whole in good.items():
            file.write_bytes(whole)
        files.state_file.write_bytes(content)
        state, _ = files.load()
        if state is None or not torch.equal(state["weights"]["encoder"]["w"], one):
            raise Unclear("a damaged state was loaded, or the one before it was not")

    best = Checkpoints(folder / "best", key="k")
    for step in (1, 2):
        best.save_best(weights, step=step)
        best.save({"weights": weights}, progress=Progress(step=step, best_step=step))
    whole_best = {file: file.read_bytes() for file in best.folder.iterdir()}

    def best_file(content: bytes, rng: Random) -> None:
        del rng
        for file, whole in whole_best.items():
            file.write_bytes(whole)
        best.best_file(2).write_bytes(content)
        state, _ = best.load()
        if state is None or not torch.equal(best.load_best(state["progress"]["best_step"])["encoder"]["w"], one):
            raise Unclear("damaged best weights were loaded, or those before them were not")

    stage = StageFolder(folder / "stage")
    stage.encoder.mkdir(parents=True)
    marker = stage.root / "stage.json"
    marker.write_text(json.dumps({"key": "k", "name": "mnli", "judged": [], "files": {}}))

    def of_marker(content: bytes, rng: Random) -> None:
        del rng
        marker.write_bytes(content)
        stage.damage()

    return {
        "checkpoint": Reader(good[files.state_file], checkpoint),
        "best weights": Reader(whole_best[best.best_file(2)], best_file),
        "stage marker": Reader(marker.read_bytes(), of_marker),
    }


def _of_fits(home: Home) -> dict[str, Reader]:
    cells, result = pd.DataFrame({"gain": [0.5]}), pd.DataFrame({"estimate": [0.25, 0.5]})
    fit = home.fit(fit_key(FitKind.BY_TARGET, cells))
    fit.root.mkdir(parents=True)
    write_result(result, fit=fit)

    def read(content: bytes, rng: Random) -> None:
        del rng
        fit.finished.write_bytes(content)
        found = known(FitKind.BY_TARGET, cells, paths=home)
        if found is not None and not found.equals(result):
            raise Unclear(f"other figures: {found.to_dict()}")

    return {"cache of fits": Reader(fit.finished.read_bytes(), read)}


def _of_models(folder: Path) -> dict[str, Reader]:
    own, copied = Path(MODELS[SMALL_MODEL].path), folder / "model"
    copied.mkdir()
    for file in own.iterdir():
        if file.name != "config.json":
            (copied / file.name).symlink_to(file)

    def read(content: bytes, rng: Random) -> None:
        del rng
        (copied / "config.json").write_bytes(content)
        check_model_folder(copied)
        rate_factor(copied)
        load_config(MODELS[SMALL_MODEL].model_copy(update={"path": str(copied)}))

    return {"model configuration": Reader((own / "config.json").read_bytes(), read)}


def _of_words() -> dict[str, Reader]:
    def words(content: bytes, rng: Random) -> None:
        strange = [content[:4000].replace(b"\0", b"0").decode("utf-8", "surrogateescape"), str(rng.choice(VALUES))]
        run_words([*rng.choice(_COMMANDS).split(), rng.choice(strange)])

    return {"command line": Reader(b"xnli", words, share=4 * FEW)}


def run_words(line: list[str]) -> None:
    """Run a command in this process, whose answer nobody reads.

    Args:
        line: Its words.

    Raises:
        Unclear: It ends with another status than a command may, or says more than somebody reads.
    """
    said = io.StringIO()
    before, sys.argv = sys.argv, ["core", *line]
    try:
        with contextlib.redirect_stderr(said), contextlib.redirect_stdout(io.StringIO()):
            command()
    except SystemExit as end:
        if end.code not in {0, 1, 2, None}:
            raise Unclear(f"exit {end.code} of {line}") from end
        if end.code == 1 and len(said.getvalue()) > 40 * _MOST_TEXT:
            raise Unclear(f"{len(said.getvalue()):,} characters for {line}") from end
    finally:
        sys.argv = before
