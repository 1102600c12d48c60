"""What is looked at before a loaded model is used: its weights, which way it reads, where its dropout reaches."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import nn

from core.errors import ModelError
from core.heads.states import Encoder

_NAMED = 5
_PROBE = "1 2 3 a b c d"
"""Pieces that a tokenizer has and a model has met; the first of a vocabulary are often unused, and nearly equal."""
_CHANGE = 1e-3
"""Smallest change that is no rounding; states are about 1."""
_NO_CHANGE = 1e-6
"""Of the change at the piece that was changed; random encoders of width 16 carry about a thousandth of it on."""


def check_weights(info: Mapping[str, Any], *, where: str, prefix: str = "") -> None:
    """Refuse weights that leave tensors of the encoder to chance; a pooler is never read.

    Args:
        info: transformers' `output_loading_info`.
        where: Begins the message.
        prefix: What the names of the encoder's tensors begin with where a head was loaded, too; a head may be missing.

    Raises:
        ModelError: Tensors are missing, or of another shape.
    """
    found = {name: f"{name} {list(a)} for {list(b)}" for name, a, b in info["mismatched_keys"]}
    missing, misfits = ([n for n in sorted(names) if _is_read(n, prefix)] for names in (info["missing_keys"], found))
    problems = [f"{len(missing)} missing ({_first(missing)})"] if missing else []
    if misfits:
        problems.append(f"{len(misfits)} of another shape ({_first(found[name] for name in misfits)})")
    if not problems:
        return
    unknown = sorted(info["unexpected_keys"])
    other = f" The file has {len(unknown)} that the model does not know ({_first(unknown)})." if unknown else ""
    raise ModelError(
        f"{where}: the weights do not fit the architecture. Tensors that would be random: {', '.join(problems)}.{other}"
        " Take config.json and weights of the same model, and copy them whole."
    )


def _is_read(name: str, prefix: str) -> bool:
    return name.startswith(prefix) and "pooler" not in name


def _first(names: Iterable[str]) -> str:
    listed = list(names)
    return ", ".join(listed[:_NAMED]) + (", …" if len(listed) > _NAMED else "")


def check_reads_both_ways(encoder: Encoder, *, where: str) -> None:
    """Refuse a model whose earlier states do not change with the last piece (it is causal) or are no numbers.

    Args:
        encoder: As pretrained: one that has collapsed in training may look the same.
        where: Begins the message.

    Raises:
        ModelError: It reads from left to right, or its weights hold nan.
    """
    pieces = probe_pieces(encoder)
    if len(pieces) < 2:
        return
    ids = torch.tensor([pieces, [*pieces[:-1], pieces[0]]], device=encoder.device)
    encoder.model.eval()
    with torch.inference_mode():
        states = encoder.model(input_ids=ids).last_hidden_state
    if not torch.isfinite(states).all():
        raise ModelError(
            f"{where}: the states of a short text are no finite numbers, so its weights hold nan. "
            "Copy or download them again."
        )
    change = (states[0] - states[1]).abs().amax(dim=-1)
    if change[-1] > _CHANGE and change[:-1].max() <= _NO_CHANGE * change[-1]:
        raise ModelError(
            f"{where}: reads from left to right: another last piece changes no state before it. Encoders only, so far: "
            "the first state of such a model has seen nothing of the text. Choose a model that reads both ways."
        )


def probe_pieces(encoder: Encoder) -> list[int]:
    """Ids of a short text for looking at how a model is made.

    Args:
        encoder: Gives the tokenizer.
    """
    pieces: list[int] = encoder.tokenizer(_PROBE, add_special_tokens=False)["input_ids"]
    return pieces


def with_dropout(config: Any, dropout: float | None) -> Any:  # noqa: ANN401  untyped third party
    """The configuration with every rate of dropout set; a rate of dropped layers is none.

    Args:
        config: transformers' configuration; changed in place.
        dropout: In [0, 1); None leaves it alone.
    """
    if dropout is not None:
        for field, value in vars(config).items():
            if "dropout" in field and isinstance(value, float | int) and not isinstance(value, bool):
                setattr(config, field, dropout)
    return config


def dropout_gap(encoder: Encoder) -> str | None:
    """What a dropout that was asked for does not reach: the states, in an architecture that has none on them."""
    if any(isinstance(module, nn.Dropout) for module in encoder.model.modules()):
        return None
    fields = [field for field, value in vars(encoder.model.config).items() if "dropout" in field and value]
    kind = encoder.model.config.model_type
    return (
        f"The protocol's dropout reaches the head and, in the encoder, {', '.join(sorted(fields)) or 'nothing'} alone: "
        f"architecture '{kind}' has no dropout on its hidden states."
    )
