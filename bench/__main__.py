"""`make bench`: every measurement, one after another; name some to run only those."""

from __future__ import annotations

import subprocess
import sys

ALL = ("startup", "ingest", "pages", "analysis", "launch", "training", "profile")


def main() -> None:
    """Run the named measurements, or all, each in a process of its own."""
    names = sys.argv[1:] or ALL
    unknown = set(names) - set(ALL)
    if unknown:
        sys.exit(f"No measurement named {', '.join(sorted(unknown))}. Known: {', '.join(ALL)}.")
    for name in names:
        print(f"== {name}", flush=True)
        subprocess.run([sys.executable, "-m", f"bench.{name}"], check=True)


if __name__ == "__main__":
    main()
