"""Headless Chromium over a real server: every page, both themes, two widths, an empty and a filled store."""

from __future__ import annotations

import http.client
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest

from core.paths import REPO, AtlasPaths
from core.store.connection import Store
from core.store.ingest import ingest
from tests.e2e.accessible import violations
from tests.e2e.visiting import CHROMIUM, FLAGS, Server, Visit, heatmap, served, transfer
from tests.makers.home import bare, fill, profile
from tests.makers.tables import add_scores

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: pip install playwright")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine: apt-get install chromium")

PAGES = ("", "transfer", "analysis", "launch", "runs", "compare", "tasks", "glossary")
PARTS = ("Variance", "Measures", "Explore", "Cells", "Predictions", "Claims", "Next", "Numbers")
"""The tabs of Analysis that it does not open with."""


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with served(tmp_path_factory.mktemp("empty"), {}) as server:
        yield server


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    home = tmp_path_factory.mktemp("filled")
    ids = fill(home)
    with Store.open(AtlasPaths(home=home).database) as store:
        ingest(store, AtlasPaths(home=home))
        profile(store)
    with served(home, ids) as server:
        yield server


@pytest.fixture(scope="module")
def browser() -> Iterator[object]:
    with sync_api.sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield opened
        opened.close()


@pytest.mark.parametrize(("scheme", "width_px"), [("light", 1280), ("dark", 1280), ("light", 390), ("dark", 390)])
@pytest.mark.parametrize("kind", ["empty", "filled"])
def test_every_page(kind: str, scheme: str, width_px: int, browser: object, request: pytest.FixtureRequest) -> None:
    server: Server = request.getfixturevalue(kind)
    visit = Visit(browser, scheme=scheme, width_px=width_px)
    is_wide, found = width_px > 390, list[str]()
    parts = [f"analysis?part={part}" for part in PARTS] if server.ids and is_wide else []
    for page in (*PAGES, *parts):
        query = {
            "runs": "?run={finished}", "compare": "?ids={baseline},{finished},{skipping},{in_task}"
        }.get(page, "").format_map(server.ids) if server.ids else ""  # fmt: skip
        visit.go(f"{server.url}/{page}{query}")
        what = f"{page or 'overview'}, {kind} store, {scheme}, {width_px} px"
        visit.check(what)
        found += [f"{what}: {violation}" for violation in violations(visit.tab)] if is_wide else []
    assert found == []
    visit.tab.close()


@pytest.mark.parametrize(("name", "status"), [("127.0.0.1", 101), ("localhost", 101), ("evil.example", 403)])
def test_a_name_of_another_site_that_leads_here_is_refused(empty: Server, name: str, status: int) -> None:
    """Its page has one origin with its own name, whatever machine that name leads to."""
    host, port = empty.url.removeprefix("http://").split(":")
    asked = http.client.HTTPConnection(host, int(port), timeout=60)
    upgrade = {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "13"}
    who = {"Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==", "Host": f"{name}:{port}", "Origin": f"http://{name}:{port}"}
    asked.request("GET", "/_stcore/stream", headers=upgrade | who)
    assert asked.getresponse().status == status
    asked.close()


def test_deep_link_on_a_fresh_server(browser: object, tmp_path: Path) -> None:
    """The first visitor of a server comes by a link: the right page, one menu, no dialog."""
    with served(tmp_path, fill(tmp_path)) as server:
        visit = Visit(browser)
        visit.go(f"{server.url}/transfer?target=xquad&cell=de~squad")
        assert visit.tab.title() == "Transfer Atlas"  # the older router would say "transfer"
        assert visit.tab.get_by_role("heading", name="Transfer", exact=True).count() == 1
        assert visit.tab.get_by_role("dialog").count() == 0
        assert visit.tab.get_by_role("heading", name="German (de) after squad").count() == 1
        visit.check("deep link")
        visit.tab.close()


MAP, SCATTER = range(2)
"""The drawn figures of the Transfer page in their order."""
FOLLOW = """
    () => [...document.querySelectorAll('.js-plotly-plot')].map(figure => ({
        rings: figure.data.filter(t => t.marker?.symbol === 'circle-open' && t.marker.size === 22)
            .flatMap(t => [...t.x]),
    }))
"""
"""What each of them marks."""
"""What the table of the heatmap shows."""
SEEN = """
    box => {
        const area = box.getBoundingClientRect(), bottom = Math.min(area.bottom, innerHeight);
        const inside = cell => {
            const { left, right, bottom: low } = cell.getBoundingClientRect();
            return left >= area.left && right <= area.right + 1 && low <= bottom + 1;
        };
        return {
            columns: [...box.querySelectorAll('thead th')].filter(inside).length,
            langs: [...box.querySelectorAll('tbody th[data-lang]')].filter(inside).length,
        };
    }
"""
"""How much of the heatmap's table is on the screen."""
POINT = """
    ([figure, trace, name]) => {
        const plot = document.querySelectorAll('.js-plotly-plot')[figure], data = plot.data[trace];
        const { xaxis, yaxis, _size } = plot._fullLayout, box = plot.getBoundingClientRect();
        const i = [...data.text].indexOf(name);
        return [box.x + _size.l + xaxis.d2p(data.x[i]), box.y + _size.t + yaxis.d2p(data.y[i])];
    }
"""
"""Where on the screen a named point of a figure lies."""


def _click(visit: Visit, x: float, y: float) -> None:
    visit.tab.mouse.move(x, y)
    visit.tab.wait_for_timeout(300)
    visit.tab.mouse.click(x, y)


def test_a_click_goes_into_the_url_the_others_follow_and_back_takes_it_out(filled: Server, browser: object) -> None:
    visit = transfer(filled, browser, "target=xnli&cell=ru~mnli")
    visit.tab.wait_for_function("() => document.querySelectorAll('.js-plotly-plot').length === 2")
    assert violations(visit.tab) == []
    before = visit.tab.evaluate(FOLLOW)
    assert [len(figure["rings"]) for figure in before] == [2, 1]
    visit.tab.locator("td[data-lang=en][data-name=cola]").click()
    visit.tab.get_by_role("heading", name="English (en) after CoLA").wait_for()
    visit.settle()
    assert "cell=en%7Ecola" in visit.tab.url or "cell=en~cola" in visit.tab.url
    after = visit.tab.evaluate(FOLLOW)
    assert heatmap(visit)["chosen"] == [["en", "cola"]]
    assert after[MAP]["rings"] != before[MAP]["rings"] and after[SCATTER]["rings"] != before[SCATTER]["rings"]
    visit.tab.go_back()
    visit.tab.get_by_role("heading", name="Russian (ru) after MNLI").wait_for()
    visit.check("after Back")
    visit.tab.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_heatmap_and_map_stand_side_by_side_on_one_screen(filled: Server, browser: object, scheme: str) -> None:
    """At 1280 × 800 without scrolling: every intermediate, twelve languages, the whole map."""
    visit = transfer(filled, browser, "target=xnli", scheme=scheme)
    visit.tab.set_viewport_size({"width": 1280, "height": 800})
    visit.tab.wait_for_function("() => document.querySelectorAll('.js-plotly-plot').length === 2")
    visit.settle()
    seen = visit.tab.locator(".box").evaluate(SEEN)
    assert seen["columns"] == len(heatmap(visit)["names"]) >= 2 and seen["langs"] >= 12
    box = visit.tab.locator(".js-plotly-plot").first.bounding_box()
    assert box["y"] + box["height"] <= 800 and box["x"] + box["width"] <= 1280
    # The answer in three clicks, without scrolling: the target's picker, the target, the cell.
    visit.go(filled.url + "/transfer")
    visit.tab.get_by_role("combobox", name="Target").click()
    visit.tab.get_by_role("option", name="XNLI", exact=True).click()
    visit.tab.locator("td[data-lang=sw][data-name=mnli]").click()
    visit.tab.get_by_role("heading", name="Swahili (sw) after MNLI").wait_for()
    visit.settle()
    answer = visit.tab.get_by_text("95 % interval").first.bounding_box()
    assert answer["y"] + answer["height"] <= 800
    assert visit.tab.evaluate("document.querySelector('[data-testid=stMain]').scrollTop") == 0
    visit.tab.set_viewport_size({"width": 390, "height": 844})
    visit.settle()
    assert visit.tab.locator("tr:has(td[data-lang=en])").bounding_box()["y"] + 20 <= 844
    visit.tab.close()


def test_the_table_works_by_keyboard_and_says_what_a_cell_holds(filled: Server, browser: object) -> None:
    visit = transfer(filled, browser, "target=xnli")
    first = visit.tab.locator("[data-at='0,0']")
    first.focus()
    for key in ("ArrowDown", "ArrowDown", "ArrowRight"):
        visit.tab.keyboard.press(key)
    names, langs = heatmap(visit)["names"], heatmap(visit)["langs"]
    visit.tab.locator("[role=tooltip]").get_by_text("test examples").wait_for()
    visit.tab.keyboard.press("Enter")
    visit.tab.locator("td.chosen").wait_for()
    visit.settle()
    assert heatmap(visit)["chosen"] == [[langs[2], names[1]]]
    assert visit.tab.evaluate("document.activeElement.shadowRoot?.activeElement?.dataset.at") == "2,1"
    visit.check("by keyboard")
    visit.tab.close()


def test_clicks_on_map_and_scatter_choose_the_intermediate_everywhere(filled: Server, browser: object) -> None:
    visit = transfer(filled, browser, "target=xnli&cell=ru~mnli")
    visit.tab.wait_for_function("() => document.querySelectorAll('.js-plotly-plot').length === 2")
    for figure, name, title in ((MAP, "qqp", "QQP"), (SCATTER, "cola", "CoLA")):
        _click(visit, *visit.tab.evaluate(POINT, [figure, 0, title]))
        visit.tab.get_by_role("heading", name=f"Russian (ru) after {title}").wait_for()
        visit.settle()
        marked = visit.tab.evaluate(FOLLOW)
        assert heatmap(visit)["chosen"] == [["ru", name]]
        assert len(marked[SCATTER]["rings"]) == 1
    visit.check("after clicks on the map and the scatter")
    visit.tab.close()


def test_a_link_to_a_cell_opens_it_where_other_runs_are(filled: Server, browser: object, tmp_path: Path) -> None:
    """Copied on one home, opened on another that has more runs; Back is not caught by the completed address."""
    visit = transfer(filled, browser, "cell=ru~mnli&target=xnli")
    visit.tab.context.grant_permissions(["clipboard-read", "clipboard-write"])
    visit.tab.get_by_role("button", name="Copy link to this cell").click()
    visit.tab.get_by_role("button", name="Copied").wait_for()
    link = visit.tab.evaluate("navigator.clipboard.readText()")
    for part in ("collection=yours", "target=xnli", "model=", "metric=", "protocol=quick", "source=sample", "cell=ru"):
        assert part in link
    visit.tab.close()
    with Store.open(AtlasPaths(home=tmp_path).database) as store:
        rows = [
            (name, "udpos", lang, seed, 0.5) for name in ("none", "qqp") for lang in ("en", "de") for seed in range(9)
        ]
        frame = pd.DataFrame(rows, columns=["intermediate", "target", "lang", "seed", "score"])
        add_scores(store, frame.assign(data_source="mirror"))
    ids = fill(tmp_path)
    with served(tmp_path, ids) as server:
        first = transfer(server, browser, "")
        assert "target=udpos" in first.tab.url and "source=mirror" in first.tab.url
        first.go(server.url + link.removeprefix(filled.url))
        first.tab.get_by_role("heading", name="Russian (ru) after MNLI").wait_for()
        assert first.tab.get_by_text("The address names what is not here").count() == 0
        first.check("a link of another home")
        first.tab.close()


def test_a_paper_takes_two_clicks(filled: Server, browser: object, tmp_path: Path) -> None:
    visit = transfer(filled, browser, "target=xnli")
    for label, ending, begin in (("LaTeX table", "tex", b"% needs"), ("SVG", "svg", b"<?xml"), ("PDF", "pdf", b"%PDF")):
        visit.tab.get_by_role("button", name="For a paper").click()
        with visit.tab.expect_download() as download:
            visit.tab.get_by_role("button", name=label, exact=True).click()
        file = tmp_path / f"map.{ending}"
        download.value.save_as(file)
        assert file.read_bytes().startswith(begin)
        visit.tab.keyboard.press("Escape")
        visit.settle()
    visit.check("after the files")
    visit.tab.close()


def test_filtering_languages_changes_the_means(filled: Server, browser: object) -> None:
    visit = transfer(filled, browser, "target=xnli")
    before = heatmap(visit)["means"]
    visit.tab.get_by_text("Order, filter, seeds").click()
    # While the popover opens, a list that opens in it closes again.
    visit.settle()
    visit.tab.wait_for_function("() => document.getAnimations().every(moving => moving.playState !== 'running')")
    # The option itself is clicked: Enter chooses whatever the list has marked, all of it while it is being narrowed.
    visit.tab.get_by_role("combobox", name="Script").fill("Cyrillic")
    visit.tab.get_by_role("option", name="Cyrillic", exact=True).click()
    visit.tab.get_by_text("2 of 15 languages are kept").wait_for()
    visit.settle()
    after = heatmap(visit)["means"]
    assert before[0] != after[0] and before[1] != after[1]
    assert "script=Cyrl" in visit.tab.url
    visit.check("after the filter")
    visit.tab.close()


def test_languages_without_a_value_come_by_a_switch_that_stands_in_the_url(browser: object, tmp_path: Path) -> None:
    ids = fill(tmp_path)
    with Store.open(AtlasPaths(home=tmp_path).database) as store:
        ingest(store, AtlasPaths(home=tmp_path))
        bare(store, "bg", "th", "ur", "vi")
    with served(tmp_path, ids) as server:
        visit = transfer(server, browser, "target=xnli", width_px=390)
        visit.tab.get_by_text("4 of 15 languages have no value here: bg, th, ur, vi.").wait_for()
        assert len(heatmap(visit)["langs"]) == 1 + 11
        visit.check("without them")
        visit.tab.get_by_text("Order, filter, seeds").click()
        visit.tab.get_by_text("Show languages without a value").click()
        visit.tab.locator("td[data-lang=vi]").first.wait_for()
        visit.settle()
        assert "novalue=true" in visit.tab.url
        visit.go(visit.tab.url)
        visit.tab.locator("td[data-lang=vi]").first.wait_for()
        assert len(heatmap(visit)["langs"]) == 16
        visit.check("with them")
        visit.tab.close()


def test_a_phone_in_the_dark_chooses_by_the_pickers(filled: Server, browser: object) -> None:
    visit = transfer(filled, browser, "target=xnli", scheme="dark", width_px=390)
    for name, text in (("Language", "Russian"), ("Intermediate", "QQP")):
        visit.tab.get_by_role("combobox", name=name, exact=True).fill(text)
        visit.tab.keyboard.press("Enter")
        visit.settle()
    visit.tab.get_by_role("heading", name="Russian (ru) after QQP").wait_for()
    assert heatmap(visit)["chosen"] == [["ru", "qqp"]]
    visit.check("phone, dark")
    visit.tab.close()


def test_runs_are_sent_to_the_comparison_and_back_returns(filled: Server, browser: object) -> None:
    visit = Visit(browser)
    visit.go(f"{filled.url}/runs?run={filled.ids['finished']}")
    visit.tab.get_by_role("link", name="Compare with its baseline").click()
    visit.tab.get_by_role("heading", name="What differs", exact=True).wait_for()
    visit.settle()
    assert all(filled.ids[name] in visit.tab.url for name in ("finished", "baseline"))
    visit.tab.get_by_text("B − A:").wait_for()
    lines = visit.tab.locator(".js-plotly-plot").evaluate("plot => plot.data.map(line => line.name)")
    assert lines == ["A", "B"]
    visit.tab.get_by_text("Settings", exact=True).click()
    visit.tab.wait_for_function("() => document.querySelector('.js-plotly-plot')?.data?.[0].y.length === 2")
    assert "axes=Settings" in visit.tab.url
    visit.check("compare")
    visit.tab.go_back()  # each choice is an entry of the history
    visit.tab.wait_for_function("() => !location.search.includes('axes=Settings')")
    visit.settle()
    visit.tab.go_back()
    visit.tab.get_by_role("heading", name="Runs", exact=True).wait_for()
    visit.tab.close()


def test_the_first_screen_is_fast_and_torch_stays_away(tmp_path: Path) -> None:
    """`app.py` runs to its end in a process that has not loaded torch."""
    code = (
        "import sys; from streamlit.testing.v1 import AppTest;"
        "at = AppTest.from_file('app.py', default_timeout=60).run();"
        "print(bool(at.title), 'torch' in sys.modules, 'transformers' in sys.modules)"
    )
    environment = os.environ | {"ATLAS_HOME": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=REPO, env=environment, capture_output=True, text=True, check=False
    )
    assert done.stdout.split() == ["True", "False", "False"], done.stderr
