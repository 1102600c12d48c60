"""Targets outside XTREME: topics (SIB-200), sentiment of tweets, sentence similarity (STSb), EU law (MultiEURLEX).

One example: text "The match ended in a draw.", label `sports`.
"""

from __future__ import annotations

from core.spec import Columns, Metric, Role, SplitRef, TaskSpec, TaskType

_FLORES_NAMES = dict(
    pair.split(":")
    for pair in (
        "en:eng_Latn af:afr_Latn ar:arb_Arab bg:bul_Cyrl bn:ben_Beng de:deu_Latn el:ell_Grek es:spa_Latn et:est_Latn "
        "eu:eus_Latn fa:pes_Arab fi:fin_Latn fr:fra_Latn he:heb_Hebr hi:hin_Deva hu:hun_Latn id:ind_Latn it:ita_Latn "
        "ja:jpn_Jpan jv:jav_Latn ka:kat_Geor kk:kaz_Cyrl ko:kor_Hang ml:mal_Mlym mr:mar_Deva ms:zsm_Latn my:mya_Mymr "
        "nl:nld_Latn pt:por_Latn ru:rus_Cyrl sw:swh_Latn ta:tam_Taml te:tel_Telu th:tha_Thai tl:tgl_Latn tr:tur_Latn "
        "ur:urd_Arab vi:vie_Latn yo:yor_Latn zh:zho_Hans"
    ).split()
)
_STSB = "PhilipMay/stsb_multi_mt"
_STSB_REVISION = "b33b300b976e082fb8e74cc5d1d3bf060e001ba6"
_EURLEX = "coastalcph/multi_eurlex"
_EURLEX_REVISION = "ac87ce2b3dcbfe2be3fa18dd3927638ee4a65f5a"

SIB200 = TaskSpec(
    name="sib200",
    title="SIB-200",
    type=TaskType.CLASSIFICATION,
    roles=(Role.TARGET,),
    summary="Topic of a sentence, seven topics; the same 1,004 sentences in every language.",
    languages=tuple(_FLORES_NAMES),
    language_names=_FLORES_NAMES,
    labels=("science/technology", "travel", "politics", "sports", "health", "entertainment", "geography"),
    columns=Columns(text="text", label="category", id="index_id"),
    train=SplitRef(path="Davlan/sib200", config="{lang}", split="train"),
    dev=SplitRef(path="Davlan/sib200", config="{lang}", split="validation"),
    test=SplitRef(path="Davlan/sib200", config="{lang}", split="test"),
    metrics=(Metric.ACCURACY, Metric.MACRO_F1),
    chance=1 / 7,
    licence="CC BY-SA 4.0",
    citation="Adelani et al. 2024, 2309.07445",
    url="https://github.com/dadelani/sib-200",
    train_examples=701,
    test_examples=204,
    domain_words=("Wikinews", "Wikijunior", "Wikivoyage", "translations"),
    cautions=(
        "Of its 205 languages those of XTREME are scored; others are one YAML file away.",
        "204 test sentences: one sentence is half a point. Topics are not balanced.",
    ),
)

TWEET_SENTIMENT = TaskSpec(
    name="tweet_sentiment",
    title="Multilingual tweet sentiment (UMSAB)",
    type=TaskType.CLASSIFICATION,
    roles=(Role.TARGET,),
    summary="Is a tweet negative, neutral or positive? Written in eight languages, balanced.",
    languages=("en", "ar", "de", "es", "fr", "hi", "it", "pt"),
    language_names={
        "en": "english",
        "ar": "arabic",
        "de": "german",
        "es": "spanish",
        "fr": "french",
        "hi": "hindi",
        "it": "italian",
        "pt": "portuguese",
    },
    labels=("negative", "neutral", "positive"),
    columns=Columns(text="text", label="label"),
    train=SplitRef(path="cardiffnlp/tweet_sentiment_multilingual", config="{lang}", split="train"),
    dev=SplitRef(path="cardiffnlp/tweet_sentiment_multilingual", config="{lang}", split="validation"),
    test=SplitRef(path="cardiffnlp/tweet_sentiment_multilingual", config="{lang}", split="test"),
    metrics=(Metric.MACRO_F1, Metric.ACCURACY),
    chance=1 / 3,
    licence="CC BY 3.0",
    citation="Barbieri et al. 2022, 2104.12250",
    url="https://huggingface.co/datasets/cardiffnlp/tweet_sentiment_multilingual",
    train_examples=1_839,
    test_examples=870,
    domain_words=("tweets",),
    cautions=(
        "The data of each language come from another shared task, so annotation and topics differ with the language.",
        "The hub holds a loading script on its main branch, which is never executed: use a mirror in the hub's layout.",
    ),
)

STSB_MULTI = TaskSpec(
    name="stsb_multi",
    title="Multilingual STS-B",
    type=TaskType.REGRESSION,
    roles=(Role.TARGET,),
    summary="How similar are two sentences, from 0 to 5? English originals and nine machine translations.",
    languages=("en", "de", "es", "fr", "it", "nl", "pl", "pt", "ru", "zh"),
    columns=Columns(text="sentence1", text_pair="sentence2", label="similarity_score"),
    train=SplitRef(path=_STSB, config="{lang}", split="train", revision=_STSB_REVISION),
    dev=SplitRef(path=_STSB, config="{lang}", split="dev", revision=_STSB_REVISION),
    test=SplitRef(path=_STSB, config="{lang}", split="test", revision=_STSB_REVISION),
    metrics=(Metric.SPEARMAN, Metric.PEARSON),
    chance=0.0,
    score_range=(0.0, 5.0),
    in_task_with=("stsb",),
    licence="Other: that of STS-B, with DeepL translations",
    citation="May 2021; Cer et al. 2017, 1708.00055",
    url="https://github.com/PhilipMay/stsb-multi-mt",
    train_examples=5_749,
    test_examples=1_379,
    domain_words=("news", "captions", "forums", "machine translation"),
    cautions=("Test sentences are machine translations with the English scores carried over.",),
)

# Raw labels are ids 0 to 20 in this order, which stand for the EuroVoc concepts 100149, 100160, 100148, 100147, 100152,
# 100143, 100156, 100158, 100154, 100153, 100142, 100145, 100150, 100162, 100159, 100144, 100151, 100157, 100161, 100146
# and 100155; EuroVoc numbers its domains upwards from 100142 (politics) to 100162 (international organisations).
_EUROVOC = (
    "social questions",
    "industry",
    "finance",
    "trade",
    "business and competition",
    "international relations",
    "agriculture, forestry and fisheries",
    "production, technology and research",
    "transport",
    "employment and working conditions",
    "politics",
    "law",
    "education and communications",
    "international organisations",
    "energy",
    "European Union",
    "science",
    "agri-foodstuffs",
    "geography",
    "economics",
    "environment",
)

MULTI_EURLEX = TaskSpec(
    name="multi_eurlex",
    title="MultiEURLEX (level 1)",
    type=TaskType.MULTILABEL,
    roles=(Role.TARGET,),
    summary="Which of the 21 EuroVoc domains does an EU law belong to? 23 official languages.",
    languages=(
        "en", "bg", "cs", "da", "de", "el", "es", "et", "fi", "fr", "hr", "hu", "it", "lt", "lv", "mt", "nl", "pl",
        "pt", "ro", "sk", "sl", "sv",
    ),
    labels=_EUROVOC,
    columns=Columns(text="text", label="labels", id="celex_id"),
    train=SplitRef(path=_EURLEX, config="{lang}", split="train", revision=_EURLEX_REVISION),
    dev=SplitRef(path=_EURLEX, config="{lang}", split="validation", revision=_EURLEX_REVISION),
    test=SplitRef(path=_EURLEX, config="{lang}", split="test", revision=_EURLEX_REVISION),
    metrics=(Metric.MICRO_F1, Metric.MRP, Metric.MACRO_F1),
    chance=0.0,
    max_length=512,
    licence="CC BY-SA 4.0",
    citation="Chalkidis et al. 2021, 2109.00904",
    url="https://github.com/nlpaueb/multi-eurlex",
    train_examples=55_000,
    test_examples=5_000,
    domain_words=("EU law",),
    cautions=(
        "Split by date: test laws are newer, and their topics drift. The paper's headline is R-precision (mrp).",
        "Laws are longer than the input: what goes beyond 512 pieces is cut.",
        "Chance is 0 for a model that never claims a label with more than half its belief.",
    ),
)  # fmt: skip
