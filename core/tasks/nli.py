"""Natural-language inference in English: MNLI, SNLI, ANLI, their union ANLI+, QNLI and RTE.

One example: premise "A man plays a guitar.", hypothesis "Nobody makes music.", label `contradiction`.
"""

from __future__ import annotations

from core.spec.task import Columns, Metric, Role, SplitRef, TaskSpec

GLUE = "nyu-mll/glue"
GLUE_REVISION = "bcdcba79d07bc864c1c254ccfcedcce55bcc9a8c"
_LABELS = ("entailment", "neutral", "contradiction")
_COLUMNS = Columns(text="premise", text_pair="hypothesis", label="label")
_ANLI_DEV = "dev_r1+dev_r2+dev_r3"
_SNLI = "stanfordnlp/snli"
_SNLI_REVISION = "cdb5c3d5eed6ead6e5a341c8e56e669bb666725b"
_MNLI_DEV = SplitRef(path=GLUE, config="mnli", split="validation_matched", revision=GLUE_REVISION)

MNLI = TaskSpec(
    name="mnli",
    title="MNLI",
    type="classification",
    roles=(Role.INTERMEDIATE,),
    summary="Entailment, neutral or contradiction between two sentences, of five genres in training and ten in all.",
    languages=("en",),
    labels=_LABELS,
    columns=_COLUMNS,
    train=SplitRef(path=GLUE, config="mnli", split="train", revision=GLUE_REVISION),
    dev=_MNLI_DEV,
    metrics=(Metric.ACCURACY, Metric.MACRO_F1),
    chance=1 / 3,
    licence="OANC; fiction CC BY 3.0, CC BY-SA 3.0 and public domain",
    citation="Williams et al. 2018, 1704.05426; Wang et al. 2019 (GLUE), 1804.07461",
    url="https://cims.nyu.edu/~sbowman/multinli/",
    train_examples=392_702,
    domain_words=("telephone speech", "fiction", "government", "Slate", "travel guides"),
    cautions=("The matched development set is used: the genres that were trained on.",),
)

SNLI = TaskSpec(
    name="snli",
    title="SNLI",
    type="classification",
    roles=(Role.INTERMEDIATE,),
    summary="Entailment, neutral or contradiction about captions of photographs.",
    languages=("en",),
    labels=_LABELS,
    columns=_COLUMNS,
    train=SplitRef(path=_SNLI, config="plain_text", split="train", revision=_SNLI_REVISION),
    dev=SplitRef(path=_SNLI, config="plain_text", split="validation", revision=_SNLI_REVISION),
    metrics=(Metric.ACCURACY, Metric.MACRO_F1),
    chance=1 / 3,
    licence="CC BY-SA 4.0",
    citation="Bowman et al. 2015, 1508.05326",
    url="https://nlp.stanford.edu/projects/snli/",
    train_examples=549_367,
    domain_words=("captions of photographs",),
    cautions=("785 of the 550,152 training rows carry the label -1 (no majority) and are left out.",),
)

ANLI = TaskSpec(
    name="anli",
    title="ANLI",
    type="classification",
    roles=(Role.INTERMEDIATE,),
    summary="Entailment written by people to fool a model, in three rounds of growing difficulty.",
    languages=("en",),
    labels=_LABELS,
    columns=Columns(text="premise", text_pair="hypothesis", label="label", id="uid"),
    train=SplitRef(
        path="facebook/anli", config="plain_text", split="train_r1+train_r2+train_r3", fallbacks=(_ANLI_DEV,)
    ),
    dev=SplitRef(path="facebook/anli", config="plain_text", split=_ANLI_DEV),
    metrics=(Metric.ACCURACY, Metric.MACRO_F1),
    chance=1 / 3,
    max_length=192,
    licence="CC BY-NC 4.0",
    citation="Nie et al. 2020, 1910.14599",
    url="https://github.com/facebookresearch/anli",
    train_examples=162_865,
    domain_words=("Wikipedia", "news", "fiction", "adversarial"),
    cautions=("Chance is 1/3 by labels; the examples are chosen so that the model of the round scored near zero.",),
)

ANLI_PLUS = TaskSpec(
    name="anli_plus",
    title="ANLI+",
    type="classification",
    roles=(Role.INTERMEDIATE,),
    summary="ANLI with MNLI and SNLI: the largest intermediate of Phang et al. 2020.",
    languages=("en",),
    labels=_LABELS,
    columns=_COLUMNS,
    dev=_MNLI_DEV,
    parts=("anli", "mnli", "snli"),
    metrics=(Metric.ACCURACY, Metric.MACRO_F1),
    chance=1 / 3,
    max_length=192,
    licence="CC BY-NC 4.0 (ANLI); those of MNLI and SNLI",
    citation="Nie et al. 2020, 1910.14599; Phang et al. 2020, 2005.13013",
    url="https://github.com/facebookresearch/anli",
    train_examples=1_104_934,
    domain_words=("ten genres", "captions of photographs", "Wikipedia", "adversarial"),
    cautions=(
        "Contains MNLI, on which XNLI trains.",
        "The best checkpoint is chosen on MNLI's matched development set, in the paper on those of ANLI, MNLI and SNLI "
        "together (22,857 examples).",
    ),
)

QNLI = TaskSpec(
    name="qnli",
    title="QNLI",
    type="classification",
    roles=(Role.INTERMEDIATE,),
    summary="Does a sentence hold the answer to a question? Made from SQuAD v1.1.",
    languages=("en",),
    labels=("entailment", "not_entailment"),
    columns=Columns(text="question", text_pair="sentence", label="label", id="idx"),
    train=SplitRef(path=GLUE, config="qnli", split="train", revision=GLUE_REVISION, fallbacks=("validation",)),
    dev=SplitRef(path=GLUE, config="qnli", split="validation", revision=GLUE_REVISION),
    metrics=(Metric.ACCURACY, Metric.MACRO_F1),
    chance=0.5,
    licence="CC BY-SA 4.0",
    citation="Wang et al. 2019 (GLUE), 1804.07461; Rajpurkar et al. 2016, 1606.05250",
    url="https://gluebenchmark.com",
    train_examples=104_743,
    domain_words=("Wikipedia",),
    cautions=(
        "Shares questions and sentences with SQuAD v1.1, so with XQuAD and MLQA it shares the text, not the task.",
    ),
)

RTE = TaskSpec(
    name="rte",
    title="RTE",
    type="classification",
    roles=(Role.INTERMEDIATE,),
    summary="Entailment or not, from four yearly challenges; small.",
    languages=("en",),
    labels=("entailment", "not_entailment"),
    columns=Columns(text="sentence1", text_pair="sentence2", label="label", id="idx"),
    train=SplitRef(path=GLUE, config="rte", split="train", revision=GLUE_REVISION),
    dev=SplitRef(path=GLUE, config="rte", split="validation", revision=GLUE_REVISION),
    metrics=(Metric.ACCURACY, Metric.MACRO_F1),
    chance=0.5,
    max_length=256,
    licence="None stated by its authors",
    citation="Dagan et al. 2006; Bentivogli et al. 2009; Wang et al. 2019 (GLUE), 1804.07461",
    url="https://gluebenchmark.com",
    train_examples=2_490,
    domain_words=("news", "Wikipedia"),
    cautions=("277 development examples: one example is 0.4 points.",),
)
