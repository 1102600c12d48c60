"""No draw of a stage occurs in another; a run and its baseline share those of the target stage."""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
import torch

from core.encoder.loading import load_encoder
from core.encoder.mlm import load_for_mlm
from core.events import DataLoaded, Event, Flagged
from core.heads.states import Encoder
from core.spec.task import Role
from core.tasks import TASKS
from core.training.objectives import fresh_head
from core.training.plan import Training, plan
from core.training.seeds import Draws
from core.types.table import task_type
from tests.fakes import ARCHITECTURES, tiny_model, toy_context, toy_mirror, toy_protocol, toy_run, toy_split

Kind = Literal["intermediate", "target"]


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Encoder:
    return load_encoder(tiny_model(tmp_path_factory.mktemp("model")))


def _head(encoder: Encoder, name: str, *, kind: Kind, seed: int = 1) -> dict[str, torch.Tensor]:
    task = TASKS[name]
    split = toy_split("classification")._replace(task=task, labels=task.labels or ("a", "b", "c"))
    return fresh_head(split, encoder=encoder, dropout=None, draws=Draws(seed, kind, (name,))).state_dict()


def _weights(head: dict[str, torch.Tensor]) -> np.ndarray:
    return np.concatenate([head[name].numpy().ravel() for name in sorted(head) if name.endswith("weight")])


def test_every_part_of_a_draw_changes_its_number() -> None:
    one = Draws(1, "target", ("xnli",))
    others = (
        replace(one, seed=2),
        replace(one, kind="intermediate"),
        replace(one, tasks=("pawsx",)),
        replace(one, tasks=("xnli", "pawsx")),
    )
    places: tuple[tuple[int, ...], ...] = ((), (0,), (1,))
    numbers = {d.number(what, *at) for d in (one, *others) for what in ("head", "order") for at in places}
    assert len(numbers) == 5 * 2 * 3
    assert one.number("head") == Draws(1, "target", ("xnli",)).number("head")
    assert Draws(1, "target", ("xnli", "pawsx")).of("xnli") == one


def test_a_target_head_is_no_intermediate_head_whatever_the_pair(encoder: Encoder) -> None:
    trained = [t for t in TASKS.values() if task_type(t.type).is_trained]
    before = {t.name: _head(encoder, t.name, kind="intermediate") for t in trained if Role.INTERMEDIATE in t.roles}
    after = {t.name: _head(encoder, t.name, kind="target") for t in trained if Role.TARGET in t.roles}
    equal_outputs = [
        (a, b)
        for a, b in itertools.product(before, after)
        if before[a].keys() == after[b].keys() and before[a]["out.weight"].shape == after[b]["out.weight"].shape
    ]
    assert {("snli", "xnli"), ("qqp", "pawsx"), ("squad", "xquad"), ("mnli", "xnli")} <= set(equal_outputs)
    found = []
    for a, b in equal_outputs:
        assert not any(torch.equal(before[a][n], after[b][n]) for n in before[a] if n.endswith("weight")), (a, b)
        found.append(np.corrcoef(_weights(before[a]), _weights(after[b]))[0, 1] * np.sqrt(len(_weights(before[a]))))
    # A correlation of n unrelated pairs times the root of n is about standard normal.
    assert len(found) > 25
    assert abs(np.mean(found)) < 0.6
    assert 0.6 < np.std(found) < 1.4


def test_a_head_is_the_same_again_and_another_for_another_seed(encoder: Encoder) -> None:
    one, again, other = (_head(encoder, "xnli", kind="target", seed=seed) for seed in (1, 1, 2))
    assert all(torch.equal(one[n], again[n]) for n in one)
    assert not torch.equal(one["out.weight"], other["out.weight"])


@pytest.mark.parametrize("architecture", ["xlnet", *(a for a in ARCHITECTURES if a != "xlnet")])
def test_a_masked_language_head_depends_on_its_seed_alone(tmp_path: Path, architecture: str) -> None:
    model = tiny_model(tmp_path, architecture=architecture)
    heads = []
    for seed, noise in ((1, 10), (1, 11), (2, 11)):
        torch.manual_seed(noise)
        state = torch.get_rng_state()
        _, head = load_for_mlm(model, seed=seed)
        assert torch.equal(state, torch.get_rng_state()), "nothing else may draw other numbers for it"
        heads.append(dict(head.named_parameters()))
    one, again, other = heads
    assert all(torch.equal(one[n], again[n]) for n in one)
    assert any(not torch.equal(one[n], other[n]) for n in one)


def _planned(
    folder: Path, *, target: str, intermediate: str | None, n: int | None
) -> tuple[list[Training], list[Event]]:
    model = tiny_model(folder / "model")
    source = toy_mirror(folder / "mirror", kinds=("classification", "multilabel"))
    spec = toy_run(
        model, target=target, intermediate=intermediate, source=source, protocol=toy_protocol(max_train_examples=n)
    )
    events: list[Event] = []
    trainings = plan(toy_context(spec, folder / "home", emit=events.append))
    return list(trainings), events


def test_a_run_and_its_baseline_share_every_draw_of_the_target_stage(tmp_path: Path) -> None:
    chain, _ = _planned(tmp_path, target="classification", intermediate="toy_multilabel", n=20)
    baseline, _ = _planned(tmp_path, target="classification", intermediate=None, n=20)
    assert chain[-1].job.draws == baseline[-1].job.draws
    assert chain[-1].data == baseline[-1].data


def test_a_placebo_has_the_texts_and_the_draws_of_its_task(tmp_path: Path) -> None:
    real, placebo, masked = (
        _planned(tmp_path, target="multilabel", intermediate=f"toy_classification{suffix}", n=20)[0][0]
        for suffix in ("", "~shuffled", "~mlm")
    )
    assert real.job.draws == placebo.job.draws == masked.job.draws
    assert real.data == masked.data
    assert [e.text for e in real.data[0].train.examples] == [e.text for e in placebo.data[0].train.examples]  # type: ignore[attr-defined]
    assert real.data[0].train.examples != placebo.data[0].train.examples


def test_two_stages_on_the_same_data_draw_their_samples_apart(tmp_path: Path) -> None:
    trainings, events = _planned(tmp_path, target="classification", intermediate="toy_classification", n=20)
    first, second = (set(t.data[0].train.examples) for t in trainings)
    shared = len(first & second)
    assert 0 < shared < 20
    again = sum(e.text in {f.text for f in first} and e in first for e in trainings[1].data[0].train.examples)  # type: ignore[attr-defined]
    assert again == shared
    flags = [e for e in events if isinstance(e, Flagged) and e.flag == "same_examples"]
    assert [f.message for f in flags] == [
        f"{shared} of the 20 texts that toy_classification is trained on were trained on before, as "
        "toy_classification: the target stage sees them again, not new ones."
    ]
    assert len({e.fingerprint for e in events if isinstance(e, DataLoaded) and e.role == "train"}) == 2


def test_a_whole_data_set_in_both_stages_is_said(tmp_path: Path) -> None:
    _, events = _planned(tmp_path, target="classification", intermediate="toy_classification", n=None)
    assert [e.message.split(",")[0] for e in events if isinstance(e, Flagged) and e.flag == "same_examples"] == [
        "48 of the 48 texts that toy_classification is trained on were trained on before"
    ]
    _, events = _planned(tmp_path / "b", target="multilabel", intermediate=None, n=None)
    assert not [e for e in events if isinstance(e, Flagged) and e.flag == "same_examples"]
