"""The command line that does a thing again, made from the record of it.

Whatever a page, a report or another command prints for a terminal is a `Command`, and the program's own parser takes
its words. A request that the analysis made from names (`core.analysis`) is completed with `Basis`: what runs like it
were made with on this machine.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import duckdb
import yaml

from core.actions.launch import ANYWHERE, Where
from core.files import written_beside
from core.models import load_models
from core.paths import AtlasPaths
from core.protocols import PROTOCOLS
from core.queries.evidence import AnalysisOptions, PooledRuns
from core.queries.filters import Filter
from core.queries.provenance import known_mirror, spec_like
from core.queries.transfer import View
from core.spec.profile import ProfileKind
from core.spec.protocol import ProtocolSpec
from core.spec.run import MIRROR, DataSourceKind
from core.studies import ProfileRequest, StudyRequest
from core.variables import is_read_only

Request = StudyRequest | ProfileRequest

NO_FOLDER = (
    f"Replace {MIRROR} in the command by the folder of your copy of the data: no run on this machine used such a "
    "folder. It holds data sets as <owner>/<name>, such as google/xtreme."
)
"""What a user is told of a command that cannot start as it is."""

_ROWS = {
    "collection": "collection", "model": "model", "protocol": "protocol", "data-source": "data_source",
    "target": "target", "lang": "langs",
}  # fmt: skip
"""Options of every command that takes a filter, with the fields of `Filter`."""
_MEASURES = {
    "family": "families", "script": "scripts", "difficulty": "difficulty", "similarity": "similarity",
    "anchor": "anchor", "scale": "scale",
}  # fmt: skip
"""Options of the commands that answer, with the fields of `AnalysisOptions`."""
_ALSO = {"with-in-task": "with_in_task", "with-excluded": "with_excluded"}
"""Those of them that are said or not."""


class Command(NamedTuple):
    """One command line of the program."""

    words: tuple[str, ...]
    """After `python -m core`."""

    def __str__(self) -> str:
        """As it is typed into a shell."""
        return shlex.join(("python", "-m", "core", *self.words))


class Basis(NamedTuple):
    """What some runs were made with, as it is typed on this machine."""

    model: str
    """Name, or folder."""
    protocol: str
    """Name, or file."""
    data_source: DataSourceKind
    """Where the data came from."""
    mirror: str | None
    """Folder of a mirror; `MIRROR` where none is known here; None for other data sources."""


def basis_of(spec: str, *, paths: AtlasPaths, mirror: str | None = None) -> Basis:
    """What a run was made with.

    A protocol that does not ship with the program is written to `<home>/protocols/`, once, and named by its file.

    Args:
        spec: JSON of its `RunSpec`.
        mirror: Folder to name instead of one that the gallery took out.

    Raises:
        DiskFull: No space is left for the protocol.
    """
    raw = json.loads(spec)
    model, source = raw["model"], raw["data_source"]
    root = source.get("root")
    return Basis(
        model=model["name"] if model["name"] in load_models(paths) else model["path"],  # a folder, or a hub id
        protocol=protocol_name(ProtocolSpec.model_validate(raw["protocol"]), paths=paths),
        data_source=DataSourceKind(source["kind"]),
        mirror=(mirror or MIRROR) if root == MIRROR else root,
    )


def basis_like(
    cur: duckdb.DuckDBPyConnection, pooled: PooledRuns | View, *, paths: AtlasPaths, mirror: str | None = None
) -> Basis:
    """What runs that may be pooled were made with.

    Args:
        pooled: Says which runs; there is one at least.
        mirror: Folder to name instead of one that the gallery took out; None: that of the newest run made here.
    """
    return basis_of(spec_like(cur, pooled), paths=paths, mirror=mirror or known_mirror(cur))


def protocol_name(protocol: ProtocolSpec, *, paths: AtlasPaths) -> str:
    """How a protocol is typed: its name where it ships with the program, else a file that holds it.

    Raises:
        DiskFull: No space is left for the file.
        NotWritable: It cannot be written.
    """
    if PROTOCOLS.get(protocol.name) == protocol:
        return protocol.name
    file = paths.protocol(protocol.name, digest=protocol.digest())
    if not file.exists() and not is_read_only():
        with written_beside(file) as draft:
            text = yaml.safe_dump(protocol.model_dump(mode="json"), sort_keys=False, allow_unicode=True)
            draft.write_text(text, encoding="utf-8")
    return str(file)


def completed(request: Request, basis: Basis) -> Request:
    """The request with the model, protocol and data of the runs it is like.

    Args:
        request: Made from names; a profile of texts keeps its encoder.
    """
    data = {"data_source": basis.data_source, "mirror": basis.mirror}
    if isinstance(request, StudyRequest):
        return request.model_copy(update=data | {"models": (basis.model,), "protocol": basis.protocol})
    trained = {} if request.kind is ProfileKind.DOMAIN else {"model": basis.model, "protocol": basis.protocol}
    return request.model_copy(update=data | trained)


def command_of(request: Request, *, where: Where = ANYWHERE) -> Command:
    """The command that asks for the same study or profile; a mirror without folder is named `MIRROR`.

    Args:
        request: What is asked for.
        where: Which backend executes it, and how; what was not said is not said by the command.
    """
    words = _words_of(request)
    said = where.execution.model_dump(mode="json", exclude_unset=True)
    for name, value in (said | {"backend": where.backend}).items():
        words += _option(f"--{name.replace('_', '-')}", value)
    return Command(tuple(words))


def _words_of(request: Request) -> list[str]:
    is_mirror = request.data_source is DataSourceKind.MIRROR
    source = _option("--data-source", request.data_source)
    source += _option("--mirror", request.mirror or (MIRROR if is_mirror else None))
    if isinstance(request, StudyRequest):
        words = [
            "run",
            *source,
            *_option("--model", *request.models),
            *_option("--intermediate", *request.intermediates),
        ]
        words += [*_option("--target", *request.targets)]
        words += [*_option("--seeds", *request.seeds), *_option("--protocol", request.protocol)]
        words += _option("--name", request.name) if request.name != _NAME else []
        return [*words, *([] if request.with_baselines else ["--no-baselines"])]
    words = ["profile", *_option("--kind", request.kind), *source, *_option("--model", request.model)]
    words += [*_option("--intermediate", *request.intermediates), *_option("--target", *request.targets)]
    words += [*_option("--lang", *request.languages), *_option("--protocol", request.protocol)]
    for option, value, usual in (("--n", request.n, _N), ("--seeds", request.seed, _SEED)):
        words += _option(option, value) if value != usual else []
    return words


def run_again(cur: duckdb.DuckDBPyConnection, run: Mapping[str, Any], *, paths: AtlasPaths) -> Command:
    """The command that asks for a run and its baseline.

    Args:
        run: Row of `runs`, with its spec.
    """
    return command_of(request_again(cur, run, paths=paths))


def request_again(cur: duckdb.DuckDBPyConnection, run: Mapping[str, Any], *, paths: AtlasPaths) -> StudyRequest:
    """What asks for a run and its baseline.

    Args:
        run: Row of `runs`, with its spec.
    """
    request = StudyRequest(intermediates=(run["intermediate"],), targets=(run["target"],), seeds=(run["seed"],))
    found = completed(request, basis_of(run["spec"], paths=paths, mirror=known_mirror(cur)))
    assert isinstance(found, StudyRequest)  # as it was
    return found


def domain_profile(cur: duckdb.DuckDBPyConnection, data_source: str) -> Command:
    """The command that profiles the domains of all texts of a data source.

    Args:
        data_source: sample, mirror or hub.
    """
    source = DataSourceKind(data_source)
    mirror = known_mirror(cur) if source is DataSourceKind.MIRROR else None
    return command_of(ProfileRequest(data_source=source, mirror=mirror))


def asking(
    name: str,
    wanted: Filter,
    *,
    options: AnalysisOptions | None = None,
    before: Sequence[str] = (),
    after: Sequence[str] = (),
) -> Command:
    """The command that says something of the same rows.

    Args:
        name: Of a command that takes a filter.
        wanted: Rows to keep.
        options: Measures and slices, for a command that answers; None: it takes none.
        before: What stands before the filter, such as the file to write.
        after: What stands behind it, such as `--json`.
    """
    return Command((name, *before, *filter_words(wanted, options=options), *after))


def filter_words(wanted: Filter, *, options: AnalysisOptions | None = None) -> tuple[str, ...]:
    """A filter as options, one value an option, those left out that are as usual.

    Args:
        wanted: Rows to keep.
        options: Measures and slices.
    """
    words = []
    for option, field in _ROWS.items():
        words += [word for value in _values(getattr(wanted, field)) for word in _option(f"--{option}", value)]
    for option, field in _MEASURES.items() if options else ():
        value, usual = getattr(options, field), getattr(_USUAL, field)
        words += [word for one in _values(value if value != usual else ()) for word in _option(f"--{option}", one)]
    for option, field in _ALSO.items() if options else ():
        words += [f"--{option}"] if getattr(options, field) else []
    return tuple(words)


def caution_of(*commands: str) -> str:
    """What must be done to commands before they can start; empty where nothing must.

    Args:
        commands: As they are typed.
    """
    return NO_FOLDER if any(MIRROR in command for command in commands) else ""


_USUAL = AnalysisOptions()
_NAME = StudyRequest.model_fields["name"].default
_N, _SEED = (ProfileRequest.model_fields[name].default for name in ("n", "seed"))


def _option(name: str, *values: object) -> list[str]:
    """An option with its values; nothing where there are none. One that is on or off has none of its own."""
    if len(values) == 1 and isinstance(values[0], bool):
        return [name if values[0] else name.replace("--", "--no-", 1)]
    said = [str(value) for value in values if value is not None]
    return [name, *said] if said else []


def _values(value: str | tuple[str, ...] | None) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else value or ()
