"""Pages over 10,000 and 100,000 runs: server time of a rerun; a new visitor and a click in Chromium: `-m bench.pages`.

Server times are wall clock and processor time of a whole run of the script through `AppTest` (this process, no
browser), medians of seven, after one that fills the caches; they hold what looks at the folders beside the page take.
The browser visits a real, warm server. First paint is its own first contentful paint; the heatmap is timed from the
request to its picture, for a visitor who comes for the first time (nothing in the browser's cache) and for one who
comes back. A click is from the mouse to the subheading of the new cell.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench.many_runs import fill
from bench.table import Row, render
from core.paths import REPO, AtlasPaths

TIMES = 7
VISITS = 5
PAGES = ("overview", "transfer", "analysis", "launch", "runs", "compare", "tasks")
RERUN_MS = {10_000: 120, 100_000: 250}
"""Most server time of a rerun, by the number of runs."""
HEATMAP_S, CLICK_MS = 2.0, 400
_IDLE = "[data-testid='stApp'][data-test-script-state='notRunning']"


def server_times() -> dict[str, dict[str, float]]:
    """Milliseconds of a run of each page's script; of Transfer's also by what changed before it."""
    from streamlit.testing.v1 import AppTest

    # One for all pages: each `AppTest` has caches of its own.
    found, at = {}, AppTest.from_file(str(REPO / "app.py"), default_timeout=600).run()
    for page in PAGES:
        at.switch_page(f"pages/{page}.py")
        at.query_params["target"] = "xnli"
        at.run()
        assert not at.exception, at.exception
        found[page] = _timed(at, lambda _: None)
        if page == "transfer":
            found |= {f"transfer, {name}": _timed(at, change) for name, change in _changes(at).items()}
    return found


def _changes(at: Any) -> dict[str, Callable[[int], None]]:  # noqa: ANN401  # streamlit is loaded late
    def cell(i: int) -> None:
        at.query_params["cell"] = f"{('de', 'sw')[i % 2]}~{('mnli', 'qqp')[i // 2 % 2]}"

    def languages(i: int) -> None:
        next(m for m in at.multiselect if m.key == "script").set_value([("Latn",), ("Latn", "Cyrl"), ()][i % 3])

    def quantity(i: int) -> None:
        next(g for g in at.segmented_control if g.key == "show").set_value(("score", "gain")[i % 2])

    return {"another cell": cell, "another quantity": quantity, "other languages": languages}


def _timed(at: Any, change: Callable[[int], None]) -> dict[str, float]:  # noqa: ANN401  # streamlit is loaded late
    wall, cpu = [], []
    for i in range(TIMES + 1):
        change(i)
        began, used = time.perf_counter(), time.process_time()
        at.run()
        wall.append(time.perf_counter() - began)
        cpu.append(time.process_time() - used)
        assert not at.exception, at.exception
    return {"wall_ms": _median_ms(wall[1:]), "processor_ms": _median_ms(cpu[1:])}


def _median_ms(seconds: list[float]) -> float:
    return round(1000 * statistics.median(seconds), 1)


def browser_times(home: Path, *, chromium: str) -> dict[str, float]:
    """First paint of a warm server, and a click to the redrawn page.

    Args:
        home: Of the store.
        chromium: Its program.
    """
    from playwright.sync_api import sync_playwright

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    words = [sys.executable, "-m", "streamlit", "run", "app.py", "--server.headless=true", f"--server.port={port}"]
    server = subprocess.Popen(
        words,
        cwd=REPO,
        env=os.environ | {"ATLAS_HOME": str(home)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    flags = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-background-networking"]
    try:
        _wait(port)
        with sync_playwright() as play:
            browser = play.chromium.launch(executable_path=chromium, args=flags)
            first = [_paint(browser.new_page(), port) for _ in range(VISITS + 1)][1:]
            known = browser.new_context()
            again = [_paint(known.new_page(), port) for _ in range(VISITS + 1)][1:]
            clicks = _clicks(browser.new_page(), port)
            browser.close()
    finally:
        server.terminate()
        server.wait(20)
    return {
        "first_paint_s": round(statistics.median(paint for paint, _ in first), 2),
        "heatmap_of_a_new_visitor_s": round(statistics.median(heatmap for _, heatmap in first), 2),
        "heatmap_of_a_returning_visitor_s": round(statistics.median(heatmap for _, heatmap in again), 2),
        "click_ms": _median_ms(clicks),
    }


def _wait(port: int) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/_stcore/health", timeout=1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise TimeoutError("the server did not come up in 60 s")


def _paint(page: Any, port: int) -> tuple[float, float]:  # noqa: ANN401  # playwright is optional
    """Seconds to the first contentful paint, and to the heatmap's numbers."""
    began = time.perf_counter()
    page.goto(f"http://127.0.0.1:{port}/transfer?target=xnli")
    page.locator("table.heatmap tbody td").first.wait_for(timeout=120_000)
    taken = time.perf_counter() - began
    paint = page.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime")
    page.close()
    return paint / 1000, taken


def _clicks(page: Any, port: int) -> list[float]:  # noqa: ANN401
    page.goto(f"http://127.0.0.1:{port}/transfer?target=xnli&cell=en~mnli")
    page.locator("table.heatmap tbody td").first.wait_for(timeout=120_000)
    page.wait_for_selector(_IDLE)
    taken = []
    for row in (2, 3, 4, 5, 6):
        before = page.locator("h3").first.inner_text()
        cell = page.locator(f"table.heatmap [data-at='{row},1']")
        cell.hover()
        page.wait_for_timeout(300)
        began = time.perf_counter()
        cell.click()
        page.wait_for_function("before => document.querySelector('h3').innerText !== before", arg=before)
        taken.append(time.perf_counter() - began)
        page.wait_for_selector(_IDLE)
        page.wait_for_timeout(300)
    return taken


def measure(n_runs: int, *, chromium: str | None) -> dict[str, Any]:  # numbers by name, nested
    """Every figure of a home with so many runs.

    Args:
        n_runs: How many.
        chromium: Its program; None: server times alone.
    """
    with tempfile.TemporaryDirectory() as folder:
        paths = AtlasPaths(home=Path(folder))
        fill(paths, n_runs=n_runs)
        os.environ["ATLAS_HOME"] = folder
        figures: dict[str, Any] = {"n_runs": n_runs}
        if chromium is not None:
            figures["browser"] = browser_times(paths.home, chromium=chromium)
        return figures | {"server": server_times()}


def rows(figures: dict[str, Any]) -> list[Row]:
    """What `make bench` prints of `measure`.

    Args:
        figures: As `measure` returns them.
    """
    n_runs, browser = figures["n_runs"], figures.get("browser")
    goal = f"at most {RERUN_MS[n_runs]} ms" if n_runs in RERUN_MS else ""
    found = []
    if browser:
        heatmap, click = browser["heatmap_of_a_new_visitor_s"], browser["click_ms"]
        found = [
            Row(f"heatmap of a new visitor, {n_runs:,} runs", f"at most {HEATMAP_S} s", f"{heatmap:.2f} s", VISITS),
            Row(f"click on a cell to its answer, {n_runs:,} runs", f"at most {CLICK_MS} ms", f"{click:.0f} ms", VISITS),
        ]
    times = figures["server"].items()
    return found + [
        Row(f"rerun of {name}, {n_runs:,} runs", goal, f"{t['wall_ms']:.0f} ms", TIMES) for name, t in times
    ]


def main() -> list[Row]:
    """Measure and print JSON objects, one a number of runs; their rows of the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, nargs="+", default=list(RERUN_MS))
    parser.add_argument("--no-browser", action="store_true", help="server times alone")
    asked = parser.parse_args()
    chromium = None if asked.no_browser else shutil.which("chromium") or shutil.which("google-chrome")
    found = []
    for n_runs in asked.runs:
        figures = measure(n_runs, chromium=chromium)
        print(json.dumps(figures, indent=1), flush=True)
        found += rows(figures)
    return found


if __name__ == "__main__":
    print(render(main()))
