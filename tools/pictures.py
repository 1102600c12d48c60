"""Pictures of the pages for README.md and docs/tutorial.md: `python -m tools.pictures [NAME …]`.

The application is started on the home of the environment and looked at with Playwright and Chromium, 1280 × 800, light.
The run that "runs" shows is the newest of that home. To add one: a line in `PICTURES`.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from core.paths import REPO, AtlasPaths

PICTURES: dict[str, str] = {
    "overview": "",
    "transfer": "transfer?target=tweet_sentiment&source=mirror",
    "launch": "launch?intermediate=mnli&target=xnli&seeds=1 2",
    "runs": "runs",
}
"""Name of the picture → address of the page."""

FOLDER = REPO / "docs" / "images"
"""Where they go."""

_WIDTH_PX, _HEIGHT_PX, _WAIT_MS = 1280, 800, 300_000
_IDLE = "[data-testid='stApp'][data-test-script-state='notRunning']"


def main(names: list[str]) -> None:
    """Make the named pictures; all of them where none is named.

    Args:
        names: Of `PICTURES`.
    """
    with _application() as url:
        for name in names or PICTURES:
            _look(url, name)


def _look(url: str, name: str) -> None:
    from playwright.sync_api import sync_playwright  # noqa: PLC0415  # for those who make pictures alone

    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        tab = browser.new_page(viewport={"width": _WIDTH_PX, "height": _HEIGHT_PX}, color_scheme="light")
        tab.goto(f"{url}/{_address(name)}")
        tab.wait_for_selector("h1", timeout=_WAIT_MS)  # before, a deep link is sent through the menu and runs again
        for _ in range(2):
            tab.wait_for_selector(_IDLE, timeout=_WAIT_MS)
            tab.wait_for_timeout(3000)  # figures are drawn after the script has ended
        tab.screenshot(path=str(FOLDER / f"{name}.png"))
        browser.close()


def _address(name: str) -> str:
    if name != "runs":
        return PICTURES[name]
    folders = sorted(AtlasPaths.from_environment().runs.glob("*/job.json"), key=lambda file: file.stat().st_mtime)
    return f"runs?run={folders[-1].parent.name}" if folders else "runs"


@contextmanager
def _application() -> Iterator[str]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    words = ["-m", "streamlit", "run", "app.py", "--server.headless=true", f"--server.port={port}"]
    process = subprocess.Popen([sys.executable, *words], cwd=REPO, env=os.environ, stdout=subprocess.DEVNULL)
    url = f"http://127.0.0.1:{port}"
    try:
        while not _answers(f"{url}/_stcore/health"):
            if process.poll() is not None:
                raise SystemExit("The application ended before it answered: start it by `make app` to see why.")
            time.sleep(0.5)
        yield url
    finally:
        process.terminate()
        process.wait(timeout=30)


def _answers(url: str) -> bool:
    try:
        urllib.request.urlopen(url, timeout=2).close()
    except OSError:
        return False
    return True


if __name__ == "__main__":
    main([Path(name).stem for name in sys.argv[1:]])
