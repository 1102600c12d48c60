"""Distance of each language from English in URIEL, as printed in the table of `core/languages.py`.

The package lang2vec (1.1.2, Littell et al. 2017, CC BY-SA 4.0) cannot be installed beside the application: its module
imports `pkg_resources` and loads pickles. Its figures lie in plain arrays, which this reads without running any of it:

    python -m pip download --no-deps lang2vec==1.1.2 && unzip lang2vec-1.1.2-py3-none-any.whl
    python -m tools.uriel lang2vec/data
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from core.languages import LANGUAGES


def syntax_distances(folder: Path) -> dict[str, float]:
    """One minus the cosine of the `syntax_knn` vectors of a language and of English, by XTREME's code.

    Args:
        folder: `lang2vec/data` of the unpacked wheel.
    """
    iso = json.loads((folder / "letter_codes.json").read_text(encoding="utf-8"))
    with np.load(folder / "feature_predictions.npz", allow_pickle=False) as file:
        names, data = list(file["langs"]), file["data"][:, [f.startswith("S_") for f in file["feats"]], 0]
    english = data[names.index("eng")]
    return {code: _distance(data[names.index(iso[code])], english) for code in LANGUAGES if iso.get(code) in names}


def _distance(one: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    return round(float(1 - one @ other / (np.linalg.norm(one) * np.linalg.norm(other))), 3)


if __name__ == "__main__":
    for code, distance in syntax_distances(Path(sys.argv[1])).items():
        sys.stdout.write(f"{code}|{distance:.3f}\n")
