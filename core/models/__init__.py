"""The encoders by name, and local folders in transformers' format.

To add a model to the program: one `ModelSpec` in `MODELS`. To use one without touching code: its folder, or one YAML
file in `AtlasPaths.user_models` (docs/adding.md). Nothing here loads torch or transformers.

Retrieval layers: XTREME's scripts take layer 7 of base models and 13 of XLM-R large; pull request #104 there says that
layer 10 reproduces the paper's Tatoeba figures. jiant takes 14. A protocol may override the model's layer.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from core.errors import ModelError, SpecError, UnknownName
from core.models.folders import check_encoder, check_model_folder, fingerprint, rate_factor
from core.models.packed import PACKAGES, check_can_be_made
from core.paths import MADE_MODELS, REPO, AtlasPaths
from core.spec.model import ModelSpec
from core.spec.yaml import read_spec_file

DEFAULT_MODEL = "atlas-mini"
"""The bundled encoder."""

_CONNEAU = "Conneau et al. 2020, 1911.02116"
_DEVLIN = "Devlin et al. 2019, 1810.04805"

_E5_SMALL: dict[str, Any] = {
    "architecture": "bert",
    "languages": "multilingual",
    "parameters_m": 118,
    "retrieval_layer": -1,
    "retrieval_prefix": "query: ",
    "heads_read": "mean",  # as it was pretrained: the mean of the last states is its sentence vector
    # Makes 2e-4 of `quick`'s 5e-5: at that rate 12,800 examples of MNLI, once, gave 0.67 on English XNLI.
    "learning_rate_factor": 4,
    "citation": "Wang et al. 2024, 2402.05672",
}

MODELS: dict[str, ModelSpec] = {
    "atlas-mini": ModelSpec(
        name="atlas-mini",
        title="Atlas mini (bundled)",
        path=str(REPO / "data" / "models" / "atlas-mini"),
        architecture="modernbert",
        languages="multilingual",
        parameters_m=14.4,
        learning_rate_factor=10,
        licence="Apache-2.0",
        citation="Transfer Atlas; see data/models/atlas-mini/README.md",
    ),
    "e5-small-q4": ModelSpec(
        name="e5-small-q4",
        title="Multilingual E5 small (4-bit weights, from a package)",
        path=str(MADE_MODELS / "e5-small-q4-1ebe66"),
        fingerprint="1ebe66983be2b88d",
        licence="MIT",
        **_E5_SMALL,
    ),
    "multilingual-e5-small": ModelSpec(
        name="multilingual-e5-small",
        title="Multilingual E5 small",
        path="intfloat/multilingual-e5-small",
        licence="MIT",
        **_E5_SMALL,
    ),
    "xlm-r-base": ModelSpec(
        name="xlm-r-base",
        title="XLM-R base",
        path="FacebookAI/xlm-roberta-base",
        revision="e73636d4f797dec63c3081bb6ed5c7b0bb3f2089",
        architecture="xlm-roberta",
        languages="multilingual",
        parameters_m=278,
        retrieval_layer=7,
        licence="MIT",
        citation=_CONNEAU,
    ),
    "xlm-r-large": ModelSpec(
        name="xlm-r-large",
        title="XLM-R large",
        path="FacebookAI/xlm-roberta-large",
        revision="c23d21b0620b635a76227c604d44e43a9f0ee389",
        architecture="xlm-roberta",
        languages="multilingual",
        parameters_m=560,
        retrieval_layer=13,
        licence="MIT",
        citation=_CONNEAU,
    ),
    "mbert": ModelSpec(
        name="mbert",
        title="mBERT (cased)",
        path="google-bert/bert-base-multilingual-cased",
        revision="fdfce55e83dbed325647a63e7e1f5de19f0382ba",
        architecture="bert",
        languages="multilingual",
        parameters_m=178,
        retrieval_layer=7,
        licence="Apache-2.0",
        citation=_DEVLIN,
    ),
    "distilmbert": ModelSpec(
        name="distilmbert",
        title="Multilingual DistilBERT (cased)",
        path="distilbert/distilbert-base-multilingual-cased",
        revision="45c032ab32cc946ad88a166f7cb282f58c753c2e",
        architecture="distilbert",
        languages="multilingual",
        parameters_m=135,
        retrieval_layer=4,  # ours: no paper states one for six layers; 7 of 12 is 4 of 6 rounded up
        licence="Apache-2.0",
        citation="Sanh et al. 2019, 1910.01108",
    ),
    "mdeberta-v3-base": ModelSpec(
        name="mdeberta-v3-base",
        title="mDeBERTa-v3 base",
        path="microsoft/mdeberta-v3-base",
        # The main branch holds pickled weights alone; this commit of its pull request 5 adds the safetensors.
        revision="faf660b811036d7b6dfc53aacfe5281447d4e2c6",
        architecture="deberta-v2",
        languages="multilingual",
        parameters_m=279,
        retrieval_layer=7,
        licence="MIT",
        citation="He et al. 2021, 2111.09543",
    ),
    "multilingual-minilm": ModelSpec(
        name="multilingual-minilm",
        title="Multilingual MiniLM L12 H384",
        path="microsoft/Multilingual-MiniLM-L12-H384",
        architecture="bert",
        languages="multilingual",
        parameters_m=118,
        retrieval_layer=7,
        licence="MIT",
        citation="Wang et al. 2020, 2002.10957",
    ),
    "bert-base-uncased": ModelSpec(
        name="bert-base-uncased",
        title="BERT base (uncased)",
        path="google-bert/bert-base-uncased",
        revision="86b5e0934494bd15c9632b12f734a8a67f723594",
        architecture="bert",
        languages="english",
        parameters_m=110,
        retrieval_layer=7,
        licence="Apache-2.0",
        citation=_DEVLIN,
    ),
    "bert-base-cased": ModelSpec(
        name="bert-base-cased",
        title="BERT base (cased)",
        path="google-bert/bert-base-cased",
        revision="cd5ef92a9fb2f889e972770a36d4ed042daf221e",
        architecture="bert",
        languages="english",
        parameters_m=108,
        retrieval_layer=7,
        licence="Apache-2.0",
        citation=_DEVLIN,
    ),
    "roberta-base": ModelSpec(
        name="roberta-base",
        title="RoBERTa base",
        path="FacebookAI/roberta-base",
        revision="e2da8e2f811d1448a5b465c236feacd80ffbac7b",
        architecture="roberta",
        languages="english",
        parameters_m=125,
        retrieval_layer=7,
        licence="MIT",
        citation="Liu et al. 2019, 1907.11692",
    ),
    "xlnet-base": ModelSpec(
        name="xlnet-base",
        title="XLNet base (cased)",
        path="xlnet/xlnet-base-cased",
        architecture="xlnet",
        languages="english",
        parameters_m=117,
        retrieval_layer=7,
        licence="MIT",
        citation="Yang et al. 2019, 1906.08237",
    ),
}
"""The encoders, by name. `multilingual-minilm` may hold pickled weights on the hub; then it is refused, saying why."""


def load_models(paths: AtlasPaths) -> dict[str, ModelSpec]:
    """`MODELS` and the user's own; a file of the user that cannot be used is left out (`skipped_model_files`).

    Args:
        paths: The Atlas home; its `user_models` folder need not exist.
    """
    return _load(paths)[0]


def skipped_model_files(paths: AtlasPaths) -> tuple[str, ...]:
    """Why files in the user's folder of models cannot be used, one text a file; empty where all are sound.

    Args:
        paths: The Atlas home.
    """
    return _load(paths)[1]


def _load(paths: AtlasPaths) -> tuple[dict[str, ModelSpec], tuple[str, ...]]:
    models, problems = dict(MODELS), list[str]()
    for file in sorted(paths.user_models.glob("*.y*ml")):
        try:
            model = read_spec_file(file, kind=ModelSpec, example="docs/adding.md")
        except SpecError as error:
            problems.append(str(error))
            continue
        if model.name in models:
            problems.append(f"{file}: field 'name': '{model.name}' is already the name of a model; choose another.")
            continue
        models[model.name] = model.model_copy(update={"is_user_model": True})
    return models, tuple(problems)


def resolve_model(text: str, *, paths: AtlasPaths) -> ModelSpec:
    """The model of a name, or of a folder in transformers' format.

    A folder gets its fingerprint, so that two folders with the same bytes are the same model.

    Args:
        text: Registry name, or folder (relative or absolute).

    Raises:
        UnknownName: Neither a name nor a folder.
        ModelError: The folder is not a complete model, or the model is no encoder.
        UnsafeWeights: Its weights are pickled, or loading it would execute code.
    """
    known = load_models(paths)
    if text in known:
        model = known[text]
        if text in PACKAGES:
            check_can_be_made(model)
            return model
        check_encoder({"model_type": model.architecture}, where=f"Model '{model.name}'")
        if not Path(model.path).is_absolute():
            return model
        return model.model_copy(update=_folder_facts(Path(model.path)))
    folder = Path(text).expanduser()
    if not folder.is_dir():
        if "/" in text or text.startswith("."):
            raise ModelError(
                f"No folder {folder.resolve()}. Give a model folder, or one of: {', '.join(sorted(known))}."
            )
        raise UnknownName("model", text, known=known)
    return _local(folder.resolve())


def _folder_facts(folder: Path) -> dict[str, Any]:  # Any: fields of a ModelSpec
    config = check_model_folder(folder)
    return {"path": str(folder), "architecture": config["model_type"], "fingerprint": fingerprint(folder)}


def _local(folder: Path) -> ModelSpec:
    facts = _folder_facts(folder)
    stem = re.sub(r"[^a-z0-9_.-]+", "-", folder.name.lower()).strip("-._")[:60] or "model"
    return ModelSpec(
        name=f"{stem}-{facts['fingerprint'][:6]}",
        title=folder.name,
        languages="multilingual",
        licence="unknown (local folder)",
        citation="local folder",
        is_user_model=True,
        learning_rate_factor=rate_factor(folder),
        **facts,
    )
