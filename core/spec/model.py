"""A pretrained encoder at a revision."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from core.spec.base import DESCRIBING, GrowingSpec, Name


class ModelSpec(GrowingSpec):
    """A pretrained encoder at a revision."""

    later: ClassVar[frozenset[str]] = frozenset({"heads_read", "retrieval_prefix"})
    describing: ClassVar[frozenset[str]] = DESCRIBING

    name: Name
    """Short name: `xlm-r-base`."""
    title: str
    """Name as its authors write it."""
    path: str
    """Hub id, or an absolute folder in transformers' format."""
    revision: str | None = Field(default=None, pattern=r"^[0-9a-f]{40}$")
    """Commit on the hub; None where it is not known: the resolved one is recorded with every run."""
    fingerprint: str | None = None
    """Digest of the weights and configuration of a local folder; None for a hub model."""
    architecture: str
    """transformers' `model_type`: `xlm-roberta`; `unknown` of a hub model that was named by its id alone."""
    languages: Literal["multilingual", "english"]
    """What it was pretrained on."""
    parameters_m: float | None = Field(default=None, gt=0)
    """Parameters in millions."""
    retrieval_layer: int | None = None
    """Layer whose states are pooled for retrieval, 0 the embeddings; negative counts from the last; None: the last."""
    retrieval_pooling: Literal["mean", "cls"] = "mean"
    """How the states of a sentence become one vector."""
    retrieval_prefix: str = ""
    """Put before every text that becomes a vector, as in its pretraining; never before what is trained on."""
    heads_read: Literal["summary", "mean"] | None = None
    """What heads on whole inputs read: the summary token's state, or the mean; None: as the configuration says."""
    learning_rate_factor: float = Field(default=1.0, gt=0, le=100)
    """What the learning rates of unpublished protocols are multiplied by: small encoders want larger steps."""
    licence: str
    """Licence as its authors state it."""
    citation: str
    """Authors, year and arXiv id."""
    is_user_model: bool = False
    """Whether it is a local folder or came from a user's YAML file."""
