"""Readers of what people fill in, with two or three hostile fields at a time: files, the Launch form, options.

A check of one field may stumble over what another let through; single fields are in `readers`.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from random import Random

from pydantic import ValidationError

from core.actions.limits import limits, refusals
from core.errors import SpecError
from core.paths import AtlasPaths
from core.protocols import PROTOCOLS, read_protocol_file, resized
from core.spec.task import TaskSpec
from core.studies import ProfileRequest, StudyRequest, build_profile, build_study, explain, read_request
from core.tasks import TASKS, read_task_file
from pages.widgets.launch.form import intermediates_of, read_seeds
from tools.faults.garbage import TEXTS, several
from tools.faults.readers import FEW, Reader, run_words

_FILTERS = ("--model", "--target", "--lang", "--collection", "--protocol", "--data-source")
_EXECUTION = ("--device", "--batch-tokens", "--precision", "--backend")
_OPTIONS: dict[str, tuple[str, ...]] = {
    "run --dry-run": (
        *("--target", "--model", "--intermediate", "--seeds", "--protocol", "--data-source", "--mirror", "--name"),
        *_EXECUTION,
    ),
    "study --dry-run": _EXECUTION,
    "next": (
        *_FILTERS,
        "--seeds",
        "--limit",
        "--mirror",
        "--family",
        "--script",
        "--difficulty",
        "--anchor",
        "--scale",
    ),
    "export": (*_FILTERS, "--what", "--column"),
}
_GOOD = {"--target": "xnli", "--model": "atlas-mini", "--seeds": "1", "--intermediate": "mnli", "--what": "scores"}


def hostile_readers(folder: Path) -> dict[str, Reader]:
    """Each reader, by its name; the home is that of the environment.

    Args:
        folder: Takes files.
    """
    paths = AtlasPaths.from_environment()
    study = StudyRequest(targets=("xnli",), intermediates=("mnli", "none"), seeds=(1, 2))
    profile = ProfileRequest(intermediates=("mnli",), targets=("xnli",))
    task: TaskSpec = TASKS["xnli"].model_copy(update={"name": "mine"})

    def of_file(name: str, record: object, read: Callable[[Path], object]) -> tuple[str, Reader]:
        file = folder / f"{name}-several.yaml"

        def written(content: bytes, rng: Random) -> None:
            del rng
            file.write_bytes(content)  # JSON is YAML
            read(file)

        return f"{name} file, several fields", Reader(json.dumps(record).encode(), written, garble=several)

    def of_study(file: Path) -> None:
        build_study(read_request(file, kind=StudyRequest), paths=paths)

    def of_profile(file: Path) -> None:
        build_profile(read_request(file, kind=ProfileRequest), paths=paths)

    return dict(
        (
            of_file("study", study.model_dump(mode="json"), of_study),
            of_file("profile", profile.model_dump(mode="json"), of_profile),
            of_file("protocol", PROTOCOLS["quick"].model_dump(mode="json"), read_protocol_file),
            of_file("task", task.model_dump(mode="json", exclude={"is_user_task"}), read_task_file),
            ("launch form, several fields", _form(paths)),
            ("options, several", _options(folder)),
        )
    )


def _form(paths: AtlasPaths) -> Reader:
    """What the form makes of what is typed, and what is said before anything starts."""
    good = {
        "models": ["atlas-mini"], "names": ["mnli"], "kinds": ["real"], "part": "", "targets": ["xnli"], "seeds": "1 2",
        "protocol": "quick", "source": "sample", "mirror": "", "name": "study", "intermediate": None, "target": None,
        "test": None,
    }  # fmt: skip

    def read(content: bytes, rng: Random) -> None:
        typed = json.loads(content)
        seeds, problems = read_seeds(_text(typed["seeds"]))
        if problems:
            raise SpecError(problems[0])
        sizes = {name: typed[name] for name in ("intermediate", "target", "test") if isinstance(typed[name], int)}
        resized(PROTOCOLS["quick"], **{name: max(10, n) for name, n in sizes.items()})
        try:
            request = StudyRequest(
                name=_text(typed["name"]).strip(), models=_texts(typed["models"]), seeds=seeds,
                intermediates=tuple(intermediates_of(
                    _texts(typed["names"]), together=rng.random() < 0.5, kinds=_texts(typed["kinds"])[:8],
                    part=_text(typed["part"]),
                )),
                targets=_texts(typed["targets"]), protocol=_text(typed["protocol"]), data_source=typed["source"],
                mirror=_text(typed["mirror"]).strip() or None,
            )  # fmt: skip
        except ValidationError as error:
            raise SpecError(explain(error)) from error
        for text in refusals(request, within=limits(os.environ, public=rng.random() < 0.5), n_open=0, paths=paths):
            raise SpecError(text)
        build_study(request, paths=paths)

    return Reader(json.dumps(good).encode(), read, garble=several)


def _text(value: object) -> str:
    return value if isinstance(value, str) else str(value)[:1000]


def _texts(value: object) -> tuple[str, ...]:
    return tuple(map(_text, value)) if isinstance(value, list) else (_text(value),)


def _options(folder: Path) -> Reader:
    """Two or three options of one command with hostile words, beside good ones."""
    places = (str(folder / "out.csv"), str(folder / "out.tex"), str(folder / "out.parquet"), str(folder))

    def read(content: bytes, rng: Random) -> None:
        command = rng.choice(sorted(_OPTIONS))
        line = command.split()
        if command.startswith("study"):
            (folder / "asked.yaml").write_bytes(several(_ASKED, rng))
            line.append(str(folder / "asked.yaml"))
        if command == "export":
            line.append(rng.choice((*places, rng.choice(TEXTS))))
        chosen = rng.sample(_OPTIONS[command], rng.choice((2, 3)))
        line += [word for name, good in _GOOD.items() if name in _OPTIONS[command] for word in (name, good)]
        words = (*TEXTS, content[:4000].decode("utf-8", "surrogateescape"))
        run_words([*line, *(word for name in chosen for word in (name, rng.choice(words)))])

    for command in ("run --dry-run --target xnli", "next", f"export {places[0]}"):
        run_words(command.split())  # what is loaded at the first use is nobody's time
    return Reader(b"xnli", read, share=4 * FEW)


_ASKED = json.dumps({"targets": ["xnli"], "intermediates": ["mnli"], "seeds": [1], "protocol": "quick"}).encode()
