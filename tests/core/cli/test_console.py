"""What commands print for people."""

from __future__ import annotations

import pytest

from core.cli.console import show


def test_a_p_value_is_never_zero_and_zero_has_no_sign(capsys: pytest.CaptureFixture[str]) -> None:
    rows = [{"p_value": 4e-5, "gain": -4e-5}, {"p_value": 0.25, "gain": 0.25}, {"p_value": None, "gain": None}]
    show(rows, as_json=False, empty="")
    assert [line.split() for line in capsys.readouterr().out.splitlines()] == [
        ["p_value", "gain"], ["<0.0001", "0.0000"], ["0.2500", "0.2500"], ["–", "–"]
    ]  # fmt: skip
    show(rows, as_json=True, empty="")
    assert '"p_value": 4e-05' in capsys.readouterr().out, "JSON keeps the number"
