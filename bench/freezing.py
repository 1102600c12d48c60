"""Six frozen layers with kept states against full fine-tuning, two epochs of a stage: `python -m bench.freezing`.

Both train the same rows (classification, MNLI's lengths) with the program. Three ways take turns, each in a process of
its own: `full`; `frozen`, the computing of the states among its seconds; `known`, as where another stage or run has
left the states of the same texts, their reading among its seconds.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from bench.made import KINDS, SHAPES, make_encoder
from bench.stage import counts_processor, in_own_process, make_stage, protocol_of, rows_for, train_ours
from bench.table import Row, times

_PASSED = ("steps", "batch", "layers", "threads", "device", "model", "precision", "states")
"""Options that the process of each way is given."""
WAYS = ("full", "frozen", "known")
EPOCHS = 2
_GOAL = 2.0


def main() -> list[Row]:
    """Measure in turns and print one JSON object; its rows of the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--steps", type=int, default=10, help="of an epoch")
    parser.add_argument("--batch", type=int, default=32, help="rows of a step")
    parser.add_argument("--layers", type=int, default=6, help="that are frozen")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--shape", choices=SHAPES, default="e5-small", help="of the random weights")
    parser.add_argument("--precision", choices=("fp32", "bf16"), default="fp32")
    parser.add_argument("--model", default="", help="folder in transformers' format; random weights if not given")
    parser.add_argument("--one", choices=WAYS, help="measure one way in this process")
    parser.add_argument("--states", type=Path, help="folder of kept states")
    options = parser.parse_args()
    options.task = "classification"
    if options.one:
        print(json.dumps(measure(options.one, options=options)))
        return []
    found: dict[str, list[dict[str, float]]] = {way: [] for way in WAYS}
    with tempfile.TemporaryDirectory() as scratch:
        options.shape = Path(options.model).name if options.model else options.shape
        options.model = options.model or str(make_encoder(SHAPES[options.shape], Path(scratch) / options.shape))
        for turn in range(options.turns):
            options.states = Path(scratch) / f"states{turn}"
            for way in WAYS:
                found[way].append(in_own_process("bench.freezing", way, passed=_PASSED, options=options))
                print(way, found[way][-1], file=sys.stderr, flush=True)
    told = summary(found)
    print(json.dumps(told, indent=1))
    where = f"{options.layers} frozen layers, two epochs, {options.shape}, {options.precision}"
    unit = "cpu_seconds" if counts_processor(options) else "seconds"
    frozen, known = (times(told["ratios"][f"{way}_by_{unit}"]) for way in WAYS[1:])
    return [
        Row(f"{where}: times full fine-tuning", f"≥ {_GOAL:g}", frozen, options.turns),
        Row(f"{where}: the same, states known", "", known, options.turns),
    ]


def summary(found: dict[str, list[dict[str, float]]]) -> dict[str, Any]:
    """Medians of each way, and the median over turns of its speed divided by that of full fine-tuning.

    Args:
        found: Way to one measurement per turn.
    """
    medians = {way: {k: statistics.median(m[k] for m in turns) for k in turns[0]} for way, turns in found.items()}
    ratios = {
        f"{way}_by_{unit}": statistics.median(a[unit] / b[unit] for a, b in zip(found["full"], found[way], strict=True))
        for way in WAYS[1:]
        for unit in ("seconds", "cpu_seconds")
    }
    return {"medians": medians, "ratios": ratios, "turns": len(found["full"])}


def measure(way: str, *, options: argparse.Namespace) -> dict[str, float]:
    """Seconds of the whole and of the kept states, peak memory and final loss of one way.

    Args:
        way: One of `WAYS`.
        options: Of the command line, with the folders of model and states.
    """
    import torch  # only the measuring process loads it
    from transformers import AutoConfig

    from core.encoder.device import fast_products, peak_memory_mb
    from core.encoder.frozen import freeze, with_states

    torch.set_num_threads(options.threads)
    torch.set_flush_denormal(True)
    if options.device == "cpu":
        fast_products()  # as the job process does
    kind = KINDS[options.task]
    pieces = int(AutoConfig.from_pretrained(options.model).vocab_size)
    stage = make_stage(rows_for(kind, pieces=pieces, options=options), options=options)
    frozen = {} if way == "full" else {"freeze_layers": options.layers}
    protocol = protocol_of(options, max_steps=EPOCHS * options.steps, epochs=EPOCHS, **frozen)
    freeze(stage.encoder, protocol, where="The encoder", kept_in=options.states)
    begun, cpu = time.perf_counter(), time.process_time()
    features = with_states(stage.goal.features, encoder=stage.encoder, passes=EPOCHS)
    states_s, states_cpu_s = time.perf_counter() - begun, time.process_time() - cpu
    found = train_ours(stage._replace(goal=replace(stage.goal, features=features)), protocol, options=options)
    return {
        "seconds": states_s + found.seconds,
        "cpu_seconds": states_cpu_s + found.cpu_seconds,
        "states_cpu_seconds": states_cpu_s,
        "peak_memory_mb": peak_memory_mb(torch.device(options.device)),
        "final_loss": statistics.fmean(found.losses[-max(1, len(found.losses) // 3) :]),
    }


if __name__ == "__main__":
    main()
