"""A data set on the Hugging Face hub as a `Folder`: revision resolved, files fetched one by one, nothing executed.

`HF_ENDPOINT`, `HF_HUB_OFFLINE` and `HF_TOKEN` are read by huggingface_hub when it is first imported. A job is a
process of its own, so they are set before that; changing them later in the same process has no effect.
Downloads land in `<home>/cache/hub`: huggingface_hub writes beside, checks the size and renames, so a broken download
leaves nothing that a second try would take for whole.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import httpx2
from huggingface_hub import HfApi, constants, errors, hf_hub_download

from core.data.layout import FORMATS, Folder
from core.errors import DataError, HubUnreachable, MissingSplit
from core.files import write_text

DELAYS_S: tuple[float, ...] = (0.5, 1.0, 2.0)
"""Pauses before the second, third and fourth try after a 5xx answer or a broken connection."""

CONVERTED = "refs/convert/parquet"
"""Branch on which the hub keeps its own Parquet conversion of data sets that have a loading script."""

_COMMIT = re.compile(r"[0-9a-f]{40}")
_FIRST_SERVER_ERROR = 500
_TOO_MANY = 429
T = TypeVar("T")


def open_hub(path: str, *, revision: str | None, cache: Path) -> Folder:
    """A data set on the hub at a resolved commit.

    Args:
        path: Hub id, such as `google/xtreme`.
        revision: Commit, branch or tag; None takes the latest of `main`. The resolved commit is in the result.
        cache: Folder for downloads.

    Raises:
        HubUnreachable: No network, or the hub answered with an error; says what to set.
        MissingSplit: No such data set or revision, or it is gated.
    """
    sha, files = _listing(path, revision=revision or "main", cache=cache)
    converted = None
    if not any(Path(f).suffix in FORMATS for f in files) and any(f.endswith(".py") for f in files):
        converted = _conversion(path, cache=cache)
        sha, files = converted or (sha, files)  # with neither, `splits_of` says that the data set is script-only

    def fetch(name: str) -> Path:
        return _fetched(path, name=name, revision=sha, cache=cache)

    return Folder(f"{path}@{sha[:12]}", files, fetch, sha, converted is not None)


def endpoint() -> str:
    """Address of the hub that this process talks to."""
    return str(constants.ENDPOINT)


def _conversion(path: str, *, cache: Path) -> tuple[str, tuple[str, ...]] | None:
    try:
        return _listing(path, revision=CONVERTED, cache=cache)
    except MissingSplit:
        return None


def _listing(path: str, *, revision: str, cache: Path) -> tuple[str, tuple[str, ...]]:
    """Commit and file names; a listing of a commit never changes, so it is kept."""
    kept = cache / "listings" / f"{path.replace('/', '--')}@{revision.replace('/', '--')}.json"
    if kept.is_file() and (_COMMIT.fullmatch(revision) or constants.HF_HUB_OFFLINE):
        stored = json.loads(kept.read_text(encoding="utf-8"))
        return str(stored["sha"]), tuple(stored["files"])
    sha, files = _calling(lambda: _asked(path, revision=revision), path=path, what=f"revision '{revision}'")
    kept.parent.mkdir(parents=True, exist_ok=True)
    write_text(kept, json.dumps({"sha": sha, "files": files}))
    return sha, files


def _asked(path: str, *, revision: str) -> tuple[str, tuple[str, ...]]:
    info = HfApi().dataset_info(path, revision=revision, timeout=30)
    if info.sha is None:
        raise DataError(f"{endpoint()} named no commit for '{path}' at '{revision}'. Expected one: is it a hub?")
    return info.sha, tuple(sorted(s.rfilename for s in info.siblings or ()))


def _fetched(path: str, *, name: str, revision: str, cache: Path) -> Path:
    def download() -> Path:
        return Path(hf_hub_download(path, name, repo_type="dataset", revision=revision, cache_dir=cache))

    return _calling(download, path=path, what=f"file '{name}'")


def _calling(action: Callable[[], T], *, path: str, what: str) -> T:
    """The result of a call to the hub, tried again after 5xx and broken connections; errors become ours."""
    for delay in (*DELAYS_S, None):
        try:
            return action()
        except errors.OfflineModeIsEnabled as error:
            raise _unreachable(path, what, "HF_HUB_OFFLINE is set and it is not in the cache") from error
        except errors.GatedRepoError as error:
            raise MissingSplit(
                f"The data set '{path}' on {endpoint()} is gated: accept its terms on its page, then set HF_TOKEN."
            ) from error
        except (errors.RepositoryNotFoundError, errors.RevisionNotFoundError, errors.RemoteEntryNotFoundError) as error:
            raise MissingSplit(
                f"{endpoint()} has no {what} of data set '{path}' ({type(error).__name__}). Check the id and the "
                "revision in the task's definition; a private data set needs HF_TOKEN."
            ) from error
        except errors.LocalEntryNotFoundError as error:
            raise _unreachable(path, what, _cause(error)) from error
        except errors.HfHubHTTPError as error:
            status = error.response.status_code
            if delay is None or (status < _FIRST_SERVER_ERROR and status != _TOO_MANY):
                raise _unreachable(path, what, f"it answered {status}") from error
        except httpx2.HTTPError as error:
            if delay is None:
                raise _unreachable(path, what, _cause(error)) from error
        except OSError as error:
            if "Consistency check failed" not in str(error):
                raise
            raise DataError(
                f"The {what} of '{path}' arrived incomplete from {endpoint()}: {str(error).split('.')[0]}. "
                "The incomplete file was deleted; start again to download it."
            ) from error
        time.sleep(delay or 0)
    raise AssertionError("unreachable: the last try returns or raises")


def _cause(error: BaseException) -> str:
    """The innermost reason, in one line."""
    while error.__cause__ is not None:
        error = error.__cause__
    return f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else 'no answer'}"


def _unreachable(path: str, what: str, reason: str) -> HubUnreachable:
    return HubUnreachable(
        f"Cannot read {what} of data set '{path}' from {endpoint()}: {reason}. Expected the Hugging Face hub or a "
        "server that speaks its protocol. Check the network, set HF_ENDPOINT to a reachable one, use a local copy "
        "with --data-source mirror --mirror FOLDER, or --data-source sample, which needs no network."
    )
