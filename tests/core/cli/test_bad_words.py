"""What people type wrongly is one line on standard error, and the exit code says whose fault it is."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from core.cli.main import main
from core.jobs.local import LocalBackend
from core.spec.plain import MOST_KB
from core.variables import OF_JOBS

DEEP = "targets: " + "[" * 100_000
ALIASES = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{b}: &{b} [{', '.join([f'*{a}'] * 9)}]\n" for a, b in zip("abcdefgh", "bcdefghi", strict=True)
)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ATLAS_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("ATLAS_GALLERY", str(tmp_path / "none"))
    monkeypatch.setattr(LocalBackend, "wake", lambda _self: False)
    return tmp_path


def said(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, *words: str) -> tuple[int, str]:
    """Exit code and standard error of a command."""
    monkeypatch.setattr(sys, "argv", ["atlas", *words])
    with pytest.raises(SystemExit) as end:
        main()
    return int(end.value.code or 0), capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("gains --target nonsense", "No target named 'nonsense'"),
        ("gains --target xnil", "Did you mean 'xnli'?"),
        ("gains --model atlas-minni", "Did you mean 'atlas-mini'?"),
        ("gains --lang zzz9", "No language named 'zzz9'"),
        ("gains --intermediate mnil", "No intermediate named 'mnil'. Did you mean 'mnli'?"),
        ("gains --metric acuracy", "Did you mean 'accuracy'?"),
        ("gains --protocol quik", "Did you mean 'quick'?"),
        ("gains --collection mine", "No collection named 'mine'"),
        ("gains --data-source hbu", "Did you mean 'hub'?"),
        ("analyse --family Romanse", "No language family named 'Romanse'"),
        ("analyse --script Cyril", "Did you mean 'Cyrl'?"),
        ("run --target xnli --seeds -1", "seeds.0: Input should be greater than or equal to 0 (found -1)"),
        ("run --target xnli --seeds 3000000000", "seeds.0: Input should be less than 2147483648"),
        ("run --target xnli --name My_Study", "name: expected small letters, digits"),
        ("run --target xnli --mirror ~nosuch/x", "'~nosuch/x' names no file or folder"),
        ("run --target xnli --model ~nosuch/x", "'~nosuch/x' names no file or folder"),
        (f"run --target xnli --mirror {'m' * 5000}", "longer than the 255 bytes of a file name"),
        (f"run --target xnli --model {'m' * 300}", "longer than the 255 bytes of a file name"),
        ("run --target xnli --protocol ~nosuch/x.yaml", "names no file or folder"),
        (f"cancel {'r' * 300}", "No run named 'rrr"),
        ("retry ../../etc", "No run named '../../etc'"),
        ("run --target xnli\udcff", "Word 3 of the command is not UTF-8: b'xnli\\xff'"),
        ("run --target \ud800", r"Word 3 of the command is not UTF-8: '\ud800'"),
        ("profile --seeds -1 --target xnli", "seed: Input should be greater than or equal to 0"),
        ("export /nowhere/at/all/x.csv", "cannot be written"),
    ],
)
def test_a_wrong_word_is_one_line_and_exit_code_1(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, words: str, expected: str
) -> None:
    monkeypatch.setattr(Path, "mkdir", _refusing(Path.mkdir))
    code, text = said(capsys, monkeypatch, *words.split())
    (line,) = [line for line in text.splitlines() if line.startswith("error: ")]
    assert expected in line and code == 1
    assert len(line) < 2500 and "Traceback" not in text and "pydantic" not in text


def _refusing(usual: object) -> object:
    def mkdir(self: Path, *args: object, **how: object) -> None:
        if str(self).startswith("/nowhere"):
            raise PermissionError(13, "Permission denied", str(self))
        usual(self, *args, **how)  # type: ignore[operator]

    return mkdir


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"targets: [xnli]\nseeds: [-1]\n", "seeds.0: Input should be greater than or equal to 0 (found -1)"),
        (b"name: x\ntitle: 2026-13-45\n", "title: Extra inputs are not permitted (found '2026-13-45')"),
        (b"when: !!timestamp 2026-13-45\n", "holds a value that YAML cannot read (month must be in 1..12"),
        (b"seeds: [" + b"9" * 5000 + b"]\n", "a whole number of 5000 digits, expected 18 at most"),
        (b"seeds: [0x" + b"f" * 5000 + b"]\n", "a whole number of 5002 digits"),
        (DEEP.encode(), "more than 40 levels of nesting"),
        (ALIASES.encode(), "aliases that write out to more than 2,000,000 characters"),
        (b"a: &a [*a]\n", "'*a' holds itself"),
        ("targets: [xnli]\nname: é".encode("latin-1"), "cannot be read ('utf-8' codec can't decode"),
        (b"targets: [xn\x00li]\n", "is not YAML that can be read safely"),
        (b'mirror: "a\\0b"\ndata_source: mirror\n', "names no file or folder (embedded null byte)"),
        (b"#" * (MOST_KB * 1024 + 1), "expected 512 KB at most"),
        (b"- a\n- b\n", "holds list where 'field: value' lines are expected"),
        (b"", "No target task was chosen"),
        (b"a: !!python/object/apply:os.system [ls]\n", "is not YAML that can be read safely"),
        (b'targets: [xnli]\nmodels: ["~nosuch/x"]\n', "'~nosuch/x' names no file or folder"),
    ],
)
def test_a_malformed_file_is_one_error(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, home: Path, content: bytes, expected: str
) -> None:
    file = home / "grid.yaml"
    file.write_bytes(content)
    code, text = said(capsys, monkeypatch, "study", str(file), "--dry-run")
    assert expected in text and code == 1 and "Traceback" not in text
    assert len(text) < 1500


def test_a_pipe_is_no_study_and_is_not_waited_for(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, home: Path
) -> None:
    os.mkfifo(home / "pipe.yaml")
    code, text = said(capsys, monkeypatch, "study", str(home / "pipe.yaml"))
    assert code == 1 and "is no file" in text


@pytest.mark.parametrize(
    ("words", "code"), [("tasks --json", 0), ("gains --target nonsense", 1), ("gains --nonsense", 2), ("run", 2)]
)
def test_exit_codes(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, words: str, code: int) -> None:
    """0: done; 1: refused or failed, with a reason; 2: no such command or option. README.md says so."""
    assert said(capsys, monkeypatch, *words.split())[0] == code


@pytest.mark.parametrize("variable", ["ATLAS_HOME", "ATLAS_GALLERY"])
def test_a_home_of_nobody_is_one_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    for named, wanted in (
        ("~nosuch/x", "'~nosuch/x' names no folder"),
        ("/tmp/\udcff", r"'/tmp/\udcff' names no folder (surrogates not allowed)"),  # DuckDB ended in std::bad_cast
        ("m" * 5000, "mmm' names no folder ("),
        ("/" + "m/" * 600, "names no folder (it is a file, or longer than 1,000 letters)"),
        (__file__, "names no folder (it is a file"),
    ):
        monkeypatch.setenv(variable, named)
        code, text = said(capsys, monkeypatch, "gains")
        assert code == 1 and f"error: {variable}: " in text and wanted in text and len(text) < 250


@pytest.mark.parametrize("words", ["run --target xnli --dry-run", "run --target xnli --no-wait"])
def test_what_a_job_would_stumble_over_is_said_before_it_is_queued(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, home: Path, words: str
) -> None:
    """The job failed with it, an hour later."""
    for name in OF_JOBS:
        with monkeypatch.context() as patch:
            patch.setenv(name, "x" * 5000)
            code, text = said(capsys, patch, *words.split())
        assert code == 1 and f"error: {name} is 'xxx" in text and ", expected " in text
        assert len(text) < 300 and "Traceback" not in text
    assert not (home / "home" / "runs").exists()


@pytest.mark.parametrize("words", ["run --target xnli --dry-run", "run --target xnli --no-wait"])
def test_a_usual_backend_that_is_none_is_named_with_its_variable(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, words: str
) -> None:
    monkeypatch.setenv("ATLAS_BACKEND", "slrm" * 1000)
    code, text = said(capsys, monkeypatch, *words.split())
    assert code == 1 and "error: No job backend (ATLAS_BACKEND) named 'slrm" in text and len(text) < 300
