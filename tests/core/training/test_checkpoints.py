"""A damaged checkpoint costs time and never the run: the one before it is used, or the stage begins anew."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest
import torch

from core.errors import RunFolderDamaged
from core.events import Flagged, StageStarted
from core.training.checkpoints import Checkpoints, Progress, anew_if_damaged
from tests.core.training.test_loop import _equal, _stage
from tests.makers.garbage import randomly, tries
from tools.faults.garbage import garbled


def saved(folder: Path) -> Checkpoints:
    """Two states, of steps 1 and 2, each with best weights of its own."""
    files = Checkpoints(folder, key="k")
    for step in (1, 2):
        files.save_best({"encoder": {"w": torch.full((50,), float(step))}}, step=step)
        state = {"weights": {"encoder": {"w": torch.arange(100.0) * step}}}
        files.save(state, progress=Progress(step=step, best_step=step))
    return files


def step_of(state: dict[str, dict[str, int]] | None) -> int | None:
    return None if state is None else state["progress"]["step"]


def test_the_newest_state_and_the_one_before_it_are_kept_with_their_best_weights(tmp_path: Path) -> None:
    files = saved(tmp_path)
    files.save_best({"encoder": {}}, step=3)
    files.save({}, progress=Progress(step=3, best_step=3))
    assert sorted(f.name for f in tmp_path.iterdir()) == ["k-before.pt", "k-best-2.pt", "k-best-3.pt", "k.pt"]
    again = Checkpoints(tmp_path, key="k")
    state, damage = again.load()
    assert (step_of(state), damage) == (3, None)
    again.save({}, progress=Progress(step=4, best_step=3))
    assert sorted(f.name for f in tmp_path.iterdir()) == ["k-before.pt", "k-best-3.pt", "k.pt"]
    again.clear()
    assert not list(tmp_path.iterdir())


@tries(60)
@randomly
def test_garbage_in_the_newest_state_is_never_loaded(tmp_path_factory: pytest.TempPathFactory, rng: Random) -> None:
    """Of 409 damaged ones 39 ended the run for good, and 40 were loaded as if they were whole."""
    folder = tmp_path_factory.mktemp("checkpoints")
    files = saved(folder)
    original = files.state_file.read_bytes()
    whole, _ = files.load()
    files.state_file.write_bytes(changed := garbled(original, rng))
    state, damage = Checkpoints(folder, key="k").load()
    assert state is not None and whole is not None
    if step_of(state) == 2:  # what was changed is read by nobody: padding, or a date
        assert torch.equal(state["weights"]["encoder"]["w"], whole["weights"]["encoder"]["w"])
    else:
        assert changed != original and step_of(state) == 1 and str(damage).startswith("k.pt: ")
        assert not files.state_file.exists(), "it is not looked at again"


@pytest.mark.parametrize("flip", [True, False])
def test_damaged_best_weights_take_their_state_with_them(tmp_path: Path, flip: bool) -> None:
    files = saved(tmp_path)
    best = files.best_file(2)
    content = bytearray(best.read_bytes())
    at = bytes(content).find(torch.full((50,), 2.0).numpy().tobytes())
    content[at] ^= 1
    best.write_bytes(content) if flip else best.unlink()
    state, damage = Checkpoints(tmp_path, key="k").load()
    assert step_of(state) == 1
    assert "k-best-2.pt" in str(damage)


def test_nothing_whole_is_nothing_and_a_folder_in_place_of_a_file_too(tmp_path: Path) -> None:
    files = saved(tmp_path)
    files.state_file.unlink()
    files.state_file.mkdir()
    files.state_before.write_bytes(b"garbage")
    state, damage = Checkpoints(tmp_path, key="k").load()
    assert state is None and "k.pt is a folder" in str(damage) and "k-before.pt" in str(damage)
    assert Checkpoints(tmp_path / "nowhere", key="k").load() == (None, None)


def flip_a_byte(file: Path) -> None:
    """As `flip_checkpoint.py` of the review: a letter within the pickle."""
    content = bytearray(file.read_bytes())
    content[content.find(b"best_step")] = 0xC7
    file.write_bytes(content)


@pytest.mark.parametrize(
    ("harm", "resumed_at", "said"),
    [
        (lambda f: flip_a_byte(f / "k.pt"), 1, "The training goes on from step 1."),
        (lambda f: [flip_a_byte(file) for file in (f / "k.pt", f / "k-before.pt")], 0, "The training begins anew."),
        (lambda f: (f / "k.pt").write_bytes(b""), 1, "The training goes on from step 1."),
    ],
)
def test_a_stage_with_a_damaged_checkpoint_ends_with_the_same_weights_and_says_so(
    tmp_path: Path, harm: Callable[[Path], object], resumed_at: int, said: str
) -> None:
    undisturbed, _ = _stage(tmp_path / "a", "tagging")
    with pytest.raises(KeyboardInterrupt):
        _stage(tmp_path / "b", "tagging", stop=3)
    (folder,) = {file.parent for file in (tmp_path / "b").rglob("k.pt")}
    harm(folder)
    resumed, events = _stage(tmp_path / "b", "tagging")
    assert next(e for e in events if isinstance(e, StageStarted)).resumed_at == resumed_at
    (told,) = [e for e in events if isinstance(e, Flagged)]
    assert told.flag == "checkpoint_damaged" and told.message.endswith(said)
    assert _equal(undisturbed, resumed)


def test_best_weights_that_are_damaged_at_the_very_end_cost_the_training_and_not_the_run(tmp_path: Path) -> None:
    files, events, attempts = saved(tmp_path), list[object](), list[int]()

    def train() -> float:
        attempts.append(step_of(Checkpoints(tmp_path, key="k").load().state) or 0)
        if len(attempts) == 1:
            files.best_file(2).write_bytes(b"PK")
            files.load_best(2)
        return 0.5

    assert anew_if_damaged(files, train, what="target training on 'xnli'", emit=events.append) == 0.5
    assert attempts == [2, 0], "from its beginning"
    (told,) = events
    assert isinstance(told, Flagged) and "A checkpoint of the target training on 'xnli' was damaged" in told.message
    with pytest.raises(RunFolderDamaged):
        anew_if_damaged(files, lambda: files.load_best(9) and 0, what="x", emit=events.append)
