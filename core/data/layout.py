"""A data set as a folder in the hub's layout: which configurations and splits it has, and their files.

The mirror, the built sample tasks and the hub differ only in how a file is fetched, so all three become a `Folder`.
Splits come from the `configs` of the card (`README.md`), or from the file names where the card is silent. Only the
files of the split that is asked for are read.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from fnmatch import translate
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

import yaml

from core.errors import DataError, MissingSplit, ScriptOnlyDataset
from core.spec.plain import shortened

FORMATS: Mapping[str, str] = {
    ".parquet": "parquet",
    ".jsonl": "json",
    ".json": "json",
    ".csv": "csv",
    ".tsv": "csv",
}
"""File ending → name of the reader in `datasets`."""

_SHARD = re.compile(r"^(?P<split>.+?)(-\d{5}-of-\d{5})?$")
_SHOWN = 8
"""Names that a message lists."""

_NOT_DATA = frozenset({"dataset_infos.json", "dataset_info.json", "dataset_dict.json", "state.json"})
_CONVERSION = (
    'python -c "import datasets, sys; d = datasets.load_from_disk(sys.argv[1]); parts = d if isinstance(d, dict) else '
    "{'train': d}; [p.to_parquet(f'{sys.argv[2]}/{s}-00000-of-00001.parquet') for s, p in parts.items()]\""
)


class Folder(NamedTuple):
    """One data set in the hub's layout, wherever it is."""

    where: str
    """For messages: the folder or the hub id with its revision."""
    files: tuple[str, ...]
    """All files, relative, with `/`, sorted."""
    fetch: Callable[[str], Path]
    """Relative file → local file; downloads where needed."""
    revision: str | None
    """Resolved commit; None for a local folder."""
    converted: bool = False
    """Whether the files are the hub's own Parquet conversion of a script-only data set."""


Splits = dict[str, dict[str, tuple[str, ...]]]
"""Configuration → split → files."""


def open_local(root: Path, *, path: str, kind: str = "mirror") -> Folder:
    """The data set of a hub id inside a folder in the hub's layout.

    Args:
        root: The mirror.
        path: Hub id, such as `google/xtreme`.
        kind: What the folder is, for messages.

    Raises:
        MissingSplit: The mirror, or the data set in it, is not there; the message says what was expected.
    """
    if not root.is_dir():
        raise MissingSplit(
            f"The {kind} {root} is not a folder. Expected one in the hub's layout: "
            f"{root}/<owner>/<name>/<config>/<split>-00000-of-00001.parquet, such as {root}/google/xtreme/XNLI/. "
            "Give another with --mirror FOLDER, or use --data-source sample."
        )
    folder = root / path
    if PurePosixPath(path).is_absolute() or ".." in PurePosixPath(path).parts or "\0" in path:
        raise MissingSplit(f"{shortened(path)} points outside of the {kind}. Expected an id as <owner>/<name>.")
    if not folder.is_dir():
        present = sorted(str(p.relative_to(root)) for p in root.glob("*/*") if p.is_dir())
        hint = f"It holds {_some(present)}." if present else "It holds no data set as <owner>/<name>."
        raise MissingSplit(
            f"The {kind} {root} has no data set '{path}': expected the folder {folder} with Parquet files and a "
            f"README.md in the hub's layout. {hint}"
        )
    return Folder(str(folder), tuple(sorted(_names_below(folder))), lambda name: folder / name, None)


def _names_below(folder: Path, *, before: str = "") -> Iterator[str]:
    """What `rglob` finds, in a part of its time: a job lists a data set once for every language."""
    with contextlib.suppress(PermissionError), os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_file():
                yield before + entry.name
            elif entry.is_dir(follow_symlinks=False):
                yield from _names_below(Path(entry.path), before=f"{before}{entry.name}/")


def splits_of(folder: Folder) -> Splits:
    """Which configurations and splits a data set has, with their files.

    Raises:
        ScriptOnlyDataset: It holds a loading script and no data files.
        DataError: It holds no data files at all.
    """
    data = _data_files(folder)
    if not data and any(f.endswith(".arrow") for f in folder.files):
        raise DataError(
            f"{folder.where} holds Arrow files, as `datasets` writes them with save_to_disk; they are not read here. "
            f"Convert them to Parquet in another folder: {_CONVERSION} {folder.where} NEW-FOLDER"
        )
    scripts = [f for f in folder.files if f.endswith(".py")]
    if not data and scripts:
        raise ScriptOnlyDataset(
            f"{folder.where} holds a loading script ({', '.join(scripts[:3])}) and no data files. Scripts are never "
            "executed here. Use a data set with Parquet files, or put them into a mirror and use --data-source mirror."
        )
    if not data:
        raise DataError(
            f"{folder.where} holds no data files. Expected files that end in {', '.join(FORMATS)}; found "
            f"{_some(list(folder.files)) or 'nothing'}."
        )
    declared = _declared(folder, data) if "README.md" in folder.files else {}
    inferred = {} if declared else _inferred(data)
    if not declared and not any(inferred.values()) and scripts:
        raise ScriptOnlyDataset(f"{folder.where} needs its script {scripts[0]}, which is never executed here.")
    return declared or inferred


def _data_files(folder: Folder) -> list[str]:
    return list(_data_among(folder.files))


@lru_cache(maxsize=64)  # a run looks up every language of a data set
def _data_among(files: tuple[str, ...]) -> tuple[str, ...]:
    data = [f for f in files if Path(f).suffix in FORMATS and not Path(f).name.startswith(".")]
    return tuple(f for f in data if Path(f).name not in _NOT_DATA)


def files_of(folder: Folder, *, config: str | None, split: str) -> tuple[str, ...] | None:
    """The files of a split, or None where it is not there.

    Args:
        config: Configuration; None takes the default or only one.
        split: One name, or several joined with `+`; all must be there.
    """
    splits = splits_of(folder).get(_config_name(folder, config), {})
    names = split.split("+")
    if any(name not in splits for name in names):
        return None
    return tuple(file for name in names for file in splits[name])


def missing_split(folder: Folder, *, config: str | None, splits: tuple[str, ...]) -> MissingSplit:
    """The error for a split that is not there: lists what is.

    Args:
        config: Configuration that was asked for.
        splits: Splits that were tried, in order.
    """
    known = splits_of(folder)
    name = _config_name(folder, config)
    tried = " or ".join(f"'{s}'" for s in splits)
    if name in known:
        return MissingSplit(
            f"{folder.where} has no split {tried} in configuration '{name}'. It has: {', '.join(sorted(known[name]))}."
        )
    hidden = sorted(_inferred(_data_files(folder)).get(name, {}))
    if hidden:
        return MissingSplit(
            f"{folder.where} has files of configuration '{name}' ({', '.join(hidden)}), but its card README.md lists "
            f"others alone, and the card decides. Add '{name}' to `configs` in README.md, or take that list out. "
            f"Not in the card: {_some(sorted(set(_inferred(_data_files(folder))) - set(known)))}."
        )
    near = sorted(known, key=lambda k: (k.split(".")[0] != name.split(".")[0], k))
    return MissingSplit(f"{folder.where} has no configuration '{name}' (for split {tried}). It has: {_some(near)}.")


def _config_name(folder: Folder, config: str | None) -> str:
    if config is not None:
        return config
    known = splits_of(folder)
    return next(iter(known)) if len(known) == 1 else "default"


def _some(names: list[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more


def _declared(folder: Folder, data: list[str]) -> Splits:
    card = folder.fetch("README.md")
    return _declared_once(card, card.stat().st_mtime_ns, tuple(data))


@lru_cache(maxsize=64)  # a run looks up every language of a data set
def _declared_once(card: Path, stamp: int, data: tuple[str, ...]) -> Splits:
    return {
        str(entry.get("config_name", "default")): _matched(entry, data)
        for entry in _card_configs(card, stamp)
        if "data_files" in entry
    }


@lru_cache(maxsize=64)
def _card_configs(card: Path, _stamp: int) -> tuple[dict[str, Any], ...]:  # Any: YAML written by strangers
    text = card.read_text(encoding="utf-8", errors="replace")
    if not text.startswith("---"):
        return ()
    head = text[3:].split("\n---", 1)[0]
    try:
        loaded = yaml.load(head, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except yaml.YAMLError as error:
        raise DataError(f"The head of {card} is not YAML: {error}. Fix it or remove the file.") from error
    configs = loaded.get("configs") if isinstance(loaded, dict) else None
    return tuple(c for c in configs if isinstance(c, dict)) if isinstance(configs, list) else ()


def _matched(entry: dict[str, Any], data: Sequence[str]) -> dict[str, tuple[str, ...]]:
    files = entry["data_files"]
    if isinstance(files, str) or (isinstance(files, list) and all(isinstance(f, str) for f in files)):
        files = [{"split": "train", "path": files}]
    found: dict[str, tuple[str, ...]] = {}
    base = str(entry.get("data_dir", "")).strip("/")
    for part in files:
        patterns = [part["path"]] if isinstance(part["path"], str) else list(part["path"])
        full = [f"{base}/{p}" if base else p for p in patterns]
        fits = [re.compile(translate(p.removeprefix("./").replace("**/", "*"))).match for p in full]
        names = tuple(f for f in data if any(fit(f) for fit in fits))
        if names:
            found[str(part["split"])] = names
    return found


def _inferred(data: list[str]) -> Splits:
    found: dict[str, dict[str, list[str]]] = {}
    for file in data:
        *folders, stem = Path(file).with_suffix("").parts
        if stem.isdecimal() and folders:  # <config>/<split>/0000.parquet, as on the converted branch
            *folders, split = folders
            split = split.removeprefix("partial-")
        else:
            match = _SHARD.match(stem)
            split = match["split"] if match else stem
        config = folders[-1] if folders and folders[-1] != "data" else "default"
        found.setdefault(config, {}).setdefault(split, []).append(file)
    return {c: {s: tuple(sorted(f)) for s, f in splits.items()} for c, splits in found.items()}
