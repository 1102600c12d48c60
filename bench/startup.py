"""From `streamlit run` to the first screen: server up, first text painted; and whether torch was loaded.

Five starts after one that warms the page cache; medians. Needs a Chromium for the second figure.
"""

from __future__ import annotations

import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

from bench.table import Row, render
from core.paths import REPO

STARTS = 5


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _healthy(port: int, *, deadline: float) -> float:
    while time.monotonic() < deadline:
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/_stcore/health", timeout=1)
        except OSError:
            time.sleep(0.02)
        else:
            return time.monotonic()
    raise TimeoutError("the server did not come up in 60 s")


def _loads_torch(pid: int) -> bool:
    maps = Path(f"/proc/{pid}/maps")
    return maps.exists() and "libtorch" in maps.read_text(errors="replace")


def _start(home: str, *, page: object | None) -> tuple[float, float | None, bool]:
    port = _free_port()
    words = [sys.executable, "-m", "streamlit", "run", "app.py", "--server.headless=true", f"--server.port={port}"]
    began = time.monotonic()
    server = subprocess.Popen(
        words, cwd=REPO, env=os.environ | {"ATLAS_HOME": home}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        up = _healthy(port, deadline=began + 60) - began
        painted = None
        if page is not None:
            page.goto(f"http://127.0.0.1:{port}/")  # type: ignore[attr-defined]
            page.locator("h1").first.wait_for(timeout=60_000)  # type: ignore[attr-defined]
            painted = time.monotonic() - began
        return up, painted, _loads_torch(server.pid)
    finally:
        server.terminate()
        server.wait(20)


def main() -> list[Row]:
    """Print medians over the starts; their rows of the table."""
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    with tempfile.TemporaryDirectory() as home:
        if chromium is None:
            rows = [_start(home, page=None) for _ in range(STARTS + 1)][1:]
        else:
            from playwright.sync_api import sync_playwright

            with sync_playwright() as play:
                flags = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-background-networking"]
                browser = play.chromium.launch(executable_path=chromium, args=flags)
                rows = [_start(home, page=browser.new_page()) for _ in range(STARTS + 1)][1:]
                browser.close()
    found = [Row("start of the application, server up", "", f"{statistics.median(r[0] for r in rows):.2f} s", STARTS)]
    painted = [r[1] for r in rows if r[1] is not None]
    if painted:
        found.append(Row("first screen painted", "", f"{statistics.median(painted):.2f} s", STARTS))
    else:
        print("first screen     not measured: no Chromium")
    print(f"torch loaded     {'yes' if any(r[2] for r in rows) else 'no'}")
    return found


if __name__ == "__main__":
    print(render(main()))
