"""Where the recipe reads and writes: one name per place, all relative to the repository.

Add a step's output here first, then use the name; no other module of the recipe spells a path.
"""

from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
"""The repository's root folder."""

SHARED = REPOSITORY.parent / "shared"
"""Default folder of the inputs that are not in the repository: `parallel/` and `hub/`."""

WORK = REPOSITORY / "data" / "cache" / "encoder"
"""Default folder for intermediate results (teacher vectors, checkpoints); git ignores it."""

MODEL = REPOSITORY / "data" / "models" / "atlas-mini"
"""The shipped model folder."""

RESULTS = MODEL / "evaluation.json"
"""Measured figures of the shipped model; the card's tables are made from it."""

SIZE_LIMIT_BYTES = 32 * 1024 * 1024
"""The most that the shipped folder may weigh."""
