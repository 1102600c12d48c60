"""From typed names to a study: what is refused, with which words, and that a command says the same as a form."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from core.errors import SpecError, UnknownName
from core.paths import REPO, AtlasPaths
from core.spec.profile import ProfileKind
from core.spec.run import DataSourceKind, Placebo
from core.studies import (
    ProfileRequest,
    StudyRequest,
    build_profile,
    build_study,
    problems,
    read_request,
    read_study_file,
)
from tests.fakes import tiny_model


@pytest.fixture
def paths(tmp_path: Path) -> AtlasPaths:
    return AtlasPaths(home=tmp_path / "home")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return tiny_model(tmp_path_factory.mktemp("model")).path


def _request(model: str, **fields: object) -> StudyRequest:
    return StudyRequest.model_validate({"models": (model,), "targets": ("xnli",), "intermediates": ("mnli",)} | fields)


def test_runs_of_a_study_pair_each_run_with_its_baseline(paths: AtlasPaths, model: str) -> None:
    # 2 targets × 2 seeds × (1 baseline + 2 intermediates) = 12 runs, 4 of them baselines.
    study = build_study(
        _request(model, targets=("xnli", "panx"), intermediates=("mnli", "qqp~shuffled"), seeds=(1, 2)), paths=paths
    )
    runs = study.runs()
    assert len(runs) == 12 == len({run.run_id for run in runs})
    baselines = {run.pair_key(): run.run_id for run in runs if run.intermediate is None}
    assert len(baselines) == 4
    for run in runs:
        assert run.baseline().run_id == baselines[run.pair_key()]
    assert {t.name for t in runs[-1].tasks} == {"panx", "qqp"}


def test_no_baselines_when_switched_off(paths: AtlasPaths, model: str) -> None:
    runs = build_study(_request(model, with_baselines=False), paths=paths).runs()
    assert [run.intermediate_name for run in runs] == ["mnli"]


def test_unknown_names_are_answered_with_the_nearest(paths: AtlasPaths, model: str) -> None:
    with pytest.raises(UnknownName, match=r"No task named 'xnil'\. Did you mean 'xnli'\?"):
        build_study(_request(model, targets=("xnil",)), paths=paths)
    with pytest.raises(UnknownName, match="No target task named 'mnli'"):
        build_study(_request(model, targets=("mnli",)), paths=paths)
    with pytest.raises(SpecError, match="'tatoeba' is a retrieval task"):
        build_study(_request(model, intermediates=("tatoeba",)), paths=paths)
    with pytest.raises(SpecError, match="no placebo named 'magic'"):
        build_study(_request(model, intermediates=("mnli~magic",)), paths=paths)


def test_a_target_can_lend_its_text_to_masked_language_modelling(paths: AtlasPaths, model: str) -> None:
    study = build_study(_request(model, targets=("multi_eurlex",), intermediates=("multi_eurlex~mlm",)), paths=paths)
    assert study.intermediates[0] is not None
    assert study.intermediates[0].placebo is Placebo.MLM


def test_mirror_folder_is_checked(paths: AtlasPaths, model: str, tmp_path: Path) -> None:
    def ask(folder: Path | None, kind: str = "mirror") -> StudyRequest:
        return _request(model, data_source=DataSourceKind(kind), mirror=str(folder) if folder else None)

    with pytest.raises(SpecError, match="needs its folder: --mirror FOLDER"):
        build_study(ask(None), paths=paths)
    with pytest.raises(SpecError, match=r"nowhere does not exist\. Expected a folder in the hub's layout"):
        build_study(ask(tmp_path / "nowhere"), paths=paths)
    (tmp_path / "flat").mkdir()
    with pytest.raises(SpecError, match="holds no data set"):
        build_study(ask(tmp_path / "flat"), paths=paths)
    with pytest.raises(SpecError, match="was given with data source 'sample'"):
        build_study(ask(tmp_path / "flat", kind="sample"), paths=paths)


def test_slices_are_for_the_sample_tasks_alone(paths: AtlasPaths, model: str) -> None:
    request = _request(model, intermediates=("mnli@food,hard",), data_source=DataSourceKind.HUB)
    assert problems(request, paths=paths) == [
        "'mnli@food,hard' requests a domain or difficulty, which only the sample tasks have; the data source is "
        "'hub'. Leave out '@…' or use --data-source sample."
    ]


def test_thirds_are_for_every_source_and_not_for_sets_of_labels(paths: AtlasPaths, model: str, tmp_path: Path) -> None:
    (tmp_path / "mirror" / "google" / "xtreme").mkdir(parents=True)
    mirror = {"data_source": DataSourceKind.MIRROR, "mirror": str(tmp_path / "mirror")}
    study = build_study(_request(model, intermediates=("mnli@hardest", "squad@easiest"), **mirror), paths=paths)
    assert [i.name for i in study.intermediates if i] == ["mnli@hardest", "squad@easiest"]
    message = "'multi_eurlex' is a multi-label task: thirds are matched in label balance"
    with pytest.raises(SpecError, match=message):
        build_study(_request(model, intermediates=("multi_eurlex~mlm@hardest",)), paths=paths)


def test_near_is_near_to_a_target_with_english_training_text(paths: AtlasPaths, model: str) -> None:
    request = _request(model, intermediates=("squad@far", "squad@near:panx"), targets=("xnli", "udpos"))
    study = build_study(request, paths=paths)
    assert {task.name for task in study.tasks} >= {"squad", "panx", "xnli", "udpos"}
    assert problems(_request(model, intermediates=("squad@near:pannx",)), paths=paths)[0].startswith(
        "No task named 'pannx'. Did you mean 'panx'?"
    )
    for text, targets in (("squad@near:tatoeba", ("xnli",)), ("squad@near", ("tatoeba",))):
        with pytest.raises(SpecError, match="'squad@near:tatoeba': 'tatoeba' has no English training text .* xnli"):
            build_study(_request(model, intermediates=(text,), targets=targets), paths=paths)


def test_a_profile_must_say_near_to_what(paths: AtlasPaths, model: str) -> None:
    request = ProfileRequest(kind=ProfileKind.DIFFICULTY, model=model, intermediates=("mnli@near",))
    with pytest.raises(SpecError, match="'mnli@near': a profile has no one target. Say which: mnli@near:xnli"):
        build_profile(request, paths=paths)
    near = request.model_copy(update={"intermediates": ("mnli@near:udpos",)})
    assert {task.name for task in build_profile(near, paths=paths).tasks} == {"mnli", "udpos"}


def test_problems_lists_everything_at_once(paths: AtlasPaths, model: str) -> None:
    found = problems(_request(model, targets=("xnil",), intermediates=("mnlo",), protocol="quik"), paths=paths)
    assert len(found) == 3
    assert all("Did you mean" in text for text in found)


def test_a_study_file_is_read_and_its_mistakes_are_named(tmp_path: Path) -> None:
    file = tmp_path / "grid.yaml"
    file.write_text("name: grid\ntargets: [xnli]\nseeds: [1, 2]\ndata_source: mirror\nmirror: hub\n")
    request = read_study_file(file)
    assert request.seeds == (1, 2)
    assert request.mirror == str(tmp_path / "hub"), "a relative mirror is relative to the file"
    assert request.protocol == "quick"
    file.write_text("targets: [xnli]\nprotocol: mine/short.yaml\n")
    assert read_study_file(file).protocol == str(tmp_path / "mine" / "short.yaml"), "and so is a protocol's file"
    file.write_text("targets: [xnli]\nprotocol: full\n")
    assert read_study_file(file).protocol == "full", "a name stays one"
    file.write_text("targets: [xnli]\nsedes: [1]\n")
    with pytest.raises(SpecError, match=r"grid\.yaml: sedes: Extra inputs are not permitted \(found \[1\]\)"):
        read_study_file(file)
    file.write_text("- just\n- a list\n")
    with pytest.raises(SpecError, match="holds list where .field: value. lines are expected"):
        read_study_file(file)


def test_a_profile_file_is_read_and_its_mistakes_are_named(tmp_path: Path) -> None:
    file = tmp_path / "texts.profile.yaml"
    file.write_text("kind: encoder\nintermediates: [mnli]\nprotocol: quick\ndata_source: mirror\nmirror: hub\n")
    request = read_request(file, kind=ProfileRequest)
    assert (request.kind, request.intermediates, request.mirror) == ("encoder", ("mnli",), str(tmp_path / "hub"))
    file.write_text("kind: hardness\n")
    with pytest.raises(SpecError, match=r"texts\.profile\.yaml: kind: .*found 'hardness'"):
        read_request(file, kind=ProfileRequest)


def test_the_documented_files_are_right(tmp_path: Path) -> None:
    text = (REPO / "docs" / "adding.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```yaml\n# (study|profile)\n(.*?)```", text, flags=re.DOTALL)
    assert [kind for kind, _ in blocks] == ["study", "profile"]
    paths = AtlasPaths(home=tmp_path)
    for kind, block in blocks:
        file = tmp_path / f"{kind}.yaml"
        file.write_text(block, encoding="utf-8")
        if kind == "study":
            assert len(build_study(read_study_file(file), paths=paths).runs()) == 3 * 2 * 3
        else:
            assert build_profile(read_request(file, kind=ProfileRequest), paths=paths).kind == "difficulty"


def test_a_protocol_that_freezes_more_layers_than_a_model_has_is_refused_at_once(
    paths: AtlasPaths, model: str, tmp_path: Path
) -> None:
    file = tmp_path / "mine.yaml"
    stage = "{learning_rate: 1.0e-5, freeze_layers: 2}"
    file.write_text(f"name: mine\nsummary: Mine.\nintermediate: {stage}\ntarget: {stage}\n")
    request = _request(model, protocol=str(file))
    with pytest.raises(SpecError, match=r"has 2 layer\(s\) and the protocol says freeze_layers: 2; at least one"):
        build_study(request, paths=paths)
    assert len(problems(request, paths=paths)) == 1
    build_study(_request(model, protocol="quick-frozen"), paths=paths)
