"""A real server and a tab of headless Chromium on it; what both say of a test that fails is told by `conftest`."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar, NamedTuple

from core.paths import REPO

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chrome"))), None)
FLAGS = [
    *("--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-extensions"),
    "--no-default-browser-check",
]
IDLE = "[data-testid='stApp'][data-test-script-state='notRunning']"
TABLE = """
    table => ({
        names: [...table.querySelectorAll('thead th')].map(cell => cell.dataset.name),
        langs: [...table.querySelectorAll('tbody th')].map(cell => cell.dataset.lang || 'mean'),
        means: [...table.querySelectorAll('tbody tr.mean td .full')].map(cell => cell.textContent),
        chosen: [...table.querySelectorAll('td.chosen')].map(cell => [cell.dataset.lang, cell.dataset.name]),
    })
"""
_LOG_CHARS = 2000


class Server(NamedTuple):
    """A running application."""

    url: str
    ids: dict[str, str]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def served(home: Path, ids: dict[str, str]) -> Iterator[Server]:
    """The application on a home; it is there until the end, or the test fails.

    Args:
        home: Of the application.
        ids: What is in it, for the tests.
    """
    port = _free_port()
    words = [sys.executable, "-m", "streamlit", "run", "app.py", "--server.headless=true", f"--server.port={port}"]
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
                assert process.poll() is None and time.monotonic() < deadline, "the server does not start"
                time.sleep(0.1)
        yield Server(url, ids)
        assert process.poll() is None, f"the server ended by itself: {process.returncode}"
    except BaseException as error:
        state = "at work" if process.poll() is None else f"ended: {process.returncode}"
        error.add_note(f"The server is {state}. Its log: {(home / 'server.log').read_text()[-_LOG_CHARS:]}")
        raise
    finally:
        process.terminate()
        process.wait(timeout=20)


class Visit:
    """A tab that remembers what went wrong in it."""

    newest: ClassVar[Visit | None] = None
    """The last that was opened; None once it was told."""

    def __init__(self, browser: object, *, scheme: str = "light", width_px: int = 1280) -> None:
        self.tab = browser.new_page(color_scheme=scheme, viewport={"width": width_px, "height": 1400})  # type: ignore[attr-defined]  # playwright is optional here
        self.tab.set_default_timeout(120_000)
        self.errors: list[str] = []
        self.strangers: list[str] = []
        self.tab.on("console", lambda m: self.errors.append(f"{m.text} {m.location}") if m.type == "error" else None)
        self.tab.on("pageerror", lambda e: self.errors.append(str(e)))
        self.tab.on("request", lambda r: self._note(r.url))
        Visit.newest = self

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

    def told(self) -> str:
        """What the tab shows now, in words, for the report of a test that failed."""
        if self.tab.is_closed():
            return "The tab is closed."
        return f"{self.tab.url}\n{self.errors}\n{self.tab.inner_text('body')}"


def transfer(server: Server, browser: object, query: str, **look: object) -> Visit:
    """A visit to the Transfer page, the heatmap drawn.

    Args:
        server: That serves it.
        browser: For the tab.
        query: Of the address.
        look: Scheme and width_px of `Visit`.
    """
    visit = Visit(browser, **look)  # type: ignore[arg-type]  # scheme and width_px
    visit.go(f"{server.url}/transfer?{query}")
    visit.tab.locator("table.heatmap tbody td").first.wait_for()
    return visit


def heatmap(visit: Visit) -> dict[str, list[object]]:
    """What the table of the heatmap shows now.

    Args:
        visit: To the Transfer page.
    """
    found: dict[str, list[object]] = visit.tab.locator("table.heatmap").evaluate(TABLE)
    return found
