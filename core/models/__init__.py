"""The encoders by name, local folders in transformers' format, and hub ids.

To add a model to the program: one `ModelSpec` in `multilingual.py` or `english.py`. To use one without touching code:
its folder, its hub id, or one YAML file in `AtlasPaths.user_models` (docs/adding.md). Nothing here loads torch or
transformers.

Retrieval layers: XTREME's scripts take layer 7 of base models and 13 of XLM-R large; pull request #104 there says that
layer 10 reproduces the paper's Tatoeba figures. jiant takes 14. A protocol may override the model's layer.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from core.errors import ModelError, SpecError, UnknownName
from core.models.available import cached_config
from core.models.english import ENGLISH
from core.models.folders import check_encoder, check_model_folder, fingerprint, rate_factor
from core.models.multilingual import MULTILINGUAL
from core.models.packed import PACKAGES, check_can_be_made
from core.paths import AtlasPaths
from core.spec.base import digest
from core.spec.model import ModelSpec
from core.spec.yaml import own_files, read_spec_file

# huggingface_hub's own rule, which it enforces with an error of its own; owners begin with a letter or digit.
_HUB_ID = re.compile(r"(?!.*(--|\.\.)|.*\.git$)[A-Za-z0-9]([\w.-]{0,94}\w)?/\w([\w.-]{0,94}\w)?", re.ASCII)
_LONGEST_NAME = 80

MODELS: dict[str, ModelSpec] = {model.name: model for model in (*MULTILINGUAL, *ENGLISH)}
"""The encoders, by name."""


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
    models = dict(MODELS)
    own, problems = own_files(paths.user_models)
    for file in own:
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
    """The model of a name, of a folder in transformers' format, or of a hub id.

    A folder gets its fingerprint, so that two folders with the same bytes are the same model. A hub id is that of a
    known model, with or without its owner (`xlm-roberta-base`), or of any other (`me/my-encoder`), of which nothing is
    known but what the hub's cache holds.

    Args:
        text: Registry name, folder (relative or absolute), or hub id.

    Raises:
        UnknownName: None of the three.
        ModelError: The folder is not a complete model, or the model is no encoder.
        UnsafeWeights: Its weights are pickled, or loading it would execute code.
    """
    known = load_models(paths)
    if (named := _name_of(text, known=known)) is not None:
        model = known[named]
        if named in PACKAGES:
            check_can_be_made(model)
            return model
        check_encoder({"model_type": model.architecture}, where=f"Model '{model.name}'")
        if not Path(model.path).is_absolute():
            return model
        return model.model_copy(update=_folder_facts(Path(model.path)))
    folder = Path(text).expanduser()
    if not folder.is_dir():
        if _HUB_ID.fullmatch(text) and not folder.parent.is_dir():
            return _on_hub(text)
        if "/" in text or text.startswith("."):
            raise ModelError(
                f"No folder {folder.resolve()}. Give a model folder, a hub id (owner/name), or one of: "
                f"{', '.join(sorted(known))}."
            )
        raise UnknownName("model", text, known=known)
    return _local(folder.resolve())


def as_placed_here(model: ModelSpec) -> ModelSpec:
    """A model of the program that a job names by a folder which is not there, in the folder that it has here.

    A record holds the folder of whoever asked: the checkout may have been moved since, or another cache be in use.

    Args:
        model: Of a record; its fingerprint says which bytes its folder must have.
    """
    own = MODELS.get(model.name)
    if own is None or model.fingerprint is None or not Path(own.path).is_absolute() or Path(model.path).is_dir():
        return model
    return model.model_copy(update={"path": own.path})


def _name_of(text: str, *, known: Mapping[str, ModelSpec]) -> str | None:
    """The name of a known model that is meant by a name or a hub id, None if none is."""
    if text in known:
        return text
    ids = {model.path: name for name, model in known.items() if not Path(model.path).is_absolute()}
    short = {path.rpartition("/")[2]: name for path, name in ids.items()}
    return ids.get(text) or short.get(text)


def _on_hub(text: str) -> ModelSpec:
    """A hub model of which the id alone is known: what the record says may not depend on what is cached here."""
    config = cached_config(text)
    if config is not None:
        check_encoder(config, where=f"Model '{text}'")
    name = text.lower().replace("/", "--")
    return ModelSpec(
        name=name if len(name) <= _LONGEST_NAME else f"{name[: _LONGEST_NAME - 7]}-{digest(text)[:6]}",
        title=text,
        path=text,
        architecture="unknown",
        languages="multilingual",
        licence="unknown (see the hub)",
        citation="see the hub",
        is_user_model=True,
    )


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
