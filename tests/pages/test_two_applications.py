"""Two applications on one home, each a process with an index of its own making: both show the same at every moment."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from core.jobs.local import LocalBackend
from core.paths import REPO, AtlasPaths
from tests.makers.folders import run_spec
from tests.makers.home import finish, spec
from tests.pages.second import shown

PAGES = ({"page": "pages/runs.py"}, {"page": "pages/transfer.py", "target": "xnli"})


@pytest.fixture
def second(ids: dict[str, str]) -> Iterator[Callable[[dict[str, str]], list[str]]]:
    """What the other application shows of a page."""
    del ids  # its home is filled
    with subprocess.Popen(
        [sys.executable, "-m", "tests.pages.second"], cwd=REPO, env=dict(os.environ), text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
    ) as child:  # fmt: skip
        assert child.stdin and child.stdout
        asked, said = child.stdin, child.stdout

        def _shown(wanted: dict[str, str]) -> list[str]:
            asked.write(json.dumps(wanted) + "\n")
            asked.flush()
            found: list[str] = json.loads(said.readline())
            return found

        yield _shown
        asked.close()
    assert child.returncode == 0


def test_both_show_the_same_while_jobs_come_run_and_end(
    home: Path, second: Callable[[dict[str, str]], list[str]]
) -> None:
    paths = AtlasPaths(home=home)
    backend, waiting, ended = LocalBackend(paths), run_spec("sst2"), spec("squad", "xnli", seed=1)

    def both() -> str:
        here, there = ([show(page) for page in PAGES] for show in (lambda page: shown(**page), second))
        assert here == there
        return json.dumps(here)

    moments = [both()]
    backend.submit([waiting])
    finish(paths, ended)
    moments.append(both())
    backend.cancel(waiting.run_id)
    moments.append(both())
    assert len(set(moments)) == 3  # each change was seen
    assert waiting.run_id in moments[1] and ended.run_id in moments[1]
