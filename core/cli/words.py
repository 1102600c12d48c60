"""The words of a command line, before any command reads them."""

from __future__ import annotations

MANY = ("--model", "--intermediate", "--target", "--seeds", "--lang", "--family", "--script", "--id", "--column")
"""Options that take several values after one name: `--seeds 1 2`."""


def spread(words: list[str]) -> list[str]:
    """Command-line words with `--seeds 1 2` written as `--seeds 1 --seeds 2`.

    Args:
        words: As typed, without the program's name.
    """
    out: list[str] = []
    option: str | None = None
    fresh = False
    for word in words:
        if word.startswith("--"):
            option, fresh = (word if word in MANY else None), True
            out.append(word)
        else:
            out += [word] if option is None or fresh else [option, word]
            fresh = False
    return out
