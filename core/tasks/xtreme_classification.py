"""Pair classification of XTREME: XNLI and PAWS-X.

One example: premise "You don't have to stay there.", hypothesis "You can leave.", label `entailment`.
"""

from __future__ import annotations

from core.spec.task import Columns, Metric, Role, SplitRef, TaskSpec

XNLI = TaskSpec(
    name="xnli",
    title="XNLI",
    type="classification",
    roles=(Role.TARGET,),
    summary="Does a premise entail a hypothesis, contradict it, or neither? Trained on MNLI, tested on translations.",
    languages=("en", "ar", "bg", "de", "el", "es", "fr", "hi", "ru", "sw", "th", "tr", "ur", "vi", "zh"),
    labels=("entailment", "neutral", "contradiction"),
    columns=Columns(text="sentence1", text_pair="sentence2", label="gold_label"),
    train=SplitRef(
        path="nyu-mll/glue",
        config="mnli",
        split="train",
        revision="bcdcba79d07bc864c1c254ccfcedcce55bcc9a8c",
        columns=Columns(text="premise", text_pair="hypothesis", label="label", id="idx"),
    ),
    dev=SplitRef(path="google/xtreme", config="XNLI", split="validation", language_column="language"),
    test=SplitRef(path="google/xtreme", config="XNLI", split="test", language_column="language"),
    metrics=(Metric.ACCURACY, Metric.MACRO_F1),
    chance=1 / 3,
    in_task_with=("mnli", "anli_plus"),
    licence="CC BY-NC 4.0 (XNLI); OANC and others (MNLI)",
    citation="Conneau et al. 2018, D18-1269; Hu et al. 2020, 2003.11080",
    url="https://github.com/facebookresearch/XNLI",
    train_examples=392_702,
    test_examples=5_010,
    domain_words=("ten genres of spoken and written English", "translations"),
    cautions=(
        "XNLI has no training set of its own: it trains on MNLI, so mnli and anli_plus before it are more of the same.",
        "snli and anli are other data sets for the same question, so what they give is transfer between data sets; "
        "they are not called in-task and stay in averages.",
        "Test sentences of the 14 other languages are translations by professionals from English.",
    ),
)

PAWSX = TaskSpec(
    name="pawsx",
    title="PAWS-X",
    type="classification",
    roles=(Role.TARGET,),
    summary="Do two sentences with nearly the same words mean the same? Adversarial pairs from Wikipedia.",
    languages=("en", "de", "es", "fr", "ja", "ko", "zh"),
    labels=("not_paraphrase", "paraphrase"),
    label_values=("0", "1"),
    columns=Columns(text="sentence1", text_pair="sentence2", label="label"),
    train=SplitRef(path="google/xtreme", config="PAWS-X.{lang}", split="train", fallbacks=("validation",)),
    dev=SplitRef(path="google/xtreme", config="PAWS-X.{lang}", split="validation"),
    test=SplitRef(path="google/xtreme", config="PAWS-X.{lang}", split="test", fallbacks=("validation",)),
    metrics=(Metric.ACCURACY, Metric.MACRO_F1),
    chance=0.5,
    in_task_with=("paws",),
    licence="Free use with credit to Google LLC",
    citation="Yang et al. 2019, D19-1382; Hu et al. 2020, 2003.11080",
    url="https://github.com/google-research-datasets/paws",
    train_examples=49_401,
    test_examples=2_000,
    domain_words=("Wikipedia", "translations"),
    cautions=(
        "Chance is 0.5; always answering 'not_paraphrase' scores 0.547 on the English test set (1,093 of 2,000).",
        "The hub's copy lost some rows to parsing: 49,175 English training rows of 49,401.",
        "Where the test split is missing the validation split is scored, and the score says so.",
        "Where the training split is missing too, English validation pairs are trained on; the validation pairs of the "
        "other languages are their translations, so a score on them is not zero-shot.",
    ),
)
