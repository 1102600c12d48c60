"""Results that all readers share, and the bound of what the server's process holds: its caches are emptied above it."""

from __future__ import annotations

import gc
import os
from collections.abc import Callable, Mapping
from typing import Any, Protocol, TypeVar, cast

import streamlit as st

from core.processes import held_memory_mb
from core.variables import MOST_MEMORY, number

_USUAL_GB = 2.0
_GROWTH = 1.25
"""What was not given back after a look is not tried again before there is so much more of it."""

_F = TypeVar("_F", bound=Callable[..., Any])


class _Clears(Protocol):
    def clear(self) -> None: ...


_SHARED: list[_Clears] = []


def shared(**options: Any) -> Callable[[_F], _F]:  # noqa: ANN401  # Streamlit's own
    """Cache what a function returns for all readers without a copy of it each, until memory runs short.

    Args:
        options: As of `st.cache_resource`.
    """

    def decorate(function: _F) -> _F:
        cached = st.cache_resource(**options)(function)
        _SHARED.append(cached)
        return cast("_F", cached)

    return decorate


def most_bytes(environ: Mapping[str, str]) -> float:
    """Bytes that the server's process may hold before its caches are emptied.

    Args:
        environ: Where the variable is looked up.

    Raises:
        SpecError: It is no number of gigabytes.
    """
    return number(MOST_MEMORY, environ, usual=_USUAL_GB) * 1e9


class Bound:
    """Watches what the process holds, look by look."""

    def __init__(self) -> None:
        """Nothing was emptied yet."""
        self._again_at = 0.0

    def keep(self, environ: Mapping[str, str] = os.environ, *, held: Callable[[], float] | None = None) -> bool:
        """Empty the caches where the process holds more than it may; whether that was done.

        What the allocator keeps all the same is no reason to empty them with each click.

        Args:
            environ: Where the bound is looked up.
            held: Bytes that the process holds; its resident memory if None.

        Raises:
            SpecError: As `most_bytes`.
        """
        held = held or _resident_bytes
        most, now = most_bytes(environ), held()
        if now <= max(most, self._again_at):
            if now <= most:
                self._again_at = 0.0
            return False
        st.cache_data.clear()
        for cached in _SHARED:
            cached.clear()
        gc.collect()
        self._again_at = held() * _GROWTH
        return True


def _resident_bytes() -> float:
    return held_memory_mb() * 2**20
