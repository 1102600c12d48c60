"""The form, the command and the gallery's tool start the same thing: same runs, same ranking, same words."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import pytest
import streamlit as st
import yaml
from streamlit import config
from streamlit.runtime.secrets import Secrets
from streamlit.testing.v1 import AppTest
from typer.testing import CliRunner

from core.actions import plan as actions_plan
from core.actions.queue import cancel, looked_at, retry
from core.cli.main import app, spread
from core.models.available import Availability
from core.models.default import default_model
from core.paths import REPO, AtlasPaths
from core.protocols import read_protocol_file
from core.store.connection import Store
from pages.widgets import server, sign_in
from tests.makers.tables import TARGETS, Planted, planted
from tests.pages.conftest import Open, checked
from tools import gallery

Stored = dict[str, object]


def stored(home: Path) -> dict[str, Stored]:
    """Every file of the queue and of the rankings by its place, without the moment at which it was written."""
    found = {}
    for file in sorted([*home.glob("runs/*/*.json"), *home.glob("rankings/*.json")]):
        content = json.loads(file.read_bytes())
        content.pop("submitted_at", None), content.pop("frozen_at", None)
        found[str(file.relative_to(home))] = content
    return found


def fill(home: Path) -> None:
    with Store.open(home / "atlas.duckdb") as store:
        planted(store, Planted(difficulty=0.02, seeds=(1,), targets=TARGETS[:3]))


def from_page(home: Path, open_page: Open, intermediates: list[str]) -> tuple[dict[str, Stored], list[str]]:
    at = open_page("pages/launch.py", target="sib200")
    checked(next(m for m in at.multiselect if m.label == "Intermediates").set_value(intermediates).run())
    checked(next(b for b in at.button if b.label == "Start").click().run())
    before = next(
        i for i, caption in enumerate(at.caption) if str(caption.value).startswith("The same from a terminal")
    )
    told = [str(at.success[0].value), *(str(c.value) for c in at.caption[:before]), *(str(w.value) for w in at.warning)]
    return stored(home), [text for text in told if "queued" in text or "ranking of" in text]


def from_command(
    home: Path, intermediates: list[str], monkeypatch: pytest.MonkeyPatch
) -> tuple[dict[str, Stored], list[str]]:
    monkeypatch.setenv("ATLAS_HOME", str(home))
    words = ["run", "--intermediate", *intermediates, "--target", "sib200", "--no-wait", "--json"]
    done = CliRunner().invoke(app, spread(words), catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return stored(home), done.stderr.splitlines()


@pytest.mark.parametrize(
    ("intermediates", "is_full"), [(["qqp", "sst2"], False), (["qqp"], False), (["qqp", "sst2"], True)]
)
def test_page_and_command_launch_alike(
    home: Path, tmp_path_factory: pytest.TempPathFactory, open_page: Open, monkeypatch: pytest.MonkeyPatch,
    intermediates: list[str], is_full: bool,
) -> None:  # fmt: skip
    other = tmp_path_factory.mktemp("other")
    for each in (home, other):
        fill(each)
        if is_full:  # a file where the folder of the rankings should be made
            AtlasPaths(each).rankings.write_text("")
    files, told = from_page(home, open_page, intermediates)
    same_files, same_told = from_command(other, intermediates, monkeypatch)
    assert files == same_files
    assert [text.replace("\\", "").replace(str(home), "HOME") for text in told] == [
        text.replace(str(other), "HOME") for text in same_told
    ]
    n_rankings = sum(name.startswith("rankings/") for name in files)
    assert n_rankings == (len(intermediates) > 1 and not is_full)
    assert len([name for name in files if name.endswith("spec.json")]) == len(intermediates) + 1
    assert told[0] == f"{len(intermediates) + 1} of {len(intermediates) + 1} runs are queued or running."
    assert len(told) == (1 if len(intermediates) == 1 else 2)


@pytest.mark.parametrize(
    ("slots", "devices", "said"),
    [
        (("cpu:0", "cpu:1"), ["auto", "cpu"], "2 runs at a time: cpu:0, cpu:1"),
        (("cuda:0", "cuda:1"), ["auto", "cuda:0", "cuda:1", "cpu"], "2 runs at a time: cuda:0, cuda:1."),
    ],
)
def test_how_jobs_compute_is_chosen_queued_and_printed(
    home: Path, open_page: Open, monkeypatch: pytest.MonkeyPatch, slots: tuple[str, ...], devices: list[str], said: str
) -> None:
    """Only what was chosen is said; the ids are those of the usual execution."""
    monkeypatch.setattr(actions_plan, "_slots", lambda: slots)
    at = open_page("pages/launch.py", target="sib200")

    def command() -> str:
        return next(str(code.value) for code in at.code if "-m core run" in str(code.value))

    usual = command()
    assert not {"--device", "--precision", "--batch-tokens", "--backend"} & set(usual.split())
    assert any(said in str(caption.value) for caption in at.caption)
    device = next(s for s in at.selectbox if s.label == "Device")
    assert device.options == [f"auto ({', '.join(slots)})", *devices[1:]]
    checked(device.set_value("cpu").run())
    checked(next(s for s in at.segmented_control if s.label == "Precision").set_value("fp32").run())
    checked(next(n for n in at.number_input if n.label.startswith("Tokens")).set_value(2048).run())
    assert command() == f"{usual} --device cpu --batch-tokens 2048 --precision fp32"
    checked(next(t for t in at.toggle if t.label == "Gradient checkpointing").set_value(True).run())
    assert command() == f"{usual} --device cpu --batch-tokens 2048 --precision fp32 --gradient-checkpointing"
    checked(next(b for b in at.button if b.label == "Start").click().run())
    jobs = [content for name, content in stored(home).items() if name.endswith("job.json")]
    names = ("device", "precision", "batch_tokens", "gradient_checkpointing")
    assert [tuple(job[name] for name in names) for job in jobs] == [("cpu", "fp32", 2048, True)] * 2
    other = {name for name in stored(home) if name.endswith("spec.json")}
    assert other == {f"runs/{job['run_id']}/spec.json" for job in jobs}


def test_a_home_with_a_cluster_has_the_choice_where_jobs_run(
    home: Path, open_page: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.jobs.slurm.engine.is_here", lambda: True)

    def where(at: AppTest) -> list[Any]:
        return [s for s in at.segmented_control if s.label == "Where"]

    assert where(open_page("pages/launch.py", target="sib200")) == []
    (home / "backend.yaml").write_text("slurm: {partition: gpu}")
    at = open_page("pages/launch.py", target="sib200")
    (choice,) = where(at)
    assert (choice.options, choice.value) == (["local", "slurm", "ray"], "local")
    checked(choice.set_value("slurm").run())
    assert any(str(code.value).endswith(" --backend slurm") for code in at.code)
    assert any("jobs run where slurm has room" in str(caption.value) for caption in at.caption)
    (home / "backend.yaml").write_text("slurm: {partion: gpu}")
    checked(at.run())
    assert any("Did you mean 'partition'?" in str(warning.value) for warning in at.warning), "before anything starts"


@pytest.mark.parametrize("has_wheel", [True, False])
def test_the_form_begins_with_the_real_encoder_or_says_why_not(
    home: Path, open_page: Open, monkeypatch: pytest.MonkeyPatch, has_wheel: bool
) -> None:
    del home
    monkeypatch.setattr("core.models.default.availability", lambda _model: Availability(has_wheel, ""))
    at = open_page("pages/launch.py", target="sib200")
    models = next(m for m in at.multiselect if m.label == "Models")
    assert models.value == ["e5-small-q4" if has_wheel else "atlas-mini"]
    assert "Atlas mini (bundled): small, for a first try" in models.options
    said = [str(caption.value) for caption in at.caption if "The default model is" in str(caption.value)]
    assert said == ([] if has_wheel else [default_model().why])
    at = open_page("pages/launch.py", target="sib200", model="mbert")
    assert next(m for m in at.multiselect if m.label == "Models").value == ["mbert"]


def test_the_gallery_launches_as_the_command_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    home, other = tmp_path / "home", tmp_path / "other"
    for each in (home, other):
        each.mkdir()
        fill(each)
    same_files, same_told = from_command(other, ["qqp", "sst2"], monkeypatch)
    monkeypatch.setenv("ATLAS_HOME", str(home))
    monkeypatch.setattr(gallery, "_follow", lambda *_, **__: None)
    study = tmp_path / "study.yaml"
    study.write_text(yaml.safe_dump({"intermediates": ["qqp", "sst2"], "targets": ["sib200"]}))
    capsys.readouterr()
    gallery.main([study], wait=True, folder=tmp_path / "gallery")
    assert stored(home) == same_files
    assert any(name.startswith("rankings/") for name in same_files)
    assert capsys.readouterr().err.splitlines() == [f"study: {text}" for text in same_told]


def test_a_home_for_visitors_says_why_nothing_starts(
    ids: dict[str, str], home: Path, open_page: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ATLAS_READ_ONLY", "1")
    n_runs = len(list((home / "runs").iterdir()))
    for page in ("tasks", "compare", "transfer"):
        said = [i.value.replace("\\", "") for i in open_page(f"pages/{page}.py").info]
        assert sum("nothing can be started or changed here" in text for text in said) == 1, page
    at = open_page("pages/launch.py")
    assert any("nothing can be started or changed here" in w.value.replace("\\", "") for w in at.warning)
    assert next(b for b in at.button if b.label == "Start").disabled
    at = open_page("pages/runs.py", run=ids["failed"])
    checked(next(b for b in at.button if b.label == "Retry").click().run())
    assert any("nothing can be started or changed here" in e.value.replace("\\", "") for e in at.error)
    assert len(list((home / "runs").iterdir())) == n_runs and not (home / "atlas.duckdb").exists()


def test_on_a_server_that_others_can_reach_a_form_names_no_folder_and_starts_few(
    home: Path, open_page: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "is_public", lambda _address: True)
    monkeypatch.setenv("ATLAS_KEEP_FREE_GB", "0")
    monkeypatch.setenv("ATLAS_MOST_OPEN_RUNS", "3")
    at = open_page("pages/launch.py")
    next(t for t in at.text_input if t.label == "Seeds").set_value("1 2")
    checked(at.run())
    assert any("this asks for 4 more: 3 are allowed" in w.value.replace("\\", "") for w in at.warning)
    assert next(b for b in at.button if b.label == "Start").disabled
    at.multiselect[0].set_value(["/etc"])
    checked(at.run())
    assert any("'/etc' may not be named here" in w.value.replace("\\", "") for w in at.warning)
    assert not any("No folder" in w.value for w in at.warning), "it was looked at"
    checked(at.segmented_control(key="own_kind").set_value("model").run())
    (example,) = [area for area in at.text_area if "path:" in area.value]
    checked(example.set_value(re.sub(r"(?m)^path: .*$", "path: /etc", example.value)).run())
    checked(at.button(key="own_keep").click().run())
    assert "'/etc' may not be named here" in at.error[0].value.replace("\\", "")
    assert not AtlasPaths(home).user_models.exists(), "it would be a name for any folder"


def _command(at: AppTest) -> str:
    return next(str(code.value) for code in at.code if "-m core run" in str(code.value))


def test_the_form_is_filled_from_a_run(ids: dict[str, str], open_page: Open, home: Path) -> None:
    """The link of a run's panel leads to the same command as the panel prints."""
    del home
    at = open_page("pages/runs.py", run=ids["finished"])
    again = next(str(code.value) for code in at.code if "-m core run" in str(code.value))
    (link,) = [found for found in at.get("page_link") if found.proto.label == "New from this"]
    asked = parse_qsl(link.proto.query_string)
    launch = AppTest.from_file(str(REPO / "app.py"), default_timeout=120)
    for name, value in asked:
        launch.query_params[name] = [*launch.query_params.get(name, []), value]
    checked(launch.run()).switch_page("pages/launch.py")
    assert _command(checked(launch.run())) == again


def test_slices_thirds_and_sizes_are_chosen(home: Path, open_page: Open) -> None:
    at = open_page("pages/launch.py", target="sib200", intermediate="mnli")
    checked(
        next(p for p in at.get("button_group") if p.label == "What of each is trained on")
        .set_value(["real", "hardest"])
        .run()
    )
    checked(next(p for p in at.get("button_group") if p.label == "Domain").set_value("food").run())
    checked(at.number_input(key="size_target").set_value(100).run())
    words = _command(at).split()
    between = words[words.index("--intermediate") + 1 : words.index("--target")]
    assert between == ["mnli@food", "mnli@food,hardest"]
    file = Path(words[words.index("--protocol") + 1])
    assert file.parent == home / "protocols" and read_protocol_file(file).target.max_train_examples == 100


def test_a_task_of_ones_own_is_tried_kept_and_refused_without_data(home: Path, open_page: Open) -> None:
    at = open_page("pages/launch.py", target="sib200")
    example = str(at.text_area[0].value)
    checked(at.text_area[0].set_value(example.replace("chance: 0.5", "chance: 7")).run())
    checked(at.button(key="own_keep").click().run())
    assert any("chance" in str(error.value) for error in at.error)
    checked(at.text_area[0].set_value(example).run())
    checked(at.button(key="own_keep").click().run())
    assert [file.name for file in (home / "tasks").iterdir()] == ["galician_topics.yaml"]
    targets = next(m for m in at.multiselect if m.label == "Targets")
    assert "Galician topics (no data here)" in targets.options
    checked(targets.set_value(["galician_topics"]).run())
    assert any("they hold no data set 'me/topics'" in str(w.value).replace("\\", "") for w in at.warning)
    assert next(b for b in at.button if b.label == "Start").disabled


def _below() -> None:
    from pages.widgets.sign_in import sign_out  # noqa: PLC0415  # a script of its own

    sign_out()


AUTH = {
    "redirect_uri": "https://atlas.example.org/oauth2callback", "cookie_secret": "x", "client_id": "y",
    "client_secret": "z", "server_metadata_url": "https://accounts.example.org/.well-known/openid-configuration",
}  # fmt: skip


def with_secrets(monkeypatch: pytest.MonkeyPatch, **content: object) -> None:
    secrets = Secrets()
    secrets._secrets = content
    monkeypatch.setattr(st, "secrets", secrets)


def test_where_visitors_sign_in_a_run_keeps_who_launched_it(
    home: Path, open_page: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_secrets(monkeypatch, auth=AUTH)
    monkeypatch.setattr(st, "user", {"is_logged_in": False})
    monkeypatch.setattr(sign_in, "find_spec", lambda _name: None)
    at = checked(AppTest.from_file(str(REPO / "app.py"), default_timeout=120).run())
    assert "pip install 'streamlit[auth]'" in at.error[0].value and not at.button
    monkeypatch.setattr(sign_in, "find_spec", lambda _name: "there")
    checked(at.run())
    assert [b.label for b in at.button] == ["Sign in"] and not (home / "atlas.duckdb").exists()
    monkeypatch.setattr(st, "user", {"is_logged_in": True, "email": "ada@example.org", "name": "Ada"})
    at = open_page("pages/launch.py", target="sib200")
    checked(next(b for b in at.button if b.label == "Start").click().run())
    jobs = {name: job for name, job in stored(home).items() if name.endswith("job.json")}
    assert [job["launched_by"] for job in jobs.values()] == ["ada@example.org"] * 2
    below = checked(AppTest.from_function(_below).run())
    assert [text.value for text in below.text] == ["Signed in as ada@example.org"]
    assert [b.label for b in below.button] == ["Sign out"]
    known = next(iter(jobs.values()))["run_id"]
    cancel([str(known)], paths=AtlasPaths(home)), retry([str(known)], paths=AtlasPaths(home))
    assert looked_at(str(known), paths=AtlasPaths(home)).launched_by == "ada@example.org", "whoever retries it"
    monkeypatch.setattr(st, "user", {"is_logged_in": True, "email": "", "name": "A\n" * 400 + "\udcff"})
    assert sign_in.visitor() == "A " * 100


@pytest.mark.parametrize(
    ("auth", "said"),
    [
        ({}, "The section [auth] of this server's secrets is empty."),
        ("x", "The section [auth] of this server's secrets is empty."),
        ({"client_id": "y"}, "lack what a sign-in needs: redirect_uri in [auth], cookie_secret in [auth], client_sec"),
        (AUTH | {"cookie_secret": " "}, "needs: cookie_secret in [auth]."),
        (AUTH | {"client_id": 5}, "needs: client_id in [auth]."),
        (AUTH | {"acme": {"client_id": "y"}}, "client_secret in [auth.acme], server_metadata_url in [auth.acme]."),
        (AUTH | {"redirect_uri": "https://atlas.example.org/"}, "must end with /oauth2callback"),
        (AUTH | {"a_b": AUTH}, "a name without '_' is expected"),
        (AUTH | {"client_kwargs": {"prompt": "login"}}, None),
        (AUTH | {"acme": AUTH}, None),
    ],
)
def test_secrets_that_let_nobody_sign_in_are_said(
    auth: object, said: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sign_in, "find_spec", lambda _name: "there")
    found = sign_in.unusable(auth)
    assert (said is None and found is None) or (said is not None and found is not None and said in found)


@pytest.mark.parametrize("content", [b"[auth\n", b'[auth]\nclient_id = "\xff"\n', b"[auth]\n", None])
def test_secrets_that_cannot_be_used_shut_the_server(
    content: bytes | None, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a letter too few in its secrets a server that asked for a sign-in was open to everybody."""
    file = tmp_path / "secrets.toml"
    file.mkdir() if content is None else file.write_bytes(content)
    monkeypatch.setattr(st, "secrets", Secrets())
    usual = st.get_option
    monkeypatch.setattr(st, "get_option", lambda name: [str(file)] if name == "secrets.files" else usual(name))
    monkeypatch.setattr(config, "get_option", st.get_option)
    monkeypatch.setattr(sign_in, "find_spec", lambda _name: "there")
    at = checked(AppTest.from_file(str(REPO / "app.py"), default_timeout=120).run())
    wanted = "is empty" if content == b"[auth]\n" else "The secrets of this server cannot be read."
    assert wanted in at.error[0].value and not at.button and not at.markdown
    assert not (home / "atlas.duckdb").exists(), "nothing was looked up"
    file.rmdir() if content is None else file.write_bytes(b"other = 1\n")
    st.secrets._secrets = None
    at = checked(AppTest.from_file(str(REPO / "app.py"), default_timeout=120).run())
    assert not at.error and (home / "atlas.duckdb").exists(), "secrets without a sign-in ask for none"


@pytest.mark.parametrize(("variable", "value"), [("ATLAS_STATES_GB", "inf"), ("ATLAS_BACKEND", "slrm")])
def test_what_the_environment_says_wrongly_of_jobs_is_said_above_the_plan(
    open_page: Open, monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    monkeypatch.setenv(variable, value)
    (warning,) = open_page("pages/launch.py").warning
    assert variable in str(warning.value).replace("\\", "") and value in str(warning.value)
