"""Results between homes that share no disk: finished runs, profiles and frozen rankings, at a folder or fsspec address.

Weights stay where they are. At the address each job is a folder as in a home, and its marker, written last, names the
files with their digests: what an interrupted `push` left has none and is sent anew, what an interrupted `pull` left is
no folder yet. So both may be repeated at will, by many homes, and the same twice is the same as once. What takes the
place of others' results is written beside them, in a folder that the marker then names: until that one step theirs
are whole.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import re
import shutil
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import orjson

from core.errors import AtlasError, DiskFull, RunFolderDamaged, StoreError, UnknownName, as_damage
from core.files import (
    MOST_TABLE,
    digest_of,
    disk_full_as_error,
    draft_beside,
    file_errors,
    is_there,
    read_whole,
    says_full,
    write_text,
)
from core.paths import AtlasPaths, RunPaths
from core.spec.plain import first_line, shortened
from core.spec.profile import check_named
from core.spec.ranking import FrozenRanking
from core.store.exchange.address import Address, check_file

_PLAIN = re.compile(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*")
"""Names of files that are taken from an address: no path, nothing hidden."""

_FOLDER, _FILES = "folder", "files"
"""Keys of the marker of what took the place of others' results: a folder beside it, and digests by name."""

_OF_ONE = {errno.EISDIR, errno.ENOTDIR, errno.ELOOP, errno.ENAMETOOLONG, errno.EACCES, errno.EPERM, errno.EEXIST}
"""What a system says of one folder or file that is not what it should be; the others may be."""

_DEAD_S = 3600.0
"""Seconds without a new file after which a folder that is being made is left over: its files take seconds each."""


class Outcome(StrEnum):
    """What became of one job."""

    COPIED = "copied"
    THERE = "there already"
    DIFFERS = "differs"
    """Both sides have results of their own, as when both homes made the run; nothing was changed."""
    UNFINISHED = "unfinished here"
    """The home holds the job without a result; nothing was changed."""
    DAMAGED = "damaged there"
    BROKEN = "damaged here"


class Moved(NamedTuple):
    """One job or ranking."""

    name: str
    """Run id, profile id or ranking id."""
    outcome: Outcome
    message: str | None = None
    """Of what is damaged."""


def push(paths: AtlasPaths, address: Address, *, only: Collection[str] = (), replace: bool = False) -> Iterator[Moved]:
    """Copy what is finished here and not at the address; each job as it comes.

    Args:
        paths: The home.
        address: Where to; made if needed.
        only: Ids; all that are finished if empty.
        replace: Whether results of this home take the place of others of the same job.

    Raises:
        UnknownName: Nothing that is finished has one of the ids.
        StoreError: The address cannot be read or written.
        DiskFull: No space is left there; what was copied stays.
    """
    with _reached(address):
        address.files.makedirs(address.root, exist_ok=True)
        names = {run.run_id for run, _ in _finished_here(paths, only=())}
        _check_named("finished run or profile", only, known=names)
        for run, kind in _finished_here(paths, only=only):
            try:
                yield Moved(run.run_id, _push_job(run, address, there=address.at(kind, run.run_id), replace=replace))
            except RunFolderDamaged as error:
                yield Moved(run.run_id, Outcome.BROKEN, str(error))
            except _DamagedThere as error:
                yield Moved(run.run_id, Outcome.DAMAGED, str(error))
        yield from _push_rankings(paths, address, only=only)


def pull(paths: AtlasPaths, address: Address, *, only: Collection[str] = (), replace: bool = False) -> Iterator[Moved]:
    """Copy what is whole at the address and not finished here; each job as it comes.

    A folder that is no job, holds a file of another name or whose digests do not fit is named, and the rest goes on.

    Args:
        paths: The home.
        address: Where `push` wrote.
        only: Ids; all if empty.
        replace: Whether results there take the place of others of the same job here.

    Raises:
        UnknownName: Nothing there has one of the ids.
        StoreError: The address cannot be read, or there is nothing at it.
        DiskFull: No space is left; what was copied stays.
        NotWritable: The home cannot be written.
    """
    with _reached(address):
        names: set[str] = set()
        if not address.files.exists(address.root):
            raise StoreError(f"There is nothing at {shortened(address.root)}, expected what `push` wrote to.")
        for job_of, folder in _of_kinds(paths):
            _sweep(folder)
            for there in _listed(address, folder.name):
                run = job_of(PurePosixPath(there).name)
                names.add(run.run_id)
                if (only and run.run_id not in only) or not _PLAIN.fullmatch(run.run_id):
                    continue
                try:
                    theirs = _marker(address, there)
                    if theirs is None:  # still being pushed, or never to its end
                        continue
                    outcome = _pull_job(run, address, theirs=theirs, replace=replace)
                except (RunFolderDamaged, _DamagedThere) as error:
                    yield Moved(run.run_id, Outcome.DAMAGED, str(error))
                else:
                    yield Moved(run.run_id, outcome)
        yield from _pull_rankings(paths, address, only=only)
        _check_named("run or profile at the address", only, known=names)


class _Copy(NamedTuple):
    """A job at an address, as its marker says."""

    digests: dict[str, str]
    """Of its files, by name."""
    folder: str
    """Where they lie."""


class _DamagedThere(Exception):
    """What lies at the address under one name is not what `push` writes."""


@contextmanager
def _one(name: str) -> Iterator[None]:
    """Tell what is wrong with one file at the address from an address that cannot be reached."""
    try:
        yield
    except OSError as error:
        if error.errno not in _OF_ONE:
            raise
        raise _DamagedThere(f"{name} cannot be read or written there: {error.strerror}. Remove it there.") from error


def _check_named(kind: str, only: Collection[str], *, known: Collection[str]) -> None:
    for name in only:
        if name not in known:
            raise UnknownName(kind, name, known=known)


def _check_spec(file: Path, run: RunPaths) -> None:
    """Refuse a spec that is garbage, or another job's: whoever pulls it could not read the folder."""
    with as_damage(file.name):
        check_named(orjson.loads(read_whole(file)), run.run_id)


def _push_job(run: RunPaths, address: Address, *, there: str, replace: bool) -> Outcome:
    _check_spec(run.spec, run)
    with as_damage(run.run_id):
        mine = _manifest(run)
    with _one(run.run_id):
        try:
            theirs = _marker(address, there)
        except RunFolderDamaged:
            theirs = None
        if theirs is not None:
            if theirs.digests == mine or not replace:
                return Outcome.THERE if theirs.digests == mine else Outcome.DIFFERS
            _put_beside(run, address, there=there, mine=mine)
            return Outcome.COPIED
        marker = f"{there}/{run.pushed.name}"
        if address.files.exists(marker):
            address.files.rm_file(marker)
        _put(run, address, names=mine, into=there)
        address.files.pipe_file(marker, orjson.dumps(mine))
    return Outcome.COPIED


def _put(run: RunPaths, address: Address, *, names: Iterable[str], into: str) -> None:
    address.files.makedirs(into, exist_ok=True)
    for name in names:
        address.files.put_file(str(run.root / name), f"{into}/{name}")


def _put_beside(run: RunPaths, address: Address, *, there: str, mine: Mapping[str, str]) -> None:
    """Put results beside those that are there, then have the marker name them, then remove the others."""
    said = orjson.dumps(mine, option=orjson.OPT_SORT_KEYS)
    folder = hashlib.blake2b(said, digest_size=8).hexdigest()
    _put(run, address, names=mine, into=f"{there}/{folder}")
    marker = f"{there}/{run.pushed.name}"
    address.files.pipe_file(f"{marker}.new", orjson.dumps({_FOLDER: folder, _FILES: mine}))
    address.files.mv(f"{marker}.new", marker)
    for other in _listed(address, there):
        if PurePosixPath(other).name not in {folder, run.pushed.name}:
            address.files.rm(other, recursive=True)


def _of_kinds(paths: AtlasPaths) -> tuple[tuple[Callable[[str], RunPaths], Path], ...]:
    return (paths.run, paths.runs), (paths.profile, paths.profiles)


def _sweep(folder: Path) -> None:
    """Remove what pulls that were killed left."""
    for draft in folder.glob(".*.tmp"):
        with contextlib.suppress(OSError):
            if time.time() - draft.stat().st_mtime > _DEAD_S:
                shutil.rmtree(draft)


def _finished_here(paths: AtlasPaths, *, only: Collection[str]) -> Iterator[tuple[RunPaths, str]]:
    for job_of, folder in _of_kinds(paths):
        for name in sorted(p.name for p in folder.iterdir()) if folder.is_dir() else ():
            if not name.startswith(".") and (not only or name in only):
                run = job_of(name)
                if is_there(run.finished) and is_there(run.spec) and is_there(run.events):
                    yield run, folder.name


def _manifest(run: RunPaths) -> dict[str, str]:
    """Digests by name of what a finished job leaves, weights, logs and what tells of processes apart."""
    named = [run.spec, run.events, run.environment, run.job, *sorted(run.root.glob("*.parquet")), run.finished]
    return {file.name: digest_of(file) for file in named if file.is_file()}


def _marker(address: Address, there: str) -> _Copy | None:
    """What lies at the address; None where the folder is not whole."""
    name = RunPaths(Path("any")).pushed.name
    try:
        with _one(name):
            check_file(address, f"{there}/{name}")
            found = orjson.loads(address.files.cat_file(f"{there}/{name}"))
    except (FileNotFoundError, orjson.JSONDecodeError):  # the second: a push that ended while it wrote the marker
        return None
    digests, inside = found, ""
    if isinstance(found, dict) and found.keys() == {_FOLDER, _FILES}:
        digests, inside = found[_FILES], f"/{found[_FOLDER]}"
    if not isinstance(digests, dict) or not digests or (inside and not _PLAIN.fullmatch(inside[1:])):
        raise RunFolderDamaged(f"{name} holds {shortened(found)}, expected digests by name. Push it again.")
    return _Copy(digests, f"{there}{inside}")


def _is_of_a_job(name: str, run: RunPaths) -> bool:
    own = {file.name for file in (run.spec, run.events, run.environment, run.job, run.finished)}
    return name in own or (name.endswith(".parquet") and len(name) < 100 and _PLAIN.fullmatch(name) is not None)  # noqa: PLR2004


def _pull_job(run: RunPaths, address: Address, *, theirs: _Copy, replace: bool) -> Outcome:
    digests = theirs.digests
    if run.root.exists():
        if not is_there(run.finished):
            return Outcome.UNFINISHED
        if _manifest(run) == digests:
            return Outcome.THERE
        if not replace:
            return Outcome.DIFFERS
    if strange := [name for name in digests if not _is_of_a_job(name, run)]:
        raise RunFolderDamaged(f"Its marker names {shortened(strange[0])}, which is no file of a job.")
    if missing := {run.spec.name, run.events.name, run.finished.name} - digests.keys():
        raise RunFolderDamaged(f"{', '.join(sorted(missing))} is missing. Push it again from where it was made.")
    draft = draft_beside(run.root)
    try:
        with file_errors(run.root):
            draft.mkdir(parents=True)
        for name, digest in digests.items():
            _fetch(address, f"{theirs.folder}/{name}", into=draft / name, digest=str(digest))
        _check_spec(draft / run.spec.name, run)
        with file_errors(run.root):
            if run.root.exists():
                run.root.replace(aside := draft_beside(run.root))
                draft.replace(run.root)
                shutil.rmtree(aside)
            else:
                draft.replace(run.root)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return Outcome.COPIED


def _fetch(address: Address, source: str, *, into: Path, digest: str) -> None:
    try:
        with disk_full_as_error(into), _one(into.name):
            check_file(address, source, most_bytes=MOST_TABLE)
            address.files.get_file(source, str(into))
            found = digest_of(into)
    except FileNotFoundError as error:
        raise RunFolderDamaged(f"{into.name} is missing. Push it again from where it was made.") from error
    if found != digest:
        raise RunFolderDamaged(f"{into.name} is not what was pushed: its digest differs. Push it with --replace.")


def _push_rankings(paths: AtlasPaths, address: Address, *, only: Collection[str]) -> Iterator[Moved]:
    if only or not paths.rankings.is_dir():
        return
    address.files.makedirs(address.at(paths.rankings.name), exist_ok=True)
    for file in sorted(paths.rankings.glob("*.json")):
        there = address.at(paths.rankings.name, file.name)
        try:
            with as_damage(file.name):
                text = read_whole(file)
            _check_ranking(text, name=file.stem)
            with _one(file.name):
                is_whole = address.files.exists(there) and address.files.size(there) == len(text)
                if not is_whole:
                    address.files.pipe_file(there, text)
        except RunFolderDamaged as error:
            yield Moved(file.stem, Outcome.BROKEN, str(error))
        except _DamagedThere as error:
            yield Moved(file.stem, Outcome.DAMAGED, str(error))
        else:
            yield Moved(file.stem, Outcome.THERE if is_whole else Outcome.COPIED)


def _pull_rankings(paths: AtlasPaths, address: Address, *, only: Collection[str]) -> Iterator[Moved]:
    for there in () if only else _listed(address, paths.rankings.name):
        name = PurePosixPath(there)
        if name.suffix != ".json" or not _PLAIN.fullmatch(name.stem):
            continue
        file = paths.ranking(name.stem)
        try:
            if is_there(file):
                yield Moved(name.stem, Outcome.THERE)
                continue
            with _one(name.name):
                check_file(address, there)
                text = address.files.cat_file(there)
            if not text.rstrip().endswith(b"}"):  # a push that ended while it wrote
                continue
            _check_ranking(text, name=name.stem)
        except (RunFolderDamaged, _DamagedThere) as error:
            yield Moved(name.stem, Outcome.DAMAGED, str(error))
            continue
        with file_errors(file):
            file.parent.mkdir(parents=True, exist_ok=True)
        write_text(file, text.decode())
        yield Moved(name.stem, Outcome.COPIED)


def _check_ranking(text: bytes, *, name: str) -> None:
    with as_damage(f"{name}.json"):
        if (made := FrozenRanking.model_validate_json(text).ranking_id) != name:
            raise RunFolderDamaged(f"{name}.json is of ranking {made}: it was copied or renamed.")


def _listed(address: Address, folder: str) -> list[str]:
    with contextlib.suppress(FileNotFoundError):
        address.files.invalidate_cache()
        return sorted(str(path) for path in address.files.ls(address.at(folder), detail=False))
    return []


@contextmanager
def _reached(address: Address) -> Iterator[None]:
    try:
        yield
    except AtlasError:
        raise
    except Exception as error:  # whatever a file system's package raises
        where = shortened(address.files.unstrip_protocol(address.root))
        rest = "What was copied is whole; the same command goes on with the rest."
        if says_full(error):
            raise DiskFull(f"No space left at {where}. Free some space there. {rest}") from error
        raise StoreError(f"{where} cannot be read or written: {first_line(error)}. {rest}") from error
