"""Which devices a machine has: what nvidia-smi counts, else what torch says where something hints at a GPU."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from core.chain import accelerators
from core.errors import SpecError
from core.jobs import slots
from core.jobs.slots import ask_torch, device_of, slots_for, visible_slots
from core.variables import CPU_SLOTS


@pytest.fixture(autouse=True)
def no_driver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Folder in the place of /dev, where no GPU is."""
    dev = tmp_path / "dev"
    dev.mkdir()
    monkeypatch.setattr(slots, "_DEV", dev)
    monkeypatch.setattr(slots.platform, "system", lambda: "Linux")
    slots._asked.cache_clear()
    monkeypatch.setattr(slots.os, "cpu_count", lambda: 1)
    return dev


@pytest.fixture
def torch_says(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """Torch has two GPUs of AMD; the list holds each time it was asked."""
    asked: list[list[str]] = []
    found = {"cuda:0": "MI300X", "cuda:1": "MI300X"}
    answer = {"version": "2.9", "threads": 8, "api": "ROCm 6.4", "devices": found}

    def run(words: list[str], **_options: object) -> SimpleNamespace:
        asked.append(words)
        return SimpleNamespace(returncode=0, stdout=f"a warning\n{json.dumps(answer)}", stderr="")

    monkeypatch.setattr(slots.subprocess, "run", run)
    return asked


def _nvidia_smi(folder: Path, *, ends: int = 0) -> str:
    tool = folder / "nvidia-smi"
    lines = "echo 'GPU 0: A (UUID: x)'\necho '  MIG 1g Device 0: (UUID: y)'\necho 'GPU 1: B (UUID: z)'"
    tool.write_text(f"#!/bin/sh\n{lines}\nexit {ends}\n")
    tool.chmod(0o755)
    return f"{folder}:/bin:/usr/bin"


def test_slots_are_the_visible_gpus_or_the_cpu(tmp_path: Path) -> None:
    path = _nvidia_smi(tmp_path)
    assert visible_slots({"PATH": path}) == ("cuda:0", "cuda:1")
    assert visible_slots({"PATH": path, "CUDA_VISIBLE_DEVICES": "1"}) == ("cuda:0",)
    assert visible_slots({"PATH": path, "CUDA_VISIBLE_DEVICES": ""}) == ("cpu",)
    assert visible_slots({"PATH": "/nowhere"}) == ("cpu",)
    assert visible_slots({"PATH": _nvidia_smi(tmp_path, ends=9)}) == ("cpu",), "the driver fails"


def test_several_jobs_share_a_gpu_where_the_environment_says_so(tmp_path: Path) -> None:
    """Each GPU has one job before any has two."""
    two = {"PATH": _nvidia_smi(tmp_path), "ATLAS_GPU_SLOTS": "2"}
    found = visible_slots(two)
    assert found == ("cuda:0", "cuda:1", "cuda:0#2", "cuda:1#2")
    assert [device_of(slot) for slot in found] == ["cuda:0", "cuda:1"] * 2
    assert slots_for(found, device="cuda:1", parameters_m=None, environ=two) == ("cuda:1", "cuda:1#2")
    assert slots_for(found, device="auto", parameters_m=None, environ=two) == found
    assert slots_for(found, device="cpu", parameters_m=None, environ=two) == ("cpu",)
    assert visible_slots({"PATH": "/nowhere", "ATLAS_GPU_SLOTS": "2"}) == ("cpu",)
    for wrong in ("0", "many", "-1", "257", "9" * 5000):
        with pytest.raises(SpecError, match="ATLAS_GPU_SLOTS is .*expected a whole number from 1 to 256"):
            visible_slots(two | {"ATLAS_GPU_SLOTS": wrong})


def test_without_a_hint_at_a_gpu_torch_is_not_asked(torch_says: list[list[str]]) -> None:
    assert visible_slots({"PATH": "/nowhere"}) == ("cpu",)
    assert not torch_says


@pytest.mark.parametrize("node", ["nvidia0", "kfd"])
def test_a_gpu_without_its_tool_is_found_by_torch_asked_once(
    node: str, no_driver: Path, torch_says: list[list[str]]
) -> None:
    (no_driver / node).touch()
    for _ in range(2):
        assert visible_slots({"PATH": "/nowhere"}) == ("cuda:0", "cuda:1")
    assert len(torch_says) == 1 and torch_says[0][1:] == ["-m", "core.chain.accelerators"]
    assert visible_slots({"PATH": "/nowhere", "HIP_VISIBLE_DEVICES": ""}) == ("cpu",), "hidden"
    assert len(torch_says) == 1


def test_a_mac_is_asked(torch_says: list[list[str]], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slots.platform, "system", lambda: "Darwin")
    monkeypatch.setattr(slots.platform, "machine", lambda: "arm64")
    visible_slots({"PATH": "/nowhere"})
    assert torch_says


def test_a_torch_that_does_not_answer_leaves_the_cpu(no_driver: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (no_driver / "kfd").touch()

    def run(words: list[str], **_options: object) -> None:
        raise subprocess.TimeoutExpired(words, 120)

    monkeypatch.setattr(slots.subprocess, "run", run)
    assert visible_slots({"PATH": "/nowhere"}) == ("cpu",)
    with pytest.raises(SpecError, match="torch did not say what it can use"):
        ask_torch({"PATH": "/nowhere"})


def test_torch_is_asked_in_a_process_of_its_own() -> None:
    found = ask_torch(os.environ)
    assert (found.version, bool(found.devices)) == (torch.__version__, torch.cuda.is_available())


def test_every_kind_of_gpu_has_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    for kind in (torch.cuda, torch.xpu, torch.backends.mps):
        monkeypatch.setattr(kind, "is_available", lambda: False)
    assert (accelerators.said()["api"], accelerators.said()["devices"]) == (None, {})
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    assert (accelerators.said()["api"], accelerators.said()["devices"]) == ("MPS (Apple)", {"mps": "Apple GPU"})
    for kind in (torch.xpu, torch.cuda):
        monkeypatch.setattr(kind, "is_available", lambda: True)
        monkeypatch.setattr(kind, "device_count", lambda: 2)
        monkeypatch.setattr(kind, "get_device_name", lambda i: f"GPU {i}")
        name = kind.__name__.removeprefix("torch.")
        assert accelerators.said()["devices"] == {f"{name}:0": "GPU 0", f"{name}:1": "GPU 1"}
    monkeypatch.setattr(torch.version, "cuda", "12.8")
    monkeypatch.setattr(torch.version, "hip", None)
    assert accelerators.said()["api"] == "CUDA 12.8"
    monkeypatch.setattr(torch.version, "hip", "6.4")
    assert accelerators.said()["api"] == "ROCm 6.4"


def test_a_run_and_its_baseline_have_half_of_the_cores_each(monkeypatch: pytest.MonkeyPatch) -> None:
    for cores, expected in ((1, ("cpu",)), (2, ("cpu:0", "cpu:1")), (64, ("cpu:0", "cpu:1"))):
        monkeypatch.setattr(slots.os, "cpu_count", lambda cores=cores: cores)
        assert visible_slots({"PATH": "/nowhere"}) == expected
    assert visible_slots({"PATH": "/nowhere", CPU_SLOTS: "1"}) == ("cpu",)


def test_as_many_jobs_as_fit_into_the_memory_take_a_slot_each(monkeypatch: pytest.MonkeyPatch) -> None:
    """118 M parameters need 2.9 GB and 278 M need 6.1 GB of the three quarters that jobs may have."""
    cpus = ("cpu:0", "cpu:1")

    def found(memory_gb: float, parameters_m: float | None, *, device: str = "auto", said: bool = False) -> int:
        monkeypatch.setattr(slots, "total_memory_mb", lambda: memory_gb * 1000)
        environ = {CPU_SLOTS: "2"} if said else {}
        taken = slots_for(cpus, device=device, parameters_m=parameters_m, environ=environ)
        assert taken == cpus[: len(taken)]
        return len(taken)

    assert [found(8, 118), found(7, 118), found(8, 278), found(16, 278), found(17, 278)] == [2, 1, 1, 1, 2]
    assert found(1, 560) == 1, "one job always runs"
    assert [found(16, None), found(17, None)] == [1, 2], "of unknown size is as large as XLM-R base"
    assert found(1, 560, said=True) == 2, "who says how many is taken at the word"
    assert [found(8, 118, device="cpu"), found(8, 278, device="cpu")] == [2, 1]


def test_a_device_that_is_asked_for_is_the_only_one() -> None:
    gpus = ("cuda:0", "cuda:1")
    for device, expected in (("auto", gpus), ("cuda:1", ("cuda:1",)), ("cpu", ("cpu",))):
        assert slots_for(gpus, device=device, parameters_m=560, environ={}) == expected
    assert slots_for(("cpu:0", "cpu:1"), device="cpu:1", parameters_m=1, environ={}) == ("cpu:1",)


@pytest.mark.parametrize("asked", ["0", "two", "-1", "1000", ""])
def test_a_wrong_number_of_cpu_slots_is_named(asked: str) -> None:
    with pytest.raises(SpecError, match=f"ATLAS_CPU_SLOTS is '{asked}', expected a whole number from 1 to 256"):
        visible_slots({"PATH": "/nowhere", CPU_SLOTS: asked})
