"""Span question answering of XTREME: XQuAD, MLQA, TyDiQA-GoldP.

One example: question "Who sleeps?", context "The cat sleeps.", answers `{"text": ["The cat"], "answer_start": [0]}`.
"""

from __future__ import annotations

from core.spec.task import Columns, Metric, Role, SplitRef, TaskSpec

_COLUMNS = Columns(question="question", context="context", answers="answers", id="id")
_SQUAD_TRAIN = SplitRef(
    path="rajpurkar/squad", config="plain_text", split="train", revision="7b6d24c440a36b6815f21b70d25016731768db1f"
)

XQUAD = TaskSpec(
    name="xquad",
    title="XQuAD",
    type="span_qa",
    roles=(Role.TARGET,),
    summary="1,190 questions of SQuAD's development set, translated by professionals into ten languages.",
    languages=("en", "ar", "de", "el", "es", "hi", "ru", "th", "tr", "vi", "zh"),
    columns=_COLUMNS,
    train=_SQUAD_TRAIN,
    dev=SplitRef(path="google/xtreme", config="SQuAD", split="validation"),
    test=SplitRef(path="google/xtreme", config="XQuAD.{lang}", split="validation"),
    metrics=(Metric.F1, Metric.EXACT_MATCH),
    chance=0.0,
    max_length=384,
    doc_stride=128,
    in_task_with=("squad", "squad_v2"),
    licence="CC BY-SA 4.0",
    citation="Artetxe et al. 2020, 1910.11856; Hu et al. 2020, 2003.11080",
    url="https://github.com/deepmind/xquad",
    train_examples=87_599,
    test_examples=1_190,
    domain_words=("Wikipedia", "translations"),
    cautions=(
        "English development data is SQuAD's validation set, as in XTREME. It contains XQuAD's English paragraphs and "
        "questions, so the English score is not independent of how the checkpoint is chosen; the other languages are.",
        "The only split that exists is called 'validation'; it is XQuAD's test set.",
        "169 answer offsets do not match their context; scores compare answer texts.",
        "squad_v2 shares its answerable questions with SQuAD v1.1, on which XQuAD trains.",
    ),
)

MLQA = TaskSpec(
    name="mlqa",
    title="MLQA",
    type="span_qa",
    roles=(Role.TARGET,),
    summary="Questions on aligned Wikipedia passages in seven languages; question and passage in the same language.",
    languages=("en", "ar", "de", "es", "hi", "vi", "zh"),
    columns=_COLUMNS,
    train=_SQUAD_TRAIN,
    dev=SplitRef(path="google/xtreme", config="MLQA.{lang}.{lang}", split="validation"),
    test=SplitRef(path="google/xtreme", config="MLQA.{lang}.{lang}", split="test", fallbacks=("validation",)),
    metrics=(Metric.F1, Metric.EXACT_MATCH),
    chance=0.0,
    max_length=384,
    doc_stride=128,
    answer_normalisation="mlqa",
    in_task_with=("squad", "squad_v2"),
    licence="CC BY-SA 3.0",
    citation="Lewis et al. 2020, 1910.07475; Hu et al. 2020, 2003.11080",
    url="https://github.com/facebookresearch/MLQA",
    train_examples=87_599,
    test_examples=11_590,
    domain_words=("Wikipedia",),
    cautions=(
        "The best checkpoint is chosen on MLQA's own English development set (1,148 questions). XTREME's Table 1 "
        "counts SQuAD's instead, which contains the paragraphs of XQuAD.",
        "Questions are translated, passages are not; test sets differ in size by language.",
    ),
)

TYDIQA = TaskSpec(
    name="tydiqa",
    title="TyDiQA-GoldP",
    type="span_qa",
    roles=(Role.TARGET,),
    summary="Questions that people really had, on gold Wikipedia passages, written in nine languages, untranslated.",
    languages=("en", "ar", "bn", "fi", "id", "ko", "ru", "sw", "te"),
    language_names={
        "en": "english",
        "ar": "arabic",
        "bn": "bengali",
        "fi": "finnish",
        "id": "indonesian",
        "ko": "korean",
        "ru": "russian",
        "sw": "swahili",
        "te": "telugu",
    },
    columns=_COLUMNS,
    train=SplitRef(path="google/xtreme", config="tydiqa", split="train", id_language_prefix=True),
    dev=SplitRef(path="google/xtreme", config="tydiqa", split="train", id_language_prefix=True),
    test=SplitRef(path="google/xtreme", config="tydiqa", split="validation", id_language_prefix=True),
    metrics=(Metric.F1, Metric.EXACT_MATCH),
    chance=0.0,
    max_length=384,
    doc_stride=128,
    licence="Apache-2.0",
    citation="Clark et al. 2020, 2003.05002; Hu et al. 2020, 2003.11080",
    url="https://github.com/google-research-datasets/tydiqa",
    train_examples=3_696,
    test_examples=440,
    domain_words=("Wikipedia",),
    cautions=(
        "What XTREME calls TyDiQA's test set is its development set (split 'validation'). So that the English score "
        "stays independent, the checkpoint is chosen on a held-out part of the English training questions.",
        "The hub's one configuration holds all languages; the language is the part of the id before the first '-'.",
    ),
)
