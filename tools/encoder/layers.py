"""Second stage, the layers: `python -m tools.encoder.layers`.

Every update reads two batches: sentence pairs, drawn towards the teacher and towards each other as in the first stage,
and masked text (foreign and English side joined, or one sentence alone), whose masked pieces are predicted. The first
keeps the sentence vectors good, the second makes the states of single pieces useful for tagging and inference.
"""

import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, NamedTuple

import numpy as np
import torch
import typer
from torch.nn import functional
from transformers import ModernBertForMaskedLM

from tools.encoder.corpus import UNCLEAR_LICENCE
from tools.encoder.layout import SHARED, WORK
from tools.encoder.network import build_network, padded, sentence_vectors, start_from
from tools.encoder.retrieval import dev_accuracy
from tools.encoder.static import TokenTable, distillation_loss, framed, teacher_targets
from tools.encoder.tokens import Corpus, Ragged, cached, language_balanced, load_tokenizer, monolingual
from tools.encoder.vocabulary import SPECIAL

POOL_BATCHES = 16
"""Batches drawn at once and sorted by length, so that a batch needs little padding."""

NEGATIVES = 6000
"""Pieces drawn at random for the denominator of the masked-language loss, besides the batch's own."""

MASK_SHARE = 0.18
"""Share of pieces that are predicted; of these 80 % are hidden, 10 % replaced, 10 % left as they are."""


REPORT = 200
"""Updates between two checkpoints; the held-out pairs are scored at each, which takes half a minute of one core."""


class Settings(NamedTuple):
    """What decides the outcome of a training."""

    minutes: float = 60.0
    """Length of the training; the learning rate falls to zero by then."""
    pairs: int = 192
    """Sentence pairs an update."""
    masked: int = 128
    """Masked texts an update."""
    rate: float = 8e-4
    """Peak learning rate of the layers."""
    table_rate: float = 1e-4
    """Peak learning rate of the token vectors."""
    mask_weight: float = 1.0
    """Weight of the masked-language loss."""
    exponent: float = 0.6
    """See language_balanced."""
    seed: int = 1
    """Seed of the weights, the sampling and the masks."""


class Batch(NamedTuple):
    """The inputs of one update."""

    foreign: torch.Tensor
    """(n, longest) int64."""
    english: torch.Tensor
    """(n, longest) int64."""
    keys: np.ndarray
    """(n,) teacher keys."""
    masked: torch.Tensor
    """(m, longest) int64 with masked pieces."""
    labels: torch.Tensor
    """(m, longest) int64, the piece to predict or -100."""


def join(first: Ragged, *, second: Ragged) -> Ragged:
    """[CLS] first [SEP] second [SEP], text by text; neither input holds special tokens."""
    a, b = framed(first), framed(second)
    b_inside = np.ones(len(b.flat), dtype=bool)
    b_inside[b.offsets[:-1]] = False
    rest = Ragged(b.flat[b_inside], b.offsets - np.arange(len(b.offsets)))
    lengths = a.lengths() + rest.lengths()
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    flat = np.empty(offsets[-1], dtype=np.int32)
    flat[np.arange(len(a.flat)) + np.repeat(offsets[:-1] - a.offsets[:-1], a.lengths())] = a.flat
    shift = offsets[:-1] + a.lengths() - rest.offsets[:-1]
    flat[np.arange(len(rest.flat)) + np.repeat(shift, rest.lengths())] = rest.flat
    return Ragged(flat, offsets)


def mask(ids: torch.Tensor, *, rng: np.random.Generator, size: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Inputs with masked pieces, and their labels (-100 where nothing is predicted)."""
    draw = torch.from_numpy(rng.random(ids.shape))
    chosen = (ids >= len(SPECIAL)) & (draw < MASK_SHARE)
    labels = torch.where(chosen, ids, torch.full_like(ids, -100))
    fate = torch.from_numpy(rng.random(ids.shape))
    other = torch.from_numpy(rng.integers(len(SPECIAL), size, ids.shape))
    hidden = torch.where(chosen & (fate < 0.8), torch.full_like(ids, SPECIAL.index("[MASK]")), ids)
    return torch.where(chosen & (fate >= 0.9), other, hidden), labels


def by_length(rows: np.ndarray, *, lengths: np.ndarray, size: int, rng: np.random.Generator) -> list[np.ndarray]:
    """The rows cut into batches of `size` with similar lengths, in random order."""
    ordered = rows[np.argsort(lengths, kind="stable")]
    batches = np.split(ordered, len(ordered) // size)
    return [batches[index] for index in rng.permutation(len(batches))]


def batches(corpus: Corpus, *, single: Ragged, settings: Settings, size: int, start: int) -> Iterator[Batch]:
    """Batches without end; `start` (updates done so far) seeds the draws, so a resumed run sees new ones."""
    rng = np.random.default_rng([settings.seed, start])
    cumulative = np.cumsum(language_balanced(corpus, exponent=settings.exponent))
    text_lengths = corpus.text[0].lengths() + corpus.english[0].lengths()[corpus.english_of]
    sentences = np.flatnonzero((text_lengths >= 8) & ~corpus.held_out & (corpus.weight > 0))
    while True:
        pool = np.searchsorted(cumulative, rng.random(settings.pairs * POOL_BATCHES) * cumulative[-1])
        joined = rng.choice(sentences, settings.masked * POOL_BATCHES)
        alone = rng.choice(len(single.offsets) - 1, settings.masked * POOL_BATCHES)
        pair_batches = by_length(pool, lengths=text_lengths[pool], size=settings.pairs, rng=rng)
        joined_batches = by_length(joined, lengths=text_lengths[joined], size=settings.masked, rng=rng)
        alone_batches = by_length(alone, lengths=single.lengths()[alone], size=settings.masked, rng=rng)
        for rows, both, one in zip(pair_batches, joined_batches, alone_batches, strict=True):
            spelling = rng.integers(0, 3, 2) // 2
            if rng.random() < 0.75:
                parts = [corpus.text[0].take(both), corpus.english[0].take(corpus.english_of[both])]
                order = rng.permutation(2)
                text = join(parts[order[0]], second=parts[order[1]])
            else:
                text = framed(single.take(one))
            hidden, labels = mask(padded(text), rng=rng, size=size)
            yield Batch(
                foreign=padded(framed(corpus.text[spelling[0]].take(rows))),
                english=padded(framed(corpus.english[spelling[1]].take(corpus.english_of[rows]))),
                keys=corpus.key_of[rows],
                masked=hidden,
                labels=labels,
            )


def masked_loss(network: ModernBertForMaskedLM, *, batch: Batch, rng: np.random.Generator) -> torch.Tensor:
    """Cross-entropy of the masked pieces over the batch's pieces and a random sample of the others.

    The sample stands for all other pieces, so its scores are raised by the log of their number over its own.
    """
    attention = batch.masked != SPECIAL.index("[PAD]")
    hidden = network.model(input_ids=batch.masked, attention_mask=attention).last_hidden_state
    place = batch.labels != -100
    states = network.head(hidden[place])
    own, label = torch.unique(batch.labels[place], return_inverse=True)
    size = network.config.vocab_size
    drawn = torch.from_numpy(rng.choice(size, NEGATIVES, replace=False))
    drawn = drawn[~torch.isin(drawn, own)]
    pieces = torch.cat([own, drawn])
    weight = network.model.embeddings.tok_embeddings.weight[pieces]
    scores = functional.linear(states, weight, network.decoder.bias[pieces]).float()
    raised = torch.cat([torch.zeros(len(own)), torch.full((len(drawn),), np.log((size - len(own)) / len(drawn)))])
    return functional.cross_entropy(scores + raised, label)


def pair_loss(network: ModernBertForMaskedLM, *, batch: Batch, targets: torch.Tensor) -> torch.Tensor:
    """Cosine distance to the teacher and contrasts, as in the first stage."""
    foreign = sentence_vectors(network, ids=batch.foreign)
    english = sentence_vectors(network, ids=batch.english)
    keys = torch.from_numpy(batch.keys)
    return distillation_loss(foreign, english=english, target=targets[keys].float(), keys=keys)


@torch.no_grad()
def dev_score(network: ModernBertForMaskedLM, *, corpus: Corpus) -> float:
    """Mean accuracy on the held-out pairs."""
    network.eval()
    with torch.autocast("cpu", torch.bfloat16):
        scores = dev_accuracy(
            corpus, embed=lambda texts: sentence_vectors(network, ids=padded(framed(texts))).float().numpy()
        )
    network.train()
    return float(np.mean(list(scores.values())))


def build_optimizer(network: ModernBertForMaskedLM, *, settings: Settings) -> torch.optim.AdamW:
    """AdamW with two groups: token vectors, and everything else."""
    table = [network.model.embeddings.tok_embeddings.weight]
    rest = [parameter for parameter in network.parameters() if parameter is not table[0]]
    groups = [
        {"params": table, "peak": settings.table_rate, "weight_decay": 0.0},
        {"params": rest, "peak": settings.rate, "weight_decay": 0.01},
    ]
    return torch.optim.AdamW(groups, lr=settings.rate, betas=(0.9, 0.98), fused=True)


class Training:
    """A training with its state on disk: network, optimizer, updates and seconds so far."""

    def __init__(self, network: ModernBertForMaskedLM, *, settings: Settings, checkpoint: Path) -> None:
        self.network = network
        self.settings = settings
        self.checkpoint = checkpoint
        self.optimizer = build_optimizer(network, settings=settings)
        self.step = 0
        self.seconds = 0.0
        if checkpoint.exists():
            state = torch.load(checkpoint, weights_only=True)
            network.load_state_dict(state["network"])
            self.optimizer.load_state_dict(state["optimizer"])
            self.step, self.seconds = int(state["step"]), float(state["seconds"])

    def save(self) -> None:
        """Write the state beside, then rename."""
        state = {
            "network": self.network.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "step": self.step,
            "seconds": self.seconds,
        }
        part = self.checkpoint.with_suffix(".part")
        torch.save(state, part)
        part.rename(self.checkpoint)

    def progress(self) -> float:
        """Share of the training time that is over, in [0, 1]."""
        return min(1.0, self.seconds / (60.0 * self.settings.minutes))

    def update(self, batch: Batch, *, targets: torch.Tensor, rng: np.random.Generator) -> tuple[float, float]:
        """One update; returns the pair loss and the masked-language loss."""
        rise = min(1.0, (self.step + 1) / 60)
        for group in self.optimizer.param_groups:
            group["lr"] = group["peak"] * rise * max(0.02, 1.0 - self.progress())
        started = time.monotonic()
        with torch.autocast("cpu", torch.bfloat16):
            pair = pair_loss(self.network, batch=batch, targets=targets)
            masked = masked_loss(self.network, batch=batch, rng=rng)
        self.optimizer.zero_grad()
        (pair + self.settings.mask_weight * masked).backward()
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), 5.0)
        self.optimizer.step()
        self.step += 1
        self.seconds += time.monotonic() - started
        return pair.item(), masked.item()


def run(training: Training, *, corpus: Corpus, targets: torch.Tensor, single: Ragged) -> None:
    """Train until the time is over; a line and a checkpoint every REPORT updates."""
    rng = np.random.default_rng([training.settings.seed, training.step, 1])
    size = training.network.config.vocab_size
    losses: list[tuple[float, float]] = []
    for batch in batches(corpus, single=single, settings=training.settings, size=size, start=training.step):
        losses.append(training.update(batch, targets=targets, rng=rng))
        if training.step % REPORT == 0 or training.progress() >= 1.0:
            pair, masked = np.mean(losses, axis=0)
            dev = dev_score(training.network, corpus=corpus)
            minutes = training.seconds / 60
            losses_so_far = f"pair {pair:.3f} masked {masked:.3f}"
            sys.stdout.write(f"step {training.step} {minutes:.1f} min {losses_so_far} dev {dev:.4f}\n")
            sys.stdout.flush()
            losses = []
            training.save()
        if training.progress() >= 1.0:
            return


def main(
    shared: Annotated[Path, typer.Option(help="Folder that holds parallel/.")] = SHARED,
    work: Annotated[Path, typer.Option(help="Folder for intermediate results.")] = WORK,
    tokenizer: Annotated[str, typer.Option(help="Name of a tokenizer folder under WORK.")] = "tokenizer-bpe-48000",
    name: Annotated[str, typer.Option(help="Name of the static checkpoint to start from.")] = "static",
    minutes: Annotated[float, typer.Option(help="Length of the training.")] = Settings().minutes,
    leave_out: Annotated[str, typer.Option(help="Sources to leave out, separated by commas.")] = ",".join(
        UNCLEAR_LICENCE
    ),
) -> None:
    """Train the layers on top of the static vectors; saves WORK/NAME-layers.pt and continues from it."""
    names = tuple(part for part in leave_out.split(",") if part)
    encoder = load_tokenizer(work / tokenizer)
    corpus = cached(work / tokenizer, tokenizer=encoder, shared=shared, leave_out=names)
    table = TokenTable(len(encoder), seed=0)
    table.load_state_dict(torch.load(work / f"{name}.pt", weights_only=True))
    settings = Settings(minutes=minutes)
    network = build_network(len(encoder), seed=settings.seed)
    start_from(network, table=table)
    network.set_attn_implementation("eager")  # on CPU the fused kernel's backward takes twice as long at these lengths
    training = Training(network, settings=settings, checkpoint=work / f"{name}-layers.pt")
    sys.stdout.write(f"start: step {training.step} dev {dev_score(network, corpus=corpus):.4f}\n")
    single = monolingual(encoder, shared=shared)
    run(training, corpus=corpus, targets=teacher_targets(work, corpus=corpus), single=single)


if __name__ == "__main__":
    typer.run(main)
