r"""CCG supertagging: one lexical category for each word. Licensed data, read from the user's own files.

The format is documented in docs/adding.md. One example: words `["She", "sleeps"]`, tags `["NP", "S[dcl]\\NP"]`.
"""

from __future__ import annotations

from core.spec.task import Columns, Metric, Role, SplitRef, TaskSpec

CCG = TaskSpec(
    name="ccg",
    title="CCG supertagging",
    type="tagging",
    roles=(Role.INTERMEDIATE,),
    summary="Lexical category of each word in combinatory categorial grammar, news text.",
    languages=("en",),
    labels_from_data=True,
    columns=Columns(words="words", tags="tags"),
    train=SplitRef(path="file:ccg", split="train"),
    dev=SplitRef(path="file:ccg", split="dev"),
    metrics=(Metric.ACCURACY,),
    chance=0.0,
    licence="LDC user agreement (LDC2005T13): not distributed, bring your own copy",
    citation="Hockenmaier & Steedman 2007, J07-3004",
    url="https://catalog.ldc.upenn.edu/LDC2005T13",
    train_examples=38_015,
    domain_words=("Wall Street Journal",),
    cautions=(
        "Needs ccg/train.tsv and ccg/dev.tsv in the local data folder; docs/adding.md says how they look.",
        "Chance is shown as 0; always answering the most frequent category scores more.",
    ),
)
