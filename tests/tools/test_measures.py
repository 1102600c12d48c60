"""docs/measures.md holds the tables that the records give, and names only functions that run."""

from __future__ import annotations

import re

from tools.measures import DOCUMENT, with_tables
from tools.rooms import modules
from tools.unreached import read_module


def test_the_document_is_that_of_the_records() -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    assert text == with_tables(text), "docs/measures.md is behind the records: python -m tools.measures"


def test_every_function_that_a_table_names_is_in_core() -> None:
    """`tests/tools/test_unreached.py` says that it runs, too."""
    text = DOCUMENT.read_text(encoding="utf-8")
    by_hand = re.sub(r"<!-- (\w+): written by(.|\n)*?<!-- end of \1 -->", "", text)
    named = set(re.findall(r"^\| `(\w+)`", by_hand, flags=re.MULTILINE))
    # Values of a column of the table encoder_changes.
    stored = {"retrieval", "retrieval_change", "cka", "masked_loss", "masked_loss_change"}
    known = {name for path in modules() for name in read_module(path).definitions}
    assert len(named) > 10
    assert named - stored <= known, f"not in core: {sorted(named - stored - known)}"
