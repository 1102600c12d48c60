"""The comparison of runs: who they are, what must not be compared, scores with differences, settings, lines."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import pandas as pd
import streamlit as st

from core.analysis.compare import cautions, mean_differences, obstacles
from core.figures.parallel import Line, parallel_languages, parallel_settings
from core.store.counted import REASONS
from core.store.gallery import whose
from pages.widgets.export import export_popover
from pages.widgets.shared import mode, titles
from pages.widgets.show import chart, language_label, md, p_column, points, source_badge, table

_MOST_AXES = 10
_NO_AXIS = {"environment", "task", "data"}
"""Sections that say where a run was made, not what was asked for."""


def show_runs(rows: pd.DataFrame, lines: Sequence[Line]) -> None:
    """The letters of the runs, each a link to its run, and what they have in common.

    Args:
        rows: As `known_runs` returns them.
    """
    chosen, named = rows.loc[[line.run_id for line in lines]], titles()
    with st.container(horizontal=True, gap="small"):
        for line, row in zip(lines, chosen.to_dict("records"), strict=True):
            name = f"{md(named.of(row['intermediate']))} → {md(named.of(row['target']))}, seed {row['seed']}"
            st.page_link(
                "pages/runs.py", label=f"**{line.letter}** · {name}", help=f"Open run {line.run_id}",
                query_params={"run": line.run_id},
            )  # fmt: skip
    kinds = [str(kind) for kind in chosen["data_source"].drop_duplicates()]
    mixed = " :orange[These runs are not on the same data.]" if len(kinds) > 1 else ""
    st.markdown(" ".join(map(source_badge, kinds)) + mixed)
    read: dict[str, Callable[[str], str]] = {
        "target": named.of,
        "model": named.of_model,
        "protocol": str,
        "collection": whose,
    }
    common = [f"{name} {say(str(chosen[name].iloc[0]))}" for name, say in read.items() if chosen[name].nunique() == 1]
    if common:
        same = ", ".join(common).replace("collection ", "")
        st.caption(f"All of them: {md(same)}. The others are compared with {lines[0].letter}.")


def show_cautions(made: pd.DataFrame, lines: Sequence[Line]) -> None:
    """Other code and other numbers of threads.

    Args:
        made: As `core.queries.compare.made_by` returns it.
    """
    for text in cautions(made, letters={line.run_id: line.letter for line in lines}):
        st.warning(md(text), icon=":material/build_circle:")


def show_excluded(excluded: Mapping[str, str], lines: Sequence[Line]) -> None:
    """Which runs prove nothing, and why.

    Args:
        excluded: Run → reason.
    """
    for line in lines:
        if why := excluded.get(line.run_id):
            st.markdown(f":orange[:material/block:] **{line.letter} does not count: {md(why)}.** {md(REASONS[why])}")


def show_obstacles(grid: pd.DataFrame, lines: Sequence[Line]) -> None:
    """What is not compared, and why.

    Args:
        grid: As `core.queries.compare.score_grid` returns it.
    """
    letters = {line.run_id: line.letter for line in lines}
    for row in obstacles(grid).to_dict("records"):
        who, first = letters[row["run_id"]], lines[0].letter
        if row["whole"]:
            where = f" ({md(row['langs'])})" if row["missing"].startswith("not scored") else ""
            st.warning(
                f"**{who} is not compared with {first}:** {md(row['missing'])}{where}. Its scores are shown "
                "without a difference.",
                icon=":material/difference:",
            )
        else:
            count = f"{row['n_langs']} language{'s' if row['n_langs'] > 1 else ''}"
            st.caption(f"**{who}:** {count} without a difference, {md(row['missing'])} ({md(row['langs'])}).")


def show_scores(grid: pd.DataFrame, tests: pd.DataFrame | None, lines: Sequence[Line]) -> None:
    """Means in words, and the table by language.

    Args:
        grid: As `core.queries.compare.score_grid` returns it.
        tests: As `core.analysis.compare.paired_tests` returns them; None for a metric that has no tests.
    """
    letters = {line.run_id: line.letter for line in lines}
    first = lines[0].letter
    means = mean_differences(grid).to_dict("records")
    st.markdown("\n".join(_mean_text(row, who=letters[row["run_id"]], first=first) for row in means if row["n_langs"]))
    wide, columns = _wide(grid, tests, lines)
    table(wide, alt="Scores of the chosen runs per language, with differences to the first", columns=columns,
          height=min(38 + 35 * len(wide), 620))  # fmt: skip
    st.caption(_how(tests, first=first))
    rows = grid if tests is None else grid.merge(tests, on=["run_id", "lang"], how="left")
    export_popover("compare-scores", rows, what="compared scores")


def show_lines(grid: pd.DataFrame, settings: pd.DataFrame, lines: Sequence[Line], *, metric: str, kind: str) -> None:
    """Parallel coordinates over languages or settings.

    Args:
        grid: As `core.queries.compare.score_grid` returns it.
        settings: As `core.queries.runs.settings.run_settings` returns them.
        metric: What is scored.
        kind: "Languages" or "Settings".
    """
    kept, left_out = comparable(grid, lines)
    # A score on other examples than the first run's is no point on the same scale.
    alike = grid["difference"].notna() | (grid["run_id"] == lines[0].run_id)
    scores = grid.assign(score=grid["score"].where(alike)).pivot(index="lang", columns="run_id", values="score")
    scores = scores.reindex(pd.unique(grid["lang"]))
    same = [lang for lang in scores.index if scores.loc[lang, [line.run_id for line in kept]].notna().all()]
    if left_out:
        letters = ", ".join(line.letter for line in left_out)
        st.caption(f"Not drawn, because not comparable with {lines[0].letter}: {letters}.")
    if kind == "Languages":
        drawn = scores.dropna(how="all", subset=[line.run_id for line in kept])
        if drawn.empty:
            st.caption("No language has been scored.")
            return
        chart(
            lambda: parallel_languages(drawn, kept, metric=metric, mode=mode()), key="parallel-languages",
            alt=f"{metric} of {len(kept)} runs in {len(drawn)} languages; the table above holds the same numbers",
        )  # fmt: skip
        by_language = partial(parallel_languages, drawn, kept, metric=metric)
        export_popover("compare-languages", figures={"Lines by language": by_language})
        return
    axes = axes_of(settings, scores.loc[same], kept, metric=metric)
    if axes.empty:
        st.caption("The runs that can be compared have the same settings and no language in common.")
        return
    chart(
        lambda: parallel_settings(axes, kept, mode=mode()), key="parallel-settings",
        alt=f"{len(kept)} runs over the {len(axes)} settings in which they differ, as the table above lists them",
    )  # fmt: skip
    export_popover("compare-settings", figures={"Lines by setting": partial(parallel_settings, axes, kept)})
    if same:
        st.caption(f"The last axis is the mean over the {len(same)} languages that all of them were scored in.")


def show_settings(settings: pd.DataFrame, lines: Sequence[Line], *, everything: bool) -> None:
    """Fields of the runs, as a rule those in which they differ.

    Args:
        settings: As `core.queries.runs.settings.run_settings` returns them.
        everything: Also the fields in which they agree.
    """
    shown = settings if everything else settings[settings["differs"]]
    if shown.empty:
        st.caption("The runs are the same in every setting.")
        return
    named = shown.rename(columns={line.run_id: line.letter for line in lines})
    # One pinned column, so that a phone still shows a run beside it.
    named = named.assign(
        field=[f"{s} · {f}" if s != f else f for s, f in zip(shown["section"], shown["field"], strict=True)]
    )
    columns: dict[str, Any] = {"field": st.column_config.TextColumn("field", width=190, pinned=True)}
    columns |= {line.letter: st.column_config.TextColumn(line.letter) for line in lines}
    table(named, alt="Settings of the chosen runs, one field a row", columns=columns,
          height=min(38 + 35 * len(named), 620))  # fmt: skip
    same = len(settings) - int(settings["differs"].sum())
    st.caption(
        f"{int(settings['differs'].sum())} settings differ, {same} are the same. –: the run has no such setting."
    )


def comparable(grid: pd.DataFrame, lines: Sequence[Line]) -> tuple[list[Line], list[Line]]:
    """Runs that may be drawn on one scale (the first, and those with a difference to it), and the others.

    Args:
        grid: As `core.queries.compare.score_grid` returns it.
    """
    there = set(grid.loc[grid["difference"].notna(), "run_id"]) | {lines[0].run_id}
    return [line for line in lines if line.run_id in there], [line for line in lines if line.run_id not in there]


def axes_of(settings: pd.DataFrame, scores: pd.DataFrame, lines: Sequence[Line], *, metric: str) -> pd.DataFrame:
    """Settings in which the runs differ, by name, and their mean score in per cent as the last row.

    Args:
        settings: As `core.queries.runs.settings.run_settings` returns them.
        scores: Rows languages that all of the runs have, columns run ids.
        lines: The runs that are drawn.
        metric: Name of the score's axis.
    """
    ids = [line.run_id for line in lines]
    asked = settings[~settings["section"].isin(_NO_AXIS)]
    # Details of a model or an intermediate follow from its name, which is an axis already.
    asked = asked[(asked["section"] != "model") | (asked["field"] == "name")]
    asked = asked[(asked["section"] != "intermediate") | (asked["field"] == "intermediate")]
    asked = asked[~asked["field"].isin(["study", "outcome", "collection", "summary"])]
    differs = [len(set(line)) > 1 for line in asked[ids].to_numpy().tolist()]
    kept = asked.loc[differs].head(_MOST_AXES)
    names = [
        f"{s}.{f}" if s in ("model", "protocol") else f for s, f in zip(kept["section"], kept["field"], strict=True)
    ]
    axes = kept[ids].set_axis(names, axis=0).astype(object)
    if len(scores):
        means = 100 * scores[ids].astype("float64").mean()
        axes.loc[f"mean {metric}, %"] = [round(float(means[name]), 2) for name in ids]
    return axes


def _mean_text(row: dict[Any, Any], *, who: str, first: str) -> str:
    limits = (
        f" (95 % interval {points(row['low'])} to {points(row['high'])}, over languages)"
        if pd.notna(row["low"])
        else ""
    )
    return (
        f"- **{who} − {first}:** {points(row['difference'])} points on average over {row['n_langs']} "
        f"language{'s' if row['n_langs'] != 1 else ''}{limits}. {who} is higher than {first} in {row['higher']} of "
        "them."
    )


def _how(tests: pd.DataFrame | None, *, first: str) -> str:
    said = f"Scores in per cent, differences from {first} in points. Each column is one run: no mean over seeds. "
    if tests is None:
        return said + "Only the main metric has intervals: for it scores of single examples are stored."
    n = int(tests["p_value"].notna().sum())
    if not n:
        return said + ("No interval: that needs stored scores of single examples of both runs.")
    return said + (
        "95 % interval: from a paired bootstrap over the same test examples, for these two runs alone. q: p value, "
        f"corrected for the {n} differences that were tested (Benjamini–Hochberg). *: q below 0.05. Gained / lost: "
        f"examples that only this run got right, and that only {first} did. The average above leaves English out, "
        "which the target was trained in."
    )


def _wide(grid: pd.DataFrame, tests: pd.DataFrame | None, lines: Sequence[Line]) -> tuple[pd.DataFrame, dict[str, Any]]:
    """One row a language; the columns of each run beside each other."""
    number = st.column_config.NumberColumn
    whole = grid if tests is None else grid.merge(tests, on=["run_id", "lang"], how="left")
    wide = pd.DataFrame({"language": [language_label(code) for code in pd.unique(grid["lang"])]})
    columns: dict[str, Any] = {"language": st.column_config.TextColumn("language", width=140, pinned=True)}
    for place, line in enumerate(lines):
        part = whole[whole["run_id"] == line.run_id].reset_index(drop=True)
        letter = line.letter
        wide[letter] = 100 * part["score"].astype("float64")
        columns[letter] = number(f"{letter}, %", format="%.2f", width=72)
        if not place or part["difference"].isna().all():
            continue
        wide[f"{letter} difference"] = 100 * part["difference"].astype("float64")
        columns[f"{letter} difference"] = number(f"{letter} − {lines[0].letter}", format="%+.2f", width=76)
        if tests is not None and part["p_value"].notna().any():
            wide[f"{letter} interval"] = [_limits(row) for row in part.to_dict("records")]
            wide[f"{letter} q"] = part["q_value"].astype("float64")
            wide[f"{letter} flips"] = [_flips(row) for row in part.to_dict("records")]
            columns[f"{letter} interval"] = st.column_config.TextColumn("95 % interval", width=120)
            columns[f"{letter} q"] = p_column("q", width=72)
            columns[f"{letter} flips"] = st.column_config.TextColumn(
                "gained / lost",
                width=90,
                help="Examples that only this run got right, and that only the first one did.",
            )
    n = grid[grid["n"].notna()].groupby("lang")["n"].agg(["min", "max"]).reindex(pd.unique(grid["lang"]))
    wide["n"] = [f"{a:.0f}" if a == b else f"{a:.0f}–{b:.0f}" for a, b in zip(n["min"], n["max"], strict=True)]
    columns["n"] = st.column_config.TextColumn("examples", width=80)
    return wide, columns


def _limits(row: dict[Any, Any]) -> str | None:
    if pd.isna(row["ci_low"]):
        return None
    star = " *" if pd.notna(row["q_value"]) and row["q_value"] < 0.05 else ""
    return f"{points(row['ci_low'])} to {points(row['ci_high'])}{star}"


def _flips(row: dict[Any, Any]) -> str | None:
    return None if pd.isna(row["gained"]) else f"{row['gained']:.0f} / {row['lost']:.0f}"
