"""The static gallery and the report in headless Chromium, opened from disk: no server, no request but to files."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from core.cli.main import app
from core.store.connection import Store
from tests.e2e.accessible import violations
from tests.e2e.test_browser import sync_api
from tests.e2e.visiting import CHROMIUM, FLAGS
from tests.makers.home import fill, profile

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine: apt-get install chromium")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The gallery and the report of the fixture's runs."""
    home, out = tmp_path_factory.mktemp("home"), tmp_path_factory.mktemp("out")
    fill(home)
    with Store.open(home / "atlas.duckdb") as store:
        profile(store)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ATLAS_HOME", str(home))
        for words in (["gallery", str(out / "gallery")], ["report", str(out / "report.html")]):
            done = CliRunner().invoke(app, words, catch_exceptions=False)
            assert done.exit_code == 0, done.output
    return out


@pytest.fixture(scope="module")
def browser() -> Iterator[object]:
    with sync_api.sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield opened
        opened.close()


class Visit:
    """A tab on files that remembers what went wrong in it."""

    def __init__(self, browser: object, *, scheme: str = "light", width_px: int = 1280) -> None:
        self.tab = browser.new_page(color_scheme=scheme, viewport={"width": width_px, "height": 900})  # type: ignore[attr-defined]  # playwright is optional here
        self.tab.set_default_timeout(60_000)
        self.wrong: list[str] = []
        self.tab.on("console", lambda m: self.wrong.append(m.text) if m.type in ("error", "warning") else None)
        self.tab.on("pageerror", lambda e: self.wrong.append(str(e)))
        self.tab.on("request", lambda r: None if r.url.startswith(("file:", "data:", "blob:")) else self._note(r.url))

    def _note(self, url: str) -> None:
        self.wrong.append(f"request to {url}")

    def go(self, file: Path) -> None:
        """Open a file and wait until its figures are drawn."""
        self.tab.goto(file.as_uri())
        self.drawn()

    def drawn(self) -> None:
        """Wait until every figure is drawn."""
        self.tab.wait_for_function(
            "() => document.querySelectorAll('[data-figure]').length === "
            "document.querySelectorAll('.js-plotly-plot .main-svg:first-child').length"
        )

    def check(self, what: str) -> None:
        """Nothing went wrong, and nothing is wider than the window."""
        assert self.wrong == [], what
        assert self.tab.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth") <= 0, (
            what
        )


@pytest.mark.parametrize(("scheme", "width_px"), [("light", 1280), ("dark", 390)])
def test_every_kind_of_page_opens_from_disk(folder: Path, browser: object, scheme: str, width_px: int) -> None:
    visit = Visit(browser, scheme=scheme, width_px=width_px)
    pages = ("index", "yours-xnli", "yours-tatoeba", "published-phang2020v1-table2")
    for file in (*(folder / "gallery" / f"{name}.html" for name in pages), folder / "report.html"):
        visit.go(file)
        visit.check(f"{file.name}, {scheme}, {width_px} px")
        for details in visit.tab.locator("details").all():
            details.evaluate("d => d.open = true")
        assert violations(visit.tab) == [], f"{file.name}, {scheme}"
        visit.check(f"{file.name} with its tables, {scheme}, {width_px} px")
    visit.tab.close()


def test_the_keyboard_reaches_everything(folder: Path, browser: object) -> None:
    visit = Visit(browser)
    visit.go(folder / "gallery" / "index.html")
    visit.tab.keyboard.press("Tab")
    assert visit.tab.evaluate("document.activeElement.textContent") == "Skip to the content"
    visit.tab.keyboard.press("Enter")
    assert visit.tab.evaluate("document.activeElement.id") == "main"
    for _ in range(6):
        visit.tab.keyboard.press("Tab")
        if visit.tab.evaluate("document.activeElement.textContent") == "XNLI":
            break
    visit.tab.keyboard.press("Enter")
    visit.tab.wait_for_url("**/yours-xnli.html")
    visit.drawn()
    visit.tab.locator("summary").first.focus()
    visit.tab.keyboard.press("Enter")
    assert visit.tab.get_by_role("cell", name="Swahili (sw)").first.is_visible()
    scrolling = visit.tab.locator(".scroll").all()
    assert scrolling and all(s.get_attribute("tabindex") == "0" and s.get_attribute("aria-label") for s in scrolling)
    visit.check("by keyboard")
    visit.tab.close()


def test_figures_follow_the_readers_colours(folder: Path, browser: object) -> None:
    visit = Visit(browser)
    visit.go(folder / "gallery" / "yours-xnli.html")
    ink = "document.querySelector('.js-plotly-plot').layout.font.color"
    light = visit.tab.evaluate(ink)
    visit.tab.emulate_media(color_scheme="dark")
    visit.tab.wait_for_function(f"() => {ink} !== '{light}'")
    back = visit.tab.evaluate("getComputedStyle(document.body).backgroundColor")
    assert back == "rgb(16, 23, 29)"
    visit.check("after the change of colours")
    visit.tab.close()


@pytest.mark.parametrize("ending", ["svg", "png"])
def test_a_figure_is_saved_by_the_browser_itself(folder: Path, browser: object, ending: str) -> None:
    """SVG and PNG need no browser engine of ours: plotly.js makes them where the page is read."""
    visit = Visit(browser)
    visit.go(folder / "report.html")
    visit.tab.locator(".js-plotly-plot").nth(1).hover()  # the first heatmap, after the contrasts
    with visit.tab.expect_download() as found:
        visit.tab.get_by_role("button", name=f"Download as {ending.upper()}").nth(1).click()
    file = found.value
    assert file.suggested_filename == f"heatmap-1-xnli.{ending}"
    content = Path(file.path()).read_bytes()
    assert content.startswith(b"<svg" if ending == "svg" else b"\x89PNG") and len(content) > 5000
    visit.check(f"after saving {ending}")
    visit.tab.close()
