"""Measure the shipped model: `python -m tools.encoder.evaluate`, into evaluation.json beside it.

Parts: tatoeba, english, speed, xnli, panx, udpos. `--only` runs some of them and keeps the others' figures; a
fine-tuning that is in the file for the same weights is not run again, so the command can be stopped and started.
`python -m tools.encoder.card` writes the card from the file.
"""

import hashlib
import json
import sys
import time
from pathlib import Path
from typing import Annotated, NamedTuple

import numpy as np
import typer
from scipy.stats import t as student_t
from sentence_transformers import SentenceTransformer

from tools.encoder import english, transfer
from tools.encoder.layout import MODEL, RESULTS, SHARED
from tools.encoder.retrieval import load_tatoeba, tatoeba_accuracy
from tools.encoder.teacher import load_teacher

PARTS = ("tatoeba", "english", "speed", "xnli", "panx", "udpos")
RUNS = ("trained-1", "random-1", "trained-2", "random-2", "trained-3", "random-3")
"""Fine-tunings of each task: the shipped weights and random ones, with three seeds."""

BATCH_SIZE = 64
LEVEL = 0.95


def digest(folder: Path, *, names: tuple[str, ...]) -> str:
    """Twelve hex digits of the SHA-256 of these files."""
    return hashlib.sha256(b"".join((folder / name).read_bytes() for name in names)).hexdigest()[:12]


def embedder(model: SentenceTransformer) -> english.Embed:
    """A function from texts to their vectors, (n_texts, dim) float32."""
    return lambda texts: np.asarray(model.encode(texts, batch_size=BATCH_SIZE, show_progress_bar=False))


def write(results: dict, *, path: Path) -> None:
    """Write beside, then rename."""
    part = path.with_suffix(".part")
    part.write_text(json.dumps(results, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    part.rename(path)


def measure_tatoeba(folder: Path, *, hub: Path) -> dict:
    """Accuracy per language and their mean."""
    model = SentenceTransformer(str(folder), device="cpu", local_files_only=True)
    scores = tatoeba_accuracy(load_tatoeba(hub), embed=embedder(model))
    return {"languages": scores, "mean": float(np.mean(list(scores.values())))}


def measure_english(folder: Path, *, hub: Path) -> dict:
    """STS-B and the agreement with the teacher."""
    model = SentenceTransformer(str(folder), device="cpu", local_files_only=True)
    teacher = load_teacher(bfloat16=False)
    agreement = english.domain_agreement(hub, embed=embedder(model), teacher=embedder(teacher))
    return {
        "stsb_spearman": english.stsb_spearman(hub, embed=embedder(model)),
        "teacher_stsb_spearman": english.stsb_spearman(hub, embed=embedder(teacher)),
        "domain_similarity": agreement._asdict(),
    }


def measure_speed(folder: Path, *, hub: Path) -> dict:
    """Loading time and sentences a second."""
    model = SentenceTransformer(str(folder), device="cpu", local_files_only=True)
    sentences = [text for pairs in load_tatoeba(hub).values() for text in pairs.source[:100]]
    return {
        "load_s": english.load_seconds(folder),
        "sentences_per_s": english.sentences_per_second(sentences, embed=embedder(model)),
    }


def margin(trained: list[float], *, random: list[float]) -> dict:
    """Mean of the paired differences with its t interval over seeds.

    Args:
        trained: mean score of each seed, in [0, 1].
        random: the same of the network with random weights.
    """
    difference = np.asarray(trained) - np.asarray(random)
    n = len(difference)
    if n < 2:
        return {"mean": float(difference.mean()), "n": n}
    half = float(student_t.ppf((1 + LEVEL) / 2, n - 1) * difference.std(ddof=1) / np.sqrt(n))
    mean = float(difference.mean())
    return {"mean": mean, "low": mean - half, "high": mean + half, "level": LEVEL, "n": n, "method": "paired t"}


def paired_seeds(runs: dict[str, dict[str, float]]) -> list[str]:
    """Seeds that were run with the shipped weights and with random ones."""
    return sorted(
        seed for kind, seed in (key.split("-") for key in runs) if kind == "trained" and f"random-{seed}" in runs
    )


def summary(runs: dict[str, dict[str, float]], *, chance: float) -> dict:
    """Figures of a task from its fine-tunings, keyed `trained-SEED` and `random-SEED`."""
    seeds = paired_seeds(runs)
    languages = sorted(next(iter(runs.values())))
    others = [lang for lang in languages if lang != "en"]
    means = {
        kind: [float(np.mean([runs[f"{kind}-{s}"][lang] for lang in others])) for s in seeds]
        for kind in ("trained", "random")
    }
    per_language = {
        kind: {lang: float(np.mean([runs[f"{kind}-{s}"][lang] for s in seeds])) for lang in languages}
        for kind in ("trained", "random")
    }
    return {
        "chance": chance,
        "seeds": len(seeds),
        "english": per_language["trained"]["en"],
        "others": float(np.mean(means["trained"])),
        "others_random": float(np.mean(means["random"])),
        "languages_above_chance": sum(per_language["trained"][lang] > chance for lang in others),
        "languages_above_random": sum(per_language["trained"][lang] > per_language["random"][lang] for lang in others),
        "other_languages": len(others),
        "margin": margin(means["trained"], random=means["random"]),
        "languages": per_language["trained"],
        "languages_random": per_language["random"],
    }


class Job(NamedTuple):
    """What an evaluation reads and writes."""

    folder: Path
    """Model folder."""
    hub: Path
    """Folder of the mirror."""
    path: Path
    """JSON file with the figures."""
    quick: bool
    """Few examples."""
    runs: tuple[str, ...]
    """Fine-tunings to run, such as `trained-1` or `random-3`."""


def measure_transfer(name: str, *, job: Job, results: dict) -> None:
    """Run the fine-tunings that the file lacks, writing after each; then their summary, if it has both kinds."""
    settings = (transfer.QUICK if job.quick else transfer.DEFAULTS)[name]
    task = transfer.LOADERS[name](job.hub, settings=settings)
    part = results.setdefault(name, {})
    if part.get("settings") != settings._asdict():
        part.clear()
        part["settings"] = settings._asdict()
    runs = part.setdefault("runs", {})
    for key in [key for key in job.runs if key not in runs]:
        kind, seed = key.split("-")
        started = time.monotonic()
        runs[key] = transfer.run(
            name, folder=job.folder, task=task, settings=settings, seed=int(seed), trained=kind == "trained"
        )
        others = float(np.mean([value for lang, value in runs[key].items() if lang != "en"]))
        seconds = time.monotonic() - started
        sys.stdout.write(f"{name} {key}: en {runs[key]['en']:.4f} others {others:.4f} ({seconds:.0f} s)\n")
        sys.stdout.flush()
        write(results, path=job.path)
    if paired_seeds(runs):
        part["summary"] = summary(runs, chance=task.chance)
    write(results, path=job.path)


def load_results(path: Path, *, folder: Path) -> dict:
    """The figures in the file that still hold: all for the same weights, the random ones for the same network."""
    weights = digest(folder, names=("model.safetensors",))
    network = digest(folder, names=("config.json", "tokenizer.json"))
    results: dict = {"weights": weights, "network": network}
    if not path.exists():
        return results
    old = json.loads(path.read_text(encoding="utf-8"))
    if old.get("weights") == weights:
        return old
    if old.get("network") == network:
        for name in transfer.LOADERS:
            runs = {key: run for key, run in old.get(name, {}).get("runs", {}).items() if key.startswith("random")}
            if runs:
                results[name] = {"settings": old[name]["settings"], "runs": runs}
    return results


def main(
    shared: Annotated[Path, typer.Option(help="Folder that holds hub/.")] = SHARED,
    folder: Annotated[Path, typer.Option(help="Model folder to measure.")] = MODEL,
    results: Annotated[Path, typer.Option(help="JSON file with the figures.")] = RESULTS,
    only: Annotated[str, typer.Option(help="Parts to run, separated by commas.")] = ",".join(PARTS),
    quick: Annotated[bool, typer.Option(help="One seed on few examples; writes beside, as *-quick.json.")] = False,
    runs: Annotated[str, typer.Option(help="Fine-tunings to run (with --quick always the first two).")] = ",".join(
        RUNS
    ),
) -> None:
    """Measure and write the figures."""
    parts = only.split(",")
    unknown = [part for part in parts if part not in PARTS]
    if unknown:
        raise typer.BadParameter(f"No part named {unknown[0]!r}. Parts: {', '.join(PARTS)}.")
    path = results.with_name(f"{results.stem}-quick.json") if quick else results
    job = Job(folder, shared / "hub", path, quick, RUNS[:2] if quick else tuple(runs.split(",")))
    found = load_results(path, folder=folder)
    simple = {"tatoeba": measure_tatoeba, "english": measure_english, "speed": measure_speed}
    for part in parts:
        if part in simple:
            found[part] = simple[part](folder, hub=job.hub)
            write(found, path=path)
            shown = {key: value for key, value in found[part].items() if key != "languages"}
        else:
            measure_transfer(part, job=job, results=found)
            figures = found[part].get("summary", {})
            shown = {key: value for key, value in figures.items() if not key.startswith("languages")}
        sys.stdout.write(f"{part}: {json.dumps(shown)}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    typer.run(main)
