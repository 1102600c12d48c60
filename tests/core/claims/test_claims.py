"""Every claim's verdict turns when the data are changed to say so."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable

import numpy as np
import pandas as pd
import pytest

from core.claims.judging import COLUMNS, TESTS, judge_claims, needs
from core.claims.records import Claim, Finding, verdict_of
from core.claims.registry import CLAIMS
from core.measures.inference.intervals import Interval
from core.queries.filters import Filter
from core.spec.versions import CODE_VERSION
from core.store.connection import Store
from tests.makers.tables import Planted, add_rows, add_scores, planted

Maker = Callable[[Store, bool], None]
"""Fills a store so that the claim holds (True) or its opposite does."""
SINGLES = ("mnli", "squad", "hellaswag", "qqp", "cola", "sst2")


def grid(
    store: Store,
    gain: Callable[[str, str], float],
    *,
    intermediates: Iterable[str] = SINGLES,
    targets: Iterable[str] = ("sib200", "udpos", "panx", "tatoeba"),
    spread: float = 0.001,
    **columns: object,
) -> None:
    """Baselines and runs of three seeds in English, German and Swahili; gains with a little noise of seeds."""
    rng = np.random.default_rng(0)
    changes = columns.pop("changes", None)
    rows = []
    for target in targets:
        for seed in (1, 2, 3):
            for name in ("none", *intermediates):
                change = 0.0 if name == "none" else gain(name, target) + rng.normal(0, spread)
                rows += [(name, target, lang, seed, 0.5 + 0.01 * seed + change) for lang in ("en", "de", "sw")]
    frame = pd.DataFrame(rows, columns=["intermediate", "target", "lang", "seed", "score"]).assign(**columns)
    add_scores(store, frame, changes=changes)  # type: ignore[arg-type]


def gain_of(yes: float, no: float, *, targets: tuple[str, ...]) -> Maker:
    """All gains on some targets are one number or another."""
    return lambda store, holds: grid(store, lambda _i, _t: yes if holds else no, targets=targets)


def three_models(levels: Callable[[str, bool], tuple[float, float, float]]) -> Maker:
    """Scores of BERT, RoBERTa and XLNet by target."""

    def make(store: Store, holds: bool) -> None:
        for place, model in enumerate(("bert-base-cased", "roberta-base", "xlnet-base")):
            grid(
                store, lambda _i, target, place=place: levels(target, holds)[place], intermediates=("imdb",),
                targets=("sib200", "tweet_sentiment", "stsb_multi"), model=model, protocol="mohapatra2022",
            )  # fmt: skip

    return make


def statement(store: Store, holds: bool, *, bad: dict[str, object]) -> None:
    """Runs under mohapatra2022 as they are, or with a protocol that differs."""
    grid(
        store, lambda _i, _t: 0.0, intermediates=("imdb",), targets=("sib200", "pawsx"), protocol="mohapatra2022",
        changes={} if holds else bad,
    )  # fmt: skip


def seventy(store: Store, holds: bool) -> None:
    statement(store, True, bad={})
    with store.cursor() as cur:
        runs = cur.execute("SELECT run_id, target FROM runs WHERE intermediate <> 'none' ORDER BY run_id").df()
    rows = [
        (run_id, task, "train", "en", "train", 700 if holds else 1000, 1000, "f")
        for run_id, target in runs.itertuples(index=False)
        for task in ("imdb", target)
    ]
    columns = ["run_id", "task", "role", "lang", "split", "n", "n_available", "fingerprint"]
    add_rows(store, "splits", pd.DataFrame(rows, columns=columns))


def same_target_stage(store: Store, holds: bool) -> None:
    grid(store, lambda _i, _t: 0.0, intermediates=("imdb",), targets=("sib200", "pawsx"), protocol="mohapatra2022")
    if not holds:
        with store.write() as cur:
            cur.execute("DELETE FROM runs WHERE intermediate = 'none'")


def sizes(store: Store, holds: bool) -> None:
    # 363,846 and more against at most 1,839 examples; 3,668 and fewer against 5,749 and more.
    names = ("mnli", "qqp") if holds else ("rte", "mrpc")
    targets = ("sib200", "tweet_sentiment") if holds else ("pawsx", "stsb_multi")
    grid(store, lambda _i, _t: 0.0, intermediates=names, targets=targets, protocol="mohapatra2022")


def imdb(store: Store, holds: bool) -> None:
    grid(
        store, lambda _i, _t: 0.0, intermediates=("imdb" if holds else "mnli",), targets=("sib200", "pawsx"),
        protocol="mohapatra2022",
    )  # fmt: skip


def mlm(store: Store, holds: bool) -> None:
    rows = []
    for i, name in enumerate(("QQP", "CCG", "SQuAD", "ANLI+")):
        change = 0.001 * i - (0.02 if holds else -0.03)
        for place, (text, value) in enumerate([(name, 0.01), (f"{name} + multilingual MLM", 0.01 + change)]):
            rows.append(("phang2020v1-table2", 10 * i + place, text, "XNLI", "acc", "gain", value, "1", False, "pdf"))
    columns = ["table_name", "position", "intermediate", "target", "metric", "kind", "value", "printed", "derived"]
    add_rows(store, "published_figures", pd.DataFrame(rows, columns=[*columns, "source"]))


def multi(store: Store, holds: bool) -> None:
    grid(
        store, lambda name, _t: (0.02 if holds else -0.02) if "+" in name else 0.0,
        intermediates=("mnli", "squad", "mnli+squad"),
    )  # fmt: skip


def pairing(store: Store, holds: bool) -> None:
    rng = np.random.default_rng(1)
    targets = ("sib200", "udpos", "panx", "tatoeba", "tydiqa")
    row = dict(zip(SINGLES, rng.normal(0, 0.03, 6), strict=True))
    match = {(i, t): rng.normal(0, 0.002 if holds else 0.1) for i in SINGLES for t in targets}
    grid(store, lambda i, t: row[i] + match[i, t], targets=targets)


def similar(store: Store, holds: bool) -> None:
    planted(store, Planted(similarity=0.03 if holds else -0.03, spread=0.005))


def dev_scores(store: Store, holds: bool) -> None:
    rng = np.random.default_rng(2)
    grid(store, lambda _i, _t: float(rng.normal(0, 0.02)))
    with store.cursor() as cur:
        sql = "SELECT run_id, avg(score) AS score FROM scores WHERE lang <> 'en' GROUP BY run_id ORDER BY run_id"
        runs = cur.execute(sql).df()
    runs["score"] = rng.random(len(runs)) if holds else runs["score"]
    runs["key"] = "t"
    stages = runs[["run_id", "key"]].assign(
        position=1, kind="target", name="x", state="finished", code=CODE_VERSION["target"]
    )
    add_rows(store, "stages", stages)
    add_rows(store, "dev_scores", runs[["run_id", "key", "score"]].assign(step=10, metric="accuracy", n=100))


def legal(store: Store, holds: bool) -> None:
    rng = np.random.default_rng(3)
    rows = []
    for seed in (1, 2, 3):
        for name, gain in (("none", 0.0), ("multi_eurlex~mlm", 0.05 if holds else -0.05)):
            rows += [(name, "multi_eurlex", lang, seed, 0.4 + gain + rng.normal(0, 0.001)) for lang in ("fr", "de")]
    add_scores(store, pd.DataFrame(rows, columns=["intermediate", "target", "lang", "seed", "score"]))


CASES: dict[str, Maker] = {
    "S1": three_models(
        lambda t, holds: ((0.1, 0.05, 0.0) if t == "sib200" else (0.05, 0.1, 0.0)) if holds else (0, 0, 0.1)
    ),
    "S2": three_models(lambda _t, holds: (0.0, 0.1, 0.0) if holds else (0.1, 0.0, 0.0)),
    "S3": three_models(lambda t, holds: (0.1, 0.0, 0.0) if holds == (t == "sib200") else (0.0, 0.1, 0.0)),
    "S4": three_models(lambda _t, holds: (0.1, 0.1, 0.0) if holds else (0.0, 0.1, 0.1)),
    "S5": three_models(lambda _t, holds: (0.1, 0.1, 0.0) if holds else (0.0, 0.0, 0.1)),
    "S6": seventy,
    "S7": lambda store, holds: statement(store, holds, bad={"intermediate": {"epochs": 3}}),
    "S8": same_target_stage,
    "S9": lambda store, holds: statement(store, holds, bad={"target": {"freezing": "gradual"}}),
    "S10": sizes,
    "S11": imdb,
    "M1": gain_of(-0.02, 0.02, targets=("sib200", "udpos", "panx", "tatoeba", "tydiqa", "pawsx", "bucc2018")),
    "P1": gain_of(0.2, 0.01, targets=("bucc2018", "tatoeba")),
    "P2": gain_of(0.03, -0.03, targets=("xquad", "tydiqa")),
    "P3": lambda store, holds: grid(store, lambda i, _t: 0.05 if (i in SINGLES[:3]) == holds else 0.0),
    "P4": mlm,
    "P5": multi,
    "P6": gain_of(-0.02, 0.05, targets=("udpos", "panx")),
    "K1": lambda store, holds: grid(store, lambda i, _t: 0.05 if (i in {"mnli", "hellaswag"}) == holds else 0.0),
    "V1": similar,
    "H1": pairing,
    "C1": lambda store, holds: grid(store, lambda i, _t: 0.05 if i in {"mnli", "hellaswag"} and not holds else 0.0),
    "L1": lambda store, holds: grid(
        store, lambda i, _t: 0.05 * SINGLES.index(i) if holds else 0.0, spread=0.05 if holds else 0.001
    ),
    "Q1": dev_scores,
    "Z1": legal,
}


def judged(maker: Maker | None, *, holds: bool, claim: str) -> dict[str, object]:
    with Store.open(":memory:") as store:
        if maker:
            maker(store, holds)
        with store.cursor() as cur:
            rows = judge_claims(cur, Filter(), ids=(claim,))
    assert tuple(rows.columns) == COLUMNS
    return {str(k): v for k, v in rows.iloc[0].to_dict().items()}


@pytest.mark.parametrize("claim", CLAIMS)
def test_the_verdict_turns_with_the_data(claim: str) -> None:
    for holds, verdict in ((True, "supported"), (False, "contradicted")):
        row = judged(CASES[claim], holds=holds, claim=claim)
        assert row["verdict"] == verdict, row
        assert isinstance(row["estimate"], float)
        assert row["ci_low"] <= row["estimate"] <= row["ci_high"]  # type: ignore[operator]
        assert int(row["n"]) >= CLAIMS[claim].least  # type: ignore[call-overload]


def test_every_claim_has_a_case_a_test_and_a_source() -> None:
    assert set(CASES) == set(CLAIMS)
    assert len(CLAIMS) >= 20
    assert {f"S{i}" for i in range(1, 12)} <= set(CLAIMS)
    assert {claim.test for claim in CLAIMS.values()} == set(TESTS)
    for claim in CLAIMS.values():
        assert claim.source
        assert claim.region[0] < claim.region[1]
        assert claim.quantity in claim.rule


def test_an_empty_store_tests_nothing_and_says_what_to_run() -> None:
    with Store.open(":memory:") as store, store.cursor() as cur:
        rows = judge_claims(cur, Filter())
    assert set(rows["verdict"]) == {"not testable"}
    assert rows["estimate"].isna().all()
    assert rows["note"].str.len().min() > 0
    without = rows[rows["needs"] == ""]["id"].tolist()
    assert without == ["P4"]  # no runs of ours can test it
    assert needs(CLAIMS["Z1"]).startswith("python -m core run --data-source hub --model xlm-r-base")


@pytest.mark.parametrize(
    ("limits", "n", "holds", "expected"),
    [
        ((0.1, 0.3), 5, True, "supported"),
        ((0.1, 0.3), 5, False, "mixed"),
        ((-0.1, 0.3), 5, True, "mixed"),
        ((-0.3, -0.1), 5, True, "contradicted"),
        ((0.1, 0.3), 2, True, "not testable"),
    ],
)
def test_the_rule(limits: tuple[float, float], n: int, holds: bool, expected: str) -> None:
    claim = Claim("X", "x", "s", "s", "leaders", "q", (0.0, math.inf), "share")
    found = Finding(Interval(sum(limits) / 2, *limits, 0.95, "t", n, 0), holds=holds)
    assert verdict_of(claim, found) == expected
    assert verdict_of(claim, Finding(None)) == "not testable"


def test_placebos_are_no_evidence_for_tasks() -> None:
    def placebos(store: Store, holds: bool) -> None:
        grid(store, lambda _i, _t: 0.2, intermediates=("mnli~shuffled", "qqp~shuffled", "imdb~mlm"))

    row = judged(placebos, holds=True, claim="P1")
    assert row["verdict"] == "not testable"
