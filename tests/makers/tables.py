"""A store with planted effects: runs, scores and profiles written straight into the tables, ten thousand runs a second.

`add_scores` takes one row per run and language; `planted` makes such rows from a difficulty, a similarity and their
effects. Nothing here trains, and no number means anything.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from core.models import MODELS
from core.protocols import PROTOCOLS
from core.spec.run import IntermediateSpec
from core.store.connection import Store
from core.tasks import TASKS, in_task_reason

INTERMEDIATES = (
    *("mnli", "qqp", "squad", "cola", "sst2", "imdb", "hellaswag", "cosmosqa", "stsb", "qnli", "paws", "ccg"),
)
"""Twelve conditions of five types."""
TARGETS = ("pawsx", "udpos", "tydiqa", "tatoeba", "sib200")
"""Targets of five kinds; none is in-task with the intermediates but PAWS."""
LANGS = ("de", "sw", "zh", "hi")
"""Languages that all targets are given."""


@dataclass(frozen=True)
class Planted:
    """What is planted; effects are in points of gain for one standard deviation, as fractions."""

    difficulty: float = 0.0
    """Effect of one standard deviation of difficulty."""
    similarity: float = 0.0
    """Effect of one standard deviation of similarity."""
    intermediates: Sequence[str] = INTERMEDIATES
    """Conditions."""
    targets: Sequence[str] = TARGETS
    """Targets."""
    langs: Sequence[str] = LANGS
    """Languages, English not among them."""
    seeds: Sequence[int] = (1, 2, 3)
    """Seeds."""
    spread: float = 0.01
    """Standard deviation of the effect of an intermediate, and of a target."""
    noise: float = 0.004
    """Standard deviation of what is left, by cell and seed."""
    pair: float = 0.003
    """Standard deviation of the effect of an (intermediate, target) pair."""
    setting: Mapping[str, str] = field(default_factory=dict)
    """Columns of `add_scores` that differ from its defaults."""


def planted(store: Store, plan: Planted, *, seed: int = 0) -> pd.DataFrame:
    """Fill a store: baselines, runs, difficulties and similarities; the rows of scores with what made them.

    Args:
        store: Open store.
        plan: What is planted.
        seed: Of the draws.
    """
    rng = np.random.default_rng(seed)
    hard = dict(zip(plan.intermediates, rng.normal(size=len(plan.intermediates)), strict=True))
    shift = dict(zip(plan.intermediates, rng.normal(0, plan.spread, len(plan.intermediates)), strict=True))
    level = dict(zip(plan.targets, rng.normal(0, plan.spread, len(plan.targets)), strict=True))
    own = dict(zip(plan.intermediates, rng.normal(size=len(plan.intermediates)), strict=True))
    pairs = list(itertools.product(plan.intermediates, plan.targets))
    match = dict(zip(pairs, rng.normal(0, plan.pair, len(pairs)), strict=True))
    near = {p: 0.7 * own[p[0]] + 0.7 * z for p, z in zip(pairs, rng.normal(size=len(pairs)), strict=True)}
    base = {key: 0.5 + 0.2 * rng.random() for key in itertools.product(plan.targets, plan.langs, plan.seeds)}
    grid = list(itertools.product(plan.intermediates, plan.targets, plan.langs, plan.seeds))
    frame = pd.DataFrame(grid, columns=["intermediate", "target", "lang", "seed"])
    noise = rng.normal(0, plan.noise, len(grid))
    frame["score"] = [
        base[t, lang, s]
        + plan.difficulty * hard[i]
        + plan.similarity * near[i, t]
        + shift[i]
        + level[t]
        + match[i, t]
        + e
        for (i, t, lang, s), e in zip(grid, noise, strict=True)
    ]
    baselines = pd.DataFrame(
        [("none", t, lang, s, score) for (t, lang, s), score in base.items()], columns=list(frame.columns)
    )
    rows = pd.concat([baselines, frame], ignore_index=True).assign(**plan.setting)
    add_scores(store, rows)
    where = {name: str(plan.setting[name]) for name in ("model", "data_source") if name in plan.setting}
    # Stored headroom is large where easy.
    add_difficulty(store, {name: -value for name, value in hard.items()}, **where)
    add_similarity(
        store,
        {(i, f"{t}:test:{lang}"): value for (i, t), value in near.items() for lang in (*plan.langs, "en")}
        | {(i, f"{t}:train"): value for (i, t), value in near.items()},
        **{name: value for name, value in where.items() if name != "model"},
    )
    return frame


def add_scores(store: Store, rows: pd.DataFrame, *, changes: Mapping[str, object] | None = None) -> None:
    """Runs and their scores.

    Args:
        store: Open store.
        rows: Columns intermediate, target, lang, seed, score; model, model_fingerprint, protocol, protocol_digest,
            data_source, collection, n where they differ from the defaults.
        changes: Fields of the runs' protocol that differ, such as `{"intermediate": {"epochs": 100}}`.
    """
    defaults = {"model": "atlas-mini", "protocol": "quick", "data_source": "sample", "collection": "yours", "n": 200}
    rows = rows.assign(**{name: value for name, value in defaults.items() if name not in rows})
    if "protocol_digest" not in rows:
        rows["protocol_digest"] = rows["protocol"] + "-digest"
    rows["metric"] = rows["target"].map(lambda name: str(TASKS[name].headline))
    weights = rows["model_fingerprint"].fillna("") if "model_fingerprint" in rows else ""
    key = rows["model"] + weights + "|" + rows["target"] + "|" + rows["seed"].astype(str) + "|" + rows["protocol"]
    key += rows["protocol_digest"].mask(rows["protocol_digest"] == rows["protocol"] + "-digest", "")
    rows["pair_key"] = key + "|" + rows["data_source"] + "|" + rows["collection"]
    rows["run_id"] = rows["pair_key"] + "|" + rows["intermediate"]
    runs = rows.drop_duplicates("run_id").copy()
    keys = list(zip(*(runs[n] for n in ("model", "intermediate", "target", "protocol", "data_source")), strict=True))
    specs = {key: spec_of(*key, changes=changes or {}) for key in set(keys)}
    runs["spec"] = [specs[key] for key in keys]
    runs["task_type"] = runs["target"].map(lambda name: str(TASKS[name].type))
    runs["headline_metric"], runs["chance"], runs["attempts"], runs["outcome"] = runs["metric"], 0.0, 1, "finished"
    columns = [
        *(
            "run_id",
            "collection",
            "model",
            "intermediate",
            "target",
            "task_type",
            "seed",
            "protocol",
            "protocol_digest",
        ),
        *("data_source", "pair_key", "headline_metric", "chance", "attempts", "outcome", "spec"),
        *(("model_fingerprint",) if "model_fingerprint" in runs else ()),
    ]
    scores = rows[["run_id", "lang", "metric", "score", "n"]].assign(split="test")
    scores["fingerprint"] = rows["target"] + rows["lang"]
    flags = _flags(runs)
    with store.write() as cur:
        for table, frame in (("runs", runs[columns]), ("scores", scores), ("flags", flags)):
            _insert(cur, table, frame)


def add_difficulty(
    store: Store, values: Mapping[str, float], *, measure: str = "headroom", model: str = "atlas-mini",
    data_source: str = "sample",
) -> None:  # fmt: skip
    """A difficulty profile.

    Args:
        store: Open store.
        values: By intermediate, as stored.
        measure: Of `difficulties.measure`.
        model: Model that was trained.
        data_source: Of the tasks.
    """
    profile = _profile(f"difficulty-{measure}-{model}", kind="difficulty", model=model, data_source=data_source)
    rows = pd.DataFrame([(profile["profile_id"], i, measure, v, 500, 200) for i, v in values.items()])
    rows.columns = pd.Index(["profile_id", "intermediate", "measure", "value", "n", "resamples"])
    with store.write() as cur:
        _insert(cur, "profiles", pd.DataFrame([profile]))
        _insert(cur, "difficulties", rows)


def add_similarity(
    store: Store, values: Mapping[tuple[str, str], float], *, measure: str = "centroid_cosine", model: str = "minilm",
    data_source: str = "sample",
) -> None:  # fmt: skip
    """A domain profile.

    Args:
        store: Open store.
        values: By pair of points, as stored.
        measure: Of `similarities.measure`.
        model: Sentence encoder.
        data_source: Of the tasks.
    """
    profile = _profile(f"domain-{measure}-{model}", kind="domain", model=model, data_source=data_source)
    rows = pd.DataFrame(
        [(profile["profile_id"], min(pair), max(pair), measure, True, v, 500, 500, 200) for pair, v in values.items()]
    )
    rows.columns = pd.Index(["profile_id", "a", "b", "measure", "centred", "value", "n_a", "n_b", "resamples"])
    points = sorted({point for pair in values for point in pair})
    with store.write() as cur:
        _insert(cur, "profiles", pd.DataFrame([profile]))
        _insert(cur, "similarities", rows)
        _insert(cur, "profile_texts", pd.DataFrame([_text(profile["profile_id"], point) for point in points]))


def add_selectors(store: Store, rows: pd.DataFrame, *, model: str = "atlas-mini", protocol: str = "quick") -> None:
    """A selectors profile on the sample tasks.

    Args:
        store: Open store.
        rows: Columns intermediate, target, selector, value, n.
        model: Model that was trained.
        protocol: Of its stages.
    """
    profile = _profile(f"selectors-{model}-{protocol}", kind="selectors", model=model)
    profile |= {"spec": json.dumps({"protocol": {"name": protocol}})}
    with store.write() as cur:
        _insert(cur, "profiles", pd.DataFrame([profile]))
        _insert(cur, "selector_scores", rows.assign(profile_id=profile["profile_id"]))


def add_rows(store: Store, table: str, rows: pd.DataFrame) -> None:
    """Rows of any table.

    Args:
        store: Open store.
        table: Its name.
        rows: With the table's column names.
    """
    with store.write() as cur:
        _insert(cur, table, rows)


def _insert(cur: object, table: str, frame: pd.DataFrame) -> None:
    if frame.empty:
        return
    cur.register("incoming", frame)  # type: ignore[attr-defined]
    cur.execute(f"INSERT INTO {table} BY NAME SELECT * FROM incoming")  # type: ignore[attr-defined]
    cur.unregister("incoming")  # type: ignore[attr-defined]


def _profile(name: str, *, kind: str, model: str, data_source: str = "sample") -> dict[str, object]:
    at = pd.Timestamp("2026-11-22")
    return {
        "profile_id": name, "collection": "yours", "kind": kind, "model": model, "data_source": data_source,
        "seed": 1, "finished_at": at, "spec": '{"model": {}, "data_source": {}, "protocol": {"name": "quick"}}',
    }  # fmt: skip


def _text(profile_id: object, point: str) -> dict[str, object]:
    task, _, rest = point.partition(":")
    role, _, lang = rest.partition(":")
    return {
        "profile_id": profile_id, "point": point, "task": task.split("@")[0], "role": role or "intermediate",
        "lang": lang or "en", "split": role or "train", "n": 500, "n_available": 500, "fingerprint": "f",
    }  # fmt: skip


def _flags(runs: pd.DataFrame) -> pd.DataFrame:
    found = []
    for run_id, name, target in zip(runs["run_id"], runs["intermediate"], runs["target"], strict=True):
        between = None if name == "none" else IntermediateSpec.parse(name)
        reason = in_task_reason(TASKS[target], intermediate=between)
        if reason:
            found.append((run_id, "in_task", reason))
    return pd.DataFrame(found, columns=["run_id", "flag", "message"])


def spec_of(model: str, name: str, target: str, protocol: str, source: str, *, changes: Mapping[str, object]) -> str:
    """JSON of a run's specification, without what nobody reads."""
    between = None if name == "none" else IntermediateSpec.parse(name)
    names = {target, *(between.tasks if between else ())}
    names |= {part for name in names for part in TASKS[name].parts}
    found = PROTOCOLS[protocol].model_dump(mode="json")
    for stage, fields in changes.items():
        found[stage] = found[stage] | fields if isinstance(fields, dict) else fields
    return json.dumps(
        {
            "model": MODELS[model].model_dump(mode="json"),
            "data_source": {"kind": source, "root": "/data/hub" if source == "mirror" else None},
            "intermediate": between.model_dump(mode="json") if between else None,
            "target": target,
            "tasks": [TASKS[n].model_dump(mode="json") for n in sorted(names)],
            "protocol": found,
        }
    )
