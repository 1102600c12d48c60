"""Hyper-parameters of both stages and of the evaluation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal, Self

from pydantic import (
    Field,
    ModelWrapValidatorHandler,
    PrivateAttr,
    SerializerFunctionWrapHandler,
    model_serializer,
    model_validator,
)

from core.errors import SpecError
from core.spec.base import GrowingSpec, Name, Spec
from core.spec.task import Role

USUAL_BATCH_TOKENS = 8192
"""What every stage says of `batch_tokens` in its JSON, unless its user chose another value before the field left."""


class StageProtocol(GrowingSpec):
    """Hyper-parameters of one fine-tuning stage."""

    later: ClassVar[frozenset[str]] = frozenset({"freeze_layers", "lora_rank", "lora_alpha", "score_checkpoints"})

    learning_rate: float = Field(gt=0, le=1)
    """Peak learning rate of AdamW."""
    epochs: float = Field(default=1.0, gt=0)
    """Passes over the training set."""
    max_steps: int | None = Field(default=None, ge=1)
    """Upper bound on optimiser steps; None: as many as the epochs need."""
    batch_size: int = Field(default=32, ge=1)
    """Examples per optimiser step; a step is split into micro-batches as the device's memory allows."""
    max_train_examples: int | None = Field(default=None, ge=1)
    """Size of the seeded sample of the training set; None: all of it."""
    max_dev_examples: int | None = Field(default=None, ge=1)
    """Size of the first part of the English development set that selection uses; None: all of it."""
    evaluations: int = Field(default=4, ge=1)
    """How often the English development set is scored during the stage, evenly spaced, the end included."""
    selection: Literal["best", "last"] = "best"
    """Which checkpoint goes on: the best on English development data, or the last."""
    patience: int | None = Field(default=None, ge=1)
    """Stop after so many evaluations without a better one; None: never."""
    warmup_fraction: float = Field(default=0.1, ge=0, le=1)
    """Share of the steps over which the learning rate rises."""
    warmup_steps: int | None = Field(default=None, ge=0)
    """Number of warm-up steps where a paper states it; overrides the fraction."""
    weight_decay: float = Field(default=0.01, ge=0)
    """Decoupled weight decay; none on biases and layer norms."""
    schedule: Literal["linear", "constant"] = "linear"
    """Learning rate after warm-up."""
    gradient_clip: float = Field(default=1.0, gt=0)
    """Largest norm of the gradient."""
    dropout: float | None = Field(default=None, ge=0, lt=1)
    """Dropout of the encoder and head; None: as the model's configuration says."""
    freezing: Literal["none", "gradual", "embeddings"] = "none"
    """`none`: all weights are updated; `gradual`: unfrozen layer by layer from the top (Howard & Ruder 2018);
    `embeddings`: the embedding matrix stays as it is."""
    mlm_probability: float = Field(default=0.15, gt=0, lt=1)
    """Share of pieces that are masked when the stage is masked-language modelling."""
    train_share: float = Field(default=1.0, gt=0, le=1)
    """Share of the training data that is trained on, the rest unused (70/30 split of 2210.01091)."""
    mix_cap: int | None = Field(default=None, ge=1)
    """Most examples that one task brings to a multi-task stage, which is mixed in proportion to size."""
    freeze_layers: Annotated[int, Field(ge=1)] | Literal["half"] | None = None
    """So many layers, from the lowest, and the embeddings are not trained and have no dropout; `half`: the lower half
    of the encoder's layers, rounded down; None: all layers are trained."""
    lora_rank: int | None = Field(default=None, ge=1)
    """Rank of the adapters (LoRA) that are trained in place of the encoder's weights, one beside every linear layer,
    and added to them at the end of the stage; None: the weights are trained."""
    lora_alpha: int | None = Field(default=None, ge=1)
    """Adapters are multiplied by this over their rank; None: twice the rank."""
    score_checkpoints: bool = False
    """Of a target stage: keep the weights at each of the `evaluations` and score them all, for two more columns of a
    run, the mean of the last checkpoints and the oracle; memory and disk for so many encoders more."""
    _batch_tokens: int = PrivateAttr(default=USUAL_BATCH_TOKENS)

    @property
    def stored_batch_tokens(self) -> int:
        """What the JSON says of `batch_tokens`; nothing computes with it, see `ExecutionOptions`."""
        return self._batch_tokens

    # The token budget was a hyper-parameter until it became an option of execution. It stays in the JSON, because ids
    # of runs, keys of stages and digests of protocols are digests of that text.
    @model_validator(mode="wrap")
    @classmethod
    def _batch_tokens_aside(cls, raw: object, handler: ModelWrapValidatorHandler[Self]) -> Self:
        if not isinstance(raw, Mapping) or "batch_tokens" not in raw:
            return handler(raw)
        stage = handler({name: value for name, value in raw.items() if name != "batch_tokens"})
        if not isinstance(raw["batch_tokens"], int):
            raise ValueError(f"batch_tokens is {raw['batch_tokens']!r}, expected a whole number")
        stage._batch_tokens = raw["batch_tokens"]
        return stage

    @model_serializer(mode="wrap")
    def _as_when_ids_were_made(self, handler: SerializerFunctionWrapHandler) -> dict[str, object]:
        return self.without_later(handler(self)) | {"batch_tokens": self._batch_tokens}

    @model_validator(mode="after")
    def _one_way_of_training_less(self) -> Self:
        freezing = None if self.freezing == "none" else self.freezing
        ways = {"freezing": freezing, "freeze_layers": self.freeze_layers, "lora_rank": self.lora_rank}
        chosen = [f"{name}: {value}" for name, value in ways.items() if value is not None]
        if len(chosen) > 1:
            raise ValueError(f"{' and '.join(chosen)} exclude each other: choose one")
        if self.lora_alpha is not None and self.lora_rank is None:
            raise ValueError(f"lora_alpha: {self.lora_alpha} says nothing without lora_rank: give both or neither")
        return self

    def frozen_of(self, n_layers: int, *, where: str) -> int:
        """How many layers of an encoder are not trained.

        Args:
            n_layers: Layers of the encoder.
            where: Begins the message, such as "Model 'x'".

        Raises:
            SpecError: None would be left to train, or half of them is none.
        """
        if self.freeze_layers is None:
            return 0
        n = n_layers // 2 if self.freeze_layers == "half" else self.freeze_layers
        if 1 <= n < n_layers:
            return n
        raise SpecError(
            f"{where} has {n_layers} layer(s) and the protocol says freeze_layers: {self.freeze_layers}; at least one "
            "must be frozen and one trained. Choose another freeze_layers, or another model."
        )


class ProtocolSpec(Spec):
    """Hyper-parameters of both stages and of the evaluation."""

    name: Name
    """`quick`, `standard`, `phang2020`, `xtreme2020`, `mohapatra2022`, or a name of your own."""
    summary: str
    """One sentence: what it is for and whose figures it uses."""
    intermediate: StageProtocol
    """Intermediate stage."""
    target: StageProtocol
    """Target stage."""
    intermediate_overrides: dict[str, dict[str, float | int | str | None]] = {}
    """Fields of `intermediate` that differ for a task, by task name."""
    target_overrides: dict[str, dict[str, float | int | str | None]] = {}
    """Fields of `target` that differ for a task, by task name."""
    max_test_examples: int | None = Field(default=None, ge=1)
    """Size of the seeded sample of each language's test set; the same examples for every run; None: all of it.

    Retrieval (Tatoeba, BUCC) is never sampled: test sentences are each other's candidates, and fewer are easier.
    """
    max_length: int | None = Field(default=None, ge=8)
    """Upper bound on every task's `max_length`."""
    retrieval_layer: int | None = None
    """Layer for retrieval; None: the model's own."""
    retrieval_pooling: Literal["mean", "cls"] | None = None
    """Pooling for retrieval; None: the model's own."""
    stated: dict[str, str] = {}
    """For a published protocol: field → where the paper states it, or "ours" where it does not."""

    @model_validator(mode="after")
    def _checkpoints_of_the_target(self) -> Self:
        if self.intermediate.score_checkpoints:
            raise ValueError(
                "score_checkpoints stands under intermediate, whose checkpoints are not scored: put it under target"
            )
        return self

    def stage_for(self, role: Role, task: str) -> StageProtocol:
        """Hyper-parameters of a stage on a task, overrides applied.

        Args:
            role: Which of the two stages.
            task: Name of the task trained on.
        """
        base = self.intermediate if role is Role.INTERMEDIATE else self.target
        overrides = self.intermediate_overrides if role is Role.INTERMEDIATE else self.target_overrides
        return StageProtocol.model_validate(base.model_dump() | overrides.get(task, {}))
