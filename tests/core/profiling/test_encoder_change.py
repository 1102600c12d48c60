"""What a stage did to the encoder: equal to the scores of runs, 1 where nothing was learned, per language and layer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from core.chain.pipeline import execute
from core.encoder.loading import embed, load_tokenizer
from core.errors import SpecError
from core.events import Event, LanguageScored, LanguageSkipped, StageFinished, StageReused
from core.heads.states import Encoder
from core.profiling.encoder_change import EncoderChange, measure_encoder_change
from core.spec.model import ModelSpec
from core.spec.run import DataSource, RunSpec
from core.variables import PRECISION
from tests.fakes import WORDS, tiny_model, toy_context, toy_mirror, toy_protocol, toy_run

LANGS = ("en", "de", "sw")


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> DataSource:
    """Tagging to train on, and 42 parallel sentences in two of three languages."""
    root = tmp_path_factory.mktemp("hub")
    found = toy_mirror(root, kinds=("tagging", "classification"), n=32)
    rows = [{"id": f"{a}{b}", "source": f"{a} {b}", "target": f"{b} {a}"} for a in WORDS for b in WORDS[:3]]
    for lang in ("en", "de"):
        folder = root / "toy" / "retrieval" / lang
        folder.mkdir(parents=True)
        pq.write_table(pa.Table.from_pylist(rows), folder / "test-00000-of-00001.parquet")
    return found


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> ModelSpec:
    """A tiny BERT."""
    return tiny_model(tmp_path_factory.mktemp("model"))


def _run(model: ModelSpec, source: DataSource, **stage: object) -> RunSpec:
    protocol = toy_protocol(**({"max_steps": 6, "evaluations": 1, "learning_rate": 0.01} | stage))
    return toy_run(model, target="retrieval", intermediate="toy_tagging", source=source, protocol=protocol)


def _measured(run: RunSpec, home: Path) -> tuple[list[EncoderChange], list[Event]]:
    events: list[Event] = []
    opened = toy_context(run, home, emit=events.append)
    return measure_encoder_change(opened, langs=LANGS, resamples=50), events


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_retrieval_is_the_score_of_the_run_and_its_baseline(
    tmp_path: Path, model: ModelSpec, source: DataSource, monkeypatch: pytest.MonkeyPatch, precision: str
) -> None:
    monkeypatch.setenv(PRECISION, precision)
    used = []

    def watched(encoder: Encoder, texts: list[str], **how: Any) -> Any:  # noqa: ANN401  as `embed`
        used.append(encoder.precision)
        return embed(encoder, texts, **how)

    monkeypatch.setattr("core.profiling.encoder_change.embed", watched)
    run = _run(model, source)
    rows, events = _measured(run, tmp_path)
    assert set(used) == {precision}, "as the run's own vectors"
    assert [e.lang for e in events if isinstance(e, LanguageSkipped)] == ["sw"]
    assert [e.name for e in events if isinstance(e, StageFinished)] == ["toy_tagging"]
    for spec, name in ((run, "toy_tagging"), (run.baseline(), "none")):
        facts: list[Event] = []
        execute(toy_context(spec, tmp_path, emit=facts.append))
        scores = {e.lang: e.score for e in facts if isinstance(e, LanguageScored)}
        found = {r.lang: r.value for r in rows if (r.measure, r.intermediate) == ("retrieval", name)}
        assert found == pytest.approx(scores) and set(found) == {"en", "de"}
        assert name == "none" or [e.name for e in facts if isinstance(e, StageReused)] == ["toy_tagging"]
    value = {(r.lang, r.measure, r.intermediate): r.value for r in rows}
    for lang in ("en", "de"):
        after, before = value[lang, "retrieval", "toy_tagging"], value[lang, "retrieval", "none"]
        assert value[lang, "retrieval_change", "toy_tagging"] == pytest.approx(after - before)


def test_every_layer_of_every_language_once(tmp_path: Path, model: ModelSpec, source: DataSource) -> None:
    rows, _ = _measured(_run(model, source), tmp_path)
    keys = [(r.intermediate, r.lang, r.layer, r.measure) for r in rows]
    assert len(keys) == len(set(keys)), "the primary key of the table encoder_changes"
    cka = {(r.lang, r.layer): r for r in rows if r.measure == "cka"}
    assert sorted(cka) == [(lang, layer) for lang in ("de", "en") for layer in (0, 1, 2)]
    assert all(0 <= r.ci_low <= r.value <= r.ci_high <= 1 and r.n == 42 for r in cka.values())
    assert cka["de", 2].value < 0.999, "a stage of large steps left the last layer as it was"
    assert {r.layer for r in rows if r.measure == "retrieval"} == {2}, "the retrieval layer, counted from 0"


def test_a_stage_that_learns_nothing_changes_nothing(tmp_path: Path, model: ModelSpec, source: DataSource) -> None:
    rows, _ = _measured(_run(model, source, learning_rate=1e-12), tmp_path)
    assert all(r.value == pytest.approx(1, abs=1e-6) for r in rows if r.measure == "cka")
    assert all(r.value == r.ci_low == r.ci_high == 0 for r in rows if r.measure == "retrieval_change")


def test_a_model_with_its_own_head_has_masked_losses(tmp_path: Path, source: DataSource) -> None:
    """Random weights know nothing: the loss is about the log of the vocabulary; a stage of large steps changes it."""
    own = tiny_model(tmp_path / "own", with_head=True)
    rows, _ = _measured(_run(own, source, learning_rate=0.05), tmp_path / "home")
    losses = {(r.lang, r.measure, r.intermediate): r for r in rows if r.measure.startswith("masked_loss")}
    assert {key[0] for key in losses} == {"en", "de"} and len(losses) == 6
    for lang in ("en", "de"):
        before, after, change = (
            losses[lang, measure, name]
            for measure, name in (
                ("masked_loss", "none"), ("masked_loss", "toy_tagging"), ("masked_loss_change", "toy_tagging"),
            )
        )  # fmt: skip
        pieces = load_tokenizer(own).vocab_size
        assert before.value == pytest.approx(np.log(pieces), rel=0.1)
        assert change.value == pytest.approx(after.value - before.value)
        assert change.ci_low <= change.value <= change.ci_high and change.value != 0
        assert 2 < before.n == after.n == change.n < 42, "of two words seldom one is masked; others do not count"
        assert before.layer == 2


def test_masked_losses_of_an_unchanged_encoder_are_equal(tmp_path: Path, source: DataSource) -> None:
    own = tiny_model(tmp_path / "own", with_head=True)
    rows, _ = _measured(_run(own, source, learning_rate=1e-12), tmp_path / "home")
    changes = [r.value for r in rows if r.measure == "masked_loss_change"]
    assert len(changes) == 2 and changes == pytest.approx([0, 0], abs=1e-6)


def test_a_model_without_a_head_of_its_own_has_none(tmp_path: Path, model: ModelSpec, source: DataSource) -> None:
    rows, _ = _measured(_run(model, source), tmp_path)
    assert not [r for r in rows if r.measure.startswith("masked_loss")], "a head of chance says nothing"


def test_another_target_is_refused(tmp_path: Path, model: ModelSpec, source: DataSource) -> None:
    run = toy_run(model, target="classification", intermediate="toy_tagging", source=source)
    with pytest.raises(SpecError, match="'toy_classification' is no retrieval task that ranks translations"):
        _measured(run, tmp_path)
