"""Questions about published figures: sheets never mix, gains have their printed baseline, averages are recomputed."""

from __future__ import annotations

from collections.abc import Iterator

import duckdb
import pandas as pd
import pytest

from core.errors import UnknownName
from core.paths import AtlasPaths
from core.queries.published import Sheet, averages, figures, matrix, sheets, tables
from core.store.connection import Store
from core.store.published import load_published

V1 = "phang2020v1-table2"
NAMES = {"XNLI", "PAWS-X", "POS", "NER", "XQuAD f1", "XQuAD em", "MLQA f1", "MLQA em", "TyDiQA f1", "TyDiQA em", "BUCC"}


@pytest.fixture(scope="module")
def cur(tmp_path_factory: pytest.TempPathFactory) -> Iterator[duckdb.DuckDBPyConnection]:
    with Store.open(":memory:") as store:
        load_published(store, AtlasPaths(home=tmp_path_factory.mktemp("home")))
        with store.cursor() as cursor:
            yield cursor


def test_the_v1_averages_are_those_printed_but_for_the_one_row_that_the_report_names(
    cur: duckdb.DuckDBPyConnection,
) -> None:
    found = averages(cur, V1)
    # A baseline and sixteen rows of changes, each over nine tasks.
    assert len(found) == 17
    assert set(found["over"]) == {"tasks"} and set(found["n_parts"]) == {9}
    wrong = found[~found["agrees"]]
    assert wrong["intermediate"].tolist() == ["QQP + multilingual MLM"]
    row = wrong.iloc[0]
    # −0.5 +0.6 −0.2 +0.7 (−0.3−0.2)/2 (0.0+0.2)/2 (2.9+3.4)/2 +18.0 +42.3 = 63.9; over nine 7.1; printed 5.1.
    assert (row["printed"], round(row["recomputed"], 3)) == (pytest.approx(0.051), 0.071)
    assert row["difference"] == pytest.approx(-0.02)
    assert "prints 5.1 (checked on the rendered page); the mean of its own nine tasks is 7.1" in row["caution"]


def test_an_average_by_hand(cur: duckdb.DuckDBPyConnection) -> None:
    found = averages(cur, V1)
    row = found[found["intermediate"] == "ANLI+"].iloc[0]
    # −0.8 +0.4 −0.9 −0.8 (−0.6−0.1)/2 (−0.6−0.8)/2 (2.2+3.1)/2 +20.1 +49.8 = 69.4; over nine 7.711; printed 7.7.
    assert row["recomputed"] == pytest.approx(0.694 / 9)
    # Half of 0.1 for the printed average and half of 0.1 for its parts.
    assert row["tolerance"] == pytest.approx(0.001)
    assert bool(row["agrees"])


def test_other_documents_disagree_where_their_captions_say_so(cur: duckdb.DuckDBPyConnection) -> None:
    found = averages(cur)
    wrong = found[~found["agrees"]]
    # The numbers of data/published/README.md.
    assert (len(found), len(wrong)) == (119, 9)
    named = wrong[wrong["caution"].notna()]
    assert set(zip(named["table"], named["model"], named["metric"], strict=True)) == {
        (V1, "XLM-R Large", "avg"),
        ("madx2020-table3", "MAD-X - INV", "f1"),
        ("xlmv2023-xquad", "XLM-R Base", "f1"),
    }
    assert set(wrong["table"]) - set(named["table"]) == {"rembert2021-table16", "xlmr-base-wikiann-seeds"}
    # MAD-X leaves English out of its NER average: with it, its rows would not agree.
    assert found[found["table"] == "madx2020-table5"]["agrees"].all()
    # Derived averages were not printed, so there is nothing to compare.
    assert "phang2020v1-table2-derived" not in set(found["table"])


def test_a_gain_sheet_has_intermediates_by_targets_and_the_printed_baseline(cur: duckdb.DuckDBPyConnection) -> None:
    first = sheets(cur, V1)[0]
    assert first == Sheet(V1, "gain", "dev", None, None, None)
    cells = matrix(cur, first)
    assert set(cells["column"]) == NAMES | {"Tatoeba", "Avg"}
    assert cells["row"].nunique() == 16 and "none" not in set(cells["row"])
    assert len(cells) == 16 * 13
    cell = cells[(cells["row"] == "SQuAD v1.1") & (cells["column"] == "TyDiQA f1")].iloc[0]
    assert (cell["value"], cell["baseline"], cell["printed"]) == (pytest.approx(0.056), pytest.approx(0.757), "5.6")
    assert cells["baseline"].notna().all() and not cells["derived"].any()
    assert cells[cells["is_average"]]["column"].unique().tolist() == ["Avg"]


def test_derived_scores_are_marked_and_are_baseline_plus_change(cur: duckdb.DuckDBPyConnection) -> None:
    derived = matrix(cur, sheets(cur, "phang2020v1-table2-derived")[0])
    assert derived["derived"].all()
    gains = matrix(cur, sheets(cur, V1)[0])
    both = derived.merge(gains, on=["row", "column"], suffixes=("", "_gain"))
    assert len(both) == len(gains)
    assert (both["value"] - both["baseline_gain"] - both["value_gain"]).abs().max() < 1e-9


def test_languages_are_columns_of_one_target_and_metric(cur: duckdb.DuckDBPyConnection) -> None:
    f1, em = sheets(cur, "hu2020-xquad")
    assert (f1.target, f1.metric, em.metric) == ("XQuAD", "f1", "em")
    cells = matrix(cur, f1)
    assert set(cells["metric"]) == {"f1"} and set(cells["target"]) == {"XQuAD"}
    assert cells[cells["row"] == "XLM-R Large"].set_index("column").loc["en", "value"] == pytest.approx(0.865)
    assert cells[cells["lang"].isna()]["column"].unique().tolist() == ["average"]


def test_seeds_and_splits_stay_apart(cur: duckdb.DuckDBPyConnection) -> None:
    found = sheets(cur, "xlmr-base-wikiann-seeds")
    assert [s.split for s in found] == ["dev", "test"]
    cells = matrix(cur, found[1])
    assert set(cells["split"]) == {"test"}
    assert cells["row"].unique().tolist() == [f"XLM-R Base · seed {n}" for n in range(1, 6)]


@pytest.fixture(scope="module")
def drawn(cur: duckdb.DuckDBPyConnection) -> list[tuple[Sheet, pd.DataFrame]]:
    """Every sheet of every table with its cells."""
    return [(sheet, matrix(cur, sheet)) for name in tables(cur)["name"] for sheet in sheets(cur, name)]


def test_no_column_of_any_sheet_mixes_sources_metrics_splits_kinds_or_derived_with_printed(
    drawn: list[tuple[Sheet, pd.DataFrame]],
) -> None:
    for sheet, cells in drawn:
        assert not cells.empty
        assert not cells.duplicated(["row", "column"]).any(), sheet
        per_column = cells.groupby("column")[["source", "metric", "target", "derived"]].nunique(dropna=False)
        assert (per_column == 1).all().all(), sheet
        assert cells["split"].nunique(dropna=False) == 1, sheet


def test_every_score_and_gain_is_on_a_sheet_or_alone_in_its_language(
    cur: duckdb.DuckDBPyConnection, drawn: list[tuple[Sheet, pd.DataFrame]]
) -> None:
    for row in tables(cur).to_dict("records"):
        shown = {place for sheet, cells in drawn if sheet.table == row["name"] for place in cells["position"]}
        lost = row["n_scores"] + row["n_gains"] - len(shown)
        # Issue #56 has two English figures beside its averages: they stand in the list of figures.
        assert lost == (2 if row["name"] == "xtreme-issue56" else 0), row["name"]


def test_tables_carry_caution_version_and_confidence(cur: duckdb.DuckDBPyConnection) -> None:
    rows = tables(cur).set_index("name")
    assert rows.index[0] == V1
    row = rows.loc[V1]
    assert (row["version"], row["arxiv"], row["n_gains"]) == ("v1 draft, May 2020", "2005.13013", 208)
    assert "significantly underperforms" in row["caution"]
    assert rows.loc["mt5-readme-xtreme", "confidence"] == "second-hand"
    assert rows.loc["hu2020-table1", "n_facts"] == 57 and sheets(cur, "hu2020-table1") == []


def test_tables_with_gains_come_first_then_those_with_scores_each_by_name(cur: duckdb.DuckDBPyConnection) -> None:
    rows = tables(cur)
    kinds = [(row.n_gains == 0, row.n_scores == 0, row.name) for row in rows.itertuples(index=False)]
    assert kinds == sorted(kinds)
    assert len({kind[:2] for kind in kinds}) == 3, "gains, scores, and facts alone"


def test_sheets_of_a_kind_are_in_the_order_of_the_document(cur: duckdb.DuckDBPyConnection) -> None:
    for name in tables(cur)["name"]:
        rows = figures(cur, name).reset_index()
        for kind in ("gain", "score"):
            of_lang = [s for s in sheets(cur, name) if s.kind == kind and s.target is not None]
            first = [
                rows[(rows["kind"] == kind) & (rows["target"] == s.target) & (rows["metric"] == s.metric)
                     & (rows["split"].fillna("") == (s.split or ""))]["index"].min()
                for s in of_lang
            ]  # fmt: skip
            assert first == sorted(first), name


def test_figures_are_flat_and_complete(cur: duckdb.DuckDBPyConnection) -> None:
    rows = figures(cur, V1)
    assert len(rows) == 221
    assert rows["source"].notna().all() and rows["table_caution"].notna().all()
    tatoeba = rows[rows["target"] == "Tatoeba"]
    assert tatoeba["caution"].str.contains("gains are inflated").all()
    assert set(rows["target_task"].dropna()) == {
        "xnli", "pawsx", "udpos", "panx", "xquad", "mlqa", "tydiqa", "bucc2018", "tatoeba",
    }  # fmt: skip
    assert pd.isna(rows["lang"]).all()


def test_an_unknown_table_is_named_with_its_nearest(cur: duckdb.DuckDBPyConnection) -> None:
    for ask in (figures, sheets, averages):
        with pytest.raises(UnknownName, match="No published table named 'phang2020-table2'. Did you mean 'phang2020v1"):
            ask(cur, "phang2020-table2")
    with pytest.raises(UnknownName, match="No published table"):
        matrix(cur, Sheet("nothing", "score", None, None, None, None))
