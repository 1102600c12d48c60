"""Files of a split as one table, through the `datasets` library."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa

from core.data.layout import FORMATS
from core.errors import DataError


class Table(NamedTuple):
    """Rows, and what their file says of integer classes."""

    table: pa.Table
    class_names: dict[str, tuple[str, ...]]


def read_table(files: tuple[Path, ...], cache: Path) -> Table:
    """Rows of some files, memory-mapped from the cache of `datasets`.

    Args:
        files: Of one format.
        cache: Folder of `datasets`.

    Raises:
        DataError: A file is empty, damaged, or not UTF-8.
    """
    stamps = tuple((str(f.resolve()), f.stat().st_mtime_ns) for f in files)
    return _table_once(stamps, cache)


@lru_cache(maxsize=4)
def _table_once(stamps: tuple[tuple[str, int], ...], cache: Path) -> Table:
    import datasets  # noqa: PLC0415

    names = [name for name, _ in stamps]
    reader = FORMATS.get(Path(names[0]).suffix, "parquet")
    options = {"sep": "\t"} if names[0].endswith(".tsv") else {}
    shown = datasets.utils.logging.is_progress_bar_enabled()
    datasets.disable_progress_bars()
    try:
        data = datasets.load_dataset(reader, data_files={"data": names}, split="data", cache_dir=str(cache), **options)
    except (datasets.exceptions.DatasetGenerationError, pa.ArrowInvalid) as error:
        raise DataError(
            f"Cannot read {', '.join(names)}: {error.__cause__ or error}. Expected {reader} files; the file is damaged "
            "or cut off: copy or download it again."
        ) from error
    finally:
        if shown:
            datasets.enable_progress_bars()
    inner = {name: getattr(feature, "feature", feature) for name, feature in data.features.items()}
    class_names = {name: tuple(f.names) for name, f in inner.items() if isinstance(f, datasets.ClassLabel)}
    return Table(data.with_format("arrow")[:], class_names)
