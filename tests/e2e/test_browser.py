"""Headless Chromium over a real server: every page, both themes, two widths, an empty and a filled store."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from core.paths import REPO
from tests.storefixture import fill

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chrome"))), None)
sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: pip install playwright")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine: apt-get install chromium")

PAGES = ("", "transfer", "launch", "runs", "tasks")
IDLE = "[data-testid='stApp'][data-test-script-state='notRunning']"
FLAGS = [
    *("--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-extensions"),
    "--no-default-browser-check",
]


class Server(NamedTuple):
    """A running application."""

    url: str
    ids: dict[str, str]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _serve(home: Path, ids: dict[str, str]) -> Iterator[Server]:
    port = _free_port()
    words = [sys.executable, "-m", "streamlit", "run", "app.py", "--server.headless=true", f"--server.port={port}"]
    words.append("--server.fileWatcherType=none")
    with (home / "server.log").open("wb") as log:
        process = subprocess.Popen(words, cwd=REPO, env=os.environ | {"ATLAS_HOME": str(home)}, stdout=log, stderr=log)
    url = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + 60
        while True:
            try:
                urllib.request.urlopen(f"{url}/_stcore/health", timeout=2).close()
                break
            except OSError:
                log_text = (home / "server.log").read_text()
                assert process.poll() is None and time.monotonic() < deadline, log_text
                time.sleep(0.1)
        yield Server(url, ids)
    finally:
        process.terminate()
        process.wait(timeout=20)


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    yield from _serve(tmp_path_factory.mktemp("empty"), {})


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    home = tmp_path_factory.mktemp("filled")
    yield from _serve(home, fill(home))


@pytest.fixture(scope="module")
def browser() -> Iterator[object]:
    with sync_api.sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield opened
        opened.close()


class Visit:
    """A tab that remembers what went wrong in it."""

    def __init__(self, browser: object, *, scheme: str = "light", width_px: int = 1280) -> None:
        self.tab = browser.new_page(color_scheme=scheme, viewport={"width": width_px, "height": 1400})  # type: ignore[attr-defined]  # playwright is optional here
        self.tab.set_default_timeout(60_000)
        self.errors: list[str] = []
        self.strangers: list[str] = []
        self.tab.on("console", lambda m: self.errors.append(f"{m.text} {m.location}") if m.type == "error" else None)
        self.tab.on("pageerror", lambda e: self.errors.append(str(e)))
        self.tab.on("request", lambda r: self._note(r.url))

    def _note(self, url: str) -> None:
        if not url.startswith(("http://127.0.0.1", "ws://127.0.0.1", "data:", "blob:")):
            self.strangers.append(url)

    def go(self, url: str) -> None:
        """Open an address and wait until the page is drawn."""
        self.tab.goto(url)
        self.settle()

    def settle(self) -> None:
        """Wait until the script is idle."""
        self.tab.wait_for_selector("h1")
        self.tab.wait_for_selector(IDLE)
        self.tab.wait_for_timeout(400)

    def check(self, what: str) -> None:
        """No exception, no console error, no foreign request, nothing wider than the window."""
        assert self.tab.locator("[data-testid='stException']").count() == 0, what
        # Below a page's path Streamlit's front end first looks for its server there: two expected 404s.
        assert [e for e in self.errors if "_stcore" not in e] == [], what
        assert self.strangers == [], what
        for area in ("document.documentElement", "document.querySelector('[data-testid=stMain]')"):
            assert self.tab.evaluate(f"{area}.scrollWidth - {area}.clientWidth") <= 0, f"{what}: {area} overflows"


@pytest.mark.parametrize(("scheme", "width_px"), [("light", 1280), ("dark", 1280), ("light", 390), ("dark", 390)])
@pytest.mark.parametrize("kind", ["empty", "filled"])
def test_every_page(kind: str, scheme: str, width_px: int, browser: object, request: pytest.FixtureRequest) -> None:
    server: Server = request.getfixturevalue(kind)
    visit = Visit(browser, scheme=scheme, width_px=width_px)
    for page in PAGES:
        query = f"?run={server.ids['finished']}" if page == "runs" and server.ids else ""
        visit.go(f"{server.url}/{page}{query}")
        visit.check(f"{page or 'overview'}, {kind} store, {scheme}, {width_px} px")
    visit.tab.close()


def test_deep_link_on_a_fresh_server(browser: object, tmp_path: Path) -> None:
    """The first visitor of a server comes by a link: the right page, one menu, no dialog."""
    for server in _serve(tmp_path, fill(tmp_path)):
        visit = Visit(browser)
        visit.go(f"{server.url}/transfer?target=xquad&cell=de~squad")
        assert visit.tab.title() == "Transfer Atlas"  # the older router would say "transfer"
        assert visit.tab.get_by_role("heading", name="Transfer", exact=True).count() == 1
        assert visit.tab.get_by_role("dialog").count() == 0
        assert visit.tab.get_by_role("heading", name="German (de) after squad").count() == 1
        visit.check("deep link")
        visit.tab.close()


def test_a_click_on_the_map_goes_into_the_url_and_back_takes_it_out(filled: Server, browser: object) -> None:
    visit = Visit(browser)
    visit.go(f"{filled.url}/transfer?cell=ru~mnli")
    area = visit.tab.locator(".js-plotly-plot .nsewdrag").first
    area.wait_for()
    visit.tab.locator(".js-plotly-plot .heatmaplayer image").first.wait_for(state="attached")
    box = area.bounding_box()
    # Five columns, fifteen rows: the middle of the first cell, English after CoLA.
    x, y = box["x"] + box["width"] / 10, box["y"] + box["height"] / 30
    visit.tab.mouse.move(x, y)
    visit.tab.wait_for_timeout(300)
    visit.tab.mouse.click(x, y)
    visit.tab.get_by_role("heading", name="English (en) after cola").wait_for()
    assert "cell=en" in visit.tab.url
    visit.tab.go_back()
    visit.tab.get_by_role("heading", name="Russian (ru) after mnli").wait_for()
    visit.check("after Back")
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
