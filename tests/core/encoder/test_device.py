"""Fast products stay float32, and the attention goes with them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from core.encoder import device

_SAY = """
import sys
import torch
from core.encoder.device import attention_kernel, fast_products

print(attention_kernel())
is_fast = fast_products()
torch.manual_seed(0)
worst = 0.0
for rows, inner, columns in ((337, 256, 768), (7, 512, 33), (640, 1024, 256)):
    a = torch.randn(rows, inner, requires_grad=True)
    b = torch.randn(columns, inner, requires_grad=True)
    product = a @ b.T
    product.sum().backward()
    exact = a.detach().double() @ b.detach().double().T
    slope = b.detach().double().sum(dim=0).expand(rows, inner)
    worst = max(worst, float((product - exact).abs().max() / inner**0.5))
    worst = max(worst, float((a.grad - slope).abs().max() / columns**0.5))
print(is_fast, attention_kernel(), worst)
"""


def said() -> list[str]:
    """What a fresh process says: the setting is of a whole process."""
    found = subprocess.run([sys.executable, "-c", _SAY], capture_output=True, text=True, check=True)
    return found.stdout.split()


def test_products_stay_float32() -> None:
    before, is_fast, kernel, worst = said()
    assert before == "None"
    assert kernel == ("eager" if is_fast == "True" else "None")
    # bfloat16 has 8 bits of significand, an error of 4e-3 for numbers around one.
    assert float(worst) < 2e-5


@pytest.mark.parametrize("vendor", ["GenuineIntel", "none"])
def test_other_processors_are_left_alone(vendor: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    info = tmp_path / "cpuinfo"
    if vendor != "none":
        info.write_text(f"vendor_id\t: {vendor}\n")
    monkeypatch.setattr(device, "_CPU_INFO", info)
    device.fast_products.cache_clear()
    assert not device.fast_products()
    device.fast_products.cache_clear()
    assert device.attention_kernel() is None
