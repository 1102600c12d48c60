"""Losses of our training beside those of a plain loop."""

from __future__ import annotations

import argparse
from copy import deepcopy
from typing import TYPE_CHECKING, Any

from bench.made import KINDS, Rows
from bench.stage import make_stage, protocol_of, rows_for, train_ours

if TYPE_CHECKING:
    from core.spec.protocol import StageProtocol

_SAME = 1e-3


def same_loss(options: argparse.Namespace) -> dict[str, Any]:
    """Losses of some steps without dropout, ours and those of a plain loop over the same padded batches.

    Args:
        options: Of the command line, with the folder of the model.
    """
    from transformers import AutoConfig

    kind, config = KINDS[options.task], AutoConfig.from_pretrained(options.model)
    rows = rows_for(kind, pieces=int(config.vocab_size), options=options)
    stage = make_stage(rows, options=options, dropout=0.0)
    protocol = protocol_of(options, evaluations=options.steps)  # a step that is evaluated reports its loss
    plain = _plain_losses(rows.taken, protocol, head=deepcopy(stage.goal.head), options=options)
    ours = train_ours(stage, protocol, options=options).losses
    largest = max(abs(a - b) for a, b in zip(ours, plain, strict=True))
    if largest > _SAME:
        raise SystemExit(f"The losses differ by {largest:.2g}, expected at most {_SAME:g}: {ours} and {plain}.")
    return {"ours": ours, "plain": plain, "largest_difference": largest}


def _plain_losses(taken: Rows, protocol: StageProtocol, *, head: Any, options: argparse.Namespace) -> list[float]:  # noqa: ANN401
    """AdamW on padded batches, as one would write it by hand; order and rates are those of a stage."""
    import torch
    import transformers
    from torch.nn import functional

    from core.encoder.batches import step_items
    from core.training.optimisation import rate_at
    from core.training.seeds import Draws

    kind, n = KINDS[options.task], options.steps
    off = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    model = transformers.AutoModel.from_pretrained(options.model, add_pooling_layer=False, **off)
    tensors = [*model.parameters(), *head.parameters()]
    matrices = [p for p in tensors if p.ndim > 1]
    groups = [{"params": matrices, "weight_decay": protocol.weight_decay}]
    groups += [{"params": [p for p in tensors if p.ndim == 1], "weight_decay": 0.0}]
    optimiser = torch.optim.AdamW(groups, lr=protocol.learning_rate)
    losses, seed = [], Draws(1, "target", ("bench",)).number("order")
    for step in range(n):
        batch = taken.take(step_items(len(taken.ids), seed=seed, step=step, batch_size=options.batch))
        ids = torch.nn.utils.rnn.pad_sequence([torch.tensor(row) for row in batch.ids], batch_first=True)
        mask = torch.arange(ids.shape[1]) < torch.tensor(batch.lengths)[:, None]
        states = model(input_ids=ids, attention_mask=mask.long()).last_hidden_state
        if kind.type == "classification":
            loss = functional.cross_entropy(head.out(head.dense(states[:, 0]).tanh()), torch.tensor(batch.targets))
        elif kind.type == "tagging":
            labels = torch.nn.utils.rnn.pad_sequence(
                [torch.tensor(t) for t in batch.targets], batch_first=True, padding_value=-100
            )
            loss = functional.cross_entropy(head.out(states).flatten(0, 1), labels.flatten())
        else:
            logits = head.out(states).masked_fill(~mask.unsqueeze(-1), -1e4)
            loss = functional.cross_entropy(logits, torch.tensor(batch.targets))
        loss.backward()
        torch.nn.utils.clip_grad_norm_(tensors, protocol.gradient_clip)
        for group in optimiser.param_groups:
            group["lr"] = rate_at(step, total=n, protocol=protocol)
        optimiser.step()
        optimiser.zero_grad()
        losses.append(float(loss.detach()))
    return losses
