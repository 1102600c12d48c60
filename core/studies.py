"""From typed names to a checked `StudySpec` or `ProfileSpec`: one path for the form, the YAML file and the command.

`StudyRequest` is what was typed; `problems` lists everything that is wrong with it, `build_study` raises the first.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TypeVar

from pydantic import Field, ValidationError

from core.errors import AtlasError, SpecError, UnknownName
from core.models import resolve_model
from core.models.default import default_model
from core.models.folders import check_model_folder
from core.paths import AtlasPaths
from core.protocols import get_protocol, read_protocol_file
from core.spec.base import Name, Seed, Spec
from core.spec.model import ModelSpec
from core.spec.plain import clipped, first_few, folder_named, is_folder, read_mapping, shortened
from core.spec.profile import DEFAULT_RESAMPLES, DEFAULT_TEXTS, ProfileKind, ProfileSpec
from core.spec.protocol import ProtocolSpec
from core.spec.run import DataSource, DataSourceKind, IntermediateSpec, Placebo, StudySpec
from core.spec.task import Role, TaskSpec, closure
from core.spec.yaml import advice
from core.tasks import get_task, load_tasks, no_thirds_reason
from core.types.table import task_type

NO_INTERMEDIATE = "none"
"""How the chain without an intermediate stage is typed."""

RETRIEVED = "tatoeba"
"""Target whose parallel sentences an encoder profile retrieves unless somebody names another."""

_NUMBERS_OF_LAYERS = ("num_hidden_layers", "n_layers", "n_layer", "num_layers")
"""What configurations call it."""


class StudyRequest(Spec):
    """What somebody asks for, by names."""

    name: Name = "study"
    """Name of the study."""
    models: tuple[str, ...] = Field(default_factory=lambda: (default_model().name,))
    """Registry names, hub ids or folders in transformers' format."""
    intermediates: tuple[str, ...] = (NO_INTERMEDIATE,)
    """Text forms of `IntermediateSpec`, or `none`."""
    targets: tuple[str, ...] = ()
    """Names of target tasks."""
    seeds: tuple[Seed, ...] = (1,)
    """Seeds; every run of a study has a baseline of the same seed."""
    protocol: str = "quick"
    """Name of a protocol, or a YAML file."""
    data_source: DataSourceKind = DataSourceKind.SAMPLE
    """Where the data come from."""
    mirror: str | None = None
    """Folder in the hub's layout; only with `data_source: mirror`."""
    with_baselines: bool = True
    """Whether each run's paired baseline is part of the study."""


class ProfileRequest(Spec):
    """A profile as somebody asks for it, by names."""

    kind: ProfileKind = ProfileKind.DOMAIN
    """What is measured."""
    model: str = Field(default_factory=lambda: default_model().name)
    """Sentence encoder, or the model that is trained: a registry name, hub id or folder."""
    intermediates: tuple[str, ...] = ()
    """Text forms of `IntermediateSpec`; empty: every intermediate (domain)."""
    targets: tuple[str, ...] = ()
    """Names of targets; empty: every target (domain, selectors), `tatoeba` (encoder)."""
    languages: tuple[str, ...] = ()
    """Languages of test texts; empty: all of each target."""
    n: int = DEFAULT_TEXTS
    """Texts of a point, or examples that are scored, at most."""
    resamples: int = DEFAULT_RESAMPLES
    """Resamples of intervals that have no closed form."""
    seed: Seed = 1
    """Seed of every draw."""
    protocol: str | None = None
    """Name of a protocol, or a YAML file, for what is trained; None: `quick`."""
    data_source: DataSourceKind = DataSourceKind.SAMPLE
    """Where the data come from."""
    mirror: str | None = None
    """Folder in the hub's layout; only with `data_source: mirror`."""


Request = TypeVar("Request", StudyRequest, ProfileRequest)


def read_study_file(path: Path) -> StudyRequest:
    """The study that a YAML file asks for.

    Args:
        path: File with the fields of `StudyRequest`.

    Raises:
        SpecError: The file cannot be read, is not YAML, or has fields that are not known or not right.
    """
    return read_request(path, kind=StudyRequest)


def read_request(path: Path, *, kind: type[Request]) -> Request:
    """The study or profile that a YAML file asks for.

    Args:
        path: File with the fields of `kind`.
        kind: `StudyRequest` or `ProfileRequest`.

    Raises:
        SpecError: The file cannot be read, is not YAML, or has fields that are not known or not right.
    """
    raw = read_mapping(path, example="docs/adding.md")
    for name, is_path in (("mirror", bool), ("protocol", _is_file)):
        if isinstance(said := raw.get(name), str) and is_path(said):
            raw[name] = str(folder_named(said, beside=path.parent))
    try:
        return kind.model_validate(raw)
    except ValidationError as error:
        raise SpecError(f"Study file {path}: {explain(error)}") from error


def requested(kind: type[Request], /, **typed: object) -> Request:
    """The study or profile that the words of a command ask for.

    Args:
        kind: `StudyRequest` or `ProfileRequest`.
        typed: Its fields.

    Raises:
        SpecError: A field is not right.
    """
    try:
        return kind.model_validate(typed)
    except ValidationError as error:
        raise SpecError(explain(error)) from error


def explain(error: ValidationError) -> str:
    """A validation error in one line a user can act on.

    Args:
        error: What pydantic raised.
    """
    parts = []
    for item in error.errors():
        place = ".".join(str(piece) for piece in item["loc"]) or "the request"
        said = str(item["msg"]).removeprefix("Value error, ")
        if item["type"] == "string_pattern_mismatch":
            said = "expected small letters, digits, dots, dashes and underscores, a letter or digit first"
        parts.append(f"{place}: {said} (found {shortened(item['input'])}){advice(dict(item)).rstrip('.')}")
    return "; ".join(first_few(parts)) + "."


def build_study(request: StudyRequest, *, paths: AtlasPaths) -> StudySpec:
    """The checked study of a request.

    Args:
        request: Names as they were typed.

    Raises:
        AtlasError: The first thing that is wrong with the request.
    """
    if not request.models or not request.intermediates:
        raise SpecError("Expected at least one model and one intermediate ('none' for the baseline alone).")
    tasks = load_tasks(paths)
    intermediates = tuple(_intermediate(text, request=request, tasks=tasks) for text in request.intermediates)
    targets = tuple(_target(name, tasks=tasks) for name in request.targets)
    if not targets:
        raise SpecError(f"No target task was chosen. Targets: {', '.join(target_names(tasks))}.")
    if not request.seeds or len(set(request.seeds)) != len(request.seeds):
        raise SpecError(f"Seeds {shortened(list(request.seeds))}: expected at least one, each once.")
    between = dict.fromkeys(spec.before(task.name) for spec in intermediates if spec for task in targets)
    for spec in between:
        _has_text(spec, tasks=tasks)
    names = {name for spec in between for name in spec.needs} | {task.name for task in targets}
    protocol, models = (
        _protocol(request.protocol),
        [_model(m, paths=paths) for m in dict.fromkeys(request.models)],
    )
    for model in models:
        _check_frozen(protocol, model)
    return StudySpec(
        name=request.name,
        models=tuple(models),
        intermediates=tuple(dict.fromkeys(intermediates)),
        targets=tuple(dict.fromkeys(task.name for task in targets)),
        seeds=request.seeds,
        protocol=protocol,
        data_source=checked_source(request),
        tasks=closure(tuple(sorted(names)), tasks=tuple(tasks.values())),
        with_baselines=request.with_baselines,
    )


def build_profile(request: ProfileRequest, *, paths: AtlasPaths) -> ProfileSpec:
    """The checked profile of a request.

    Args:
        request: Names as they were typed.

    Raises:
        AtlasError: The first thing that is wrong with the request.
    """
    tasks = load_tasks(paths)
    is_domain = request.kind is ProfileKind.DOMAIN
    texts = request.intermediates or (tuple(intermediate_names(tasks)) if is_domain else ())
    parsed = [_intermediate(text, request=request, tasks=tasks) for text in texts]
    every = tuple(target_names(tasks))
    default = {ProfileKind.DOMAIN: every, ProfileKind.ENCODER: (RETRIEVED,), ProfileKind.SELECTORS: every}
    targets = tuple(_target(name, tasks=tasks).name for name in request.targets or default.get(request.kind, ()))
    intermediates = [spec for spec in parsed if spec is not None]
    for spec in intermediates:
        if spec.nearness and not spec.to:
            raise SpecError(f"'{spec.name}': a profile has no one target. Say which: {spec.name}:{every[0]}.")
        _has_text(spec, tasks=tasks)
    names = {name for spec in intermediates for name in spec.needs} | set(targets)
    model, protocol = _model(request.model, paths=paths), None
    if not is_domain:
        protocol = _protocol(request.protocol or "quick")
        _check_frozen(protocol, model)
    try:
        return ProfileSpec(
            kind=request.kind,
            model=model,
            data_source=checked_source(request),
            intermediates=tuple(spec.name for spec in intermediates),
            targets=targets,
            languages=request.languages,
            tasks=closure(tuple(sorted(names)), tasks=tuple(tasks.values())),
            protocol=protocol,
            n=request.n,
            resamples=request.resamples,
            seed=request.seed,
        )
    except ValidationError as error:
        reasons = "; ".join(str(item["msg"]).removeprefix("Value error, ") for item in error.errors())
        raise SpecError(f"This profile cannot be measured: {reasons}.") from error


def problems(request: StudyRequest, *, paths: AtlasPaths) -> list[str]:
    """Everything that is wrong with a request, as sentences for the form; empty if it can run.

    Args:
        request: Names as they were typed.
    """
    tasks = load_tasks(paths)
    checks: list[Callable[[], object]] = [
        *(partial(_intermediate, text, request=request, tasks=tasks) for text in request.intermediates),
        *(partial(_target, name, tasks=tasks) for name in request.targets),
        *(partial(_model, text, paths=paths) for text in request.models),
        partial(checked_source, request),
        partial(_protocol, request.protocol),
    ]
    found = []
    for check in checks:
        try:
            check()
        except AtlasError as error:
            found.append(str(error))
    if not found:
        try:
            build_study(request, paths=paths)
        except AtlasError as error:
            found.append(str(error))
    return list(dict.fromkeys(found))


def intermediate_names(tasks: dict[str, TaskSpec]) -> list[str]:
    """Names of all tasks that can be an intermediate, sorted.

    Args:
        tasks: All tasks by name.
    """
    return sorted(name for name, task in tasks.items() if Role.INTERMEDIATE in task.roles)


def target_names(tasks: dict[str, TaskSpec]) -> list[str]:
    """Names of all tasks that can be a target, in the order of the registry.

    Args:
        tasks: All tasks by name.
    """
    return [name for name, task in tasks.items() if Role.TARGET in task.roles]


def _model(text: str, *, paths: AtlasPaths) -> ModelSpec:
    folder_named(text)  # refuses what is no name of anything
    return resolve_model(text, paths=paths)


def _protocol(text: str) -> ProtocolSpec:
    return read_protocol_file(folder_named(text)) if _is_file(text) else get_protocol(text)


def _is_file(protocol: str) -> bool:
    return protocol.endswith((".yaml", ".yml"))


def _check_frozen(protocol: ProtocolSpec, model: ModelSpec) -> None:
    """Refuse a protocol that freezes more layers than a model has; of a hub model that is known in the job alone."""
    stages = [stage for stage in (protocol.intermediate, protocol.target) if stage.freeze_layers is not None]
    if not stages or not Path(model.path).is_dir():
        return
    config = check_model_folder(Path(model.path))
    for n_layers in [config[name] for name in _NUMBERS_OF_LAYERS if isinstance(config.get(name), int)][:1]:
        for stage in stages:
            stage.frozen_of(n_layers, where=f"Model '{model.name}'")


def _target(name: str, *, tasks: dict[str, TaskSpec]) -> TaskSpec:
    task = get_task(name, tasks=tasks)
    if Role.TARGET not in task.roles:
        raise UnknownName("target task", name, known=target_names(tasks))
    return task


def _intermediate(
    text: str, *, request: StudyRequest | ProfileRequest, tasks: dict[str, TaskSpec]
) -> IntermediateSpec | None:
    if text == NO_INTERMEDIATE:
        return None
    try:
        spec = IntermediateSpec.parse(text)
    except ValidationError as error:
        raise SpecError(f"'{clipped(text)}': {explain(error)}") from error
    for name in spec.tasks:
        _can_be_trained(get_task(name, tasks=tasks), spec=spec, tasks=tasks)
        reason = no_thirds_reason(get_task(name, tasks=tasks)) if spec.is_third else None
        if reason:
            raise SpecError(f"'{clipped(text)}': {reason}. Leave out '@…', or choose another task.")
    if (spec.domain or spec.difficulty) and request.data_source is not DataSourceKind.SAMPLE:
        raise SpecError(
            f"'{clipped(text)}' requests a domain or difficulty, which only the sample tasks have; "
            f"the data source is '{request.data_source}'. Leave out '@…' or use --data-source sample."
        )
    return spec


def _has_text(spec: IntermediateSpec, *, tasks: dict[str, TaskSpec]) -> None:
    """Refuse nearness to what is no target, or to one without English training text."""
    if spec.to is None:
        return
    task = _target(spec.to, tasks=tasks)
    if not (task.train or task.parts):
        with_text = [name for name in target_names(tasks) if tasks[name].train or tasks[name].parts]
        raise SpecError(
            f"'{spec.name}': '{task.name}' has no English training text that examples could be near to. "
            f"Targets that have: {', '.join(with_text)}."
        )


def _can_be_trained(task: TaskSpec, *, spec: IntermediateSpec, tasks: dict[str, TaskSpec]) -> None:
    if Role.INTERMEDIATE in task.roles:
        return
    if spec.placebo is Placebo.MLM and (task.train or task.parts):
        return
    if not task_type(task.type).is_trained:
        raise SpecError(f"'{task.name}' is a {task.type} task, which is scored and never trained on; choose another.")
    raise UnknownName("intermediate task", task.name, known=intermediate_names(tasks))


def checked_source(request: StudyRequest | ProfileRequest) -> DataSource:
    """Where the data come from, checked: a mirror exists and looks like one.

    Args:
        request: Names as they were typed.

    Raises:
        SpecError: The folder is missing, is not a mirror, or was given for another source.
    """
    if request.data_source is not DataSourceKind.MIRROR:
        if request.mirror:
            raise SpecError(
                f"A mirror folder ({clipped(request.mirror)}) was given with data source '{request.data_source}'. "
                "Use --data-source mirror, or leave the folder out."
            )
        return DataSource(kind=request.data_source)
    if not request.mirror:
        raise SpecError("Data source 'mirror' needs its folder: --mirror FOLDER, in the hub's layout (google/xtreme).")
    root = folder_named(request.mirror)
    if not is_folder(root):
        raise SpecError(
            f"Mirror folder {root} does not exist. Expected a folder in the hub's layout, "
            "with data sets as <owner>/<name>, such as google/xtreme."
        )
    if not any(root.glob("*/*/")):
        raise SpecError(
            f"Mirror folder {root} holds no data set. Expected folders <owner>/<name>, such as google/xtreme; "
            f"found {', '.join(sorted(p.name for p in root.iterdir())[:5]) or 'nothing'}."
        )
    return DataSource(kind=DataSourceKind.MIRROR, root=str(root))
