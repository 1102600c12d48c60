"""Transfer Atlas: everything but the screens. Rooms and arrows are drawn in docs/architecture.md."""

__version__ = "0.2.0"
"""Version of the program; pyproject.toml, `--version` and CHANGELOG.md follow it."""
