"""Which languages are shown, and in which order; every choice is in the URL."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import pandas as pd
import streamlit as st

from core.analysis.cells import valued
from core.languages import Language, family_name, language, script_name
from pages.widgets.address import between, several_of
from pages.widgets.show import language_label

UNKNOWN_LAST = 1e9
SIZES: tuple[float, ...] = (0.0, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 6.0)
"""Steps of the size of a Wikipedia, in millions of articles."""
DISTANCES: tuple[float, float] = (0.0, 0.7)
"""Ends of the distance from English; no language of the table lies further."""

_ORDERS: dict[str, Callable[[Language], Any]] = {  # Any: keys that sort among themselves
    "name": lambda entry: entry.name,
    "family": lambda entry: (entry.family, entry.name),
    "script": lambda entry: (entry.script, entry.name),
    "distance from English": lambda entry: UNKNOWN_LAST if entry.syntax_distance is None else entry.syntax_distance,
    "size of Wikipedia": lambda entry: -(entry.wikipedia_millions or 0.0),
}
BY_GAIN, BY_CHOSEN = "mean gain", "gain after the chosen intermediate"
"""The orders that the cells themselves decide."""
ORDERS = (*_ORDERS, BY_GAIN, BY_CHOSEN)
"""Every order, as the picker names it."""


class Wanted(NamedTuple):
    """Languages to keep."""

    families: tuple[str, ...] = ()
    """Families; empty: all."""
    scripts: tuple[str, ...] = ()
    """ISO 15924 codes; empty: all."""
    distance: tuple[float, float] = DISTANCES
    """Ends of the distance from English; the full range keeps languages whose distance is not known."""
    millions: tuple[float, float] = (SIZES[0], SIZES[-1])
    """Ends of the Wikipedia's size; the full range keeps languages whose size is not known."""

    def keeps(self, entry: Language) -> bool:
        """Whether a language is wanted.

        Args:
            entry: The language.
        """
        return (
            (not self.families or entry.family in self.families)
            and (not self.scripts or entry.script in self.scripts)
            and _within(entry.syntax_distance, self.distance, everything=DISTANCES)
            and _within(entry.wikipedia_millions, self.millions, everything=(SIZES[0], SIZES[-1]))
        )


def ordered(codes: list[str], *, order: str, gains: dict[str, float]) -> tuple[str, ...]:
    """The languages in an order; English always comes first, as it was trained on.

    Args:
        codes: XTREME's codes.
        order: One of `ORDERS`.
        gains: Mean gain by language, for the order that needs it; languages without one come last.
    """

    def by_gain(entry: Language) -> tuple[float, str]:
        return -gains.get(entry.code, -UNKNOWN_LAST), entry.name

    key = _ORDERS.get(order, by_gain)
    return tuple(sorted(codes, key=lambda code: (code != "en", key(language(code)))))


def language_filter(codes: list[str]) -> list[str]:
    """The filter; the languages it keeps.

    Args:
        codes: Languages of the view.
    """
    entries = [language(code) for code in codes]
    wanted = _pickers(entries)
    kept = [entry.code for entry in entries if wanted.keeps(entry)]
    st.caption(
        f"{len(kept)} of {len(codes)} languages are kept; means and correlations are over these. A narrowed range "
        "leaves out languages whose distance or size is not known."
    )
    return kept


def without_value(cells: pd.DataFrame, *, chosen: str | None, everything: bool) -> tuple[str, ...]:
    """Languages to show: those with a value, the chosen one, and all where the switch says so.

    Args:
        cells: As `core.analysis.cells.cell_table` returns them, of the languages that the filter keeps.
        chosen: Language that is chosen, if any: it stays, so that its reasons can be read.
        everything: The switch.
    """
    langs, there = tuple(map(str, pd.unique(cells["lang"]))), valued(cells)
    return langs if everything else tuple(code for code in langs if code in there or code == chosen)


def hidden_without_value(cells: pd.DataFrame, *, told: tuple[str, ...], chosen: str | None) -> str:
    """Which languages have no value, for the reader; empty where each has one.

    Args:
        cells: Of the languages that the filter keeps.
        told: Those that are shown.
        chosen: Language that is chosen, if any.
    """
    langs, there = tuple(map(str, pd.unique(cells["lang"]))), valued(cells)
    bare = [code for code in langs if code not in there]
    if not bare:
        return ""
    said = f"{len(bare)} of {len(langs)} languages have no value here: {', '.join(bare)}."
    if len(told) < len(langs):
        said += f" {language_label(chosen)} is shown because it is selected." if chosen in bare else ""
        said += " Hiding them changes no mean and no test."
    return said


def _pickers(entries: list[Language]) -> Wanted:
    families = several_of("Language family", sorted({e.family for e in entries}), key="family", format_func=family_name)
    scripts = several_of(
        "Script",
        sorted({e.script for e in entries}, key=script_name),
        key="script",
        format_func=script_name,
    )
    distance = between(
        st.slider, "Distance from English", DISTANCES, key="distance", step=0.05,
        help="How unlike English the grammar of a language is, 0 to 1: 1 − cosine of the syntax vectors of the "
        "database URIEL (lang2vec 1.1.2, `syntax_knn`).",
    )  # fmt: skip
    millions = between(
        st.select_slider, "Wikipedia, million articles", (SIZES[0], SIZES[-1]), key="wikipedia", steps=SIZES,
        help="A hint at how much text of a language the encoder was pretrained on (Hu et al. 2020, Table 5).",
    )  # fmt: skip
    return Wanted(tuple(families), tuple(scripts), distance, millions)


def _within(value: float | None, ends: tuple[float, float], *, everything: tuple[float, float]) -> bool:
    if ends == everything:
        return True
    return value is not None and ends[0] <= value <= ends[1]
