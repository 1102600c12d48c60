"""What stands out: which intermediate and which languages are named, and what is left out of the average."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd
import pytest

from core.queries.overview import counts, data_of_tasks, findings
from core.store.connection import Store
from tests.makers.tables import add_scores

COLUMNS = ["intermediate", "target", "lang", "seed", "score"]
GAINS = {  # of PAWS-X, above a baseline of 0.5
    ("mnli", "de"): (0.2, 0.4), ("mnli", "sw"): (0.0, 0.0, 0.0), ("mnli", "zh"): (-0.1, -0.1), ("mnli", "en"): (0.5,),
    ("qqp", "de"): (0.05,), ("qqp", "sw"): (0.05,),
    ("paws", "de"): (0.5,),  # more training on the target's task
}  # fmt: skip


def cells(gains: dict[tuple[str, str], tuple[float, ...]], *, target: str) -> pd.DataFrame:
    """Scores that have these gains, by intermediate and language, for seeds from 1, above 0.5."""
    langs = sorted({lang for _, lang in gains})
    rows = [("none", target, lang, seed, 0.5) for lang in langs for seed in (1, 2, 3)]
    rows += [
        (name, target, lang, seed, 0.5 + gain)
        for (name, lang), seeds in gains.items()
        for seed, gain in enumerate(seeds, start=1)
    ]
    return pd.DataFrame(rows, columns=COLUMNS)


@pytest.fixture
def store() -> Iterator[Store]:
    with Store.open(":memory:") as opened:
        add_scores(opened, cells(GAINS, target="pawsx"))
        yield opened


def test_the_best_intermediate_and_its_best_and_worst_language_are_named(store: Store) -> None:
    with store.cursor() as cur:
        (row,) = findings(cur).to_dict("records")
    # German 0.3 (mean of two seeds), Swahili 0, Chinese -0.1; English is no transfer, PAWS is in-task.
    assert row["intermediate"] == "mnli"
    assert row["mean_gain"] == pytest.approx(0.2 / 3)
    assert (row["best_lang"], row["worst_lang"]) == ("de", "zh")
    assert (row["best_gain"], row["worst_gain"]) == (pytest.approx(0.3), pytest.approx(-0.1))
    assert (row["langs"], row["target_langs"], row["rivals"]) == (3, 3, 2)
    assert row["helped"] == 1, "a gain of nothing has not helped"
    assert row["seeds"] == 2, "the fewest of any language"


def test_the_largest_gain_or_loss_comes_first_and_no_more_than_asked(store: Store) -> None:
    add_scores(store, cells({("mnli", "de"): (-0.2,), ("qqp", "de"): (-0.3,)}, target="udpos"))
    add_scores(store, cells({("mnli", "de"): (0.01,)}, target="tatoeba"))
    with store.cursor() as cur:
        assert findings(cur)[["target", "intermediate"]].to_numpy().tolist() == [
            ["udpos", "mnli"],  # the least loss of the two
            ["pawsx", "mnli"],
            ["tatoeba", "mnli"],
        ]
        assert findings(cur, limit=2)["target"].tolist() == ["udpos", "pawsx"]


def test_other_weights_protocols_and_data_have_findings_of_their_own(store: Store) -> None:
    better = cells({("qqp", "de"): (0.4,)}, target="pawsx")
    add_scores(store, better.assign(model_fingerprint="others"))
    add_scores(store, better.assign(protocol_digest="edited"))
    add_scores(store, better.assign(data_source="mirror"))
    with store.cursor() as cur:
        rows = findings(cur)
    assert rows[["protocol_digest", "data_source", "intermediate", "rivals"]].to_numpy().tolist() == [
        ["quick-digest", "mirror", "qqp", 1],  # real data first
        ["edited", "sample", "qqp", 1],
        ["quick-digest", "sample", "qqp", 1],
        ["quick-digest", "sample", "mnli", 2],
    ]


def test_collections_are_counted_apart_and_baselines_are_no_intermediates(store: Store) -> None:
    add_scores(store, cells({("mnli", "de"): (0.1,)}, target="udpos").assign(collection="measured"))
    with store.write() as cur:
        cur.execute("UPDATE runs SET outcome = 'failed' WHERE intermediate = 'paws'")
    with store.cursor() as cur:
        rows = counts(cur).set_index("collection")
    assert rows.index.tolist() == ["measured", "yours"]
    mine = rows.loc["yours"]
    # Runs: three baselines, MNLI with three seeds, QQP and PAWS with one. Scores: 3 x 4 and those of GAINS.
    assert mine[["runs", "finished", "models", "intermediates", "targets", "langs"]].tolist() == [8, 7, 1, 3, 1, 4]
    assert (mine["scores"], mine["gains"]) == (12 + 11, 11)
    assert rows.loc["measured", ["runs", "scores", "gains"]].tolist() == [4, 4, 1]


def test_data_of_a_task_are_told_apart_by_where_they_came_from(store: Store) -> None:
    add_scores(store, pd.DataFrame([("none", "xnli", "de", 1, 0.5)], columns=COLUMNS).assign(data_source="mirror"))
    add_scores(store, pd.DataFrame([("qqp", "xnli", "de", 1, 0.5)], columns=COLUMNS))
    with store.write() as cur:
        (real,), (made,) = cur.execute(
            "SELECT min(run_id) FROM runs GROUP BY data_source ORDER BY data_source = 'sample'"
        ).fetchall()
        rows = [(real, "xnli", "train", "en", 900), (real, "xnli", "test", "de", 80), (real, "xnli", "test", "sw", 70),
                (made, "qqp", "train", "en", 500)]  # fmt: skip
        for run_id, task, role, lang, n in rows:
            named = "(run_id, task, role, lang, split, n, n_available, fingerprint)"
            cur.execute(
                f"INSERT INTO splits {named} VALUES (?, ?, ?, ?, ?, 10, ?, '')", [run_id, task, role, lang, role, n]
            )
    with store.cursor() as cur:
        found = data_of_tasks(cur)
    told = [[_plain(value) for value in row] for row in found.itertuples(index=False)]
    assert told == [["qqp", "sample", 1, 500, None, None, None, 0], ["xnli", "mirror", 1, 900, ["de", "sw"], 70, 80, 1]]


def _plain(value: object) -> object:
    if isinstance(value, np.ndarray):
        return sorted(value.tolist())
    return None if pd.isna(value) else value
