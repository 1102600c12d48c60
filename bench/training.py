"""Training speed and memory of one stage against transformers' stock `Trainer`: `python -m bench.training`.

Three ways, the same model (random weights of `--shape`, or `--model FOLDER`), data (pairs with MNLI's lengths, made
here), batch size and steps: ours; the Trainer with its defaults, padded to the longest allowed input; the Trainer at
its best (dynamic padding, length grouping, fused AdamW, same thread count). Each measurement is a process of its own,
the three take turns, and the ratios are medians over the turns. Data are tokenised before the clock starts.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from core.spec.run import DataSource, DataSourceKind, RunSpec

WAYS = ("ours", "trainer_defaults", "trainer_best")
SHAPES = {"minilm": (30_522, 6, 384), "e5-small": (250_037, 12, 384), "xlmr-base": (250_002, 12, 768)}
"""Pieces, layers and width of well-known encoders."""
_MAX_LENGTH = 128
_N = 4_000


def main() -> None:
    """Measure in turns and print one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--steps", type=int, default=30)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--shape", choices=SHAPES, default="minilm", help="of the random weights")
    parser.add_argument("--precision", choices=("fp32", "bf16"), help="of all three ways; bf16 on a GPU unless said")
    parser.add_argument("--model", default="", help="folder in transformers' format; random MiniLM-L6 if not given")
    parser.add_argument("--one", choices=WAYS, help="measure one way in this process")
    options = parser.parse_args()
    options.precision = options.precision or ("fp32" if options.device == "cpu" else "bf16")
    if options.one:
        print(json.dumps(measure(options.one, options=options)))
        return
    found: dict[str, list[dict[str, float]]] = {way: [] for way in WAYS}
    for _ in range(options.turns):
        for way in WAYS:
            found[way].append(_in_own_process(way, options))
            print(way, found[way][-1], file=sys.stderr, flush=True)
    print(json.dumps(summary(found), indent=1))


def summary(found: dict[str, list[dict[str, float]]]) -> dict[str, Any]:
    """Medians of each way, and the median over turns of ours divided by each other.

    Args:
        found: Way to one measurement per turn.
    """
    medians = {way: {k: statistics.median(m[k] for m in turns) for k in turns[0]} for way, turns in found.items()}
    ratios = {
        f"ours_vs_{way}_{unit}": statistics.median(
            a[f"examples_per_{unit}"] / b[f"examples_per_{unit}"]
            for a, b in zip(found["ours"], found[way], strict=True)
        )
        for way in WAYS[1:]
        for unit in ("s", "cpu_s")  # processor time is what other processes on the machine disturb least
    }
    return {"medians": medians, "speed_ratios": ratios, "turns": len(found["ours"])}


def _in_own_process(way: str, options: argparse.Namespace) -> dict[str, float]:
    command = [sys.executable, "-m", "bench.training", "--one", way]
    for name in ("steps", "threads", "device", "model", "shape", "precision"):
        command += [f"--{name}", str(getattr(options, name))]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{way} failed:\n{done.stderr[-3000:]}")
    result: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return result


def measure(way: str, *, options: argparse.Namespace) -> dict[str, float]:
    """Examples per second, peak memory and final loss of one way.

    Args:
        way: One of `WAYS`.
        options: Of the command line.
    """
    import torch  # noqa: PLC0415  only the measuring process loads it

    from core.encoder.device import peak_memory_mb  # noqa: PLC0415

    torch.set_num_threads(options.threads)
    torch.set_flush_denormal(True)
    torch.manual_seed(0)
    rows, labels = make_data(SHAPES[options.shape][0])
    run = _ours if way == "ours" else _trainer
    losses, seconds, cpu = run(way, rows, labels, options)
    return {
        "examples_per_s": options.steps * 32 / seconds,
        "examples_per_cpu_s": options.steps * 32 / cpu,
        "peak_memory_mb": peak_memory_mb(torch.device(options.device)),
        "final_loss": statistics.fmean(losses[-max(1, len(losses) // 3) :]),
    }


def make_data(pieces: int) -> tuple[list[np.ndarray[Any, Any]], np.ndarray[Any, Any]]:
    """Rows of ids with MNLI's lengths (median 36, longest 128), Zipf's frequencies, and the label in the second id.

    Args:
        pieces: Of the vocabulary.
    """
    rng = np.random.default_rng(0)
    lengths = np.clip(np.round(np.exp(rng.normal(3.58, 0.42, _N))), 8, _MAX_LENGTH).astype(int)
    weights = 1 / np.arange(1, pieces - 1_000 + 1)
    pool = rng.choice(np.arange(1_000, pieces), size=int(lengths.sum()), p=weights / weights.sum())
    labels = rng.integers(0, 3, _N)
    rows = []
    for row, label in zip(np.split(pool, np.cumsum(lengths)[:-1]), labels, strict=True):
        row[0], row[1], row[-1] = 101, 2_000 + label, 102
        rows.append(row.astype(np.int32))
    return rows, labels


def _encoder_folder(options: argparse.Namespace, folder: Path) -> Path:
    import transformers  # noqa: PLC0415  see `measure`

    if options.model:
        return Path(options.model)
    pieces, layers, width = SHAPES[options.shape]
    config = transformers.BertConfig(
        vocab_size=pieces, hidden_size=width, num_hidden_layers=layers, num_attention_heads=12,
        intermediate_size=4 * width,
    )  # fmt: skip
    transformers.BertModel(config).save_pretrained(str(folder))
    return folder


def _run(home: Path) -> RunSpec:
    """Any run: a stage reads its data, model and protocol from its own arguments."""
    from core.models import resolve_model  # noqa: PLC0415  see `measure`
    from core.paths import AtlasPaths  # noqa: PLC0415
    from core.protocols import get_protocol  # noqa: PLC0415
    from core.tasks import TASKS  # noqa: PLC0415

    return RunSpec(
        model=resolve_model("atlas-mini", paths=AtlasPaths(home)),
        intermediate=None,
        target="xnli",
        seed=1,
        protocol=get_protocol("quick"),
        data_source=DataSource(kind=DataSourceKind.SAMPLE),
        tasks=(TASKS["xnli"],),
    )


def _ours(
    way: str, rows: list[np.ndarray[Any, Any]], labels: np.ndarray[Any, Any], options: argparse.Namespace
) -> tuple[list[float], float, float]:
    import torch  # noqa: PLC0415  see `measure`
    from transformers import AutoModel  # noqa: PLC0415

    from core.encoder.device import attention_kernel, fast_products  # noqa: PLC0415
    from core.encoder.packing import first_position  # noqa: PLC0415
    from core.events import StepLogged  # noqa: PLC0415
    from core.heads.layers import SummaryHead  # noqa: PLC0415
    from core.heads.states import Encoder  # noqa: PLC0415
    from core.paths import AtlasPaths  # noqa: PLC0415
    from core.spec.protocol import StageProtocol
    from core.training.context import JobContext  # noqa: PLC0415
    from core.training.loop import StageJob, train_stage  # noqa: PLC0415
    from core.training.mixture import Objective  # noqa: PLC0415
    from core.training.seeds import Draws  # noqa: PLC0415
    from core.types.pieces import Features  # noqa: PLC0415

    class Padding:
        pad_token_id, pad_token_type_id, padding_side = 0, 0, "right"

    if options.device == "cpu":
        fast_products()  # as the job process does
    with tempfile.TemporaryDirectory() as scratch:
        folder = _encoder_folder(options, Path(scratch))
        model = AutoModel.from_pretrained(str(folder), add_pooling_layer=False, attn_implementation=attention_kernel())
        begins_at = first_position(model)
        model.to(options.device)
        encoder = Encoder(
            model, Padding(), summary="first", heads_read="summary", takes_types=False, max_length=_MAX_LENGTH,
            first_position=begins_at,
        )  # fmt: skip
        encoder.precision = options.precision
        starts = np.concatenate([[0], np.cumsum([len(r) for r in rows])])
        features = Features(
            ids=np.concatenate(rows), types=None, starts=starts, item_starts=np.arange(len(rows) + 1),
            targets=labels.astype(np.int64), example_of=np.arange(len(rows)),
        )  # fmt: skip
        head = SummaryHead(encoder.hidden_size, outputs=3, dropout=0.1, summary="first").to(options.device)
        goal = Objective(
            name="bench", kind="classification", features=features, head=head, dev_score=lambda: 0.0,
            judge=lambda: None, metric="loss", n_dev=1, used_ids=np.unique(features.ids),
        )  # fmt: skip
        protocol = StageProtocol(
            learning_rate=5e-5,
            batch_size=32,
            max_steps=options.steps,
            evaluations=1,
            selection="last",
        )
        losses: list[float] = []
        context = JobContext(
            _run(Path(scratch)),
            AtlasPaths(Path(scratch)),
            torch.device(options.device),
            emit=lambda event: losses.append(event.loss) if isinstance(event, StepLogged) else None,
            checkpoints=Path(scratch) / "c",
            save_every_s=1e9,
        )
        draws = Draws(1, "target", ("bench",))
        job = StageJob(key="bench", kind="target", name="bench", protocol=protocol, draws=draws)
        begun, cpu = time.perf_counter(), time.process_time()
        result = train_stage(context, job, encoder=encoder, objectives=[goal], keep=lambda which: None)
        if options.device != "cpu":
            torch.cuda.synchronize()
    assert result.steps == options.steps
    return losses, time.perf_counter() - begun, time.process_time() - cpu


def _trainer(
    way: str, rows: list[np.ndarray[Any, Any]], labels: np.ndarray[Any, Any], options: argparse.Namespace
) -> tuple[list[float], float, float]:
    import torch  # noqa: PLC0415  see `measure`
    import transformers  # noqa: PLC0415

    is_best = way == "trainer_best"
    data = [{"input_ids": r.tolist(), "labels": int(y)} for r, y in zip(rows, labels, strict=True)]

    def collate(batch: list[dict[str, Any]]) -> dict[str, torch.Tensor]:
        width = max(len(b["input_ids"]) for b in batch) if is_best else _MAX_LENGTH
        ids = torch.zeros(len(batch), width, dtype=torch.long)
        for i, b in enumerate(batch):
            ids[i, : len(b["input_ids"])] = torch.tensor(b["input_ids"])
        return {
            "input_ids": ids,
            "attention_mask": (ids != 0).long(),
            "labels": torch.tensor([b["labels"] for b in batch]),
        }

    with tempfile.TemporaryDirectory() as scratch:
        folder = _encoder_folder(options, Path(scratch))
        model = transformers.AutoModelForSequenceClassification.from_pretrained(str(folder), num_labels=3)
        best = {"optim": "adamw_torch_fused", "train_sampling_strategy": "group_by_length"} if is_best else {}
        settings = transformers.TrainingArguments(
            output_dir=str(Path(scratch) / "out"), per_device_train_batch_size=32, max_steps=options.steps,
            learning_rate=5e-5, warmup_steps=max(1, options.steps // 10), logging_steps=1, save_strategy="no",
            report_to=[], disable_tqdm=True, use_cpu=options.device == "cpu", bf16=options.precision == "bf16", **best,
        )  # fmt: skip
        trainer = transformers.Trainer(model=model, args=settings, train_dataset=data, data_collator=collate)
        begun, cpu = time.perf_counter(), time.process_time()
        trainer.train()
        seconds, spent = time.perf_counter() - begun, time.process_time() - cpu
    return [entry["loss"] for entry in trainer.state.log_history if "loss" in entry], seconds, spent


if __name__ == "__main__":
    main()
