"""A heatmap in a paper: bold is the best that counts, marks and brackets stay, the drawing is whole XML."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree

import pandas as pd

from core.analysis.cells import Grid
from core.languages import language
from core.measures.difficulty.table import DIFFICULTIES
from core.measures.similarity.table import SIMILARITIES
from core.report.paper import Sheet, latex_sheet, sheet_file, write_sheet
from core.tasks import TASKS

SVG = "{http://www.w3.org/2000/svg}"


def _sheet(*, quantity: str = "gain") -> Sheet:
    """QQP is the largest in Swahili and is no evidence; German has none after QQP."""
    rows = [("en", "mnli", 0.01, False, None), ("en", "qqp", 0.023, True, None),
            ("sw", "mnli", -0.004, False, None), ("sw", "qqp", 0.05, False, "baseline at the floor"),
            ("de", "mnli", 0.012, False, None), ("de", "qqp", None, False, None)]  # fmt: skip
    cells = pd.DataFrame(rows, columns=["lang", "intermediate", "value", "significant", "excluded"]).assign(
        gain=lambda f: f["value"], score=0.5, low=None, high=None, q_value=None, n_seeds=2, seeds="1, 2", n="200",
        in_task=lambda f: f["intermediate"].eq("mnli"), tested_by=None, state="done", missing="not run",
    )  # fmt: skip
    means = pd.DataFrame({"intermediate": ["mnli", "qqp"], "value": [0.004, None], "low": None, "high": None,
                          "n_seeds": 2, "n_langs": 2, "in_task": [True, False]})  # fmt: skip
    return Sheet(Grid(cells, means, ("sw", "de"), 0, 1), quantity, "Gains on A & B", ("50 % of <it>.",), str.upper)  # type: ignore[arg-type]


def test_latex_has_points_bold_best_marks_and_brackets() -> None:
    lines = latex_sheet(_sheet()).splitlines()
    assert r"English (en) & +1.0$^{\dag}$ & \textbf{+2.3}$^{*}$ \\" in lines
    assert r"Swahili (sw) & \textbf{$-$0.4}$^{\dag}$ & (+5.0) \\" in lines  # what is no evidence is never the best
    assert r"German (de) & \textbf{+1.2}$^{\dag}$ & -- \\" in lines
    assert r"mean & \textbf{+0.4}$^{\dag}$ & -- \\" in lines
    assert r"\caption{Gains on A \& B. Best of each row in bold. 50 \% of \textless{}it\textgreater{}.}" in lines
    assert lines[0] == r"% needs \usepackage{booktabs,graphicx}"


def test_the_best_rank_is_the_smallest() -> None:
    sheet = _sheet(quantity="rank")
    sheet.grid.cells["value"] = [2.0, 1.0, 1.0, 2.0, 1.0, None]
    assert r"English (en) & 2$^{\dag}$ & \textbf{1}$^{*}$ \\" in latex_sheet(sheet).splitlines()


def test_an_svg_has_letters_as_paths_and_says_everything(tmp_path: Path) -> None:
    file = tmp_path / "map.svg"
    write_sheet(_sheet(), file=file)
    text = file.read_text(encoding="utf-8")
    root = ElementTree.fromstring(text)  # noqa: S314  # made above
    assert not list(root.iter(f"{SVG}text"))  # no font is asked for
    # matplotlib writes above each path what it says.
    for part in ("Gains on A &amp; B", "MNLI", "Swahili · sw", "+2.3*", "(+5.0)", "–", "mean", "−0.4†",
                 "50 % of &lt;it&gt;."):  # fmt: skip
        assert f"<!-- {part} -->" in text, part
    assert file.read_bytes() == sheet_file(_sheet(), form="svg")  # the same figure makes the same bytes


def test_a_pdf_embeds_its_fonts() -> None:
    pdf = sheet_file(_sheet(), form="pdf")
    assert pdf.startswith(b"%PDF") and b"/FontFile2" in pdf and b"/Type3" not in pdf
    assert b"CreationDate" not in pdf and b"Gains on A & B" in pdf


def test_what_the_program_writes_needs_no_font_but_a_latin_one() -> None:
    """Arabic, Thai or Chinese letters would be empty boxes where a converter lacks their font."""
    codes = {code for task in TASKS.values() for code in task.languages}
    names = [language(code).name for code in codes] + [task.title for task in TASKS.values()]
    measures = (*DIFFICULTIES.values(), *SIMILARITIES.values())
    drawn = re.findall(r"<!-- (.*?) -->", sheet_file(_sheet(), form="svg").decode())
    assert "gain, points" in " ".join(drawn)
    for text in (*names, *(measure.title for measure in measures), *drawn):
        assert text.replace("−", "-").encode("cp1252"), text
