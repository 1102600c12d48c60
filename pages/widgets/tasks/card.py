"""One task as a card."""

from __future__ import annotations

import re
from collections.abc import Container, Mapping, Sequence
from typing import Any

import pandas as pd
import streamlit as st

from core.languages import LANGUAGES, language
from core.queries.overview import data_of_tasks
from core.spec.task import Role, TaskSpec
from core.tasks import load_tasks
from pages.widgets.shared import paths, store, titles
from pages.widgets.show import md, source_badge

_ID = re.compile(r"(?<![\w/.'`-])[a-z][a-z0-9_]+(?![\w/'`-])")
"""A word that may be an id, outside of paths and quotations."""
_FEW = 4
"""Languages that a copy lacks, up to which they are named."""
_MANY = 12
"""Languages that are named before the rest is counted."""


def in_plain(name: str) -> str:
    """A name of the program as words.

    Args:
        name: Such as `span_qa`.
    """
    return name.replace("_", " ")


def matches(task: TaskSpec, *, search: str, role: str | None, kind: str | None) -> bool:
    """Whether a task passes the filters.

    Args:
        search: Every word must occur in name, title, summary, domain or a language; empty: all.
        role: A role it must have, or None.
        kind: The type it must be of, or None.
    """
    names = [language(code).name for code in task.languages]
    text = " ".join([task.name, task.title, task.summary, *task.domain_words, *task.languages, *names]).lower()
    return (
        all(word in text for word in search.lower().split())
        and (role is None or role in {str(r) for r in task.roles})
        and (kind is None or kind == task.type)
    )


@st.cache_data(max_entries=4, show_spinner=False)
def data_here(version: tuple[str, int]) -> pd.DataFrame:
    """As `core.queries.overview.data_of_tasks` returns it."""
    del version  # part of the cache's key alone
    with store().cursor() as cur:
        return data_of_tasks(cur)


def in_words(row: Mapping[Any, Any], task: TaskSpec) -> str:
    """How many examples are in the copy of the data that the runs here have read.

    Args:
        row: Of `data_here`.
        task: The task.
    """
    train, low, high = (None if pd.isna(row[name]) else int(row[name]) for name in ("train", "test_low", "test_high"))
    parts = [f"{train:,} for training"] if train is not None else []
    if low is not None and high is not None:
        size = f"{high:,}" if low == high else f"{low:,} to {high:,}"
        parts.append(f"{size} for testing{_in_languages(row['langs'], task)}")
    many = row["runs"] != 1
    whose = f"{row['runs']:,} run{'s' * many} here"
    if row["runs"] == row["baselines"]:
        whose += f", {'all ' * many}without an intermediate, so that there is no gain"
    return f"{whose}; examples in {'their' if many else 'its'} copy of the data: {', '.join(parts)}" if parts else whose


def _in_languages(there: Sequence[str], task: TaskSpec) -> str:
    if len(task.languages) == 1:
        return ""
    missing = [language(code).name for code in task.languages if code not in set(there)]
    if not missing:
        return f" in each of its {len(task.languages)} languages"
    without = f" (not {', '.join(missing)})" if len(missing) <= _FEW else ""
    return f" in {'each of ' * (len(there) > 1)}{len(there)} of its {len(task.languages)} languages{without}"


def read(text: str, *, names: Container[str]) -> str:
    """A sentence of a task file as people read it: titles for ids of tasks, names for lists of languages' codes.

    Args:
        text: Such as "kk, th and yo have no development set; mnli is more of the same".
        names: Ids of tasks.
    """

    def of_languages(found: re.Match[str]) -> str:
        return re.sub(
            r"\b[a-z]{2}\b", lambda code: language(code[0]).name if code[0] in LANGUAGES else code[0], found[0]
        )

    text = re.sub(r"\b[a-z]{2}(?:, [a-z]{2})+ and [a-z]{2}\b", of_languages, text)
    return _ID.sub(lambda found: titles().of(found[0]) if found[0] in names else found[0], text)


def card(task: TaskSpec, here: pd.DataFrame) -> None:
    """Draw a task.

    Args:
        task: The task.
        here: Its rows of `data_here`.
    """
    with st.container(border=True, height="stretch"):
        badges = [f":blue-badge[{in_plain(task.type)}]"]
        badges += [f":{'violet' if r is Role.TARGET else 'green'}-badge[{r}]" for r in task.roles]
        badges += [":orange-badge[yours]"] if task.is_user_task else []
        st.markdown(f"## {md(task.title)} &nbsp; `{task.name}`")
        st.markdown(" ".join(badges))
        st.markdown(md(task.summary))
        for row in here.to_dict("records"):
            st.markdown(f"{source_badge(str(row['data_source']))} :small[{in_words(row, task)}]")
        if here.empty:
            st.markdown(":gray-badge[:material/hourglass_empty: no run of this task here]")
        st.table(_facts(task), border="horizontal", hide_header=True, alt=f"Facts about {task.title}")
        for caution in task.cautions:
            st.markdown(f":orange[:material/warning:] {md(read(caution, names=load_tasks(paths())))}")
        st.space("stretch")
        with st.container(horizontal=True):
            for role in task.roles:
                st.page_link(
                    "pages/launch.py",
                    label=f"Run as {role}",
                    icon=":material/rocket_launch:",
                    query_params={str(role): task.name},
                )


def task_rows(tasks: Sequence[TaskSpec]) -> pd.DataFrame:
    """The tasks as a table, one a row.

    Args:
        tasks: In order.
    """
    return pd.DataFrame(
        [
            {
                "name": task.name, "title": task.title, "type": task.type, "roles": list(map(str, task.roles)),
                "languages": list(task.languages), "metrics": list(map(str, task.metrics)), "chance": task.chance,
                "train_examples": task.train_examples, "test_examples": task.test_examples, "licence": task.licence,
                "citation": task.citation,
            }
            for task in tasks
        ]
    ).astype({"train_examples": "Int64", "test_examples": "Int64"})  # fmt: skip


def _facts(task: TaskSpec) -> dict[str, str]:
    names = [language(code).name for code in task.languages]
    more = f" and {len(names) - _MANY} more" if len(names) > _MANY else ""
    facts = {
        "Languages": f"{len(names)}: {', '.join(names[:_MANY])}{more}" if len(names) > 1 else names[0],
        "Metric": ", ".join(in_plain(str(m)) for m in task.metrics),
        "Score of guessing": f"{100 * task.chance:.1f} %" if task.chance else "0 %",
    }
    if task.train_examples is not None or task.test_examples is not None:
        sizes = ((task.train_examples, "train"), (task.test_examples, "test"))
        of = language("en" if "en" in task.languages else task.languages[0]).name
        facts[f"Published examples, {of}"] = ", ".join(f"{n:,} {part}" for n, part in sizes if n is not None)
    if task.domain_words:
        facts["Domain"] = ", ".join(task.domain_words)
    if task.parts:
        facts["Made of"] = ", ".join(map(titles().of, task.parts))
    if task.in_task_with:
        facts["Same task as"] = ", ".join(map(titles().of, task.in_task_with))
    return {k: md(v) for k, v in (facts | {"Licence": task.licence, "Source": task.citation}).items()}
