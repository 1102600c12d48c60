"""Builds the sample tasks as folders in the hub's layout: written beside, renamed when whole, marker last."""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import yaml

from core.sample import english as english_rows
from core.sample import layout
from core.sample import multilingual as multi
from core.sample.lexicon import load_concepts, load_language
from core.sample.realise import register
from core.sample.scenes import Draw
from core.sample.spec import LANGUAGES, SampleSpec

if TYPE_CHECKING:
    from collections.abc import Iterator

    from core.sample.english import Row
    from core.sample.layout import DataSet
    from core.sample.lexicon import Language
    from core.sample.scenes import Part

SOURCES: Final = Path(__file__).resolve().parents[2] / "data" / "sample"
MARKER: Final = "COMPLETE.json"
TRAIN: Final = 4000
"""Training rows of an intermediate."""
EXTRA_TRAIN: Final = 4400
"""Training rows where the development set is cut from them: IMDB, AG News, TyDiQA."""
DEV: Final = 500
TARGET_TRAIN: Final = 2400
TARGET_DEV: Final = 200
TARGET_TEST: Final = 300
QA_TEST: Final = 240
QA_DEV: Final = 160
NLI_DEV: Final = 180

_SPLITS: Final[dict[str, dict[str, Part]]] = {
    "mnli": {"train": "train", "validation_matched": "dev", "validation_mismatched": "dev"},
    "anli": {f"{kind}_r{i}": "train" if kind == "train" else "dev" for kind in ("train", "dev") for i in (1, 2, 3)},
    "imdb": {"train": "train", "test": "test"},
    "ag_news": {"train": "train", "test": "test"},
}
_TRAIN_DEV: Final[dict[str, Part]] = {"train": "train", "validation": "dev"}


class Table(NamedTuple):
    """The rows of one split."""

    dataset: DataSet
    split: str
    rows: list[Row]


class _Workshop:
    """Words, languages and the spec of one build; a draw has a seed of its own, so that no order matters."""

    def __init__(self, spec: SampleSpec, *, sources: Path) -> None:
        self.spec = spec
        self.concepts = load_concepts(sources)
        self.languages = {code: load_language(sources, code=code) for code in LANGUAGES}
        for language in self.languages.values():
            register(language)

    @property
    def english(self) -> Language:
        return self.languages["en"]

    def draw(self, name: str, *, part: Part, intermediate: bool = False) -> Draw:
        """A draw for one split of one data set."""
        rng = np.random.default_rng([self.spec.seed, zlib.crc32(f"{name}:{part}".encode())])
        wanted = self.spec if intermediate else SampleSpec()
        return Draw(self.concepts, rng=rng, part=part, domain=wanted.domain, difficulty=wanted.difficulty)

    def n(self, rows: int) -> int:
        """Training rows under the scale of the spec."""
        return max(1, round(rows * self.spec.scale))


def ensure_sample(cache_dir: Path, spec: SampleSpec | None = None, *, sources: Path = SOURCES) -> Path:
    """The folder of the sample tasks, built if it is not there yet.

    Args:
        cache_dir: Where built folders are kept.
        spec: What to build; the default mixture if None.
        sources: Lexicons and patterns.

    Raises:
        DataError: a lexicon is incomplete.
    """
    wanted = spec or SampleSpec()
    folder = _place(cache_dir, wanted, sources=sources)
    if (folder / MARKER).exists():
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    beside = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        _build(beside, spec=wanted, sources=sources)
        _settle(beside, folder)
    finally:
        shutil.rmtree(beside, ignore_errors=True)
    return folder


def built(cache_dir: Path, spec: SampleSpec) -> Path | None:
    """The folder of the sample tasks, None where it is not there yet.

    Args:
        cache_dir: Where built folders are kept.
        spec: What was to be built.
    """
    folder = _place(cache_dir, spec, sources=SOURCES)
    return folder if (folder / MARKER).exists() else None


def _place(cache_dir: Path, spec: SampleSpec, *, sources: Path) -> Path:
    return cache_dir / "sample" / fingerprint(spec, sources=sources)


def fingerprint(spec: SampleSpec, *, sources: Path = SOURCES) -> str:
    """Sixteen hex digits of the spec, of every byte of the lexicons, and of the generator itself.

    The code is part of it, so that a change to a pattern can never be answered with rows of before.
    """
    digest = hashlib.sha256(spec.model_dump_json().encode())
    code = [path for path in Path(__file__).parent.glob("*.py") if path.name != "check.py"]
    for path in [*sorted(code), *sorted(sources.rglob("*.yaml"))]:
        digest.update(path.name.encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def _settle(beside: Path, folder: Path) -> None:
    """Renames a whole build into place; another process may have been faster, which is as good."""
    if folder.exists() and not (folder / MARKER).exists():
        shutil.rmtree(folder)  # a reader or a cleaner damaged it; builds themselves arrive whole
    try:
        beside.rename(folder)
    except OSError:
        if not (folder / MARKER).exists():
            raise


def _build(root: Path, *, spec: SampleSpec, sources: Path) -> None:
    shop = _Workshop(spec, sources=sources)
    splits: dict[str, list[tuple[DataSet, str, int]]] = {}
    for table in tables(shop):
        _write(root, table)
        splits.setdefault(table.dataset.hub_id, []).append((table.dataset, table.split, len(table.rows)))
    for hub_id, written in splits.items():
        _write_card(root / hub_id, hub_id=hub_id, written=written)
    counts = {f"{d.hub_id}/{d.config}/{s}": n for written in splits.values() for d, s, n in written}
    marker = {"spec": json.loads(spec.model_dump_json()), "counts": counts}
    (root / MARKER).write_text(json.dumps(marker, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def tables(shop: _Workshop) -> Iterator[Table]:
    """Every split of a build: the intermediates, and unless a study is meant the targets."""
    yield from _intermediates(shop)
    if shop.spec.is_study:
        return
    sets = layout.xtreme_datasets(
        tatoeba={code: language.tatoeba for code, language in shop.languages.items()},
        udpos={code: language.udpos for code, language in shop.languages.items()},
    )
    yield from _inference_and_pairs(shop, sets)
    yield from _tagging(shop, sets)
    yield from _questions(shop, sets)
    yield from _retrieval(shop, sets)
    yield from _beyond(shop)
    yield from _causes(shop)


def _intermediates(shop: _Workshop) -> Iterator[Table]:
    for name, dataset in layout.INTERMEDIATES.items():
        splits = _SPLITS.get(name, _TRAIN_DEV)
        trains = sum(part == "train" for part in splits.values())
        for split, part in splits.items():
            n = shop.n(EXTRA_TRAIN if "test" in splits else TRAIN) // trains if part == "train" else DEV // trains
            draw = shop.draw(f"{name}:{split}", part=part, intermediate=True)
            yield Table(
                dataset,
                split,
                english_rows.rows(name, draw=draw, english=shop.english, n=n, prefix=split),
            )


def _inference_and_pairs(shop: _Workshop, sets: dict[str, DataSet]) -> Iterator[Table]:
    parts: tuple[tuple[str, Part, int], ...] = (("validation", "dev", NLI_DEV), ("test", "test", TARGET_TEST))
    for split, part, n in parts:
        meanings = multi.inference(shop.draw("XNLI", part=part), n=n)
        languages = [shop.languages[code] for code in layout.XTREME_LANGUAGES["XNLI"]]
        yield Table(sets["XNLI"], split, [row for lang in languages for row in multi.inference_rows(lang, meanings)])
    train = multi.pairs(shop.draw("PAWS-X", part="train"), n=shop.n(TARGET_TRAIN))
    yield Table(sets["PAWS-X.en"], "train", multi.pair_rows(shop.english, train))
    for split, part, n in (("validation", "dev", TARGET_DEV), ("test", "test", TARGET_TEST)):
        meanings = multi.pairs(shop.draw("PAWS-X", part=_part(part)), n=n)
        for code in layout.XTREME_LANGUAGES["PAWS-X"]:
            yield Table(sets[f"PAWS-X.{code}"], split, multi.pair_rows(shop.languages[code], meanings))


def _part(name: str) -> Part:
    return {"train": "train", "dev": "dev", "test": "test"}[name]  # type: ignore[return-value]


def _tagging(shop: _Workshop, sets: dict[str, DataSet]) -> Iterator[Table]:
    kinds = {"udpos": (multi.tagged, multi.tag_rows), "PAN-X": (multi.named, multi.entity_rows)}
    for task, (draw_all, write_all) in kinds.items():
        for code in layout.XTREME_LANGUAGES[task]:
            sizes = {"train": shop.n(TARGET_TRAIN)} if code == "en" else {}
            for split, n in (sizes | {"validation": TARGET_DEV, "test": TARGET_TEST}).items():
                part = _part("dev" if split == "validation" else split)
                meanings = draw_all(shop.draw(f"{task}.{code}", part=part), n=n)
                yield Table(sets[f"{task}.{code}"], split, write_all(shop.languages[code], meanings))


def _questions(shop: _Workshop, sets: dict[str, DataSet]) -> Iterator[Table]:
    dev = multi.asked(shop.draw("SQuAD", part="dev"), n=DEV)
    yield Table(sets["SQuAD"], "validation", multi.question_rows(shop.english, dev, prefix="dev", title=True))
    test = multi.asked(shop.draw("XQuAD", part="test"), n=QA_TEST)
    for code in layout.XTREME_LANGUAGES["XQuAD"]:
        rows = multi.question_rows(shop.languages[code], test, prefix="xquad", title=False)
        yield Table(sets[f"XQuAD.{code}"], "validation", rows)
    for split, part, n in (("validation", "dev", QA_DEV), ("test", "test", QA_TEST)):
        items = multi.asked(shop.draw("MLQA", part=_part(part)), n=n)
        for code in layout.XTREME_LANGUAGES["MLQA"]:
            rows = multi.question_rows(shop.languages[code], items, prefix=f"mlqa-{split}", title=True)
            yield Table(sets[f"MLQA.{code}"], split, rows)
    train = multi.asked(shop.draw("tydiqa", part="train"), n=shop.n(EXTRA_TRAIN))
    yield Table(sets["tydiqa"], "train", multi.tydiqa_rows(shop.english, train, prefix="train"))
    found: list[Row] = []
    for code in layout.XTREME_LANGUAGES["tydiqa"]:
        items = multi.asked(shop.draw(f"tydiqa.{code}", part="test"), n=QA_TEST)
        found += multi.tydiqa_rows(shop.languages[code], items, prefix="dev")
    yield Table(sets["tydiqa"], "validation", found)


def _retrieval(shop: _Workshop, sets: dict[str, DataSet]) -> Iterator[Table]:
    for split, part, n in (("validation", "dev", TARGET_DEV), ("test", "test", TARGET_TEST)):
        meanings = multi.statements(shop.draw("bucc18", part=_part(part)), n=n)
        for code in layout.XTREME_LANGUAGES["bucc18"]:
            language = shop.languages[code]
            rows = multi.retrieval_rows(language, meanings, english=shop.english, names=(code, "en"))
            yield Table(sets[f"bucc18.{code}"], split, rows)
    meanings = multi.statements(shop.draw("tatoeba", part="test"), n=TARGET_TEST)
    for code in layout.XTREME_LANGUAGES["tatoeba"]:
        language = shop.languages[code]
        names = (language.tatoeba, shop.english.tatoeba)
        rows = multi.retrieval_rows(language, meanings, english=shop.english, names=names)
        yield Table(sets[f"tatoeba.{code}"], "validation", rows)


def _beyond(shop: _Workshop) -> Iterator[Table]:
    """Targets outside XTREME: English is trained on, the other languages have dev and test only."""
    sets = layout.beyond_datasets()
    for task, draw_all in (
        ("sib200", multi.topics),
        ("tweets", multi.moods),
        ("stsb", multi.similarities),
        ("eurlex", multi.laws),
    ):
        codes = [key.partition(".")[2] for key in sets if key.startswith(f"{task}.")]
        for name in ("train", "dev", "test"):
            part = _part(name)
            n = {"train": shop.n(TARGET_TRAIN), "dev": TARGET_DEV, "test": TARGET_TEST}[part]
            meanings = draw_all(shop.draw(f"beyond.{task}", part=part), n=n)
            split = part if part != "dev" or task == "stsb" else "validation"
            for code in codes if part != "train" else ["en"]:
                rows = _beyond_rows(task, shop.languages[code], meanings, part=part)
                yield Table(sets[f"{task}.{code}"], split, rows)


def _causes(shop: _Workshop) -> Iterator[Table]:
    """XCOPA, whose English is COPA, an intermediate."""
    sets = layout.beyond_datasets()
    for split, part, n in (("validation", "dev", TARGET_DEV), ("test", "test", TARGET_TEST)):
        items = multi.causal(shop.draw("xcopa", part=_part(part)), n=n)
        for code in layout.XCOPA_LANGUAGES:
            yield Table(sets[f"xcopa.{code}"], split, multi.cause_rows(shop.languages[code], items))


def _beyond_rows(task: str, language: Language, meanings: list[multi.Meaning], *, part: Part) -> list[Row]:
    match task:
        case "sib200":
            first = {"train": 0, "dev": 100_000, "test": 200_000}[part]
            return multi.topic_rows(language, meanings, first=first)
        case "tweets":
            return multi.mood_rows(language, meanings)
        case "stsb":
            return multi.similarity_rows(language, meanings)
        case _:
            return multi.law_rows(language, meanings, prefix=f"sample-{part}-")


def _write(root: Path, table: Table) -> None:
    dataset = table.dataset
    folder = root / dataset.hub_id / dataset.folder
    folder.mkdir(parents=True, exist_ok=True)
    info = json.dumps({"info": {"features": dataset.columns}}, ensure_ascii=False)
    schema = dataset.schema().with_metadata({"huggingface": info})
    rows = pa.Table.from_pylist(table.rows, schema=schema)
    pq.write_table(rows, folder / f"{table.split}-00000-of-00001.parquet", compression="zstd")


def _write_card(folder: Path, *, hub_id: str, written: list[tuple[DataSet, str, int]]) -> None:
    configs: dict[str, list[dict[str, str]]] = {}
    for dataset, split, _ in written:
        configs.setdefault(dataset.config, []).append({"split": split, "path": f"{dataset.folder}/{split}-*"})
    head = {"license": "apache-2.0", "configs": [{"config_name": c, "data_files": f} for c, f in configs.items()]}
    lines = [f"| {d.config} | {split} | {n} |" for d, split, n in written]
    body = (
        f"# Sample tasks in the layout of `{hub_id}`\n\nThese are **sample tasks, written for this project**. They are "
        f"not {hub_id}: only its file names and columns are followed, so that the same task definition reads both.\n\n"
        "| config | split | rows |\n|---|---|---:|\n" + "\n".join(lines) + "\n"
    )
    front = yaml.safe_dump(head, sort_keys=False, allow_unicode=True)
    (folder / "README.md").write_text(f"---\n{front}---\n\n{body}", encoding="utf-8")
