"""Training: accumulation, compact embeddings, determinism, resumption, and that no other language gets in."""

from __future__ import annotations

import math
import os
from contextlib import nullcontext
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
import torch

from core.encoder.batches import training_batch
from core.encoder.judging import Judgement
from core.encoder.loading import load_encoder
from core.errors import Diverged, OutOfMemory, SpecError
from core.events import DevScored, Event, Flagged, StageStarted, StepLogged
from core.heads.states import encode
from core.spec.execution import ExecutionOptions
from core.spec.protocol import StageProtocol
from core.spec.run import DataSource, DataSourceKind
from core.spec.task import Metric
from core.training.gradients import StageJob
from core.training.loader import EnglishData
from core.training.loop import StageResult, _accumulate, _gradients, _Training, train_stage
from core.training.mixture import shuffled
from core.training.objectives import supervised
from core.training.seeds import Draws
from core.types.base import MetricScore
from core.types.pieces import Ints
from core.types.table import learning_of
from tests.fakes import TRAINED, small_memory, tiny_model, toy_context, toy_run, toy_split

_SAMPLE = DataSource(kind=DataSourceKind.SAMPLE)
_DRAWS = Draws(3, "target", ("toy",))


def _data(kind: str) -> EnglishData:
    return EnglishData(train=toy_split(kind, role="train", n=24), dev=toy_split(kind, role="dev", n=12))


def _stage(
    folder: Path,
    kind: str,
    *,
    stop: int | None = None,
    compact: bool = True,
    batch_tokens: int = 128,
    memory: int = 10_000,
    precision: Literal["bf16", "fp16", "fp32"] = "fp32",
    gradient_checkpointing: bool = False,
    helpers: tuple[torch.device, ...] = (),
    **fields: object,
) -> tuple[dict[str, torch.Tensor], list[Event]]:
    """Train a tiny stage and give its weights.

    Args:
        stop: Raises KeyboardInterrupt when that step is logged.
        memory: Tokens that the device holds at once.
        precision: Of the products.
        helpers: Devices of further processes.
    """
    protocol = StageProtocol.model_validate(
        {"learning_rate": 1e-2, "batch_size": 8, "evaluations": 2, "epochs": 2.0} | fields
    )
    spec = tiny_model(folder / "model")
    encoder = load_encoder(spec, dropout=protocol.dropout)
    encoder.precision = precision
    goals = supervised([_data(kind)], encoder=encoder, protocol=protocol, draws=_DRAWS, max_length=None)
    if not compact:
        goals[0].used_ids = None
    events: list[Event] = []

    def emit(event: Event) -> None:
        events.append(event)
        if isinstance(event, DevScored) and event.step == stop:
            raise KeyboardInterrupt

    run = toy_run(spec, target=kind, source=_SAMPLE)
    context = toy_context(run, folder, emit=emit, save_every_s=0.0, batch_tokens=batch_tokens, helpers=helpers)
    context = replace(
        context, execution=ExecutionOptions(batch_tokens=batch_tokens, gradient_checkpointing=gradient_checkpointing)
    )
    context.place(encoder)
    encoder.precision = precision
    job = StageJob(key="k", kind="target", name="toy", protocol=protocol, draws=_DRAWS)
    # What makes the memory small cannot be sent to another process.
    with nullcontext() if helpers else small_memory(encoder, tokens=memory):
        train_stage(context, job, encoder=encoder, objectives=goals, keep=lambda which: None)
    weights = {**encoder.model.state_dict(), **{f"head.{k}": v for k, v in goals[0].head.state_dict().items()}}
    return weights, events


def _equal(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a)


@pytest.mark.parametrize("role,lang", [("train", "de"), ("test", "en")])
def test_another_language_or_a_test_split_cannot_become_training_data(role: str, lang: str) -> None:
    good = toy_split("classification", role="dev")
    bad = toy_split("classification", role=role, lang=lang)
    with pytest.raises(SpecError, match=f"handed the {role} split of 'toy_classification' in '{lang}' as train data"):
        EnglishData(train=bad, dev=good)
    with pytest.raises(SpecError, match="as dev data"):
        EnglishData(train=toy_split("classification"), dev=bad._replace(role="dev" if lang == "de" else "test"))


def test_the_same_seed_gives_the_same_weights(tmp_path: Path) -> None:
    first, _ = _stage(tmp_path / "a", "classification")
    second, _ = _stage(tmp_path / "b", "classification")
    assert _equal(first, second)


@pytest.mark.parametrize("fields", [{}, {"lora_rank": 2}])
def test_checkpointed_gradients_give_the_weights_that_a_stage_has_without(
    tmp_path: Path, fields: dict[str, object]
) -> None:
    usual, _ = _stage(tmp_path / "a", "tagging", **fields)
    again, _ = _stage(tmp_path / "b", "tagging", gradient_checkpointing=True, **fields)
    assert _equal(usual, again)


def test_an_interrupted_stage_ends_with_the_weights_of_an_undisturbed_one(tmp_path: Path) -> None:
    undisturbed, _ = _stage(tmp_path / "a", "tagging")
    with pytest.raises(KeyboardInterrupt):
        _stage(tmp_path / "b", "tagging", stop=3)
    resumed, events = _stage(tmp_path / "b", "tagging")
    started = next(e for e in events if isinstance(e, StageStarted))
    assert started.resumed_at == 2, "the last whole checkpoint was written before step 3 was scored"
    assert _equal(undisturbed, resumed)


def test_in_float16_a_gradient_that_overflows_is_no_divergence_and_an_interruption_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scales = []
    update = torch.amp.GradScaler.update

    def watched(scaler: torch.amp.GradScaler) -> None:
        update(scaler)
        scales.append(scaler.get_scale())

    monkeypatch.setattr(torch.amp.GradScaler, "update", watched)
    monkeypatch.setattr(torch.amp, "GradScaler", partial(torch.amp.GradScaler, init_scale=2.0**26))
    start = load_encoder(tiny_model(tmp_path / "model")).model.state_dict()
    undisturbed, _ = _stage(tmp_path / "a", "tagging", precision="fp16", epochs=12.0)
    assert scales[0] == 2.0**25, "the first gradient overflows"
    assert scales[-1] == scales[-2] >= 1, "a later one does not"
    assert all(bool(torch.isfinite(weight).all()) for weight in undisturbed.values())
    assert any(not torch.equal(undisturbed[name], weight) for name, weight in start.items())
    with pytest.raises(KeyboardInterrupt):
        _stage(tmp_path / "b", "tagging", stop=18, precision="fp16", epochs=12.0)
    resumed, _ = _stage(tmp_path / "b", "tagging", precision="fp16", epochs=12.0)
    assert _equal(undisturbed, resumed)


def test_in_float16_a_gradient_that_no_scale_makes_finite_is_a_divergence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.amp, "GradScaler", partial(torch.amp.GradScaler, init_scale=0.5))
    monkeypatch.setattr("core.training.loop.clip", lambda parameters, *, largest: math.inf)
    with pytest.raises(Diverged, match="the norm of the gradient is inf.*compute in float32 .--precision fp32."):
        _stage(tmp_path, "tagging", precision="fp16", epochs=4.0)


def test_what_was_learned_is_said_of_the_selected_checkpoint_after_an_interruption_too(tmp_path: Path) -> None:
    """The best step is before the interruption: what development data said of it is in the checkpoint."""
    scores = iter([0.9, 0.1, 0.2])
    spec, protocol = tiny_model(tmp_path / "model"), StageProtocol(learning_rate=1e-3, batch_size=8, evaluations=3)
    context = toy_context(toy_run(spec, target="classification", source=_SAMPLE), tmp_path, save_every_s=0.0)
    job = StageJob(key="k", kind="target", name="toy", protocol=protocol, draws=_DRAWS)

    def attempt(stop: bool) -> StageResult:
        encoder = load_encoder(spec)
        goals = supervised([_data("classification")], encoder=encoder, protocol=protocol, draws=_DRAWS, max_length=None)
        last: list[float] = []

        def dev_score() -> float:
            if stop and last:
                raise KeyboardInterrupt
            last.append(next(scores))
            return last[-1]

        def judge() -> Judgement:
            return Judgement("toy", "accuracy", last[-1], 0.3, "a rule", 0.3, 0.001, is_constant=False, n=12)

        goals[0].dev_score, goals[0].judge = dev_score, judge
        return train_stage(context, job, encoder=encoder, objectives=goals, keep=lambda which: None)

    with pytest.raises(KeyboardInterrupt):
        attempt(stop=True)
    result = attempt(stop=False)
    assert result.best_step == 1 and [found.score for found in result.judged] == [0.9]
    assert [found.p_value for found in result.judged] == [0.003], "the best of three"


def test_a_resumed_stage_has_the_threads_that_it_began_with_and_leaves_the_next_stage_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, seen = torch.get_num_threads(), list[int]()

    def watched(training: _Training, *, chosen: Ints, batch_tokens: int) -> float:
        seen.append(torch.get_num_threads())
        return _accumulate(training, chosen=chosen, batch_tokens=batch_tokens)

    try:
        torch.set_num_threads(2)
        with pytest.raises(KeyboardInterrupt):
            _stage(tmp_path, "tagging", stop=3)
        torch.set_num_threads(1)
        monkeypatch.setattr("core.training.loop._accumulate", watched)
        _stage(tmp_path, "tagging")
        assert seen and set(seen) == {2}
        assert torch.get_num_threads() == 1
    finally:
        torch.set_num_threads(before)


def test_training_only_the_used_embeddings_gives_what_training_all_gives(tmp_path: Path) -> None:
    # AdamW leaves a row without gradient at p·Π(1 - lr·wd): decay 0.5 makes that visible after six steps.
    compact, _ = _stage(tmp_path / "a", "classification", weight_decay=0.5, selection="last", dropout=0.0)
    full, _ = _stage(tmp_path / "b", "classification", compact=False, weight_decay=0.5, selection="last", dropout=0.0)
    for name, weight in full.items():
        assert torch.allclose(compact[name], weight, atol=1e-5), name
    files = [(tmp_path / side / "model" / "model.safetensors").read_bytes() for side in "ab"]
    assert files[0] == files[1], "the weights on disk, which may be those in memory, stay as they were"


@pytest.mark.parametrize("freezing", ["embeddings", "gradual"])
def test_unused_embeddings_do_not_decay_while_they_are_frozen(tmp_path: Path, freezing: str) -> None:
    fields = {"weight_decay": 0.5, "selection": "last", "dropout": 0.0, "freezing": freezing, "epochs": 4.0}
    compact, _ = _stage(tmp_path / "a", "classification", **fields)
    full, _ = _stage(tmp_path / "b", "classification", compact=False, **fields)
    for name, weight in full.items():
        assert torch.allclose(compact[name], weight, atol=1e-5), name
    if freezing == "embeddings":
        start, name = load_encoder(tiny_model(tmp_path / "a")).model.state_dict(), "embeddings.word_embeddings.weight"
        assert torch.equal(compact[name], start[name]), "to the bit"


@pytest.mark.parametrize("kind", TRAINED)
def test_accumulated_micro_batches_give_the_gradient_of_the_full_batch(tmp_path: Path, kind: str) -> None:
    gradients = []
    for batch_tokens, memory in ((64, 100_000), (100_000, 100_000), (100_000, 40)):
        protocol = StageProtocol(learning_rate=1e-3, batch_size=12, dropout=0.0)
        model = tiny_model(tmp_path / "model")
        encoder = load_encoder(model, dropout=0.0)
        goals = supervised([_data(kind)], encoder=encoder, protocol=protocol, draws=_DRAWS, max_length=None)
        job = StageJob(key="k", kind="target", name="toy", protocol=protocol, draws=_DRAWS)
        run = toy_run(model, target=kind, source=_SAMPLE)
        context = toy_context(run, tmp_path, batch_tokens=batch_tokens)
        training = _Training(context, job, encoder, goals)
        encoder.model.eval()
        with small_memory(encoder, tokens=memory) as refused:
            _gradients(training, chosen=np.asarray(training.pool)[:12])
        assert bool(refused) == (memory < batch_tokens)
        gradients.append(torch.cat([p.grad.flatten() for p in training.parameters if p.grad is not None]))
    assert gradients[0].norm() > 0
    for other in gradients[1:]:
        difference = (gradients[0] - other).norm()
        assert difference < 1e-5
        assert difference < 1e-3 * gradients[0].norm()  # float32 leaves 1e-4 where gradients of choices nearly cancel


def test_events_of_a_stage_and_best_selection(tmp_path: Path) -> None:
    _, events = _stage(tmp_path, "classification")
    assert [e.step for e in events if isinstance(e, DevScored)] == [3, 6]
    assert isinstance(events[0], StageStarted) and events[0].total_steps == 6
    steps = [e for e in events if isinstance(e, StepLogged)]
    assert steps[-1].step == 6
    # Torch alone is some hundred MB; nobody keeps more cores busy than there are.
    assert all(50 < e.memory_mb < 1e5 and 0 <= e.cores < 1.5 * (os.cpu_count() or 1) for e in steps)
    assert not list(tmp_path.rglob("*.pt")), "a finished stage leaves no checkpoint"


def test_a_stage_that_runs_out_of_memory_ends_as_with_the_smaller_budget(tmp_path: Path) -> None:
    """From its first step on, dropout included: no gradient of a failed attempt counts, and draws begin anew."""
    small, _ = _stage(tmp_path / "a", "classification", batch_tokens=64)
    healed, events = _stage(tmp_path / "b", "classification", memory=64)
    assert _equal(small, healed)
    told = [e.message for e in events if isinstance(e, Flagged)]
    assert told == [
        "The target training on 'toy' ran out of memory with 128 tokens at once and goes on with 64 from step 1: a "
        "step has the same examples."
    ]


def test_a_resumed_stage_remembers_what_memory_holds(tmp_path: Path) -> None:
    undisturbed, _ = _stage(tmp_path / "a", "classification", memory=64)
    with pytest.raises(KeyboardInterrupt):
        _stage(tmp_path / "b", "classification", stop=3, memory=64)
    resumed, events = _stage(tmp_path / "b", "classification", memory=64)
    assert _equal(undisturbed, resumed)
    assert not [e for e in events if isinstance(e, Flagged)], "it was told in the first attempt"


def test_an_example_that_does_not_fit_alone_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(OutOfMemory, match="memory of cpu does not hold one example"):
        _stage(tmp_path, "classification", memory=2)


@pytest.mark.parametrize("what", ["the loss", "the norm of the gradient", "a weight"])
def test_a_training_that_diverges_says_where_and_what_to_lower(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    def breaking(training: _Training, *, chosen: Ints, batch_tokens: int) -> float:
        loss = _accumulate(training, chosen=chosen, batch_tokens=batch_tokens)
        if training.progress.step == 2 and what == "the norm of the gradient":
            training.parameters[0].grad[0] = torch.inf  # type: ignore[index]  # it has just been computed
        if training.progress.step == 2 and what == "a weight":
            training.parameters[0].data[0] = torch.nan
        return math.nan if training.progress.step == 2 and what == "the loss" else loss

    monkeypatch.setattr("core.training.loop._accumulate", breaking)
    with pytest.raises(Diverged) as caught:
        _stage(tmp_path, "classification")
    value = "inf" if what == "the norm of the gradient" else "nan"
    assert str(caught.value) == (
        f"The target training on 'toy' diverged at step 3 of 6: {what} is {value}. Lower the learning rate (now 0.01) "
        "or gradient_clip (now 1), or warm up for longer."
    )


def test_weights_that_are_no_numbers_from_the_start_are_named_as_the_cause(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.training.loop._accumulate", lambda *args, **kwargs: math.nan)
    with pytest.raises(Diverged, match="diverged at step 1 of 6: the loss is nan. Nothing was learned before it"):
        _stage(tmp_path, "classification")


def test_a_development_score_that_is_no_number_ends_the_stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_number(*args: object, only: Metric, **kwargs: object) -> dict[Metric, MetricScore]:
        del args, kwargs
        return {only: MetricScore(math.nan, 1, None)}

    monkeypatch.setattr("core.training.objectives.score", no_number)
    with pytest.raises(Diverged, match="at step 3 of 6: the development score is nan. Lower the learning rate"):
        _stage(tmp_path, "classification")


def test_shuffled_labels_keep_texts_and_label_counts() -> None:
    for kind in TRAINED:
        split = toy_split(kind)
        placebo = shuffled(split, draws=_DRAWS)
        assert placebo.fingerprint != split.fingerprint
        assert placebo.examples == shuffled(split, draws=_DRAWS).examples
        if kind == "tagging":
            assert sorted(t for e in placebo.examples for t in e.tags) == sorted(
                t for e in split.examples for t in e.tags
            )
        elif kind != "span_qa":
            name = {"multilabel": "labels", "regression": "value"}.get(kind, "label")
            assert sorted(getattr(e, name) for e in placebo.examples) == sorted(
                getattr(e, name) for e in split.examples
            )


def test_span_targets_move_with_left_padding(tmp_path: Path) -> None:
    encoder = load_encoder(tiny_model(tmp_path, architecture="xlnet"))
    protocol = StageProtocol(learning_rate=1e-3)
    goal = supervised([_data("span_qa")], encoder=encoder, protocol=protocol, draws=_DRAWS, max_length=None)[0]
    items = np.arange(goal.features.n_items)
    batch = training_batch(goal.features, items, encoder=encoder)
    assert batch.targets is not None and encoder.pads_left
    for row, item in enumerate(items):
        start = int(goal.features.targets[item, 0])
        piece = int(goal.features.ids[goal.features.starts[item] + start])
        assert int(batch.ids[row, batch.targets[row, 0]]) == piece
    assert torch.isfinite(learning_of("span_qa").loss_sum(goal.head(encode(encoder, batch), batch.mask), batch))  # type: ignore[call-arg, arg-type]
