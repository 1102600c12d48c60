"""What the page said stands in the report of a test that failed: on another machine nobody can look."""

from __future__ import annotations

from collections.abc import Generator

import pytest

from tests.e2e.visiting import Visit

_CHARS = 6000


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    visit = Visit.newest
    if call.when == "call" and visit is not None:
        Visit.newest = None
        if report.failed:
            try:
                said = visit.told()
            except Exception as error:  # of playwright, which is optional here: a tab that is gone hides no failure
                said = f"The tab says nothing: {error}"
            report.sections.append((f"page of {item.name}", said[:_CHARS]))
    return report
