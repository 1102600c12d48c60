"""What each test example gave to a run's scores, read from `predictions.parquet`: no answer, no id, no sentence.

Small enough to be committed with the gallery, and enough for every paired test.
"""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from core.errors import RunFolderDamaged
from core.paths import RunPaths

_COLUMNS = ["lang", "metric", "index", "correct"]
_KEYS = ["lang", "metric"]


def read_example_scores(run: RunPaths) -> pa.Table | None:
    """Rows of the table `credits` of a finished run: credits in the order of the test set, one row a language, metric.

    A metric that is no mean over examples (entity F1 …) has none. None where the run kept no predictions.

    Raises:
        RunFolderDamaged: The predictions cannot be read.
    """
    file = run.predictions
    try:
        rows = pq.read_table(file, columns=_COLUMNS)
        lists = rows.sort_by("index").group_by(_KEYS, use_threads=False).aggregate([("correct", "list")])
    except FileNotFoundError:
        return None
    except (pa.ArrowException, KeyError) as error:
        raise RunFolderDamaged(f"{file.name}: {error}. Remove the file to keep the scores alone.") from error
    found = lists.select([*_KEYS, "correct_list"]).rename_columns([*_KEYS, "correct"])
    values = pc.list_flatten(found["correct"])
    holed = pc.unique(pc.filter(pc.list_parent_indices(found["correct"]), pc.is_null(values)))
    kept = pc.invert(pc.is_in(pa.array(range(found.num_rows), holed.type), value_set=holed))
    whole = found.filter(kept)
    return whole.add_column(0, "run_id", pa.array([run.run_id] * whole.num_rows, pa.string()))
