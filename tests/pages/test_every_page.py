"""Every page runs on an empty and on a filled store."""

from __future__ import annotations

import pytest

from core.paths import REPO
from tests.pages.conftest import Open

PAGES = sorted(f"pages/{path.name}" for path in (REPO / "pages").glob("*.py"))


@pytest.mark.parametrize("page", PAGES)
def test_empty_store(page: str, open_page: Open) -> None:
    at = open_page(page)
    assert at.title
    assert not at.error


@pytest.mark.parametrize("page", PAGES)
def test_filled_store(page: str, ids: dict[str, str], open_page: Open) -> None:
    del ids
    at = open_page(page)
    assert at.title
    assert not at.error


@pytest.mark.parametrize("page", PAGES)
def test_a_committed_gallery_alone(page: str, committed: str, open_page: Open) -> None:
    at = open_page(page, run=committed)
    assert at.title
    assert not at.error


@pytest.mark.parametrize("page", PAGES)
def test_nonsense_in_the_url_does_no_harm(page: str, ids: dict[str, str], open_page: Open) -> None:
    del ids
    rubbish = "<script>~;DROP TABLE runs"
    open_page(page, run=rubbish, cell=rubbish, target=rubbish, collection=rubbish, role=rubbish, state=rubbish)


def test_pages_are_all_in_the_menu_under_their_file_names() -> None:
    text = (REPO / "pages" / "widgets" / "nav.py").read_text(encoding="utf-8")
    for page in PAGES:
        stem = page.removeprefix("pages/").removesuffix(".py")
        assert f'st.Page("{page}"' in text
        assert f'url_path="{stem}"' in text
        assert "guard()" in (REPO / page).read_text(encoding="utf-8").split("import streamlit")[0]
