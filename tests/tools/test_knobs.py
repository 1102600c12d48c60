"""The tables of the crossed study say whether the order that was set was measured."""

from __future__ import annotations

import itertools

import pandas as pd

from tools.knobs import difficulty_table, domain_table

DOMAINS = ("food", "sport", "money")


def difficulties(values: dict[str, float]) -> pd.DataFrame:
    rows = [
        {
            "intermediate": f"sst2@{domain},{level}",
            "measure": measure,
            "value": v,
            "ci_low": v - 0.1,
            "ci_high": v + 0.1,
        }
        for domain, (level, value) in itertools.product(DOMAINS, values.items())
        for measure, v in (("v_information", value), ("code_length", 1 - value))
    ]
    return pd.DataFrame(rows)


def similarities(near: float, far: float) -> pd.DataFrame:
    rows = []
    for domain, level, other in itertools.product(DOMAINS, ("easy", "medium", "hard"), DOMAINS):
        ends = sorted([f"sst2@{domain},{level}", f"mnli@{other},medium"])
        cosine = near if domain == other else far
        for measure, value in (("centroid_cosine", cosine), ("frechet", 1 - cosine)):
            rows.append({"a": ends[0], "b": ends[1], "measure": measure, "centred": False, "value": value})
            rows.append({"a": ends[0], "b": ends[1], "measure": measure, "centred": True, "value": -value})
    rows.append({"a": "sib200:test:en", "b": "sst2@food,easy", "measure": "frechet", "centred": False, "value": -9.0})
    return pd.DataFrame(rows)


def test_an_order_that_was_set_is_recovered() -> None:
    lines, verdicts = difficulty_table(difficulties({"easy": 0.9, "medium": 0.5, "hard": 0.1}))
    assert all(v.is_kept for v in verdicts)
    assert [(v.measure, v.recovered, v.asked) for v in verdicts] == [("v_information", 3, 3), ("code_length", 3, 3)]
    assert (
        lines[2]
        == "| v_information | food | 0.900 [0.800, 1.000] | 0.500 [0.400, 0.600] | 0.100 [0.000, 0.200] | yes |"
    )


def test_a_wrong_order_is_said_to_be_wrong() -> None:
    lines, verdicts = difficulty_table(difficulties({"easy": 0.5, "medium": 0.9, "hard": 0.1}))
    assert {(v.recovered, v.is_kept) for v in verdicts} == {(0, False)}
    assert lines[2].endswith("| no |")


def test_a_step_inside_the_intervals_is_not_told_apart() -> None:
    frame = difficulties({"easy": 0.9, "medium": 0.5, "hard": 0.1})
    turned = (frame["intermediate"] == "sst2@money,hard") & (frame["measure"] == "v_information")
    frame.loc[turned, ["value", "ci_low", "ci_high"]] = [0.6, 0.5, 0.7]  # medium is 0.5, from 0.4 to 0.6
    lines, verdicts = difficulty_table(frame)
    assert (verdicts[0].recovered, verdicts[0].asked, verdicts[0].is_kept) == (2, 3, True)
    assert [line.rsplit("| ", 1)[1] for line in lines[2:6]] == ["yes |", "yes |", "not told apart |", "yes |"]


def test_the_own_domain_is_nearest_by_a_similarity_and_by_a_distance() -> None:
    lines, verdicts = domain_table(similarities(near=0.9, far=0.2))
    assert [(v.measure, v.recovered, v.asked) for v in verdicts] == [("centroid_cosine", 9, 9), ("frechet", 9, 9)]
    assert lines[2] == "| centroid_cosine | 0.900 | 0.200 | 9 of 9 |"
    assert lines[3] == "| frechet | 0.100 | 0.800 | 9 of 9 |"


def test_a_foreign_domain_that_is_nearest_is_counted() -> None:
    assert {v.recovered for v in domain_table(similarities(near=0.2, far=0.9))[1]} == {0}
