"""The pipeline: every architecture through every task type, reuse of stages, damage, skipped languages."""

from __future__ import annotations

import contextlib
import json
import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pydantic import ValidationError

from core.chain.pipeline import execute
from core.chain.worker import EventLog
from core.encoder.loading import Floats, embed
from core.errors import MissingSplit, ModelError, UnsafeWeights
from core.evaluation.zero_shot import NothingScored
from core.events import (
    DataLoaded,
    DevScored,
    Event,
    Flagged,
    LanguageScored,
    LanguageSkipped,
    RunPlanned,
    StageFinished,
    StageJudged,
    StageReused,
    StageStarted,
)
from core.heads.states import Encoder
from core.jobs.prune import Rules, prunable, prune
from core.paths import STAGE_MARKER, AtlasPaths
from core.spec.model import ModelSpec
from core.spec.protocol import ProtocolSpec
from core.spec.run import DataSource, RunSpec
from core.spec.versions import CODE_VERSION
from tests.fakes import ARCHITECTURES, KINDS, TRAINED, WORDS, tiny_model, toy_context, toy_mirror, toy_protocol, toy_run

_FAST = toy_protocol(max_steps=2, evaluations=1, max_dev_examples=12)


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> DataSource:
    """A mirror with every task type."""
    root = tmp_path_factory.mktemp("hub")
    found = toy_mirror(root, kinds=TRAINED, n=20)
    rows = [{"id": f"{a}{b}", "source": f"{a} {b}", "target": f"{b} {a}"} for a in WORDS for b in WORDS[:2]]
    for lang in ("en", "de"):
        folder = root / "toy" / "retrieval" / lang
        folder.mkdir(parents=True)
        pq.write_table(pa.Table.from_pylist(rows), folder / "test-00000-of-00001.parquet")
    return found


@pytest.fixture
def model(tmp_path: Path) -> ModelSpec:
    """A tiny BERT."""
    return tiny_model(tmp_path / "model")


def _execute(run: RunSpec, home: Path) -> list[Event]:
    """The facts of one attempt, which appends them to the run's own file as its process does."""
    events: list[Event] = []
    files = AtlasPaths(home).run(run.run_id)
    files.root.mkdir(parents=True, exist_ok=True)
    log = EventLog(files.events)

    def emit(event: Event) -> None:
        events.append(event)
        log.emit(event)

    with contextlib.closing(log):
        execute(toy_context(run, home, emit=emit))
    return events


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_every_architecture_does_every_task_type(architecture: str, tmp_path: Path, source: DataSource) -> None:
    model = tiny_model(tmp_path / "model", architecture=architecture)
    for kind in KINDS:  # the masked-language modelling stage before them is trained once and reused
        run = toy_run(model, target=kind, intermediate="toy_tagging~mlm", source=source, protocol=_FAST)
        scored = [e for e in _execute(run, tmp_path / "home") if isinstance(e, LanguageScored)]
        metrics = [str(m) for m in run.task(run.target).metrics]
        assert [(e.lang, str(e.metric)) for e in scored] == [(lang, m) for lang in ("en", "de") for m in metrics]
        assert all(-1 <= e.score <= 1 for e in scored)
        assert all((e.score_last is None) == (kind == "retrieval") for e in scored)
        assert all(e.floor is not None and e.floor_rule for e in scored), "what a rule scores stands beside each score"
        if kind == "retrieval":
            assert all(e.floor == 1 / e.n for e in scored), "one candidate in all is right"


def test_the_story_of_a_run(tmp_path: Path, source: DataSource, model: ModelSpec) -> None:
    run = toy_run(model, target="classification", intermediate="toy_tagging", source=source)
    events = _execute(run, tmp_path / "home")
    planned = next(e for e in events if isinstance(e, RunPlanned))
    assert [(s.kind, s.name, s.is_done) for s in planned.stages] == [
        ("intermediate", "toy_tagging", False),
        ("target", "toy_classification", False),
        ("evaluation", "toy_classification", False),
    ]
    assert planned.stages[1].parent == planned.stages[0].key
    assert [e.kind for e in events if isinstance(e, StageStarted)] == ["intermediate", "target", "evaluation"]
    assert [e.kind for e in events if isinstance(e, StageFinished)] == ["intermediate", "target", "evaluation"]
    before_scores = events[: events.index(next(e for e in events if isinstance(e, LanguageScored)))]
    loaded = [(e.task, e.role, e.lang) for e in before_scores if isinstance(e, DataLoaded)]
    assert all(lang == "en" for _, role, lang in loaded if role != "test")
    skipped = [e for e in events if isinstance(e, LanguageSkipped)]
    assert [e.lang for e in skipped] == ["sw"] and skipped[0].reason
    assert len([e for e in events if isinstance(e, DevScored)]) == 4
    assert [s.code for s in planned.stages] == [CODE_VERSION[s.kind] for s in planned.stages]
    for stage in planned.stages[:2]:
        judged = [e for e in events if isinstance(e, StageJudged) and e.key == stage.key]
        best = max(e.score for e in events if isinstance(e, DevScored) and e.key == stage.key)
        assert [(e.task, e.score) for e in judged] == [(stage.name, best)], "of the checkpoint that goes on"

    files = AtlasPaths(tmp_path / "home").run(run.run_id)
    predictions = pq.read_table(files.predictions).to_pandas()
    scored = [e for e in events if isinstance(e, LanguageScored)]
    assert [e.lang for e in scored] == ["en", "de"]
    for fact in scored:  # the mean of the examples' own contributions is the accuracy
        own = predictions[predictions.lang == fact.lang].correct
        assert own.mean() == pytest.approx(fact.score)
        assert len(own) == fact.n


def test_stages_are_reused_and_a_damaged_one_is_trained_again(
    tmp_path: Path, source: DataSource, model: ModelSpec
) -> None:
    home = tmp_path / "home"
    first = toy_run(model, target="classification", intermediate="toy_tagging", source=source, protocol=_FAST)
    second = toy_run(model, target="regression", intermediate="toy_tagging", source=source, protocol=_FAST)
    story = _execute(first, home)
    before = [e for e in story if isinstance(e, LanguageScored)]
    events = _execute(second, home)
    assert [e.name for e in events if isinstance(e, StageReused)] == ["toy_tagging"]
    told = [[e for e in told if isinstance(e, StageJudged) and e.task == "toy_tagging"] for told in (story, events)]
    assert len(told[0]) == 1 and told[0] == told[1], "a reused stage says as much as one that was trained"
    key = next(e.key for e in events if isinstance(e, StageReused))
    weights = AtlasPaths(home).stage(key) / "encoder" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"?")
    shutil.rmtree(AtlasPaths(home).run(first.run_id).root)
    again = _execute(first, home)
    flags = [e.message for e in again if isinstance(e, Flagged) and e.flag == "stage_damaged"]
    assert len(flags) == 1 and "encoder/model.safetensors was changed. It is trained again" in flags[0]
    assert [e for e in again if isinstance(e, LanguageScored)] == before

    marker = AtlasPaths(home).stage(key) / STAGE_MARKER
    marker.write_text(json.dumps({k: v for k, v in json.loads(marker.read_text()).items() if k != "judged"}))
    shutil.rmtree(AtlasPaths(home).run(first.run_id).root)
    flags = [e.message for e in _execute(first, home) if isinstance(e, Flagged) and e.flag == "stage_damaged"]
    assert len(flags) == 1 and "stage.json: KeyError: 'judged'" in flags[0]


def test_pruning_frees_what_it_said_and_the_run_made_again_has_its_numbers(
    tmp_path: Path, source: DataSource, model: ModelSpec
) -> None:
    paths = AtlasPaths(tmp_path / "home")
    run = toy_run(model, target="classification", intermediate="toy_tagging", source=source, protocol=_FAST)

    def told() -> list[Event]:
        return [e for e in _execute(run, paths.home) if isinstance(e, LanguageScored | DevScored)]

    def size() -> int:
        return sum(file.stat().st_size for file in paths.stages.rglob("*") if file.is_file())

    before, full = told(), size()
    found = prunable(paths, rules=Rules(intermediates=True))
    freed = sum(prune(each, paths=paths) for each in found)
    assert len(found) == 2 and freed == sum(each.size for each in found) == full - size() and size() == 0
    shutil.rmtree(paths.run(run.run_id).root)
    assert told() == before
    assert size() == pytest.approx(full, abs=64), "markers tell the seconds that a stage took, in more digits or fewer"


def test_a_stage_that_was_trained_with_other_arithmetic_is_reused_and_named(
    tmp_path: Path, source: DataSource, model: ModelSpec
) -> None:
    home = tmp_path / "home"
    first = toy_run(model, target="classification", source=source, protocol=_FAST)
    key = next(e.key for e in _execute(first, home) if isinstance(e, StageFinished))
    shutil.rmtree(AtlasPaths(home).run(first.run_id).root)
    assert not [e for e in _execute(first, home) if isinstance(e, Flagged)], "the same machine and threads"
    marker = AtlasPaths(home).stage(key) / STAGE_MARKER
    content = json.loads(marker.read_text())
    threads = content["arithmetic"]["threads"]
    marker.write_text(json.dumps(content | {"arithmetic": content["arithmetic"] | {"threads": threads + 1}}))
    shutil.rmtree(AtlasPaths(home).run(first.run_id).root)
    events = _execute(first, home)
    assert [e.flag for e in events if isinstance(e, Flagged)] == ["other_arithmetic"]
    message = next(e.message for e in events if isinstance(e, Flagged))
    assert message.startswith(
        f"The stage 'toy_classification' was trained elsewhere (threads {threads + 1}, here {threads}): trained here"
    )
    assert [e.kind for e in events if isinstance(e, StageReused)] == ["target"]


def test_four_columns_of_one_run(tmp_path: Path, model: ModelSpec) -> None:
    """The mean of the last checkpoints and the oracle, against runs that end where a checkpoint was taken.

    German development data are its test data, so its oracle is the best of all checkpoints; English development data
    are what the selection sees.
    """
    source = toy_mirror(tmp_path / "hub", kinds=("classification",), n=30)
    german = tmp_path / "hub" / "toy" / "classification" / "de"
    shutil.copy(german / "test-00000-of-00001.parquet", german / "validation-00000-of-00001.parquet")
    stage = {"schedule": "constant", "warmup_fraction": 0.0, "dropout": 0.0, "max_steps": 4}

    def scores(name: str, **changes: object) -> dict[str, LanguageScored]:
        protocol = toy_protocol(**stage)
        protocol = protocol.model_copy(update={"target": protocol.target.model_copy(update=changes)})
        run = toy_run(model, target="classification", source=source, protocol=protocol)
        return {str(e.lang): e for e in _execute(run, tmp_path / name) if isinstance(e, LanguageScored)}

    alone = [scores(str(n), max_steps=n, evaluations=1, selection="last") for n in (1, 2, 3, 4)]
    assert len({each["de"].score for each in alone}) > 1, "checkpoints differ, or nothing is shown"
    for selection in ("best", "last"):
        found = scores(selection, evaluations=4, selection=selection, score_checkpoints=True)
        for lang in ("en", "de"):
            assert found[lang].score_last == alone[3][lang].score
            assert found[lang].score_mean == pytest.approx(np.mean([each[lang].score for each in alone[1:]]))
        assert found["de"].score_oracle == max(each["de"].score for each in alone)
        assert selection == "last" or found["en"].score_oracle == found["en"].score
    (german / "validation-00000-of-00001.parquet").unlink()
    found = scores("without", evaluations=4, score_checkpoints=True)
    assert found["de"].score_oracle is None and found["de"].score_mean is not None
    with pytest.raises(ValidationError, match="score_checkpoints stands under intermediate"):
        ProtocolSpec.model_validate(toy_protocol(score_checkpoints=True).model_dump())


def test_an_interrupted_stage_has_the_columns_of_an_undisturbed_one(
    tmp_path: Path, source: DataSource, model: ModelSpec
) -> None:
    protocol = toy_protocol()
    target = protocol.target.model_copy(update={"evaluations": 4, "score_checkpoints": True})
    protocol = protocol.model_copy(update={"target": target})
    run = toy_run(model, target="regression", source=source, protocol=protocol)
    undisturbed = [e for e in _execute(run, tmp_path / "undisturbed") if isinstance(e, LanguageScored)]
    seen = list[Event]()

    def stop(event: Event) -> None:
        seen.append(event)
        if sum(isinstance(e, DevScored) for e in seen) == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        execute(toy_context(run, tmp_path / "home", emit=stop))
    events = _execute(run, tmp_path / "home")
    assert next(e.resumed_at for e in events if isinstance(e, StageStarted)) == 2
    assert [e for e in events if isinstance(e, LanguageScored)] == undisturbed
    assert all(e.score_mean is not None for e in undisturbed)


def test_scored_languages_are_not_scored_again(tmp_path: Path, source: DataSource, model: ModelSpec) -> None:
    home = tmp_path / "home"
    run = toy_run(model, target="retrieval", source=source)
    assert [e.lang for e in _execute(run, home) if isinstance(e, LanguageScored)] == ["en", "de"]
    events = _execute(run, home)
    assert not [e for e in events if isinstance(e, LanguageScored)], "its scores stand among the facts already"
    assert not [e for e in events if isinstance(e, DataLoaded)], "no test set was read again"


def test_retrieval_puts_the_models_prefix_before_sentences(
    tmp_path: Path, source: DataSource, model: ModelSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = list[str]()

    def look(
        encoder: Encoder, texts: list[str], *, layer: int | None, pooling: str, batch_tokens: int, prefix: str
    ) -> Floats:
        given.append(prefix)
        return embed(encoder, texts, layer=layer, pooling=pooling, batch_tokens=batch_tokens, prefix=prefix)

    monkeypatch.setattr("core.evaluation.zero_shot.embed", look)
    for prefix in ("", "query: "):
        run = toy_run(model.model_copy(update={"retrieval_prefix": prefix}), target="retrieval", source=source)
        _execute(run, tmp_path / "home")
    assert given == [""] * 4 + ["query: "] * 4, "two languages, both sides"


def test_nothing_scored_is_an_error(tmp_path: Path, model: ModelSpec) -> None:
    source = toy_mirror(tmp_path / "hub", kinds=("classification",), n=12)
    run = toy_run(model, target="classification", source=source, protocol=_FAST)
    for file in (tmp_path / "hub").rglob("test-*.parquet"):
        file.write_bytes(b"damaged")
    with pytest.raises(NothingScored, match=r"None of 3 languages of 'toy_classification' can be scored. .*de: Cannot"):
        _execute(run, tmp_path / "home")


def test_without_test_data_nothing_is_trained(tmp_path: Path, model: ModelSpec) -> None:
    source = toy_mirror(tmp_path / "hub", kinds=("classification",), n=12)
    run = toy_run(model, target="classification", source=source, protocol=_FAST)
    for file in (tmp_path / "hub").rglob("test-*.parquet"):
        file.unlink()
    events: list[Event] = []
    with pytest.raises(MissingSplit, match=r"None of 3 languages .* en: .* has no split 'test'.* de, sw: "):
        execute(toy_context(run, tmp_path / "home", emit=events.append))
    assert events == [], "nothing was read or trained"


def test_pickled_weights_are_refused(tmp_path: Path, source: DataSource, model: ModelSpec) -> None:
    folder = Path(model.path)
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(UnsafeWeights, match=r"the weights are pickled \(pytorch_model.bin\)"):
        _execute(toy_run(model, target="classification", source=source, protocol=_FAST), tmp_path / "home")


def test_a_model_folder_that_changed_since_is_refused(tmp_path: Path, source: DataSource, model: ModelSpec) -> None:
    run = toy_run(model, target="classification", source=source, protocol=_FAST)
    tiny_model(Path(model.path), seed=1)
    with pytest.raises(ModelError, match="has changed since the run was asked for"):
        _execute(run, tmp_path / "home")


def test_several_intermediates_and_placebos_change_the_key(
    tmp_path: Path, source: DataSource, model: ModelSpec
) -> None:
    keys = {}
    for text in ("toy_tagging", "toy_tagging~shuffled", "toy_tagging~mlm", "toy_regression+toy_span_qa+toy_tagging"):
        run = toy_run(model, target="retrieval", intermediate=text, source=source, protocol=_FAST)
        events = _execute(run, tmp_path / "home")
        started = next(e for e in events if isinstance(e, StageStarted))
        keys[text] = (started.key, started.task_type)
        judged = [e.task for e in events if isinstance(e, StageJudged)]
        assert judged == text.split("~")[0].split("+"), "each task of a stage, whatever it is selected by"
        marker = AtlasPaths(tmp_path / "home").stage(started.key) / "stage.json"
        assert json.loads(marker.read_text())["name"] == text
    assert len({key for key, _ in keys.values()}) == 4
    assert [str(kind) for _, kind in keys.values()] == ["tagging", "tagging", "mlm", "multi_task"]
