"""What earlier attempts of a run scored: read back from the run's own `events.jsonl`, the one place of a score."""

from __future__ import annotations

import contextlib
from pathlib import Path

from core.events import ENVELOPE, LanguageScored, LanguageSkipped, StageStarted
from core.spec.task import Metric

Earlier = dict[tuple[str, Metric], LanguageScored]
"""The last score of each language and metric."""

_WANTED = (b'"language_scored"', b'"language_skipped"', b'"stage_started"')


def scored_before(events: Path, *, key: str) -> Earlier:
    """Scores that stand in a run's facts under an evaluation's key; those before another evaluation began are void.

    Only complete lines count, as for the index; a line that cannot be read has scored nothing.

    Args:
        events: `events.jsonl`; it need not be there.
        key: Content address of the evaluation.
    """
    whole = events.read_bytes() if events.is_file() else b""
    found: Earlier = {}
    is_ours = False
    for line in whole[: whole.rfind(b"\n") + 1].splitlines():
        if not any(word in line for word in _WANTED):
            continue
        with contextlib.suppress(ValueError):
            match ENVELOPE.validate_json(line).event:
                case StageStarted(kind="evaluation", key=other):
                    is_ours = other == key
                    found = found if is_ours else {}
                case LanguageScored() as fact if is_ours:
                    found[fact.lang, fact.metric] = fact
                case LanguageSkipped(lang=lang):
                    found = {place: fact for place, fact in found.items() if place[0] != lang}
                case _:
                    pass
    return found
