"""The question at a glance: which rows it has, its means by hand, and what its sentence may say."""

from __future__ import annotations

import duckdb
import pandas as pd
import pytest

from core.analysis.contrasts.glance import MEAN, Glance, glance, plain
from core.analysis.contrasts.table import contrast_rows
from core.queries.evidence import AnalysisOptions, evidence, runs_to_pool
from core.queries.filters import Filter
from core.queries.scales import UNITS
from core.store.connection import Store
from tests.makers.tables import add_scores

NAMES = ("mnli", "qqp", "mnli@hardest", "mnli@easiest", "mnli~shuffled", "paws")
TARGETS = ("pawsx", "udpos", "tatoeba")
BASE = 0.5


def _gain(name: str, target: str) -> float:
    """PAWS before PAWS-X is in-task, Tatoeba is retrieval: 0.9 would be seen in any mean."""
    if target == "tatoeba" or (name, target) == ("paws", "pawsx"):
        return 0.4
    return {"mnli": 0.02, "qqp": -0.01, "paws": 0.03, "mnli@hardest": 0.05, "mnli@easiest": 0.01}.get(name, 0.0) + (
        0.01 if target == "udpos" else 0.0
    )


def _asked(source: str = "mirror") -> Glance:
    rows = [
        (name, target, lang, seed, BASE + (_gain(name, target) if name != "none" else 0.0) + 0.1 * (lang == "en"))
        for name in ("none", *NAMES)
        for target in TARGETS
        for lang in ("en", "de", "sw")
        for seed in (1, 2)
    ]
    frame = pd.DataFrame(rows, columns=["intermediate", "target", "lang", "seed", "score"])
    with Store.open(":memory:") as store:
        add_scores(store, frame.assign(data_source=source))
        with store.cursor() as cur:
            return _glance(cur)


def _glance(cur: duckdb.DuckDBPyConnection) -> Glance:
    pooled = runs_to_pool(cur, Filter())
    assert pooled is not None
    found = evidence(cur, pooled, options=AnalysisOptions())
    return glance(found, contrast_rows(found))


def test_whole_tasks_and_contrasts_by_hand() -> None:
    """Without a floor the head-room is 1 − chance 0, so shares are differences of scores."""
    found = _asked()
    tasks = found.rows[found.rows["part"] == "tasks"].set_index("name")
    assert tasks.index.tolist() == [MEAN, "paws", "mnli", "qqp"]  # thirds and placebos are none; sorted by estimate
    assert tasks["estimate"].tolist() == pytest.approx([(0.04 + 0.025 - 0.005) / 3, 0.04, 0.025, -0.005])
    assert tasks["n"].tolist() == [3, 1, 2, 2]
    assert found.retrieval is not None
    assert found.retrieval[["estimate", "n"]].to_numpy().tolist() == [[pytest.approx(0.4), 3]]  # at Tatoeba, apart
    assert pd.isna(tasks.loc["paws", "low"])  # at PAWS-X it is in-task: one target is left
    # Student's t with one degree of freedom: 0.025 ± 12.706 × 0.00707 / √2.
    assert tasks.loc["mnli", ["low", "high"]].tolist() == pytest.approx([0.025 - 0.06353, 0.025 + 0.06353], abs=1e-4)
    dots = found.dots[found.dots["name"] == "mnli"]
    assert dots["target"].tolist() == ["pawsx", "udpos"] and dots["value"].tolist() == pytest.approx([0.02, 0.03])
    inside = found.rows[found.rows["part"] == "contrasts"].set_index("name")["estimate"]
    assert inside["hardest instead of easiest third"] == pytest.approx(0.04)
    assert inside["true instead of shuffled labels"] == pytest.approx(0.02)
    assert set(found.dots["target"]) == {"pawsx", "udpos"}


def test_the_sentence_says_what_the_data_are() -> None:
    assert plain(_asked()).startswith(
        "On real data, whether training on one more English task first (3 were tried before 2 "
    )
    assert plain(_asked("sample")).startswith("On generated sentences, whether training on one more")


def _said(mean: tuple[float, float, float], harder: tuple[float, float, float] | None = None) -> str:
    return plain(_shown(mean, harder))


def _shown(mean: tuple[float, float, float], harder: tuple[float, float, float] | None = None) -> Glance:
    rows = [("tasks", MEAN, *mean, 2), ("tasks", "mnli", *mean, 2), ("tasks", "qqp", *mean, 2)]
    rows += [("contrasts", "hardest instead of easiest third", *harder, 3)] if harder else []
    frame = pd.DataFrame(rows, columns=["part", "name", "estimate", "low", "high", "n"])
    return Glance(frame, pd.DataFrame(), UNITS["headroom"], 2, "On real data")


def test_the_sentence_claims_no_more_than_its_limits() -> None:
    assert "raises the score in other languages on average: +1.0 % of the head-room (95 % interval +0.5" in _said(
        (0.01, 0.005, 0.015)
    )
    assert "lowers the score" in _said((-0.01, -0.015, -0.005))
    apart = _shown((0.01, -0.005, 0.025))
    row = pd.DataFrame([("tasks", MEAN, -0.4, -0.6, -0.2, 6)], columns=apart.rows.columns)
    assert (
        "+2.5). In sentence retrieval, where the encoder is scored without training on the target, one more English "
        "task lowers the score: −40.0 % "
        "of the head-room (95 % interval −60.0 to "
        "−20.0). Nothing" in plain(apart._replace(retrieval=row))
    )
    text = _said((0.01, -0.005, 0.025))
    assert "raises or lowers the score in other languages on average is open" in text
    assert (
        "Nothing compares hard with easy examples yet. Nothing compares examples near to the target's text with far "
        "ones yet." in text
    )
    even = _said((0.001, -0.004, 0.006))
    assert "leaves the score in other languages on average about the same: +0.1 % of the head-room" in even
    nan = float("nan")
    assert "oo little compares hard with easy examples so far" in _said((0.01, 0, 0.02), (0.02, nan, nan))
    assert "less than the easiest third (−2.0 % of the head-room)" in _said((0.01, 0, 0.02), (-0.02, -0.03, -0.01))
    wide = _said((0.01, 0, 0.02), (0.02, -0.1, 0.1))
    assert (
        "Whether the hardest third of a task's examples helps more or less than the easiest third is open (+2.0 % "
        in wide
    )
    learned = {"hardest instead of easiest third": "; in 3 of 4 comparisons the hardest third was not learned"}
    told = plain(_shown((0.01, 0, 0.02), (0.02, -0.1, 0.1))._replace(learned=learned))
    assert "95 % interval −10.0 to +10.0; in 3 of 4 comparisons the hardest third was not learned)" in told
    close = _said((0.01, 0, 0.02), (0.002, -0.004, 0.008))
    assert (
        "the score is about the same as after the easiest third (+0.2 % of the head-room, 95 % interval −0.4 to +0.8)"
        in close
    )
