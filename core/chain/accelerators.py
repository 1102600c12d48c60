"""What torch says of this machine: `python -m core.chain.accelerators` prints a JSON object. Nobody imports it.

The application asks in a process of its own, because torch takes seconds and much memory to load.
"""

from __future__ import annotations

import json
import sys
from typing import Any


def said() -> dict[str, Any]:
    """`version` of torch, `threads`, `api` of its accelerator (None without one) and its `devices` by slot."""
    import torch  # noqa: PLC0415  as everywhere in this room

    found: dict[str, Any] = {"version": torch.__version__, "threads": torch.get_num_threads()}
    if torch.cuda.is_available():  # AMD's, too
        api = f"ROCm {torch.version.hip}" if torch.version.hip else f"CUDA {torch.version.cuda}"
        return found | {"api": api, "devices": _named("cuda", torch.cuda)}
    if torch.xpu.is_available():
        return found | {"api": "XPU (Intel)", "devices": _named("xpu", torch.xpu)}
    if torch.backends.mps.is_available():
        return found | {"api": "MPS (Apple)", "devices": {"mps": "Apple GPU"}}
    return found | {"api": None, "devices": {}}


def _named(kind: str, module: Any) -> dict[str, str]:  # noqa: ANN401  torch.cuda or torch.xpu
    return {f"{kind}:{i}": str(module.get_device_name(i)) for i in range(module.device_count())}


if __name__ == "__main__":
    sys.stdout.write(json.dumps(said()))
