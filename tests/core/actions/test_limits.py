"""What a form may start on a server that others can reach."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.actions.limits import Limits, is_public, limits, n_runs, refusals, served_at
from core.errors import SpecError
from core.paths import AtlasPaths
from core.spec.run import DataSourceKind
from core.studies import StudyRequest, build_study

PLAIN = StudyRequest(models=("atlas-mini",), targets=("xnli",), intermediates=("mnli",))


@pytest.mark.parametrize(
    ("address", "public"),
    [("localhost", False), ("127.0.0.1", False), ("::1", False), ("0.0.0.0", True), ("", True), (None, True)],
)
def test_loopback_alone_is_this_machine(address: str | None, public: bool) -> None:
    assert is_public(address) == public


def test_a_checkout_is_served_to_this_machine_unless_the_environment_says_otherwise() -> None:
    assert served_at({}) == "localhost"
    assert served_at({"STREAMLIT_SERVER_ADDRESS": "0.0.0.0"}) == "0.0.0.0"


def test_nothing_is_limited_here_and_everything_there() -> None:
    assert limits({}, public=False) == Limits()
    assert limits({}, public=True) == Limits((), 200, 500, 5e9, 50)
    said = {"ATLAS_FOLDERS": "/data:/models", "ATLAS_MOST_RUNS": "3", "ATLAS_MOST_OPEN_RUNS": "4"}
    assert limits(said, public=False) == Limits((Path("/data"), Path("/models")), 3, 4)
    for wrong in ("many", "-1", "9" * 5000, "٣"):
        with pytest.raises(SpecError, match="ATLAS_MOST_RUNS is .*, expected a whole number"):
            limits({"ATLAS_MOST_RUNS": wrong}, public=True)
    with pytest.raises(SpecError, match="ATLAS_FOLDERS: '~nosuch/x' names no file or folder"):
        limits({"ATLAS_FOLDERS": "/data:~nosuch/x"}, public=False)


@pytest.mark.parametrize(
    "fields",
    [
        {"mirror": "/etc", "data_source": DataSourceKind.MIRROR},
        {"mirror": "ALLOWED/../secret", "data_source": DataSourceKind.MIRROR},
        {"mirror": "ALLOWED/link", "data_source": DataSourceKind.MIRROR},
        {"models": ("~/model",)},
        {"models": ("./model",)},
        {"models": ("x/../../etc",)},
        {"protocol": "/etc/protocol.yaml"},
        {"protocol": "~nosuch/x.yaml"},
    ],
    ids=str,
)
def test_folders_elsewhere_are_refused_unseen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fields: dict[str, object]
) -> None:
    (tmp_path / "allowed").mkdir()
    (tmp_path / "allowed" / "link").symlink_to("/etc")
    within = Limits(folders=(tmp_path / "allowed",))

    def placed(value: object) -> object:
        return value.replace("ALLOWED", str(tmp_path / "allowed")) if isinstance(value, str) else value

    request = PLAIN.model_copy(update={name: placed(value) for name, value in fields.items()})
    monkeypatch.setattr(Path, "is_dir", lambda _: pytest.fail("it was looked at"))
    (said,) = refusals(request, within=within, n_open=0, paths=AtlasPaths(tmp_path))
    assert "may not be named here" in said or "names no file or folder" in said


def test_folders_that_the_operator_lists_names_and_hub_ids_are_taken(tmp_path: Path) -> None:
    mirror = {"mirror": str(tmp_path / "hub"), "data_source": DataSourceKind.MIRROR}
    own = {"models": (str(tmp_path / "model"), "atlas-mini", "me/my-encoder"), "protocol": f"{tmp_path}/p.yaml"}
    request = PLAIN.model_copy(update=mirror | own)
    assert refusals(request, within=Limits(folders=(tmp_path,)), n_open=0, paths=AtlasPaths(tmp_path)) == []


def test_runs_are_counted_before_they_are_built(tmp_path: Path) -> None:
    paths = AtlasPaths(tmp_path)
    asked = PLAIN.model_copy(update={"seeds": (1, 2, 3), "targets": ("xnli", "pawsx")})
    assert n_runs(asked) == len(build_study(asked, paths=paths).runs()) == 12
    many = asked.model_copy(update={"seeds": tuple(range(100_000))})
    (said,) = refusals(many, within=Limits(runs=200), n_open=0, paths=paths)
    assert said.startswith("This asks for 400,000 runs, and one launch may queue 200 here.")
    assert refusals(asked, within=Limits(runs=12, open_runs=20), n_open=8, paths=paths) == []
    (said,) = refusals(asked, within=Limits(runs=12, open_runs=20), n_open=9, paths=paths)
    assert said.startswith("You have 9 runs that wait or run, and this asks for 12 more: 20 are allowed")


def test_a_disk_without_room_starts_nothing(tmp_path: Path) -> None:
    (said,) = refusals(PLAIN, within=Limits(free_bytes=1e18), n_open=0, paths=AtlasPaths(tmp_path / "new"))
    assert "of the server's disk are free, and 1,000,000,000 GB stay free (ATLAS_KEEP_FREE_GB)" in said
