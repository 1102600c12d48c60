"""Whether what a model is trained and selected on is English, told by its place, its columns, its script and its words.

Zero-shot transfer means English training and development data. A configuration of another language, a language column
that nobody filtered, and text in another script are found here, for `check-task` and for every run. A name alone may
mean something else (`ml` is Malayalam and machine learning, `geo` Georgian and geography): it counts where the text has
too few of the commonest English words.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc

from core.data.locate import Located
from core.errors import DataError
from core.examples import SplitRole
from core.languages import LANGUAGES, code_of_name, language
from core.spec.task import TaskSpec

N_SAMPLED = 200
"""Texts whose letters are looked at, spread over the split."""

_ENGLISH = frozenset({"en", "eng", "english", "en_us", "en_gb"})
_LANGUAGE_COLUMN = re.compile(r"lang|locale", re.IGNORECASE)
_ALSO_WORDS = frozenset({"as", "he", "hi", "id", "is", "it", "my", "no", "or", "so", "to"})
"""Codes that are English words: after `_` they name no language (`with_id`)."""

_MOST_VALUES = 250
"""A column of more distinct values is no column of languages."""

_WORD = re.compile(r"[^\W\d_]+")
_COMMON = frozenset(
    _WORD.findall(
        "and are be been but can does from had has have her his how if is it its not of that the their them there "
        "they this to was were what when where which who will with would you your"
    )
)
_COMMON_SHARE = 0.1
"""Of the words of English text: 0.13 (lists of names) to 0.31 in the bundled tasks, at most 0.04 in other languages."""


def check_place(task: TaskSpec, place: Located, *, role: SplitRole) -> None:
    """Refuse a training or development split that the task itself declares as another language's test data.

    Args:
        task: Its declaration.
        place: Where the English split was found.
        role: For the message.

    Raises:
        DataError: The configuration, or the split, is another language's.
    """
    test = task.test
    for lang in task.languages if test is not None and test.path == place.ref.path else ():
        for template, name in ((test.config, place.config), (test.split, place.split)) if test else ():
            is_own = template and "{lang}" in template and name == template.replace("{lang}", task.own_name(lang))
            if lang != "en" and is_own and task.own_name(lang) != task.own_name("en"):
                raise _named(task, place, role=role, lang=language(lang).name)


def check_names(task: TaskSpec, place: Located, texts: Sequence[str], *, role: SplitRole) -> None:
    """Refuse a split whose configuration is named like another language, unless its text reads as English.

    Args:
        task: Its declaration.
        place: Where the split was found.
        texts: Of all examples.
        role: For the message.

    Raises:
        DataError: The configuration is another language's.
    """
    found = _named_in(place.config or "")
    if found is not None and not _reads_as_english(texts):
        raise _named(task, place, role=role, lang=found)


def _named(task: TaskSpec, place: Located, *, role: SplitRole, lang: str) -> DataError:
    named = f"configuration '{place.config}'" if place.config else f"split '{place.split}'"
    return _not_english(task, place, role=role, found=f"{named} is {lang}")


def _named_in(config: str) -> str | None:
    """The language other than English that a configuration's name ends in; None where English is named as well."""
    parts = re.split(r"([._-])", config)
    words, before = parts[::2], ["", *parts[1::2]]
    if any(word.casefold() in _ENGLISH for word in words):
        return None
    last, divider = words[-1].casefold(), before[-1]
    if len(words) > 1 and divider == "_" and len(words[-2]) == len("deu") and len(last) == len("latn"):
        last, divider = words[-2].casefold(), ""  # FLORES: deu_Latn
    if divider == "_" and last in _ALSO_WORDS:
        return None
    code = last if last in LANGUAGES else code_of_name(last)
    return language(code).name if code not in {None, "en"} and code else None


def check_rows(task: TaskSpec, place: Located, table: pa.Table, texts: Sequence[str], *, role: SplitRole) -> None:
    """Refuse a split with a column of languages that is neither filtered nor English throughout.

    A column that does not name English among others may say something else: it counts where the text is not English.

    Args:
        task: Its declaration.
        place: Where the split was found.
        table: Its rows, filtered where the declaration says so.
        texts: Of all examples.
        role: For the message.

    Raises:
        DataError: Rows of other languages are among them; names the column and what to write.
    """
    if place.ref.language_column or place.ref.id_language_prefix:
        return
    read = {name for value in (place.ref.columns or task.columns).model_dump().values() for name in _names(value)}
    for column in table.column_names:
        if column in read or not _holds_text(table.schema.field(column).type):
            continue
        values = [str(v) for v in pc.unique(table.column(column)).to_pylist() if v is not None]
        langs = _languages(values, task=task, is_named=bool(_LANGUAGE_COLUMN.search(column)))
        if langs and langs != {"en"} and ("en" in langs or not _reads_as_english(texts)):
            some = ", ".join(language(code).name for code in sorted(langs)[:6]) + (" …" if len(langs) > 6 else "")
            raise _not_english(
                task, place, role=role, found=f"its column '{column}' names {some} and is not filtered",
                do=f"Write `language_column: {column}` in the task's `{role}`.",
            )  # fmt: skip


def _names(value: object) -> Sequence[str]:
    return (value,) if isinstance(value, str) else tuple(value) if isinstance(value, list | tuple) else ()


def _holds_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_dictionary(kind))


def _languages(values: Sequence[str], *, task: TaskSpec, is_named: bool) -> set[str]:
    """Languages that the values of a column stand for; none where one value is no language."""
    own = {task.own_name(lang).casefold(): lang for lang in task.languages}
    found = set()
    for value in values if len(values) <= _MOST_VALUES else ():
        word = value.casefold()
        code = own.get(word) or ("en" if word in _ENGLISH else None)
        if code is None and (is_named or word in LANGUAGES):
            code = word if word in LANGUAGES else code_of_name(word)
        if code is None:
            return set()
        found.add(code)
    return found


def check_script(task: TaskSpec, place: Located, texts: Sequence[str], *, role: SplitRole) -> None:
    """Refuse text most of whose letters are of another script than English is written in.

    Args:
        task: Its declaration.
        place: Where the split was found.
        texts: Of all examples.
        role: For the message.

    Raises:
        DataError: More than half of the letters looked at are not Latin; names their script.
    """
    scripts = [_script(letter) for text in _sampled(texts) for letter in text if letter.isalpha()]
    others = [script for script in scripts if script != "LATIN"]
    if 2 * len(others) > len(scripts):
        most = max(sorted(set(others)), key=others.count).capitalize()
        share = round(100 * len(others) / len(scripts))
        raise _not_english(task, place, role=role, found=f"{share} % of its letters are not Latin (most are {most})")


def _sampled(texts: Sequence[str]) -> list[str]:
    """Some of the texts, with plain letters for wide and ornamental ones."""
    step = max(1, len(texts) // N_SAMPLED)
    return [unicodedata.normalize("NFKC", text) for text in texts[::step][:N_SAMPLED]]


def _reads_as_english(texts: Sequence[str]) -> bool:
    words = [word for text in _sampled(texts) for word in _WORD.findall(text.casefold())]
    return sum(word in _COMMON for word in words) > _COMMON_SHARE * len(words)


def _script(letter: str) -> str:
    return unicodedata.name(letter, "UNKNOWN").split(" ", maxsplit=1)[0].split("-", maxsplit=1)[0]


def _not_english(
    task: TaskSpec,
    place: Located,
    *,
    role: SplitRole,
    found: str,
    do: str = "Name English data in the task's definition.",
) -> DataError:
    return DataError(
        f"The {role} split of '{task.name}' ({place.where}) is not English alone: {found}. Models are trained and "
        f"selected on English. {do}"
    )
