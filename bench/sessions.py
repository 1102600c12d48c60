"""Many visitors at once: `python -m bench.sessions`: errors, latency and memory of one server, page after page.

Each session is a websocket as a browser opens it, without the browser: it asks for a page, waits until the script has
ended, rests, asks for the next. `--url` names a server that runs; without it one is started for the home of the
environment.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import psutil
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.asyncio.client import connect

from core.paths import REPO

PAGES = ("", "transfer", "analysis", "launch", "runs", "compare", "tasks")
"""As they stand in the address."""

_LONGEST_S = 300.0


class Asked(NamedTuple):
    """One page of one session."""

    page: str
    """Its name in the address."""
    seconds: float
    """From asking to the end of the script."""
    errors: int
    """Exceptions that the page shows."""


class Sample(NamedTuple):
    """The server at one moment."""

    at_s: float
    """Seconds since the sessions began."""
    memory_mb: float
    """Resident memory of its process."""
    files: int
    """Open files and sockets."""


async def _visit(url: str, *, until: float, rest_s: float, rng: random.Random, found: list[Asked]) -> None:
    async with connect(
        f"{url}/_stcore/stream", subprotocols=["streamlit"], max_size=None, ping_interval=None, open_timeout=None
    ) as socket_:
        while time.monotonic() < until:
            page = rng.choice(PAGES)
            asked = BackMsg()
            asked.rerun_script.page_name = page
            began, errors = time.monotonic(), 0
            await socket_.send(asked.SerializeToString())
            async with asyncio.timeout(_LONGEST_S):
                while True:
                    said = ForwardMsg()
                    said.ParseFromString(await socket_.recv())
                    errors += said.delta.new_element.WhichOneof("type") == "exception"
                    if said.WhichOneof("type") == "script_finished":
                        break
            found.append(Asked(page, time.monotonic() - began, errors))
            await asyncio.sleep(rng.uniform(0, 2 * rest_s))


async def _measure(process: psutil.Process, *, until: float, every_s: float) -> list[Sample]:
    began, found = time.monotonic(), []
    while time.monotonic() < until:
        found.append(Sample(time.monotonic() - began, process.memory_info().rss / 2**20, process.num_fds()))
        await asyncio.sleep(every_s)
    return found


async def sessions(url: str, *, n: int, seconds: float, rest_s: float, pid: int) -> tuple[list[Asked], list[Sample]]:
    """Let so many visitors go from page to page; what they met, and the server meanwhile.

    Args:
        url: Of the server, `ws://…`.
        n: Sessions at a time.
        seconds: After which none asks for another page.
        rest_s: Mean seconds between two pages of one session.
        pid: The server's process.
    """
    found: list[Asked] = []
    until = time.monotonic() + seconds
    visits = [_visit(url, until=until, rest_s=rest_s, rng=random.Random(k), found=found) for k in range(n)]
    samples = asyncio.create_task(_measure(psutil.Process(pid), until=until, every_s=max(1.0, seconds / 20)))
    ended = await asyncio.gather(*visits, return_exceptions=True)
    lost = [error for error in ended if error is not None]
    for error in lost[:5]:
        sys.stdout.write(f"a session ended early: {error!r}\n")
    return found, await samples


@contextmanager
def _server() -> Iterator[tuple[str, int]]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    words = [sys.executable, "-m", "streamlit", "run", "app.py", "--server.headless=true", f"--server.port={port}"]
    with subprocess.Popen(words, cwd=REPO, stdout=subprocess.DEVNULL, start_new_session=True) as process:
        try:
            for _ in range(600):
                time.sleep(0.5)
                with socket.socket() as tried:
                    if tried.connect_ex(("127.0.0.1", port)) == 0:
                        break
            yield f"ws://127.0.0.1:{port}", process.pid
        finally:
            process.terminate()


def table(found: list[Asked], samples: list[Sample]) -> str:
    """Latency by page as Markdown, then memory over time.

    Args:
        found: Pages that were asked for.
        samples: Of the server.
    """
    lines = ["| page | asked | errors | median, s | 95 %, s |", "|---|---|---|---|---|"]
    for page in (*PAGES, None):
        rows = [one for one in found if page in {one.page, None}]
        if not rows:
            continue
        times = sorted(one.seconds for one in rows)
        at = [times[min(len(times) - 1, int(share * len(times)))] for share in (0.5, 0.95)]
        name = "all" if page is None else page or "overview"
        lines.append(f"| {name} | {len(rows)} | {sum(one.errors for one in rows)} | {at[0]:.2f} | {at[1]:.2f} |")
    lines.append("")
    lines += [f"after {s.at_s:.0f} s: {s.memory_mb:.0f} MB, {s.files} files" for s in samples]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Run the sessions and print the table."""
    parser = argparse.ArgumentParser(prog="python -m bench.sessions", description=__doc__)
    parser.add_argument("--sessions", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=600.0)
    parser.add_argument("--rest-s", type=float, default=10.0)
    options = parser.parse_args()
    with _server() as (url, pid):
        asked = sessions(url, n=options.sessions, seconds=options.seconds, rest_s=options.rest_s, pid=pid)
        found, samples = asyncio.run(asked)
        samples.append(
            Sample(options.seconds, psutil.Process(pid).memory_info().rss / 2**20, psutil.Process(pid).num_fds())
        )
    sys.stdout.write(f"{options.sessions} sessions, load {os.getloadavg()[0]:.1f}\n\n{table(found, samples)}")


if __name__ == "__main__":
    main()
