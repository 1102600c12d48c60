"""Classification of one English text: CoLA, SST-2, IMDB, AG News.

One example: text "a gorgeous , witty , seductive movie .", label `positive`.
"""

from __future__ import annotations

from core.spec.task import Columns, Metric, Role, SplitRef, TaskSpec
from core.tasks.nli import GLUE, GLUE_REVISION

_AG_REVISION = "eb185aade064a813bc0b7f42de02595523103ca4"
_IMDB_REVISION = "e6281661ce1c48d982bc483cf8a173c1bbeb5d31"
_HELD_OUT = "There is no development set: one is held out of the training split, and the test split is not touched."

COLA = TaskSpec(
    name="cola",
    title="CoLA",
    type="classification",
    roles=(Role.INTERMEDIATE,),
    summary="Is a sentence from a linguistics publication acceptable English?",
    languages=("en",),
    labels=("unacceptable", "acceptable"),
    columns=Columns(text="sentence", label="label", id="idx"),
    train=SplitRef(path=GLUE, config="cola", split="train", revision=GLUE_REVISION),
    dev=SplitRef(path=GLUE, config="cola", split="validation", revision=GLUE_REVISION),
    metrics=(Metric.MATTHEWS, Metric.ACCURACY),
    chance=0.0,
    max_length=64,
    licence="None stated by its authors",
    citation="Warstadt et al. 2019, 1805.12471; Wang et al. 2019 (GLUE), 1804.07461",
    url="https://nyu-mll.github.io/CoLA/",
    train_examples=8_551,
    domain_words=("example sentences of linguists",),
    cautions=("The headline is Matthews correlation: a constant answer scores 0, although it is right in 69 %.",),
)

SST2 = TaskSpec(
    name="sst2",
    title="SST-2",
    type="classification",
    roles=(Role.INTERMEDIATE,),
    summary="Is a phrase from a film review positive or negative?",
    languages=("en",),
    labels=("negative", "positive"),
    columns=Columns(text="sentence", label="label", id="idx"),
    train=SplitRef(path=GLUE, config="sst2", split="train", revision=GLUE_REVISION),
    dev=SplitRef(path=GLUE, config="sst2", split="validation", revision=GLUE_REVISION),
    metrics=(Metric.ACCURACY, Metric.MACRO_F1),
    chance=0.5,
    max_length=64,
    licence="None stated by its authors",
    citation="Socher et al. 2013, D13-1170; Wang et al. 2019 (GLUE), 1804.07461",
    url="https://nlp.stanford.edu/sentiment/",
    train_examples=67_349,
    domain_words=("film reviews",),
    cautions=("Training rows are phrases of parse trees, development rows whole sentences.",),
)

IMDB = TaskSpec(
    name="imdb",
    title="IMDB",
    type="classification",
    roles=(Role.INTERMEDIATE,),
    summary="Is a whole film review positive or negative?",
    languages=("en",),
    labels=("neg", "pos"),
    columns=Columns(text="text", label="label"),
    train=SplitRef(path="stanfordnlp/imdb", config="plain_text", split="train", revision=_IMDB_REVISION),
    dev=SplitRef(path="stanfordnlp/imdb", config="plain_text", split="train", revision=_IMDB_REVISION),
    metrics=(Metric.ACCURACY, Metric.MACRO_F1),
    chance=0.5,
    max_length=256,
    licence="None stated; its authors ask for citation",
    citation="Maas et al. 2011, P11-1015",
    url="https://ai.stanford.edu/~amaas/data/sentiment/",
    train_examples=25_000,
    domain_words=("film reviews",),
    cautions=(_HELD_OUT, "Reviews are longer than the input: what goes beyond 256 subword tokens is cut."),
)

AG_NEWS = TaskSpec(
    name="ag_news",
    title="AG News",
    type="classification",
    roles=(Role.INTERMEDIATE,),
    summary="Which of four sections does a news item belong to?",
    languages=("en",),
    labels=("World", "Sports", "Business", "Sci/Tech"),
    columns=Columns(text="text", label="label"),
    train=SplitRef(path="fancyzhx/ag_news", config="default", split="train", revision=_AG_REVISION),
    dev=SplitRef(path="fancyzhx/ag_news", config="default", split="train", revision=_AG_REVISION),
    metrics=(Metric.ACCURACY, Metric.MACRO_F1),
    chance=0.25,
    licence="Research and non-commercial use",
    citation="Zhang et al. 2015, 1509.01626",
    url="http://groups.di.unipi.it/~gulli/AG_corpus_of_news_articles.html",
    train_examples=120_000,
    domain_words=("news",),
    cautions=(_HELD_OUT,),
)
