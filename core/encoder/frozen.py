"""Freezing the lower part of an encoder, and keeping its states: computed once per text, for all who share it.

The states of a split lie in `<home>/cache/states/<key>.npy`, one flat float32 array, (n_pieces, hidden). The key is the
digest of all that decides them: the part's weights, the architecture, the pieces, the precision. So the epochs of a
stage share them, and every stage, evaluation and run with the same frozen weights and the same text.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from functools import partial
from itertools import pairwise
from pathlib import Path

import filelock
import numpy as np
import torch

from core.encoder.batches import collate
from core.encoder.device import autocast
from core.encoder.fitting import probe_pieces
from core.encoder.memory import over_batches
from core.encoder.predicting import INFERENCE_TOKENS
from core.errors import DiskFull, ModelError
from core.files import written_beside
from core.heads.frozen import CannotFreeze, FrozenPart
from core.heads.states import Encoder, inputs_of
from core.spec.protocol import StageProtocol
from core.types.pieces import Array, Features, Ints
from core.variables import STATES_GB, number

STATES_VERSION = 1
"""Raised when the same frozen part would give other states of the same pieces."""
USUAL_SPACE_GB = 8.0
"""Most that kept states take, unless `ATLAS_STATES_GB` says otherwise."""
_CHUNK_PIECES = 32_768
_LEFT_FREE = 1 << 30


def freeze(encoder: Encoder, protocol: StageProtocol, *, where: str, kept_in: Path | None) -> None:
    """Take the embeddings and the lowest layers out of training, as the protocol says; nothing where it says so.

    Args:
        encoder: On its device; changed.
        protocol: Of the stage that is trained, or was.
        where: Begins the message, such as "Model 'x'".
        kept_in: Folder where states of the frozen part are kept; None: nowhere.

    Raises:
        SpecError: The encoder has no more layers than are to be frozen.
        ModelError: Its architecture has no lower part.
    """
    if protocol.freeze_layers is None:
        return
    n_layers = protocol.frozen_of(int(encoder.model.config.num_hidden_layers), where=where)
    probe = torch.tensor([probe_pieces(encoder)], device=encoder.device)
    try:
        padding = int(encoder.tokenizer.pad_token_id)
        encoder.frozen = FrozenPart(encoder.model, n_layers=n_layers, probe=probe, padding=padding)
    except CannotFreeze as error:
        raise ModelError(
            f"{where}: freeze_layers is {protocol.freeze_layers}, but architecture '{encoder.model.config.model_type}' "
            f"{error}. Choose a protocol without freeze_layers, or another model."
        ) from error
    encoder.frozen.kept_in = kept_in


def with_states(features: Features, *, encoder: Encoder, passes: float = 2.0) -> Features:
    """The same features with the kept states of the encoder's frozen part; as they are where keeping does not pay.

    Kept are states that are there already, or that at least two passes over the features will use.

    Args:
        features: Not changed.
        encoder: On its device; without a frozen part, or with one that reads padding, nothing is kept.
        passes: How often the whole of the features will go through the encoder, in this run and in others.
    """
    part = encoder.frozen
    if part is None or part.kept_in is None or not part.is_alone:
        return features
    file = part.kept_in / f"{_key(features, part=part, encoder=encoder)}.npy"
    size = 4 * len(features.ids) * encoder.hidden_size
    found = _read(file, features, encoder=encoder)
    if found is None and passes >= 2 and _has_room(part.kept_in, size=size):
        found = _kept(file, features, encoder=encoder)
    return features if found is None else replace(features, states=found)


def _key(features: Features, *, part: FrozenPart, encoder: Encoder) -> str:
    digest = part.digest(torch.from_numpy(np.unique(features.ids).astype(np.int64)))
    running = hashlib.blake2b(f"{STATES_VERSION} {encoder.precision} {digest}".encode(), digest_size=16)
    for array in (features.ids, features.types, features.starts):
        running.update(b"none" if array is None else np.ascontiguousarray(array).tobytes() + b"end")
    return running.hexdigest()


def _read(file: Path, features: Features, *, encoder: Encoder) -> Array | None:
    """Kept states, memory-mapped, None where there are no whole ones; the file counts as used now."""
    try:
        os.utime(file)
        states: Array = np.load(file, mmap_mode="r")
    except (FileNotFoundError, ValueError, EOFError):
        return None
    return states if states.shape == (len(features.ids), encoder.hidden_size) else None


def _kept(file: Path, features: Features, *, encoder: Encoder) -> Array | None:
    """States that are computed and written, or that another job wrote meanwhile; None where the disk is full."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with filelock.FileLock(str(file.with_suffix(".lock"))):
        if (found := _read(file, features, encoder=encoder)) is not None:
            return found
        for draft in file.parent.glob(f".{file.name}.*"):
            draft.unlink(missing_ok=True)  # of a job that was killed while it held the lock
        try:
            with written_beside(file) as draft, draft.open("wb") as stream:
                header = {"descr": "<f4", "fortran_order": False, "shape": (len(features.ids), encoder.hidden_size)}
                np.lib.format.write_array_header_1_0(stream, header)
                for states in _computed(features, encoder=encoder):
                    stream.write(states.tobytes())
        except DiskFull:
            return None  # the states are computed again with every pass, as if nothing were kept
    return _read(file, features, encoder=encoder)


def _computed(features: Features, *, encoder: Encoder) -> Iterator[Array]:
    """States of all pieces in order, some rows at a time: (pieces, hidden) float32."""
    device = encoder.device
    encoder.model.eval()
    budget = INFERENCE_TOKENS.get(device.type, 8192)
    n_rows = len(features.starts) - 1
    cuts = np.unique(np.searchsorted(features.starts[:-1], np.arange(0, len(features.ids), _CHUNK_PIECES)))
    for first, end in pairwise([*cuts[cuts < n_rows], n_rows]):
        begin = features.starts[first]
        out = np.empty((features.starts[end] - begin, encoder.hidden_size), dtype=np.float32)
        compute = partial(_fill, out, features, encoder, first)
        with torch.inference_mode(), autocast(encoder):
            over_batches(features.row_lengths[first:end], compute, batch_tokens=budget, device=device)
        yield out


def _fill(out: Array, features: Features, encoder: Encoder, first: int, rows: Ints) -> None:
    """Put the states of some rows, counted from `first`, into the array that begins with that row."""
    assert encoder.frozen is not None  # asked for kept states alone
    batch, places = collate(features, first + rows, encoder=encoder)
    with inputs_of(encoder, batch) as read:
        found = encoder.frozen.states(partial(encoder.model, **read.inputs))
    states = read.padded(found).float().cpu().numpy()
    out[places[places >= 0] - features.starts[first]] = states[places >= 0]


def _has_room(folder: Path, *, size: int) -> bool:
    """Make room for a file among the kept states, the longest unused first; whether the disk has it, too."""
    most = _most_bytes()
    if size > most:
        return False
    folder.mkdir(parents=True, exist_ok=True)
    files: list[tuple[float, int, Path]] = []
    for file in folder.glob("*.npy"):
        with suppress(FileNotFoundError):  # another job makes room, too
            files.append((file.stat().st_mtime, file.stat().st_size, file))
    total = sum(n for _, n, _ in files)
    for _, n, file in sorted(files):
        if total + size <= most:
            break
        file.unlink(missing_ok=True)
        total -= n
    return shutil.disk_usage(folder).free - size >= _LEFT_FREE


def _most_bytes() -> int:
    return int(number(STATES_GB, os.environ, usual=USUAL_SPACE_GB) * 2**30)
