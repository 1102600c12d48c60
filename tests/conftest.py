"""Options of the whole suite."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator
from unittest import mock

import pytest

NO_GALLERY = "no-gallery-in-tests"
"""A folder that is not there."""


def pytest_configure() -> None:
    """No test depends on what is committed in `data/gallery` or keeps a worker warm; what tests start inherits this."""
    os.environ["ATLAS_GALLERY"] = NO_GALLERY
    os.environ["ATLAS_WARM"] = "0"
    os.environ["ATLAS_PRECISION"] = "fp32"  # the same numbers on a processor with units for bfloat16 and on one without
    os.environ["OMP_NUM_THREADS"] = "1"  # two processes test on two cores: more threads wait for each other


def pytest_unconfigure() -> None:
    """Undo `heap_is_small`: DuckDB counts what is left at the end of the process."""
    gc.unfreeze()


@pytest.fixture(autouse=True)
def environment_stays() -> Iterator[None]:
    """What a test leaves in the environment, as a dispatcher does that takes on settings, ends with it."""
    with mock.patch.dict(os.environ):
        yield


@pytest.fixture(scope="module", autouse=True)
def heap_is_small() -> None:
    """Objects that are there before a module's tests, torch's hundreds of thousands, are not looked through each time.

    A training whose memory runs out has all of them looked through, and Python does so by itself now and then.
    """
    gc.collect()
    gc.freeze()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--run-slow", action="store_true", help="run the tests that take more than a minute")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("--run-slow"):
        return
    for item in items:
        if "slow" in item.keywords:
            item.add_marker(pytest.mark.skip(reason="slow: run with --run-slow"))
