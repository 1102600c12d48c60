"""Which folders in transformers' format are taken as an encoder, and what stands for their bytes."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from core.errors import ModelError, RunFolderDamaged, UnsafeWeights
from core.files import name_as_text, opened, read_whole
from core.spec.plain import shortened

_TOKENIZER_FILES = (
    "tokenizer.json", "vocab.txt", "sentencepiece.bpe.model", "spiece.model", "spm.model", "vocab.json",
)  # fmt: skip
_LONGEST_HEADER = 100_000_000
"""Bytes, as the safetensors library has it."""
_ENCODERS = frozenset({
    "albert", "bert", "big_bird", "camembert", "convbert", "data2vec-text", "deberta", "deberta-v2",
    "distilbert", "electra", "ernie", "esm", "esmc", "eurobert", "flaubert", "fnet", "funnel", "gte", "ibert",
    "jina_embeddings_v3", "layoutlm", "longformer", "luke", "megatron-bert", "mobilebert", "modernbert",
    "modernvbert", "mpnet", "mra", "neomme", "nomic_bert", "nystromformer", "perceiver", "reformer", "rembert",
    "roberta", "roberta-prelayernorm", "roc_bert", "roformer", "squeezebert", "tapas", "ultrabert",
    "ultravbert", "xlm", "xlm-roberta", "xlm-roberta-xl", "xlnet", "xmod", "yoso",
})  # fmt: skip
"""transformers' `model_type` of what was pretrained by filling gaps, and XLNet's: a test compares transformers' own
table. All else writes from left to right (its first state has seen nothing of the text), or has a decoder."""
SHORTEST_INPUT = 32
"""Pieces that an encoder must be able to read at once: a question and a window of its passage, markers between."""
_PICKLED = ("*.bin", "*.pt", "*.pth", "*.pkl", "*.ckpt")


def check_model_folder(folder: Path) -> dict[str, Any]:  # Any: the model's own configuration
    """The configuration of a model folder that is complete and safe to load.

    Args:
        folder: In transformers' format.

    Raises:
        ModelError: `config.json`, tokenizer or weights are missing, unreadable or cut off, or it is no encoder.
        UnsafeWeights: The weights are pickled, or `auto_map` asks for code that came with the model.
    """
    config = read_config(folder)
    if "auto_map" in config:
        named = config["auto_map"]
        said = ", ".join(str(each) for each in named) if isinstance(named, (dict, list)) else named
        raise UnsafeWeights(
            f"{folder}: config.json has 'auto_map' ({str(said)[:80]}), so loading it would execute code "
            "of its own, which Transfer Atlas never does. Use a model whose architecture is part of transformers."
        )
    check_encoder(config, where=str(folder))
    check_files(folder)
    return config


def is_whole(folder: Path) -> bool:
    """Whether `check_files` would let a folder pass.

    Args:
        folder: In transformers' format.
    """
    try:
        check_files(folder)
    except ModelError:
        return False
    return True


def check_files(folder: Path) -> None:
    """Refuse a folder without a whole tokenizer and whole safetensors.

    Args:
        folder: In transformers' format.

    Raises:
        ModelError: They are missing or cut off.
        UnsafeWeights: The weights are pickled.
    """
    if not any((folder / name).is_file() for name in _TOKENIZER_FILES):
        raise ModelError(
            f"{folder}: no tokenizer; expected one of {', '.join(_TOKENIZER_FILES)}. "
            "Save it beside the model: tokenizer.save_pretrained(folder)."
        )
    try:
        for file in _weights_files(folder):
            _check_weights_file(file)
    except (OSError, RunFolderDamaged) as error:
        raise ModelError(
            f"{folder}: its weights cannot be read ({error}). Copy or download the model again."
        ) from error


def check_encoder(config: Mapping[str, Any], *, where: str) -> None:  # Any: the model's own configuration
    """Refuse what is no encoder: the one rule, for a folder, a model file and, in a job, the configuration loaded.

    Args:
        config: `model_type` and, where there, `is_decoder`, `is_encoder_decoder` and `max_position_embeddings`.
        where: Begins the message.

    Raises:
        ModelError: A decoder, an encoder with a decoder, or one that reads fewer than `SHORTEST_INPUT` pieces.
    """
    kind = config["model_type"]
    if kind not in _ENCODERS or config.get("is_decoder") or config.get("is_encoder_decoder"):
        set_so = "".join(f" with {field}" for field in ("is_decoder", "is_encoder_decoder") if config.get(field))
        raise ModelError(
            f"{where}: found architecture {shortened(kind)}{set_so}, expected an encoder. Encoders only, so far: "
            "decoders, which read from left to right, and encoders with a decoder are not taken. Architectures that "
            f"are: {', '.join(sorted(_ENCODERS))}."
        )
    longest = config.get("max_position_embeddings")
    if isinstance(longest, int) and 0 < longest < SHORTEST_INPUT:
        raise ModelError(
            f"{where}: its longest input is {longest} pieces (max_position_embeddings); at least {SHORTEST_INPUT} are "
            "needed for a question and a window of its passage. Choose a model that reads more."
        )


def _weights_files(folder: Path) -> list[Path]:
    """What transformers reads: one file, or those that an index names; others beside them do no harm."""
    if (folder / "model.safetensors").is_file():
        return [folder / "model.safetensors"]
    index = folder / "model.safetensors.index.json"
    named = _json(index).get("weight_map") if index.is_file() else None
    if not isinstance(named, dict):
        raise _no_weights(folder)
    names = {str(name) for name in named.values()}
    if away := [name for name in names if Path(name).name != name or "\0" in name]:
        raise ModelError(f"{index}: names {shortened(away[0])}, expected names of files beside it.")
    return sorted(folder / name for name in names)


def _check_weights_file(file: Path) -> None:
    """Refuse a safetensors file that is cut off: its header says how long it must be. Reads the header alone."""
    if not file.is_file():
        raise ModelError(f"{file}: no such file, but the index beside it names it. Copy or download the model whole.")
    size = file.stat().st_size
    with opened(file) as stream:
        length = int.from_bytes(stream.read(8), "little")
        raw = stream.read(length) if 8 + length <= size and length <= _LONGEST_HEADER else b""
    try:
        header = json.loads(raw)
        ends = [int(tensor["data_offsets"][1]) for name, tensor in header.items() if name != "__metadata__"]
    except (ValueError, AttributeError, LookupError, TypeError, ArithmeticError, RecursionError):
        ends = []
    if ends and size == (expected := 8 + length + max(ends)):
        return
    found = f"{size:,} bytes found, {expected:,} expected" if ends else f"{size:,} bytes, without a whole header"
    raise ModelError(
        f"{file}: the weights are cut off or damaged ({found}). Copy or download the file again, and check its size."
    )


def fingerprint(folder: Path) -> str:
    """First 16 hexadecimal digits of the SHA-256 over configuration, tokenizer and weights, read in blocks.

    Args:
        folder: A model folder.

    Raises:
        ModelError: One of the files cannot be read, or is none.
    """
    names = {"config.json", "tokenizer_config.json", "special_tokens_map.json", "merges.txt", *_TOKENIZER_FILES}
    total = hashlib.sha256()
    try:
        files = [p for p in sorted(folder.iterdir()) if p.name in names or p.suffix == ".safetensors"]
        for file in files:
            with opened(file) as stream:
                total.update(f"{name_as_text(file.name)}\0{os.fstat(stream.fileno()).st_size}\0".encode())
                while block := stream.read(1 << 20):
                    total.update(block)
    except (OSError, RunFolderDamaged) as error:
        raise ModelError(f"{folder}: cannot be read as a whole ({error}). Copy or download the model again.") from error
    return total.hexdigest()[:16]


def read_config(folder: Path) -> dict[str, Any]:  # Any: the model's own configuration
    """The configuration of a model folder.

    Args:
        folder: In transformers' format.

    Raises:
        ModelError: It is missing, is not JSON, or names no architecture.
    """
    file = folder / "config.json"
    if not folder.is_dir():
        raise ModelError(f"{folder}: no such folder. A model is a folder with config.json, tokenizer and safetensors.")
    if not file.is_file():
        raise ModelError(f"{folder}: no config.json. Give the folder that model.save_pretrained() wrote.")
    config = _json(file)
    if not isinstance(config.get("model_type"), str):
        raise ModelError(f"{file}: no 'model_type'; expected one such as \"xlm-roberta\". Is it a transformers model?")
    return config


def _json(file: Path) -> dict[str, Any]:  # Any: a stranger's
    try:
        found = json.loads(read_whole(file))
    except RecursionError:
        raise ModelError(f"{file}: lists and objects are nested too deeply. Is it a transformers model?") from None
    except (OSError, ValueError, RunFolderDamaged) as error:
        raise ModelError(f"{file}: is not JSON ({error}). Save the model again with save_pretrained().") from error
    return found if isinstance(found, dict) else {}


def _no_weights(folder: Path) -> ModelError:
    pickled = sorted(p.name for pattern in _PICKLED for p in folder.glob(pattern))
    if pickled:
        return UnsafeWeights(
            f"{folder}: the weights are pickled ({', '.join(pickled)}), and reading a pickle can execute code. Convert "
            "them where you trust the file: AutoModel.from_pretrained(folder).save_pretrained(folder, "
            "safe_serialization=True), then give the folder again with model.safetensors in it."
        )
    return ModelError(f"{folder}: no weights; expected model.safetensors, or its index with the files that it names.")


def rate_factor(folder: Path) -> float:
    """768 / width, at least 1 and at most 4: the learning rates of our protocols suit encoders of width 768.

    Args:
        folder: A model folder.
    """
    config = read_config(folder)
    width = config.get("hidden_size") or config.get("dim") or config.get("d_model")
    return min(4.0, max(1.0, 768 / width)) if isinstance(width, int) and width > 0 else 1.0
