"""Load, save and use a pretrained encoder: any architecture of transformers that `check_encoder` takes.

What differs between architectures is worked out here once: where the summary position is, which side is padded,
whether there are segment ids, how long an input may be. Nothing downloaded is executed.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from huggingface_hub.errors import StrictDataclassError
from safetensors import SafetensorError
from torch import nn
from transformers import AutoConfig, AutoModel, AutoTokenizer
from transformers.conversion_mapping import get_checkpoint_conversion_mapping
from transformers.utils import logging as transformers_logging

from core.encoder.device import attention_kernel, autocast
from core.encoder.fitting import check_reads_both_ways, check_weights, with_dropout
from core.encoder.memory import over_batches
from core.encoder.packing import first_position
from core.errors import AtlasError, HubUnreachable, ModelError, OutOfMemory, UnsafeWeights
from core.heads.states import Batch, Encoder, encode, inputs_of, mean_of_tokens, summary_index
from core.models.folders import check_encoder
from core.spec.model import ModelSpec
from core.types.pieces import Ints, tokenise

Floats = np.ndarray[Any, np.dtype[np.float32]]

_STUMBLES = (
    *(OSError, ValueError, LookupError, TypeError, AttributeError, ArithmeticError, ImportError, RuntimeError),
    *(MemoryError, SafetensorError, StrictDataclassError),
)
"""What transformers raises where a configuration, a tokenizer or weights hold what nobody foresaw."""

_MOST_OF_A_TEXT = 500
_NO_MEMORY = ("Cannot allocate memory", "not enough memory", "out of memory", "std::bad_alloc")


def load_encoder(spec: ModelSpec, *, weights: Path | None = None, dropout: float | None = None) -> Encoder:
    """A pretrained encoder in float32 on the CPU, or the same architecture with a finished stage's weights.

    Args:
        spec: Which model; its tokenizer is always the pretrained one.
        weights: Folder of `save_encoder`; None: the pretrained weights.
        dropout: Dropout everywhere in the encoder, in [0, 1); None: as the configuration says.

    Raises:
        ModelError: The model or a fast tokenizer cannot be loaded, weights do not fit it, or it is no encoder.
        UnsafeWeights: It has no safetensors weights.
        HubUnreachable: The hub did not answer.
    """
    config = load_config(spec)
    with model_problems(spec):
        model, info = AutoModel.from_pretrained(
            str(weights or spec.path),
            revision=None if weights else spec.revision,
            config=with_dropout(config, dropout),
            use_safetensors=True,
            trust_remote_code=False,
            dtype=torch.float32,
            attn_implementation=attention_kernel(),
            ignore_mismatched_sizes=True,
            output_loading_info=True,
            **_without_pooler(config),
        )
    check_weights(info, where=f"Model '{weights or spec.path}'")
    encoder = wrap(model, tokenizer=load_tokenizer(spec), name=spec.path, is_trained=weights is not None)
    encoder.heads_read = spec.heads_read or encoder.heads_read
    return encoder


def rehearse() -> None:
    """Let transformers and torch set up what they do at their first use and keep, so that no job waits for it."""
    get_checkpoint_conversion_mapping("bert")  # type: ignore[no-untyped-call]  # compiles a thousand expressions
    layer = torch.nn.Linear(8, 8)
    layer(torch.ones(1, 8)).sum().backward()


def load_config(spec: ModelSpec) -> Any:  # noqa: ANN401  untyped third party
    """The configuration of a model that is an encoder.

    Args:
        spec: Which model.

    Raises:
        ModelError: It cannot be read, or is of no encoder.
        HubUnreachable: The hub did not answer.
    """
    with model_problems(spec):
        config = AutoConfig.from_pretrained(spec.path, revision=spec.revision, trust_remote_code=False)
    check_encoder(config.to_dict(), where=f"Model '{spec.path}'")
    return config


def load_tokenizer(spec: ModelSpec) -> Any:  # noqa: ANN401  transformers' tokenizers share no typed base
    """The model's fast tokenizer.

    Args:
        spec: Which model.

    Raises:
        ModelError: There is none, or it gives no character offsets.
    """
    with model_problems(spec):
        tokenizer = AutoTokenizer.from_pretrained(spec.path, revision=spec.revision, trust_remote_code=False)
    if not tokenizer.is_fast:
        raise ModelError(
            f"Model '{spec.path}' has only a slow tokenizer ({type(tokenizer).__name__}); tagging and question "
            "answering need character offsets. Save a fast one beside the weights (tokenizer.json)."
        )
    if tokenizer.pad_token_id is None:
        raise ModelError(f"The tokenizer of '{spec.path}' has no padding token; batches need one. Set pad_token.")
    return tokenizer


def wrap(model: Any, *, tokenizer: Any, name: str, is_trained: bool) -> Encoder:  # noqa: ANN401  untyped third party
    """An `Encoder` around a loaded base model.

    Args:
        model: transformers' base model.
        tokenizer: Its fast tokenizer.
        name: For error messages.
        is_trained: Whether these are a stage's weights; which way it reads is looked at in the pretrained model alone.

    Raises:
        ModelError: The tokenizer gives ids for which the model has no embedding, or it reads from left to right.
    """
    rows = int(model.get_input_embeddings().weight.shape[0])
    largest = max(tokenizer.get_vocab().values())
    if largest >= rows:
        raise ModelError(
            f"The tokenizer of '{name}' gives ids up to {largest}, the model has only {rows} embeddings: they do not "
            "belong together. Take tokenizer files and weights from the same folder."
        )
    segments = int(getattr(model.config, "type_vocab_size", 2) or 0)
    takes_types = (
        "token_type_ids" in tokenizer.model_input_names
        and "token_type_ids" in inspect.signature(model.forward).parameters
        and segments > 1
    )
    encoder = Encoder(
        model=model,
        tokenizer=tokenizer,
        summary=_summary_position(tokenizer),
        heads_read=_what_heads_read(model.config),
        takes_types=takes_types,
        max_length=_longest_input(model, tokenizer=tokenizer),
    )
    if not is_trained:
        check_reads_both_ways(encoder, where=f"Model '{name}'")
    encoder.first_position = first_position(model)
    return encoder


def save_encoder(encoder: Encoder, folder: Path) -> None:
    """Write configuration and float32 safetensors weights, without a tokenizer (it never changes).

    Args:
        encoder: What to write.
        folder: Made if needed.
    """
    folder.mkdir(parents=True, exist_ok=True)
    encoder.model.save_pretrained(str(folder), safe_serialization=True)


def embed(
    encoder: Encoder, texts: Sequence[str], *, layer: int | None, pooling: str, batch_tokens: int, prefix: str = ""
) -> Floats:
    """Sentence vectors, in the order of the texts.

    Args:
        encoder: Evaluated without dropout.
        texts: Sentences; cut at the encoder's longest input.
        layer: 0 the embeddings, negative from the last, None the last.
        pooling: `mean` over real tokens, or `cls`, the summary position.
        batch_tokens: Tokens with padding that go through the model at once.
        prefix: Put before each text.

    Returns:
        (n_texts, hidden) float32, rows of unit length.
    """
    limit = min(encoder.max_length, 512)
    ids = tokenise(encoder, [prefix + text for text in texts], limit=limit)["input_ids"]
    lengths = np.array([len(row) for row in ids])
    out = np.zeros((len(texts), encoder.hidden_size), dtype=np.float32)
    encoder.model.eval()

    def compute(rows: Ints) -> None:
        padded = encoder.tokenizer.pad({"input_ids": [ids[i] for i in rows]}, return_tensors="pt")
        mask = padded["attention_mask"].to(encoder.device)
        states = _states(encoder, padded["input_ids"].to(encoder.device), mask=mask, layer=layer)
        out[rows] = _pool(states, mask=mask, pooling=pooling, summary=encoder.summary).cpu().numpy()

    with torch.inference_mode(), autocast(encoder):
        over_batches(lengths, compute, batch_tokens=batch_tokens, device=encoder.device, cut=_by_tokens)
    return out


def _states(encoder: Encoder, ids: torch.Tensor, *, mask: torch.Tensor, layer: int | None) -> torch.Tensor:
    """States of one layer, (rows, tokens, hidden)."""
    batch = Batch(ids, mask, types=None, targets=None, weight=1.0, is_padded=not bool(mask.all()))
    if layer is None or layer == -1:
        return encode(encoder, batch)
    with inputs_of(encoder, batch) as rows:
        states = encoder.model(**rows.inputs, output_hidden_states=True).hidden_states
    if not -len(states) <= layer < len(states):
        raise ModelError(f"Layer {layer} asked for, but the model has layers 0 (embeddings) to {len(states) - 1}.")
    return rows.padded(states[layer])


def _pool(states: torch.Tensor, *, mask: torch.Tensor, pooling: str, summary: str) -> torch.Tensor:
    if pooling == "cls":
        vectors = states[torch.arange(len(states), device=states.device), summary_index(mask, summary=summary)]
    else:
        vectors = mean_of_tokens(states, mask=mask)
    return nn.functional.normalize(vectors.float(), dim=-1)


def _by_tokens(lengths: Ints, *, batch_tokens: int) -> Iterator[Ints]:
    rows: list[int] = []
    for i in np.argsort(lengths, kind="stable"):
        if rows and (len(rows) + 1) * lengths[i] > batch_tokens:
            yield np.array(rows)
            rows = []
        rows.append(int(i))
    if rows:
        yield np.array(rows)


def _summary_position(tokenizer: Any) -> Literal["first", "last"]:  # noqa: ANN401  untyped third party
    probe = tokenizer("a")["input_ids"]
    if tokenizer.cls_token_id in probe:
        return "first" if probe.index(tokenizer.cls_token_id) == 0 else "last"
    return "last" if tokenizer.padding_side == "left" else "first"


def _what_heads_read(config: Any) -> Literal["summary", "mean"]:  # noqa: ANN401  untyped third party
    """As transformers' own classifier of that configuration does: ModernBERT's name their pooling."""
    return "mean" if getattr(config, "classifier_pooling", None) == "mean" else "summary"


def _longest_input(model: Any, *, tokenizer: Any) -> int:  # noqa: ANN401  untyped third party
    longest = int(tokenizer.model_max_length)
    for name, module in model.named_modules():
        if name.endswith("position_embeddings") and isinstance(module, nn.Embedding):
            # RoBERTa and its kin count positions from the padding index on: 514 rows hold 512 tokens.
            offset = 0 if module.padding_idx is None else module.padding_idx + 1
            longest = min(longest, module.num_embeddings - offset)
    return min(longest, 4096)


def _without_pooler(config: Any) -> dict[str, bool]:  # noqa: ANN401  untyped third party
    """`add_pooling_layer=False` where the architecture has that argument: our heads never use the pooler."""
    try:
        base: Any = AutoModel._model_mapping[type(config)]
    except KeyError:
        return {}
    return {"add_pooling_layer": False} if "add_pooling_layer" in inspect.signature(base).parameters else {}


def hub_commit(spec: ModelSpec) -> str:
    """The commit that a hub model's main branch points at now, so that a stage is never reused for other weights.

    Args:
        spec: A hub model without a pinned revision.

    Raises:
        ModelError: The hub did not say.
        HubUnreachable: No network.
    """
    with model_problems(spec):
        config = AutoConfig.from_pretrained(spec.path, trust_remote_code=False)
    commit = getattr(config, "_commit_hash", None)
    if not commit:
        raise ModelError(f"Model '{spec.path}': the hub named no commit. Pin a revision, or use a folder.")
    return str(commit)


@contextmanager
def model_problems(spec: ModelSpec) -> Iterator[None]:
    """Turn what transformers raises while loading into errors that say what to do.

    Args:
        spec: The model that is loaded.

    Raises:
        ModelError: It cannot be loaded.
        UnsafeWeights: Only pickled weights, or code that comes with the model.
        HubUnreachable: No network.
        OutOfMemory: It does not fit into the memory that is free.
    """
    transformers_logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    transformers_logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    try:
        yield
    except AtlasError:
        raise
    except _STUMBLES as error:
        raise _no_memory(error, spec=spec) or _translated(error, spec=spec) from error


def _no_memory(error: BaseException, *, spec: ModelSpec) -> OutOfMemory | None:
    text = str(error)
    if not isinstance(error, MemoryError) and not any(words in text for words in _NO_MEMORY):
        return None
    return OutOfMemory(
        f"Model '{spec.path}' does not fit into the memory that is free ({text or 'MemoryError'}). Run fewer jobs at a "
        "time (ATLAS_CPU_SLOTS=1), close other programs, or choose a smaller model; then retry the run."
    )


def _translated(error: BaseException, *, spec: ModelSpec) -> Exception:
    text = " ".join(str(error).split())[:_MOST_OF_A_TEXT] or type(error).__name__
    folder = Path(spec.path)
    is_system = isinstance(error, OSError) and error.errno is not None
    if not folder.exists() and (is_system or "connect" in text.lower() or "offline" in text.lower()):
        return HubUnreachable(f"Model '{spec.path}' could not be fetched: {text}. Check the network, or name a folder.")
    if "trust_remote_code" in text:
        return UnsafeWeights(f"Model '{spec.path}' brings its own code, which is never executed. Choose another model.")
    if isinstance(error, SafetensorError):
        return ModelError(
            f"Model '{spec.path}': its safetensors are cut off or damaged ({text}). Copy or download them again."
        )
    pickles = sorted(p.name for p in folder.glob("*.bin")) if folder.is_dir() else []
    has_weights = folder.is_dir() and any(folder.glob("*.safetensors"))
    if not has_weights and (pickles or "safetensors" in text):
        found = ", ".join(pickles) or "no safetensors file"
        return UnsafeWeights(
            f"Model '{spec.path}': found {found}, expected model.safetensors. Pickled weights can execute code and are "
            "never loaded; convert them with save_pretrained(safe_serialization=True)."
        )
    if folder.is_absolute() and not (folder / "config.json").is_file():
        return ModelError(f"No config.json in '{spec.path}'. Name a folder in transformers' format.")
    return ModelError(f"Model '{spec.path}' cannot be loaded: {text}")
