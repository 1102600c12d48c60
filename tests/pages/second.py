"""An application in a process of its own: `python -m tests.pages.second`, a page and its address in JSON a line."""

from __future__ import annotations

import json
import sys

from streamlit.testing.v1 import AppTest

from core.jobs.local import LocalBackend
from core.paths import REPO
from pages.widgets import shared


def shown(page: str, **params: str) -> list[str]:
    """What the tables of a page hold, a row a line, and its headings.

    Args:
        page: Its file.
        params: Its address.
    """
    at = AppTest.from_file(str(REPO / "app.py"), default_timeout=60)
    for _ in range(2):
        for key, value in params.items():
            at.query_params[key] = value
        at.run()
        at.switch_page(page)
    assert not at.exception, [e.value for e in at.exception]
    rows = [line for frame in at.dataframe for line in frame.value.to_csv().splitlines()]
    return [title.value for title in at.title] + rows


if __name__ == "__main__":
    setattr(LocalBackend, "wake", lambda _self: False)  # noqa: B010  # nothing executes what is queued
    shared.SLOW_S = float("inf")  # a look beside the page would come too late on a slow machine
    for line in sys.stdin:
        wanted = json.loads(line)
        sys.stdout.write(json.dumps(shown(**wanted)) + "\n")
        sys.stdout.flush()
