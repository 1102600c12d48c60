"""`python -m tools.faults`: malformed inputs for all readers; second workers, two dispatchers, kills and damaged jobs.

Seeded: the same seed makes the same inputs. Ends with status 1 where anything was lost, done twice, wrong or slow, or
ended in a traceback. With `--notes FILE` a campaign that was stopped goes on after the last reader that it ended. The
whole of it is `--inputs 10000 --tries 1000 --races 100 --faults 1000 --runs 60`; faults go on for `--most-s`.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import tempfile
from pathlib import Path
from random import Random

from core.paths import AtlasPaths
from tools.faults.clocks import second_workers
from tools.faults.dispatchers import two_dispatchers
from tools.faults.hostile import hostile_readers
from tools.faults.kills import campaign
from tools.faults.readers import Outcome, all_readers, feed, together


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
    parser.add_argument("--tries", type=int, default=200, help="second workers on one run, while clocks jump")
    parser.add_argument("--races", type=int, default=20, help="homes on which two dispatchers start at once")
    parser.add_argument("--notes", type=Path, help="takes what came of each reader, and is read where it is there")
    parser.add_argument("--only", help="readers whose name holds this, and nothing else")
    options = parser.parse_args(words)
    with tempfile.TemporaryDirectory() as folder:
        is_bad = bool(options.inputs) and _readers(Path(folder), options)
        if options.tries and not options.only:
            is_bad |= _tries(Path(folder) / "tries", options)
        if options.races and not options.only:
            is_bad |= _races(Path(folder) / "races", options)
        if options.faults and not options.only:
            is_bad |= _kills(Path(folder) / "kills", options)
    return int(is_bad)


def _readers(folder: Path, options: argparse.Namespace) -> bool:
    known = {**all_readers(folder), **hostile_readers(folder)}
    readers = {name: reader for name, reader in known.items() if not options.only or options.only in name}
    usual, found = options.inputs / sum(reader.share for reader in readers.values()), list[Outcome]()
    before = {(one.name, one.n): one for one in _noted(options)}
    for name, reader in readers.items():
        n = math.ceil(reader.share * usual)
        one = before.get((name, n)) or feed(name, reader, n=n, rng=Random(f"{options.seed} {name}"))
        _say(one)
        if options.notes and (name, n) not in before:
            with options.notes.open("a", encoding="utf-8") as notes:
                notes.write(json.dumps({"seed": options.seed} | one._asdict()) + "\n")
        for text in (*one.tracebacks[:5], *one.slow[:5]):
            sys.stdout.write(f"    {text}\n")
        found.append(one)
    _say(together(found))
    return any(one.tracebacks or one.slow for one in found)


def _say(found: Outcome) -> None:
    sys.stdout.write(
        f"{found.name:32} {found.n:6} inputs, {found.taken:6} taken, {found.refused:6} refused, "
        f"{len(found.tracebacks)} tracebacks, {len(found.slow)} slow, longest {found.longest_s:.2f} s\n"
    )
    sys.stdout.flush()


def _noted(options: argparse.Namespace) -> list[Outcome]:
    lines = options.notes.read_text(encoding="utf-8").splitlines() if options.notes and options.notes.exists() else []
    records = [json.loads(line) for line in lines]
    return [Outcome(**record) for record in records if record.pop("seed") == options.seed]


def _tries(home: Path, options: argparse.Namespace) -> bool:
    found = second_workers(home, n=options.tries, rng=Random(options.seed))
    sys.stdout.write(json.dumps(found._asdict(), indent=1) + "\n")
    return bool(found.got_in or found.not_running or not found.free_after)


def _races(home: Path, options: argparse.Namespace) -> bool:
    found = two_dispatchers(home, n=options.races, rng=Random(options.seed))
    sys.stdout.write(json.dumps(found._asdict(), indent=1) + "\n")
    return bool(found.twice or found.done < found.runs)


def _kills(home: Path, options: argparse.Namespace) -> bool:
    home.mkdir()
    rng = Random(options.seed)
    found = campaign(AtlasPaths(home=home), faults=options.faults, seeds=options.runs, rng=rng, most_s=options.most_s)
    sys.stdout.write(json.dumps(found._asdict(), indent=1) + "\n")
    return found.done < found.runs or bool(found.twice or found.wrong or found.second_workers)


if __name__ == "__main__":
    sys.exit(main())
