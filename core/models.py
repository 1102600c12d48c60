"""The encoders by name, and local folders in transformers' format.

To add a model to the program: one `ModelSpec` in `MODELS`. To use one without touching code: its folder, or one YAML
file in `AtlasPaths.user_models` (docs/adding.md). Nothing here loads torch or transformers.

Retrieval layers: XTREME's scripts take layer 7 of base models and 13 of XLM-R large; pull request #104 there says that
layer 10 reproduces the paper's Tatoeba figures. jiant takes 14. A protocol may override the model's layer.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from core.errors import ModelError, SpecError, UnknownName, UnsafeWeights
from core.paths import REPO, AtlasPaths
from core.spec.model import ModelSpec
from core.spec.yaml import read_spec_file

DEFAULT_MODEL = "atlas-mini"
"""The bundled encoder."""

_TOKENIZER_FILES = (
    "tokenizer.json", "vocab.txt", "sentencepiece.bpe.model", "spiece.model", "spm.model", "vocab.json",
)  # fmt: skip
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
_CONNEAU = "Conneau et al. 2020, 1911.02116"
_DEVLIN = "Devlin et al. 2019, 1810.04805"

MODELS: dict[str, ModelSpec] = {
    "atlas-mini": ModelSpec(
        name="atlas-mini",
        title="Atlas mini (bundled)",
        path=str(REPO / "data" / "models" / "atlas-mini"),
        architecture="modernbert",
        languages="multilingual",
        parameters_m=14.4,
        learning_rate_factor=10,
        licence="Apache-2.0",
        citation="Transfer Atlas; see data/models/atlas-mini/README.md",
    ),
    "xlm-r-base": ModelSpec(
        name="xlm-r-base",
        title="XLM-R base",
        path="FacebookAI/xlm-roberta-base",
        revision="e73636d4f797dec63c3081bb6ed5c7b0bb3f2089",
        architecture="xlm-roberta",
        languages="multilingual",
        parameters_m=278,
        retrieval_layer=7,
        licence="MIT",
        citation=_CONNEAU,
    ),
    "xlm-r-large": ModelSpec(
        name="xlm-r-large",
        title="XLM-R large",
        path="FacebookAI/xlm-roberta-large",
        revision="c23d21b0620b635a76227c604d44e43a9f0ee389",
        architecture="xlm-roberta",
        languages="multilingual",
        parameters_m=560,
        retrieval_layer=13,
        licence="MIT",
        citation=_CONNEAU,
    ),
    "mbert": ModelSpec(
        name="mbert",
        title="mBERT (cased)",
        path="google-bert/bert-base-multilingual-cased",
        revision="fdfce55e83dbed325647a63e7e1f5de19f0382ba",
        architecture="bert",
        languages="multilingual",
        parameters_m=178,
        retrieval_layer=7,
        licence="Apache-2.0",
        citation=_DEVLIN,
    ),
    "distilmbert": ModelSpec(
        name="distilmbert",
        title="Multilingual DistilBERT (cased)",
        path="distilbert/distilbert-base-multilingual-cased",
        revision="45c032ab32cc946ad88a166f7cb282f58c753c2e",
        architecture="distilbert",
        languages="multilingual",
        parameters_m=135,
        retrieval_layer=4,  # ours: no paper states one for six layers; 7 of 12 is 4 of 6 rounded up
        licence="Apache-2.0",
        citation="Sanh et al. 2019, 1910.01108",
    ),
    "mdeberta-v3-base": ModelSpec(
        name="mdeberta-v3-base",
        title="mDeBERTa-v3 base",
        path="microsoft/mdeberta-v3-base",
        # The main branch holds pickled weights alone; this commit of its pull request 5 adds the safetensors.
        revision="faf660b811036d7b6dfc53aacfe5281447d4e2c6",
        architecture="deberta-v2",
        languages="multilingual",
        parameters_m=279,
        retrieval_layer=7,
        licence="MIT",
        citation="He et al. 2021, 2111.09543",
    ),
    "multilingual-minilm": ModelSpec(
        name="multilingual-minilm",
        title="Multilingual MiniLM L12 H384",
        path="microsoft/Multilingual-MiniLM-L12-H384",
        architecture="bert",
        languages="multilingual",
        parameters_m=118,
        retrieval_layer=7,
        licence="MIT",
        citation="Wang et al. 2020, 2002.10957",
    ),
    "bert-base-uncased": ModelSpec(
        name="bert-base-uncased",
        title="BERT base (uncased)",
        path="google-bert/bert-base-uncased",
        revision="86b5e0934494bd15c9632b12f734a8a67f723594",
        architecture="bert",
        languages="english",
        parameters_m=110,
        retrieval_layer=7,
        licence="Apache-2.0",
        citation=_DEVLIN,
    ),
    "bert-base-cased": ModelSpec(
        name="bert-base-cased",
        title="BERT base (cased)",
        path="google-bert/bert-base-cased",
        revision="cd5ef92a9fb2f889e972770a36d4ed042daf221e",
        architecture="bert",
        languages="english",
        parameters_m=108,
        retrieval_layer=7,
        licence="Apache-2.0",
        citation=_DEVLIN,
    ),
    "roberta-base": ModelSpec(
        name="roberta-base",
        title="RoBERTa base",
        path="FacebookAI/roberta-base",
        revision="e2da8e2f811d1448a5b465c236feacd80ffbac7b",
        architecture="roberta",
        languages="english",
        parameters_m=125,
        retrieval_layer=7,
        licence="MIT",
        citation="Liu et al. 2019, 1907.11692",
    ),
    "xlnet-base": ModelSpec(
        name="xlnet-base",
        title="XLNet base (cased)",
        path="xlnet/xlnet-base-cased",
        architecture="xlnet",
        languages="english",
        parameters_m=117,
        retrieval_layer=7,
        licence="MIT",
        citation="Yang et al. 2019, 1906.08237",
    ),
}
"""The encoders, by name. `multilingual-minilm` may hold pickled weights on the hub; then it is refused, saying why."""


def load_models(paths: AtlasPaths) -> dict[str, ModelSpec]:
    """`MODELS` and the user's own; a file of the user that cannot be used is left out (`skipped_model_files`).

    Args:
        paths: The Atlas home; its `user_models` folder need not exist.
    """
    return _load(paths)[0]


def skipped_model_files(paths: AtlasPaths) -> tuple[str, ...]:
    """Why files in the user's folder of models cannot be used, one text a file; empty where all are sound.

    Args:
        paths: The Atlas home.
    """
    return _load(paths)[1]


def _load(paths: AtlasPaths) -> tuple[dict[str, ModelSpec], tuple[str, ...]]:
    models, problems = dict(MODELS), list[str]()
    for file in sorted(paths.user_models.glob("*.y*ml")):
        try:
            model = read_spec_file(file, kind=ModelSpec, example="docs/adding.md")
        except SpecError as error:
            problems.append(str(error))
            continue
        if model.name in models:
            problems.append(f"{file}: field 'name': '{model.name}' is already the name of a model; choose another.")
            continue
        models[model.name] = model.model_copy(update={"is_user_model": True})
    return models, tuple(problems)


def resolve_model(text: str, *, paths: AtlasPaths) -> ModelSpec:
    """The model of a name, or of a folder in transformers' format.

    A folder gets its fingerprint, so that two folders with the same bytes are the same model.

    Args:
        text: Registry name, or folder (relative or absolute).

    Raises:
        UnknownName: Neither a name nor a folder.
        ModelError: The folder is not a complete model, or the model is no encoder.
        UnsafeWeights: Its weights are pickled, or loading it would execute code.
    """
    known = load_models(paths)
    if text in known:
        model = known[text]
        check_encoder({"model_type": model.architecture}, where=f"Model '{model.name}'")
        if not Path(model.path).is_absolute():
            return model
        return model.model_copy(update=_folder_facts(Path(model.path)))
    folder = Path(text).expanduser()
    if not folder.is_dir():
        if "/" in text or text.startswith("."):
            raise ModelError(
                f"No folder {folder.resolve()}. Give a model folder, or one of: {', '.join(sorted(known))}."
            )
        raise UnknownName("model", text, known=known)
    return _local(folder.resolve())


def check_model_folder(folder: Path) -> dict[str, Any]:  # Any: the model's own configuration
    """The configuration of a model folder that is complete and safe to load.

    Args:
        folder: In transformers' format.

    Raises:
        ModelError: `config.json`, tokenizer or weights are missing, unreadable or cut off, or it is no encoder.
        UnsafeWeights: The weights are pickled, or `auto_map` asks for code that came with the model.
    """
    config = _config(folder)
    if "auto_map" in config:
        raise UnsafeWeights(
            f"{folder}: config.json has 'auto_map' ({', '.join(config['auto_map'])}), so loading it would execute code "
            "of its own, which Transfer Atlas never does. Use a model whose architecture is part of transformers."
        )
    check_encoder(config, where=str(folder))
    if not any((folder / name).is_file() for name in _TOKENIZER_FILES):
        raise ModelError(
            f"{folder}: no tokenizer; expected one of {', '.join(_TOKENIZER_FILES)}. "
            "Save it beside the model: tokenizer.save_pretrained(folder)."
        )
    for file in _weights_files(folder):
        _check_weights_file(file)
    return config


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
            f"{where}: found architecture '{kind}'{set_so}, expected an encoder. Encoders only, so far: decoders, "
            "which read from left to right, and encoders with a decoder are not taken. Architectures that are: "
            f"{', '.join(sorted(_ENCODERS))}."
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
    return sorted({folder / str(name) for name in named.values()})


def _check_weights_file(file: Path) -> None:
    """Refuse a safetensors file that is cut off: its header says how long it must be. Reads the header alone."""
    if not file.is_file():
        raise ModelError(f"{file}: no such file, but the index beside it names it. Copy or download the model whole.")
    size = file.stat().st_size
    with file.open("rb") as stream:
        length = int.from_bytes(stream.read(8), "little")
        raw = stream.read(length) if 8 + length <= size else b""
    try:
        header = json.loads(raw)
        ends = [int(tensor["data_offsets"][1]) for name, tensor in header.items() if name != "__metadata__"]
    except (ValueError, AttributeError, KeyError, TypeError, IndexError):
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
    """
    names = {"config.json", "tokenizer_config.json", "special_tokens_map.json", "merges.txt", *_TOKENIZER_FILES}
    files = [p for p in sorted(folder.iterdir()) if p.name in names or p.suffix == ".safetensors"]
    total = hashlib.sha256()
    for file in files:
        total.update(f"{file.name}\0{file.stat().st_size}\0".encode())
        with file.open("rb") as stream:
            while block := stream.read(1 << 20):
                total.update(block)
    return total.hexdigest()[:16]


def _config(folder: Path) -> dict[str, Any]:  # Any: the model's own configuration
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
        found = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
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


def _folder_facts(folder: Path) -> dict[str, Any]:  # Any: fields of a ModelSpec
    config = check_model_folder(folder)
    return {"path": str(folder), "architecture": config["model_type"], "fingerprint": fingerprint(folder)}


def _rate_factor(folder: Path) -> float:
    """768 / width, at least 1 and at most 4: the learning rates of our protocols suit encoders of width 768."""
    width = _config(folder).get("hidden_size") or _config(folder).get("dim") or _config(folder).get("d_model")
    return min(4.0, max(1.0, 768 / width)) if isinstance(width, int) and width > 0 else 1.0


def _local(folder: Path) -> ModelSpec:
    facts = _folder_facts(folder)
    stem = re.sub(r"[^a-z0-9_.-]+", "-", folder.name.lower()).strip("-._")[:60] or "model"
    return ModelSpec(
        name=f"{stem}-{facts['fingerprint'][:6]}",
        title=folder.name,
        languages="multilingual",
        licence="unknown (local folder)",
        citation="local folder",
        is_user_model=True,
        learning_rate_factor=_rate_factor(folder),
        **facts,
    )
