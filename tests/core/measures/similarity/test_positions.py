"""Axes of the map: principal components of the reference, a fixed sign, unturned by further points."""

from __future__ import annotations

import numpy as np
import pytest

from core.errors import DataError
from core.measures.similarity import positions
from core.measures.similarity.positions import has_umap, principal_positions, umap_positions


def test_points_on_a_plane_keep_their_distances() -> None:
    """A cross in the plane of dimensions 0 and 2: arms of 3 and 1 are the axes, the largest loading positive."""
    cross = np.array([[3.0, 7, 0], [-3, 7, 0], [0, 7, 1], [0, 7, -1]])
    found = principal_positions(cross, reference=[True] * 4)
    assert found == pytest.approx(np.array([[3, 0], [-3, 0], [0, 1], [0, -1]]))


def test_a_further_point_does_not_turn_the_map() -> None:
    points = np.random.default_rng(1).normal(size=(9, 5))
    reference = np.arange(9) < 6
    alone = principal_positions(points[:6], reference=reference[:6])
    assert principal_positions(points, reference=reference)[:6] == pytest.approx(alone)
    assert principal_positions(points[::-1], reference=reference[::-1])[::-1][:6] == pytest.approx(alone)


def test_one_direction_leaves_the_second_coordinate_at_zero() -> None:
    line = np.outer(np.arange(4.0), [1.0, 1.0, 0.0])
    assert principal_positions(line, reference=[True] * 4)[:, 1] == pytest.approx(0)


def test_two_reference_points_are_too_few() -> None:
    with pytest.raises(DataError, match="2 reference points"):
        principal_positions(np.eye(4), reference=[True, True, False, False])


def test_umap_says_what_to_install_and_what_it_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(positions, "has_umap", lambda: False)
    with pytest.raises(DataError, match=r"pip install umap-learn==0\.5\.12"):
        umap_positions(np.eye(12), reference=[True] * 12, seed=1)
    with pytest.raises(DataError, match="3 reference points; UMAP needs at least 10"):
        umap_positions(np.eye(4), reference=[True] * 3 + [False], seed=1)


@pytest.mark.skipif(not has_umap(), reason="umap-learn is optional and not installed")
@pytest.mark.filterwarnings("ignore")  # of the package's own optional parts
def test_a_further_point_does_not_move_the_others_of_umap() -> None:
    points = np.random.default_rng(1).normal(size=(24, 8))
    reference = np.arange(24) < 20
    fewer = umap_positions(points[:22], reference=reference[:22], seed=1)
    assert umap_positions(points, reference=reference, seed=1)[:22] == pytest.approx(fewer)
