"""The report and the gallery as buttons: made when they are pressed, as the commands make them."""

from __future__ import annotations

import io
import tempfile
import zipfile
from datetime import UTC, datetime
from pathlib import Path

import streamlit as st

from core.actions.command import asking
from core.queries.evidence import AnalysisOptions
from core.report.gallery import write_gallery
from core.report.gathered import Gathered, gather
from core.report.onefile import made, report_html
from pages.widgets.export import save_button
from pages.widgets.shared import paths, store

_NAME = "transfer-atlas"


def show_handout() -> None:
    """Draw both buttons and the commands that do the same."""
    with st.popover("Report and gallery", icon=":material/ios_share:", key="handout"):
        st.markdown(
            "**Report**: one file with the answer, a heatmap for each target, your notes, methods, versions and "
            "commands. **Gallery**: the same as web pages in a ZIP file, which open without this program. Each takes "
            "some seconds to make."
        )
        with st.container(horizontal=True):
            save_button("Report", _report, file=f"{_NAME}-report.html", mime="text/html")
            save_button("Gallery", _gallery, file=f"{_NAME}-gallery.zip", mime="application/zip")
        st.caption("The same from a terminal:")
        options = AnalysisOptions()
        commands = [asking("report", options.wanted, options=options, before=("report.html",))]
        commands += [asking("gallery", options.wanted, options=options, before=("gallery",))]
        st.code("\n".join(map(str, commands)), language=None, wrap_lines=True)


def _gathered() -> Gathered:
    with store().cursor() as cur:
        return gather(cur, AnalysisOptions(), paths=paths())


def _report() -> bytes:
    return report_html(_gathered(), made=made(datetime.now(UTC))).encode()


def _gallery() -> bytes:
    packed = io.BytesIO()
    with tempfile.TemporaryDirectory() as folder, zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as pack:
        root = Path(folder) / f"{_NAME}-gallery"
        with store().cursor() as cur:
            write_gallery(cur, gather(cur, AnalysisOptions(), paths=paths()), folder=root, made=made(datetime.now(UTC)))
        for file in sorted(root.rglob("*")):
            if file.is_file():
                pack.write(file, file.relative_to(folder))
    return packed.getvalue()
