"""What a model has met of a test set: the same text, or its translation where ids or gold labels tell."""

from __future__ import annotations

import pytest

from core.data.overlap import Seen
from core.examples import Split, SplitRole
from core.spec.task import TaskSpec
from core.types.classification import TextExample

N = 20


def _task(*, with_ids: bool) -> TaskSpec:
    ref = {"path": "me/data", "split": "train"}
    return TaskSpec.model_validate(
        {
            "name": "toy",
            "title": "Toy",
            "type": "classification",
            "roles": ["target"],
            "summary": "For tests.",
            "languages": ["en", "de"],
            "labels": ["no", "yes"],
            "columns": {"text": "a", "label": "y"} | ({"id": "i"} if with_ids else {}),
            "train": ref,
            "test": ref | {"split": "test"},
            "metrics": ["accuracy"],
            "chance": 0.5,
            "licence": "none",
            "citation": "none",
        }
    )


def _split(
    role: SplitRole, lang: str, *, rows: range = range(N), labels: str = "01101", with_ids: bool = False
) -> Split:
    word = "sentence" if lang == "en" else "Satz"
    examples = tuple(TextExample(str(i), f"{word} {i}", None, int(labels[i % len(labels)])) for i in rows)
    return Split(_task(with_ids=with_ids), role, lang, role, examples, len(examples), "", None, ("no", "yes"))


def _flags(seen: Seen, split: Split, *, english: Split, drawn: Split | None = None) -> list[tuple[str, str]]:
    return [(flag, message) for flag, message in seen.flags(split, drawn=drawn, english=english)]


def test_the_same_text_is_counted_after_folding() -> None:
    seen = Seen()
    seen.add(_split("train", "en", rows=range(3))._replace(examples=(TextExample("0", "Sentence  3", None, 0),)))
    english = _split("test", "en")
    message = "1 of 20 toy test texts (en) occur in the training data."
    assert _flags(seen, english, english=english) == [("overlap", message)]


@pytest.mark.parametrize("with_ids", [True, False], ids=["ids of the data set", "rows whose gold labels agree"])
def test_translations_of_what_was_trained_and_selected_on_are_known(with_ids: bool) -> None:
    seen, english = Seen(), _split("test", "en", with_ids=with_ids)
    seen.add(_split("train", "en", rows=range(12), with_ids=with_ids))
    seen.add(_split("dev", "en", rows=range(18, 25), with_ids=with_ids))
    german = _split("test", "de", with_ids=with_ids)
    how = "by their ids, as translations."
    assert _flags(seen, german, english=english) == [
        ("overlap", f"12 of 20 toy test texts (de) occur in the training data, 12 of them {how}"),
        (
            "dev_overlap",
            f"2 of 20 toy test texts (de) occur in the development data, which select the model, 2 of them {how}",
        ),
    ]
    drawn = german._replace(examples=german.examples[10:14])  # of the sample, rows 10 and 11
    assert _flags(seen, german, english=english, drawn=drawn)[0][1].startswith("2 of 4 ")


def test_rows_of_other_items_are_no_translations() -> None:
    seen, english = Seen(), _split("test", "en")
    seen.add(_split("train", "en"))
    assert _flags(seen, _split("test", "de", labels="10"), english=english) == []
    assert _flags(seen, _split("test", "de", rows=range(N - 1)), english=english) == []


def test_a_long_id_is_known_without_english_text() -> None:
    """SQuAD's ids are those of XQuAD in every language."""
    seen = Seen()
    first = TextExample("56be4db0acb8001400a502ec", "a question", None, 1)
    seen.add(_split("train", "en")._replace(examples=(first, TextExample("7", "another", None, 0))))
    other = (first._replace(text="eine Frage"), TextExample("7", "noch eine", None, 0))
    (flag,) = seen.flags(_split("test", "de")._replace(examples=other), english=None)
    assert flag.message == (
        "1 of 2 toy test texts (de) occur in the training data, 1 of them by their ids, as translations."
    )
