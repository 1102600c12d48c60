"""Every command that is printed is one that the program's own parser takes, and asks for what it stands beside."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from core.actions import launch as launching
from core.actions import queue
from core.actions.command import Basis, asking, basis_of, caution_of, command_of, completed, protocol_name, run_again
from core.claims.judging import needs
from core.claims.registry import CLAIMS
from core.cli.main import app
from core.paths import REPO, AtlasPaths
from core.protocols import PROTOCOLS, read_protocol_file
from core.queries.evidence import AnalysisOptions
from core.queries.filters import Filter
from core.report.gathered import commands, gather
from core.report.onefile import made, report_html
from core.spec.profile import ProfileKind
from core.spec.run import MIRROR, DataSourceKind, RunSpec
from core.store.connection import Store
from core.store.exchange.portable import portable_spec
from core.store.ingest import ingest
from core.studies import ProfileRequest, StudyRequest, build_profile, build_study
from tests.commands import commands_in, parse, start
from tests.fakes import toy_mirror, toy_protocol
from tests.makers.tables import INTERMEDIATES, TARGETS, Planted, planted

HUB = REPO.parent / "shared" / "hub"


@pytest.fixture(autouse=True)
def _data_are_there(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether what is printed asks for the right runs is looked at here, not whether the toy's data do for them."""
    monkeypatch.setattr("core.actions.launch.refuse_without_data", lambda *_, **__: None)


@pytest.fixture(autouse=True)
def _nothing_wakes_up(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (launching, queue):
        monkeypatch.setattr(module, "wake", lambda _paths: False)


@pytest.fixture
def paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AtlasPaths:
    monkeypatch.setenv("ATLAS_HOME", str(tmp_path / "home"))
    return AtlasPaths(home=tmp_path / "home")


@pytest.fixture
def gallery(monkeypatch: pytest.MonkeyPatch) -> None:
    """The committed results, whose runs on a mirror name no folder."""
    monkeypatch.setenv("ATLAS_GALLERY", str(REPO / "data" / "gallery"))


@pytest.fixture
def mirror(tmp_path: Path) -> str:
    root = toy_mirror(tmp_path / "hub", kinds=("classification",)).root
    assert root is not None
    return root


def protocol_file(folder: Path) -> Path:
    """A protocol of one's own, with the numbers that YAML and JSON write differently."""
    own = toy_protocol(learning_rate=3e-6).model_copy(
        update={"name": "own", "target_overrides": {"xnli": {"epochs": 2.5, "batch_size": 8, "patience": None}}}
    )
    return Path(protocol_name(own, paths=AtlasPaths(home=folder)))


def one_run(paths: AtlasPaths, **fields: object) -> RunSpec:
    request = StudyRequest.model_validate(
        {"intermediates": ("mnli~shuffled",), "targets": ("xnli",), "seeds": (7,)} | fields
    )
    return build_study(request, paths=paths).runs()[-1]


def again(run: RunSpec, paths: AtlasPaths, *, spec: str | None = None) -> str:
    """The command beside a run; the store holds nothing else."""
    row = {"spec": spec or run.canonical_json(), "intermediate": run.intermediate_name, "target": run.target}
    with Store.open(":memory:") as store:
        ingest(store, paths)
        with store.cursor() as cur:
            return str(run_again(cur, row | {"seed": run.seed}, paths=paths))


@pytest.mark.parametrize("own_protocol", [False, True])
@pytest.mark.parametrize("source", ["sample", "mirror"])
def test_a_run_is_asked_for_again_under_its_id(
    paths: AtlasPaths, mirror: str, tmp_path: Path, source: str, own_protocol: bool
) -> None:
    fields: dict[str, object] = {"data_source": source}
    fields |= {"mirror": mirror} if source == "mirror" else {}
    fields |= {"protocol": str(protocol_file(tmp_path / "elsewhere"))} if own_protocol else {}
    run = one_run(paths, **fields)
    command = again(run, paths)
    assert start(command) == [run.baseline().run_id, run.run_id]
    assert (f"--mirror {mirror}" in command) == (source == "mirror")
    assert ("--protocol quick" in command) != own_protocol


def test_a_protocol_is_written_once_and_read_as_the_same(paths: AtlasPaths) -> None:
    edited = PROTOCOLS["phang2020"].model_copy(update={"max_test_examples": 77})
    file = Path(protocol_name(edited, paths=paths))
    assert file == paths.protocols / f"phang2020-{edited.digest()}.yaml"
    assert read_protocol_file(file) == edited
    before = file.stat().st_mtime_ns
    assert protocol_name(edited, paths=paths) == str(file) and file.stat().st_mtime_ns == before
    assert [protocol_name(p, paths=paths) for p in PROTOCOLS.values()] == list(PROTOCOLS)
    assert len(list(paths.protocols.iterdir())) == 1


def test_a_mirror_that_was_taken_out_is_that_of_runs_made_here(paths: AtlasPaths, mirror: str) -> None:
    run = one_run(paths, data_source="mirror", mirror=mirror)
    committed = portable_spec(run.canonical_json())
    unknown = again(run, paths, spec=committed)
    assert f"--mirror {MIRROR}" in unknown and "google/xtreme" in caution_of(unknown)
    start(again(run, paths))
    known = again(run, paths, spec=committed)
    assert f"--mirror {mirror}" in known and caution_of(known) == ""


def test_a_model_without_a_name_is_named_by_its_folder_or_hub_id(paths: AtlasPaths) -> None:
    run = one_run(paths)
    raw = json.loads(run.canonical_json())
    raw["model"] |= {"path": "/models/mine", "name": "mine-0123456789ab"}
    assert basis_of(json.dumps(raw), paths=paths).model == "/models/mine"
    raw["model"] |= {"path": "me/my-encoder", "name": "me--my-encoder"}
    assert basis_of(json.dumps(raw), paths=paths).model == "me/my-encoder"


def test_a_profile_of_texts_keeps_its_encoder() -> None:
    basis = Basis("xlm-r-base", "standard", DataSourceKind.HUB, None)
    texts = completed(ProfileRequest(intermediates=("mnli",)), basis)
    trained = completed(ProfileRequest(kind=ProfileKind.DIFFICULTY, intermediates=("mnli",)), basis)
    assert isinstance(texts, ProfileRequest) and isinstance(trained, ProfileRequest)
    assert (texts.model, texts.protocol, texts.data_source) == (ProfileRequest().model, None, "hub")
    assert (trained.model, trained.protocol) == ("xlm-r-base", "standard")


@pytest.mark.parametrize(
    "request_",
    [
        StudyRequest(targets=("xnli", "panx"), intermediates=("none", "mnli+qqp"), seeds=(1, 2), name="two"),
        StudyRequest(targets=("xnli",), intermediates=("mnli",), with_baselines=False, protocol="standard"),
        ProfileRequest(intermediates=("mnli@food,hard",), targets=("xnli",), languages=("de", "sw"), n=50, seed=3),
        ProfileRequest(kind=ProfileKind.SELECTORS, intermediates=("mnli",), targets=("xnli",), protocol="quick"),
    ],
    ids=["study", "without baselines", "texts", "selectors"],
)
def test_a_request_is_the_same_from_its_command(paths: AtlasPaths, request_: StudyRequest | ProfileRequest) -> None:
    if isinstance(request_, StudyRequest):
        wanted = [run.run_id for run in build_study(request_, paths=paths).runs()]
    else:
        wanted = [build_profile(request_, paths=paths).profile_id]
    assert start(str(command_of(request_))) == wanted


def test_every_claim_that_needs_runs_names_a_study() -> None:
    found = [needs(claim) for claim in CLAIMS.values() if claim.request]
    assert len(found) > 10
    assert {parse(command) for command in found} == {"run"}


def test_filters_are_options_of_every_command_that_takes_them() -> None:
    wanted = Filter(
        collection="yours", model=("atlas-mini", "mbert"), target="xnli", langs=("de", "sw"), protocol="quick",
        data_source="hub",
    )  # fmt: skip
    options = AnalysisOptions(
        wanted=wanted, difficulty="label_entropy", similarity="mmd", anchor="train",
        with_in_task=True, with_excluded=True,
        families=("Turkic",), scripts=("Cyrl", "Arab"),
    )  # fmt: skip
    for name in ("claims", "gains"):
        assert parse(str(asking("claims", wanted))) == "claims", name
    for name, before in (("analyse", ()), ("predict", ()), ("next", ()), ("report", ("a.html",)), ("gallery", ("g",))):
        command = asking(name, wanted, options=options, before=before, after=("--json",))
        assert parse(str(command)) == name
        assert command.words.count("--script") == 2
        assert {"--with-in-task", "--with-excluded"} <= set(command.words)
    for name, before in (("export", ("a.csv",)), ("figure", ("a.svg",))):
        assert parse(str(asking(name, wanted, before=before))) == name


def answers(*words: str) -> list[dict[str, object]]:
    done = CliRunner().invoke(app, [*words, "--json"], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    found: list[dict[str, object]] = json.loads(done.stdout)
    return found


def test_what_commands_and_reports_print_starts(paths: AtlasPaths) -> None:
    paths.home.mkdir()
    few = Planted(intermediates=INTERMEDIATES[:8], targets=TARGETS[:2], seeds=(1,))
    with Store.open(paths.database) as store:
        planted(store, few)
        with store.write() as cur:
            cur.execute("DELETE FROM difficulties WHERE intermediate = 'qqp'")
            cur.execute("DELETE FROM runs WHERE intermediate = 'none' AND target = ?", [TARGETS[1]])
        with store.cursor() as cur:
            found = gather(cur, AnalysisOptions(), paths=paths)
    printed = [row for name in ("analyse", "predict", "claims", "next") for row in answers(name)]
    texts = [value for row in printed for value in row.values()]
    texts += [report_html(found, made=made_now()), *(c.command for c in found.chapters)]
    texts += [command for _, command in commands(found.options)]
    lines = commands_in(texts)
    asked = [line for line in lines if parse(line) in {"run", "profile"}]
    kinds = {line.split("--kind ")[1].split()[0] for line in asked if "--kind" in line}
    assert {"difficulty", "selectors"} <= kinds and len(asked) > 15
    for line in asked:
        assert start(line), line


def made_now() -> object:
    from datetime import UTC, datetime  # noqa: PLC0415

    return made(datetime.now(UTC))


@pytest.mark.usefixtures("gallery")
@pytest.mark.parametrize("folder", ["toy", "hub"])
def test_every_proposal_on_a_mirror_starts(paths: AtlasPaths, mirror: str, folder: str) -> None:
    """On the committed gallery, whose specs name no folder: with the mirror given, and then with one that runs here."""
    if folder == "hub" and not HUB.is_dir():
        pytest.skip("no copy of XTREME beside the checkout")
    root = mirror if folder == "toy" else str(HUB)
    asked = ("next", "--with-excluded", "--data-source", "mirror", "--mirror", root)
    given = [str(row["command"]) for row in answers(*asked) if row["command"]]
    if folder == "toy":  # it has none of the data: nothing is proposed that could only fail
        assert given == []
        return
    assert len(given) >= 5, "four open contrasts, and profiles"
    assert not any("--kind difficulty" in command and "~mlm" in command for command in given)
    for command in given:
        assert start(command), command
    again = ("next", "--with-excluded", "--data-source", "mirror", "--collection", "measured")
    remembered = [str(row["command"]) for row in answers(*again) if row["command"]]
    assert remembered == given


@pytest.mark.usefixtures("gallery")
def test_without_a_known_mirror_the_user_is_asked_for_it(paths: AtlasPaths) -> None:
    del paths
    done = CliRunner().invoke(app, ["next", "--data-source", "mirror"], catch_exceptions=False)
    assert MIRROR in done.stdout
    assert f"Replace {MIRROR} in the command by the folder of your copy of the data" in done.stderr
    for command in commands_in([done.stderr]):
        assert parse(command) == "next"


def test_literal_commands_in_the_program_exist() -> None:
    names = {command.name or command.callback.__name__ for command in app.registered_commands if command.callback}
    names = {name.rstrip("_") for name in names}
    for file in [*(REPO / "core").rglob("*.py"), *(REPO / "pages").rglob("*.py")]:
        for name in re.findall(r"python -m core ([a-z-]+)", file.read_text(encoding="utf-8")):
            assert name in names, f"{file.relative_to(REPO)}: python -m core {name}"
