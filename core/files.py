"""Tables written to files so that a reader sees the old one or the new one, never half of either."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from core.errors import DiskFull, StoreError


@contextmanager
def written_beside(file: Path) -> Iterator[Path]:
    """A draft beside a file; it takes the file's place where the block ends well, and is removed otherwise.

    Args:
        file: What to write; its folder is made if needed.

    Raises:
        DiskFull: No space is left; an existing file is as it was.
        StoreError: It cannot be written for another reason.
    """
    draft = file.with_name(f".{file.name}.{os.getpid()}.tmp")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        yield draft
        draft.replace(file)
    except OSError as error:
        if "No space left" not in str(error):
            raise StoreError(f"{file} cannot be written: {error}") from error
        raise DiskFull(f"No space left to write {file}. Free some space or name a file on another disk.") from error
    finally:
        draft.unlink(missing_ok=True)
