"""What people read: one title for an id, whatever its form; what nobody knows stands for itself."""

from __future__ import annotations

import pytest

from core.models import MODELS
from core.tasks import TASKS
from core.tasks.titles import Titles

NAMED = Titles(TASKS.values(), MODELS.values())


@pytest.mark.parametrize(
    ("name", "title"),
    [
        ("panx", "PAN-X"),  # its authors' "(WikiANN)" is no part of a column's head
        ("mnli~shuffled", "MNLI, shuffled labels"),
        ("imdb~mlm", "IMDB, masked LM"),
        ("mnli+qqp", "MNLI + QQP"),
        ("mnli@hardest", "MNLI (hardest third)"),
        ("mnli@near:panx", "MNLI (nearest third to PAN-X)"),
        ("mnli~shuffled@far", "MNLI, shuffled labels (farthest third from the target)"),
        ("mnli@hardest:my_own", "MNLI (hardest third, matched to my_own)"),
        ("mnli@food,hard", "MNLI (food, hard)"),
        ("none", "none"),
        ("my_own", "my_own"),
        ("Intermediate of a paper", "Intermediate of a paper"),
        ("", ""),
    ],
)
def test_titles(name: str, title: str) -> None:
    assert NAMED.of(name) == title


@pytest.mark.parametrize(
    ("name", "head"),
    [
        ("mnli@hardest", "MNLI (hardest)"),
        ("mnli@near:panx", "MNLI (nearest to PAN-X)"),
        ("mnli@hardest:my_own", "MNLI (hardest, matched to my_own)"),
        ("mnli~shuffled", "MNLI, shuffled labels"),
        ("panx", "PAN-X"),
    ],
)
def test_the_head_of_a_column_is_as_short_as_it_can_be(name: str, head: str) -> None:
    assert NAMED.head(name) == head


def test_the_target_of_a_heatmap_needs_no_name_in_its_heads() -> None:
    assert NAMED.head("mnli@near:panx", target="panx") == "MNLI (nearest to target)"
    assert NAMED.head("mnli@hardest:panx", target="panx") == "MNLI (hardest, matched to target)"
    assert NAMED.head("mnli@near:panx", target="udpos") == "MNLI (nearest to PAN-X)"


def test_a_model_keeps_what_tells_it_from_its_namesake() -> None:
    assert NAMED.of_model("atlas-mini") == "Atlas mini"
    assert NAMED.of_model("atlas-mini · 2dfdcb") == "Atlas mini · 2dfdcb"
    assert NAMED.of_model("somebody's") == "somebody's"


def test_no_two_tasks_share_a_title() -> None:
    titles = [NAMED.of(name) for name in TASKS]
    assert len(set(titles)) == len(titles)


def test_targets_say_which_of_them_are_xtremes() -> None:
    assert NAMED.targets(["sib200", "udpos", "panx", "udpos"]) == "PAN-X, UDPOS (of XTREME), SIB-200"
    assert NAMED.targets(["sib200"]) == "SIB-200"
    assert NAMED.targets([]) == ""
