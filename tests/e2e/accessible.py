"""axe-core over a page that is open in a browser; the exceptions are named, each with its reason."""

from __future__ import annotations

from typing import Any

import pytest

axe = pytest.importorskip(
    "axe_playwright_python.sync_playwright", reason="axe-core is not installed: pip install axe-playwright-python"
)

EXCEPTIONS: dict[str, tuple[str, str]] = {
    "scrollable-region-focusable": (
        "data-test-scroll-behavior",
        "Streamlit's main region, which has no tabindex: seen once, while nothing in it could take focus yet",
    ),
}
"""Rule → part of the HTML it is excused for, and why no code of ours can mend it."""


def violations(tab: Any) -> list[str]:  # noqa: ANN401  # playwright is optional here
    """What axe-core finds, one line a place, without the named exceptions.

    Args:
        tab: A page of playwright.
    """
    # Style sheets are not fetched a second time: the policy of a static page forbids every request.
    found = axe.Axe().run(tab, options={"preload": False}).response["violations"]
    return [
        f"{rule['id']}: {rule['help']}: {node['html'][:200]}: {node['failureSummary'][:300]}"
        for rule in found
        for node in rule["nodes"]
        if not (rule["id"] in EXCEPTIONS and EXCEPTIONS[rule["id"]][0] in node["html"])
    ]
