"""A split in pieces: as its task type reads it, or its text alone for masked-language modelling."""

from __future__ import annotations

import numpy as np

from core.errors import DataError
from core.examples import Split
from core.heads.states import Encoder
from core.types.pieces import Features, text_rows
from core.types.table import learning_of, task_type


def featurise(split: Split, *, encoder: Encoder, max_length: int | None = None) -> Features:
    """Pieces, targets and what is needed to read predictions back.

    Args:
        split: English or not; labels are read from it.
        encoder: Gives the tokenizer and the longest input.
        max_length: Upper bound beside the task's and the encoder's own; None: no other.

    Raises:
        DataError: The split is empty.
        ModelError: The tokenizer gives no offsets.
        SpecError: The task's type is never trained.
    """
    if not split.examples:
        raise DataError(f"Split '{split.split}' of task '{split.task.name}' ({split.lang}) has no example.")
    return learning_of(split.task.type).featurise(split, encoder, _limit(split, encoder, max_length))


def featurise_text(split: Split, *, encoder: Encoder, max_length: int | None = None) -> Features:
    """Pieces of the text of a split for masked-language modelling; no target, no second segment.

    Args:
        split: Of any task type.
        encoder: Gives the tokenizer and the longest input.
        max_length: Upper bound beside the task's and the encoder's own; None: no other.
    """
    text = task_type(split.task.type).text
    texts = [text(e) for e in split.examples]
    rows = text_rows(texts, second=None, encoder=encoder, limit=_limit(split, encoder, max_length))
    return rows.finish(np.zeros(len(texts), dtype=np.int64))


def _limit(split: Split, encoder: Encoder, max_length: int | None) -> int:
    return min(split.task.max_length, encoder.max_length, max_length or encoder.max_length)
