"""What commands print for people."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.cli.console import note, show
from core.cli.progress import said_last


def test_a_p_value_is_never_zero_and_zero_has_no_sign(capsys: pytest.CaptureFixture[str]) -> None:
    rows = [{"p_value": 4e-5, "gain": -4e-5}, {"p_value": 0.25, "gain": 0.25}, {"p_value": None, "gain": None}]
    show(rows, as_json=False, empty="")
    assert [line.split() for line in capsys.readouterr().out.splitlines()] == [
        ["p_value", "gain"], ["<0.0001", "0.0000"], ["0.2500", "0.2500"], ["–", "–"]
    ]  # fmt: skip
    show(rows, as_json=True, empty="")
    assert '"p_value": 4e-05' in capsys.readouterr().out, "JSON keeps the number"


def test_nothing_that_others_wrote_steers_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    """A folder's name or a reason may hold line breaks, colours, and marks that turn letters round."""
    note("a\x1b[31m\u202eb\udcff\nc")
    show([{"name": "a\x1b]0;x\x07\nb"}], as_json=False, empty="")
    said = capsys.readouterr()
    assert said.err == "a\\x1b[31m\\u202eb\\udcff\nc\n"
    assert said.out.splitlines()[1] == "a\\x1b]0;x\\x07\\nb"


@pytest.mark.parametrize(
    "line", [b'{"seq": 1}', b'{"event": {"type": "stage_started"}}', b"{x", b'{"event": 5}', b"\xff", b"[" * 100_000]
)
def test_a_line_that_is_no_fact_does_not_end_the_watching(tmp_path: Path, line: bytes) -> None:
    file = tmp_path / "events.jsonl"
    good = b'{"event": {"type": "language_scored", "lang": "de", "metric": "f1", "score": 0.5, "n": 4}}\n'
    file.write_bytes(good)
    assert said_last(file) == "de f1 0.500 on 4"
    file.write_bytes(good + line + b"\n")
    assert said_last(file) is None
    assert said_last(tmp_path / "none") is None
