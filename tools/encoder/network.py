"""The network: a three-layer ModernBERT whose sentence vectors start as the static ones.

ModernBERT adds each sublayer to a residual stream and normalises only at its two ends, so with the sublayers' output
matrices at zero the mean of its last hidden states is exactly the static sentence vector, and training adds to it.
"""

from pathlib import Path

import numpy as np
import torch
from torch.nn import functional
from transformers import ModernBertConfig, ModernBertForMaskedLM

from tools.encoder.static import DIMENSION, TokenTable
from tools.encoder.tokens import Ragged
from tools.encoder.vocabulary import MAX_LENGTH, SPECIAL

LAYERS = 3
HEADS = 4
INTERMEDIATE = 512
"""Width of the gated feed-forward sublayer, after the gate."""

EMBEDDING_SCALE = 0.06
"""Standard deviation of the token vectors at the start. The first norm makes their scale free; the masked-language
head shares them as its output matrix and wants logits of order one."""

OUTPUT_SCALE = 0.002
"""Standard deviation of the sublayers' output matrices at the start; nearly zero, see above."""


def build_config(size: int) -> ModernBertConfig:
    """The configuration for a vocabulary of `size` pieces."""
    rope = {"rope_type": "default", "rope_theta": 10_000.0}
    return ModernBertConfig(
        vocab_size=size,
        hidden_size=DIMENSION,
        intermediate_size=INTERMEDIATE,
        num_hidden_layers=LAYERS,
        num_attention_heads=HEADS,
        max_position_embeddings=MAX_LENGTH,
        layer_types=["full_attention"] * LAYERS,
        rope_parameters={"full_attention": rope, "sliding_attention": rope},
        classifier_pooling="mean",
        classifier_dropout=0.1,
        pad_token_id=SPECIAL.index("[PAD]"),
        bos_token_id=SPECIAL.index("[CLS]"),
        cls_token_id=SPECIAL.index("[CLS]"),
        eos_token_id=SPECIAL.index("[SEP]"),
        sep_token_id=SPECIAL.index("[SEP]"),
        dtype="float32",
    )


def build_network(size: int, *, seed: int) -> ModernBertForMaskedLM:
    """The network with random weights."""
    torch.manual_seed(seed)
    return ModernBertForMaskedLM(build_config(size))


@torch.no_grad()
def start_from(network: ModernBertForMaskedLM, *, table: TokenTable) -> None:
    """Make the network's sentence vectors (nearly) those of the static table, in place."""
    vectors = table.vectors / table.vectors.std() * EMBEDDING_SCALE
    network.model.embeddings.tok_embeddings.weight.copy_(vectors)
    network.model.final_norm.weight.copy_(table.gain)
    for layer in network.model.layers:
        layer.attn.Wo.weight.normal_(0.0, OUTPUT_SCALE)
        layer.mlp.Wo.weight.normal_(0.0, OUTPUT_SCALE)


def padded(texts: Ragged) -> torch.Tensor:
    """(n_texts, longest) int64, filled up with [PAD]."""
    lengths = texts.lengths()
    ids = np.full((len(lengths), int(lengths.max())), SPECIAL.index("[PAD]"), dtype=np.int64)
    ids[np.arange(ids.shape[1])[None, :] < lengths[:, None]] = texts.flat
    return torch.from_numpy(ids)


def sentence_vectors(network: ModernBertForMaskedLM, *, ids: torch.Tensor) -> torch.Tensor:
    """Mean of the last hidden states over all pieces, [CLS] and [SEP] among them, (n_texts, 256) of unit length."""
    mask = ids != SPECIAL.index("[PAD]")
    hidden = network.model(input_ids=ids, attention_mask=mask).last_hidden_state.float()
    total = (hidden * mask[:, :, None]).sum(1)
    return functional.normalize(total / mask.sum(1, keepdim=True), dim=-1)


def load_network(path: Path, *, size: int) -> ModernBertForMaskedLM:
    """The network with the weights of a checkpoint file."""
    network = build_network(size, seed=0)
    network.load_state_dict(torch.load(path, weights_only=True)["network"])
    return network
