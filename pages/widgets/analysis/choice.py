"""What the analysis is about: the runs that are pooled, the measures, and a filter; every choice is in the URL."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import replace
from typing import Any, NamedTuple, cast

import pandas as pd
import streamlit as st

from core.actions.command import asking
from core.languages import family_name, language, script_name
from core.measures.base import Measure
from core.measures.difficulty.table import DIFFICULTIES
from core.measures.similarity.table import SIMILARITIES
from core.queries.evidence import AnalysisOptions, Anchor, PooledRuns, pooled_runs_of
from core.queries.filters import Filter
from core.queries.scales import UNITS, Scale
from pages.widgets.address import is_on, link_button, one_of, pick, settled, several_of
from pages.widgets.shared import protocol_words, runs_title, titles
from pages.widgets.show import words_link

_ANCHORS = {"test": "test text in each language", "train": "English training text"}


KINDS = ("target", "family", "script")
"""What results are split by."""

PARTS = {
    part: part
    for part in ("Effects", "Variance", "Measures", "Explore", "Cells", "Predictions", "Claims", "Next", "Numbers")
}
"""The parts of the page as the address names them, and as people read them."""
PARTS |= {"Measures": "Other measures", "Next": "What to run next"}


class How(NamedTuple):
    """How rows are made again, and what they are of."""

    command: str
    """Words of the command line."""
    source: str | None = None
    """Data source of the runs; None: of several."""

    def explaining(self, target: str) -> How:
        """The same of what selectors add to the predictions for a target.

        Args:
            target: Its name.
        """
        return self._replace(command=f"{self.command} --explain {target}")


def choose(rows: pd.DataFrame) -> PooledRuns:
    """The picker of what is pooled.

    Args:
        rows: As `available` returns them, at least one.
    """
    by_address = {_address(row): row for row in rows.to_dict("records")}
    labels = {name: runs_title(pooled_runs_of(row)) + _detail(row) for name, row in by_address.items()}
    used = dict.fromkeys(str(name) for name in rows["protocol"])
    picked = pick(
        "Runs to analyse", labels, key="runs", kind="set of runs",
        help="Runs of one model, of one protocol (its hyper-parameters) and on one kind of data: they are never mixed "
        "with others. Real data come first. " + " ".join(filter(None, map(protocol_words, used))),
    )  # fmt: skip
    settled()
    with st.container(horizontal=True, vertical_alignment="center"):
        link_button("Copy link to this analysis", {"runs": picked}, key="copy_link")
        words_link()
    return pooled_runs_of(by_address[picked])


def refine(targets: list[str], langs: list[str]) -> AnalysisOptions:
    """The measures and the filter.

    Args:
        targets: Of the pooled runs.
        langs: Of the pooled runs.
    """
    entries = [language(code) for code in langs]
    # Closed at first: the answer comes before the ways to change it.
    with st.expander("Measures and filter", icon=":material/tune:"):
        with st.grid(4, min_column_width=180):
            difficulty = _measure("Difficulty is measured by", DIFFICULTIES, key="difficulty")
            similarity = _measure("Similarity is measured by", SIMILARITIES, key="similarity")
            anchor = one_of(
                "Similarity to the target's", list(_ANCHORS), key="anchor", format_func=_ANCHORS.__getitem__,
                help="Which text of the target the intermediate's text is compared with. Labels are not used.",
            )  # fmt: skip
            picked = several_of("Targets", targets, key="target", placeholder="all targets", format_func=titles().of)
            families = several_of(
                "Language families", sorted({e.family for e in entries}), key="family", placeholder="all families",
                format_func=family_name,
            )  # fmt: skip
            scripts = several_of(
                "Scripts", sorted({e.script for e in entries}, key=script_name), key="script",
                placeholder="all scripts", format_func=script_name,
            )  # fmt: skip
            scale = one_of(
                "Unit of averages over targets", list(UNITS), key="scale",
                format_func=lambda name: UNITS[name].name, help=" ".join(unit.meaning for unit in UNITS.values()),
            )  # fmt: skip
        with st.container(horizontal=True, gap="large"):
            with_in_task = is_on(
                "Include intermediates that train the target's own task", key="intask",
                help="Called in-task, such as SQuAD before XQuAD: such a gain is no transfer from another task.",
            )  # fmt: skip
            with_excluded = is_on(
                "Include gains that do not count", key="excluded",
                help="Gains of runs whose intermediate or target was not learned, whose baseline is at the floor, or "
                "that an earlier version of the program made.",
            )  # fmt: skip
    return AnalysisOptions(
        wanted=Filter(target=tuple(picked) or None), difficulty=difficulty, similarity=similarity,
        anchor=cast("Anchor", anchor), with_in_task=with_in_task, with_excluded=with_excluded,
        families=tuple(families), scripts=tuple(scripts), scale=cast("Scale", scale),
    )  # fmt: skip


def recompute(
    command: str,
    pooled: PooledRuns,
    options: AnalysisOptions,
    *,
    target: str | None = None,
    every_measure: bool = False,
    by: str | None = None,
) -> How:
    """The command that answers for the same runs and filter.

    Args:
        command: analyse, contrasts, predict or next.
        pooled: What is pooled.
        options: Which rows and measures.
        target: This target alone, and its cells.
        every_measure: Every measure of difficulty and similarity, too.
        by: Also within each group of that kind.
    """
    wanted = replace(
        options.wanted, collection=pooled.collection, model=pooled.model, protocol=pooled.protocol,
        data_source=pooled.data_source, target=target or options.wanted.target,
    )  # fmt: skip
    after = [*(["--by", by] if by else []), *(["--cells"] if target else [])]
    after += ["--every-measure"] if every_measure else []
    return How(str(asking(command, wanted, options=options, after=(*after, "--json"))), pooled.data_source)


def _measure(label: str, measures: Mapping[str, Measure], *, key: str) -> str:
    known = "\n\n".join(f"**{each.title}**: {each.meaning}" for each in measures.values())
    return one_of(
        label, list(measures), key=key, format_func=lambda name: measures[name].title,
        help=f"{known}\n\nTheir formulas stand in docs/measures.md.",
    )  # fmt: skip


def _address(row: Mapping[Hashable, Any]) -> str:
    pooled = pooled_runs_of(row)
    model = f"{pooled.model}{(pooled.model_fingerprint or '')[:6]}"
    return " ".join((pooled.collection, model, f"{pooled.protocol}-{pooled.protocol_digest[:6]}", pooled.data_source))


def _detail(row: dict[Any, Any]) -> str:
    return f" ({row['intermediates']} conditions before {row['targets']} targets)"
