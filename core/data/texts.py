"""Texts of test examples by their ids: `python -m core.data.texts RUN_FOLDER LANG`, ids as JSON on standard input.

A short process of its own that `core.jobs.texts` starts, because the application loads no data library. It prints one
JSON object, `{"texts": {id: text}}` or `{"error": message}`, and needs no torch.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Collection
from pathlib import Path

from core.data.datasets import load_split
from core.data.records import DataOrigin, text_of
from core.errors import AtlasError
from core.paths import AtlasPaths
from core.spec.run import RunSpec


def texts_of(spec: RunSpec, *, lang: str, ids: Collection[str], paths: AtlasPaths) -> dict[str, str]:
    """Text of each example that the target's test set has, by id; ids that it has not are left out.

    Args:
        paths: Where the sample tasks and licensed data lie.

    Raises:
        DataError: The test set cannot be read.
    """
    origin = DataOrigin(source=spec.data_source, paths=paths, tasks=spec.tasks)
    wanted = set(ids)
    split = load_split(spec.task(spec.target), role="test", lang=lang, origin=origin)
    return {example.id: text_of(example) for example in split.examples if example.id in wanted}


def main(folder: str, lang: str) -> None:
    """Answer one question on standard input.

    Args:
        folder: Run folder.
    """
    try:
        spec = RunSpec.model_validate_json((Path(folder) / "spec.json").read_bytes())
        ids = json.load(sys.stdin)
        answer: dict[str, object] = {"texts": texts_of(spec, lang=lang, ids=ids, paths=AtlasPaths.from_environment())}
    except (AtlasError, ValueError) as error:
        answer = {"error": str(error)}
    sys.stdout.write(json.dumps(answer))


if __name__ == "__main__":
    main(*sys.argv[1:3])
