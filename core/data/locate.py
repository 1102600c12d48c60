"""Where a split of a task is in its data source: found by names alone, nothing is read."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from core.data import licensed
from core.data.layout import Folder, files_of, missing_split, open_local
from core.data.origin import DataOrigin
from core.errors import MissingSplit, SpecError
from core.examples import SplitRole
from core.spec.run import DataSourceKind
from core.spec.task import SplitRef, TaskSpec

if TYPE_CHECKING:
    from core.sample.spec import SampleSpec


class Located(NamedTuple):
    """Where one split is in this data source."""

    ref: SplitRef
    folder: Folder | None
    """None for a licensed file."""
    files: tuple[str, ...]
    split: str
    """The split found: the declared one or a fallback."""
    config: str | None
    """Configuration, the language filled in."""
    own: str
    """The data set's own name of the language."""
    where: str
    """For messages."""

    @property
    def ref_key(self) -> tuple[str, str | None]:
        """Data set and configuration, the language left open."""
        return self.ref.path, self.ref.config

    @property
    def data(self) -> tuple[object, ...]:
        """Equal for two places that hold the same rows."""
        ref = self.ref
        rows_of = self.own if ref.language_column or ref.id_language_prefix else None
        return (self.folder.where if self.folder else "", self.files, ref.language_column, rows_of)


def locate(task: TaskSpec, *, role: SplitRole, lang: str, origin: DataOrigin) -> Located:
    """The split in this data source; fallbacks are tried in order.

    Args:
        task: Its declaration.
        role: `train`, `dev` or `test`.
        lang: XTREME's code.
        origin: Where the examples come from.

    Raises:
        MissingSplit: It is not there; lists what is.
        DataError: The data set cannot be looked into.
    """
    ref = task.split_ref(role, lang=lang)
    if ref is None and role == "dev":
        ref = task.train
    if ref is None:
        raise MissingSplit(f"Task '{task.name}' declares no {role} split. Expected `{role}:` in its definition.")
    if ref.path.startswith(licensed.PREFIX):
        return _locate_licensed(ref, origin, own=task.own_name(lang))
    folder = _folder(ref, origin)
    own = task.own_name(lang)
    config = ref.config.replace("{lang}", own) if ref.config else None
    tried = tuple(name.replace("{lang}", own) for name in (ref.split, *ref.fallbacks))
    for name in tried:
        files = files_of(folder, config=config, split=name)
        if files is not None:
            where = f"{folder.where}, {config or 'default'}, split '{name}'"
            return Located(ref, folder, files, name, config, own, where)
    raise missing_split(folder, config=config, splits=tried)


def _locate_licensed(ref: SplitRef, origin: DataOrigin, *, own: str) -> Located:
    roots = (origin.paths.local_data, *((Path(origin.source.root),) if origin.source.root else ()))
    tried = [licensed.file_name(ref.path, split=split) for split in (ref.split, *ref.fallbacks)]
    for split, name in zip((ref.split, *ref.fallbacks), tried, strict=True):
        file = licensed.find(name, folders=roots)
        if file is not None:
            return Located(ref, None, (str(file),), split, None, own, str(file))
    raise licensed.missing(tried, folders=roots)


def _folder(ref: SplitRef, origin: DataOrigin) -> Folder:
    match origin.source.kind:
        case DataSourceKind.MIRROR:
            return open_local(Path(origin.source.root or ""), path=ref.path)
        case DataSourceKind.SAMPLE:
            return open_local(_sample_root(origin), path=ref.path, kind="sample")
        case DataSourceKind.HUB:
            return _open_hub_once(ref.path, ref.revision, origin.paths.cache / "hub")


@lru_cache(maxsize=128)  # one revision for all languages of a run, one request
def _open_hub_once(path: str, revision: str | None, cache: Path) -> Folder:
    from core.data.hub import open_hub  # noqa: PLC0415

    return open_hub(path, revision=revision, cache=cache)


def _sample_root(origin: DataOrigin) -> Path:
    folder = _built_once(origin.paths.cache, _sample_spec(origin))
    if not folder.is_dir():  # somebody has cleared the cache
        _built_once.cache_clear()
        folder = _built_once(origin.paths.cache, _sample_spec(origin))
    return folder


@lru_cache(maxsize=16)  # its digest is of some forty files, and a run looks up every language
def _built_once(cache: Path, spec: SampleSpec) -> Path:
    from core.sample.build import ensure_sample  # noqa: PLC0415  # the generator is loaded where it is used

    folder: Path = ensure_sample(cache, spec)
    return folder


def sample_folder(origin: DataOrigin) -> Path | None:
    """The folder of the sample tasks, None where it is not built yet.

    Args:
        origin: Of the sample.
    """
    from core.sample.build import built  # noqa: PLC0415  # as above

    folder: Path | None = built(origin.paths.cache, _sample_spec(origin))
    return folder


def _sample_spec(origin: DataOrigin) -> SampleSpec:
    from core.sample.spec import SampleSpec  # noqa: PLC0415  # as above

    wanted = {"domain": origin.domain, "difficulty": origin.difficulty}
    try:
        return SampleSpec.model_validate(wanted)
    except ValueError as error:
        raise SpecError(f"The sample tasks cannot be built for {wanted}: {error}") from error


def located(task: TaskSpec, *, role: SplitRole, lang: str, origin: DataOrigin) -> Located | None:
    """The same, or None where the split is not there.

    Args:
        task: Its declaration.
        role: `train`, `dev` or `test`.
        lang: XTREME's code.
        origin: Where the examples come from.
    """
    try:
        return locate(task, role=role, lang=lang, origin=origin)
    except MissingSplit:
        return None
