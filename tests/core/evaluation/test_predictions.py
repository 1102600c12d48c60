"""What is kept of each example: enough to compute every score again, and its spread."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from core.chain.pipeline import execute
from core.events import Event, LanguageScored
from core.measures.metrics.corpus import linearised
from core.paths import AtlasPaths
from tests.fakes import tiny_model, toy_context, toy_mirror, toy_protocol, toy_run


@pytest.mark.parametrize("kind", ["tagging", "regression", "classification", "multilabel"])
def test_every_score_follows_from_what_its_examples_left(kind: str, tmp_path: Path) -> None:
    source = toy_mirror(tmp_path / "hub", kinds=(kind,), n=20)
    protocol = toy_protocol(max_steps=2, evaluations=1)
    run = toy_run(tiny_model(tmp_path / "model"), target=kind, source=source, protocol=protocol)
    story: list[Event] = []
    execute(toy_context(run, tmp_path / "home", emit=story.append))
    kept = pq.read_table(AtlasPaths(tmp_path / "home").run(run.run_id).predictions).to_pandas()
    facts = [fact for fact in story if isinstance(fact, LanguageScored)]
    assert {str(fact.metric) for fact in facts} == {str(metric) for metric in run.task(run.target).metrics}
    for fact in facts:
        own = kept[(kept["lang"] == fact.lang) & (kept["metric"] == str(fact.metric))]
        functional = own["functional"].iloc[0]
        if not isinstance(functional, str):
            values = own["correct"].to_numpy()
        else:
            values = linearised(functional, np.stack(own["counts"].to_list()))
        assert values.mean() == pytest.approx(fact.score, abs=1e-12)
