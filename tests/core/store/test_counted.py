"""Which gains are evidence: every reason, by a small planted world."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from core.spec.versions import CODE_VERSION
from core.store.connection import Store
from core.store.counted import BASELINE, EARLIER, FLOOR, INTERMEDIATE, REASONS, TARGET
from tests.makers.worlds import KINDS, Chain, plant

BASE = Chain("none", scores={"de": 0.5})


def excluded(*chains: Chain, seed: bool = False) -> dict[object, str | None]:
    """Why the German gain of each intermediate is no evidence, by intermediate or by (intermediate, seed)."""
    sql = "SELECT intermediate, seed, excluded FROM gains WHERE lang = 'de' AND gain IS NOT NULL ORDER BY ALL"
    with Store.open(":memory:") as store:
        plant(store, chains)
        with store.cursor() as cur:
            rows = cur.execute(sql).fetchall()
    return {(name, number) if seed else name: why for name, number, why in rows}


def test_a_chain_that_learned_everything_is_evidence() -> None:
    with Store.open(":memory:") as store:
        plant(store, (BASE, Chain()))
        with store.cursor() as cur:
            counted = cur.execute("SELECT intermediate, gain, floor, floor_rule, note FROM counted_gains").fetchall()
    assert counted == [("mnli", pytest.approx(0.1), 0.4, "the majority", None)]


def test_where_no_test_is_possible_a_score_above_the_rule_is_learned() -> None:
    """Macro F1 over label sets has no counts of examples."""
    assert excluded(BASE, Chain(p=None)) == {"mnli": None}


@pytest.mark.parametrize(
    ("base", "chain", "why"),
    [
        (BASE, Chain(p=0.06), INTERMEDIATE),
        (BASE, Chain(p=None, dev_score=0.4), INTERMEDIATE),  # no test is possible, so the scores speak
        (BASE, Chain(is_constant=True), INTERMEDIATE),
        (BASE, Chain(target_p=0.06), TARGET),
        (replace(BASE, target_p=0.06), Chain(), BASELINE),
        (replace(BASE, floor_p={"de": 0.06}), Chain(), FLOOR),
        *[(BASE, Chain(codes={kind: CODE_VERSION[kind] - 1}), EARLIER) for kind in KINDS],  # type: ignore[index]
        *[(BASE, Chain(codes={kind: None}), EARLIER) for kind in KINDS],
        (replace(BASE, codes={"target": CODE_VERSION["target"] - 1}), Chain(), EARLIER),
        # What is to be run again comes before what it said of its learning.
        (BASE, Chain(p=0.9, codes={"target": None}), EARLIER),
    ],
)  # fmt: skip
def test_every_reason(base: Chain, chain: Chain, why: str) -> None:
    assert excluded(base, chain, Chain("qqp", target="other")) == {"mnli": why}
    assert why in REASONS


def test_the_floor_is_of_one_language() -> None:
    scores = {"de": 0.5, "sw": 0.4}
    base, chain = replace(BASE, scores=scores, floor_p={"sw": 0.7}), Chain(scores=scores)
    with Store.open(":memory:") as store:
        plant(store, (base, chain))
        with store.cursor() as cur:
            rows = cur.execute("SELECT lang, excluded FROM gains ORDER BY lang").fetchall()
    assert rows == [("de", None), ("sw", FLOOR)]


def test_a_shuffled_placebo_need_not_learn_its_intermediate_but_its_target() -> None:
    placebo = Chain("mnli~shuffled", p=0.9)
    assert excluded(BASE, placebo) == {"mnli~shuffled": None}
    assert excluded(BASE, replace(placebo, target_p=0.9)) == {"mnli~shuffled": TARGET}


def test_one_failed_seed_of_three_goes_alone_and_two_take_the_condition_along() -> None:
    """Three p-values count as 3/2 times the median."""

    def three(*p: float) -> list[str | None]:
        chains = [Chain(seed=seed, p=value) for seed, value in enumerate(p, start=1)]
        found = excluded(*(replace(BASE, seed=seed) for seed in (1, 2, 3)), *chains, seed=True)
        return [found["mnli", seed] for seed in (1, 2, 3)]

    assert three(1e-9, 1e-9, 0.5) == [None, None, INTERMEDIATE]
    assert three(1e-9, 0.5, 0.5) == [INTERMEDIATE] * 3
    assert three(1e-9, 0.03, 0.5) == [None, None, INTERMEDIATE]  # 1.5 * 0.03 = 0.045
    assert three(1e-9, 0.04, 0.5) == [INTERMEDIATE] * 3  # 1.5 * 0.04 = 0.06


def test_false_discoveries_are_held_over_the_conditions_of_a_pool() -> None:
    """One of ten at p = 0.04 is what chance gives; beside nine that learned it is believed."""

    def ten(others: float, **pool: str) -> str | None:
        rest = [Chain(f"other{i}", p=others, **pool) for i in range(9)]  # type: ignore[arg-type]
        bases = {c.protocol: replace(BASE, protocol=c.protocol) for c in rest} | {"quick": BASE}
        return excluded(*bases.values(), Chain(p=0.04), *rest)["mnli"]

    assert ten(0.9) == INTERMEDIATE
    assert ten(1e-9) is None
    assert ten(0.9, protocol="standard") is None, "another protocol is another family"


def test_false_discoveries_of_floors_are_held_over_targets_and_languages() -> None:
    langs = [f"l{i}" for i in range(9)]
    scores = dict.fromkeys(("de", *langs), 0.5)
    flat = replace(BASE, scores=scores, floor_p={"de": 0.04} | dict.fromkeys(langs, 0.9))
    assert excluded(flat, Chain(scores=scores)) == {"mnli": FLOOR}
    high = replace(flat, floor_p={"de": 0.04})
    assert excluded(high, Chain(scores=scores)) == {"mnli": None}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            {"data": {"train": "cut"}},
            "baseline was trained or selected on other data (train): run both again (--again)",
        ),
        ({"data": {"dev": "other"}}, "baseline was trained or selected on other data (dev): run both again (--again)"),
        (
            {"data": {"train": "cut", "dev": "other"}},
            "baseline was trained or selected on other data (dev, train): run both again (--again)",
        ),
        ({"revision": "b"}, "baseline read another revision of the target's data: run both again (--again)"),
    ],
)
def test_a_pair_that_saw_other_data_has_no_gain_and_says_why(change: dict[str, object], said: str) -> None:
    with Store.open(":memory:") as store:
        plant(store, (BASE, replace(Chain(), **change)))  # type: ignore[arg-type]
        with store.cursor() as cur:
            row = cur.execute("SELECT gain, gain_last, baseline_score, missing FROM gains").fetchall()
    assert row == [(None, None, None, said)]


@pytest.mark.parametrize(
    ("first", "what"), [("baseline", "run the baseline again"), ("run", "run this one again"), ("", "run both again")]
)
def test_the_older_of_two_that_saw_other_data_is_to_be_run_again(first: str, what: str) -> None:
    """The other would read what it has read already."""
    with Store.open(":memory:") as store:
        plant(store, (BASE, Chain(data={"train": "new"})))
        with store.write() as cur:
            cur.execute("UPDATE runs SET finished_at = TIMESTAMP '2026-02-01'")
            old = {"baseline": "intermediate = 'none'", "run": "intermediate <> 'none'"}.get(first, "FALSE")
            cur.execute(f"UPDATE runs SET finished_at = TIMESTAMP '2026-01-01' WHERE {old}")
        with store.cursor() as cur:
            ((said,),) = cur.execute("SELECT missing FROM gains").fetchall()
    assert said == f"baseline was trained or selected on other data (train): {what} (--again)"


class Twin(Chain):
    """Another run of the same cell and seed."""

    @property
    def run_id(self) -> str:
        return f"{super().run_id}|twin"


@pytest.mark.parametrize("data", [{"train": "new"}, {"dev": "new"}])
def test_of_two_baselines_the_one_with_the_same_data_counts(data: dict[str, str]) -> None:
    """The other is later in the order of ids in one world, and earlier in the other."""
    own, other = {"scores": {"de": 0.5}}, {"scores": {"de": 0.4}, "data": data}
    worlds = ((Chain("none", **own), Twin("none", **other)), (Chain("none", **other), Twin("none", **own)))  # type: ignore[arg-type]
    for world in worlds:
        with Store.open(":memory:") as store:
            plant(store, (*world, Chain()))
            with store.cursor() as cur:
                assert cur.execute("SELECT gain FROM gains").fetchall() == [(pytest.approx(0.1),)]


def note(*, ours: Chain, theirs: Chain) -> str | None:
    """Of the gain of a run over its baseline, which counts all the same."""
    with Store.open(":memory:") as store:
        plant(store, (theirs, ours))
        with store.cursor() as cur:
            ((found,),) = cur.execute("SELECT note FROM counted_gains").fetchall()
    return None if found is None else str(found)


def test_numbers_of_threads_that_differ_are_noted_and_count() -> None:
    def of(ours: int | None, theirs: int | None) -> str | None:
        return note(ours=Chain(threads=ours), theirs=replace(BASE, threads=theirs))

    assert of(2, 1) == "trained with 2 threads, its baseline with 1: equal only to rounding"
    assert of(2, 2) is None and of(None, 1) is None


def test_precisions_that_differ_are_noted_and_count() -> None:
    def of(ours: str | None, theirs: str | None, *, threads: int = 1) -> str | None:
        return note(ours=Chain(precision=ours, threads=threads), theirs=replace(BASE, precision=theirs))

    said = "trained in bfloat16, its baseline in float32: rounding alone may have changed some answers"
    assert of("bf16", "fp32") == said
    assert of("bf16", None) == said, "before there was a choice, a CPU computed in float32"
    assert of("bf16", "bf16") is None and of("fp32", None) is None
    assert (
        of("bf16", "fp32", threads=2) == f"trained with 2 threads, its baseline with 1: equal only to rounding; {said}"
    )


def test_a_database_is_judged_anew_when_the_code_has_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def reasons() -> list[tuple[object, ...]]:
        with Store.open(tmp_path / "a.duckdb") as store, store.cursor() as cur:
            return cur.execute("SELECT excluded FROM gains").fetchall()

    with Store.open(tmp_path / "a.duckdb") as store:
        plant(store, (BASE, Chain()))
    assert reasons() == [(None,)]
    monkeypatch.setitem(CODE_VERSION, "target", CODE_VERSION["target"] + 1)
    assert reasons() == [(EARLIER,)]
    monkeypatch.undo()
    assert reasons() == [(None,)]


class _Twin(Chain):
    """The same run once more, under another id: it does not count."""

    @property
    def run_id(self) -> str:
        return f"{super().run_id}|twin"


@pytest.mark.parametrize("codes", [{}, dict.fromkeys(KINDS, 1)], ids=["superseded", "of an earlier version too"])
def test_a_run_that_does_not_count_speaks_for_no_condition(codes: dict[str, int | None]) -> None:
    """Its failure would count as that of one seed in two."""
    bases = (replace(BASE, floor_p={"de": 0.03}), _Twin("none", scores=BASE.scores, floor_p={"de": 0.9}, codes=codes))
    chains = (Chain(p=0.03), _Twin(seed=1, p=0.9, codes=codes))
    sql = "SELECT intermediate, excluded FROM current_gains WHERE lang = 'de'"
    with Store.open(":memory:") as store:
        plant(store, (*bases, *chains))
        with store.cursor() as cur:
            assert cur.execute(sql).fetchall() == [("mnli", None)]
