"""The process of one long fit: `python -m core.actions.fit_worker KIND KEY`; nobody imports it.

It reads the cells that it was given, writes how far it is, and in the end a result or the reason for having none.
"""

from __future__ import annotations

import json
import sys
import time
import traceback

from core.analysis.model import fit_groups, held_out, prepare_cells
from core.analysis.sensitivity import sensitivity
from core.files import write_text
from core.jobs.fits import FitKind, check_cells, write_result
from core.jobs.records import write_failure
from core.paths import AtlasPaths, FitPaths


def main(kind: FitKind, fit: FitPaths) -> int:
    """Compute a fit and write it down; the exit status."""

    def report(done: int, total: int) -> None:
        write_text(fit.progress, json.dumps({"done": done, "total": total}))

    began = time.monotonic()
    try:
        cells = check_cells(fit)
        if kind is FitKind.ADDITIVE_NULL:
            found = held_out(prepare_cells(cells), report=report)
        elif kind is FitKind.EVERY_MEASURE:
            found = sensitivity(cells, report=report)
        else:
            found = fit_groups(cells, kind=str(kind), report=report)
        write_result(found, fit=fit)
    except Exception as error:  # noqa: BLE001  # whatever it is, the page says so and where to look
        traceback.print_exc()
        write_failure(fit.failed, error=type(error).__name__, message=str(error) or repr(error))
        return 1
    print(f"{kind} of {len(cells)} cells in {time.monotonic() - began:.1f} s")  # noqa: T201  # into its log
    return 0


if __name__ == "__main__":
    sys.exit(main(FitKind(sys.argv[1]), AtlasPaths.from_environment().fit(sys.argv[2])))
