"""Several devices for one stage: what they compute together is what one computes."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from core.errors import JobError
from core.events import DevScored, Flagged
from core.training import loop, team
from core.training.loop import _Training
from tests.core.training.test_loop import _stage

CPU = torch.device("cpu")
SMALL = {"batch_tokens": 64, "selection": "last"}
"""Several micro-batches a step, so that each process has one."""


def _close(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.allclose(one[name], other[name], atol=1e-5) for name in one)


def test_two_devices_give_what_one_gives(tmp_path: Path) -> None:
    alone, _ = _stage(tmp_path / "a", "classification", dropout=0.0, **SMALL)
    start, _ = _stage(tmp_path / "b", "classification", dropout=0.0, learning_rate=1e-9, **SMALL)
    together, events = _stage(tmp_path / "c", "classification", dropout=0.0, helpers=(CPU,), **SMALL)
    assert _close(alone, together) and not _close(alone, start)
    assert [e.step for e in events if isinstance(e, DevScored)] == [3, 6]


def test_dropout_is_the_same_whoever_computes_it_and_memory_that_runs_out_heals(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    two, _ = _stage(tmp_path / "a", "tagging", helpers=(CPU,), **SMALL)
    tried, answers = team._tried, [True]
    monkeypatch.setattr(team, "_tried", lambda *a, **k: None if answers and answers.pop() else tried(*a, **k))
    three, events = _stage(tmp_path / "b", "tagging", helpers=(CPU, CPU), **(SMALL | {"batch_tokens": 128}))
    assert _close(two, three)
    assert ["goes on with 64 from step 1" in e.message for e in events if isinstance(e, Flagged)] == [True]
    alone, _ = _stage(tmp_path / "c", "tagging", **SMALL)
    assert not _close(two, alone), "one device draws its dropout in order"


@pytest.mark.parametrize("is_noticed", [True, False])
def test_a_helper_that_is_gone_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_noticed: bool) -> None:
    """By gloo, too, which now and then misses it: then what all do together never comes to its end."""
    accumulate, pending = loop._accumulate, SimpleNamespace(is_completed=lambda: False)

    def killing(training: _Training, **step: object) -> float:
        if training.progress.step == 1:
            (child,) = training.team._children

            def kill(*_: object, **__: object) -> SimpleNamespace:
                child.kill()
                child.wait()
                return pending

            if is_noticed:
                kill()
            else:
                monkeypatch.setattr(torch.distributed, "broadcast", kill)
        return accumulate(training, **step)  # type: ignore[arg-type]

    monkeypatch.setattr(loop, "_accumulate", killing)
    with pytest.raises(JobError, match="that helped with cpu has ended.* goes on from its last checkpoint"):
        _stage(tmp_path, "classification", helpers=(CPU,), **SMALL)
    assert not torch.distributed.is_initialized()


def test_a_helper_that_cannot_begin_is_named_at_once(tmp_path: Path) -> None:
    with pytest.raises(JobError, match="that helped with cuda:99 has ended"):
        _stage(tmp_path, "classification", helpers=(torch.device("cuda:99"),), **SMALL)
