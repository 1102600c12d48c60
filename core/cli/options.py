"""Options that several commands share, with the words of their help."""

from typing import Annotated

import typer

AsJson = Annotated[bool, typer.Option("--json", help="Print a JSON list of flat objects and nothing else.")]
"""List of flat objects instead of a table."""
Backend = Annotated[str | None, typer.Option(help="Where jobs run; this machine unless ATLAS_BACKEND says so.")]
"""Which job backend."""
Models = Annotated[list[str] | None, typer.Option("--model", help="Only these models.")]
"""Filter by model."""
Targets = Annotated[list[str] | None, typer.Option("--target", help="Only these targets.")]
"""Filter by target."""
Langs = Annotated[list[str] | None, typer.Option("--lang", help="Only these languages.")]
"""Filter by language."""
Protocol = Annotated[str | None, typer.Option(help="Only this protocol.")]
"""Filter by protocol."""
Source = Annotated[str | None, typer.Option(help="sample, mirror or hub.")]
"""Filter by data source."""
Difficulty = Annotated[str, typer.Option(help="Measure of difficulty; see docs/measures.md.")]
"""Which measure of difficulty."""
Similarity = Annotated[str, typer.Option(help="Measure of similarity; see docs/measures.md.")]
"""Which measure of similarity."""
