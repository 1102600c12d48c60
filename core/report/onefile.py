"""The report: what the store says within a filter, as one HTML file that asks nothing of any server."""

from __future__ import annotations

import importlib.metadata
import json
import platform
import shlex
import shutil
import subprocess
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import jinja2
import pandas as pd

from core.actions.command import filter_words
from core.analysis.contrasts.sentences import for_people
from core.figures.contrasts import forest
from core.paths import REPO
from core.queries.scales import UNITS
from core.report import tables as t
from core.report.chapters import chapter_pages
from core.report.drawn import CONFIG, FOLDER_POLICY, POLICY, Drawn, drawn, in_script, plotly_js
from core.report.gathered import QUESTION, Gathered, commands
from core.report.tables import table
from core.store.exchange.portable import portable_text

TEMPLATES = Path(__file__).parent / "templates"
"""HTML, style and script of reports and galleries."""

_PACKAGES = ("duckdb", "numpy", "pandas", "plotly", "scipy")


class Made(NamedTuple):
    """What a file was made with."""

    at: str
    """When, to the minute."""
    python: str
    """Version."""
    packages: tuple[tuple[str, str], ...]
    """Name and version."""
    commit: str | None
    """Of the checkout; None outside one."""


def made(now: datetime) -> Made:
    """What this process makes files with.

    Args:
        now: The time to print.
    """
    packages = tuple((name, importlib.metadata.version(name)) for name in _PACKAGES)
    return Made(f"{now:%Y-%m-%d %H:%M} {now.tzname() or ''}".strip(), platform.python_version(), packages, _commit())


def report_html(gathered: Gathered, *, made: Made) -> str:
    """The whole file.

    Args:
        made: What it is made with.
    """
    return rendered(
        "report.html",
        made=made,
        title="Transfer Atlas: report",
        kept=shlex.join(filter_words(gathered.options.wanted, options=gathered.options)),
        chapters=chapter_pages(gathered.chapters),
        forest=_forest(gathered),
        style=asset("style.css"),
        script=asset("script.js"),
        plotly_js=plotly_js(),
        **answered(gathered),
        **sources(gathered),
    )


def answered(gathered: Gathered) -> dict[str, Any]:  # Any: what the templates read
    """The answer and the numbers behind it, for a template."""
    found, contrasts = gathered.full.evidence, gathered.full.contrasts
    rows = pd.DataFrame() if contrasts is None else for_people(contrasts)
    return {
        "question": QUESTION,
        "said": gathered.full.answer,
        "origins": list(found.origins.items()) if found is not None else [],
        "contrasts": table(rows, t.CONTRASTS, caption="Contrasts inside data sets"),
        "missing": table(gathered.missing, t.MISSING, caption="Excluded cells"),
        "figures": table(gathered.full.estimates, t.ESTIMATES, caption="Every number of the analysis"),
    }


def _forest(gathered: Gathered) -> Drawn | None:
    rows = gathered.full.contrasts
    if rows is None or rows["estimate"].isna().all():
        return None
    factor = UNITS[gathered.options.scale].factor
    alt = "Contrasts inside data sets with their limits; the table below holds the numbers"
    return drawn("contrasts", lambda mode: forest(rows, factor=factor, mode=mode), alt=alt, min_width_px=520)


def sources(gathered: Gathered) -> dict[str, Any]:  # Any: what the templates read
    """Where the figures come from and how to have them again, for a template."""
    return {
        "counts": table(gathered.counts, t.COUNTS, caption="What the store holds, the filter aside"),
        "protocols": table(gathered.protocols, t.PROTOCOLS, caption="Finished runs by what must not be mixed"),
        "software": table(gathered.software, t.SOFTWARE, caption="What the runs were made with"),
        "scored": table(gathered.scored, t.SCORED, caption="Test sets"),
        "profiles": table(gathered.profiles, t.PROFILES, caption="Profiles, the filter aside"),
        "notes": table(gathered.notes, t.NOTES, caption="Notes on runs and cells"),
        "commands": commands(gathered.options),
    }


def rendered(template: str, **context: Any) -> str:  # noqa: ANN401  # whatever the template reads
    """A template with its values, everything escaped and without a folder of this machine.

    Args:
        template: Its file.
        context: Its values.
    """
    page = _environment().get_template(template)
    return page.render(config=in_script(json.dumps(CONFIG)), **context)


def asset(name: str) -> str:
    """A file beside the templates."""
    return (TEMPLATES / name).read_text(encoding="utf-8")


@lru_cache(maxsize=1)
def _environment() -> jinja2.Environment:
    found = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_said,
    )
    found.globals |= {"policy": POLICY, "folder_policy": FOLDER_POLICY}
    return found


def _said(value: object) -> object:
    """What a template says of a value; markup of ours, scripts among it, is as it was written."""
    return portable_text(value) if isinstance(value, str) and not hasattr(value, "__html__") else value


def _commit() -> str | None:
    git = shutil.which("git")
    if git is None or not (REPO / ".git").exists():
        return None
    found = subprocess.run([git, "rev-parse", "HEAD"], cwd=REPO, capture_output=True, text=True, check=False)
    return found.stdout.strip() or None
