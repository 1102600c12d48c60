"""Scores read back from a run's facts: which lines count, and under which key."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from core.chain.worker import EventLog
from core.evaluation.earlier import scored_before
from core.events import Event, LanguageScored, LanguageSkipped, StageStarted
from core.spec.task import Metric


def _started(key: str, kind: str = "evaluation") -> StageStarted:
    return StageStarted.model_validate(
        {"key": key, "kind": kind, "name": "toy", "task_type": "tagging", "total_steps": 2}
    )


def _scored(lang: str, score: float, metric: Metric = Metric.F1) -> LanguageScored:
    return LanguageScored(lang=lang, metric=metric, score=score, n=10, split="test", fingerprint="f")


def _written(file: Path, facts: Sequence[Event]) -> Path:
    log = EventLog(file)
    for fact in facts:
        log.emit(fact)
    log.close()
    return file


_SKIPPED = LanguageSkipped(lang="en", reason="gone")


@pytest.mark.parametrize(
    ("facts", "found"),
    [
        ([_started("k"), _scored("en", 0.5), _scored("de", 0.25)], {"en": 0.5, "de": 0.25}),
        ([_started("k"), _scored("en", 0.5), _started("k"), _scored("de", 0.25)], {"en": 0.5, "de": 0.25}),
        ([_started("k"), _scored("en", 0.5), _started("k"), _scored("en", 0.75)], {"en": 0.75}),
        ([_started("k"), _scored("en", 0.5), _SKIPPED, _scored("de", 0.25)], {"de": 0.25}),
        ([_started("k"), _scored("en", 0.5), _started("t", "target"), _started("k")], {"en": 0.5}),
        # The index shows the scores of `other` by now, so those of `k` have to be reported again.
        ([_started("k"), _scored("en", 0.5), _started("other"), _scored("en", 0.9), _started("k")], {}),
        ([_started("other"), _scored("en", 0.5)], {}),
        ([_scored("en", 0.5)], {}),
    ],
)
def test_the_last_scores_under_the_key_count(facts: list[Event], found: dict[str, float], tmp_path: Path) -> None:
    scores = scored_before(_written(tmp_path / "events.jsonl", facts), key="k")
    assert {lang: fact.score for (lang, _), fact in scores.items()} == found


def test_metrics_of_a_language_are_kept_apart(tmp_path: Path) -> None:
    facts = [_started("k"), _scored("en", 0.5), _scored("en", 0.75, Metric.ACCURACY)]
    scores = scored_before(_written(tmp_path / "events.jsonl", facts), key="k")
    assert {place: fact.score for place, fact in scores.items()} == {("en", "f1"): 0.5, ("en", "accuracy"): 0.75}


def test_only_whole_lines_that_can_be_read_count(tmp_path: Path) -> None:
    file = _written(tmp_path / "events.jsonl", [_started("k"), _scored("en", 0.5), _scored("de", 0.25)])
    lines = file.read_text(encoding="utf-8").splitlines()
    file.write_text(
        "\n".join([lines[0], '{"language_scored"', lines[1], lines[2]]), encoding="utf-8"
    )  # no last newline
    assert [lang for lang, _ in scored_before(file, key="k")] == ["en"]


def test_a_run_without_facts_has_scored_nothing(tmp_path: Path) -> None:
    assert scored_before(tmp_path / "events.jsonl", key="k") == {}
