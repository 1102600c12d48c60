"""The sentence encoder in English: STS-B, agreement with the teacher on task similarities, loading time and speed."""

import subprocess
import sys
import time
from collections.abc import Callable
from itertools import combinations
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.stats import pearsonr, spearmanr

DOMAINS = {
    "mnli": ("nyu-mll/glue/mnli/train", "premise"),
    "snli": ("stanfordnlp/snli/plain_text/train", "premise"),
    "anli": ("facebook/anli/plain_text/dev_r1", "premise"),
    "qqp": ("nyu-mll/glue/qqp/train", "question1"),
    "mrpc": ("nyu-mll/glue/mrpc/train", "sentence1"),
    "stsb": ("nyu-mll/glue/stsb/train", "sentence1"),
    "qnli": ("nyu-mll/glue/qnli/validation", "question"),
    "rte": ("nyu-mll/glue/rte/train", "sentence1"),
    "cola": ("nyu-mll/glue/cola/train", "sentence"),
    "sst2": ("nyu-mll/glue/sst2/train", "sentence"),
    "imdb": ("stanfordnlp/imdb/plain_text/train", "text"),
    "ag_news": ("fancyzhx/ag_news/data/train", "text"),
    "squad": ("rajpurkar/squad/plain_text/train", "question"),
    "hellaswag": ("Rowan/hellaswag/data/validation", "ctx"),
    "cosmos_qa": ("allenai/cosmos_qa/data/validation", "context"),
    "commonsense_qa": ("tau/commonsense_qa/data/train", "question"),
    "social_i_qa": ("allenai/social_i_qa/data/train", "context"),
    "piqa": ("ybisk/piqa/plain_text/train", "goal"),
}
"""English tasks of the mirror: split without its shard number, and the column that stands for the task's domain."""

TEXTS_PER_DOMAIN = 200
SPEED_SENTENCES = 4000
MAX_WORDS = 60
"""Texts are cut here; both encoders see the same words."""

Embed = Callable[[list[str]], np.ndarray]


class Agreement(NamedTuple):
    """How far the domain similarities of two encoders agree."""

    pearson: float
    """Correlation over all pairs of tasks, in [-1, 1]."""
    spearman: float
    """Rank correlation over all pairs of tasks, in [-1, 1]."""
    tasks: int
    """Number of tasks."""


def _frame(hub: Path, *, split: str) -> pd.DataFrame:
    path = hub / split
    return pd.read_parquet(sorted(path.parent.glob(f"{path.name}-*.parquet"))[0])


def stsb_spearman(hub: Path, *, embed: Embed) -> float:
    """Rank correlation of cosine and human score on STS-B's validation split, in [-1, 1]."""
    frame = _frame(hub, split="nyu-mll/glue/stsb/validation")
    a, b = unit(embed(frame["sentence1"].tolist())), unit(embed(frame["sentence2"].tolist()))
    return float(spearmanr((a * b).sum(1), frame["label"]).statistic)


def unit(vectors: np.ndarray) -> np.ndarray:
    """Rows of unit length."""
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


def domain_texts(hub: Path) -> dict[str, list[str]]:
    """TEXTS_PER_DOMAIN texts of each English task, the same ones every time."""
    found = {}
    for name, (split, column) in DOMAINS.items():
        texts = _frame(hub, split=split)[column].sample(TEXTS_PER_DOMAIN, random_state=0)
        found[name] = [" ".join(text.split()[:MAX_WORDS]) for text in texts]
    return found


def similarities(texts: dict[str, list[str]], *, embed: Embed) -> np.ndarray:
    """Cosine of the tasks' centroids for every pair of tasks, (n_pairs,) in the order of DOMAINS."""
    centroids = {name: unit(unit(embed(part)).mean(0)) for name, part in texts.items()}
    return np.array([float(centroids[a] @ centroids[b]) for a, b in combinations(texts, 2)])


def domain_agreement(hub: Path, *, embed: Embed, teacher: Embed) -> Agreement:
    """Correlation of the domain similarities with the teacher's."""
    texts = domain_texts(hub)
    ours, theirs = similarities(texts, embed=embed), similarities(texts, embed=teacher)
    return Agreement(float(pearsonr(ours, theirs).statistic), float(spearmanr(ours, theirs).statistic), len(texts))


def sentences_per_second(sentences: list[str], *, embed: Embed) -> float:
    """Short sentences embedded in a second of wall time, once warm."""
    embed(sentences[:256])
    repeated = (sentences * (SPEED_SENTENCES // len(sentences) + 1))[:SPEED_SENTENCES]
    started = time.monotonic()
    embed(repeated)
    return SPEED_SENTENCES / (time.monotonic() - started)


def load_seconds(folder: Path) -> dict[str, float]:
    """Seconds to load the folder after imports, in fresh processes: the median of three, for both loaders."""
    programs = {
        "automodel": "from transformers import AutoModel, AutoTokenizer, ModernBertModel\n"
        "t = time.monotonic(); AutoTokenizer.from_pretrained(p); AutoModel.from_pretrained(p)",
        "sentence_transformer": "from sentence_transformers import SentenceTransformer\n"
        "from transformers import ModernBertModel\n"
        "t = time.monotonic(); SentenceTransformer(p, device='cpu', local_files_only=True)",
    }
    found = {}
    for name, program in programs.items():
        code = f"import sys, time; p = sys.argv[1]\n{program}\nsys.stdout.write(str(time.monotonic() - t))"
        command = [sys.executable, "-c", code, str(folder)]
        seconds = [float(subprocess.run(command, capture_output=True, check=True).stdout) for _ in range(3)]
        found[name] = float(np.median(seconds))
    return found
