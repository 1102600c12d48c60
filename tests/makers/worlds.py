"""Runs that were judged: chains planted straight into the tables with what each stage learned, and by which code."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pandas as pd

from core.events import StageJudged
from core.spec.task import Metric
from core.spec.versions import CODE_VERSION
from core.store.connection import Store
from core.tasks import TASKS
from tests.makers.tables import add_rows, spec_of

KINDS = ("intermediate", "target", "evaluation")
LEARNED = 1e-9
"""A p-value that no correction over a planted world takes above the level."""


@dataclass(frozen=True)
class Chain:
    """One run; what is not said is as it should be."""

    intermediate: str = "mnli"
    """`none`: a baseline."""
    target: str = "xnli"
    """Its target."""
    seed: int = 1
    """Its seed."""
    p: float | None = LEARNED
    """Of the intermediate's judgement; None: no test was possible."""
    dev_score: float = 0.6
    """English development score of both stages; the rule's is 0.4."""
    target_p: float = LEARNED
    """Of the target's judgement."""
    is_constant: bool = False
    """Whether the intermediate predicts one class."""
    scores: Mapping[str, float] = field(default_factory=lambda: {"de": 0.6})
    """By language."""
    floor_p: Mapping[str, float] = field(default_factory=dict)
    """By language; others are far above the floor."""
    codes: Mapping[str, int | None] = field(default_factory=dict)
    """By kind of stage; others are of the code as it is."""
    threads: int | None = 1
    """Of torch."""
    precision: str | None = None
    """As the environment of the run has it."""
    data: Mapping[str, str] = field(default_factory=dict)
    """Fingerprint of the target's data by role (train, dev)."""
    revision: str | None = None
    """Of the target's data."""
    protocol: str = "quick"
    """Another is another pool."""

    @property
    def run_id(self) -> str:
        """Unique in a world."""
        return "|".join((self.intermediate, self.target, str(self.seed), self.protocol))


def plant(store: Store, chains: Sequence[Chain]) -> None:
    """Fill a store with chains.

    Args:
        store: Open and empty.
        chains: Runs and baselines.
    """
    tables: dict[str, list[dict[str, object]]] = {
        "runs": [], "stages": [], "judgements": [], "scores": [], "splits": []
    }  # fmt: skip
    for chain in chains:
        for name, rows in _rows(chain).items():
            tables[name] += rows
    for name, rows in tables.items():
        add_rows(store, name, pd.DataFrame(rows))


def _spec(chain: Chain) -> str:
    """Of real tasks one that pages can read; simulations make up names by the hundred."""
    known = chain.target in TASKS and chain.intermediate.partition("~")[0] in {*TASKS, "none"}
    names = ("atlas-mini", chain.intermediate, chain.target, chain.protocol, "sample")
    return spec_of(*names, changes={}) if known else "{}"


def _rows(chain: Chain) -> dict[str, list[dict[str, object]]]:
    own = {"run_id": chain.run_id}
    run = own | {
        "collection": "yours", "model": "atlas-mini", "intermediate": chain.intermediate, "target": chain.target,
        "task_type": "classification", "seed": chain.seed, "protocol": chain.protocol,
        "protocol_digest": f"{chain.protocol}-digest", "data_source": "sample",
        "pair_key": f"{chain.target}|{chain.seed}|{chain.protocol}", "headline_metric": "accuracy", "chance": 1 / 3,
        "attempts": 1, "outcome": "finished", "spec": _spec(chain), "threads": chain.threads,
        "device": "cpu", "environment": json.dumps({"precision": chain.precision} if chain.precision else {}),
    }  # fmt: skip
    kinds = [kind for kind in KINDS if kind != "intermediate" or chain.intermediate != "none"]
    # An intermediate stage is shared by all targets, and no two seeds share one.
    keys = dict.fromkeys(KINDS, chain.run_id) | {"intermediate": f"{chain.intermediate}|{chain.seed}"}
    keys = {kind: f"{kind}|{key}" for kind, key in keys.items()}
    stages = [
        own | {"key": keys[kind], "position": place, "kind": kind, "name": "x", "state": "finished",
               "code": chain.codes.get(kind, CODE_VERSION[kind])}  # type: ignore[call-overload]  # one of KINDS
        for place, kind in enumerate(kinds)
    ]  # fmt: skip
    judged = [("intermediate", chain.p, chain.is_constant), ("target", chain.target_p, False)]
    facts = [
        StageJudged(
            key=keys[kind], task=kind, metric=Metric.ACCURACY, score=chain.dev_score, chance=1 / 3, rule="the majority",
            rule_score=0.4, p_value=p, is_constant=same, n=100,
        )
        for kind, p, same in judged if kind in kinds
    ]  # fmt: skip
    judgements = [own | fact.model_dump(exclude={"type"}) | {"has_learned": fact.has_learned} for fact in facts]
    scores = [
        own | {"lang": lang, "metric": "accuracy", "score": score, "n": 100, "split": "test", "fingerprint": lang,
               "floor": 0.4, "floor_rule": "the majority", "floor_p": chain.floor_p.get(lang, LEARNED)}
        for lang, score in chain.scores.items()
    ]  # fmt: skip
    splits = [
        own | {"task": chain.target, "role": role, "lang": "en", "split": role, "n": 100, "n_available": 100,
               "fingerprint": chain.data.get(role, role), "revision": chain.revision}
        for role in ("train", "dev")
    ]  # fmt: skip
    return {"runs": [run], "stages": stages, "judgements": judgements, "scores": scores, "splits": splits}
