"""A committed gallery in headless Chromium: a fresh server shows it, with tests, at any width; its journeys."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from core.models.folders import fingerprint
from core.paths import REPO, AtlasPaths
from core.sample.build import ensure_sample
from core.sample.build import fingerprint as sample_fingerprint
from core.sample.spec import SampleSpec
from core.store.connection import Store
from core.store.exchange.tables import save_gallery
from tests.e2e.test_browser import sync_api
from tests.e2e.visiting import CHROMIUM, FLAGS, Server, Visit, heatmap, served, transfer
from tests.makers.tables import Planted, add_rows, planted

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine: apt-get install chromium")


@pytest.fixture(scope="module")
def committed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve intermediates on PAWS-X and others, three seeds; after MNLI four in ten more examples are right."""
    folder, rng = tmp_path_factory.mktemp("gallery"), np.random.default_rng(0)
    with Store.open(":memory:") as store:
        weights = fingerprint(REPO / "data" / "models" / "atlas-mini")
        planted(store, Planted(langs=("en", "de", "zh", "ko"), setting={"model_fingerprint": weights}))
        with store.write() as cur:
            # Credits of right and wrong have the score as their mean: whole hundredths.
            cur.execute("UPDATE scores SET score = round(0.5 * score, 2)")
            cur.execute(
                "UPDATE scores SET score = score + 0.4 WHERE run_id IN (FROM runs SELECT run_id "
                "WHERE intermediate = 'mnli')"
            )
        with store.cursor() as cur:
            keys = cur.execute("SELECT run_id, lang, metric, score FROM scores").df()
            ids = cur.execute("SELECT run_id FROM runs UNION ALL SELECT profile_id FROM profiles").fetchall()
        order = rng.permutation(100)
        correct = [(order < round(100 * score)).astype(float) for score in keys["score"]]
        add_rows(store, "credits", keys.drop(columns="score").assign(correct=correct))
        save_gallery(store, folder=folder, ids=[row[0] for row in ids])
    return folder


@pytest.fixture(scope="module")
def fresh(committed: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server whose home holds nothing."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ATLAS_GALLERY", str(committed))
        with served(tmp_path_factory.mktemp("home"), {}) as server:
            yield server


@pytest.fixture(scope="module")
def browser() -> Iterator[object]:
    with sync_api.sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield opened
        opened.close()


def test_the_first_visitor_of_a_fresh_server_sees_the_gallery_and_what_is_real(fresh: Server, browser: object) -> None:
    """By a deep link, in the dark, on a phone: the store is built from the committed files while the page waits."""
    visit = transfer(fresh, browser, "target=pawsx&cell=de~mnli", scheme="dark", width_px=390)
    visit.tab.get_by_role("heading", name="German (de) after MNLI").wait_for()
    visit.tab.get_by_text("differs from zero, corrected for").wait_for()
    visit.tab.get_by_text("Atlas mini, metric accuracy").wait_for()
    # Twelve intermediates fit on a phone, as whole numbers.
    box = visit.tab.locator("table.heatmap")
    assert box.evaluate("table => table.getBoundingClientRect().right") <= 390
    assert box.locator("td .short").first.is_visible() and not box.locator("td .full").first.is_visible()
    visit.check("a gallery on a phone")
    visit.tab.close()


def test_flipped_examples_and_the_command_of_a_committed_cell(fresh: Server, browser: object) -> None:
    visit = transfer(fresh, browser, "target=pawsx&cell=de~mnli")
    visit.tab.get_by_role("tab", name="Flipped examples").click()
    visit.tab.get_by_text("Exact McNemar test").wait_for()
    visit.tab.get_by_text("Runs that came with the program hold no answers").wait_for()
    visit.settle()
    visit.check("flips of a committed cell")
    visit.tab.close()


def test_ranks_and_single_seeds_are_switches_in_the_url_and_back_takes_them_out(fresh: Server, browser: object) -> None:
    visit = transfer(fresh, browser, "target=pawsx")
    gains = heatmap(visit)["means"]
    visit.tab.get_by_role("radio", name="rank", exact=True).click()
    visit.tab.get_by_text("Rank of the gain in its language").wait_for()
    visit.settle()
    assert "show=rank" in visit.tab.url
    ranks = heatmap(visit)["means"]
    assert ranks != gains and min(map(float, ranks)) >= 1
    visit.tab.go_back()
    visit.tab.get_by_text("Mean over seeds, in percentage points").wait_for()
    visit.settle()
    assert heatmap(visit)["means"] == gains
    assert "show=" not in visit.tab.url and "collection=" in visit.tab.url
    visit.tab.get_by_text("Order, filter, seeds").click()
    visit.tab.get_by_role("combobox", name="Seeds").fill("2")
    visit.tab.keyboard.press("Enter")
    visit.tab.get_by_text("Seed 2 alone").wait_for()
    visit.settle()
    assert "seeds=2" in visit.tab.url
    assert heatmap(visit)["means"] != gains
    visit.tab.go_back()
    visit.tab.get_by_text("Mean over seeds, in percentage points").wait_for()
    visit.settle()
    assert "seeds=" not in visit.tab.url and heatmap(visit)["means"] == gains
    visit.check("after the switches")
    visit.tab.close()


def test_languages_are_put_in_order_by_the_keyboard(fresh: Server, browser: object) -> None:
    visit = transfer(fresh, browser, "target=pawsx")
    visit.tab.get_by_text("Order, filter, seeds").click()
    visit.tab.get_by_role("combobox", name="Order languages by").fill("size")
    visit.tab.keyboard.press("Enter")
    visit.settle()
    assert heatmap(visit)["langs"] == ["mean", "en", "de", "zh", "ko"]  # 2.37, 1.09 and 0.47 million articles
    visit.check("another order")
    visit.tab.close()


def test_a_run_is_launched_by_clicks_and_its_gain_stands_beside_the_gallery(
    committed: Path, browser: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From the form to the marked column: ten clicks and three typed numbers, and a real training between."""
    monkeypatch.setenv("ATLAS_GALLERY", str(committed))
    # The generated sentences, few of them: all take twenty seconds of a processor to make.
    few = ensure_sample(AtlasPaths(home=tmp_path).cache, SampleSpec(scale=0.02))
    few.rename(few.with_name(sample_fingerprint(SampleSpec())))
    with served(tmp_path, {}) as server:
        visit, clicks = Visit(browser), 0

        def click(role: str, name: str, *, visit: Visit = visit) -> None:
            nonlocal clicks
            visit.tab.get_by_role(role, name=name).first.click()
            visit.tab.wait_for_timeout(300)
            clicks += 1

        visit.go(server.url + "/launch")
        for label, option in (("Models", "Atlas mini"), ("Targets", "PAWS-X")):
            field = visit.tab.locator("[data-testid=stMultiSelect]").filter(has_text=label)
            field.get_by_role("button", name="Clear all").click()
            clicks += 1
            click("combobox", label)
            click("option", option)
            visit.tab.keyboard.press("Escape")
            visit.settle()
        visit.tab.get_by_text("beside those that came with the program").wait_for()
        visit.tab.get_by_text("How many examples").click()
        clicks += 1
        for label in ("Training examples of the intermediate", "Training examples of the target", "Test examples per"):
            visit.tab.get_by_role("spinbutton", name=label).fill("10")
            visit.tab.keyboard.press("Enter")
            visit.settle()
        click("button", "Start")
        click("link", "Watch them")
        visit.tab.get_by_role("heading", name="QQP → PAWS-X").wait_for()
        onward = visit.tab.get_by_role("link", name="See its gain on Transfer")
        onward.wait_for(timeout=300_000)
        visit.check("a finished run")
        onward.click()
        clicks += 1
        visit.tab.get_by_role("heading", name="English (en) after QQP (yours)").wait_for()
        visit.settle()
        seen = heatmap(visit)
        assert {"qqp", "yours/qqp", "mnli"} <= set(seen["names"]) and seen["chosen"] == [["en", "yours/qqp"]]
        gain = visit.tab.locator("td.chosen .full").text_content()
        assert gain is not None and float(gain.strip("()*†").replace("−", "-")) in [n / 10 for n in range(-1000, 1001)]
        assert visit.tab.get_by_text("Columns “(yours)” are runs made here").count() == 1
        assert clicks == 10
        visit.check("beside the gallery")
        visit.tab.close()
