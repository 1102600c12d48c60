"""What a file can hold that nobody meant to write: cut off, flipped, another value, not text at all."""

from __future__ import annotations

import json
from collections.abc import Callable
from random import Random
from typing import Any

NASTY: tuple[bytes, ...] = (
    b"",
    b"\n",
    b"\x00",
    b"null\n",
    b"[]\n",
    b"{}\n",
    b'""\n',
    b"0\n",
    b"NaN\n",
    b"1e999\n",
    b"9" * 5000 + b"\n",
    b"[" * 100_000 + b"\n",
    b'{"a":' * 100_000 + b"\n",
    b'{"type": "\\ud800"}\n',
    "é à la latin".encode("latin-1") + b"\n",
    b"\xff\xfe\x00\x00",
    b"PAR1" + b"\x00" * 64 + b"PAR1",
    b"\x80\x04\x95\x00\x00\x00\x00\x00\x00\x00\x00.",
    b"a: &a [b, b]\nc: &c [*a, *a]\n",
    b"!!python/object:os.system ls\n",
)
"""Contents that readers of JSON, YAML, Parquet or a pickle have been seen to stumble over."""

VALUES: tuple[Any, ...] = (
    *(None, True, 0, -1, 2**31, 2**63, 10**40, 1.5, -0.0, 1e308, "", "x", "english!", "\ud800", "\x00", "a" * 5000),
    *([], {}, [[]], {"a": {}}, "2026-13-45", "../../x", "<script>", "$x^2$", "![](http://example.org/x.png)"),
)
"""Values that no field of a record expects; Any: whatever JSON holds."""

TEXTS: tuple[str, ...] = (
    *(
        "",
        " ",
        "-1",
        "1e400",
        "9" * 5000,
        "a" * 300,
        "é" * 3000,
        "\ud800",
        "a\nb",
        "\u202e",
        "%s%n",
        "none,none",
        "~nosuch/x",
    ),
    *("../../etc/passwd", "mnli+mnli+mnli", "mnli~mlm~mlm", "mnli@hardest:nosuch", "mnli@@", "'; DROP TABLE runs; --"),
    *("--", "--help", "cuda:999", "auto:0", "[[[[", "{", "*.csv", "/dev/full", "NaN", "xnli,xnli"),
)
"""Words that somebody types, or a program, where a name, a number or a path is expected."""


def garbled(original: bytes, rng: Random) -> bytes:
    """Another content in place of a file's.

    Args:
        original: What it holds.
        rng: Decides which.
    """
    return rng.choice(_WAYS)(original, rng)


def _nasty(original: bytes, rng: Random) -> bytes:
    del original
    return rng.choice(NASTY)


def _noise(original: bytes, rng: Random) -> bytes:
    del original
    return bytes(rng.randrange(256) for _ in range(rng.randrange(200)))


def several(original: bytes, rng: Random) -> bytes:
    """A JSON record of which two or three fields have another value at once.

    Args:
        original: The record.
        rng: Decides which.
    """
    record = json.loads(original)
    for name in rng.sample(sorted(record), min(len(record), rng.choice((2, 3)))):
        record[name] = _of_its_kind(record[name], rng) if rng.random() < _LIKELY else _with_another(record[name], rng)
    return json.dumps(record).encode()


_LIKELY = 0.8


def _of_its_kind(value: Any, rng: Random) -> Any:  # noqa: ANN401  # as above
    """What a check of types lets through."""
    if isinstance(value, bool) or value is None:
        return rng.choice((True, False, None, *TEXTS))
    if isinstance(value, (int, float)):
        return rng.choice((0, -1, 1, 3, 64, 2**31 - 1, 10**17, type(value)(1e6), 1e-300))
    if isinstance(value, list):
        found = [_of_its_kind(value[0] if value else "", rng) for _ in range(rng.choice((1, 1, 2, 40)))]
        return rng.choice((found, [*value, *found], []))
    if isinstance(value, dict) and value:
        at = rng.choice(sorted(value))
        return value | {at: _of_its_kind(value[at], rng)}
    return rng.choice(TEXTS)


def _cut(original: bytes, rng: Random) -> bytes:
    return original[: rng.randrange(len(original) + 1)]


def _flipped(original: bytes, rng: Random) -> bytes:
    changed = bytearray(original)
    for _ in range(rng.randrange(1, 4)):
        if changed:
            changed[rng.randrange(len(changed))] = rng.randrange(256)
    return bytes(changed)


def _doubled(original: bytes, rng: Random) -> bytes:
    at = rng.randrange(len(original) + 1)
    return original[:at] + original[rng.randrange(len(original) + 1) :]


def _revalued(original: bytes, rng: Random) -> bytes:
    """One value in the first or last line's JSON is another; noise where it is none."""
    lines = original.splitlines(keepends=True)
    if not lines:
        return b"{}"
    place = rng.randrange(len(lines))
    try:
        content = json.loads(lines[place])
    except (ValueError, RecursionError):
        return _flipped(original, rng)
    lines[place] = json.dumps(_with_another(content, rng)).encode() + b"\n"
    return b"".join(lines)


def _with_another(content: Any, rng: Random) -> Any:  # noqa: ANN401  # whatever JSON holds
    if isinstance(content, dict) and content and rng.random() < 0.85:
        key = rng.choice(sorted(content))
        if rng.random() < 0.15:
            return {name: value for name, value in content.items() if name != key}
        if rng.random() < 0.1:
            return content | {"unheard_of": rng.choice(VALUES)}
        return content | {key: _with_another(content[key], rng)}
    if isinstance(content, list) and content and rng.random() < 0.7:
        at = rng.randrange(len(content))
        return [*content[:at], _with_another(content[at], rng), *content[at + 1 :]]
    return rng.choice(VALUES)


_WAYS: tuple[Callable[[bytes, Random], bytes], ...] = (_nasty, _noise, _cut, _flipped, _doubled, _revalued, _revalued)
