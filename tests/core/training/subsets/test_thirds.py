"""Thirds by difficulty and by nearness to a target: matched in all else, reused, trained on; or refused.

Hard ones are where labels are wrong, near ones where the target's words are.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from core.chain.pipeline import execute
from core.errors import DataError, SpecError
from core.events import DataLoaded, Event, Flagged, RunFinished, RunPlanned, StageReused, StageStarted
from core.examples import Split, fingerprint
from core.measures.matching import standardised_difference
from core.spec.match import BALANCED, Match
from core.spec.model import ModelSpec
from core.spec.run import DataSource, DataSourceKind, IntermediateSpec
from core.training.loader import EnglishData
from core.training.plan import plan_intermediate
from core.training.subsets.information import Information
from core.training.subsets.nearness import Closeness, count_words
from core.training.subsets.thirds import Pool, cut, describe, in_words, look_at, refuse_unmatched
from core.types.base import records
from core.types.classification import TextExample
from core.types.table import task_type
from tests.fakes import TRAINED, tiny_model, toy_context, toy_mirror, toy_protocol, toy_run, toy_split

_FAST = toy_protocol(max_steps=3, evaluations=1, max_dev_examples=12)
_WITH_THIRDS = tuple(kind for kind in TRAINED if kind != "multilabel")


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> DataSource:
    """A mirror with every trained task type."""
    return toy_mirror(tmp_path_factory.mktemp("hub"), kinds=TRAINED, n=96)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> ModelSpec:
    """A tiny BERT."""
    return tiny_model(tmp_path_factory.mktemp("model"))


def _train_split(model: ModelSpec, name: str, source: DataSource, home: Path, events: list[Event]) -> Split:
    run = toy_run(model, target="classification", intermediate=name, source=source, protocol=_FAST)
    opened = toy_context(run, home, emit=events.append)
    return plan_intermediate(opened).data[0].train


@pytest.mark.parametrize("kind", _WITH_THIRDS)
def test_thirds_are_matched_and_disjoint(kind: str, model: ModelSpec, source: DataSource, tmp_path: Path) -> None:
    events: list[Event] = []
    thirds = [
        _train_split(model, f"toy_{kind}@{third}", source, tmp_path, events)
        for third in ("easiest", "middle", "hardest")
    ]
    ids = [{e.id for e in split.examples} for split in thirds]
    assert len(ids[0]) == len(ids[1]) == len(ids[2]) >= 24
    assert len(set.union(*ids)) == sum(len(i) for i in ids)
    if kind in {"classification", "multiple_choice"}:
        labels = [Counter(e.label for e in split.examples) for split in thirds]  # type: ignore[union-attr]
        assert labels[0] == labels[1] == labels[2]
    lengths = [np.mean([len(task_type(kind).text(e)) for e in split.examples]) for split in thirds]
    assert max(lengths) / min(lengths) < 1.35
    # Two folds, each with its model and, save for choices, one without input; the other thirds only read them.
    n_runs = 2 if kind == "multiple_choice" else 4
    assert len([e for e in events if isinstance(e, StageStarted)]) == n_runs
    assert len([e for e in events if isinstance(e, StageReused)]) == 2 * n_runs
    flags = [f for split in thirds for f in split.flags if f.flag == "third"]
    assert [f.message.split(" ")[2] for f in flags] == ["easiest", "middle", "hardest"]


def test_wrong_labels_are_hard(model: ModelSpec, tmp_path: Path) -> None:
    # One word says the label; a sixth of the labels is wrong, which no model trained on the others would say.
    clean = [TextExample(f"e{i}", ("cat", "red")[i % 2], None, i % 2) for i in range(180)]
    wrong = set(np.random.default_rng(0).choice(180, 30, replace=False).tolist())
    examples = tuple(e._replace(label=1 - e.label) if i in wrong else e for i, e in enumerate(clean))
    like = toy_split("classification")
    train = like._replace(examples=examples, fingerprint=fingerprint(examples))
    dev = like._replace(role="dev", examples=tuple(clean[:30]), fingerprint=fingerprint(clean[:30]))
    protocol = toy_protocol(max_steps=60, epochs=40, learning_rate=0.01, evaluations=4, batch_size=16, dropout=0.0)
    run = toy_run(
        model,
        target="classification",
        source=DataSource(kind=DataSourceKind.HUB),
        protocol=protocol,
    )
    known = look_at(
        toy_context(run, tmp_path), EnglishData(train=train, dev=dev), protocol=protocol.intermediate, to=None
    )
    found = cut(known, IntermediateSpec.parse("toy_classification@hardest"))
    assert wrong <= set(np.flatnonzero(found.thirds == 2).tolist()) | set(np.flatnonzero(found.thirds == -1).tolist())
    easy, middle, hard = describe(known, found, third=2, to=None, encoder="tiny").thirds
    assert easy.bits > 0.2 and hard.bits < 0
    assert easy.n == middle.n == hard.n >= 54


def test_a_third_is_an_intermediate_like_any_other(model: ModelSpec, source: DataSource, tmp_path: Path) -> None:
    keys = set()
    for text in ("toy_classification", "toy_classification@hardest", "toy_classification~shuffled@hardest"):
        events: list[Event] = []
        run = toy_run(model, target="tagging", intermediate=text, source=source, protocol=_FAST)
        execute(toy_context(run, tmp_path, emit=events.append))
        planned = next(e for e in events if isinstance(e, RunPlanned))
        keys.add(planned.stages[0].key)
        assert planned.stages[0].name == text
        assert bool([e for e in events if isinstance(e, Flagged) and e.flag == "third"]) == ("@" in text)
    assert len(keys) == 3
    assert not [e for e in events if isinstance(e, RunFinished)], "the pipeline leaves that to the worker"


def test_sets_of_labels_have_no_thirds(model: ModelSpec, source: DataSource, tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="'toy_multilabel' is a multi-label task: .*Leave out '@…'"):
        _train_split(model, "toy_multilabel@hardest", source, tmp_path, [])


def test_a_pool_larger_than_the_sample_fills_each_third(model: ModelSpec, tmp_path: Path) -> None:
    source = toy_mirror(tmp_path / "hub", kinds=("regression",), n=90)
    rows = pq.read_table(next((tmp_path / "hub").rglob("en/train-*.parquet")))
    assert isinstance(rows, pa.Table) and rows.num_rows == 90
    protocol = toy_protocol(max_steps=2, evaluations=1, max_train_examples=20, max_dev_examples=12)
    run = toy_run(
        model, target="classification", intermediate="toy_regression@middle", source=source, protocol=protocol
    )
    opened = toy_context(run, tmp_path)
    train = plan_intermediate(opened).data[0].train
    assert 14 <= len(train.examples) <= 20, "a third of three times the sample"


# ------------------------------------------------------------------------------------------- near to a target, or far


def _planted(n: int = 3000, *, near_is_long: float = 1.0, near_is_easy: float = 0.5, seed: int = 0) -> Pool:
    """Half of the examples use the target's words; these are longer and easier, which the thirds must not be."""
    rng = np.random.default_rng(seed)
    is_near, labels, fold = np.arange(n) % 2, rng.choice(3, n, p=[0.5, 0.3, 0.2]), rng.integers(0, 2, n)
    lengths = np.exp(rng.normal(3 + near_is_long * 0.3 * is_near, 0.4))
    bits = rng.normal(near_is_easy * is_near, 1.0)
    cosines = 0.3 * is_near + rng.normal(0.4, 0.1, n)
    texts = tuple("the sun" if cosine > 0.6 else f"the tax{i % 50}" for i, cosine in enumerate(cosines))
    closeness = Closeness(cosines, texts, 100, count_words(["sun moon rise", "set"]))
    return Pool("toy", labels, lengths, Information(bits, fold), closeness)


def _match(pool: Pool, text: str) -> Match:
    wanted = IntermediateSpec.parse(text)
    found = cut(pool, wanted)
    third = found.names.index(wanted.nearness or wanted.third or "")
    return describe(pool, found, third=third, to=wanted.to, encoder="tiny")


def test_planted_near_and_far_are_matched_in_all_but_nearness() -> None:
    pool = _planted()
    rows = np.argsort(pool.closeness.cosines)  # type: ignore[union-attr]
    for values in (pool.lengths, pool.information.bits):
        raw = standardised_difference(values[rows[-1000:]], values[rows[:1000]])
        assert raw > 3 * BALANCED, "unmatched, the near third is another one: the trap is set"
    match = _match(pool, "toy@near:udpos")
    refuse_unmatched(match, task="toy")
    near, middle, far = match.thirds
    assert near.n == middle.n == far.n > 900
    assert near.label_shares == pytest.approx(far.label_shares)
    against = next(c for c in match.contrasts if c.other == "far")
    assert max(abs(against.length), abs(against.bits), against.label_gap) < BALANCED
    assert against.similarity and against.similarity > 2
    assert near.word_overlap and far.word_overlap is not None and near.word_overlap > far.word_overlap
    assert in_words(match).startswith(f"the near {near.n} of 3000 examples by cosine to the centroid of 100 ")
    assert ", matched in cross-fitted usable information" in in_words(match)


def test_a_difficulty_third_is_matched_in_similarity_where_a_target_is_named() -> None:
    pool = _planted(near_is_easy=1.0)
    match = _match(pool, "toy@hardest:udpos")
    assert match == _match(pool, "toy@hardest:udpos"), "the same every time"
    refuse_unmatched(match, task="toy")
    assert " by cross-fitted usable information (" in in_words(match) and ", matched in cosine to the" in in_words(
        match
    )
    against = next(c for c in match.contrasts if c.other == "easiest")
    assert against.similarity is not None and abs(against.similarity) < BALANCED and against.bits < -1.5
    known, wanted = pool._replace(closeness=None), IntermediateSpec.parse("toy@hardest")
    found = describe(pool, cut(known, wanted), third=2, to=None, encoder="tiny")
    alone = next(c for c in found.contrasts if c.other == "easiest")
    assert alone.similarity is not None and alone.similarity < -0.3, "not matched in it without one"


@pytest.mark.parametrize(
    ("n", "message"),
    [
        (60, "'toy', near third with respect to 'udpos': 60 examples give thirds of .*; expected 30 or more"),
        (6, "'toy', near third with respect to 'udpos': 6 examples give thirds of 1; expected 30 or more"),
        (3, "'toy', near third with respect to 'udpos': 3 examples give thirds of 0; expected 30 or more"),
        (200, "differs from the far third by .*difficulty .*; expected at most 0.1"),
    ],
)
def test_too_little_or_no_overlap_is_refused(n: int, message: str) -> None:
    with pytest.raises(DataError, match=message):
        refuse_unmatched(_match(_planted(n, near_is_easy=9.0), "toy@near:udpos"), task="toy")


def test_nearness_that_words_do_not_bear_out_is_refused() -> None:
    pool = _planted()
    assert pool.closeness is not None
    other = pool._replace(closeness=pool.closeness._replace(words=count_words([f"tax{i}" for i in range(50)])))
    with pytest.raises(DataError, match="the near third has .* the far one .* not borne out by words"):
        refuse_unmatched(_match(other, "toy@near:udpos"), task="toy")
    flat = pool._replace(closeness=pool.closeness._replace(cosines=np.ones(3000)))
    with pytest.raises(DataError, match="near and far are 0.00 standard deviations apart in similarity once .*overlap"):
        refuse_unmatched(_match(flat, "toy@near:udpos"), task="toy")


def _two_domains(root: Path, *, n: int = 720) -> DataSource:
    """Classification of colours or animals, at random, and tagging of colours alone."""
    source = toy_mirror(root, kinds=("classification", "tagging"), n=60)
    rng = np.random.default_rng(0)
    words = [rng.choice(("red", "blue", "green") if i % 2 else ("cat", "bird", "mouse"), 4) for i in range(n)]
    train = [{"id": f"e{i}", "text": " ".join(w[:3]), "pair": w[3], "label": i // 2 % 3} for i, w in enumerate(words)]
    pq.write_table(pa.Table.from_pylist(train), next(root.rglob("classification/en/train-*.parquet")))
    tags = [{"id": f"e{i}", "words": list(w), "tags": [0] * 3 + [i % 3]} for i, w in enumerate(words[1::2])]
    pq.write_table(pa.Table.from_pylist(tags), next(root.rglob("tagging/en/train-*.parquet")))
    return source


def test_near_is_where_the_targets_words_are(model: ModelSpec, tmp_path: Path) -> None:
    source, events = _two_domains(tmp_path / "hub"), list[Event]()
    near, far = (
        _train_split(model, f"toy_classification@{name}:toy_tagging", source, tmp_path / "home", events)
        for name in ("near", "far")
    )
    colours = {"red", "blue", "green"}
    shares = [np.mean([e.text.split()[0] in colours for e in records(s, TextExample)]) for s in (near, far)]
    assert shares[0] > 0.8 and shares[1] < 0.2, "half of the pool are colours"
    assert near.matched and far.matched and near.matched.thirds == far.matched.thirds
    assert near.matched.n_pool == 720 and near.matched.n_target_texts == 360 and near.matched.encoder == "tiny-bert"
    assert Counter(e.label for e in records(near, TextExample)) == Counter(e.label for e in records(far, TextExample))
    assert len([e for e in events if isinstance(e, StageStarted)]) == 4, "the far third reads the folds of the near"
    again = _train_split(model, "toy_classification@near:toy_tagging", source, tmp_path / "other", [])
    assert again.fingerprint == near.fingerprint, "the same from data and model alone"


def test_a_match_is_reported_with_its_split(model: ModelSpec, tmp_path: Path) -> None:
    source, events = _two_domains(tmp_path / "hub"), list[Event]()
    text = "toy_classification@near:toy_tagging"
    run = toy_run(model, target="tagging", intermediate=text, source=source, protocol=_FAST)
    execute(toy_context(run, tmp_path, emit=events.append))
    told = {e.task: e.matched for e in events if isinstance(e, DataLoaded) and e.role == "train"}
    assert told["toy_tagging"] is None and told["toy_classification"] and told["toy_classification"].third == "near"
    (flag,) = [e for e in events if isinstance(e, Flagged) and e.flag == "third"]
    assert "cosine to the centroid of 360 English training texts of toy_tagging in tiny-bert" in flag.message


def test_a_target_without_text_is_told_before_anything_is_trained(model: ModelSpec, tmp_path: Path) -> None:
    source, events = _two_domains(tmp_path / "hub"), list[Event]()
    file = next((tmp_path / "hub").rglob("tagging/en/train-*.parquet"))
    pq.write_table(pq.read_table(file).slice(0, 4), file)
    with pytest.raises(DataError, match="'toy_tagging' has 4 English training texts; expected 10 or more"):
        _train_split(model, "toy_classification@near:toy_tagging", source, tmp_path / "home", events)
    assert not events
