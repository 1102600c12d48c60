"""transformers as everybody uses it: what the program is measured against; nothing of the program is in here.

`Settings` and `train` are the Trainer of one stage, with its defaults or at its best. As a script it is the chain that
`run_glue.py` would do in two calls: `python -m bench.stock --model FOLDER --intermediate FOLDER --target FOLDER --out
FOLDER`; it trains on the intermediate, saves, trains on the target, and predicts each language.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
import transformers
from torch.utils.data import Dataset, Sampler, SequentialSampler
from transformers.trainer_pt_utils import LengthGroupedSampler

BEST = {"optim": "adamw_torch_fused", "train_sampling_strategy": "group_by_length"}
"""Options that make the Trainer fast: with padding to the longest of a batch, the batch's rows are of one length."""
MODELS = {
    "classification": transformers.AutoModelForSequenceClassification,
    "tagging": transformers.AutoModelForTokenClassification,
    "span_qa": transformers.AutoModelForQuestionAnswering,
}


class Timed(NamedTuple):
    """A training that was timed."""

    losses: list[float]
    """Of each step."""
    seconds: float
    """On the clock."""
    cpu_seconds: float
    """Of the processor, all threads."""


class InOrder(transformers.Trainer):
    """Takes the batches as the data have them."""

    def _get_train_sampler(self, train_dataset: Dataset[Any] | None = None) -> Sampler[int]:
        return SequentialSampler(train_dataset if train_dataset is not None else self.train_dataset)


def grouped_batches(lengths: Sequence[int], *, batch: int, n: int) -> np.ndarray[Any, Any]:
    """(n * batch,) rows of some batches of an epoch that the Trainer has grouped by length, short and long ones alike.

    The Trainer begins an epoch with its longest batches, so the first steps alone would say nothing of the others.

    Args:
        lengths: Of all rows.
        batch: Rows of a batch.
        n: How many batches.
    """
    generator = torch.Generator().manual_seed(0)
    order = np.array(list(LengthGroupedSampler(batch, lengths=list(lengths), generator=generator)))
    batches = order[: len(order) // batch * batch].reshape(-1, batch)
    by_width = batches[np.argsort(np.asarray(lengths)[batches].max(axis=1), kind="stable")]
    picked = by_width[((np.arange(n) + 0.5) / n * len(by_width)).astype(int)]
    return np.random.default_rng(0).permutation(picked).reshape(-1)


def train(
    folder: str,
    examples: list[dict[str, Any]],
    *,
    task: str,
    outputs: int,
    pad_to: int | None,
    settings: dict[str, Any],
) -> Timed:
    """One stage of given batches in their order, timed.

    Args:
        folder: Of the encoder and its tokenizer.
        examples: One epoch of them.
        task: A key of `MODELS`.
        outputs: Number of labels.
        pad_to: Length of every row; None: the longest of its batch.
        settings: Further `TrainingArguments`.
    """
    labels = {} if task == "span_qa" else {"num_labels": outputs}
    model = MODELS[task].from_pretrained(folder, **labels)
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    padding: dict[str, Any] = {"padding": True} if pad_to is None else {"padding": "max_length", "max_length": pad_to}
    kind = (
        transformers.DataCollatorForTokenClassification if task == "tagging" else transformers.DataCollatorWithPadding
    )
    arguments = transformers.TrainingArguments(
        num_train_epochs=1, logging_steps=1, save_strategy="no", report_to=[], disable_tqdm=True, **settings
    )
    trainer = InOrder(model=model, args=arguments, train_dataset=examples, data_collator=kind(tokenizer, **padding))
    begun, cpu = time.perf_counter(), time.process_time()
    trainer.train()
    seconds, spent = time.perf_counter() - begun, time.process_time() - cpu
    return Timed([entry["loss"] for entry in trainer.state.log_history if "loss" in entry], seconds, spent)


def main() -> None:
    """Do one chain; print what each language scored and the seconds of the parts."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", required=True)
    parser.add_argument("--intermediate", type=Path, required=True, help="folder with train.json and dev.json")
    parser.add_argument("--target", type=Path, required=True, help="the same, and test.LANGUAGE.json")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--settings", type=json.loads, required=True, help="of each stage, as JSON")
    options = parser.parse_args()
    transformers.set_seed(options.seed)
    transformers.utils.logging.set_verbosity_error()
    between = options.out / "intermediate"
    stages = options.settings
    first = _stage(options.model, options.intermediate, out=between, settings=stages["intermediate"], options=options)
    first.save_model(str(between))
    last = _stage(str(between), options.target, out=options.out / "target", settings=stages["target"], options=options)
    last.save_model(str(options.out / "target"))
    scores = {}
    for file in sorted(options.target.glob("test.*.json")):
        found = last.predict(_read(file, tokenizer=last.processing_class, longest=stages["target"]["longest"]))
        scores[file.name.split(".")[1]] = found.metrics["test_accuracy"]
    steps = {"intermediate": first.state.global_step, "target": last.state.global_step}
    print(json.dumps({"scores": scores, "steps": steps}))


def _stage(
    model: str, data: Path, *, out: Path, settings: dict[str, Any], options: argparse.Namespace
) -> transformers.Trainer:
    tokenizer = transformers.AutoTokenizer.from_pretrained(options.model)
    train, dev = (
        _read(data / f"{name}.json", tokenizer=tokenizer, longest=settings["longest"]) for name in ("train", "dev")
    )
    steps = -(-round(len(train) * settings["epochs"]) // settings["batch_size"])
    every = max(1, steps // settings["evaluations"])
    arguments = transformers.TrainingArguments(
        output_dir=str(out), seed=options.seed, max_steps=steps, per_device_train_batch_size=settings["batch_size"],
        per_device_eval_batch_size=64, learning_rate=settings["learning_rate"], weight_decay=settings["weight_decay"],
        warmup_steps=round(settings["warmup_fraction"] * steps), eval_strategy="steps", eval_steps=every,
        save_strategy="steps", save_steps=every, save_total_limit=2, load_best_model_at_end=True,
        metric_for_best_model="accuracy", report_to=[], disable_tqdm=True, use_cpu=settings["on_cpu"],
        bf16=settings["bf16"], **BEST,
    )  # fmt: skip
    labels = 1 + max(example["labels"] for example in [*train, *dev])
    trainer = transformers.Trainer(
        model=transformers.AutoModelForSequenceClassification.from_pretrained(
            model, num_labels=labels, ignore_mismatched_sizes=True
        ),
        args=arguments, train_dataset=train, eval_dataset=dev, processing_class=tokenizer,
        data_collator=transformers.DataCollatorWithPadding(tokenizer), compute_metrics=_accuracy,
    )  # fmt: skip
    trainer.train()
    return trainer


def _read(file: Path, *, tokenizer: Callable[..., Any], longest: int) -> list[dict[str, Any]]:
    rows = json.loads(file.read_text(encoding="utf-8"))
    pairs = None if rows[0]["pair"] is None else [row["pair"] for row in rows]
    encoded = tokenizer([row["text"] for row in rows], pairs, truncation=True, max_length=longest)
    return [
        {name: values[i] for name, values in encoded.items()} | {"labels": row["label"]} for i, row in enumerate(rows)
    ]


def _accuracy(found: transformers.EvalPrediction) -> dict[str, float]:
    return {"accuracy": float((np.argmax(found.predictions, axis=-1) == found.label_ids).mean())}


if __name__ == "__main__":
    main()
