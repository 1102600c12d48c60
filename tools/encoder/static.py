"""First stage, static token vectors: `python -m tools.encoder.static`.

A sentence is the mean of its pieces' vectors, each passed through a layer norm as the network will do it. The vectors
are drawn towards the teacher's vector of the English side (cosine and in-batch contrast) and translations towards each
other. Minutes on two cores; most of the retrieval accuracy comes from here.
"""

import sys
import time
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import numpy as np
import torch
import typer
from torch.nn import functional

from tools.encoder.corpus import UNCLEAR_LICENCE, fingerprint
from tools.encoder.layout import SHARED, WORK
from tools.encoder.retrieval import dev_accuracy, load_tatoeba, tatoeba_accuracy
from tools.encoder.teacher import load_vectors
from tools.encoder.tokens import Corpus, Ragged, cached, encode, language_balanced, load_tokenizer
from tools.encoder.vocabulary import SPECIAL

DIMENSION = 256
"""Length of a token vector, of the network's hidden states and of a sentence vector."""

TEMPERATURE = 0.05
"""Temperature of the contrasts."""

CONTRAST_ROWS = 1024
"""Rows that are contrasted with one another; the cost of a contrast grows with their square."""

INITIAL_SCALE = 0.15
"""Standard deviation of the vectors at the start; with the learning rate it decides how fast rare pieces move."""


REPORT_STEPS = 200
"""Updates between two lines of the log and two checkpoints."""


class Settings(NamedTuple):
    """What decides the outcome of a training."""

    steps: int = 2000
    """Updates."""
    batch: int = 2048
    """Sentence pairs an update."""
    rate: float = 5e-3
    """Peak learning rate of Adam; it rises over the first 2 % of steps and falls to zero in a line."""
    exponent: float = 0.6
    """See language_balanced."""
    respell: float = 0.35
    """Chance that a batch's side is read in its second spelling."""
    drop: float = 0.1
    """Chance that a piece is left out of its sentence."""
    seed: int = 1
    """Seed of the weights, the sampling and the spellings."""


class TokenTable(torch.nn.Module):
    """Token vectors under a layer norm; a sentence is the mean over [CLS], its pieces and [SEP]."""

    def __init__(self, size: int, *, seed: int) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        self.vectors = torch.nn.Parameter(torch.randn(size, DIMENSION, generator=generator) * INITIAL_SCALE)
        self.gain = torch.nn.Parameter(torch.ones(DIMENSION))

    def forward(self, texts: Ragged) -> torch.Tensor:
        """Sentence vectors, (n_texts, 256) float32, not normalised."""
        bags = framed(texts)
        return self.pooled(self.vectors, ids=torch.from_numpy(bags.flat.astype(np.int64)), bags=bags, drop=0.0)

    def pooled(self, vectors: torch.Tensor, *, ids: torch.Tensor, bags: Ragged, drop: float) -> torch.Tensor:
        """Means of normed vectors.

        Args:
            vectors: (n_vectors, 256) float32, all of the table or some of its rows.
            ids: (n_pieces,) int64, rows of `vectors`, bag after bag.
            bags: the framed texts, for their offsets.
            drop: chance that a piece is left out of its text.
        """
        normed = functional.layer_norm(vectors, (DIMENSION,), self.gain)
        weight = (torch.rand(ids.shape) >= drop).float()
        offsets = torch.from_numpy(bags.offsets[:-1].copy())
        total = functional.embedding_bag(ids, normed, offsets, mode="sum", per_sample_weights=weight)
        return total / torch.from_numpy(bags.lengths()).float()[:, None]


class RowAdam:
    """Adam that touches only the rows of the table which a batch used: a quarter of the time of the whole table."""

    def __init__(self, table: TokenTable, *, betas: tuple[float, float] = (0.9, 0.99)) -> None:
        self.table = table
        self.betas = betas
        self.first = torch.zeros_like(table.vectors)
        self.second = torch.zeros_like(table.vectors)
        self.gain = torch.optim.Adam([table.gain], betas=betas)

    @torch.no_grad()
    def step(self, rows: torch.Tensor, *, gradient: torch.Tensor, rate: float, step: int) -> None:
        """Update these rows of the table, and the gain, whose gradient autograd left in place.

        Args:
            rows: (n,) int64, distinct rows.
            gradient: (n, 256) float32.
            rate: learning rate.
            step: updates so far, for the correction of the running means' start.
        """
        first = self.first[rows].mul_(self.betas[0]).add_(gradient, alpha=1 - self.betas[0])
        second = self.second[rows].mul_(self.betas[1]).addcmul_(gradient, gradient, value=1 - self.betas[1])
        self.first[rows], self.second[rows] = first, second
        size = rate * (1 - self.betas[1] ** (step + 1)) ** 0.5 / (1 - self.betas[0] ** (step + 1))
        self.table.vectors.index_add_(0, rows, first / (second.sqrt() + 1e-8), alpha=-size)
        self.gain.param_groups[0]["lr"] = rate * 0.2
        self.gain.step()
        self.gain.zero_grad()

    def state(self) -> dict[str, object]:
        """What a checkpoint needs."""
        return {"first": self.first, "second": self.second, "gain": self.gain.state_dict()}

    def restore(self, state: dict[str, Any]) -> None:
        """Take over what `state` returned."""
        self.first, self.second = state["first"], state["second"]
        self.gain.load_state_dict(state["gain"])


def framed(texts: Ragged) -> Ragged:
    """The texts with [CLS] before and [SEP] after each."""
    lengths = texts.lengths()
    offsets = texts.offsets + 2 * np.arange(len(texts.offsets))
    flat = np.full(offsets[-1], SPECIAL.index("[SEP]"), dtype=np.int32)
    flat[offsets[:-1]] = SPECIAL.index("[CLS]")
    inside = np.arange(len(texts.flat)) + np.repeat(2 * np.arange(len(lengths)) + 1, lengths)
    flat[inside] = texts.flat
    return Ragged(flat, offsets)


def teacher_targets(work: Path, *, corpus: Corpus) -> torch.Tensor:
    """Teacher vectors turned onto their 256 strongest directions, rows of unit length, (n_keys, 256) bfloat16.

    Computed once and kept beside the vectors.
    """
    path = work / "teacher" / f"targets-{fingerprint(corpus.keys)}.pt"
    if not path.exists():
        vectors = load_vectors(work, keys=corpus.keys).astype(np.float32)
        _, turn = np.linalg.eigh(vectors.T @ vectors)
        targets = torch.from_numpy(vectors @ turn[:, ::-1][:, :DIMENSION].copy())
        torch.save(functional.normalize(targets, dim=-1).bfloat16(), path)
    return torch.load(path, weights_only=True)


def contrast(queries: torch.Tensor, *, targets: torch.Tensor, keys: torch.Tensor) -> torch.Tensor:
    """Cross-entropy of finding a row's own target among CONTRAST_ROWS of the batch's.

    Args:
        queries: (n, dim) rows of unit length.
        targets: (n, dim) rows of unit length.
        keys: (n,) int64; two rows of one key mean the same and do not count as wrong for each other.
    """
    total = queries.new_zeros(())
    for query, target, key in zip(
        queries.split(CONTRAST_ROWS), targets.split(CONTRAST_ROWS), keys.split(CONTRAST_ROWS), strict=True
    ):
        same = (key[:, None] == key[None, :]).fill_diagonal_(False)
        scores = (query.bfloat16() @ target.bfloat16().T).float() / TEMPERATURE
        loss = functional.cross_entropy(scores.masked_fill(same, -1e4), torch.arange(len(query)), reduction="sum")
        total = total + loss
    return total / len(queries)


def distillation_loss(
    foreign: torch.Tensor, *, english: torch.Tensor, target: torch.Tensor, keys: torch.Tensor
) -> torch.Tensor:
    """Cosine distance of both sides to the teacher, and contrasts of the foreign side with teacher and English side.

    Args:
        foreign: (n, 256) student vectors of unit length.
        english: (n, 256) student vectors of unit length.
        target: (n, 256) teacher vectors of unit length.
        keys: (n,) int64, teacher keys.
    """
    distance = 2.0 - (foreign * target).sum(-1).mean() - (english * target).sum(-1).mean()
    to_teacher = contrast(foreign, targets=target, keys=keys)
    return 5.0 * distance + to_teacher + contrast(foreign, targets=english, keys=keys)


def stacked(first: Ragged, *, second: Ragged) -> Ragged:
    """The texts of both, one after the other."""
    offsets = np.concatenate([first.offsets, first.offsets[-1] + second.offsets[1:]])
    return Ragged(np.concatenate([first.flat, second.flat]), offsets)


class Material(NamedTuple):
    """What a training reads."""

    corpus: Corpus
    """The encoded texts."""
    targets: torch.Tensor
    """(n_keys, 256) bfloat16, see teacher_targets."""
    cumulative: np.ndarray
    """(n_rows,) float64, running sum of the rows' sampling probabilities."""


def update(
    table: TokenTable,
    *,
    optimizer: RowAdam,
    material: Material,
    rng: np.random.Generator,
    settings: Settings,
    step: int,
) -> float:
    """Draw a batch, each side in a spelling drawn for the batch, and learn from it; returns the loss."""
    corpus = material.corpus
    rows = np.searchsorted(material.cumulative, rng.random(settings.batch) * material.cumulative[-1])
    draw = (int(rng.random() < settings.respell), int(rng.random() < settings.respell))
    sides = corpus.english[draw[1]].take(corpus.english_of[rows])
    bags = framed(stacked(corpus.text[draw[0]].take(rows), second=sides))
    used, ids = torch.unique(torch.from_numpy(bags.flat.astype(np.int64)), return_inverse=True)
    vectors = table.vectors.detach()[used].requires_grad_()
    pooled = functional.normalize(table.pooled(vectors, ids=ids, bags=bags, drop=settings.drop), dim=-1)
    foreign, english = pooled.split(settings.batch)
    keys = torch.from_numpy(corpus.key_of[rows])
    loss = distillation_loss(foreign, english=english, target=material.targets[keys].float(), keys=keys)
    loss.backward()
    optimizer.step(used, gradient=vectors.grad, rate=scheduled(step, settings=settings), step=step)
    return loss.item()


def scheduled(step: int, *, settings: Settings) -> float:
    """Learning rate of a step."""
    rise = max(1, settings.steps // 50)
    return settings.rate * min((step + 1) / rise, (settings.steps - step) / (settings.steps - rise))


def report(table: TokenTable, *, corpus: Corpus) -> str:
    """Held-out accuracy, as a phrase."""
    with torch.no_grad():
        dev = dev_accuracy(corpus, embed=lambda texts: table(texts).numpy())
    return f"dev {np.mean(list(dev.values())):.4f}"


def train(corpus: Corpus, *, targets: torch.Tensor, size: int, settings: Settings, checkpoint: Path) -> TokenTable:
    """The trained table; continues from `checkpoint` if it exists."""
    torch.manual_seed(settings.seed)
    table = TokenTable(size, seed=settings.seed)
    optimizer, start = RowAdam(table), 0
    if checkpoint.exists():
        state = torch.load(checkpoint, weights_only=True)
        table.load_state_dict(state["table"])
        optimizer.restore(state["optimizer"])
        start = int(state["step"])
    rng = np.random.default_rng([settings.seed, start])
    probabilities = language_balanced(corpus, exponent=settings.exponent)
    material = Material(corpus, targets, np.cumsum(probabilities))
    started, losses = time.monotonic(), []
    for step in range(start, settings.steps):
        losses.append(update(table, optimizer=optimizer, material=material, rng=rng, settings=settings, step=step))
        if (step + 1) % REPORT_STEPS == 0:
            rate = (step + 1 - start) / (time.monotonic() - started)
            loss = float(np.mean(losses[-REPORT_STEPS:]))
            sys.stdout.write(f"step {step + 1} loss {loss:.3f} {rate:.2f} steps/s {report(table, corpus=corpus)}\n")
            sys.stdout.flush()
            state = {"table": table.state_dict(), "optimizer": optimizer.state(), "step": step + 1}
            torch.save(state, checkpoint.with_suffix(".part"))
            checkpoint.with_suffix(".part").rename(checkpoint)
    return table


def main(
    shared: Annotated[Path, typer.Option(help="Folder that holds parallel/ and hub/.")] = SHARED,
    work: Annotated[Path, typer.Option(help="Folder for intermediate results.")] = WORK,
    tokenizer: Annotated[str, typer.Option(help="Name of a tokenizer folder under WORK.")] = "tokenizer-bpe-48000",
    name: Annotated[str, typer.Option(help="Name of the checkpoint.")] = "static",
    steps: Annotated[int, typer.Option(help="Updates.")] = Settings().steps,
    leave_out: Annotated[str, typer.Option(help="Sources to leave out, separated by commas.")] = ",".join(
        UNCLEAR_LICENCE
    ),
) -> None:
    """Train static token vectors and save them as WORK/NAME.pt."""
    names = tuple(part for part in leave_out.split(",") if part)
    encoder = load_tokenizer(work / tokenizer)
    corpus = cached(work / tokenizer, tokenizer=encoder, shared=shared, leave_out=names)
    targets = teacher_targets(work, corpus=corpus)
    settings = Settings(steps=steps)
    table = train(corpus, targets=targets, size=len(encoder), settings=settings, checkpoint=work / f"{name}-running.pt")
    torch.save(table.state_dict(), work / f"{name}.pt")
    with torch.no_grad():
        scores = tatoeba_accuracy(
            load_tatoeba(shared / "hub"),
            embed=lambda texts: table(encode(encoder, texts=texts)).numpy(),
        )
    sys.stdout.write(" ".join(f"{lang} {score:.3f}" for lang, score in scores.items()) + "\n")
    sys.stdout.write(f"tatoeba mean {np.mean(list(scores.values())):.4f}\n")


if __name__ == "__main__":
    typer.run(main)
