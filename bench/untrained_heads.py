"""What an untrained target head scores on an encoder that an intermediate stage has changed: chance, if it is fresh.

For each pair with as many outputs and each seed, the stage is trained on the sample tasks (reused from ATLAS_HOME where
it is there). Then English test examples are scored with the head that the target stage would start from, with heads of
other seeds, with that same head on the pretrained encoder, and with the head that the intermediate stage started from.

    ATLAS_HOME=FOLDER python -m bench.untrained_heads --seeds 1 2 3 --pairs snli,xnli
"""

from __future__ import annotations

import argparse
import json
from dataclasses import replace

import numpy as np
import torch

from core.encoder.features import featurise
from core.encoder.loading import load_encoder
from core.encoder.predicting import predict
from core.encoder.scoring import score
from core.examples import Split
from core.heads.states import Encoder
from core.models.default import SMALL_MODEL
from core.paths import AtlasPaths
from core.spec.run import RunSpec
from core.studies import StudyRequest, build_study
from core.training.context import JobContext
from core.training.objectives import fresh_head
from core.training.plan import plan
from core.training.reuse import train_or_reuse
from core.training.seeds import Draws

PAIRS = (
    *(("snli", "xnli"), ("mnli", "xnli"), ("snli", "tweet_sentiment"), ("qqp", "pawsx"), ("squad", "xquad")),
    ("stsb", "stsb_multi"),
)
N_OTHERS = 12
"""Heads of other seeds."""


def main() -> None:
    """Measure and print one JSON object for each pair and seed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--pairs", nargs="+", default=[",".join(pair) for pair in PAIRS], help="intermediate,target")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    paths = AtlasPaths.from_environment()
    for intermediate, target in (pair.split(",") for pair in options.pairs):
        wanted = StudyRequest(
            models=(SMALL_MODEL,), intermediates=(intermediate,), targets=(target,), seeds=tuple(options.seeds),
            with_baselines=False,
        )  # fmt: skip
        for spec in build_study(wanted, paths=paths).runs():
            what = {"intermediate": intermediate, "target": target, "seed": spec.seed}
            print(json.dumps(what | measured(spec, paths=paths)), flush=True)


def measured(spec: RunSpec, *, paths: AtlasPaths) -> dict[str, float]:
    """English test scores of untrained heads, by what they are.

    Args:
        spec: A run with an intermediate and a target that is trained.
        paths: Where stages lie.
    """
    context = JobContext(spec, paths, torch.device("cpu"), lambda event: None, paths.cache / "bench")
    before, after = plan(context)
    stage = train_or_reuse(context, before, parent=None)
    changed, original = load_encoder(spec.model, weights=stage.encoder), load_encoder(spec.model)
    like, draws = after.data[0].train, after.job.draws
    test = context.loader.scored("test", "en", labels=like.labels)
    features = featurise(test, encoder=changed)

    def scored(encoder: Encoder, like: Split, draws: Draws) -> float:
        head, headline = fresh_head(like, encoder=encoder, dropout=None, draws=draws), test.task.headline
        predictions = predict(encoder, head, features=features, split=test)
        return score(test, predictions, only=headline)[headline].score

    others = [scored(changed, like, replace(draws, seed=1000 + i)) for i in range(N_OTHERS)]
    return {
        "own": scored(changed, like, draws),
        "others_mean": float(np.mean(others)),
        "others_sd": float(np.std(others, ddof=1)),
        "others_max": max(others),
        "own_pretrained": scored(original, like, draws),
        "intermediates": scored(changed, before.data[0].train, before.job.draws),
    }


if __name__ == "__main__":
    main()
