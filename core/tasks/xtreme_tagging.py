"""Word-level tagging of XTREME: parts of speech (UDPOS) and named entities (PAN-X).

One example: words `["She", "sleeps", "."]`, tags `["PRON", "VERB", "PUNCT"]`.
"""

from __future__ import annotations

from core.languages import XTREME_LANGUAGES
from core.spec.task import Columns, Metric, Role, SplitRef, TaskSpec

_UD_NAMES = {
    "en": "English",
    "af": "Afrikaans",
    "ar": "Arabic",
    "bg": "Bulgarian",
    "de": "German",
    "el": "Greek",
    "es": "Spanish",
    "et": "Estonian",
    "eu": "Basque",
    "fa": "Persian",
    "fi": "Finnish",
    "fr": "French",
    "he": "Hebrew",
    "hi": "Hindi",
    "hu": "Hungarian",
    "id": "Indonesian",
    "it": "Italian",
    "ja": "Japanese",
    "kk": "Kazakh",
    "ko": "Korean",
    "mr": "Marathi",
    "nl": "Dutch",
    "pt": "Portuguese",
    "ru": "Russian",
    "ta": "Tamil",
    "te": "Telugu",
    "th": "Thai",
    "tl": "Tagalog",
    "tr": "Turkish",
    "ur": "Urdu",
    "vi": "Vietnamese",
    "yo": "Yoruba",
    "zh": "Chinese",
}

UDPOS = TaskSpec(
    name="udpos",
    title="UDPOS",
    type="tagging",
    roles=(Role.TARGET,),
    summary="Part of speech of each word, 17 universal tags, Universal Dependencies 2.5.",
    languages=tuple(_UD_NAMES),
    language_names=_UD_NAMES,
    labels=(
        "ADJ", "ADP", "ADV", "AUX", "CCONJ", "DET", "INTJ", "NOUN", "NUM", "PART", "PRON", "PROPN", "PUNCT", "SCONJ",
        "SYM", "VERB", "X",
    ),
    columns=Columns(words="tokens", tags="pos_tags"),
    train=SplitRef(path="google/xtreme", config="udpos.{lang}", split="train"),
    dev=SplitRef(path="google/xtreme", config="udpos.{lang}", split="validation"),
    test=SplitRef(path="google/xtreme", config="udpos.{lang}", split="test", fallbacks=("validation",)),
    metrics=(Metric.F1, Metric.ACCURACY),
    chance=0.0,
    licence="One per treebank, several CC BY-NC-SA",
    citation="Nivre et al. 2018, Universal Dependencies 2.5; Hu et al. 2020, 2003.11080",
    url="https://universaldependencies.org",
    train_examples=21_253,
    test_examples=5_440,
    domain_words=("web", "news", "fiction", "one mixture per language"),
    cautions=(
        "The headline metric is seqeval's F1, which counts neighbouring words with one tag as one, as XTREME's script "
        "does; its paper calls it accuracy. "
        "The two differ by about 4 points (78.2 accuracy, 74.2 F1 for XLM-R Large), so both are stored.",
        "Published test sets differ in size (47 sentences in Marathi, 22,458 in German) and in genre.",
        "kk, th, tl and yo have no development set, and need none: the checkpoint is chosen on English alone.",
    ),
)  # fmt: skip

PANX = TaskSpec(
    name="panx",
    title="PAN-X (WikiANN)",
    type="tagging",
    roles=(Role.TARGET,),
    summary="Persons, organisations and places in Wikipedia sentences, tagged automatically from links.",
    languages=("en", *(code for code in XTREME_LANGUAGES if code != "en")),
    labels=("O", "B-PER", "I-PER", "B-ORG", "I-ORG", "B-LOC", "I-LOC"),
    columns=Columns(words="tokens", tags="ner_tags"),
    train=SplitRef(path="google/xtreme", config="PAN-X.{lang}", split="train"),
    dev=SplitRef(path="google/xtreme", config="PAN-X.{lang}", split="validation"),
    test=SplitRef(path="google/xtreme", config="PAN-X.{lang}", split="test", fallbacks=("validation",)),
    metrics=(Metric.F1, Metric.ACCURACY),
    chance=0.0,
    tag_scheme="iob2",
    licence="None stated for the data; Wikipedia text is CC BY-SA",
    citation="Pan et al. 2017, P17-1178; splits of Rahimi et al. 2019, P19-1015; Hu et al. 2020, 2003.11080",
    url="https://github.com/afshinrahimi/mmner",
    train_examples=20_000,
    test_examples=10_000,
    domain_words=("Wikipedia",),
    cautions=(
        "Labels are silver: entities come from links and knowledge-base types.",
        "Official downloads carry stripped test labels; where the test split is missing the validation split is "
        "scored, and the score says so; English is then scored on the examples that its checkpoint was chosen on.",
        "Test sets differ in size: 100 sentences in jv, my and yo, 10,000 in most others.",
    ),
)
