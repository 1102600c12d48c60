"""Zero-shot evaluation, one language at a time: each language is on disk and reported as soon as it is scored."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from core.data.lookup import nothing_there
from core.encoder.features import featurise
from core.encoder.frozen import with_states
from core.encoder.judging import Rules, floors, p_above
from core.encoder.loading import embed
from core.encoder.predicting import label_scores, predict
from core.encoder.scoring import score
from core.errors import DataError, HubUnreachable, RunFolderDamaged, as_damage
from core.evaluation.earlier import Earlier
from core.events import LanguageScored, LanguageSkipped
from core.examples import Split, SplitRole
from core.files import written_beside
from core.heads.layers import Head
from core.heads.states import Encoder
from core.measures.inference.one_sided import one_sided_above
from core.spec.task import Metric, TaskSpec
from core.training.context import RunContext
from core.training.loader import first_examples
from core.types.base import MetricScore, Prediction
from core.types.table import learning_of, task_type

PREDICTION_SCHEMA = pa.schema(
    [
        ("lang", pa.string()),
        ("metric", pa.string()),
        ("index", pa.int32()),
        ("example_id", pa.string()),
        ("prediction", pa.string()),
        ("correct", pa.float64()),
        ("functional", pa.string()),
        ("counts", pa.list_(pa.float64())),
    ]
)
_EMBED_TOKENS = 8192
MEAN_OF = 3
"""Checkpoints, the last ones, that `score_mean` is the mean of; fewer where a stage has fewer."""
RANDOM_RANKING = "a random ranking of the candidates"
"""The rule that a search by sentence vectors must beat."""


@dataclass(frozen=True)
class Candidate:
    """An encoder with the target's head; no head where nothing is trained."""

    encoder: Encoder
    """On its device."""
    head: Head | None
    """Of the target task."""


@dataclass(frozen=True)
class EvaluationJob:
    """What is evaluated."""

    key: str
    """Content address of the evaluation: partial results of another key are not used."""
    earlier: Earlier
    """Scores that earlier attempts reported under that key."""
    task: TaskSpec
    """The target."""
    selected: Candidate
    """What the scores are of."""
    last: Candidate | None
    """The last checkpoint where it is another one."""
    checkpoints: Sequence[Candidate]
    """Every checkpoint of the target stage in order, where the protocol has them scored; else none."""
    last_is_selected: bool
    """Whether `score_last` equals `score`."""
    load: Callable[[SplitRole, str], Split]
    """Role and language to a split, sampled as the protocol says."""
    missing: Mapping[str, str]
    """Languages that planning found no data for, and has reported, with the reasons."""
    rules: Rules
    """What a model must beat, taught by English training data; of a type that is not trained: none."""
    most_dev: int | None
    """Development examples of a language that the oracle chooses a checkpoint by; None: all of them."""
    max_length: int | None
    """Upper bound on the length of inputs."""
    layer: int | None
    """Layer for retrieval."""
    pooling: str
    """Pooling for retrieval."""
    prefix: str
    """Put before each sentence for retrieval."""


class NothingScored(DataError):
    """No language of the target could be scored."""


def evaluate(context: RunContext, job: EvaluationJob) -> list[Path]:
    """Score every language; the parts written, one per scored language, in the task's order of languages.

    A language is done when its predictions are on disk and all their scores are among the facts; of one that was
    interrupted between the two, only the facts that are missing are reported.

    Args:
        context: Takes the facts; has the folder for parts.
        job: What to score.

    Raises:
        NothingScored: Every language was skipped.
    """
    parts: list[Path] = []
    reasons = dict(job.missing)
    for lang in (code for code in job.task.languages if code not in job.missing):
        part = context.checkpoints / f"{job.key}-{lang}.parquet"
        if not _is_done(job, part, lang=lang):
            try:
                found = _score_language(job, job.load("test", lang))
            except HubUnreachable:
                raise
            except DataError as error:
                reasons[lang] = str(error)
                context.emit(LanguageSkipped(lang=lang, reason=str(error)))
                continue
            with written_beside(part) as draft:
                pq.write_table(found.table, draft)
            for fact in found.facts:
                if job.earlier.get((lang, fact.metric)) != fact:
                    context.emit(fact)
        parts.append(part)
    if not parts:
        raise NothingScored(nothing_there(job.task, reasons))
    return parts


def _is_done(job: EvaluationJob, part: Path, *, lang: str) -> bool:
    """Whether an earlier attempt left the predictions of a language and the score of each of their metrics."""
    if not part.is_file():
        return False
    try:
        with as_damage(part.name):
            metrics = set(pq.read_table(part).cast(PREDICTION_SCHEMA).column("metric").to_pylist())
    except RunFolderDamaged:
        return False
    return metrics <= {str(metric) for scored, metric in job.earlier if scored == lang}


@dataclass
class _Scored:
    """What is known of one language."""

    facts: list[LanguageScored]
    table: pa.Table


def _score_language(job: EvaluationJob, split: Split) -> _Scored:
    if not task_type(job.task.type).is_trained:
        return _search(job, split)
    features = featurise(split, encoder=job.selected.encoder, max_length=job.max_length)
    features = with_states(features, encoder=job.selected.encoder)  # other runs have the same test texts
    predictions, scores = _predicted(job.selected, split, features)
    last = _predicted(job.last, split, features)[1] if job.last else None
    means, oracle = _over_checkpoints(job, split, features) if job.checkpoints else ({}, {})
    best = floors(job.rules, split, metrics=list(scores))
    facts = [
        LanguageScored(
            lang=split.lang,
            metric=metric,
            score=found.score,
            score_last=last[metric].score if last else found.score if job.last_is_selected else None,
            score_mean=means.get(metric),
            score_oracle=oracle.get(metric),
            floor=best[metric].found.score if metric in best else None,
            floor_rule=best[metric].rule if metric in best else None,
            floor_p=p_above(found, best[metric]) if metric in best else None,
            n=found.n,
            split=split.split,
            fingerprint=split.fingerprint,
        )
        for metric, found in scores.items()
    ]
    as_text = learning_of(job.task.type).as_text
    texts = [as_text(p, split.labels) for p in predictions]
    return _Scored(facts, _table(split, texts=texts, scores=scores))


def _predicted(
    candidate: Candidate,
    split: Split,
    features: Any,  # noqa: ANN401  `Features`, kept short
) -> tuple[list[Prediction], dict[Metric, MetricScore]]:
    assert candidate.head is not None  # a trained type has one
    predictions = predict(candidate.encoder, candidate.head, features=features, split=split)
    ranks = Metric.MRP in split.task.metrics
    logits = label_scores(candidate.encoder, candidate.head, features=features, split=split) if ranks else None
    return predictions, score(split, predictions, label_scores=logits)


def _over_checkpoints(
    job: EvaluationJob,
    split: Split,
    features: Any,  # noqa: ANN401  `Features`, kept short
) -> tuple[dict[Metric, float], dict[Metric, float]]:
    """The mean over the last checkpoints and the score of the oracle's, which is chosen by the headline metric.

    Keung et al. 2020 (2004.15001) show how far the two ways of choosing a checkpoint lie apart.
    """
    each = [_predicted(candidate, split, features)[1] for candidate in job.checkpoints]
    means = {metric: float(np.mean([found[metric].score for found in each[-MEAN_OF:]])) for metric in each[-1]}
    try:
        dev = first_examples(job.load("dev", split.lang), n=job.most_dev)
    except HubUnreachable:
        raise
    except DataError:
        return means, {}
    features = featurise(dev, encoder=job.selected.encoder, max_length=job.max_length)
    features = with_states(features, encoder=job.selected.encoder)
    by_dev = [_predicted(candidate, dev, features)[1][job.task.headline].score for candidate in job.checkpoints]
    chosen = each[int(np.argmax(by_dev))]
    return means, {metric: found.score for metric, found in chosen.items()}


def _search(job: EvaluationJob, split: Split) -> _Scored:
    """A split scored by sentence vectors alone."""
    search = task_type(job.task.type).search
    assert search is not None  # a type without training has one
    found, floor, texts = search(split, partial(_vectors, job), partial(job.load, "dev", split.lang))
    metric = job.task.headline
    fact = LanguageScored(
        lang=split.lang,
        metric=metric,
        score=found.score,
        score_last=found.score if job.last_is_selected else None,
        floor=floor,
        floor_rule=RANDOM_RANKING,
        floor_p=None if found.credits is None else one_sided_above(found.credits, floor),
        n=found.n,
        split=split.split,
        fingerprint=split.fingerprint,
    )
    return _Scored([fact], _table(split, texts=texts, scores={metric: found}))


def _vectors(job: EvaluationJob, texts: list[str]) -> Any:  # noqa: ANN401  (n, hidden) float32
    return embed(
        job.selected.encoder,
        texts,
        layer=job.layer,
        pooling=job.pooling,
        batch_tokens=_EMBED_TOKENS,
        prefix=job.prefix,
    )


def _table(split: Split, *, texts: list[str], scores: dict[Metric, MetricScore]) -> pa.Table:
    n = len(split.examples)
    ids = [e.id for e in split.examples]
    tables = [
        pa.table(
            {
                "lang": [split.lang] * n,
                "metric": [str(metric)] * n,
                "index": np.arange(n, dtype=np.int32),
                "example_id": ids,
                "prediction": texts,
                "correct": [None] * n if found.each is None else found.each,
                "functional": [found.functional] * n,
                "counts": [None] * n if found.counts is None else list(found.counts),
            },
            schema=PREDICTION_SCHEMA,
        )
        for metric, found in scores.items()
    ]
    return pa.concat_tables(tables)
