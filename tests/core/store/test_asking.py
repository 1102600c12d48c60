"""SQL of users: it reads, and whatever else it tries is one clear line."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from core.errors import SpecError, StoreError
from core.store.asking import ask
from core.store.connection import Store


@pytest.fixture
def store() -> Iterator[Store]:
    with Store.open(":memory:") as opened:
        with opened.write() as cur:
            cur.execute("INSERT INTO damaged SELECT 'folder ' || i, 'why' FROM range(5) r(i)")
        yield opened


def test_rows_come_up_to_the_limit_and_say_so(store: Store) -> None:
    found = ask(store, "SELECT folder, NULL AS nothing FROM damaged ORDER BY folder;", most_rows=2)
    assert found == (("folder", "nothing"), [("folder 0", None), ("folder 1", None)], True)
    assert not ask(store, "FROM damaged", most_rows=5).is_cut
    assert ask(store, "DESCRIBE damaged").columns[0] == "column_name"


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ("DELETE FROM damaged", "DELETE is no question"),
        ("WITH gone AS (DELETE FROM damaged RETURNING *) SELECT * FROM gone", "would write"),
        ("COPY damaged TO 'out.csv'", "COPY is no question"),
        ("SELECT * FROM read_csv('/etc/hostname')", "would read or write a file"),
        ("SELECT 1; SELECT 2", "Found 2 statements, expected one"),
        ("", "Found 0 statements"),
        ("SELECT nothing FROM damaged", "DuckDB cannot answer this"),
        ("SELEC 1", "DuckDB cannot answer this"),
        ("SELECT * FROM damagd", "Did you mean"),
    ],
)
def test_whatever_is_no_question_changes_nothing(store: Store, sql: str, said: str) -> None:
    with pytest.raises(SpecError, match=said):
        ask(store, sql)
    assert ask(store, "SELECT count(*) FROM damaged").rows == [(5,)]


def test_a_question_without_end_is_given_up(store: Store) -> None:
    with pytest.raises(StoreError, match=r"No answer within 0\.2 seconds"):
        ask(store, "SELECT sum(a.i * b.i) FROM range(1000000) a(i), range(1000000) b(i)", most_s=0.2)
    for rows in (0, 2**70):
        with pytest.raises(SpecError, match="rows cannot be given: expected 1 to 2,147,483,647"):
            ask(store, "SELECT 1", most_rows=rows)
    for seconds in (float("nan"), -1.0, 0.0, 1e300):
        with pytest.raises(SpecError, match="seconds cannot be waited: expected more than 0, and 86,400 at most"):
            ask(store, "SELECT 1", most_s=seconds)
