"""Texts of examples by their ids: predictions hold ids alone, and the text stays where the data source has it."""

from __future__ import annotations

from collections.abc import Collection

from core.data.datasets import load_split
from core.data.origin import DataOrigin
from core.errors import SpecError
from core.paths import AtlasPaths
from core.spec.run import DataSourceKind, RunSpec
from core.types.table import task_type


def texts_of(spec: RunSpec, *, lang: str, ids: Collection[str], paths: AtlasPaths) -> dict[str, str]:
    """Text of each example that the target's test set has, by id; ids that it has not are left out.

    Nothing is asked of the hub: whoever looks at an example waits for a disk at most.

    Args:
        spec: The run whose target is read.
        lang: XTREME's code.
        ids: Of its examples.
        paths: Where the sample tasks and licensed data lie.

    Raises:
        SpecError: The run's data lie on the hub.
        DataError: The test set cannot be read.
    """
    if spec.data_source.kind is DataSourceKind.HUB:
        raise SpecError(
            f"The texts of run {spec.run_id} are on the hub; they can be shown only for the sample tasks or a mirror. "
            f"Look them up by their ids in {spec.task(spec.target).name}'s data set."
        )
    origin = DataOrigin(source=spec.data_source, paths=paths, tasks=spec.tasks)
    wanted = set(ids)
    task = spec.task(spec.target)
    split, text = load_split(task, role="test", lang=lang, origin=origin), task_type(task.type).text
    return {example.id: text(example) for example in split.examples if example.id in wanted}
