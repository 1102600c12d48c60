"""Sentence retrieval of XTREME: BUCC 2018 and Tatoeba. Nothing is trained; the encoder is scored as it is.

One example: source "Maria schläft.", target "Maria sleeps.".
"""

from __future__ import annotations

from core.spec.task import Columns, Metric, Role, SplitRef, TaskSpec

_TATOEBA_NAMES = {
    "af": "afr",
    "ar": "ara",
    "bg": "bul",
    "bn": "ben",
    "de": "deu",
    "el": "ell",
    "es": "spa",
    "et": "est",
    "eu": "eus",
    "fa": "pes",
    "fi": "fin",
    "fr": "fra",
    "he": "heb",
    "hi": "hin",
    "hu": "hun",
    "id": "ind",
    "it": "ita",
    "ja": "jpn",
    "jv": "jav",
    "ka": "kat",
    "kk": "kaz",
    "ko": "kor",
    "ml": "mal",
    "mr": "mar",
    "nl": "nld",
    "pt": "por",
    "ru": "rus",
    "sw": "swh",
    "ta": "tam",
    "te": "tel",
    "th": "tha",
    "tl": "tgl",
    "tr": "tur",
    "ur": "urd",
    "vi": "vie",
    "zh": "cmn",
}

BUCC2018 = TaskSpec(
    name="bucc2018",
    title="BUCC 2018",
    type="retrieval",
    roles=(Role.TARGET,),
    summary="Find the translation pairs between two sets of sentences; threshold from the development pairs.",
    languages=("de", "fr", "ru", "zh"),
    columns=Columns(source="source_sentence", target="target_sentence"),
    dev=SplitRef(path="google/xtreme", config="bucc18.{lang}", split="validation"),
    test=SplitRef(path="google/xtreme", config="bucc18.{lang}", split="test"),
    metrics=(Metric.F1,),
    chance=0.0,
    mining=True,
    licence="Research use (BUCC shared task)",
    citation="Zweigenbaum et al. 2018, BUCC; Hu et al. 2020, 2003.11080",
    url="https://comparable.limsi.fr/bucc2018/bucc2018-task.html",
    test_examples=9_580,
    domain_words=("Wikipedia", "news"),
    cautions=(
        "The hub's copy holds the gold pairs alone, without the sentences that have no translation: mining there is "
        "easier than in the shared task, and scores do not compare with published ones.",
        "XTREME's Table 1 counts five languages, English included; each of the other four is paired with English.",
        "Layer and pooling decide the score. XTREME's script takes layer 7 and the first token (cls); pull request "
        "#104 of its repository says that the paper took the mean over the tokens. Here protocol or model name them.",
    ),
)

TATOEBA = TaskSpec(
    name="tatoeba",
    title="Tatoeba",
    type="retrieval",
    roles=(Role.TARGET,),
    summary="Find each sentence's English translation among up to 1,000 by cosine similarity.",
    languages=tuple(_TATOEBA_NAMES),
    language_names=_TATOEBA_NAMES,
    columns=Columns(source="source_sentence", target="target_sentence"),
    test=SplitRef(path="google/xtreme", config="tatoeba.{lang}", split="validation"),
    metrics=(Metric.ACCURACY,),
    chance=0.001,
    licence="CC BY 2.0 FR",
    citation="Artetxe & Schwenk 2019, 1812.10464; Hu et al. 2020, 2003.11080",
    url="https://github.com/facebookresearch/LASER",
    test_examples=1_000,
    domain_words=("short everyday sentences",),
    cautions=(
        "Chance is one in the number of candidates: 0.001 with 1,000, 0.005 with the 205 of Javanese. Sets are smaller "
        "in jv, ka, kk, ml, sw, ta, te and th.",
        "XTREME's Table 1 prints 33 languages; its data and its results have 36.",
        "Layer and pooling decide the score. XTREME's script takes layer 13 of XLM-R Large; pull request #104 of its "
        "repository reproduces the paper with layer 10. Here the protocol or the model names them.",
    ),
)
