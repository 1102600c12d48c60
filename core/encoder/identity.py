"""What stands for a model in the keys of stages and vectors."""

from __future__ import annotations

from pathlib import Path

from core.encoder.loading import hub_commit
from core.errors import ModelError
from core.files import digest_of
from core.spec.base import digest
from core.spec.model import ModelSpec


def identity_of(model: ModelSpec) -> str:
    """What stands for the model in a key: fingerprint, or hub id and revision, and what heads read if it is said.

    Args:
        model: A local folder without a fingerprint is read once.

    Raises:
        ModelError: The folder has no weights.
    """
    found = _bytes_of(model)
    return found if model.heads_read is None else f"{found} {model.heads_read}"


def _bytes_of(model: ModelSpec) -> str:
    if model.fingerprint is not None:
        return model.fingerprint
    folder = Path(model.path)
    if not folder.is_dir():
        return f"{model.path}@{model.revision or hub_commit(model)}"
    files = sorted([*folder.glob("*.safetensors"), folder / "config.json", *folder.glob("tokenizer*.json")])
    if not any(f.suffix == ".safetensors" for f in files):
        found = ", ".join(sorted(p.name for p in folder.iterdir())) or "nothing"
        raise ModelError(f"Model '{model.path}': found {found}, expected model.safetensors. Convert pickled weights.")
    return digest(" ".join(digest_of(f) for f in files if f.is_file()))
