"""The campaigns: they see what they look for, and a short one finds nothing."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path
from random import Random

import pytest

from core import holding
from core.errors import SpecError
from core.paths import AtlasPaths
from tools.faults import clocks
from tools.faults.__main__ import main
from tools.faults.dispatchers import two_dispatchers
from tools.faults.garbage import NASTY, garbled
from tools.faults.kills import campaign
from tools.faults.readers import Reader, feed


def test_the_same_seed_makes_the_same_garbage_and_seldom_the_original() -> None:
    good = b'{"a": [1, {"b": "text"}], "c": null}\n'
    first, second = ([garbled(good, rng) for _ in range(200)] for rng in (Random(1), Random(1)))
    assert first == second
    assert sum(content == good for content in first) < 20
    rng = Random(2)
    for nasty in NASTY:  # what was garbled once may be garbled again
        assert all(isinstance(garbled(nasty, rng), bytes) for _ in range(20))


def test_a_traceback_and_a_hang_are_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tools.faults.readers.LIMIT_S", 0.05)

    def read(content: bytes, rng: Random) -> None:
        del rng
        if content[:1] == b"{":
            raise SpecError("refused")
        if content[:1] == b"[":
            sum(range(10_000_000))
        else:
            raise KeyError("a bug")

    found = feed("reader", Reader(b'{"a": 1}', read), n=60, rng=Random(1))
    assert found.refused and found.tracebacks and found.slow
    assert found.n == found.taken + found.refused + len(found.tracebacks) == 60
    assert "KeyError: 'a bug' for " in found.tracebacks[0]


def test_a_second_worker_never_gets_in_and_one_that_would_is_seen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clocks, "EVERY", 60)
    found = clocks.second_workers(tmp_path / "a", n=60, rng=Random(1))
    assert found == clocks.Tried(61, 1, got_in=0, not_running=0, free_after=True)
    monkeypatch.setattr(holding, "_locked", lambda file, **_: os.open(file, os.O_RDWR | os.O_CREAT))
    monkeypatch.setattr(clocks, "EVERY", 1000)
    assert clocks.second_workers(tmp_path / "b", n=3, rng=Random(1)).got_in >= 2, "without a lock they get in"


def test_a_campaign_that_was_stopped_goes_on_after_the_readers_that_it_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = Counter[str]()

    def readers(_folder: Path) -> dict[str, Reader]:
        def read(name: str) -> Reader:
            return Reader(b"{}", lambda _content, _rng: asked.update([name]), share=0.5 if name == "slow" else 1.0)

        return {name: read(name) for name in ("quick", "slow")}

    monkeypatch.setattr("tools.faults.__main__.all_readers", readers)
    monkeypatch.setattr("tools.faults.__main__.hostile_readers", lambda _folder: {})
    words = [
        "--inputs",
        "30",
        "--tries",
        "0",
        "--races",
        "0",
        "--faults",
        "0",
        "--notes",
        str(tmp_path / "notes.jsonl"),
    ]
    assert main(words) == 0 and asked == {"quick": 20, "slow": 10}
    first, _ = (tmp_path / "notes.jsonl").read_text().splitlines(keepends=True)
    (tmp_path / "notes.jsonl").write_text(first)
    assert main(words) == 0 and asked == {"quick": 20, "slow": 20}
    assert (tmp_path / "notes.jsonl").read_text().count("\n") == 2
    assert "together                             30 inputs" in capsys.readouterr().out


@pytest.mark.slow
def test_a_short_campaign_loses_nothing_and_does_nothing_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    found = campaign(AtlasPaths(home=tmp_path), faults=20, seeds=2, rng=Random(1), most_s=240)
    assert (found.done, found.twice, found.wrong, found.second_workers) == (found.runs, 0, 0, 0)
    assert found.faults >= 20


@pytest.mark.slow
def test_two_dispatchers_start_no_job_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    found = two_dispatchers(tmp_path, n=4, rng=Random(1))
    assert (found.runs, found.starts, found.done, found.twice) == (8, 8, 8, 0)
