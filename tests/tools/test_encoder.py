"""The bundled encoder as it ships: loading, size, tokenizer, translations. The sentences were written for this test."""

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

os.environ.setdefault("HF_HUB_OFFLINE", "1")

from sentence_transformers import SentenceTransformer
from transformers import (
    AutoModel,
    AutoModelForMaskedLM,
    AutoModelForMultipleChoice,
    AutoModelForQuestionAnswering,
    AutoModelForSequenceClassification,
    AutoModelForTokenClassification,
    AutoTokenizer,
    PreTrainedTokenizerFast,
)

from tools.encoder.contamination import evaluation_strings, normal_form, overlaps
from tools.encoder.export import folder_size
from tools.encoder.layout import MODEL, SHARED, SIZE_LIMIT_BYTES

ENGLISH = [
    "The cat is sleeping on the bed.",
    "We will travel to the sea tomorrow.",
    "My brother bought a new car.",
    "It is raining today.",
]
TRANSLATIONS = {
    "de": [
        "Die Katze schläft auf dem Bett.",
        "Wir werden morgen ans Meer reisen.",
        "Mein Bruder hat ein neues Auto gekauft.",
        "Heute regnet es.",
    ],
    "fr": [
        "Le chat dort sur le lit.",
        "Nous voyagerons à la mer demain.",
        "Mon frère a acheté une nouvelle voiture.",
        "Il pleut aujourd'hui.",
    ],
    "es": [
        "El gato duerme en la cama.",
        "Mañana viajaremos al mar.",
        "Mi hermano compró un coche nuevo.",
        "Hoy está lloviendo.",
    ],
    "ru": [
        "Кошка спит на кровати.",
        "Завтра мы поедем на море.",
        "Мой брат купил новую машину.",
        "Сегодня идёт дождь.",
    ],
    "tr": [
        "Kedi yatakta uyuyor.",
        "Yarın denize seyahat edeceğiz.",
        "Erkek kardeşim yeni bir araba aldı.",
        "Bugün yağmur yağıyor.",
    ],
    "zh": ["猫在床上睡觉。", "我们明天去海边旅行。", "我哥哥买了一辆新车。", "今天下雨。"],
    "hi": ["बिल्ली बिस्तर पर सो रही है।", "हम कल समुद्र की यात्रा करेंगे।", "मेरे भाई ने नई कार खरीदी।", "आज बारिश हो रही है।"],
}
SCRIPTS = {
    "af": "Ons ry môre see toe.", "ar": "سنسافر إلى البحر غدا", "bg": "Утре ще пътуваме до морето.",
    "bn": "আমরা আগামীকাল সমুদ্রে যাব", "de": "Wir fahren morgen ans Meer.", "el": "Αύριο θα ταξιδέψουμε στη θάλασσα.",
    "en": "We travel to the sea.", "es": "Mañana viajaremos al mar.", "et": "Homme sõidame mere äärde.",
    "eu": "Bihar itsasora joango gara.", "fa": "فردا به دریا سفر می کنیم", "fi": "Matkustamme huomenna merelle.",
    "fr": "Nous irons à la mer demain.", "he": "מחר ניסע לים", "hi": "हम कल समुद्र की यात्रा करेंगे",
    "hu": "Holnap a tengerhez utazunk.", "id": "Besok kami pergi ke laut.", "it": "Domani andremo al mare.",
    "ja": "明日は海に行きます", "jv": "Sesuk kita lunga menyang segara.", "ka": "ხვალ ზღვაზე წავალთ",
    "kk": "Ертең біз теңізге барамыз", "ko": "내일 우리는 바다로 갑니다", "ml": "നാളെ ഞങ്ങൾ കടലിൽ പോകും",
    "mr": "उद्या आपण समुद्रावर जाऊ", "ms": "Esok kami pergi ke laut.", "my": "မနက်ဖြန် ပင်လယ်သွားမယ်",
    "nl": "Morgen reizen we naar zee.", "pt": "Amanhã viajaremos para o mar.", "ru": "Завтра мы поедем на море.",
    "sw": "Kesho tutasafiri baharini.", "ta": "நாளை நாம் கடலுக்கு செல்வோம்", "te": "రేపు మేము సముద్రానికి వెళ్తాము",
    "th": "พรุ่งนี้เราจะไปทะเล", "tl": "Bukas ay pupunta kami sa dagat.", "tr": "Yarın denize gideceğiz.",
    "ur": "کل ہم سمندر جائیں گے", "vi": "Ngày mai chúng tôi đi biển.", "yo": "A ó lọ sí òkun lọ́la.",
    "zh": "我们明天去海边",
}  # fmt: skip


@pytest.fixture(scope="module")
def tokenizer() -> PreTrainedTokenizerFast:
    return AutoTokenizer.from_pretrained(str(MODEL), local_files_only=True)


@pytest.fixture(scope="module")
def sentence_encoder() -> SentenceTransformer:
    return SentenceTransformer(str(MODEL), device="cpu", local_files_only=True)


def test_folder_keeps_its_bound_and_holds_no_pickle() -> None:
    assert folder_size(MODEL) <= SIZE_LIMIT_BYTES
    assert not [path for path in MODEL.rglob("*") if path.suffix in {".bin", ".pt", ".pkl", ".ckpt"}]


def test_model_loads_as_float32_under_every_head(tokenizer: PreTrainedTokenizerFast) -> None:
    inputs = tokenizer("A short sentence.", "And a second one.", return_tensors="pt")
    model = AutoModel.from_pretrained(str(MODEL), local_files_only=True)
    assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}
    assert model(**inputs).last_hidden_state.shape[-1] == model.config.hidden_size
    for head in (AutoModelForSequenceClassification, AutoModelForTokenClassification):
        logits = head.from_pretrained(str(MODEL), num_labels=3, local_files_only=True)(**inputs).logits
        assert logits.shape[-1] == 3
    answers = AutoModelForQuestionAnswering.from_pretrained(str(MODEL), local_files_only=True)(**inputs)
    assert answers.start_logits.shape == inputs["input_ids"].shape
    choices = {name: value.unsqueeze(0) for name, value in inputs.items()}
    assert AutoModelForMultipleChoice.from_pretrained(str(MODEL), local_files_only=True)(**choices).logits.shape == (
        1,
        1,
    )


def test_masked_head_is_part_of_the_checkpoint(tokenizer: PreTrainedTokenizerFast) -> None:
    model = AutoModelForMaskedLM.from_pretrained(str(MODEL), local_files_only=True)
    with torch.no_grad():
        logits = model(**tokenizer("I drink a cup of [MASK].", return_tensors="pt")).logits
    assert logits.shape[-1] == len(tokenizer)
    assert torch.isfinite(logits).all()


@pytest.mark.parametrize("lang", SCRIPTS)
def test_tokenizer_knows_the_script(tokenizer: PreTrainedTokenizerFast, lang: str) -> None:
    ids = tokenizer(SCRIPTS[lang], add_special_tokens=False)["input_ids"]
    assert tokenizer.unk_token_id not in ids
    decoded = tokenizer.decode(ids)
    assert decoded.replace(" ", "") == normalised(tokenizer, SCRIPTS[lang]).replace(" ", "")


def normalised(tokenizer: PreTrainedTokenizerFast, text: str) -> str:
    return tokenizer.backend_tokenizer.normalizer.normalize_str(text)


def test_offsets_point_into_the_text(tokenizer: PreTrainedTokenizerFast) -> None:
    text = "Anna lives in 北京, (not) München."
    encoded = tokenizer(text, return_offsets_mapping=True, add_special_tokens=False)
    pieces = "".join(text[start:end] for start, end in encoded["offset_mapping"])
    assert pieces.replace(" ", "") == text.replace(" ", "")


def test_every_word_of_a_tagged_sentence_has_a_first_piece_with_content(tokenizer: PreTrainedTokenizerFast) -> None:
    words = ["Anna", "lebt", "in", "北", "京", ",", "(", "กรุงเทพ", ")", "."]
    encoded = tokenizer(words, is_split_into_words=True, add_special_tokens=False)
    first = {word: encoded.tokens()[place] for place, word in reversed(list(enumerate(encoded.word_ids())))}
    assert sorted(first) == list(range(len(words)))
    assert "\u2581" not in first.values()


def test_translations_are_nearer_than_other_sentences(sentence_encoder: SentenceTransformer) -> None:
    english = sentence_encoder.encode(ENGLISH)
    assert np.allclose(np.linalg.norm(english, axis=1), 1.0, atol=1e-4)
    for lang, sentences in TRANSLATIONS.items():
        nearest = (sentence_encoder.encode(sentences) @ english.T).argmax(1)
        assert (nearest == np.arange(len(ENGLISH))).mean() >= 0.75, lang


def test_normal_form_keeps_letters_marks_and_digits() -> None:
    # NFKC turns the wide letters and digits into plain ones; the marks of Hindi stay; case folding turns ß into ss.
    assert normal_form("Ｈi, Straße 1०!") == "histrasse1०"
    assert normal_form("हि-न्दी") == "हिन्दी"
    assert normal_form("?!") == ""


def test_no_evaluation_text_in_the_parallel_text(tmp_path: Path) -> None:
    if not (SHARED / "parallel").is_dir() or not (SHARED / "hub" / "google" / "xtreme").is_dir():
        pytest.skip("../shared with parallel/ and hub/ is not on this machine")
    # A part, for speed: Tatoeba's sentences against two small files. The command compares everything.
    xtreme = tmp_path / "hub" / "google" / "xtreme"
    xtreme.mkdir(parents=True)
    for config in (SHARED / "hub" / "google" / "xtreme").glob("tatoeba.*"):
        (xtreme / config.name).mkdir()
        (xtreme / config.name / "validation.parquet").symlink_to(next(config.glob("*.parquet")))
    (tmp_path / "parallel").mkdir()
    for name in ("xsid", "storybooks"):
        (tmp_path / "parallel" / f"{name}.parquet").symlink_to(SHARED / "parallel" / f"{name}.parquet")
    evaluation = evaluation_strings(tmp_path / "hub")
    assert sum(overlap.overlapping for overlap in overlaps(tmp_path / "parallel", evaluation=evaluation)) == 0


def test_overlap_is_found_on_either_side(tmp_path: Path) -> None:
    frame = pd.DataFrame({"text": ["Ein Satz!", "Kein Satz"], "english": ["other", "The SENTENCE"]})
    frame.to_parquet(tmp_path / "made.parquet")
    found = overlaps(tmp_path, evaluation={"einsatz", "thesentence"})
    assert [(overlap.rows, overlap.overlapping) for overlap in found] == [(2, 2)]
