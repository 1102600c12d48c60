"""What leaves this machine names no folder of it: specs, sentences and tables as they are exported and committed."""

from __future__ import annotations

import json
import re
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from core.spec.run import MIRROR

_FOLDERS = re.compile(r"""(?<![\w./:-])/(?:[^\s/'",;:()]+/)+""")
"""The folders of an absolute path in a sentence."""


def portable_spec(text: str) -> str:
    """A spec as JSON without folders of this machine.

    Args:
        text: JSON of a `RunSpec` or `ProfileSpec`.
    """
    raw = json.loads(text)
    if raw["model"].get("fingerprint"):
        raw["model"]["path"] = raw["model"]["name"]
    if raw["data_source"].get("root"):
        raw["data_source"]["root"] = MIRROR
    return json.dumps(raw, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def portable_text(text: str) -> str:
    """A sentence that names files, without their folders: "/home/me/hub/xtreme is empty" is "…/xtreme is empty".

    Args:
        text: Reason or message.
    """
    return _FOLDERS.sub("…/", text)


def portable_values(found: Any) -> Any:  # noqa: ANN401  # whatever JSON holds
    """What JSON holds, none of whose texts names a folder of this machine.

    Args:
        found: Lists, mappings and plain values; arrays that plotly wrote as base64 (`bdata`) are as they were.
    """
    if isinstance(found, dict):
        return {name: value if name == "bdata" else portable_values(value) for name, value in found.items()}
    if isinstance(found, list):
        return [portable_values(value) for value in found]
    return portable_text(found) if isinstance(found, str) else found


def portable_table(table: pa.Table) -> pa.Table:
    """A table none of whose texts names a folder of this machine.

    Args:
        table: Its column `spec` holds specs, every other column of text sentences or names.
    """
    for place, field in enumerate(table.schema):
        column = table.column(place)
        if not (pa.types.is_string(field.type) or pa.types.is_large_string(field.type)):
            continue
        if not pc.any(pc.match_substring(column, "/")).as_py():
            continue
        change = portable_spec if field.name == "spec" else portable_text
        changed = {text: change(text) for text in pc.unique(column).to_pylist() if text is not None}
        texts = [None if text is None else changed[text] for text in column.to_pylist()]
        table = table.set_column(place, field, pa.chunked_array([texts], field.type))
    return table
