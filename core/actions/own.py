"""A task, a model or a protocol of the user's own from text: checked as its file would be, then put where files are."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

from core.actions.command import protocol_name
from core.errors import SpecError
from core.files import file_errors, is_there, written_beside
from core.models import load_models, skipped_model_files
from core.paths import AtlasPaths
from core.protocols import PROTOCOLS, read_protocol_file
from core.spec.base import Spec
from core.spec.model import ModelSpec
from core.spec.protocol import ProtocolSpec
from core.spec.task import TaskSpec
from core.spec.yaml import own_files, read_spec_file
from core.tasks import load_tasks, read_task_file, skipped_task_files
from core.variables import refuse_read_only

_YOURS = "yours.yaml"


class OwnKind(NamedTuple):
    """What a user may bring."""

    read: Callable[[Path], Spec]
    """From a file."""
    known: Callable[[AtlasPaths], Mapping[str, Spec]]
    """Everything of that kind, by name."""
    folder: Callable[[AtlasPaths], Path]
    """Where its files lie."""
    skipped: Callable[[AtlasPaths], tuple[str, ...]]
    """Files there that cannot be used, a text each."""


def own_protocols(paths: AtlasPaths) -> dict[str, ProtocolSpec]:
    """Protocols that the user brought or a command has written, by their files; one that cannot be read is left out.

    Args:
        paths: The Atlas home.
    """
    return _own_protocols(paths)[0]


def skipped_protocol_files(paths: AtlasPaths) -> tuple[str, ...]:
    """Why files in the folder of protocols cannot be used, one text a file; empty where all are sound.

    Args:
        paths: The Atlas home.
    """
    return _own_protocols(paths)[1]


def _own_protocols(paths: AtlasPaths) -> tuple[dict[str, ProtocolSpec], tuple[str, ...]]:
    found = dict[str, ProtocolSpec]()
    files, problems = own_files(paths.protocols)
    for file in files:
        try:
            found[str(file)] = read_protocol_file(file)
        except SpecError as error:
            problems.append(str(error))
    return found, tuple(problems)


KINDS: dict[str, OwnKind] = {
    "task": OwnKind(read_task_file, load_tasks, lambda paths: paths.user_tasks, skipped_task_files),
    "model": OwnKind(
        lambda file: read_spec_file(file, kind=ModelSpec, example="docs/adding.md"),
        load_models, lambda paths: paths.user_models, skipped_model_files,
    ),
    "protocol": OwnKind(
        read_protocol_file, lambda _: PROTOCOLS, lambda paths: paths.protocols, skipped_protocol_files
    ),
}  # fmt: skip
"""What can be brought, by its name."""


def template(kind: str, *, paths: AtlasPaths) -> str:
    """A complete example of a file, that of docs/adding.md; empty where the documents are not installed.

    Args:
        kind: Of `KINDS`.
    """
    try:
        text = paths.guide.read_text(encoding="utf-8")
    except OSError:
        return ""
    found = re.search(rf"```yaml\n# {kind}\n(.*?)```", text, flags=re.DOTALL)
    return found[1] if found else ""


def read_own(kind: str, text: str, *, paths: AtlasPaths) -> Spec:
    """What a text declares.

    Args:
        kind: Of `KINDS`.
        text: YAML.

    Raises:
        SpecError: It cannot be used; the message names the field, what was found and what is expected.
    """
    with file_errors(Path(_YOURS)), tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / _YOURS
        file.write_text(text, encoding="utf-8")
        try:
            found = KINDS[kind].read(file)
        except SpecError as error:
            raise SpecError(str(error).replace(str(file), _YOURS)) from error
    name = getattr(found, "name", "")
    if name in KINDS[kind].known(paths):
        raise SpecError(f"{_YOURS}: field 'name': '{name}' is already the name of a {kind}; choose another.")
    return found


def save_own(kind: str, text: str, *, paths: AtlasPaths) -> str:
    """Put what a text declares into the home; how it is named in a launch from then on.

    Args:
        kind: Of `KINDS`.
        text: YAML.

    Raises:
        SpecError: It cannot be used.
        NotWritable: Nothing may be changed here.
        DiskFull: No space is left for it.
    """
    refuse_read_only()
    found = read_own(kind, text, paths=paths)
    if isinstance(found, ProtocolSpec):
        return protocol_name(found, paths=paths)
    assert isinstance(found, TaskSpec | ModelSpec)
    file = KINDS[kind].folder(paths) / f"{found.name}.yaml"
    if is_there(file):
        raise SpecError(f"{file} is there already and cannot be used as it is; mend or remove it, then try again.")
    with written_beside(file) as draft:
        draft.write_text(text, encoding="utf-8")
    for problem in KINDS[kind].skipped(paths):
        if problem.startswith(str(file)):  # what only shows beside the others, such as parts that are not there
            file.unlink(missing_ok=True)
            raise SpecError(problem.replace(str(file), _YOURS))
    return found.name
