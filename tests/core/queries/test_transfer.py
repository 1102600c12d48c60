"""Views, the rows of one, why cells are empty, and the runs behind a cell, on rows made by hand."""

from __future__ import annotations

from collections.abc import Iterator

import duckdb
import pandas as pd
import pytest

from core.queries.transfer import View, cell_runs, choices, reproduced, seed_rows, states
from core.store.connection import Store
from pages.widgets.transfer.cell import reproduction
from tests.makers.tables import add_rows, add_scores

VIEW = View("yours", "atlas-mini", None, "sib200", "accuracy", "quick-digest", "sample")


@pytest.fixture
def store() -> Iterator[Store]:
    with Store.open(":memory:") as opened:
        yield opened


def scores(*rows: tuple[str, str, int, float], target: str = "sib200") -> pd.DataFrame:
    """Scores of intermediate, language and seed."""
    frame = pd.DataFrame(rows, columns=["intermediate", "lang", "seed", "score"])
    return frame.assign(target=target)


def ask(store: Store, sql: str, values: list[object]) -> None:
    with store.write() as cur:
        cur.execute(sql, values)


def test_yours_then_most_scores_then_the_headline_metric(store: Store) -> None:
    add_scores(store, scores(("none", "de", 1, 0.5), ("none", "sw", 1, 0.5)))  # 1 run, 2 languages
    add_scores(store, scores(("none", "de", 1, 0.5), target="udpos"))  # 1 run, 1 language
    more = scores(("none", "de", 1, 0.5), ("mnli", "de", 1, 0.5), ("mnli", "sw", 1, 0.5), target="tatoeba")
    add_scores(store, more)  # 2 runs, 3 scores
    many = scores(*(("none", "de", seed, 0.5) for seed in range(5)), target="pawsx")
    add_scores(store, many.assign(collection="measured"))
    with store.cursor() as cur:
        second = cur.execute("SELECT * REPLACE ('a' AS metric) FROM scores WHERE run_id LIKE '%sib200%'").df()
    add_rows(store, "scores", second)
    with store.cursor() as cur:
        rows = choices(cur)
    assert rows[["collection", "target", "is_headline", "runs"]].to_numpy().tolist() == [
        ["yours", "tatoeba", True, 2],
        ["yours", "sib200", True, 1],
        ["yours", "sib200", False, 1],  # its name comes before the headline's in the alphabet
        ["yours", "udpos", True, 1],
        ["measured", "pawsx", True, 5],
    ]


def test_real_data_come_first_where_a_gain_counts(store: Store) -> None:
    """Own generated runs and more of them stand behind committed real ones, unless none of those is evidence."""
    pair = scores(("none", "de", 1, 0.5), ("mnli", "de", 1, 0.7))
    add_scores(store, pair)
    add_scores(store, pair.assign(seed=2))
    add_scores(store, scores(("none", "de", 1, 0.5)).assign(collection="measured", data_source="mirror"))
    with store.cursor() as cur:
        before = choices(cur)
    add_scores(store, pair.assign(collection="measured", data_source="hub"))
    with store.cursor() as cur:
        after = choices(cur)
    assert before[["collection", "data_source"]].to_numpy().tolist() == [["yours", "sample"], ["measured", "mirror"]]
    assert after["data_source"].tolist() == ["hub", "sample", "mirror"]


def test_rows_of_a_view_are_of_no_other(store: Store) -> None:
    mine = scores(("none", "de", 1, 0.5), ("mnli", "de", 1, 0.7), ("qqp", "de", 2, 0.6))
    add_scores(store, mine)
    for change in (
        *({"model": "mbert"}, {"model_fingerprint": "others"}, {"protocol_digest": "edited"}),
        *({"data_source": "mirror"}, {"collection": "measured"}),
    ):
        add_scores(store, mine.assign(score=0.9, **change))
    with store.cursor() as cur:
        rows = seed_rows(cur, VIEW)
        other = seed_rows(cur, VIEW._replace(model_fingerprint="others"))
    found = rows[["intermediate", "seed", "score", "baseline_score", "gain"]].astype(object)
    assert found.where(found.notna(), None).to_numpy().tolist() == [
        ["mnli", 1, 0.7, 0.5, pytest.approx(0.2)],
        ["none", 1, 0.5, None, None],
        ["qqp", 2, 0.6, None, None],  # seed 2 has no baseline
    ]
    assert other["score"].tolist() == [0.9] * 3


def end(store: Store, name: str, seed: int, **values: object) -> None:
    """Set columns of the run of an intermediate and seed."""
    fields = ", ".join(f"{field} = ?" for field in values)
    ask(store, f"UPDATE runs SET {fields} WHERE intermediate = ? AND seed = ?", [*values.values(), name, seed])


def test_an_empty_cell_says_why_and_the_first_reason_of_several_runs_speaks(store: Store) -> None:
    names = ("none", "mnli", "qqp", "squad", "cola", "sst2")
    add_scores(store, scores(*((name, "de", seed, 0.5) for name in names for seed in (1, 2))))
    started = "2026-01-01 00:00:00"
    end(store, "mnli", 1, outcome=None, started_at=started)
    end(store, "mnli", 2, outcome=None)
    end(store, "qqp", 1, outcome=None)
    end(store, "qqp", 2, outcome="failed", error="OutOfMemory", message="try 8")
    end(store, "squad", 1, outcome="failed", error="OutOfMemory", message="try 8")
    end(store, "squad", 2, outcome="cancelled")
    end(store, "cola", 1, outcome="cancelled")
    ask(store, "INSERT INTO skips SELECT run_id, 'sw', 'no test set' FROM runs WHERE intermediate IN (?, ?)",
        ["sst2", "mnli"])  # fmt: skip
    with store.cursor() as cur:
        rows = states(cur, VIEW)
    assert rows[rows["lang"] == "sw"][["intermediate", "state", "reason"]].to_numpy().tolist() == [
        ["none", "missing", "not scored in this language"],
        ["cola", "cancelled", "the run was cancelled"],
        ["mnli", "skipped", "no test set"],
        ["qqp", "queued", "the run waits in the queue"],
        ["squad", "failed", "OutOfMemory: try 8"],
        ["sst2", "skipped", "no test set"],
    ]
    german = rows[rows["lang"] == "de"].set_index("intermediate")["state"]
    assert german["mnli"] == "running", "a running run speaks before one that waits"
    assert german["none"] == "missing"


def test_the_runs_of_a_cell_are_those_of_its_language_metric_and_intermediate(store: Store) -> None:
    add_scores(store, scores(("none", "de", 1, 0.5), ("none", "sw", 1, 0.4)))
    add_scores(store, scores(*(("mnli", lang, seed, 0.7) for lang in ("de", "sw") for seed in (1, 2))))
    add_scores(store, scores(("qqp", "de", 1, 0.9)))
    with store.cursor() as cur:
        other = cur.execute("SELECT * REPLACE ('f1' AS metric, 0.1 AS score) FROM scores").df()
    add_rows(store, "scores", other)
    third = "yours, seed 3"
    with store.write() as cur:
        _copy_run(cur, third)
        cur.execute("INSERT INTO skips VALUES (?, 'de', 'no test set'), (?, 'sw', 'not this one')", [third, third])
    with store.cursor() as cur:
        rows = cell_runs(cur, VIEW, lang="de", intermediate="mnli")
    found = rows[["seed", "score", "gain", "missing"]].astype(object)
    assert found.where(found.notna(), None).to_numpy().tolist() == [
        [1, 0.7, pytest.approx(0.2), None],
        [2, 0.7, None, rows["missing"][1]],
        [3, None, None, "no test set"],
    ]
    assert "baseline" in rows["missing"][1]
    assert rows["baseline_run_id"][0] == "atlas-mini|sib200|1|quick|sample|yours|none"


def _copy_run(cur: duckdb.DuckDBPyConnection, name: str) -> None:
    cur.execute(
        "INSERT INTO runs BY NAME SELECT * REPLACE ($name AS run_id, 3 AS seed, $name AS pair_key) FROM runs "
        "WHERE intermediate = 'mnli' AND seed = 1",
        {"name": name},
    )


def test_own_runs_beside_the_gallery(store: Store) -> None:
    """MNLI is the same in both languages and seeds; QQP differs in Swahili by two points in seed 2; CoLA is mine."""
    mine = [(name, lang, seed, 0.5) for name in ("none", "mnli", "qqp") for lang in ("de", "sw") for seed in (1, 2)]
    add_scores(store, scores(*mine, ("cola", "de", 1, 0.5)))
    theirs = [(*row[:3], 0.52 if row[:3] == ("qqp", "sw", 2) else 0.5) for row in mine]
    add_scores(store, scores(*theirs, ("mnli", "de", 3, 0.9)).assign(collection="measured"))
    add_scores(store, scores(*theirs).assign(collection="measured", protocol_digest="edited", score=0.9))
    with store.cursor() as cur:
        rows = reproduced(cur, VIEW)
        others = reproduced(cur, VIEW._replace(target="xnli"))
    assert rows.to_numpy().tolist() == [
        ["none", 2, 2, 0.0],
        ["mnli", 2, 2, 0.0],
        ["qqp", 2, 1, pytest.approx(0.02)],
    ]
    assert others.empty
    assert reproduction(rows, str.upper) == [
        "Your runs reproduce those of the program exactly: the baseline (2 of 2 languages), MNLI (2 of 2 languages).",
        "Your runs differ from those of the program: QQP (1 of 2 languages equal, at most 2.0 points apart).",
    ]
