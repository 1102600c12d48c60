"""Paraphrase and similarity in English: QQP, MRPC, PAWS, STS-B.

One example: "How do I learn Go?" and "What is the best way to learn Go?", label `duplicate`.
"""

from __future__ import annotations

from core.spec.task import Columns, Metric, Role, SplitRef, TaskSpec
from core.tasks.nli import GLUE, GLUE_REVISION

_PAWS = "google-research-datasets/paws"
_PAWS_REVISION = "161ece9501cf0a11f3e48bd356eaa82de46d6a09"

QQP = TaskSpec(
    name="qqp",
    title="QQP",
    type="classification",
    roles=(Role.INTERMEDIATE,),
    summary="Are two questions from Quora the same question?",
    languages=("en",),
    labels=("not_duplicate", "duplicate"),
    columns=Columns(text="question1", text_pair="question2", label="label", id="idx"),
    train=SplitRef(path=GLUE, config="qqp", split="train", revision=GLUE_REVISION),
    dev=SplitRef(path=GLUE, config="qqp", split="validation", revision=GLUE_REVISION),
    metrics=(Metric.ACCURACY, Metric.MACRO_F1),
    chance=0.5,
    licence="Quora's terms, non-commercial",
    citation="Iyer et al. 2017; Wang et al. 2019 (GLUE), 1804.07461",
    url="https://quoradata.quora.com/First-Quora-Dataset-Release-Question-Pairs",
    train_examples=363_846,
    domain_words=("questions on Quora",),
    cautions=("Unbalanced: about 63 % of the pairs are not duplicates, so the majority answer scores about 0.63.",),
)

MRPC = TaskSpec(
    name="mrpc",
    title="MRPC",
    type="classification",
    roles=(Role.INTERMEDIATE,),
    summary="Do two sentences from news say the same?",
    languages=("en",),
    labels=("not_equivalent", "equivalent"),
    columns=Columns(text="sentence1", text_pair="sentence2", label="label", id="idx"),
    train=SplitRef(path=GLUE, config="mrpc", split="train", revision=GLUE_REVISION),
    dev=SplitRef(path=GLUE, config="mrpc", split="validation", revision=GLUE_REVISION),
    metrics=(Metric.ACCURACY, Metric.MACRO_F1),
    chance=0.5,
    licence="Microsoft Research Shared Source licence (MSR-SSLA), non-commercial",
    citation="Dolan & Brockett 2005, I05-5002; Wang et al. 2019 (GLUE), 1804.07461",
    url="https://www.microsoft.com/en-us/download/details.aspx?id=52398",
    train_examples=3_668,
    domain_words=("news",),
    cautions=("Unbalanced: 'equivalent' is 68 % of the development set, so the majority answer scores 0.68.",),
)

PAWS = TaskSpec(
    name="paws",
    title="PAWS (Wikipedia)",
    type="classification",
    roles=(Role.INTERMEDIATE,),
    summary="Do two sentences with nearly the same words mean the same? Made by swapping words and back-translation.",
    languages=("en",),
    labels=("not_paraphrase", "paraphrase"),
    columns=Columns(text="sentence1", text_pair="sentence2", label="label", id="id"),
    train=SplitRef(path=_PAWS, config="labeled_final", split="train", revision=_PAWS_REVISION),
    dev=SplitRef(path=_PAWS, config="labeled_final", split="validation", revision=_PAWS_REVISION),
    metrics=(Metric.ACCURACY, Metric.MACRO_F1),
    chance=0.5,
    licence="Free use with credit to Google LLC",
    citation="Zhang et al. 2019, 1904.01130",
    url="https://github.com/google-research-datasets/paws",
    train_examples=49_401,
    domain_words=("Wikipedia",),
    cautions=("The English training set of PAWS-X: before pawsx it is more of the same.",),
)

STSB = TaskSpec(
    name="stsb",
    title="STS-B",
    type="regression",
    roles=(Role.INTERMEDIATE,),
    summary="How similar are two sentences, from 0 to 5?",
    languages=("en",),
    columns=Columns(text="sentence1", text_pair="sentence2", label="label", id="idx"),
    train=SplitRef(path=GLUE, config="stsb", split="train", revision=GLUE_REVISION),
    dev=SplitRef(path=GLUE, config="stsb", split="validation", revision=GLUE_REVISION),
    metrics=(Metric.SPEARMAN, Metric.PEARSON),
    chance=0.0,
    score_range=(0.0, 5.0),
    licence="Scores CC BY-SA 4.0; text per source",
    citation="Cer et al. 2017, 1708.00055; Wang et al. 2019 (GLUE), 1804.07461",
    url="https://ixa2.si.ehu.eus/stswiki/index.php/STSbenchmark",
    train_examples=5_749,
    domain_words=("news", "captions", "forums"),
    cautions=(
        "A correlation: answers at random have one of 0 on average; answers that are all the same have none, which is "
        "shown as missing and not as zero.",
    ),
)
