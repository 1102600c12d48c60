"""The data sets that are written: hub names, configurations, columns and splits, exactly as on the hub.

To add one: a `DataSet` with its columns in `DATASETS`, and a maker of its rows in `tables`.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import pyarrow as pa

from core.sample.realise import NER_TAGS, POS_TAGS

Feature = dict[str, Any]
"""A feature as the datasets library writes it: {"dtype": "string", "_type": "Value"}. Any: nested JSON."""

XTREME_LANGUAGES: Final[dict[str, tuple[str, ...]]] = {
    "XNLI": ("en", "de", "es", "fr", "ru", "tr", "ar", "hi", "zh", "vi", "sw", "el"),
    "PAWS-X": ("en", "de", "es", "fr", "zh"),
    "PAN-X": ("en", "de", "es", "fr", "ru", "tr", "ar", "hi", "zh", "vi", "sw", "fi", "el"),
    "udpos": ("en", "de", "es", "fr", "ru", "tr", "ar", "hi", "zh", "vi", "fi", "el"),
    "XQuAD": ("en", "ar", "de", "el", "es", "hi", "ru", "tr", "vi", "zh"),
    "MLQA": ("en", "ar", "de", "es", "hi", "vi", "zh"),
    "tydiqa": ("en", "ar", "fi", "ru", "sw"),
    "bucc18": ("de", "fr", "ru", "zh"),
    "tatoeba": ("de", "es", "fr", "ru", "tr", "ar", "hi", "zh", "vi", "sw", "fi", "el"),
}
"""The languages of each XTREME task among those of the lexicons."""

TYDIQA_NAMES: Final = {"en": "english", "ar": "arabic", "fi": "finnish", "ru": "russian", "sw": "swahili"}
FLORES_NAMES: Final = {
    "en": "eng_Latn", "de": "deu_Latn", "es": "spa_Latn", "fr": "fra_Latn", "ru": "rus_Cyrl", "tr": "tur_Latn",
    "ar": "arb_Arab", "hi": "hin_Deva", "zh": "zho_Hans", "vi": "vie_Latn", "sw": "swh_Latn", "fi": "fin_Latn",
    "el": "ell_Grek",
}  # fmt: skip
TWEET_NAMES: Final = {
    "en": "english", "ar": "arabic", "de": "german", "es": "spanish", "fr": "french", "hi": "hindi"
}  # fmt: skip
STSB_LANGUAGES: Final = ("en", "de", "es", "fr", "ru", "zh")
EURLEX_LANGUAGES: Final = ("en", "de", "es", "fr", "fi", "el")
XCOPA_LANGUAGES: Final = ("sw", "tr", "vi", "zh")
EUROVOC: Final = [
    "100149",
    "100160",
    "100148",
    "100147",
    "100152",
    "100143",
    "100156",
    "100158",
    "100154",
    "100153",
    "100142",
    "100145",
    "100150",
    "100162",
    "100159",
    "100144",
    "100151",
    "100157",
    "100161",
    "100146",
    "100155",
]


def _value(dtype: str) -> Feature:
    return {"dtype": dtype, "_type": "Value"}


def _classes(*names: str) -> Feature:
    return {"names": list(names), "_type": "ClassLabel"}


def _list(feature: Feature) -> Feature:
    return {"feature": feature, "_type": "List"}


_STRING: Final = _value("string")
_TEXTS: Final = _list(_STRING)
_STARTS: Final = _list(_value("int32"))
_NLI_LABEL: Final = _classes("entailment", "neutral", "contradiction")
_PAIR: Final = {"sentence1": _STRING, "sentence2": _STRING}
_INDEX: Final = {"idx": _value("int32")}
_CAUSES: Final = {name: _STRING for name in ("premise", "choice1", "choice2", "question")}
_XTREME_QA: Final = {
    "id": _STRING, "title": _STRING, "context": _STRING, "question": _STRING,
    "answers": {"answer_start": _STARTS, "text": _TEXTS},
}  # fmt: skip
_SQUAD: Final = {**_XTREME_QA, "answers": {"text": _TEXTS, "answer_start": _STARTS}}
_RETRIEVAL: Final = {
    "source_sentence": _STRING, "target_sentence": _STRING, "source_lang": _STRING, "target_lang": _STRING
}  # fmt: skip


class DataSet(NamedTuple):
    """One configuration of a data set on the hub."""

    hub_id: str
    config: str
    folder: str
    """Where its files lie below the data set's folder."""
    columns: dict[str, Feature]

    def schema(self) -> pa.Schema:
        """The Arrow schema of its files."""
        return pa.schema([pa.field(name, _arrow(feature)) for name, feature in self.columns.items()])


def _arrow(feature: Feature) -> pa.DataType:
    kind = feature.get("_type")
    if kind == "Value":
        return pa.type_for_alias(feature["dtype"])
    if kind == "ClassLabel":
        return pa.int64()
    if kind == "List":
        return pa.list_(_arrow(feature["feature"]))
    return pa.struct([pa.field(name, _arrow(inner)) for name, inner in feature.items()])


def _xtreme(config: str, columns: dict[str, Feature]) -> DataSet:
    return DataSet("google/xtreme", config, config, columns)


def _glue(config: str, columns: dict[str, Feature]) -> DataSet:
    return DataSet("nyu-mll/glue", config, config, {**columns, **_INDEX})


def xtreme_datasets(*, tatoeba: dict[str, str], udpos: dict[str, str]) -> dict[str, DataSet]:
    """The configurations of google/xtreme, by a key like `PAN-X.de`.

    Args:
        tatoeba: Names of the languages in Tatoeba's configurations.
        udpos: Names of the languages in udpos' configurations.
    """
    found = {"XNLI": _xtreme("XNLI", {"language": _STRING, **_PAIR, "gold_label": _STRING})}
    tags = {"tokens": _TEXTS}
    ner = {**tags, "ner_tags": _list(_classes(*NER_TAGS)), "langs": _TEXTS}
    without_title = {name: feature for name, feature in _XTREME_QA.items() if name != "title"}
    columns = {
        "PAWS-X": {**_PAIR, "label": _STRING},
        "PAN-X": ner,
        "udpos": {**tags, "pos_tags": _list(_classes(*POS_TAGS))},
        "XQuAD": without_title,
        "MLQA": _XTREME_QA,
        "bucc18": _RETRIEVAL,
        "tatoeba": _RETRIEVAL,
    }
    for task, features in columns.items():
        for code in XTREME_LANGUAGES[task]:
            name = {"udpos": udpos[code], "tatoeba": tatoeba[code], "MLQA": f"{code}.{code}"}.get(task, code)
            found[f"{task}.{code}"] = _xtreme(f"{task}.{name}", features)
    for task in ("SQuAD", "tydiqa"):
        found[task] = _xtreme(task, _XTREME_QA)
    return found


INTERMEDIATES: Final[dict[str, DataSet]] = {
    "mnli": _glue("mnli", {"premise": _STRING, "hypothesis": _STRING, "label": _NLI_LABEL}),
    "rte": _glue("rte", {**_PAIR, "label": _classes("entailment", "not_entailment")}),
    "qnli": _glue(
        "qnli", {"question": _STRING, "sentence": _STRING, "label": _classes("entailment", "not_entailment")}
    ),
    "qqp": _glue("qqp", {"question1": _STRING, "question2": _STRING, "label": _classes("not_duplicate", "duplicate")}),
    "mrpc": _glue("mrpc", {**_PAIR, "label": _classes("not_equivalent", "equivalent")}),
    "stsb": _glue("stsb", {**_PAIR, "label": _value("float32")}),
    "cola": _glue("cola", {"sentence": _STRING, "label": _classes("unacceptable", "acceptable")}),
    "sst2": _glue("sst2", {"sentence": _STRING, "label": _classes("negative", "positive")}),
    "snli": DataSet(
        "stanfordnlp/snli",
        "plain_text",
        "plain_text",
        {"premise": _STRING, "hypothesis": _STRING, "label": _NLI_LABEL},
    ),
    "anli": DataSet(
        "facebook/anli",
        "plain_text",
        "plain_text",
        {"uid": _STRING, "premise": _STRING, "hypothesis": _STRING, "label": _NLI_LABEL, "reason": _STRING},
    ),
    "paws": DataSet(
        "google-research-datasets/paws",
        "labeled_final",
        "labeled_final",
        {"id": _value("int32"), **_PAIR, "label": _classes("0", "1")},
    ),
    "squad": DataSet("rajpurkar/squad", "plain_text", "plain_text", _SQUAD),
    "squad_v2": DataSet("rajpurkar/squad_v2", "squad_v2", "squad_v2", _SQUAD),
    "imdb": DataSet("stanfordnlp/imdb", "plain_text", "plain_text", {"text": _STRING, "label": _classes("neg", "pos")}),
    "ag_news": DataSet(
        "fancyzhx/ag_news",
        "default",
        "data",
        {"text": _STRING, "label": _classes("World", "Sports", "Business", "Sci/Tech")},
    ),
    "hellaswag": DataSet(
        "Rowan/hellaswag",
        "default",
        "data",
        {
            "ind": _value("int32"),
            "activity_label": _STRING,
            "ctx_a": _STRING,
            "ctx_b": _STRING,
            "ctx": _STRING,
            "endings": _TEXTS,
            "source_id": _STRING,
            "split": _STRING,
            "split_type": _STRING,
            "label": _STRING,
        },
    ),  # fmt: skip
    "swag": DataSet(
        "allenai/swag",
        "regular",
        "regular",
        {
            "video-id": _STRING,
            "fold-ind": _STRING,
            "startphrase": _STRING,
            "sent1": _STRING,
            "sent2": _STRING,
            "gold-source": _STRING,
            "ending0": _STRING,
            "ending1": _STRING,
            "ending2": _STRING,
            "ending3": _STRING,
            "label": _classes("0", "1", "2", "3"),
        },
    ),  # fmt: skip
    "cosmosqa": DataSet(
        "allenai/cosmos_qa",
        "default",
        "data",
        {
            "id": _STRING,
            "context": _STRING,
            "question": _STRING,
            "answer0": _STRING,
            "answer1": _STRING,
            "answer2": _STRING,
            "answer3": _STRING,
            "label": _value("int32"),
        },
    ),  # fmt: skip
    "commonsenseqa": DataSet(
        "tau/commonsense_qa",
        "default",
        "data",
        {
            "id": _STRING,
            "question": _STRING,
            "question_concept": _STRING,
            "choices": {"label": _TEXTS, "text": _TEXTS},
            "answerKey": _STRING,
        },
    ),  # fmt: skip
    "socialiqa": DataSet(
        "allenai/social_i_qa",
        "default",
        "data",
        {name: _STRING for name in ("context", "question", "answerA", "answerB", "answerC", "label")},
    ),
    "piqa": DataSet(
        "ybisk/piqa",
        "plain_text",
        "plain_text",
        {"goal": _STRING, "sol1": _STRING, "sol2": _STRING, "label": _classes("0", "1")},
    ),
    "copa": DataSet("aps/super_glue", "copa", "copa", {**_CAUSES, **_INDEX, "label": _classes("choice1", "choice2")}),
}
"""The English data sets, by the name of the intermediate task."""


def beyond_datasets() -> dict[str, DataSet]:
    """The configurations of the targets outside XTREME, by a key like `sib200.de`."""
    found: dict[str, DataSet] = {}
    for code, name in FLORES_NAMES.items():
        columns = {"index_id": _value("int64"), "category": _STRING, "text": _STRING}
        found[f"sib200.{code}"] = DataSet("Davlan/sib200", name, name, columns)
    for code, name in TWEET_NAMES.items():
        columns = {"text": _STRING, "label": _classes("negative", "neutral", "positive")}
        found[f"tweets.{code}"] = DataSet("cardiffnlp/tweet_sentiment_multilingual", name, name, columns)
    for code in STSB_LANGUAGES:
        columns = {**_PAIR, "similarity_score": _value("float32")}
        found[f"stsb.{code}"] = DataSet("PhilipMay/stsb_multi_mt", code, code, columns)
    for code in EURLEX_LANGUAGES:
        columns = {"celex_id": _STRING, "text": _STRING, "labels": _list(_classes(*EUROVOC))}
        found[f"eurlex.{code}"] = DataSet("coastalcph/multi_eurlex", code, code, columns)
    for code in XCOPA_LANGUAGES:
        columns = {**_CAUSES, "label": _value("int32"), **_INDEX, "changed": _value("bool")}
        found[f"xcopa.{code}"] = DataSet("cambridgeltl/xcopa", code, code, columns)
    return found
