"""Write the shipped folder: `python -m tools.encoder.export`.

The folder loads with AutoModel (and the other Auto classes), AutoTokenizer and SentenceTransformer, with no network.
Weights are stored as float16; `dtype` in config.json makes loading return float32.
"""

import json
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Annotated

import torch
import typer
from sentence_transformers import SentenceTransformer
from sentence_transformers.base.modules import Normalize, Transformer
from sentence_transformers.sentence_transformer.modules import Pooling
from transformers import ModernBertForMaskedLM, PreTrainedTokenizerFast

from tools.encoder.layers import Settings
from tools.encoder.layout import MODEL, SIZE_LIMIT_BYTES, WORK
from tools.encoder.network import build_network, load_network, start_from
from tools.encoder.static import DIMENSION, TokenTable
from tools.encoder.tokens import load_tokenizer
from tools.encoder.vocabulary import shorten_scores

MAX_SENTENCE_PIECES = 128
"""Where SentenceTransformer cuts a text; training saw at most 64 pieces a side."""

SHARE = 1.0
"""How far the shipped weights are from the static start (0) to the trained layers (1)."""

SENTENCE_FILES = (
    "modules.json",
    "sentence_bert_config.json",
    "config_sentence_transformers.json",
    "1_Pooling/config.json",
)
"""What SentenceTransformer needs beside the network and the tokenizer; Normalize has no file."""


def folder_size(folder: Path) -> int:
    """Bytes of all files under the folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def write_folder(folder: Path, *, network: ModernBertForMaskedLM, tokenizer: PreTrainedTokenizerFast) -> None:
    """Write weights, configuration, tokenizer and the sentence encoder's modules."""
    network.half().save_pretrained(str(folder))
    (folder / "model.safetensors").chmod(0o644)
    tokenizer.save_pretrained(str(folder))
    shorten_scores(folder / "tokenizer.json")
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    config["dtype"] = "float32"
    (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
    with tempfile.TemporaryDirectory() as name:
        modules = [Transformer(str(folder)), Pooling(DIMENSION, pooling_mode="mean"), Normalize()]
        SentenceTransformer(modules=modules, device="cpu").save(name, create_model_card=False)
        for part in SENTENCE_FILES:
            (folder / part).parent.mkdir(exist_ok=True)
            shutil.copy(Path(name) / part, folder / part)
    sentence = json.loads((folder / "sentence_bert_config.json").read_text(encoding="utf-8"))
    sentence["max_seq_length"] = MAX_SENTENCE_PIECES
    (folder / "sentence_bert_config.json").write_text(json.dumps(sentence, indent=2) + "\n", encoding="utf-8")


@torch.no_grad()
def blend(start: ModernBertForMaskedLM, *, trained: ModernBertForMaskedLM, share: float) -> None:
    """Move the weights of `start` towards the trained ones by `share`, in place.

    Both come from one start, so the points between them are good networks too (Wortsman et al. 2022, arXiv 2109.01903).
    """
    for weight, goal in zip(start.parameters(), trained.parameters(), strict=True):
        weight.lerp_(goal, share)


def main(
    work: Annotated[Path, typer.Option(help="Folder for intermediate results.")] = WORK,
    tokenizer: Annotated[str, typer.Option(help="Name of a tokenizer folder under WORK.")] = "tokenizer-bpe-48000",
    name: Annotated[str, typer.Option(help="Name of the static checkpoint; its layers are NAME-layers.")] = "static",
    share: Annotated[float, typer.Option(help="1 for the trained layers, 0 for the static start, or between.")] = SHARE,
    folder: Annotated[Path, typer.Option(help="Folder to write.")] = MODEL,
) -> None:
    """Write the folder and check its size."""
    encoder = load_tokenizer(work / tokenizer)
    table = TokenTable(len(encoder), seed=0)
    table.load_state_dict(torch.load(work / f"{name}.pt", weights_only=True))
    network = build_network(len(encoder), seed=Settings().seed)
    start_from(network, table=table)
    if share > 0.0:
        blend(network, trained=load_network(work / f"{name}-layers.pt", size=len(encoder)), share=share)
    folder.mkdir(parents=True, exist_ok=True)
    write_folder(folder, network=network, tokenizer=encoder)
    size = folder_size(folder)
    sys.stdout.write(f"{folder.name}: {size / 1024 / 1024:.2f} MiB of {SIZE_LIMIT_BYTES / 1024 / 1024:.0f}\n")
    raise typer.Exit(code=int(size > SIZE_LIMIT_BYTES))


if __name__ == "__main__":
    typer.run(main)
