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
    options: dict[str, object] = {"sep": "\t"} if names[0].endswith(".tsv") else {}
    if reader == "csv":  # "nan" is Min Nan and "NA" is a word; nothing but an empty cell is missing
        options |= {"keep_default_na": False, "na_values": [""]}
    empty = [name for name in names if not Path(name).stat().st_size]
    if empty:
        raise DataError(f"{', '.join(empty)} is empty (0 bytes). Expected a {reader} file with rows.")
    shown = datasets.utils.logging.is_progress_bar_enabled()
    datasets.disable_progress_bars()
    try:
        data = datasets.load_dataset(reader, data_files={"data": names}, split="data", cache_dir=str(cache), **options)
    except (datasets.exceptions.DatasetGenerationError, pa.ArrowInvalid, UnicodeDecodeError) as error:
        cause = error.__cause__ or error
        if isinstance(cause, UnicodeDecodeError):
            raise DataError(
                f"Cannot read {', '.join(names)}: byte {cause.start} is not UTF-8. Save the file as UTF-8 "
                "(iconv -f latin1 -t utf-8 OLD > NEW)."
            ) from error
        raise DataError(
            f"Cannot read {', '.join(names)}: {cause}. Expected {reader} files; the file is damaged or cut off: copy "
            "or download it again."
        ) from error
    except (StopIteration, ValueError) as error:
        if isinstance(error, ValueError) and "no data" not in str(error):
            raise
        raise DataError(f"{', '.join(names)} holds no row. Expected a {reader} file with rows.") from error
    finally:
        if shown:
            datasets.enable_progress_bars()
    inner = {name: getattr(feature, "feature", feature) for name, feature in data.features.items()}
    class_names = {name: tuple(f.names) for name, f in inner.items() if isinstance(f, datasets.ClassLabel)}
    return Table(data.with_format("arrow")[:], class_names)
