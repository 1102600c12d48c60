"""Rows of the targets: meanings drawn once and written in every language, so that the languages are parallel."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from core.sample import causes, nli, paraphrase, questions, singles
from core.sample.english import Row, cause_row, say
from core.sample.layout import EUROVOC, TYDIQA_NAMES
from core.sample.realise import NER_TAGS, POS_TAGS, realise
from core.sample.scenes import Draw, Sentence, lives, works

if TYPE_CHECKING:
    from collections.abc import Callable

    from core.sample.lexicon import Language
    from core.sample.realise import Tokens

_TRIES: Final = 200
_TOPICS: Final = {"films": "entertainment", "travel": "travel", "sport": "sports", "health": "health"}
_GEOGRAPHY: Final = "geography"
_LAW: Final = {
    "films": "100145",
    "food": "100157",
    "travel": "100154",
    "sport": "100149",
    "health": "100149",
    "money": "100148",
}
"""EuroVoc domains of MultiEURLEX that come nearest: sport and health both belong to social questions."""
_FRAGMENTS: Final = ("frag_per_loc", "frag_org_loc", "frag_per_org", "frag_people", "frag_places", "frag_org")
_QUESTIONS: Final = ("q_who", "q_what", "q_where", "q_when")
_HALF: Final = 0.5
_TAGGED_DOMAINS: Final = ("films", "food", "travel")
_FRAGMENT_SHARE: Final = 0.4
_QUESTION_SHARE: Final = 0.12


class Meaning(NamedTuple):
    """An example without a language: groups of sentences and a label."""

    texts: tuple[tuple[Sentence, ...], ...]
    label: str = ""


def text(language: Language, sentences: tuple[Sentence, ...]) -> str:
    """The sentences as running text."""
    return (" " if language.spaces else "").join(say(language, sentence) for sentence in sentences)


def distinct(make: Callable[[int], Meaning], *, n: int, draw: Draw) -> list[Meaning]:
    """Up to n meanings that differ in every language: a word and its synonym may be one word elsewhere."""
    found: list[Meaning] = []
    seen: set[object] = set()
    for index in range(n):
        for _ in range(_TRIES):
            meaning = make(index)
            key = tuple(_canonical(draw, sentence) for group in meaning.texts for sentence in group)
            if key not in seen:
                seen.add(key)
                found.append(meaning)
                break
    return found


def _canonical(draw: Draw, sentence: Sentence) -> Tokens:
    """The sentence in English with one of each two synonyms."""
    synonyms = draw.concepts.synonyms
    fillers = [(slot, ref._replace(key=min(ref.key, synonyms.get(ref.key, ref.key)))) for slot, ref in sentence.fillers]
    return realise("en", pattern=sentence.pattern, fillers=tuple(fillers))


def inference(draw: Draw, *, n: int) -> list[Meaning]:
    """XNLI: premise, hypothesis, label."""

    def make(index: int) -> Meaning:
        label = nli.LABELS[index % 3]
        item = nli.item(draw, label=label, difficulty=draw.level())
        return Meaning((item.premise, (item.hypothesis,)), label)

    return distinct(make, n=n, draw=draw)


def pairs(draw: Draw, *, n: int) -> list[Meaning]:
    """PAWS-X: two texts, "1" if they say the same."""

    def make(index: int) -> Meaning:
        made = paraphrase.pair(draw, same=index % 2 == 1, difficulty=draw.level())
        return Meaning((made.first, made.second), str(index % 2))

    return distinct(make, n=n, draw=draw)


def similarities(draw: Draw, *, n: int) -> list[Meaning]:
    """STS-B: two texts, grades 0 to 5."""

    def make(index: int) -> Meaning:
        score = index % len(paraphrase.SCORES)
        made = paraphrase.graded(draw, score=score, difficulty=draw.level())
        return Meaning((made.first, made.second), str(score))

    return distinct(make, n=n, draw=draw)


def statements(draw: Draw, *, n: int) -> list[Meaning]:
    """Retrieval: single sentences, no two alike."""

    def make(_index: int) -> Meaning:
        return Meaning(((singles.any_statement(draw),),))

    return distinct(make, n=n, draw=draw)


def _plain_statement(draw: Draw) -> Sentence:
    """A statement of three domains and few patterns; every part of speech is among them, but few of its words."""
    domain = draw.pick(_TAGGED_DOMAINS)
    u = draw.number()
    if u < _QUESTION_SHARE:
        return draw.quality(domain=domain).say("adj") if draw.number() < _HALF else singles.priced(draw)
    fact = draw.fact(domain=domain)
    if u < 2 * _QUESTION_SHARE:
        other = draw.fact(but=[fact])
        return draw.pick((fact.and_(other), fact.say("says", q=other.person), fact.say("maybe"), fact.say("some")))
    return fact.say(draw.pick(("act", "act_pl", "act_day", "neg", "top")))


def tagged(draw: Draw, *, n: int) -> list[Meaning]:
    """Part-of-speech tagging: statements and some questions; training sees three domains and ten patterns of them.

    With all of them in training, a sentence pattern would give its tags away.
    """

    def make(_index: int) -> Meaning:
        if draw.part == "train":
            return Meaning(((_plain_statement(draw),),))
        asked = draw.number() < _QUESTION_SHARE
        return Meaning(((draw.fact().say(draw.pick(_QUESTIONS)) if asked else singles.any_statement(draw),),))

    return distinct(make, n=n, draw=draw)


def named(draw: Draw, *, n: int) -> list[Meaning]:
    """Named entities: statements, and fragments like the titles of PAN-X."""

    def make(_index: int) -> Meaning:
        if draw.number() >= _FRAGMENT_SHARE:
            return Meaning(((singles.any_statement(draw),),))
        person, city = draw.person(), draw.city()
        fillers = {
            "p": person,
            "q": draw.person(but=[person]),
            "c": city,
            "d": draw.city(but=[city]),
            "g": draw.trade_name(),
        }
        return Meaning(((Sentence(draw.pick(_FRAGMENTS), tuple(sorted(fillers.items()))),),))

    return distinct(make, n=n, draw=draw)


def moods(draw: Draw, *, n: int) -> list[Meaning]:
    """Sentiment: negative, neutral, positive."""

    def make(index: int) -> Meaning:
        made = singles.opinion(draw, mood=index % 3 - 1, difficulty=draw.level())
        return Meaning((made.sentences,), str(index % 3))

    return distinct(make, n=n, draw=draw)


def topics(draw: Draw, *, n: int) -> list[Meaning]:
    """SIB-200: one statement, five of its seven topics; a statement about where somebody lives is geography."""
    domains = (*_TOPICS, _GEOGRAPHY)

    def make(index: int) -> Meaning:
        domain = domains[index % len(domains)]
        if domain == _GEOGRAPHY:
            statement = lives(draw.person(), city=draw.city())
            if draw.number() < 1 / 2:
                statement = works(draw.person(), organisation=draw.organisation(), city=draw.city())
            return Meaning(((statement,),), _GEOGRAPHY)
        fact = draw.fact(domain=domain)
        return Meaning(((fact.say(draw.pick(("act", "act_day", "act_pl", "top"))),),), _TOPICS[domain])

    return distinct(make, n=n, draw=draw)


def laws(draw: Draw, *, n: int) -> list[Meaning]:
    """MultiEURLEX: sentences of one to three domains; the labels are theirs.

    In each text something of one more domain did not happen, which gives no label.
    """

    def make(index: int) -> Meaning:
        order = draw.shuffled(list(_LAW))
        chosen, denied = order[: 1 + index % 3], order[-1]
        said = [draw.fact(domain=d).say(draw.pick(("act_pl", "act_dp", "top"))) for d in chosen]
        said.append(draw.fact(domain=denied).say("neg"))
        return Meaning((tuple(draw.shuffled(said)),), " ".join(sorted({_LAW[d] for d in chosen})))

    return distinct(make, n=n, draw=draw)


def asked(draw: Draw, *, n: int) -> list[questions.Question]:
    """Questions with an answer."""
    return [questions.question(draw, difficulty=draw.level()) for _ in range(n)]


def causal(draw: Draw, *, n: int) -> list[causes.Causal]:
    """XCOPA: a premise and two choices, no premise twice."""
    found: dict[Tokens, causes.Causal] = {}
    for number in range(n):
        for _ in range(_TRIES):
            made = causes.causal(draw, number=number, difficulty=draw.level())
            key = _canonical(draw, made.premise)
            if key not in found:
                found[key] = made
                break
    return list(found.values())


def inference_rows(language: Language, meanings: list[Meaning]) -> list[Row]:
    """Rows of XNLI."""
    return [
        {
            "language": language.code,
            "sentence1": text(language, m.texts[0]),
            "sentence2": text(language, m.texts[1]),
            "gold_label": m.label,
        }
        for m in meanings
    ]


def pair_rows(language: Language, meanings: list[Meaning]) -> list[Row]:
    """Rows of PAWS-X."""
    return [
        {"sentence1": text(language, m.texts[0]), "sentence2": text(language, m.texts[1]), "label": m.label}
        for m in meanings
    ]


def similarity_rows(language: Language, meanings: list[Meaning]) -> list[Row]:
    """Rows of the multilingual STS-B."""
    return [
        {
            "sentence1": text(language, m.texts[0]),
            "sentence2": text(language, m.texts[1]),
            "similarity_score": float(m.label),
        }
        for m in meanings
    ]


def question_rows(language: Language, items: list[questions.Question], *, prefix: str, title: bool) -> list[Row]:
    """Rows of XQuAD (without title), MLQA and TyDiQA."""
    rows: list[Row] = []
    for index, item in enumerate(items):
        written = questions.write_question(language, asked=item)
        row: Row = {"id": f"{prefix}-{index:05d}"}
        row |= {"title": item.domain} if title else {}
        row |= {"context": written.context, "question": written.question}
        rows.append({**row, "answers": {"answer_start": [written.start], "text": [written.answer]}})
    return rows


def tydiqa_rows(language: Language, items: list[questions.Question], *, prefix: str) -> list[Row]:
    """Rows of TyDiQA, the language named in the id."""
    return question_rows(language, items, prefix=f"{TYDIQA_NAMES[language.code]}-{prefix}", title=True)


def retrieval_rows(
    language: Language, meanings: list[Meaning], *, english: Language, names: tuple[str, str]
) -> list[Row]:
    """Rows of BUCC and Tatoeba. `names`: of the language and of English, as the data set writes them."""
    return [
        {
            "source_sentence": text(language, m.texts[0]),
            "target_sentence": text(english, m.texts[0]),
            "source_lang": names[0],
            "target_lang": names[1],
        }
        for m in meanings
    ]


def _tokens(language: Language, meaning: Meaning) -> Tokens:
    (sentence,) = meaning.texts[0]
    return realise(language.code, pattern=sentence.pattern, fillers=sentence.fillers)


def tag_rows(language: Language, meanings: list[Meaning]) -> list[Row]:
    """Rows of udpos."""
    rows = [_tokens(language, meaning) for meaning in meanings]
    return [{"tokens": [t.text for t in row], "pos_tags": [POS_TAGS.index(t.pos) for t in row]} for row in rows]


def entity_rows(language: Language, meanings: list[Meaning]) -> list[Row]:
    """Rows of PAN-X: Chinese by character, Vietnamese by syllable, as there."""
    rows: list[Row] = []
    for meaning in meanings:
        words: list[str] = []
        labels: list[str] = []
        for token in _tokens(language, meaning):
            pieces = token.text.split() if language.spaces else list(token.text)
            words += pieces
            labels += [token.entity, *[token.entity.replace("B-", "I-")] * (len(pieces) - 1)]
        tags = [NER_TAGS.index(label) for label in labels]
        rows.append({"tokens": words, "ner_tags": tags, "langs": [language.code] * len(words)})
    return rows


def mood_rows(language: Language, meanings: list[Meaning]) -> list[Row]:
    """Rows of the multilingual tweet sentiment."""
    return [{"text": text(language, m.texts[0]), "label": int(m.label)} for m in meanings]


def topic_rows(language: Language, meanings: list[Meaning], *, first: int) -> list[Row]:
    """Rows of SIB-200, numbered from `first` on."""
    return [
        {"index_id": first + i, "category": m.label, "text": text(language, m.texts[0])} for i, m in enumerate(meanings)
    ]


def law_rows(language: Language, meanings: list[Meaning], *, prefix: str) -> list[Row]:
    """Rows of MultiEURLEX."""
    return [
        {
            "celex_id": f"{prefix}{i:05d}",
            "text": text(language, m.texts[0]),
            "labels": sorted(EUROVOC.index(label) for label in m.label.split()),
        }
        for i, m in enumerate(meanings)
    ]


def cause_rows(language: Language, items: list[causes.Causal]) -> list[Row]:
    """Rows of XCOPA."""
    return [cause_row(language, item) | {"idx": i, "changed": False} for i, item in enumerate(items)]
