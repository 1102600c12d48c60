"""Sentence vectors of any encoder, kept by what decides them.

A folder or hub model of sentence-transformers is used as its authors composed it (pooling, dense layers); of a plain
encoder the states of the model's retrieval layer are averaged, which is what sentence-transformers does with the last.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from core.encoder.identity import identity_of
from core.encoder.loading import Floats, embed, load_encoder, model_problems
from core.encoder.memory import halving
from core.errors import DataError
from core.files import written_beside
from core.spec.base import digest
from core.spec.model import ModelSpec

MAX_PIECES = 128
"""Pieces of a text that are embedded: the beginning of a long one stands for it."""

CODE_VERSION = 1
"""Raised when the same texts would get other vectors."""

_BATCH_TOKENS = {"cpu": 1024}  # small batches stay in a core's cache: 494 texts a second of CPU where 4,096 gave 422
_BATCH_TOKENS_GPU = 16_384
_BATCH = 64
_PLAIN = {"Transformer", "Pooling", "Normalize"}


class Embedded(NamedTuple):
    """Vectors of some texts."""

    rows: Floats
    """(n, d), unit length up to rounding to half precision."""
    key: str
    """Digest of everything that decides them."""
    was_ready: bool
    """Whether they were found in the cache."""


class SentenceEncoder:
    """A model that is loaded when the first text is embedded, and not before."""

    def __init__(self, model: ModelSpec, *, device: torch.device) -> None:
        """Load nothing.

        Args:
            model: Which.
        """
        self._model, self._device = model, device
        self._how: Callable[[Sequence[str]], Floats] | None = None
        parts = (
            identity_of(model),
            "plain" if _is_plain(model) else _modules_digest(Path(model.path)),
            str(model.retrieval_layer),
            model.retrieval_pooling,
            str(MAX_PIECES),
            str(CODE_VERSION),
            *([model.retrieval_prefix] if model.retrieval_prefix else []),
        )
        self._identity = " ".join(parts)

    def embed(self, texts: Sequence[str], *, fingerprint: str, cache: Path) -> Embedded:
        """Vectors of texts, read from the cache where they are there.

        Args:
            texts: None empty.
            fingerprint: Digest of the texts in order.
            cache: Folder; made if needed.

        Raises:
            ModelError: The model cannot be loaded.
            DataError: The model gave a number that is not finite.
        """
        key = digest(f"{self._identity} {fingerprint}")
        file = cache / f"{key}.npy"
        rows = _read(file, n=len(texts))
        was_ready = rows is not None
        if rows is None:
            if self._how is None:
                self._how = _load(self._model, device=self._device)
            rows = self._how(texts).astype(np.float16)
            if not np.isfinite(rows).all():
                raise DataError(f"Model '{self._model.name}' gave vectors that are not finite. Choose another encoder.")
            _write(file, rows)
        return Embedded(rows.astype(np.float32), key, was_ready)


def digest_of_texts(texts: Sequence[str]) -> str:
    """First 16 hexadecimal digits of the SHA-256 of texts in order: their fingerprint.

    Args:
        texts: Any.
    """
    raw = json.dumps(texts, ensure_ascii=False).encode("utf-8", "surrogatepass")
    return hashlib.sha256(raw).hexdigest()[:16]


def _load(model: ModelSpec, *, device: torch.device) -> Callable[[Sequence[str]], Floats]:
    if not _is_plain(model):
        return _composed(model, device=device)
    encoder = load_encoder(model)
    encoder = dataclasses.replace(encoder, max_length=min(encoder.max_length, MAX_PIECES))
    encoder.model.to(device)
    batch_tokens = _BATCH_TOKENS.get(device.type, _BATCH_TOKENS_GPU)

    def run(texts: Sequence[str]) -> Floats:
        layer, pooling, prefix = model.retrieval_layer, model.retrieval_pooling, model.retrieval_prefix
        return embed(encoder, texts, layer=layer, pooling=pooling, batch_tokens=batch_tokens, prefix=prefix)

    return run


def _composed(model: ModelSpec, *, device: torch.device) -> Callable[[Sequence[str]], Floats]:
    from sentence_transformers import SentenceTransformer  # noqa: PLC0415  seconds, and only some models need it

    load_encoder(model)  # sentence-transformers draws what the weights leave out at random, without a word
    with model_problems(model):
        loaded: Any = SentenceTransformer(
            model.path,
            revision=model.revision,
            device=str(device),
            trust_remote_code=False,
            model_kwargs={"use_safetensors": True},
        )
    loaded.max_seq_length = min(loaded.max_seq_length or MAX_PIECES, MAX_PIECES)

    def run(texts: Sequence[str]) -> Floats:
        prefixed = [model.retrieval_prefix + text for text in texts]

        def encoded(n_texts: int) -> Floats:
            options = {"batch_size": n_texts, "normalize_embeddings": True, "show_progress_bar": False}
            return np.asarray(loaded.encode(prefixed, convert_to_numpy=True, **options), dtype=np.float32)

        return halving(encoded, tokens=_BATCH, largest=lambda: 1, device=device).value

    return run


def _is_plain(model: ModelSpec) -> bool:
    """Whether a mean over states is all there is: a folder without modules of its own, or a layer that was named."""
    folder = Path(model.path)
    if model.retrieval_layer is not None:
        return True
    if not folder.is_dir():
        return False
    listed = folder / "modules.json"
    if not listed.is_file():
        return True
    kinds = {str(module.get("type", "")).rpartition(".")[2] for module in json.loads(listed.read_text("utf-8"))}
    pooling = folder / "1_Pooling" / "config.json"
    raw = json.loads(pooling.read_text("utf-8")) if pooling.is_file() else {}
    return kinds <= _PLAIN and (raw.get("pooling_mode") == "mean" or raw.get("pooling_mode_mean_tokens") is True)


def _modules_digest(folder: Path) -> str:
    """Digest of what a folder holds beside the transformer: which modules, and their weights."""
    files = [f for f in sorted(folder.glob("*/*")) if f.suffix in {".json", ".safetensors"}]
    total = hashlib.sha256()
    for file in [f for f in (folder / "modules.json", *files) if f.is_file()]:
        total.update(f"{file.relative_to(folder)}\0".encode() + file.read_bytes())
    return f"modules {total.hexdigest()[:12]}"


def _read(file: Path, *, n: int) -> np.ndarray[Any, np.dtype[Any]] | None:
    # A file that was cut off is made again.
    with contextlib.suppress(OSError, ValueError, EOFError):
        rows: np.ndarray[Any, np.dtype[Any]] = np.load(file, allow_pickle=False)
        if rows.ndim == 2 and len(rows) == n:
            return rows
    return None


def _write(file: Path, rows: np.ndarray[Any, np.dtype[Any]]) -> None:
    with written_beside(file) as draft, draft.open("wb") as stream:
        np.save(stream, rows, allow_pickle=False)
