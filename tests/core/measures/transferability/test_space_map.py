"""The linear map of a stage: found again where there is one, no change where nothing is known."""

from __future__ import annotations

import numpy as np
import pytest

from core.errors import DataError
from core.measures.transferability.space_map import fit_space_map


@pytest.mark.parametrize("n", [60, 400])
def test_a_planted_map_is_found_on_texts_that_it_never_saw(n: int) -> None:
    """Twenty dimensions, three turned and one shifted, noise of a tenth of the change."""
    rng = np.random.default_rng(1)
    weights, bias = np.zeros((20, 20)), np.zeros(20)
    weights[:3, :3], bias[5] = rng.normal(size=(3, 3)), 2.0

    def moved(states: np.ndarray) -> np.ndarray:
        return states + states @ weights + bias

    before, unseen = rng.normal(3.0, 1.5, size=(n, 20)), rng.normal(3.0, 1.5, size=(200, 20))
    found = fit_space_map(before, after=moved(before) + rng.normal(0.0, 0.1, size=before.shape))
    error = np.mean((found(unseen) - moved(unseen)) ** 2)
    assert error < 0.02 * np.mean((unseen - moved(unseen)) ** 2)


def test_a_stage_that_changes_nothing_leaves_states_as_they_are() -> None:
    states = np.random.default_rng(2).normal(size=(10, 30))
    assert fit_space_map(states, after=states)(states) == pytest.approx(states)


def test_noise_alone_is_not_taken_for_a_map() -> None:
    """Thirty texts in thirty dimensions: least squares would fit the noise and move unseen texts far."""
    rng = np.random.default_rng(3)
    before, unseen = rng.normal(size=(30, 30)), rng.normal(size=(500, 30))
    found = fit_space_map(before, after=before + rng.normal(size=before.shape))
    assert np.mean((found(unseen) - unseen) ** 2) < 0.3, "the noise has variance 1"


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        (np.zeros((3, 2)), np.zeros((3, 3)), r"\(3, 2\) before and \(3, 3\) after"),
        (np.zeros((1, 2)), np.zeros((1, 2)), "n of 2 or more"),
        (np.zeros((3, 2)), np.full((3, 2), np.nan), "6 of 6 states are not finite"),
    ],
)
def test_states_that_do_not_fit_are_refused(before: np.ndarray, after: np.ndarray, said: str) -> None:
    with pytest.raises(DataError, match=said):
        fit_space_map(before, after=after)
