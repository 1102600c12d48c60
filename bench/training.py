"""Training speed and memory of one stage against transformers' stock `Trainer`: `python -m bench.training`.

Three ways, the same model (random weights of `--shape`, or `--model FOLDER`) and the same rows (made up, with the
lengths of `--task`'s data), each trained on once: ours; the Trainer with its defaults, padded as its example script
does; the Trainer at its best (batches of one length, padded to their longest row, fused AdamW). The rows are batches
that the Trainer's own grouping makes of 4,000 rows, the short and the long ones alike. A fourth way multiplies bare
matrices: `share_of_bare_matmul` is what ours made of it, counting the products of the real tokens alone, forward and
twice that backward, as if every layer were computed for every one. Each measurement is a process of its own, the ways
take turns, ratios are medians over the turns; the table has those of processor time where one thread computes, which
other processes disturb least. Data are tokenised before the clock starts.

`--same-loss` trains some steps without dropout here and in a plain loop over padded batches, and compares the losses.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bench.made import KINDS, SHAPES, Kind, Rows, make_encoder
from bench.stage import RATE, Data, counts_processor, in_own_process, make_stage, protocol_of, rows_for, train_ours
from bench.table import Row, times

if TYPE_CHECKING:
    from bench.stock import Timed

_PASSED = ("task", "steps", "batch", "threads", "device", "model", "precision")
"""Options that the process of each way is given."""
WAYS = ("ours", "trainer_defaults", "trainer_best", "matmul")
_GOALS = {"ours_vs_trainer_best": 1.5}
_MAIN_GOALS = {
    "ours_vs_trainer_best": 2.0, "ours_vs_trainer_defaults": 4.0, "memory_vs_trainer_best": 0.4,
    "share_of_bare_matmul": 0.6,
}  # fmt: skip
"""Of the shape and task that issue 8 names first."""


def main() -> list[Row]:
    """Measure in turns and print one JSON object; its rows of the table."""
    options = _options()
    if options.one:
        print(json.dumps(measure(options.one, options=options)))
        return []
    with tempfile.TemporaryDirectory() as scratch:
        options.shape = Path(options.model).name if options.model else options.shape
        options.model = options.model or str(make_encoder(SHAPES[options.shape], Path(scratch) / options.shape))
        if options.same_loss:
            from bench.plain import same_loss

            print(json.dumps(same_loss(options), indent=1))
            return []
        found: dict[str, list[dict[str, float]]] = {way: [] for way in WAYS}
        for _ in range(options.turns):
            for way in WAYS:
                found[way].append(in_own_process("bench.training", way, passed=_PASSED, options=options))
                print(way, found[way][-1], file=sys.stderr, flush=True)
    told = summary(found)
    print(json.dumps(told, indent=1))
    return rows_of(told, options=options)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--task", choices=KINDS, default="classification")
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--steps", type=int, help="of each way; as many as a laptop's core does in a minute or two")
    parser.add_argument("--batch", type=int, default=32, help="rows of a step")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--shape", choices=SHAPES, default="e5-small", help="of the random weights")
    parser.add_argument("--precision", choices=("fp32", "bf16"), help="of all ways; bf16 on a GPU unless said")
    parser.add_argument("--model", default="", help="folder in transformers' format; random weights if not given")
    parser.add_argument("--one", choices=WAYS, help="measure one way in this process")
    parser.add_argument("--same-loss", action="store_true", help="compare losses with those of a plain loop")
    options = parser.parse_args()
    options.steps = options.steps or (5 if options.same_loss else KINDS[options.task].steps)
    options.precision = options.precision or ("fp32" if options.device == "cpu" else "bf16")
    return options


def summary(found: dict[str, list[dict[str, float]]]) -> dict[str, Any]:
    """Medians of each way, and the median over turns of ours divided by each other.

    Args:
        found: Way to one measurement per turn.
    """
    medians = {way: {k: statistics.median(m[k] for m in turns) for k in turns[0]} for way, turns in found.items()}

    def ratio(field: str, other: str) -> float:
        return statistics.median(a[field] / b[field] for a, b in zip(found["ours"], found[other], strict=True))

    stock = WAYS[1:3]
    ratios = {f"ours_vs_{way}_{unit}": ratio(f"examples_per_{unit}", way) for way in stock for unit in ("s", "cpu_s")}
    ratios |= {f"memory_vs_{way}": ratio("peak_memory_mb", way) for way in stock}
    ratios |= {f"share_of_bare_matmul_{unit}": ratio(f"gflop_per_{unit}", "matmul") for unit in ("s", "cpu_s")}
    return {"medians": medians, "ratios": ratios, "turns": len(found["ours"])}


def rows_of(told: dict[str, Any], *, options: argparse.Namespace) -> list[Row]:
    """What the table says of a summary.

    Args:
        told: Of `summary`.
        options: Of the command line.
    """
    is_main = (options.task, options.shape, options.device) == ("classification", "e5-small", "cpu")
    goals, ratios = _MAIN_GOALS if is_main else _GOALS, told["ratios"]
    unit = "cpu_s" if counts_processor(options) else "s"
    words = {
        "ours_vs_trainer_best": "times the Trainer's best options",
        "ours_vs_trainer_defaults": "times its defaults",
        "memory_vs_trainer_best": "memory, share of its best options'",
        "share_of_bare_matmul": "share of a bare matmul",
    }
    where = f"training, {options.task}, {options.shape}, {options.precision}"
    rows = []
    for name, what in words.items():
        is_share = not name.startswith("ours")
        goal = f"{'≤' if name.startswith('memory') else '≥'} {goals[name]:g}" if name in goals else ""
        value = ratios[name if name in ratios else f"{name}_{unit}"]
        median = f"{value:.2f}" if is_share else times(value)
        rows.append(Row(f"{where}: {what}", goal, median, told["turns"]))
    return rows


def measure(way: str, *, options: argparse.Namespace) -> dict[str, float]:
    """Examples and useful products per second, peak memory and final loss of one way; of `matmul`, products alone.

    Args:
        way: One of `WAYS`.
        options: Of the command line, with the folder of the model.
    """
    import torch  # only the measuring process loads it
    from transformers import AutoConfig

    from core.encoder.device import fast_products, peak_memory_mb

    torch.set_num_threads(options.threads)
    torch.set_flush_denormal(True)
    kind, config = KINDS[options.task], AutoConfig.from_pretrained(options.model)
    if options.device == "cpu" and way in {"ours", "matmul"}:
        fast_products()  # as the job process does
    if way == "matmul":
        return _bare(int(config.hidden_size), options=options)
    rows = rows_for(kind, pieces=int(config.vocab_size), options=options)
    found = _ours(rows, options=options) if way == "ours" else _stock(way, rows.taken, options=options)
    n = options.steps * options.batch
    products = sum(flop(int(size), config=config, kind=kind) for size in rows.taken.lengths)
    return {
        "examples_per_s": n / found.seconds,
        "examples_per_cpu_s": n / found.cpu_seconds,
        "gflop_per_s": products / found.seconds / 1e9,
        "gflop_per_cpu_s": products / found.cpu_seconds / 1e9,
        "peak_memory_mb": peak_memory_mb(torch.device(options.device)),
        "final_loss": statistics.fmean(found.losses[-max(1, len(found.losses) // 3) :]),
    }


def flop(length: int, *, config: Any, kind: Kind) -> float:  # noqa: ANN401  transformers' configurations
    """Floating-point operations of the products of one row, forward and backward.

    Args:
        length: Its pieces.
        config: Of an encoder with BERT's layers.
        kind: Says what the head reads.
    """
    width = config.hidden_size
    layer = 2 * length * (4 * width**2 + 2 * width * config.intermediate_size) + 4 * length**2 * width
    is_row = kind.type == "classification"
    head = 2 * (width**2 + width * kind.outputs) if is_row else 2 * length * width * kind.outputs
    return float(3 * (config.num_hidden_layers * layer + head))


def _bare(width: int, *, options: argparse.Namespace) -> dict[str, float]:
    """GFLOP/s of a product as in a layer's feed-forward part."""
    import torch

    kinds = {"device": options.device, "dtype": torch.bfloat16 if options.precision == "bf16" else torch.float32}
    a, b = torch.randn(1024, width, **kinds), torch.randn(width, 4 * width, **kinds)

    def seconds(n: int) -> tuple[float, float]:
        begun, cpu = time.perf_counter(), time.process_time()
        for _ in range(n):
            a @ b
        if options.device != "cpu":
            torch.cuda.synchronize()
        return time.perf_counter() - begun, time.process_time() - cpu

    seconds(20)
    n = max(20, int(60 / seconds(20)[0]))  # about three seconds
    products = n * 2 * 1024 * width * 4 * width / 1e9
    taken, spent = seconds(n)
    return {"gflop_per_s": products / taken, "gflop_per_cpu_s": products / spent}


def _stock(way: str, taken: Rows, *, options: argparse.Namespace) -> Timed:
    from bench.stock import BEST, train

    kind, is_best = KINDS[options.task], way == "trainer_best"
    if not is_best:
        taken = taken.take(np.random.default_rng(1).permutation(len(taken.ids)))
    with tempfile.TemporaryDirectory() as scratch:
        settings = {
            "output_dir": scratch, "per_device_train_batch_size": options.batch, "learning_rate": RATE,
            "warmup_steps": max(1, options.steps // 10), "use_cpu": options.device == "cpu",
            "bf16": options.precision == "bf16",
        }  # fmt: skip
        pad_to = None if is_best or not kind.is_padded_by_script else kind.longest
        examples = taken.examples(kind)
        settings |= BEST if is_best else {}
        return train(options.model, examples, task=kind.type, outputs=kind.outputs, pad_to=pad_to, settings=settings)


def _ours(rows: Data, *, options: argparse.Namespace) -> Timed:
    return train_ours(make_stage(rows, options=options), protocol_of(options), options=options)


if __name__ == "__main__":
    main()
