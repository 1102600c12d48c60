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
from pages.widgets.shared import mode
from pages.widgets.show import chart, md, p_column, show_command, source_badge, table

_LOOKS = {
    "fair": ("green", ":material/balance:", "sufficient evidence"),
    "thin": ("orange", ":material/hourglass_bottom:", "thin evidence"),
    "none": ("red", ":material/block:", "no answer yet"),
}
_LEVEL = 0.05


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
        for detail in said.details:
            st.markdown(f"- {md(detail)}")
        origins = "; ".join(f"{name}: {text}" for name, text in found.origins.items())
        st.caption(md(f"Sentences are generated from the model's estimates. {origins}."))
    for gap in missing[missing["remedy"] != ""].to_dict("records"):
        with st.expander(f"{gap['cells']} cells are excluded: {gap['what']}", icon=":material/rule:"):
            st.markdown(md(f"{gap['why']}: {gap['names']}."))
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
    titles = {name: scale_label(name, evidence=found) for name in ("difficulty", "similarity")}
    unit, factor = UNITS[found.options.scale].name, UNITS[found.options.scale].factor
    chart(
        lambda: gain_bins(
            bins, x_title=titles["similarity"], y_title=titles["difficulty"], unit=unit, factor=factor, mode=mode()
        ),
        key="bins", alt="Mean gain by bins of difficulty and similarity, with intervals; the tab Numbers has the model",
        source=found.pooled.data_source,
    )  # fmt: skip
    st.caption(
        f"Mean gain in {unit}, adjusted for target and language means; 95 % t interval over the "
        "intermediates of a bin (n), none below two. Bins with few intermediates are unreliable."
    )
    with st.grid(2, min_column_width=320):
        for name, title in titles.items():
            drawn = effects[name]
            if drawn is None:
                st.caption(f"{name}: {model.prepared.dropped.get(name, 'not in the model')}.")
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
    st.caption("Line and band: crossed mixed model, other covariates at their means. Points: adjusted intermediates.")


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
    source, alt = of.pooled.data_source, "Shares of the variance of mean gains, with limits"
    chart(lambda: variance_shares(shares, mode=mode()), key="shares", alt=alt, source=source)
    st.caption(
        "Fitted shares with 95 % limits in which all variances are uncertain together. The tab Numbers has the "
        "formulas."
    )
    if groups is None:
        return
    terms, parts = groups[groups["kind"] == "term"], groups[groups["kind"] == "share"]
    if not terms.empty:
        st.markdown(f"**By {kind}**, one standard deviation within the group")
        unit = UNITS[of.options.scale]
        draw = partial(group_effects, terms, unit=unit.name, factor=unit.factor, mode=mode())
        chart(draw, key="group-effects", alt=f"Effects by {kind} with intervals", source=source)
        alt = f"Shares of variance by {kind} with limits"
        chart(lambda: group_shares(parts, mode=mode()), key="group-shares", alt=alt, source=source)
        st.caption(
            "Intervals are not corrected for the number of groups: a single significant group may be due to chance."
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
        shown, alt=f"A paired test of every cell of {target}", key="cells",
        columns={
            "intermediate": "intermediate", "lang": "language", "gain": number("gain, points", format="%+.2f"),
            "ci_low": number("95 % from", format="%+.2f"), "ci_high": number("to", format="%+.2f"),
            "q_value": p_column("q"), "p_value": p_column("p"),
            "detectable": number("detectable, points", format="%.2f"), "n_seeds": "seeds", "n_examples": "examples",
            "gained": "gained", "lost": "lost", "p_mcnemar": p_column("McNemar p"), "method": "method",
            "note": "note",
        },
    )  # fmt: skip
    found = int((rows["q_value"].astype("float64") <= _LEVEL).sum())
    tested = int(rows["p_value"].notna().sum())
    st.caption(
        f"{found} of {tested} tested cells differ from zero at a false discovery rate of 5 % "
        "(Benjamini-Hochberg over the cells of this table). Detectable: the gain found with 80 % power; a "
        "cell that does not differ may have a smaller gain."
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
            "selector": "selector", "direction": "held out", "pairs": "pairs", "targets": "targets",
            "ndcg": number("NDCG", format="%.3f"), "ndcg_limits": "95 %",
            "ndcg_random": number("chance", format="%.3f"), "ndcg_mnli": number("always MNLI", format="%.3f"),
            "ndcg_over_random": number("NDCG − chance", format="%+.3f"), "ndcg_over_random_limits": "95 %",
            "ndcg_p": p_column("p"), "ndcg_over_mean": number("NDCG − mean elsewhere", format="%+.3f"),
            "regret_at_1": number("regret@1", format="%.3f"), "regret_at_1_random": number("chance@1", format="%.3f"),
            "regret_at_1_mnli": number("always MNLI@1", format="%.3f"),
            "regret_at_1_over_random": number("regret@1 − chance", format="%+.3f"),
            "regret_at_1_over_random_limits": "95 %", "regret_at_3": number("@3", format="%.3f"),
            "regret_at_5": number("@5", format="%.3f"), "kendall_tau": number("Kendall τ", format="%+.2f"),
            "label": "what it does", "note": "why not evaluated",
        },
    )  # fmt: skip
    st.caption(
        "NDCG (linear, 1 is perfect) and regret (share of the range of gains lost by trying the first k, 0 is best), "
        "means over targets. Each selector is evaluated on the pairs for which it has a score, and so are chance and "
        "always MNLI in its row. Compare selectors by their difference from chance; its limits and p exchange the "
        "gains of whole intermediates, as those of one on many targets hang together. Chance of what learns is what it "
        "reaches on exchanged gains. Mean elsewhere: the intermediate's mean gain on the other targets, which needs no "
        "selector."
    )
    how_to(how, rows, name="predictions")


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
        wide.sort_values("predicted", ascending=False), key="explained",
        alt=f"Predicted gains on {target} and what each selector adds to them",
        columns={"intermediate": "intermediate", "predicted": number("predicted, points", format="%+.2f"),
                 "gain": number("gain, points", format="%+.2f")}
        | {name: number(name, format="%+.2f") for name in names},
    )  # fmt: skip
    st.caption(
        "Points above the target's mean. The ridge was fitted to the other targets alone; what the selectors add sums "
        "to the prediction."
    )
    how_to(how, rows, name=f"explained-{target}")


def show_frozen(rows: pd.DataFrame) -> None:
    """What the selectors said of launches before their runs were made, and how right they were.

    Args:
        rows: As `frozen_rankings` returns them.
    """
    st.markdown("**Rankings frozen before the runs**")
    if rows.empty:
        st.caption(
            "None yet: a launch of two or more intermediates saves the ranking of every selector, which is "
            "evaluated here once the runs have ended."
        )
        return
    number = st.column_config.NumberColumn
    shown = _with_limits(rows, "ndcg", "ndcg_over_random")
    table(
        shown, alt="Rankings frozen at launch, with their scores once the runs have ended", key="frozen",
        columns={
            "study": "study", "frozen_at": st.column_config.DatetimeColumn("frozen (UTC)", format="YYYY-MM-DD HH:mm"),
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
        "Written when the launch was submitted and never again. `all`: mean over the targets of a launch, with limits "
        "over them; one target has none. A selector sees no gain of the target it ranks for."
    )


def show_next(rows: pd.DataFrame, *, how: How) -> None:
    """What to fill in and run next.

    Args:
        rows: As `propose` returns them.
        how: Command that says the same, and of what data.
    """
    st.header("Missing pairs that narrow the answer most", anchor=False)
    if rows.empty:
        st.caption(NO_PAIR)
        return
    percent = st.column_config.NumberColumn
    shown = rows.assign(**{n: 100 * rows[n].astype("float64") for n in ("difficulty_narrower", "similarity_narrower")})
    columns = {
        "kind": "kind", "intermediate": "intermediate", "target": "target", "runs": "runs",
        "difficulty_narrower": percent("difficulty narrower, %", format="%.1f"),
        "similarity_narrower": percent("similarity narrower, %", format="%.1f"), "why": "why", "command": "command",
    }  # fmt: skip
    table(shown, alt="Runs that would narrow the intervals most", key="next", columns=columns)
    st.caption("Narrower: expected reduction of the width of the 95 % interval, at the variances of the current model.")
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
            "p_value": p_column("p"), "n": "n", "n_unit": "of", "unit": "unit",
            "detectable": number("detectable", format="%.5f"), "method": "method", "formula": "formula", "note": "note",
        },
    )  # fmt: skip
    st.caption(
        "Gains are in the scale that is chosen (fractions, not points, of the head-room). "
        "`naive` treats every cell as independent and is shown for contrast; "
        "`detectable` is the effect found with 80 % power."
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
        st.caption("How to recompute:")
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
