"""Versions of what the job wing computes, where both wings can read them."""

from __future__ import annotations

from typing import Literal

CODE_VERSION: dict[Literal["intermediate", "target", "evaluation"], int] = {
    "intermediate": 3,
    "target": 3,
    "evaluation": 3,
}
"""Raised when a change of the code changes what a stage of that kind gives: old stages are not reused, and runs that
were made by an older version leave every average."""
