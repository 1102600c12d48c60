"""Which model is taken where nobody names one: decided here and nowhere else."""

from __future__ import annotations

from typing import NamedTuple

from core.models import MODELS
from core.models.available import availability
from core.models.packed import PACKAGES

DEFAULT_MODEL = "e5-small-q4"
"""A real encoder of 100 languages that needs no hub."""

SMALL_MODEL = "atlas-mini"
"""The bundled one, for tests and a first try of two minutes: too small to answer for others."""


class DefaultModel(NamedTuple):
    """The model that is taken where nobody names one."""

    name: str
    """`DEFAULT_MODEL`, or `SMALL_MODEL` where that one cannot run."""
    why: str
    """Why it is the small one, for the user; empty where it is not."""


def default_model() -> DefaultModel:
    """The model that is taken here and now where nobody names one.

    Another machine may take another, so every command that is printed names its model.
    """
    if availability(MODELS[DEFAULT_MODEL]).can_run:
        return DefaultModel(DEFAULT_MODEL, "")
    package = PACKAGES[DEFAULT_MODEL]
    return DefaultModel(
        SMALL_MODEL,
        f"The default model is {SMALL_MODEL} here, a small one for a first try: {DEFAULT_MODEL} needs the package "
        f"{package.name} {package.version}, which is not installed; it has wheels for {package.platforms}.",
    )
