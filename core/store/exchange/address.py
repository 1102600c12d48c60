"""A folder that many homes can reach, on a disk or in a store that fsspec knows, and what is read of it."""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, NamedTuple

from core.errors import RunFolderDamaged, SpecError
from core.files import MOST_BYTES
from core.spec.plain import first_line, folder_named, shortened

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem

_ONE_SLASH = re.compile(r"[a-z][a-z0-9+.-]+:/(?!/)")
"""How an address begins that lacks a slash, and would be a folder here."""


class Address(NamedTuple):
    """A folder that many homes can reach."""

    files: AbstractFileSystem
    root: str
    """In the file system's own terms."""

    def at(self, *parts: str) -> str:
        """A path below it."""
        return str(PurePosixPath(self.root, *parts))


def address_of(text: str) -> Address:
    """A folder or any address that fsspec knows, such as `s3://bucket/atlas` or `sftp://host/folder`.

    Args:
        text: As typed; `~` is the user's home.

    Raises:
        SpecError: No file system answers to it, or its package is missing.
    """
    from fsspec.core import url_to_fs  # noqa: PLC0415 half a second to import

    if not text.strip() or _ONE_SLASH.match(text):
        raise SpecError(f"{shortened(text)} is no address: expected a folder, or two slashes as in s3://bucket/atlas.")
    try:
        files, root = url_to_fs(text if "://" in text else str(folder_named(text)))
    except Exception as error:  # whatever a file system's package raises
        raise SpecError(
            f"{shortened(text)} cannot be reached: {first_line(error)}. Name a folder or an address of fsspec."
        ) from error
    return Address(files, root)


def check_file(address: Address, path: str, *, most_bytes: int = MOST_BYTES) -> None:
    """Refuse what would be waited for or read without end: others may put into a folder what they like.

    Args:
        path: Of a file at the address.
        most_bytes: Its largest size.

    Raises:
        RunFolderDamaged: It is a pipe, socket or device, or larger.
    """
    found, name = address.files.info(path), PurePosixPath(path).name
    if found["type"] == "other":
        raise RunFolderDamaged(f"{name} is no file there but a pipe, socket or device. Remove it there.")
    if (size := found.get("size") or 0) > most_bytes:
        mb, most_mb = size / 2**20, most_bytes / 2**20
        raise RunFolderDamaged(f"{name} has {mb:,.0f} MB there, expected {most_mb:,.0f} MB at most. Remove it there.")
