"""`python -m tools.engines same`, or `faults`: this machine, Slurm and Ray with three nodes each, compared and hurt.

`same` executes one study file of 24 runs on each: the same ids, the same scores, each stage trained once. `faults`
kills nodes and controllers, preempts jobs, lets time limits pass and fills the shared disk: nothing that is finished
may be lost, nothing done twice, and no list may say what is not so for a minute. The engines are real and run on this
machine: Slurm is Debian's `slurm-wlm`, Ray is the package. Where this user may (root on Linux), each node has a name
and process numbers of its own, as another machine has. Ends with status 1 where something is not as it should be.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
import tempfile
from contextlib import nullcontext
from pathlib import Path
from random import Random
from typing import Any

from tools.engines import ray, slurm
from tools.engines.study import compared
from tools.faults.engines import campaign
from tools.faults.hurting import hurt

ENGINES = ("local", "slurm", "ray")


def main(words: list[str] | None = None) -> int:
    """Do what is asked and print what came of it; the exit status.

    Args:
        words: Command line; the process's own if None.
    """
    parser = argparse.ArgumentParser(prog="python -m tools.engines", description=__doc__)
    parser.add_argument("what", choices=["same", "faults"])
    parser.add_argument("--on", nargs="+", choices=ENGINES, default=list(ENGINES), help="engines, one after the other")
    parser.add_argument("--folder", type=Path, help="an empty folder that keeps all; else it is removed at the end")
    parser.add_argument("--most-s", type=float, default=3600.0, help="seconds that an engine may take")
    parser.add_argument("--faults", type=int, default=20, help="on each engine")
    parser.add_argument("--seeds", type=int, default=10, help="two runs and a shared stage each, to be hurt")
    parser.add_argument("--seed", type=int, default=1, help="decides what is hurt, and when")
    options = parser.parse_args(words)
    _check(options.on, parser)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # so that clusters and disks go, too
    with nullcontext(options.folder) if options.folder else tempfile.TemporaryDirectory(prefix="atlas") as folder:
        place = Path(folder).resolve()
        return int(not (_same(place, options) if options.what == "same" else _faults(place, options)))


def _same(folder: Path, options: argparse.Namespace) -> bool:
    found = compared(folder, engines=tuple(options.on), most_s=options.most_s)
    _say({**found._asdict(), "executed": [one._asdict() for one in found.executed]})
    return found.is_good


def _faults(folder: Path, options: argparse.Namespace) -> bool:
    is_good = True
    for engine in options.on:
        with hurt(engine, folder) as hurting:
            found = campaign(
                hurting, faults=options.faults, seeds=options.seeds, rng=Random(options.seed), most_s=options.most_s
            )
        _say(found._asdict())
        is_good &= found.is_good
    return is_good


def _say(found: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(found, indent=1) + "\n")
    sys.stdout.flush()


def _check(engines: list[str], parser: argparse.ArgumentParser) -> None:
    if "slurm" in engines and slurm.MISSING:
        parser.error(f"no {', '.join(slurm.MISSING)}: apt-get install slurm-wlm")
    if "ray" in engines and ray.MISSING:
        parser.error("Ray is not installed: pip install -r requirements-dev.txt")


if __name__ == "__main__":
    sys.exit(main())
