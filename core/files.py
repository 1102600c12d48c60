"""Files that a reader sees whole or not at all: written beside, then renamed; a full disk is an error of ours."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from core.errors import DiskFull, StoreError

_FULL = {errno.ENOSPC, errno.EDQUOT}


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
        with disk_full_as_error(file):
            file.parent.mkdir(parents=True, exist_ok=True)
            yield draft
            draft.replace(file)
    except OSError as error:
        raise StoreError(f"{file} cannot be written: {error}") from error
    finally:
        with contextlib.suppress(OSError):
            draft.unlink(missing_ok=True)


def write_text(file: Path, text: str) -> None:
    """Write a whole file in place of what was there; its folder must exist.

    Args:
        file: Where it ends up.
        text: Its content.

    Raises:
        DiskFull: No space is left; what was there before is still there.
    """
    draft = file.with_name(f".{file.name}.{os.getpid()}.tmp")
    with disk_full_as_error(file):
        try:
            draft.write_text(text, encoding="utf-8")
            draft.replace(file)
        finally:
            draft.unlink(missing_ok=True)


@contextmanager
def disk_full_as_error(path: Path) -> Iterator[None]:
    """Turn "no space left" into `DiskFull` that names the folder.

    Args:
        path: What is being written.

    Raises:
        DiskFull: The block ran out of space or quota.
    """
    try:
        yield
    except OSError as error:
        # DuckDB and pyarrow say it in words where they lose the number.
        if error.errno not in _FULL and "No space left" not in str(error):
            raise
        raise DiskFull(
            f"No space left to write {path}. Free some space (finished stages under cache/stages can be made again) "
            "or set ATLAS_HOME to a folder on another disk."
        ) from error


def digest_of(file: Path) -> str:
    """32 hexadecimal digits of the BLAKE2b of a file's bytes.

    Args:
        file: Read in pieces of 4 MiB.
    """
    running = hashlib.blake2b(digest_size=16)
    with file.open("rb") as stream:
        while chunk := stream.read(1 << 22):
            running.update(chunk)
    return running.hexdigest()
