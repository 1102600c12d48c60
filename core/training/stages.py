"""Finished stages: what decides their key, where they lie, and how two jobs never train the same one at once."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import filelock
from pydantic import Field
from safetensors.torch import load_file, save_file
from torch import nn

from core.encoder.judging import Judgement
from core.encoder.loading import save_encoder
from core.encoder.mlm import MlmHead
from core.errors import RunFolderDamaged, as_damage
from core.files import digest_of
from core.heads.layers import Head
from core.heads.states import Encoder
from core.paths import STAGE_MARKER, AtlasPaths
from core.spec.base import Spec
from core.spec.execution import Precision
from core.spec.protocol import StageProtocol
from core.spec.run import Placebo

_AT = "step-"
"""Before the number of steps in the name of a folder."""


class StageIdentity(Spec):
    """Everything that decides what a training gives; its digest is the key."""

    kind: Literal["intermediate", "target"]
    """Place in the chain."""
    code: int
    """Version of the code of that kind."""
    model: str
    """Fingerprint of the weights, or hub id and revision."""
    parent: str | None
    """Key of the stage whose encoder is carried over."""
    tasks: tuple[str, ...]
    """Digests of the task definitions."""
    data: tuple[str, ...]
    """Fingerprints of the examples, train and dev of each task in turn."""
    labels: tuple[tuple[str, ...], ...]
    """Label names of each task, which decide the head."""
    protocol: StageProtocol
    """Hyper-parameters."""
    max_length: int | None
    """Upper bound on the length of inputs."""
    seed: int
    """Of order, dropout, heads and samples."""
    placebo: Placebo | None
    """What was done to the labels."""
    precision: Precision = Field(default="fp32", exclude_if=lambda value: value == "fp32")
    """What products were computed in; keys of stages in float32 say nothing of it."""


@dataclass(frozen=True)
class StageFolder:
    """One stage in the cache of finished stages."""

    root: Path
    """`<home>/cache/stages/<key>`."""

    @property
    def encoder(self) -> Path:
        """Folder with configuration and weights of the selected encoder."""
        return self.root / "encoder"

    @property
    def last_encoder(self) -> Path | None:
        """Folder of the last encoder; None where the last is the selected one or is not kept."""
        return self.root / "last" if (self.root / "last").is_dir() else None

    def checkpoints(self) -> tuple[Path, ...]:
        """Folders of all the weights that were kept, in the order of their steps."""
        facts = self.marker()
        kept = {int(folder.name.removeprefix(_AT)): folder for folder in self.root.glob(f"{_AT}*")}
        kept[facts["steps"]] = self.last_encoder or self.encoder
        kept[facts["best_step"]] = self.encoder
        return tuple(kept[step] for step in sorted(kept))

    def heads(self, weights: Path | None = None) -> dict[str, dict[str, Any]]:
        """State dict of each head by task name.

        Args:
            weights: Folder of the encoder that they belong to; None: the selected one.
        """
        flat = load_file(str((weights or self.encoder) / "heads.safetensors"))
        heads: dict[str, dict[str, Any]] = {}
        for name, tensor in flat.items():
            task, parameter = name.split("/", 1)
            heads.setdefault(task, {})[parameter] = tensor
        return heads

    def marker(self) -> dict[str, Any]:
        """Content of the marker: `kind`, `name`, `best_step`, `steps`, `seconds`, `identity`, `judged`, `files`."""
        content: dict[str, Any] = json.loads((self.root / STAGE_MARKER).read_text(encoding="utf-8"))
        return content

    def judged(self) -> tuple[Judgement, ...]:
        """Whether each of its tasks was learned, as the marker has it."""
        return tuple(Judgement(**found) for found in self.marker()["judged"])

    def damage(self) -> str | None:
        """What is wrong with a finished stage, or None; an unfinished one is no damage but not there."""
        try:
            with as_damage(STAGE_MARKER):
                self.judged()
                for name, wanted in self.marker()["files"].items():
                    file = self.root / name
                    if not file.is_file():
                        return f"{name} is gone"
                    if digest_of(file) != wanted:
                        return f"{name} was changed"
        except RunFolderDamaged as error:
            return str(error)
        return None

    @property
    def is_finished(self) -> bool:
        """Whether the marker is there."""
        return (self.root / STAGE_MARKER).is_file()


class StageWriter:
    """Writes a stage beside its place; `finish` puts the marker and renames."""

    def __init__(self, root: Path) -> None:
        """Start with an empty folder.

        Args:
            root: Final place.
        """
        self._final = root
        self._beside = root.with_name(f".{root.name}.tmp")
        shutil.rmtree(self._beside, ignore_errors=True)
        self._beside.mkdir(parents=True)

    def keep(
        self, which: Literal["selected", "last"] | int, *, encoder: Encoder, heads: dict[str, Head | MlmHead]
    ) -> None:
        """Write the weights as they are now.

        Args:
            which: Which checkpoint they are; a number is its step.
            encoder: Float32.
            heads: By task name; heads of masked-language modelling are not kept.
        """
        folder = self._beside / ("encoder" if which == "selected" else "last" if which == "last" else f"{_AT}{which}")
        save_encoder(encoder, folder)
        flat = {
            f"{task}/{name}": tensor.detach().cpu().contiguous()
            for task, head in heads.items()
            if _is_ours(head)
            for name, tensor in head.state_dict().items()
        }
        save_file(flat, str(folder / "heads.safetensors"))

    def finish(self, facts: dict[str, Any]) -> StageFolder:
        """Write the marker, then rename into place.

        Args:
            facts: What the marker says beside the files.
        """
        files = {str(f.relative_to(self._beside)): digest_of(f) for f in sorted(self._beside.rglob("*")) if f.is_file()}
        (self._beside / STAGE_MARKER).write_text(json.dumps({**facts, "files": files}, indent=1), encoding="utf-8")
        shutil.rmtree(self._final, ignore_errors=True)
        self._beside.rename(self._final)
        return StageFolder(self._final)


@contextmanager
def only_one(key: str, *, paths: AtlasPaths) -> Iterator[None]:
    """A lock per stage: a second job waits for the first and then finds the stage finished.

    Args:
        key: Of the stage.
        paths: Where the cache is.
    """
    paths.stages.mkdir(parents=True, exist_ok=True)
    with filelock.FileLock(str(paths.stages / f"{key}.lock")):
        yield


def _is_ours(head: nn.Module) -> bool:
    return hasattr(head, "out")
