"""Every public query answers alike whether each run stands in the store once or, measured earlier, a second time.

The second copy has other scores, an earlier date and ids of its own, as runs have whose mirror lay in another folder.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import duckdb
import numpy as np
import pandas as pd
import pytest

from core.analysis.answer import answer
from core.analysis.cell_tests import cell_tests
from core.analysis.every_cell import every_cell, every_view
from core.analysis.model import analyse, cell_means
from core.analysis.next_cells import Plan, propose
from core.analysis.predictions import judge_selectors, selectors
from core.analysis.standing import extent, pair_gains, verdicts
from core.claims.contrasts import legal_domain
from core.claims.facts import Facts
from core.claims.judging import judge_claims
from core.claims.registry import CLAIMS
from core.queries import gains, overview, provenance, transfer
from core.queries.credits import view_tests
from core.queries.evidence import AnalysisOptions, Evidence, evidence, poolable_runs, runs_to_pool
from core.queries.filters import Filter
from core.queries.runs.listing import runs
from core.report.export import export
from core.spec.versions import CODE_VERSION
from core.store.connection import Store
from core.tasks import TASKS
from tests.makers.tables import Planted, add_rows, add_scores, planted

PLAN = Planted(
    difficulty=0.01, intermediates=("mnli", "qqp", "squad", "cola", "sst2", "imdb"), targets=("pawsx", "udpos"),
    langs=("de", "sw"), seeds=(1, 2),
)  # fmt: skip
_PARTS = ("scores", "flags", "credits", "dev_scores", "stages", "splits")


class Stores(NamedTuple):
    """The same store with each run once and with each run twice."""

    once: Store
    twice: Store


def _filled() -> Store:
    store = Store.open(":memory:")
    planted(store, PLAN)
    legal = [(i, "multi_eurlex", lang, seed, 0.5 + 0.01 * seed * (i != "none"))
             for i in ("none", "multi_eurlex~mlm") for lang in ("de", "fr") for seed in (1, 2)]  # fmt: skip
    stated = [(i, t, lang, seed, 0.5 + 0.02 * seed) for i in ("none", "imdb") for t in ("sib200", "pawsx")
              for lang in ("en", "de") for seed in (1, 2)]  # fmt: skip
    columns = ["intermediate", "target", "lang", "seed", "score"]
    add_scores(store, pd.DataFrame(legal, columns=columns))
    add_scores(store, pd.DataFrame(stated, columns=columns).assign(protocol="mohapatra2022"))
    with store.cursor() as cur:
        scores = cur.execute("SELECT run_id, lang, metric FROM scores ORDER BY ALL").df()
        heads = cur.execute("SELECT run_id, target, protocol, seed FROM runs ORDER BY ALL").df()
    rng = np.random.default_rng(3)
    add_rows(store, "credits", scores.assign(correct=[rng.integers(0, 2, 40).astype(float) for _ in scores.index]))
    stages = pd.DataFrame({"run_id": heads["run_id"], "key": "t" + heads["run_id"]})
    add_rows(
        store,
        "stages",
        stages.assign(position=0, kind="target", name="t", state="finished", code=CODE_VERSION["target"]),
    )
    add_rows(store, "dev_scores", stages.assign(step=1, metric="accuracy", score=rng.random(len(stages)), n=50))
    splits = heads[heads["protocol"] == "mohapatra2022"]
    # One run in two keeps to the 70 %, and the earlier copies none: the share says whether they are counted.
    sizes = pd.DataFrame({"run_id": splits["run_id"], "task": splits["target"], "n": 600 + 100 * (splits["seed"] == 1)})
    fixed = {"role": "train", "lang": "en", "split": "train", "n_available": 1000, "fingerprint": "f"}
    add_rows(store, "splits", sizes.assign(**fixed))
    with store.write() as cur:
        cur.execute("UPDATE runs SET finished_at = TIMESTAMP '2026-02-01', environment = '{\"python\": \"3\"}'")
    return store


def _doubled(store: Store) -> Store:
    """With every run a second time, measured a year before, with pairs among themselves."""
    with store.write() as cur:
        for part in _PARTS:
            worse = {"scores": ", score * 0.9 - 0.001 * len(run_id) AS score",
                     "dev_scores": ", 1 - score AS score", "credits": ", list_reverse(correct) AS correct",
                     "splits": ", 1000 AS n"}.get(part, "")  # fmt: skip
            cur.execute(f"INSERT INTO {part} BY NAME SELECT * REPLACE ('old-' || run_id AS run_id{worse}) FROM {part}")
        cur.execute("""
            INSERT INTO runs BY NAME
            SELECT * REPLACE ('old-' || run_id AS run_id, 'old-' || pair_key AS pair_key,
                              TIMESTAMP '2025-02-01' AS finished_at) FROM runs
        """)
        cur.execute("INSERT INTO skips SELECT run_id, 'zh', 'not in this folder' FROM runs WHERE run_id LIKE 'old-%'")
    return store


@pytest.fixture(scope="module")
def stores() -> Iterator[Stores]:
    with _filled() as once, _doubled(_filled()) as twice:
        yield Stores(once, twice)


Question = Callable[[duckdb.DuckDBPyConnection], Any]


def _evidence(cur: duckdb.DuckDBPyConnection) -> Evidence:
    return evidence(
        cur, runs_to_pool(cur, Filter(protocol="quick")), options=AnalysisOptions(wanted=Filter(protocol="quick"))
    )


def _view(cur: duckdb.DuckDBPyConnection) -> transfer.View:
    row = transfer.choices(cur).query("target == 'pawsx' and protocol == 'quick' and is_headline").iloc[0]
    return transfer.View(
        row["collection"], row["model"], None, row["target"], row["metric"], row["protocol_digest"], row["data_source"]
    )


def _counts(cur: duckdb.DuckDBPyConnection) -> pd.DataFrame:
    return overview.counts(cur).drop(columns=["runs", "finished"])  # these are of everything that is there


def _cell_tests(cur: duckdb.DuckDBPyConnection) -> pd.DataFrame:
    return cell_tests(cur, _evidence(cur).complete.query("target == 'pawsx'"))


def _figures(cur: duckdb.DuckDBPyConnection) -> pd.DataFrame:
    return analyse(_evidence(cur)).estimates


def _answer(cur: duckdb.DuckDBPyConnection) -> Any:  # noqa: ANN401  # compared as it is
    found = _evidence(cur)
    return answer(found, analyse(found))


def _standing(cur: duckdb.DuckDBPyConnection) -> tuple[str, str]:
    found = _evidence(cur)
    pairs = pair_gains(found)
    return extent(found, pairs), verdicts(pairs)


def _proposals(cur: duckdb.DuckDBPyConnection) -> pd.DataFrame:
    found = _evidence(cur)
    return propose(cur, found, analyse(found), plan=Plan(TASKS))


def _predicted(cur: duckdb.DuckDBPyConnection) -> pd.DataFrame:
    return judge_selectors(selectors(cur, _evidence(cur)))


QUESTIONS: dict[str, Question] = {
    "gains": lambda cur: gains.gains(cur, Filter()),
    "choices": transfer.choices,
    "seed_rows": lambda cur: transfer.seed_rows(cur, _view(cur)),
    "states": lambda cur: transfer.states(cur, _view(cur)),
    "cell_runs": lambda cur: transfer.cell_runs(cur, _view(cur), lang="de", intermediate="mnli"),
    "view_tests": lambda cur: view_tests(cur, _view(cur)),
    "every_cell": lambda cur: every_cell(cur, Filter()),
    "mean row": lambda cur: pd.concat([heatmap.grid.means for heatmap in every_view(cur, Filter())]),
    "settings": lambda cur: poolable_runs(cur, Filter()),
    "evidence": lambda cur: _evidence(cur).frame,
    "units": lambda cur: _evidence(cur).units,
    "cell_means": lambda cur: cell_means(_evidence(cur).complete),
    "cell_tests": _cell_tests,
    "pair_gains": lambda cur: pair_gains(_evidence(cur)),
    "standing": _standing,
    "analyse": _figures,
    "answer": _answer,
    "propose": _proposals,
    "judge_selectors": _predicted,
    "counts": _counts,
    "findings": overview.findings,
    "protocols": lambda cur: provenance.protocols(cur, Filter()),
    "software": lambda cur: provenance.software(cur, Filter()),
    "scored_sets": lambda cur: provenance.scored_sets(cur, Filter()),
    "legal_domain": lambda cur: legal_domain(Facts(cur, Filter())).interval,
    "judge_claims": lambda cur: judge_claims(cur, Filter()),
}
"""What averages over seeds or counts them."""


@pytest.mark.parametrize("name", QUESTIONS)
def test_a_seed_that_stands_twice_counts_once(stores: Stores, name: str) -> None:
    with stores.once.cursor() as a, stores.twice.cursor() as b:
        expected, found = QUESTIONS[name](a), QUESTIONS[name](b)
    assert len(expected), "nothing is asked of an empty answer"
    if isinstance(expected, pd.DataFrame):
        pd.testing.assert_frame_equal(found.reset_index(drop=True), expected.reset_index(drop=True))
    else:
        assert found == expected


def test_claims_of_each_kind_are_among_those_compared(stores: Stores) -> None:
    """A claim without runs would be equal whatever is counted."""
    with stores.once.cursor() as cur:
        rows = judge_claims(cur, Filter())
    tested = set(rows.loc[rows["estimate"].notna() | rows["laboratory_estimate"].notna(), "id"])
    kinds = {"trained_share", "hundred_epochs", "gain_on_tagging", "severe_spread", "development_correlates"}
    assert kinds <= {CLAIMS[name].test for name in tested}


@pytest.mark.parametrize("what", ["scores", "gains"])
def test_exports_have_a_seed_once(stores: Stores, what: str, tmp_path: Path) -> None:
    files = [tmp_path / "once.csv", tmp_path / "twice.csv"]
    for store, file in zip(stores, files, strict=True):
        assert export(store, what=what, file=file)
    assert files[0].read_bytes() == files[1].read_bytes()


def test_the_list_of_runs_and_its_export_have_both_and_say_which_counts(stores: Stores, tmp_path: Path) -> None:
    with stores.once.cursor() as a, stores.twice.cursor() as b:
        assert len(runs(b, Filter())) == 2 * len(runs(a, Filter()))
    export(stores.twice, what="runs", file=tmp_path / "runs.csv")
    rows = pd.read_csv(tmp_path / "runs.csv")
    assert (rows["is_current"] != rows["run_id"].str.startswith("old-")).all()


def test_runs_named_by_their_ids_are_shown_whether_or_not_they_count(stores: Stores) -> None:
    with stores.twice.cursor() as cur:
        old = tuple(run_id for run_id in runs(cur, Filter(target="pawsx"))["run_id"] if run_id.startswith("old-"))
        assert set(gains.gains(cur, Filter(), run_ids=old)["run_id"]) == set(old)
