"""Claims where nothing is to be found, `python -m bench.calibration_claims [replications]`: how often is one supported?

Simulated runs, no store: through the claims' own tests and rules. Prints a table of docs/calibration.md.
"""

from __future__ import annotations

import itertools
import sys
import time
from collections import Counter
from functools import cache

import duckdb
import numpy as np
import pandas as pd

from core.claims.facts import Facts
from core.claims.judging import TESTS
from core.claims.records import verdict_of
from core.claims.registry import CLAIMS
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
    grid = [
        (name, target, seed, rng.normal(0, 0 if name == "none" and str(TASKS[target].type) == "retrieval" else sd))
        for (target, sd), seed, name in itertools.product(SPREADS.items(), SEEDS, ("none", *INTERMEDIATES))
    ]
    rows = pd.DataFrame(grid, columns=["intermediate", "target", "seed", "score"])
    alone = rows[rows["intermediate"] == "none"].rename(columns={"score": "alone"})
    rows = rows.merge(alone[["target", "seed", "alone"]], on=["target", "seed"])
    rows["gain"] = (rows["score"] - rows.pop("alone")).mask(rows["intermediate"] == "none")
    return _facts(rows.assign(model="roberta-base", architecture="roberta", score_en=rows["score"]))


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


def rates(replications: int, *, seed: int = 0) -> dict[str, Counter[str]]:
    """How often each claim gets each verdict where nothing is to be found.

    Args:
        replications: Simulated stores.
        seed: Of the simulations.
    """
    found: dict[str, Counter[str]] = {claim: Counter() for claim in (*OF_GAINS, *OF_MODELS)}
    for number in range(replications):
        rng = np.random.default_rng([seed, number])
        for claims, facts in ((OF_GAINS, without_effect(rng)), (OF_MODELS, equal_models(rng))):
            for claim in claims:
                found[claim][verdict_of(CLAIMS[claim], TESTS[CLAIMS[claim].test](facts))] += 1
    return found


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


def main() -> None:
    """Print the table as Markdown."""
    replications = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    start = time.perf_counter()
    print("| claim | supported | contradicted | mixed | not testable |\n|---|---:|---:|---:|---:|")
    for claim, verdicts in rates(replications).items():
        shares = (verdicts[word] / replications for word in ("supported", "contradicted", "mixed", "not testable"))
        print(f"| {claim}: {CLAIMS[claim].quantity} | " + " | ".join(f"{100 * share:.1f} %" for share in shares) + " |")
    print(f"\n{replications} replications, {time.perf_counter() - start:.0f} s")


if __name__ == "__main__":
    main()
