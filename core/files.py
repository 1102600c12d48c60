"""Files that a reader sees whole or not at all: written beside, then renamed; a full disk is an error of ours."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import io
import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from core.errors import DiskFull, NotWritable, RunFolderDamaged

_FULL = {errno.ENOSPC, errno.EDQUOT}

MOST_BYTES = 64 * 2**20
"""Of a file of ours that is read as a whole: a hundred times what the largest spec or task has."""

MOST_TABLE = 2**31
"""Of a Parquet file that is read: more than any run or profile of ours leaves."""


@contextmanager
def written_beside(file: Path) -> Iterator[Path]:
    """A draft beside a file; it takes the file's place where the block ends well, and is removed otherwise.

    Args:
        file: What to write; its folder is made if needed.

    Raises:
        DiskFull: No space is left; an existing file is as it was.
        NotWritable: It cannot be written for another reason.
    """
    draft = draft_beside(file)
    try:
        with file_errors(file):
            file.parent.mkdir(parents=True, exist_ok=True)
            yield draft
            draft.replace(file)
    finally:
        with contextlib.suppress(OSError):
            draft.unlink(missing_ok=True)


def draft_beside(target: Path) -> Path:
    """A name beside a file or folder under which it is made: of its own in every process and thread.

    Args:
        target: What it becomes.
    """
    return target.with_name(f".{target.name}.{os.getpid()}-{secrets.token_hex(4)}.tmp")


def write_text(file: Path, text: str) -> None:
    """Write a whole file in place of what was there; its folder must exist.

    Args:
        file: Where it ends up.
        text: Its content.

    Raises:
        DiskFull: No space is left; what was there before is still there.
        NotWritable: It cannot be written for another reason.
    """
    draft = draft_beside(file)
    with file_errors(file):
        try:
            draft.write_text(text, encoding="utf-8")
            draft.replace(file)
        finally:
            with contextlib.suppress(OSError):
                draft.unlink(missing_ok=True)


@contextmanager
def file_errors(path: Path) -> Iterator[None]:
    """Turn an error of the system into one that names the file and says what to do.

    Args:
        path: What is being written.

    Raises:
        DiskFull: The block ran out of space or quota.
        NotWritable: It failed for another reason.
    """
    try:
        with disk_full_as_error(path):
            yield
    except OSError as error:
        raise NotWritable(
            f"{path} cannot be written: {error.strerror or error}. It must lie in a folder that this user may write; "
            "ATLAS_HOME names another home."
        ) from error


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
        if not says_full(error):
            raise
        raise DiskFull(
            f"No space left to write {path}. Free some space (finished stages under cache/stages can be made again) "
            "or set ATLAS_HOME to a folder on another disk."
        ) from error


def says_full(error: Exception) -> bool:
    """Whether an error is of a disk that is full, or of a quota.

    Args:
        error: Of the system or of a library.
    """
    # DuckDB and pyarrow say it in words where they lose the number.
    return getattr(error, "errno", None) in _FULL or "No space left" in str(error)


def read_whole(file: Path, *, most_bytes: int = MOST_BYTES) -> bytes:
    """Content of a file of ours.

    Raises:
        FileNotFoundError: It is not there.
        RunFolderDamaged: It is no regular file, larger than any of ours, or cannot be read.
    """
    try:
        with io.FileIO(_descriptor(file, most_bytes=most_bytes)) as stream:
            return stream.readall()
    except FileNotFoundError:
        raise
    except OSError as error:
        raise RunFolderDamaged(f"{file.name} cannot be read: {error.strerror or error}.") from error


@contextmanager
def opened(file: Path, *, most_bytes: int | None = None) -> Iterator[BinaryIO]:
    """A regular file, open for reading: a pipe that nobody writes would be waited for, a device has no end.

    Args:
        most_bytes: Largest size; None: any.

    Raises:
        OSError: It is not there, or cannot be read.
        RunFolderDamaged: It is no regular file, or larger.
    """
    with open(_descriptor(file, most_bytes=most_bytes), "rb") as stream:  # noqa: PTH123  a descriptor, no path
        yield stream


def _descriptor(file: Path, *, most_bytes: int | None) -> int:
    descriptor = os.open(file, os.O_RDONLY | os.O_NONBLOCK)
    try:
        check_regular(os.fstat(descriptor), file=file, most_bytes=most_bytes)
    except RunFolderDamaged:
        os.close(descriptor)
        raise
    return descriptor


@contextmanager
def opened_log(file: Path) -> Iterator[BinaryIO]:
    """A log that processes append to; made if needed.

    Raises:
        OSError: It cannot be written: a folder, or a pipe that nobody reads, which would be waited for.
    """
    with open(os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NONBLOCK, 0o666), "ab") as stream:  # noqa: PTH123
        yield stream


def name_as_text(name: str) -> str:
    """A name of a file as text that can be stored and shown: bytes that are not UTF-8 in hexadecimal digits.

    Args:
        name: As the system gave it.
    """
    return os.fsencode(name).decode("utf-8", "backslashreplace")


def listed(folder: Path) -> dict[str, os.DirEntry[str]]:
    """What lies in a folder, by name and in order, without what is hidden; nothing where it cannot be listed.

    Args:
        folder: It need not be there.
    """
    try:
        with os.scandir(folder) as entries:
            return {e.name: e for e in sorted(entries, key=lambda e: e.name) if not e.name.startswith(".")}
    except OSError:
        return {}


def why_no_folder(folder: Path) -> str | None:
    """Why a folder of ours cannot be listed; None: it can, or there is none.

    Args:
        folder: It need not be there.
    """
    try:
        os.scandir(folder).close()
    except OSError as error:
        if isinstance(error, FileNotFoundError) and not folder.is_symlink():
            return None
        return f"{folder} cannot be listed ({error.strerror}), expected a folder: nothing in it is shown."
    return None


def is_folder_entry(entry: os.DirEntry[str]) -> bool:
    """Whether what was listed is a folder: a link in a circle, or to where this user may not look, leads to none.

    Args:
        entry: Of `os.scandir`.
    """
    try:
        return entry.is_dir()
    except OSError:
        return False


def is_there(file: Path) -> bool:
    """Whether something of that name can be seen; a folder of another user may hide what is in it.

    Args:
        file: Any path.
    """
    try:
        return file.exists()
    except OSError:
        return False


def check_regular(found: os.stat_result, *, file: Path, most_bytes: int | None = MOST_BYTES) -> None:
    """Refuse what is no file to read: a folder, a pipe, a device, or gigabytes.

    Args:
        found: What the system says of it.
        file: Its name, for the message.
        most_bytes: Largest size; None: any.

    Raises:
        RunFolderDamaged: It is one of these.
    """
    if not stat.S_ISREG(found.st_mode):
        kind = "a folder" if stat.S_ISDIR(found.st_mode) else "no file but a pipe, socket or device"
        raise RunFolderDamaged(f"{file.name} is {kind}: expected a file.")
    if most_bytes is not None and found.st_size > most_bytes:
        raise RunFolderDamaged(
            f"{file.name} has {found.st_size / 2**20:,.0f} MB, expected {most_bytes / 2**20:,.0f} MB at most."
        )


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
