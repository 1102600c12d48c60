"""Panels of the analysis page: the answer, the figures behind it, groups, predictions, claims, what to run next."""

from __future__ import annotations

from functools import partial
from typing import Any

import pandas as pd
import streamlit as st

from core.actions.command import caution_of
from core.analysis.answer import Answer
from core.analysis.model import Analysis, scale_label
from core.analysis.next_cells import NO_PAIR
from core.analysis.surfaces import Marginal
from core.figures.analysis import gain_bins, group_effects, group_shares, marginal_effect, variance_shares
from core.queries.evidence import Evidence
from core.queries.scales import UNITS
from pages.widgets.analysis.choice import How
from pages.widgets.export import export_popover
from pages.widgets.shared import group_titles, mode, titles
from pages.widgets.show import chart, language_label, md, p_column, show_command, source_badge, table

_LOOKS = {
    "fair": ("green", ":material/balance:", "sufficient evidence"),
    "thin": ("orange", ":material/hourglass_bottom:", "thin evidence"),
    "none": ("red", ":material/block:", "no answer yet"),
}
_LEVEL = 0.05
_FEW = 5
"""Intermediates in a field, below which its mean is called unreliable."""

DETECTABLE = "The smallest effect that a study of this size finds with a chance of 80 %."
"""Of a column."""
Q_VALUE = "p value, corrected for the number of rows that were tested."
GAINED = "Test examples that only the run with the intermediate got right."
LOST = "Test examples that only the baseline got right."
NDCG = "How well the best intermediates stand at the top of the ranking: 1 is perfect."
REGRET = "What is lost by trying only the first 1, 3 or 5 of the ranking, as a share of the range of gains: 0 is best."
ELSEWHERE = "Against ranking by the mean gain on the other targets, which needs no selector."
NARROWER = "By how much the 95 % interval would shrink."


def show_answer(said: Answer, found: Evidence, missing: pd.DataFrame) -> None:
    """The answer in words, and what is missing.

    Args:
        said: The sentences.
        found: What they are about.
        missing: As `core.actions.proposals.gaps` returns it.
    """
    color, icon, text = _LOOKS[said.weight]
    with st.container(border=True):
        st.markdown(f":{color}-badge[{icon} {text}] {source_badge(found.pooled.data_source)}")
        st.markdown(f"**{md(said.headline)}**")
        if said.details:
            with st.expander("How sure that is, and what else gains go with", icon=":material/rule:"):
                st.markdown("\n".join(f"- {md(detail)}" for detail in said.details))
        origins = "; ".join(f"{name.capitalize()}: {text}" for name, text in found.origins.items())
        st.caption(md(f"The program writes these sentences from the numbers. {origins}."))
    for gap in missing[missing["remedy"] != ""].to_dict("records"):
        with st.expander(f"{gap['cells']} cells are left out: {md(gap['why'])}", icon=":material/rule:"):
            st.markdown(md(f"It is so for: {gap['names']}. This command makes what is missing:"))
            show_command(gap["remedy"])


def show_effects(found: Evidence, model: Analysis, bins: pd.DataFrame, effects: dict[str, Marginal | None]) -> None:
    """The binned surface and both marginal effects.

    Args:
        found: The evidence.
        model: Fitted to it.
        bins: From `binned`.
        effects: From `marginal`, by term.
    """
    if bins.empty or model.fit is None:
        st.info(model.problem or "Nothing to draw.", icon=":material/hourglass_empty:")
        return
    axes = {name: scale_label(name, evidence=found) for name in ("difficulty", "similarity")}
    unit, factor = UNITS[found.options.scale].name, UNITS[found.options.scale].factor
    chart(
        lambda: gain_bins(
            bins, x_title=axes["similarity"], y_title=axes["difficulty"], unit=unit, factor=factor, mode=mode()
        ),
        key="bins", source=found.pooled.data_source,
        alt="Mean gain in fields of difficulty and similarity, with intervals; the part Numbers has the model",
    )  # fmt: skip
    st.caption(
        f"Each field: mean gain in {unit} of the n intermediates whose difficulty and similarity lie in it, with its "
        "95 % interval over them (none where n is 1). Low, middle and high are thirds of all gains, as equal in number "
        "as they can be. How much a field's targets and languages differ from the mean of all is subtracted. An "
        f"intermediate may lie in several fields, as its similarity differs by target. {_few(bins)}"
    )
    with st.grid(2, min_column_width=320):
        for name, title in axes.items():
            drawn = effects[name]
            if drawn is None:
                why = model.prepared.dropped.get(name, "not in the model")
                st.caption(f"The effect of {name} is not drawn: {why}.")
                continue
            draw = partial(
                marginal_effect,
                drawn.line,
                drawn.points,
                x_title=f"{name}: {title}",
                unit=unit,
                factor=factor,
                mode=mode(),
            )
            alt = f"Model's effect of {name} with the intermediates around it"
            chart(draw, key=f"marginal-{name}", alt=alt, source=found.pooled.data_source)
    st.caption(
        "Line and band: what the model says (a mixed model, see docs/analysis.md) with its 95 % limits, all else at "
        "its average. Points: intermediates, each at its mean over targets and languages, with the effects of all else "
        "taken out."
    )


def _few(bins: pd.DataFrame) -> str:
    most = int(bins["intermediates"].max())
    return f"No field has more than {most} intermediates, so none is reliable by itself." if most < _FEW else (
        f"A field with fewer than {_FEW} intermediates is not reliable by itself."
    )  # fmt: skip


def show_shares(model: Analysis, groups: pd.DataFrame | None, *, kind: str, of: Evidence) -> None:
    """Shares of variance over all cells, and effects and shares by group.

    Args:
        model: Fitted to all cells.
        groups: The model within each group; None: not computed yet.
        kind: target, family or script.
        of: The evidence.
    """
    shares = model.estimates[model.estimates["kind"] == "share"]
    if shares.empty:
        st.info(model.problem or "Nothing to draw.", icon=":material/hourglass_empty:")
        return
    source, alt = of.pooled.data_source, "Shares of the variance of gains, with limits"
    chart(lambda: variance_shares(shares, mode=mode()), key="shares", alt=alt, source=source)
    st.caption(
        "Gains differ between cells. Which part of these differences goes with the difficulty, the language and so on, "
        "as the mixed model sees it, with 95 % limits where they are known. All rows together are the whole. The tab "
        "Numbers has each number with its method."
    )
    if groups is None:
        return
    groups = groups.assign(group=group_titles(groups))
    terms, parts = groups[groups["kind"] == "term"], groups[groups["kind"] == "share"]
    if not terms.empty:
        st.markdown(
            f"**Within each {kind}**: how much the gain changes with one standard deviation more (of its own cells)"
        )
        unit = UNITS[of.options.scale]
        draw = partial(group_effects, terms, unit=unit.name, factor=unit.factor, mode=mode())
        chart(draw, key="group-effects", alt=f"Effects by {kind} with intervals", source=source)
        alt = f"Shares of variance by {kind} with limits"
        chart(lambda: group_shares(parts, mode=mode()), key="group-shares", alt=alt, source=source)
        st.caption(
            f"The second picture: of the gains of each {kind} alone, the share of their variance that goes with "
            "difficulty, similarity, and all else that sets an intermediate apart; another whole than in the picture "
            "above. Intervals are not corrected for the number of groups: if one of many leaves out zero, that may be "
            "chance."
        )
    for row in groups[groups["kind"].isna()].to_dict("records"):
        st.caption(md(f"{row['group']}: {row['note']}"))


def show_cells(rows: pd.DataFrame, *, target: str, how: How) -> None:
    """Tests of the cells of a target, corrected over all of them.

    Args:
        rows: As `cell_tests` returns them.
        target: Whose cells.
        how: Command that says the same, and of what data.
    """
    number = st.column_config.NumberColumn
    percent = ("gain", "ci_low", "ci_high", "detectable")
    shown = rows.assign(**{name: 100 * rows[name].astype("float64") for name in percent})
    table(
        shown.assign(intermediate=shown["intermediate"].map(titles().of), lang=shown["lang"].map(language_label)),
        alt=f"A paired test of every cell of {titles().of(target)}", key="cells_table",
        columns={
            "intermediate": "intermediate", "lang": "language", "gain": number("gain, points", format="%+.2f"),
            "ci_low": number("95 % from", format="%+.2f"), "ci_high": number("to", format="%+.2f"),
            "q_value": p_column("q", help=Q_VALUE), "p_value": p_column("p"),
            "detectable": number("detectable, points", format="%.2f", help=DETECTABLE), "n_seeds": "seeds",
            "n_examples": "examples", "gained": st.column_config.NumberColumn("gained", help=GAINED),
            "lost": st.column_config.NumberColumn("lost", help=LOST),
            "p_mcnemar": p_column("McNemar p", help="Whether more examples were gained than lost, or fewer."),
            "method": "method", "note": "note",
        },
    )  # fmt: skip
    found = int((rows["q_value"].astype("float64") <= _LEVEL).sum())
    tested = int(rows["p_value"].notna().sum())
    st.caption(
        f"A cell is one language after one intermediate. {found} of {tested} tested gains differ from zero (paired "
        "tests over test examples and the seeds that there are: one seed says nothing of another), corrected "
        "for the number of cells in this table (q at most 0.05: about one in twenty of those is a false alarm). Not "
        "differing does not mean that there is no gain: one smaller than the column *detectable* is easily missed, as "
        "with so many test examples and seeds only gains of that size are found with a chance of 80 %. Gained and "
        "lost: examples that only the run with, or only the run without, the intermediate got right."
    )
    how_to(how, rows, name=f"cells-{target}")


def show_predictions(rows: pd.DataFrame, *, how: How) -> None:
    """Selectors against random, best first.

    Args:
        rows: As `judge_selectors` returns them.
        how: Command that says the same, and of what data.
    """
    number = st.column_config.NumberColumn
    shown = _with_limits(rows, "ndcg", "ndcg_over_random", "regret_at_1_over_random")
    table(
        shown, alt="Selectors: how well each ranks the intermediates of each target, before training", key="selectors",
        columns={
            "selector": "selector", "label": "what it does", "direction": "kept aside", "pairs": "pairs",
            "targets": "targets", "ndcg": number("NDCG", format="%.3f", help=NDCG), "ndcg_limits": "95 %",
            "ndcg_random": number("chance", format="%.3f"), "ndcg_mnli": number("always MNLI", format="%.3f"),
            "ndcg_over_random": number("NDCG − chance", format="%+.3f"), "ndcg_over_random_limits": "95 %",
            "ndcg_p": p_column("p"), "ndcg_over_mean": number("NDCG − mean elsewhere", format="%+.3f", help=ELSEWHERE),
            "regret_at_1": number("regret@1", format="%.3f", help=REGRET),
            "regret_at_1_random": number("chance@1", format="%.3f"),
            "regret_at_1_mnli": number("always MNLI@1", format="%.3f"),
            "regret_at_1_over_random": number("regret@1 − chance", format="%+.3f"),
            "regret_at_1_over_random_limits": "95 %", "regret_at_3": number("@3", format="%.3f"),
            "regret_at_5": number("@5", format="%.3f"), "kendall_tau": number("Kendall τ", format="%+.2f"),
            "note": "why not evaluated",
        },
    )  # fmt: skip
    st.caption(
        "A selector ranks the intermediates of a target, whole tasks and parts, before any of them is trained for it; "
        "its ranking is compared with the gains that were then measured. Numbers are means over targets; where one "
        "language is left out of what a selector learns from, over languages. Each row uses the pairs of intermediate "
        "and target for which its selector has a score. Chance is the mean over all orders of the same pairs; for a "
        "selector that learns from gains it is what it reaches when each intermediate has the gains of another one, "
        "drawn at random, so it differs from row to row. Compare the difference from chance, and only of rows with the "
        "same pairs and targets: some rows hold retrieval, and some whole tasks alone. The 95 % limits beside a number "
        "are that number's: of NDCG over targets; of a difference from chance, like p, from exchanging intermediates."
    )
    how_to(how, rows, name="predictions")


_HEADS = {"size": "training set size", "type_match": "same task type"}
"""Of selectors whose names are no words."""


def show_explained(rows: pd.DataFrame, *, target: str, how: How) -> None:
    """What each selector adds to what the combination predicts for a target that it has not seen.

    Args:
        rows: As `explained` returns them.
        target: Its name.
        how: Command that says the same, and of what data.
    """
    if rows["note"].notna().any():
        st.caption(md(f"No explanation: {rows['note'].iloc[0]}"))
        return
    number = st.column_config.NumberColumn
    names = list(dict.fromkeys(rows["selector"]))
    wide = rows.pivot_table(index=["intermediate", "predicted", "gain"], columns="selector", values="contribution")
    wide = (100 * wide.reset_index(["predicted", "gain"])[["predicted", "gain", *names]]).reset_index()
    table(
        wide.assign(intermediate=wide["intermediate"].map(titles().of)).sort_values("predicted", ascending=False),
        key="explained", alt=f"Predicted gains on {titles().of(target)} and what each selector adds to them",
        columns={"intermediate": "intermediate", "predicted": number("predicted, points", format="%+.2f"),
                 "gain": number("gain, points", format="%+.2f")}
        | {name: number(_HEADS.get(name, name), format="%+.2f") for name in names},
    )  # fmt: skip
    st.caption(
        "The selectors whose value is known for every pair, taken together (combination, one target left out: a ridge "
        "regression fitted to the other targets), predict how many points above or below the target's mean gain each "
        "will be; the column gain counts from zero. What the selectors add sums to the prediction, but for rounding."
    )
    how_to(how, rows, name=f"explained-{target}")


def show_frozen(rows: pd.DataFrame) -> None:
    """What the selectors said of launches before their runs were made, and how right they were.

    Args:
        rows: As `frozen_rankings` returns them.
    """
    st.markdown("**Rankings that were written down before the runs**")
    if rows.empty:
        st.caption(
            "None yet. Whenever two or more intermediates are launched, the ranking of every selector is written down "
            "first and is compared with the gains here once the runs have ended."
        )
        return
    number = st.column_config.NumberColumn
    shown = _with_limits(rows, "ndcg", "ndcg_over_random")
    table(
        shown, alt="Rankings written down at launch, with their scores once the runs have ended", key="frozen",
        columns={
            "study": "study", "frozen_at": st.column_config.DatetimeColumn("written (UTC)", format="YYYY-MM-DD HH:mm"),
            "model": "model", "target": "target", "selector": "selector", "state": "state", "choice": "its choice",
            "best": "the best", "ndcg": number("NDCG", format="%.3f"), "ndcg_limits": "95 %",
            "ndcg_random": number("chance", format="%.3f"),
            "ndcg_over_random": number("NDCG − chance", format="%+.3f"), "ndcg_over_random_limits": "95 %",
            "regret_at_1": number("regret@1", format="%.3f"), "regret_at_1_random": number("chance@1", format="%.3f"),
            "kendall_tau": number("Kendall τ", format="%+.2f"), "intermediates": "ranked", "ended": "with a gain",
            "targets": "targets", "n_done": "runs ended before", "note": "note",
        },
    )  # fmt: skip
    st.caption(
        "A ranking is written when the runs are launched and never changed. `all`: mean over the targets of a launch, "
        "with limits where there are two or more. A selector never sees a gain of the target it ranks for."
    )


def show_next(rows: pd.DataFrame, *, how: How) -> None:
    """What to fill in and run next.

    Args:
        rows: As `propose` returns them.
        how: Command that says the same, and of what data.
    """
    st.header("Runs that would narrow the answer across tasks most", anchor=False)
    if rows.empty:
        st.caption(NO_PAIR)
        return
    percent = st.column_config.NumberColumn
    shown = rows.assign(**{n: 100 * rows[n].astype("float64") for n in ("difficulty_narrower", "similarity_narrower")})
    columns = {
        "kind": "what", "intermediate": "intermediate", "target": "target", "runs": "runs",
        "difficulty_narrower": percent("difficulty narrower, %", format="%.1f", help=NARROWER),
        "similarity_narrower": percent("similarity narrower, %", format="%.1f", help=NARROWER), "why": "why",
        "command": "command",
    }  # fmt: skip
    table(shown, alt="Runs that would narrow the intervals most", key="next", columns=columns)
    st.caption(
        "Fill: measure the difficulty or similarity that existing runs still lack. Run: a new pair of intermediate "
        "and target. Seeds: more seeds of pairs that are there. Narrower: by how much the 95 % interval of effect of "
        "difficulty, or of similarity, would shrink, if all that the mixed model does not explain is noise between "
        "seeds (of more seeds an upper limit, where no pair was run with two); the order is by the mean of both, "
        "divided by the number of runs. Tasks whose difficulty nobody measured are not in this list."
    )
    if caution := caution_of(*rows["command"]):
        st.caption(md(caution))
    how_to(how, rows, name="next")


def show_numbers(figures: pd.DataFrame, *, how: How) -> None:
    """Every number with formula, unit, n and method.

    Args:
        figures: Rows of `ESTIMATES`.
        how: Command that says the same, and of what data.
    """
    number = st.column_config.NumberColumn
    table(
        figures, alt="Every number of the analysis with interval, n, method and formula", key="figures",
        columns={
            "kind": "kind", "name": "name", "estimate": number("estimate", format="%.5f"),
            "ci_low": number("95 % from", format="%.5f"), "ci_high": number("to", format="%.5f"),
            "p_value": p_column("p"), "n": "n", "n_unit": "counted in", "unit": "unit",
            "detectable": number("detectable", format="%.5f", help=DETECTABLE), "method": "method",
            "formula": "formula", "note": "note",
        },
    )  # fmt: skip
    st.caption(
        "A scaled gain is a gain in the unit that is chosen under Measures and filter, as a fraction: 0.05 is 5 % "
        "of the head-room. Kinds of rows: `term`, an effect in the model; `naive`, the same in a plain regression, "
        "which takes every cell for independent; `share`, a part of the variance; `residual`, how far a run usually "
        "lies from what the mixed model expects at a target; `permutation`, the p value of difficulty or similarity, "
        "from exchanging the measured values among intermediates; `null`, how well pairs that were kept aside are "
        "predicted by simpler models and by the full one, and by which part of the squared error they differ. The term "
        "`intercept` is the gain expected where all else is average, over targets and languages like these: its "
        "interval is wider than that of the mean gain on Overview, which is of these targets alone."
    )
    how_to(how, figures, name="analysis")


def how_to(how: How, rows: pd.DataFrame, *, name: str) -> None:
    """The command that says the same, and the rows as files.

    Args:
        how: Command that says the same, and of what data.
        rows: What was shown.
        name: Of the rows, in words and in the files' names.
    """
    with st.container(horizontal=True, vertical_alignment="center"):
        st.caption("The same from a terminal:")
        st.code(how.command, language=None, wrap_lines=True)
        export_popover(f"transfer-atlas-{name}", rows, what=name, source=how.source)


def _with_limits(rows: pd.DataFrame, *names: str) -> pd.DataFrame:
    """The rows with the limits of these estimates as text, each in a column named after it."""
    return rows.assign(
        **{f"{n}_limits": [_limits(*ends) for ends in zip(rows[f"{n}_low"], rows[f"{n}_high"], strict=True)]
           for n in names}
    )  # fmt: skip


def _limits(low: Any, high: Any) -> str:  # noqa: ANN401  # cells of a frame
    return "" if pd.isna(low) else f"{low:.3f} to {high:.3f}".replace("-", "−")
