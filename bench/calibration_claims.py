"""Claims where nothing is to be found, `python -m bench.calibration_claims [replications]`: how often is one supported?

Simulated runs, no store: through the claims' own tests and rules. Prints a table of docs/calibration.md. S6 to S11 are
counts of what was asked for, which no sample decides.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from functools import cache

import duckdb
import numpy as np
import pandas as pd

from bench.tally import percent, tally, wanted
from core.claims.facts import Facts
from core.claims.judging import TESTS
from core.claims.records import Finding, verdict_of
from core.claims.registry import CLAIMS
from core.measures.inference.contrasts import exact_share
from core.queries.evidence import AnalysisOptions, Evidence, PooledRuns, units_of
from core.queries.filters import Filter
from core.tasks import TASKS

INTERMEDIATES = (
    *("mnli", "snli", "anli", "anli_plus", "rte", "qnli", "qqp", "mrpc", "paws", "stsb", "cola", "sst2", "imdb"),
    *("ag_news", "squad", "squad_v2", "hellaswag", "swag", "cosmosqa", "commonsenseqa", "socialiqa", "piqa"),
    "mnli+squad",
)
SPREADS = {
    "tatoeba": 0.02, "bucc2018": 0.02, "sib200": 0.03, "tweet_sentiment": 0.035, "stsb_multi": 0.01, "pawsx": 0.025,
    "xnli": 0.018, "udpos": 0.02, "panx": 0.015, "xquad": 0.01, "multi_eurlex": 0.03, "mlqa": 0.012, "tydiqa": 0.01,
}  # fmt: skip
"""Standard deviation of one run's mean over languages, by target, from the spread of seeds in the committed results."""
SEEDS = (1, 2, 3)
OF_GAINS = ("M1", "P1", "P2", "P3", "P5", "P6", "K1", "C1", "H1", "L1")
OF_MODELS = ("S1", "S2", "S3", "S4", "S5")


def without_effect(rng: np.random.Generator) -> Facts:
    """Runs of one model whose intermediates do nothing: scores differ by the noise of runs alone.

    Retrieval is not trained on the target, so its baseline has no noise.

    Args:
        rng: Of the noise.
    """
    names = ("none", *INTERMEDIATES)
    spread = np.array(list(SPREADS.values()))[:, None, None] * np.ones((len(SPREADS), len(SEEDS), len(names)))
    spread[[str(TASKS[target].type) == "retrieval" for target in SPREADS], :, 0] = 0
    scores = rng.normal(0, spread)
    gains = scores - scores[:, :, :1]
    gains[:, :, 0] = np.nan
    found = Facts(_connection(), Filter())
    found.runs = _grid().assign(score=scores.ravel(), score_en=scores.ravel(), gain=gains.ravel())
    return found


@cache
def _grid() -> pd.DataFrame:
    """What runs are of, the same in every draw."""
    rows = list(itertools.product(SPREADS, SEEDS, ("none", *INTERMEDIATES)))
    frame = pd.DataFrame(rows, columns=["target", "seed", "intermediate"])
    return _facts(frame.assign(model="roberta-base", architecture="roberta")).runs


def equal_models(rng: np.random.Generator) -> Facts:
    """Runs of BERT, RoBERTa and XLNet, none better than another; a model has targets that it likes, in all languages.

    Args:
        rng: Of likes and noise.
    """
    names = {"bert": "bert-base-cased", "roberta": "roberta-base", "xlnet": "xlnet-base"}
    likes = {key: rng.normal(0, 0.02) for key in itertools.product(names, SPREADS)}
    rows = pd.DataFrame(
        [
            ("imdb", target, seed, family, names[family], *(likes[family, target] + rng.normal(0, 0.02, 2)))
            for family, target, seed in itertools.product(names, SPREADS, SEEDS)
        ],
        columns=["intermediate", "target", "seed", "architecture", "model", "score", "score_en"],
    )
    return _facts(rows.assign(gain=np.nan))


class Given(Facts):
    """Facts whose further frames are given, whatever is asked."""

    def __init__(self, runs: pd.DataFrame, *, more: pd.DataFrame) -> None:
        """Take runs, and what a test asks the store for beside them.

        Args:
            runs: As `Facts.runs` has them.
            more: What `frame` returns.
        """
        super().__init__(_connection(), Filter())
        self.runs, self.more = runs, more

    def frame(self, sql: str, **values: object) -> pd.DataFrame:
        """What was given.

        Args:
            sql: Not read.
            values: Not read.
        """
        del sql, values
        return self.more


def legal(rng: np.random.Generator) -> Facts:
    """Z1: gains in French and German over three seeds, 0 on average.

    Args:
        rng: Of the gains.
    """
    rows = _rows([("multi_eurlex~mlm", "multi_eurlex", seed, 0.5) for seed in SEEDS])
    return Given(rows, more=pd.DataFrame({"run_id": rows["run_id"], "gain": rng.normal(0, 0.02, len(rows))}))


def published(rng: np.random.Generator) -> Facts:
    """P4: the difference of published gains over nine intermediates is a point on average, the edge of the region.

    Args:
        rng: Of the differences.
    """
    more = pd.DataFrame({"without": [str(n) for n in range(9)], "difference": rng.normal(0.01, 0.02, 9)})
    return Given(_rows([]), more=more)


def half_correlated(rng: np.random.Generator) -> Facts:
    """Q1: English development and target-language scores of runs correlate by 0.5, the edge of the region.

    Args:
        rng: Of the scores.
    """
    names = [(name, target, seed) for name, target, seed in itertools.product(INTERMEDIATES, list(SPREADS)[2:8], SEEDS)]
    dev, rest = rng.normal(size=(2, len(names)))
    scores = 0.5 * dev + 0.75**0.5 * rest
    rows = _rows([(*name, score) for name, score in zip(names, scores, strict=True)])
    return Given(rows, more=pd.DataFrame({"run_id": rows["run_id"], "dev": dev}))


def unrelated(rng: np.random.Generator) -> Facts:
    """V1: similarity has nothing to do with the gains of 12 intermediates before 5 targets in 4 languages.

    Args:
        rng: Of everything.
    """
    shape = (12, 5, 4)
    i, t, lang = (a.ravel() for a in np.indices(shape))
    gain = (
        rng.normal(size=12)[i] + rng.normal(size=5)[t] + 0.5 * rng.normal(size=4)[lang]
        + 0.5 * rng.normal(size=shape[:2])[i, t] + 0.5 * rng.normal(size=i.size)
    )  # fmt: skip
    names = np.array(INTERMEDIATES)[i]
    frame = pd.DataFrame({
        "intermediate": names, "target": np.array(list(SPREADS))[t + 2],
        "lang": np.array(["de", "sw", "zh", "hi"])[lang], "seed": 1, "gain": gain,
        "divisor": 1.0, "difficulty": rng.normal(size=12)[i],
        "similarity": (rng.normal(size=(12, 1)) + 0.7 * rng.normal(size=shape[:2]))[i, t], "type_match": 0.0,
        "log_size": 4.0, "distance": 0.5, "family": "f", "script": "s", "task": names, "run_id": i * 5 + t,
        "complete": True, "excluded": None,
    })  # fmt: skip
    pooled = PooledRuns("yours", "bert-base-cased", None, "standard", "d", "hub")
    found = Given(_rows([]), more=frame)
    origins = {"similarity": "drawn", "difficulty": "drawn"}
    found.evidence = Evidence(frame, frame[:0], units_of(frame), pooled, AnalysisOptions(), origins)
    return found


def leaders_of(units: int) -> Callable[[np.random.Generator], dict[str, float | None]]:
    """S1's rule where each of three equal models leads a target with equal chance.

    Args:
        units: Targets.
    """

    def simulate(rng: np.random.Generator) -> dict[str, float | None]:
        first = rng.integers(0, 3, units)
        found = Finding(exact_share(int((first != 2).sum()), n=units), holds={0, 1} <= set(first.tolist()))
        return {f"S1|{word}": verdict_of(CLAIMS["S1"], found) == word for word in VERDICTS}

    return simulate


def judged(
    claim: str, draw: Callable[[np.random.Generator], Facts]
) -> Callable[[np.random.Generator], dict[str, float | None]]:
    """The verdict on one drawn store.

    Args:
        claim: Its id.
        draw: Makes the store.
    """

    def simulate(rng: np.random.Generator) -> dict[str, float | None]:
        verdict = verdict_of(CLAIMS[claim], TESTS[CLAIMS[claim].test](draw(rng)))
        return {f"{claim}|{word}": verdict == word for word in VERDICTS}

    return simulate


def _rows(runs: list[tuple[str, str, int, float]]) -> pd.DataFrame:
    """Runs of one model as `Facts.runs` has them."""
    rows = pd.DataFrame(runs, columns=["intermediate", "target", "seed", "score"])
    return _facts(rows.assign(model="mbert", architecture="bert", score_en=rows["score"], gain=0.0)).runs


def _facts(rows: pd.DataFrame) -> Facts:
    types = {target: str(TASKS[target].type) for target in SPREADS}
    found = Facts(_connection(), Filter())
    found.runs = rows.assign(
        collection="yours", model_fingerprint=None, protocol="phang2020", protocol_digest="d", data_source="hub",
        target_type=rows["target"].map(types), excluded=None, run_id=[str(n) for n in range(len(rows))],
    )  # fmt: skip
    return found


@cache
def _connection() -> duckdb.DuckDBPyConnection:
    """A store that is never asked."""
    return duckdb.connect(":memory:")


VERDICTS = ("supported", "contradicted", "mixed", "not testable")
SIMULATIONS: dict[str, Callable[[np.random.Generator], dict[str, float | None]]] = {
    **{f"no effect of intermediates, {claim}": judged(claim, without_effect) for claim in OF_GAINS},
    **{f"three equal models, {claim}": judged(claim, equal_models) for claim in OF_MODELS},
    "published differences": judged("P4", published),
    "development and target scores": judged("Q1", half_correlated),
    "legal text": judged("Z1", legal),
    "unrelated similarity": judged("V1", unrelated),
    **{f"{n} targets, three equal models": leaders_of(n) for n in (6, 12, 24, 48, 96)},
}


def main() -> None:
    """Print the table as Markdown."""
    asked = wanted(__doc__, replications=2000)
    print(f"| claim | data | {' | '.join(VERDICTS)} | replications |\n|---|---|{'---:|' * (len(VERDICTS) + 1)}")
    for name, simulate in SIMULATIONS.items():
        if asked.only not in name:
            continue
        shares = tally(name, simulate, replications=asked.replications, file=asked.file)
        for claim in dict.fromkeys(key.split("|")[0] for key in shares):
            row = [shares[f"{claim}|{word}"] for word in VERDICTS]
            print(f"| {claim} | {name} | {' | '.join(map(percent, row))} | {row[0].n:,} |", flush=True)


if __name__ == "__main__":
    main()
