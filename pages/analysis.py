"""How much difficulty and similarity explain, in words and figures; predictions; published claims; what to run next."""

from pages.widgets.nav import guard

guard()

import streamlit as st

st.title("Analysis")
st.caption(
    "Does it matter how hard the English intermediate task is, and how similar its text is to the target's? First "
    "inside one task: runs differ in which of its examples are trained on. Then across tasks: a correlation."
)

# The words above are painted before scipy and plotly are loaded.
from functools import partial

from core.analysis.contrasts.sentences import in_words
from core.queries.evidence import AnalysisOptions
from core.tasks import load_tasks
from pages.widgets.address import one_of
from pages.widgets.analysis import data, panels
from pages.widgets.analysis.choice import KINDS, PARTS, choose, recompute, refine
from pages.widgets.analysis.claims import show_claims
from pages.widgets.analysis.explore import show_any_two
from pages.widgets.analysis.fit_progress import watch
from pages.widgets.analysis.measures import show_measures
from pages.widgets.analysis.settle import settle_link, show_settling
from pages.widgets.analysis.within import show_contrasts
from pages.widgets.shared import paths, start, titles, version
from pages.widgets.show import empty

start()
now = version()
rows = data.available(now)
if rows.empty:
    empty(
        "No gain to analyse yet",
        "A gain needs two finished runs: one with an intermediate, and the same without (its baseline). Below are "
        "claims of papers, and the runs that would test each of them.",
        page="pages/launch.py",
        label="Launch runs",
    )
    panels.show_frozen(data.frozen(now))
    show_claims(data.judged_claims(now))
    st.stop()

pooled = choose(rows)
everything = data.gathered(now, pooled, AnalysisOptions()).frame
options = refine(sorted(everything["target"].unique()), sorted(set(everything["lang"]) - {"en"}))
found = data.gathered(now, pooled, options)
how = partial(recompute, pooled=pooled, options=options)
st.header("Inside one task", anchor=False)
group = one_of("Split by", KINDS, key="within", widget=st.segmented_control)
pairs = data.contrasts(now, pooled, options, group)
show_contrasts(pairs, in_words(pairs), scale=options.scale, how=how("contrasts", by=group))
st.header("Across tasks", anchor=False)
model = data.fitted(now, pooled, options)
compare = partial(data.held_out, now, pooled, options)
null = compare()
curves = partial(data.every_measure, now, pooled, options)
with_every = curves()
full = data.answer_of(now, pooled, options, null=null, every=with_every)
panels.show_answer(full.answer, found, data.gaps(now, pooled, options))
settle_link(full.answer.weight)
watch(null, compare, what="Predicting pairs of intermediate and target that were kept aside")

part = one_of(
    "Show", list(PARTS), key="part", widget=st.segmented_control, label_visibility="collapsed", format_func=PARTS.get
)
if part == "Effects":
    panels.show_effects(found, model, *data.surfaces(now, pooled, options))
elif part == "Variance":
    kind = one_of("Split by", KINDS, key="by", widget=st.segmented_control)
    by_kind = partial(data.grouped, now, pooled, options, kind)
    watch(groups := by_kind(), by_kind, what=f"Fitting each {kind}")
    panels.show_shares(model, groups.frame, kind=kind, of=found)
elif part == "Measures":
    watch(with_every, curves, what="Repeating the analysis with every other measure")
    show_measures(with_every.frame, options=options, how=how("analyse", every_measure=True))
elif part == "Explore":
    show_any_two(partial(data.gathered, now, pooled), options, source=pooled.data_source)
elif part == "Cells":
    if there := [name for name in load_tasks(paths()) if name in set(found.frame["target"])]:
        target = one_of("Target whose cells are tested", there, key="cells", format_func=titles().of)
        panels.show_cells(data.tested(now, pooled, options, target), target=target, how=how("analyse", target=target))
elif part == "Predictions":
    panels.show_predictions(data.judged_selectors(now, pooled, options), how=how("predict"))
    if names := sorted(found.frame["target"].unique()):
        explain = one_of("Explain the predictions for", names, key="explain", format_func=titles().of)
        why = data.explained(now, pooled, options, explain)
        panels.show_explained(why, target=explain, how=how("predict").explaining(explain))
    panels.show_frozen(data.frozen(now))
elif part == "Claims":
    show_claims(data.judged_claims(now))
elif part == "Next":
    show_settling(data.would_settle(now, pooled, options))
    panels.show_next(data.proposals(now, pooled, options), how=how("next"))
else:
    panels.show_numbers(full.estimates, how=how("analyse"))
