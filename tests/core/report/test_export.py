"""Tables as CSV, Parquet and LaTeX: what is missing stays missing, and nothing in a cell has a meaning for LaTeX."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from core.errors import StoreError, UnknownName
from core.events import RunFailed, RunStarted
from core.paths import AtlasPaths
from core.report.export import IN_LATEX, encoded, export, format_of, write_table
from core.report.latex import LONGEST, escaped, latex_table
from core.spec.run import MIRROR, DataSource, DataSourceKind
from core.store.connection import Store
from core.store.ingest import ingest
from tests.makers.folders import history, run_spec, scored, write_run

FRAME = pd.DataFrame(
    {
        "lang": pd.Categorical(["en", "de"]),
        "gain": [-0.01234, np.nan],
        "n": pd.array([200, None], dtype="Int64"),
        "mixed": [1.5, "a_b"],
        "names": [["x", "y"], None],
        "in_task": [True, False],
    },
    index=[7, 9],
)


def test_a_table_by_hand() -> None:
    """Worked by hand: text left, numbers right, minus in math, a dash where there is nothing, n in the caption."""
    assert encoded(FRAME, what="cells of xnli", form="tex").decode() == (
        "% needs \\usepackage{booktabs}\n"
        "\\begin{table}\n\\centering\n"
        "\\caption{Cells of xnli, 2 rows.}\n\\label{tab:cells-of-xnli}\n"
        "\\begin{tabular}{lrrlll}\n\\toprule\n"
        "lang & gain & n & mixed & names & in\\_task \\\\\n\\midrule\n"
        "en & $-$0.0123 & 200 & 1.5 & x, y & yes \\\\\n"
        "de & -- & -- & a\\_b & -- & no \\\\\n"
        "\\bottomrule\n\\end{tabular}\n\\end{table}\n"
    )


def test_a_p_value_is_never_zero_and_zero_has_no_sign() -> None:
    """At four digits 0.00004 would read 0.0000; 0.00005 and more round to a digit that is there."""
    table = pa.table(
        {
            "p_value": [0.04, 4e-5, 0.0, None, 6e-5],
            "q_value": [1.0, 1e-300, 0.5, 0.2, 0.3],
            "gain": [-3e-5, 3e-5, 0.0, None, -0.5],
        }
    )
    rows = [line.removesuffix(r" \\").split(" & ") for line in latex_table(table).splitlines()[5:10]]
    assert [row[0] for row in rows] == ["0.0400", "$<$0.0001", "$<$0.0001", "--", "0.0001"]
    assert [row[1] for row in rows] == ["1.0000", "$<$0.0001", "0.5000", "0.2000", "0.3000"]
    assert [row[2] for row in rows] == ["0.0000", "0.0000", "0.0000", "--", "$-$0.5000"]
    # Right-aligned, the digits of both forms stand below each other.
    assert len({len(row[0].replace("$<$", "")) for row in rows} - {2}) == 1
    assert r"\begin{tabular}{rrr}" in latex_table(table)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (r"50 % & #1 $x_{2}$", r"50 \% \& \#1 \$x\_\{2\}\$"),
        ("mnli~shuffled^2", r"mnli\textasciitilde{}shuffled\textasciicircum{}2"),
        (r"C:\input{evil}", r"C:\textbackslash{}input\{evil\}"),
        ("[1.0, 2.0]", "{[}1.0, 2.0{]}"),  # behind \\ a bracket would be its argument
        ("−2.1† ≤ 3", r"$-$2.1\dag{} $\leq$ 3"),
        ('a "word"', r"a {\char34}word{\char34}"),  # the usual font encoding has no \textquotedbl
        ("Čeština 中文", "Čeština 中文"),
    ],
)
def test_no_character_has_a_meaning(text: str, expected: str) -> None:
    assert escaped(text) == expected


def test_every_special_character_of_latex_is_escaped() -> None:
    left = escaped("&%$#_{}~^\\")
    for command in (r"\textasciitilde{}", r"\textasciicircum{}", r"\textbackslash{}"):
        left = left.replace(command, "")
    assert left == r"\&\%\$\#\_\{\}"


def test_long_tables_break_across_pages() -> None:
    table = pa.table({"n": list(range(LONGEST + 1))})
    assert r"\begin{longtable}{r}" in latex_table(table)
    assert r"\begin{tabular}{r}" in latex_table(table.slice(1))
    assert latex_table(table).count(r"\\") == LONGEST + 2  # the rows and the head


def test_csv_and_parquet_keep_values_types_and_holes() -> None:
    lines = encoded(FRAME, what="x", form="csv").decode().splitlines()
    assert lines == ['"lang","gain","n","mixed","names","in_task"', '"en",-0.01234,200,"1.5","x, y",true',
                     '"de",,,"a_b",,false']  # fmt: skip
    back = pd.read_parquet(io.BytesIO(encoded(FRAME, what="x", form="parquet")))
    assert back["gain"].tolist()[0] == -0.01234 and pd.isna(back["gain"][1]) and pd.isna(back["n"][1])
    assert back["lang"].tolist() == ["en", "de"]


@pytest.mark.parametrize("missing", [None, np.nan, pd.NA, pd.NaT])
def test_whatever_is_missing_in_a_column_of_several_types_is_empty(missing: object) -> None:
    frame = pd.DataFrame({"n": [1, 2], "value": pd.Series([["a"], missing], dtype="object")})
    frame.loc[len(frame)] = [3, "b"]
    assert encoded(frame, what="x", form="csv").decode().splitlines()[2] == "2,"


def test_columns_are_chosen_and_unknown_ones_named() -> None:
    assert encoded(FRAME, what="x", form="csv", columns=("n", "lang")).decode().splitlines()[0] == '"n","lang"'
    with pytest.raises(UnknownName, match="No column named 'gian'. Did you mean 'gain'"):
        encoded(FRAME, what="x", form="csv", columns=("gian",))


def test_latex_of_the_store_fits_a_page_and_carries_n(tmp_path: Path) -> None:
    spec = run_spec("mnli")
    paths = AtlasPaths(home=tmp_path)
    write_run(paths, spec, history(spec, [scored("en", 0.5), scored("de", 0.25)]))
    with Store.open(":memory:") as store:
        ingest(store, paths)
        for what in ("runs", "scores", "gains"):
            assert export(store, what=what, file=tmp_path / f"{what}.tex") >= 1
            heads = [line for line in (tmp_path / f"{what}.tex").read_text().splitlines() if "model &" in line]
            assert [head.removesuffix(r" \\").replace(r"\_", "_").split(" & ") for head in heads] == [
                list(IN_LATEX[what])
            ]
        text = (tmp_path / "gains.tex").read_text()
        assert "Scores and gains are fractions, not points." in text
        assert r"mnli & xnli & de & accuracy & 1 & 0.2500 & -- & -- & 100 \\" in text
        assert export(store, what="scores", file=tmp_path / "s.csv", kept={"lang": ("de",)}) == 1
        assert export(store, what="gains", file=tmp_path / "g.csv", kept={"model": "other"}) == 0
        with pytest.raises(UnknownName, match="No column named 'lang'"):
            export(store, what="runs", file=tmp_path / "r.csv", kept={"lang": "de"})


def test_a_name_without_a_format_is_told_before_anything_is_asked(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"'x.xls' names no format .* \.csv or \.parquet, or \.tex for LaTeX"):
        format_of(Path("x.xls"))
    with pytest.raises(StoreError):
        write_table(FRAME, what="x", file=tmp_path / "x")
    assert list(tmp_path.iterdir()) == []


def test_latex_leaves_out_what_is_no_evidence_and_says_how_many() -> None:
    rows = pd.DataFrame(
        {
            "intermediate": ["a", "b", "c"],
            "gain": [0.1, 0.2, 0.3],
            "excluded": [None, "baseline at the floor", None],
        }
    )
    text = encoded(rows, what="means", form="tex", columns=("intermediate", "gain")).decode()
    assert "2 rows" in text and "Left out: 1 that does not count." in text and "0.2" not in text
    whole = encoded(rows, what="means", form="tex", columns=("intermediate", "excluded")).decode()
    assert "3 rows" in whole and "Left out" not in whole
    assert encoded(rows, what="means", form="csv").decode().count("\n") == 4


def test_no_folder_of_this_machine_leaves_with_a_table(tmp_path: Path) -> None:
    """Runs of a model and a mirror of one's own: their specs say both folders, a failure names a third."""
    plain = run_spec("mnli")
    model = plain.model.model_copy(update={"path": "/home/me/own", "fingerprint": "f" * 16, "name": "own-ffffff"})
    source = DataSource(kind=DataSourceKind.MIRROR, root="/home/me/hub")
    spec = plain.model_copy(update={"model": model, "data_source": source})
    paths = AtlasPaths(home=tmp_path)
    failed = RunFailed(error="DataError", message="/home/me/hub/xtreme: no data files.", traceback="")
    write_run(paths, spec, [RunStarted(run_id=spec.run_id, attempt=1, device="cpu", pid=1), failed], finished=False)
    paths.run(spec.run_id).failed.write_text(json.dumps({"error": "DataError", "message": failed.message}))
    with Store.open(":memory:") as store:
        ingest(store, paths)
        for form in ("csv", "parquet"):
            export(store, what="runs", file=tmp_path / f"runs.{form}", kept={"collection": "yours"})
    assert "/home/me" not in (tmp_path / "runs.csv").read_text()
    (row,) = pd.read_parquet(tmp_path / "runs.parquet").to_dict("records")
    assert row["message"] == "…/xtreme: no data files."
    told = json.loads(row["spec"])
    assert (told["model"]["path"], told["data_source"]["root"]) == ("own-ffffff", MIRROR)
