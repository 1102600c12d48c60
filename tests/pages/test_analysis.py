"""The analysis page over planted effects: the sentence, every part, the filter, and what to do on little."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest
from typer.testing import CliRunner

from core.actions import launch
from core.cli import main as cli
from core.errors import DiskFull
from core.jobs.fits import Fit, FitKind
from core.jobs.records import JobState
from core.paths import AtlasPaths
from core.queries.evidence import AnalysisOptions, PooledRuns, runs_to_pool
from core.queries.filters import Filter
from core.store.connection import Store
from pages.widgets import shared
from pages.widgets.analysis import data as analysis_data
from pages.widgets.analysis.choice import recompute
from tests.makers.tables import INTERMEDIATES, TARGETS, Planted, add_scores, planted
from tests.pages.conftest import Open, checked

PAGE = "pages/analysis.py"


def fill(home: Path, plan: Planted) -> None:
    with Store.open(home / "atlas.duckdb") as store:
        planted(store, plan)


def words(at: AppTest) -> str:
    return "\n".join(str(element.value) for element in [*at.markdown, *at.caption])


def test_the_answer_and_every_part(home: Path, open_page: Open) -> None:
    fill(home, Planted(difficulty=0.02, similarity=0.012, spread=0.005, seeds=(1, 2), targets=TARGETS[:3]))
    for part, sign in {
        "Effects": "Mean gain in % of the head-room", "Variance": "Within each target",
        "Measures": "specification curve", "Explore": "A picture is not a test", "Predictions": "A selector ranks",
        "Claims": "supported if the whole", "Next": "Narrower: by how much", "Numbers": "A scaled gain is a gain",
    }.items():  # fmt: skip
        at = open_page(PAGE, part=part)
        assert "This compares 12 intermediates" in words(at)
        text = words(at) + "".join(str(i.value) for i in at.info)
        assert sign.lower() in text.lower(), part


def test_every_selector_stands_beside_chance_on_its_own_pairs(home: Path, open_page: Open) -> None:
    fill(home, Planted(difficulty=0.02, spread=0.005, seeds=(1,), targets=TARGETS[:3]))
    at = open_page(PAGE, part="Predictions")
    rows = next(frame.value for frame in at.dataframe if "ndcg_over_random" in frame.value)
    judged = rows[rows["ndcg"].notna()]
    assert (judged["pairs"] > 0).all() and judged["ndcg_random"].notna().all()
    assert "−" in "".join(judged["ndcg_over_random_limits"]), "a difference has limits on both sides of zero somewhere"
    assert "for which its selector has a score" in words(at)


def test_a_launch_freezes_its_ranking_and_the_page_shows_it(home: Path, open_page: Open) -> None:
    fill(home, Planted(difficulty=0.02, seeds=(1,), targets=TARGETS[:3]))
    at = open_page(PAGE, part="Predictions")
    assert "None yet. Whenever two or more intermediates" in words(at)
    at = open_page("pages/launch.py", target="sib200", intermediate="qqp")
    picked = next(m for m in at.multiselect if m.label == "Intermediates")
    checked(picked.set_value(["qqp", "sst2"]).run())
    checked(next(b for b in at.button if b.label == "Start").click().run())
    assert len(list((home / "rankings").iterdir())) == 1
    at = open_page(PAGE, part="Predictions")
    shown = next(frame.value for frame in at.dataframe if "choice" in frame.value)
    assert set(shown["target"]) == {"sib200"}
    assert set(shown.loc[shown["selector"] == "difficulty", "state"]) == {"waiting"}
    assert set(shown.loc[shown["selector"] == "difficulty", "choice"]) <= {"qqp", "sst2"}


def test_a_launch_starts_even_where_nothing_can_be_written_down(
    home: Path, open_page: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(home, Planted(seeds=(1,), targets=TARGETS[:3]))

    def full(*_: object, **__: object) -> None:
        raise DiskFull("No space left to write it.")

    monkeypatch.setattr(launch, "save_ranking", full)
    at = open_page("pages/launch.py", target="sib200", intermediate="qqp")
    checked(next(m for m in at.multiselect if m.label == "Intermediates").set_value(["qqp", "sst2"]).run())
    checked(next(b for b in at.button if b.label == "Start").click().run())
    assert "are queued or running" in str(at.success[0].value)
    assert any("could not be saved: No space left" in str(w.value).replace("\\", "") for w in at.warning)


def test_the_command_asks_for_what_the_page_shows() -> None:
    pooled = PooledRuns("measured", "atlas-mini", "f", "quick", "d", "sample")
    runs = "--collection measured --model atlas-mini --protocol quick --data-source sample"
    options = AnalysisOptions(
        wanted=Filter(target=("sib200", "udpos")), difficulty="label_entropy", anchor="train", scripts=("Cyrl",),
        with_in_task=True, with_excluded=True,
    )  # fmt: skip
    said = {name: recompute(name, pooled, options).command for name in ("analyse", "predict", "next")}
    targets = "--target sib200 --target udpos"
    for name, command in said.items():
        assert command == (
            f"python -m core {name} {runs} {targets} --script Cyrl --difficulty label_entropy --anchor train "
            "--with-in-task --with-excluded --json"
        )
    cells = recompute("analyse", pooled, AnalysisOptions(), target="sib200").command
    assert cells == f"python -m core analyse {runs} --target sib200 --cells --json"
    every = recompute("analyse", pooled, AnalysisOptions(), every_measure=True).command
    assert every == f"python -m core analyse {runs} --every-measure --json"
    for words in (*said.values(), cells, every):  # every option is one of the command's
        parsed = CliRunner().invoke(cli.app, [*words.split()[3:], "--help"])
        assert parsed.exit_code == 0, parsed.output


def test_a_filter_that_leaves_nothing_says_so(home: Path, open_page: Open) -> None:
    with Store.open(home / "atlas.duckdb") as store:
        planted(store, Planted(seeds=(1,), targets=("sib200",), langs=("sw",)))
        rows = [(i, "udpos", "ru", 1, 0.5) for i in ("none", "mnli")]
        add_scores(store, pd.DataFrame(rows, columns=["intermediate", "target", "lang", "seed", "score"]))
    for part in ("Effects", "Variance", "Cells", "Predictions", "Next", "Numbers"):
        at = open_page(PAGE, part=part, target="sib200", script="Cyrl")
        assert "no answer yet" in words(at), part


def test_a_long_fit_does_not_keep_the_page_waiting(
    home: Path, open_page: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Above so many cells a process computes; the page has the rest at once, then the result, or why there is none."""
    fill(home, Planted(difficulty=0.02, similarity=0.012, spread=0.005, seeds=(1, 2), targets=TARGETS[:3]))
    beside = "off the squared error of that prediction"
    at_once = words(open_page(PAGE))
    assert beside in at_once
    now = Fit(JobState.RUNNING)
    asked: list[bool] = []

    def ask(kind: FitKind, cells: pd.DataFrame, *, paths: AtlasPaths, again: bool = False) -> Fit:
        if kind is FitKind.EVERY_MEASURE:
            return Fit(JobState.DONE, analysis_data.sensitivity(cells))
        assert (kind, len(cells), paths.home) == (FitKind.ADDITIVE_NULL, 140, home)
        asked.append(again)
        return now

    monkeypatch.setattr(analysis_data, "MANY_CELLS", 100)
    monkeypatch.setattr(analysis_data, "ask", ask)
    at = open_page(PAGE)
    assert "This compares 12 intermediates" in words(at)
    assert beside not in words(at), "not known yet"
    assert asked == [False, False], "by the page, and by the part that looks every second"
    now = Fit(JobState.FAILED, message="no disk")
    at = open_page(PAGE)
    assert "no disk" in at.error[0].value
    checked(next(b for b in at.button if b.label == "Try again").click().run())
    assert True in asked, "and not before somebody said so"
    now = Fit(JobState.DONE, analysis_data._held_out(*_arguments()))
    assert words(open_page(PAGE)) == at_once


def _arguments() -> tuple[tuple[str, int], PooledRuns, AnalysisOptions]:
    now = shared.version()
    with shared.store().cursor() as cur:
        return now, runs_to_pool(cur, Filter()), AnalysisOptions()


def test_the_sentence_follows_the_filter(home: Path, open_page: Open) -> None:
    fill(home, Planted(difficulty=0.02, spread=0.005, seeds=(1, 2), targets=TARGETS[:2]))
    assert "2 targets" in words(open_page(PAGE))
    one = words(open_page(PAGE, target=TARGETS[0]))
    assert "before 1 target in" in one
    assert "only one target, so the result may not hold for others" in one


@pytest.mark.parametrize("n", [3])
def test_too_few_conditions_say_so(home: Path, open_page: Open, n: int) -> None:
    fill(home, Planted(intermediates=INTERMEDIATES[:n], targets=TARGETS[:2]))
    assert f"{n} intermediates have a gain, a difficulty and a similarity" in words(open_page(PAGE))


def test_an_empty_store_shows_the_claims_and_what_they_need(home: Path, open_page: Open) -> None:
    del home
    at = open_page(PAGE, claim="P1")
    assert "24 not testable" in words(at)  # P4 is tested on the paper's own table, which is always there
    assert any("python -m core run" in str(code.value) for code in at.code)


def test_any_two_things_are_drawn_against_each_other_and_the_address_holds_them(home: Path, open_page: Open) -> None:
    fill(home, Planted(difficulty=0.02, spread=0.005, seeds=(1, 2), targets=TARGETS[:2]))
    at = open_page(PAGE, part="Explore", x="distance", y="baseline", colour="target")
    assert "92 points: one for each intermediate, target and language" in words(at)  # (12 × 2 − PAWS-X after PAWS) × 4
    picked = {box.label: box.value for box in at.selectbox}
    assert (picked["Across"], picked["Up"], picked["Colour by"]) == ("distance", "baseline", "target")
    checked(next(box for box in at.selectbox if box.label == "Across").set_value("similarity-mmd").run())
    assert at.query_params["x"] in ("similarity-mmd", ["similarity-mmd"])
    assert any("No cell has both" in str(info.value) for info in at.info)
