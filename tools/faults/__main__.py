"""`python -m tools.faults`: malformed inputs over all readers, and kills and file faults over local jobs.

Seeded: the same seed makes the same inputs. Ends with status 1 where anything was lost, done twice, wrong or slow, or
ended in a traceback. About 10,000 inputs and 1,000 faults take ten minutes on one core.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path
from random import Random

from core.paths import AtlasPaths
from tools.faults.kills import campaign
from tools.faults.readers import all_readers, feed


def main(words: list[str] | None = None) -> int:
    """Run the campaigns and print what came of them; the exit status.

    Args:
        words: Command line; the process's own if None.
    """
    parser = argparse.ArgumentParser(prog="python -m tools.faults", description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--inputs", type=int, default=2000, help="malformed inputs over all readers together")
    parser.add_argument("--faults", type=int, default=100, help="kills and damaged files over local jobs")
    parser.add_argument("--runs", type=int, default=12, help="pairs of runs that are hurt")
    parser.add_argument("--most-s", type=float, default=600.0, help="seconds after which an open run counts as lost")
    parser.add_argument("--only", help="readers whose name holds this, and no kills")
    options = parser.parse_args(words)
    with tempfile.TemporaryDirectory() as folder:
        is_bad = _readers(Path(folder), options)
        if options.faults and not options.only:
            is_bad |= _kills(Path(folder) / "kills", options)
    return int(is_bad)


def _readers(folder: Path, options: argparse.Namespace) -> bool:
    readers = {name: r for name, r in all_readers(folder).items() if not options.only or options.only in name}
    each, is_bad = max(1, options.inputs // len(readers)), False
    for name, (good, read) in readers.items():
        found = feed(name, good, read, n=each, rng=Random(f"{options.seed} {name}"))
        sys.stdout.write(
            f"{found.name:32} {found.n:6} inputs, {found.taken:6} taken, {found.refused:6} refused, "
            f"{len(found.tracebacks)} tracebacks, {len(found.slow)} slow, longest {found.longest_s:.2f} s\n"
        )
        for text in (*found.tracebacks[:5], *found.slow[:5]):
            sys.stdout.write(f"    {text}\n")
        sys.stdout.flush()
        is_bad |= bool(found.tracebacks or found.slow)
    return is_bad


def _kills(home: Path, options: argparse.Namespace) -> bool:
    home.mkdir()
    rng = Random(options.seed)
    found = campaign(AtlasPaths(home=home), faults=options.faults, seeds=options.runs, rng=rng, most_s=options.most_s)
    sys.stdout.write(json.dumps(found._asdict(), indent=1) + "\n")
    return found.done < found.runs or bool(found.twice or found.wrong or found.second_workers)


if __name__ == "__main__":
    sys.exit(main())
