"""Versions of what the job wing computes, where both wings can read them."""

from __future__ import annotations

CODE_VERSION = {"intermediate": 3, "target": 3, "evaluation": 3}
"""Raised when a change of the code changes what a stage of that kind gives; old stages are then not reused."""
