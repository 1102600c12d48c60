"""XCOPA in the hub's layout: eleven languages in one data set, English training, development and scores in another."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from core.chain.pipeline import execute
from core.data.check import check_task
from core.data.datasets import load_split
from core.data.lookup import missing_tests
from core.data.origin import DataOrigin
from core.events import LanguageScored, StageFinished
from core.paths import AtlasPaths
from core.spec.run import DataSource, RunSpec
from core.studies import StudyRequest, build_study
from core.tasks import TASKS
from core.types.multiple_choice import ChoiceExample
from tests.fakes import tiny_model, toy_context, toy_protocol

XCOPA = TASKS["xcopa"]
N_DEV, N_TEST = 10, 14
DEED = {"premise": "The boy dropped the cup.", "choice1": "It broke.", "choice2": "It sang.", "question": "effect"}
WHY = {"premise": "She opened the window.", "choice1": "It was cold.", "choice2": "It was hot.", "question": "cause"}


def _write(file: Path, rows: list[dict[str, object]]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(rows), file)


def _causes(n: int, *, first: int = 0) -> list[dict[str, object]]:
    made = [(DEED, WHY)[i % 2] | {"premise": f"{first + i}: {(DEED, WHY)[i % 2]['premise']}"} for i in range(n)]
    return [row | {"idx": i, "label": i % 2} for i, row in enumerate(made)]


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Columns as on the hub; texts of this test's own, the same letters in every language."""
    root = tmp_path_factory.mktemp("hub")
    for split, n, first in (("train", 24, 100), ("validation", N_DEV, 200)):
        _write(root / "aps/super_glue/copa" / f"{split}-00000-of-00001.parquet", _causes(n, first=first))
    unlabelled = [row | {"label": -1} for row in _causes(4)]
    _write(root / "aps/super_glue/copa/test-00000-of-00001.parquet", unlabelled)
    for lang in XCOPA.languages[1:]:
        for split, n in (("validation", 4), ("test", N_TEST)):
            rows = [row | {"changed": False} for row in _causes(n, first=300)]
            _write(root / "cambridgeltl/xcopa" / lang / f"{split}-00000-of-00001.parquet", rows)
    social = [
        {"context": f"{i}: Robin helped Kai.", "question": "How does Kai feel?", "answerA": "glad", "answerB": "cold",
         "answerC": "tall", "label": str(1 + i % 3)}
        for i in range(24)
    ]  # fmt: skip
    for split in ("train", "validation"):
        _write(root / "allenai/social_i_qa" / f"{split}-00000-of-00001.parquet", social)
    return root


@pytest.fixture
def origin(hub: Path, tmp_path: Path) -> DataOrigin:
    source = DataSource(kind="mirror", root=str(hub))  # type: ignore[arg-type]  # pydantic makes it an enum
    return DataOrigin(source, AtlasPaths(tmp_path / "home"), tasks=tuple(TASKS.values()))


def test_every_language_is_read_where_it_lies(origin: DataOrigin) -> None:
    assert missing_tests(XCOPA, origin=origin) == {}
    for lang in XCOPA.languages:
        split = load_split(XCOPA, role="test", lang=lang, origin=origin)
        assert (len(split.examples), split.split) == ((N_DEV, "validation") if lang == "en" else (N_TEST, "test"))
        flags = {flag.flag for flag in split.flags}
        assert flags == ({"test_is_dev"} if lang == "en" else set()), lang
    first = load_split(XCOPA, role="test", lang="qu", origin=origin).examples[0]
    assert isinstance(first, ChoiceExample)
    # What is asked for follows the premise.
    assert (first.text, first.choices, first.label) == (
        "300: The boy dropped the cup. effect", ("It broke.", "It sang."), 0,
    )  # fmt: skip


def test_the_task_is_sound(origin: DataOrigin) -> None:
    report = check_task(XCOPA, origin=origin)
    assert (report.problems, report.missing_languages) == ((), ())
    copa = check_task(TASKS["copa"], origin=origin)
    dev = next(split for split in copa.splits if split.role == "dev")
    assert any("these are the English test examples of 'xcopa'" in flag for flag in dev.flags)


def test_social_iqa_then_xcopa_is_a_chain(hub: Path, tmp_path: Path) -> None:
    """XTREME-R's own, with a tiny model: both stages are trained, and all twelve languages scored."""
    paths, model = AtlasPaths(tmp_path / "home"), tiny_model(tmp_path / "model")
    request = StudyRequest(
        models=(model.path,), intermediates=("socialiqa",), targets=("xcopa",), data_source="mirror", mirror=str(hub)
    )  # type: ignore[arg-type]  # pydantic makes the source an enum
    (run,) = [run for run in build_study(request, paths=paths).runs() if run.intermediate]
    quick = toy_protocol(max_steps=2, evaluations=1)
    events: list[object] = []
    short = RunSpec.model_validate(run.model_dump() | {"protocol": quick.model_dump()})
    execute(toy_context(short, tmp_path / "home", emit=events.append))
    assert [e.name for e in events if isinstance(e, StageFinished)] == ["socialiqa", "xcopa", "xcopa"]
    scored = [e for e in events if isinstance(e, LanguageScored)]
    assert [e.lang for e in scored] == list(XCOPA.languages)
    assert {e.n for e in scored if e.lang != "en"} == {N_TEST}
