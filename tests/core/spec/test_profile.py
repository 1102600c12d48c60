"""What can be asked of a profile, and what makes two requests the same one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from pydantic import ValidationError

from core.errors import SpecError, UnknownName
from core.models import MODELS
from core.paths import AtlasPaths
from core.protocols import PROTOCOLS
from core.spec.profile import ProfileKind, ProfileSpec, profile_id_of
from core.spec.run import DataSource, DataSourceKind
from core.studies import ProfileRequest, build_profile
from core.tasks import TASKS


def _spec(**changes: object) -> ProfileSpec:
    fields = {
        "kind": ProfileKind.DOMAIN,
        "model": MODELS["xlm-r-base"],
        "data_source": DataSource(kind=DataSourceKind.SAMPLE),
        "intermediates": ("qqp", "mnli@food,hard"),
        "targets": ("xnli",),
        "tasks": tuple(TASKS[name] for name in ("mnli", "qqp", "xnli")),
        "seed": 1,
    }
    return ProfileSpec.model_validate(fields | changes)


def test_the_order_typed_does_not_matter_and_what_decides_figures_does() -> None:
    spec = _spec()
    assert spec.profile_id == _spec(intermediates=("mnli@food,hard", "qqp", "qqp")).profile_id
    others = [_spec(n=500), _spec(seed=2), _spec(resamples=50), _spec(languages=("de",)), _spec(targets=())]
    assert len({spec.profile_id, *(other.profile_id for other in others)}) == 6


def test_a_model_folder_with_a_fingerprint_is_the_same_elsewhere() -> None:
    here, there = (MODELS["xlm-r-base"].model_copy(update={"path": p, "fingerprint": "f"}) for p in ("/a", "/b"))
    assert _spec(model=here).profile_id == _spec(model=there).profile_id
    spec = _spec(model=here)
    assert profile_id_of(json.loads(spec.canonical_json())) == spec.profile_id


def test_the_folder_of_a_profile_is_told_by_its_id(tmp_path: Path) -> None:
    paths, spec = AtlasPaths(tmp_path), _spec()
    assert paths.job(spec.profile_id).root == paths.profiles / spec.profile_id
    assert paths.job("0123456789ab").root == paths.runs / "0123456789ab"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"protocol": PROTOCOLS["quick"]}, "trains nothing, so it takes no protocol"),
        ({"kind": "difficulty"}, "needs a protocol"),
        ({"kind": "encoder", "protocol": PROTOCOLS["quick"], "intermediates": ()}, "at least one intermediate"),
        ({"kind": "selectors", "protocol": PROTOCOLS["quick"], "targets": ()}, "at least one target"),
        ({"intermediates": (), "targets": ()}, "at least one intermediate or target"),
        ({"intermediates": ("cola",)}, "no definition of cola"),
        ({"intermediates": ("MNLI?",)}, "does not name an intermediate"),
        ({"targets": ("qqp",)}, "not a target task"),
        ({"n": 3}, "greater than or equal to 10"),
    ],
)
def test_what_cannot_be_measured_is_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        _spec(**changes)


def test_languages_are_those_of_each_target() -> None:
    assert _spec(languages=("de", "jv")).scored_languages("xnli") == ("de",)
    assert _spec().scored_languages("xnli") == TASKS["xnli"].languages


def test_a_request_without_names_means_everything(tmp_path: Path) -> None:
    paths = AtlasPaths(tmp_path)
    spec = build_profile(ProfileRequest(model="xlm-r-base"), paths=paths)
    assert "mnli" in spec.intermediates
    assert {"xnli", "tatoeba"} <= set(spec.targets)
    assert spec.protocol is None
    encoder = build_profile(
        ProfileRequest(kind=ProfileKind.ENCODER, model="xlm-r-base", intermediates=("mnli",)), paths=paths
    )
    assert encoder.targets == ("tatoeba",)
    assert encoder.protocol == PROTOCOLS["quick"]


def test_a_wrong_request_says_what_to_do(tmp_path: Path) -> None:
    paths = AtlasPaths(tmp_path)
    with pytest.raises(UnknownName, match="mnli"):
        build_profile(ProfileRequest(model="xlm-r-base", intermediates=("mnil",)), paths=paths)
    with pytest.raises(SpecError, match=r"cannot be measured: a difficulty profile .* such as mnli\.$"):
        build_profile(ProfileRequest(model="xlm-r-base", kind=ProfileKind.DIFFICULTY), paths=paths)
