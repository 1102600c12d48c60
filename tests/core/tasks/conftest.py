"""An empty Atlas home."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.paths import AtlasPaths


@pytest.fixture
def atlas(tmp_path: Path) -> AtlasPaths:
    return AtlasPaths(home=tmp_path)
