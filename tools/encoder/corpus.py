"""The parallel text: which files, with what weight, under which licence, read into one table.

To add a source, put its Parquet file (columns `lang`, `text`, `english`, `source`) into the folder and one line into
SOURCES. Weights are relative sampling weights of a row, chosen for the distillation loss.
"""

import hashlib
import re
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from tools.encoder.layout import SHARED


class Source(NamedTuple):
    """One file of the parallel folder."""

    licence: str
    """Licence as PROVENANCE.md of the folder states it."""
    weight: float
    """Relative sampling weight of one row; sentences have 1."""
    kind: str
    """`sentence`, `lexicon` or `mono`."""


SOURCES = {
    "massive": Source("CC BY 4.0", 0.5, "sentence"),
    "ntrex": Source("CC BY-SA 4.0", 1.0, "sentence"),
    "flores": Source("CC BY-SA 4.0", 1.0, "sentence"),
    "tico19": Source("CC0 1.0", 1.0, "sentence"),
    "xsid": Source("CC BY-SA 4.0", 0.5, "sentence"),
    "nusax": Source("CC BY-SA 4.0", 1.0, "sentence"),
    "indic_wiki": Source("CC BY-SA 3.0", 1.0, "sentence"),
    "storybooks": Source("CC BY 4.0", 1.0, "sentence"),
    "globalvoices_sw": Source("CC BY 3.0 (not stated in the repository it came from)", 1.0, "sentence"),
    "ko_news": Source("CC BY-SA 3.0", 1.0, "sentence"),
    "menyo_yo": Source("see PROVENANCE.md", 1.0, "sentence"),
    "kaznu_gov": Source("CC BY-SA", 0.5, "sentence"),
    "tatoeba_challenge": Source("sentences CC BY 2.0 FR; the package calls itself CC BY-NC-SA 4.0", 1.0, "sentence"),
    "tatoeba_manythings": Source("CC BY 2.0 FR", 1.0, "sentence"),
    "tanaka_ja": Source("CC BY (not stated in the repository it came from)", 0.7, "sentence"),
    "ui_mozilla": Source("MPL 2.0", 0.5, "sentence"),
    "ui_apache_mit": Source("Apache 2.0 / MIT", 0.5, "sentence"),
    "lex_cldr": Source("Unicode License v3", 0.3, "lexicon"),
    "lex_wiktionary": Source("CC BY-SA 3.0 / GFDL", 0.5, "lexicon"),
    "lex_omw": Source("CC BY-SA 3.0 / CC BY 3.0 / MIT", 0.3, "lexicon"),
    "lex_joshua": Source("CC BY-SA 3.0", 0.5, "lexicon"),
    "commonvoice_mono": Source("CC0 1.0", 1.0, "mono"),
}

NAMES_WEIGHT = 0.2
"""Factor for MASSIVE rows whose names were localised: their English may name another place or person."""

UNCLEAR_LICENCE = ("tatoeba_challenge", "globalvoices_sw", "tanaka_ja")
"""Sources whose repository states no licence, or one that forbids commercial use; left out of the training."""

_WHITE_SPACE = re.compile(r"\s+")


def load_pairs(shared: Path = SHARED) -> pd.DataFrame:
    """Sentence pairs and lexicon entries with English.

    Args:
        shared: folder that holds `parallel/`.

    Returns:
        Columns `lang`, `text`, `english`, `file` (source name), `weight` (relative, > 0); in the order of SOURCES.

    Raises:
        FileNotFoundError: if the folder holds none of the sources.
    """
    frames = []
    for name, source in SOURCES.items():
        path = shared / "parallel" / f"{name}.parquet"
        if source.kind == "mono" or not path.exists():
            continue
        frame = pd.read_parquet(path)
        localised = frame["source"].str.endswith("-names")
        frame["weight"] = np.where(localised, source.weight * NAMES_WEIGHT, source.weight)
        frames.append(frame.assign(file=name))
    if not frames:
        raise FileNotFoundError(f"No parallel text in {shared / 'parallel'}; pass the folder with --shared.")
    pairs = pd.concat(frames, ignore_index=True)
    return pairs[["lang", "text", "english", "file", "weight"]]


def load_monolingual(shared: Path = SHARED) -> pd.DataFrame:
    """Sentences without a translation: columns `lang`, `text`, `file`."""
    names = [name for name, source in SOURCES.items() if source.kind == "mono"]
    paths = {name: shared / "parallel" / f"{name}.parquet" for name in names}
    frames = [pd.read_parquet(path).assign(file=name) for name, path in paths.items() if path.exists()]
    return pd.concat(frames, ignore_index=True)[["lang", "text", "file"]]


def english_key(english: str) -> str:
    """The form under which teacher vectors are stored: lower case (the teacher is uncased), single spaces."""
    return _WHITE_SPACE.sub(" ", english.lower()).strip()


def unique_english(pairs: pd.DataFrame) -> pd.DataFrame:
    """Distinct English sides, shortest first, so that a batch of neighbours needs little padding.

    Returns:
        Columns `key` (see english_key) and `rank` (0 for sides that occur in sentence pairs, 1 for lexicons only).
    """
    lexicon = pairs["file"].map({name: source.kind == "lexicon" for name, source in SOURCES.items()})
    frame = pd.DataFrame({"key": pairs["english"].map(english_key), "rank": lexicon.astype(int)})
    frame = frame.groupby("key", as_index=False)["rank"].min()
    frame["length"] = frame["key"].str.len()
    return frame.sort_values(["length", "key"], ignore_index=True)[["key", "rank"]]


def fingerprint(texts: pd.Series) -> str:
    """Twelve hex digits that change when any text or their order changes; names cached files."""
    digest = hashlib.sha256()
    for text in texts:
        digest.update(text.encode("utf-8"))
        digest.update(b"\n")
    return digest.hexdigest()[:12]
