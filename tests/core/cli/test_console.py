"""What commands print for people."""

from __future__ import annotations

import errno
import io
import os
import subprocess
import sys
from pathlib import Path

import pytest

from core.cli.console import errors_as_messages, note, show
from core.cli.progress import said_last
from core.paths import REPO


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


def test_a_full_disk_behind_the_output_and_a_terminal_without_the_letters_are_no_tracebacks(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(SystemExit) as end, errors_as_messages():
        raise OSError(errno.ENOSPC, "No space left on device")
    assert end.value.code == 1
    assert capsys.readouterr().err == "error: what is printed cannot be written: No space left on device.\n"
    with pytest.raises(SystemExit) as end, errors_as_messages():
        raise MemoryError
    assert end.value.code == 1 and capsys.readouterr().err.startswith("error: Memory ran out. Close other programs")
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding="latin-1"))
    with errors_as_messages():
        sys.stdout.write("±1 → \u2013 \udcff")
        sys.stdout.flush()
    assert raw.getvalue() == rb"\xb11 \u2192 \u2013 \udcff".replace(rb"\xb1", b"\xb1")


def test_a_user_without_a_home_is_no_error() -> None:
    """As a container's often is."""
    code = "import pwd\ndef none(_): raise KeyError\npwd.getpwuid = none\nimport core.paths"
    environ = {name: text for name, text in os.environ.items() if name not in {"HOME", "XDG_CACHE_HOME"}}
    subprocess.run([sys.executable, "-c", code], env=environ, cwd=REPO, check=True)
