"""Masked-language modelling: masks drawn anew for every step, and a head that reads masked positions only.

Where transformers has an `AutoModelForMaskedLM` for the architecture, its pretrained, tied head is used; the base model
hands it the states of the masked positions alone, because logits over 250,000 pieces at every position would fill any
memory. XLNet was pretrained otherwise (permutations, two streams) and has none: it gets a tied head of our own.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812  the name everybody reads
from transformers import AutoModelForMaskedLM

from core.encoder.batches import collate, rows_of
from core.encoder.fitting import check_weights, with_dropout
from core.encoder.loading import load_config, load_encoder, load_tokenizer, model_problems, wrap
from core.errors import ModelError
from core.heads.states import Batch, Encoder, inputs_of
from core.spec.model import ModelSpec
from core.types.pieces import IGNORED, Features, Ints

_MASKED, _MASKED_OR_RANDOM = 0.8, 0.9  # shares of the chosen pieces (Devlin et al. 2019)


class HostedHead(nn.Module):
    """transformers' own head, fed with masked positions through a hook on the base model."""

    def __init__(self, model: Any) -> None:  # noqa: ANN401  untyped third party
        """Keep the whole model outside the module tree: its base belongs to the encoder.

        Args:
            model: From `AutoModelForMaskedLM`.
        """
        super().__init__()
        base = model.base_model
        for name, child in model.named_children():
            if child is not base:
                self.add_module(name, child)
        self._whole = (model,)
        self._places: torch.Tensor | None = None
        base.register_forward_hook(self._pick)

    def _pick(self, module: nn.Module, inputs: Any, output: Any) -> Any:  # noqa: ANN401  hook signature
        del module, inputs
        if self._places is not None:
            output.last_hidden_state = output.last_hidden_state[self._places].unsqueeze(0)
        return output

    def forward(self, inputs: dict[str, torch.Tensor], places: torch.Tensor) -> torch.Tensor:
        """Logits at the masked positions, (n_masked, vocabulary)."""
        self._places = places
        try:
            logits: torch.Tensor = self._whole[0](**inputs).logits.squeeze(0)
        finally:
            self._places = None
        return logits


class TiedHead(nn.Module):
    """Dense, GELU, norm and the input embeddings transposed: for architectures without a masked-LM class."""

    def __init__(self, encoder: Encoder) -> None:
        """Fresh weights save the embeddings.

        Args:
            encoder: Whose embeddings are the output matrix.
        """
        super().__init__()
        self._encoder = (encoder,)
        embeddings = encoder.model.get_input_embeddings().weight
        self.dense = nn.Linear(encoder.hidden_size, embeddings.shape[1])
        self.norm = nn.LayerNorm(embeddings.shape[1])
        self.bias = nn.Parameter(torch.zeros(embeddings.shape[0]))
        nn.init.normal_(self.dense.weight, std=0.02)
        nn.init.zeros_(self.dense.bias)

    def forward(self, inputs: dict[str, torch.Tensor], places: torch.Tensor) -> torch.Tensor:
        """Logits at the masked positions, (n_masked, vocabulary)."""
        model = self._encoder[0].model
        states = model(**inputs).last_hidden_state[places]
        logits: torch.Tensor = self.norm(F.gelu(self.dense(states))) @ model.get_input_embeddings().weight.T + self.bias
        return logits


MlmHead = HostedHead | TiedHead


def load_for_mlm(
    spec: ModelSpec, *, weights: Path | None = None, dropout: float | None = None, seed: int
) -> tuple[Encoder, MlmHead]:
    """An encoder and a head that predicts masked pieces.

    Args:
        spec: Which model.
        weights: Folder of a finished stage; None: the pretrained weights, head included where it is there.
        dropout: Dropout everywhere in the encoder; None: as the configuration says.
        seed: Of the head's weights that the model's files do not hold.

    Raises:
        ModelError: It cannot be loaded, or its tokenizer has no mask.
    """
    tokenizer = load_tokenizer(spec)
    if tokenizer.mask_token_id is None:
        raise ModelError(f"The tokenizer of '{spec.path}' has no mask token, which masked-language modelling needs.")
    config = load_config(spec)
    if type(config) not in AutoModelForMaskedLM._model_mapping:
        encoder = load_encoder(spec, weights=weights, dropout=dropout)
        with _drawn_from(seed):
            return encoder, TiedHead(encoder)
    with _drawn_from(seed):
        model, info = _hosted(spec, config=with_dropout(config, dropout), weights=weights)
    check_weights(info, where=f"Model '{weights or spec.path}'", prefix=f"{model.base_model_prefix}.")
    encoder = wrap(model.base_model, tokenizer=tokenizer, name=spec.path, is_trained=weights is not None)
    return encoder, HostedHead(model)


def load_with_own_head(spec: ModelSpec) -> tuple[Encoder, HostedHead] | None:
    """The pretrained encoder with the head that it was pretrained with; None where its files hold none.

    Args:
        spec: Which model.

    Raises:
        ModelError: It cannot be loaded.
    """
    tokenizer, config = load_tokenizer(spec), load_config(spec)
    if tokenizer.mask_token_id is None or type(config) not in AutoModelForMaskedLM._model_mapping:
        return None
    with _drawn_from(0):  # of a head that the files lack
        model, info = _hosted(spec, config=config, weights=None)
    prefix = f"{model.base_model_prefix}."
    check_weights(info, where=f"Model '{spec.path}'", prefix=prefix)
    if any(not name.startswith(prefix) for name in (*info["missing_keys"], *(n for n, *_ in info["mismatched_keys"]))):
        return None
    encoder = wrap(model.base_model, tokenizer=tokenizer, name=spec.path, is_trained=False)
    return encoder, HostedHead(model)


def _hosted(spec: ModelSpec, *, config: Any, weights: Path | None) -> tuple[Any, Any]:  # noqa: ANN401  untyped third party
    """The whole of transformers' model for masked-language modelling, and what its files lacked."""
    with model_problems(spec):
        found: tuple[Any, Any] = AutoModelForMaskedLM.from_pretrained(
            str(weights or spec.path),
            revision=None if weights else spec.revision,
            config=config,
            use_safetensors=True,
            trust_remote_code=False,
            dtype=torch.float32,
            ignore_mismatched_sizes=True,
            output_loading_info=True,
        )
    return found


@contextmanager
def _drawn_from(seed: int) -> Iterator[None]:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield


def masked_batch(
    features: Features, items: Ints, *, encoder: Encoder, rng: np.random.Generator, probability: float
) -> Batch:
    """Some rows with pieces to predict: of the chosen ones 80 % masked, 10 % random, 10 % left (Devlin et al. 2019).

    Args:
        features: Of `featurise_text`.
        items: (n,) indices.
        encoder: Gives padding, specials and device.
        rng: Draws the masks.
        probability: Share of pieces to predict; at least one piece per batch is.
    """
    batch, places = collate(features, rows_of(features, items), encoder=encoder)
    ids = batch.ids.cpu().numpy()
    usable = (places >= 0) & ~np.isin(ids, encoder.tokenizer.all_special_ids)
    chosen = usable & (rng.random(ids.shape) < probability)
    if not chosen.any():
        chosen = _one_of(usable if usable.any() else places >= 0, rng=rng)
    fate = rng.random(ids.shape)
    masked = np.where(chosen & (fate < _MASKED), encoder.tokenizer.mask_token_id, ids)
    random_ids = rng.integers(0, len(encoder.tokenizer), ids.shape)
    masked = np.where(chosen & (fate >= _MASKED) & (fate < _MASKED_OR_RANDOM), random_ids, masked)
    targets = torch.from_numpy(np.where(chosen, ids, IGNORED)).to(encoder.device)
    return batch._replace(
        ids=torch.from_numpy(masked.astype(np.int64)).to(encoder.device), targets=targets, weight=float(chosen.sum())
    )


def mlm_losses(encoder: Encoder, head: MlmHead, batch: Batch) -> torch.Tensor:
    """(n_masked,) float32 cross-entropy of each piece to predict.

    Args:
        encoder: Base of the head.
        head: Runs the encoder, too.
        batch: Of `masked_batch`.
    """
    assert batch.targets is not None  # masked_batch always sets them
    places = batch.targets != IGNORED
    with inputs_of(encoder, batch) as rows:
        logits = head(rows.inputs, rows.flat(places)).float()
    return F.cross_entropy(logits, batch.targets[places], reduction="none")


def _one_of(usable: Ints, *, rng: np.random.Generator) -> Ints:
    chosen = np.zeros_like(usable)
    candidates = np.argwhere(usable)
    chosen[tuple(candidates[rng.integers(len(candidates))])] = True
    return chosen
