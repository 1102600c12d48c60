"""docs/schema.md is as the tables are, and every column has its line."""

from __future__ import annotations

from tools.schema import PAGE, page


def test_the_page_is_as_the_tables_are() -> None:
    text = page()
    assert PAGE.read_text(encoding="utf-8") == text + "\n", "python -m tools.schema"
    assert "| `excluded` | VARCHAR | Why its gain is no evidence; NULL: it is. |" in text
