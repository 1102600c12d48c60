"""Sentences behind ids, asked of a short process that may load what the application may not.

Nothing is kept: predictions hold ids alone, and the text stays where the data source has it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence

from core.errors import JobError
from core.paths import REPO, AtlasPaths

TIMEOUT_S = 120
"""Longest wait; a test set is read in seconds, the sample tasks may have to be built first."""


def example_texts(run_id: str, *, lang: str, ids: Sequence[str], paths: AtlasPaths) -> dict[str, str]:
    """Text of examples of a run's test set by id; those that the data source does not have are left out.

    Args:
        run_id: A run whose folder is here.

    Raises:
        JobError: The data source cannot be read, or took too long.
    """
    words = [sys.executable, "-m", "core.data.texts", str(paths.run(run_id).root), lang]
    environ = os.environ | {"ATLAS_HOME": str(paths.home)}
    try:
        done = subprocess.run(
            words, cwd=REPO, env=environ, input=json.dumps(list(ids)), capture_output=True, text=True,
            timeout=TIMEOUT_S, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired as error:
        raise JobError(f"The texts of run {run_id} were not read within {TIMEOUT_S} s. Try again later.") from error
    try:
        answer = json.loads(done.stdout)
    except ValueError as error:
        last = (done.stderr.strip().splitlines() or ["nothing was printed"])[-1]
        raise JobError(f"The texts of run {run_id} cannot be read: {last}") from error
    if "error" in answer:
        raise JobError(f"The texts of run {run_id} cannot be read: {answer['error']}")
    found: dict[str, str] = answer["texts"]
    return found
