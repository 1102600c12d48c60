"""The form of a launch: from widgets to a `StudyRequest`; the address fills it, as "new from this" of a run does."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import get_args

import streamlit as st
from pydantic import ValidationError

from core.actions.command import protocol_name
from core.actions.own import own_protocols, skipped_protocol_files
from core.errors import AtlasError
from core.models import load_models, skipped_model_files
from core.models.default import SMALL_MODEL, default_model
from core.protocols import load_protocols, resized
from core.sample.spec import DOMAINS, Difficulty
from core.spec.model import ModelSpec
from core.spec.plain import shortened
from core.spec.protocol import ProtocolSpec
from core.spec.run import MIRROR, DataSourceKind, Placebo
from core.spec.task import TaskSpec
from core.studies import NO_INTERMEDIATE, StudyRequest, explain, intermediate_names, target_names
from core.tasks import load_tasks, skipped_task_files
from pages.widgets.launch.own import missing_here
from pages.widgets.shared import paths, read_only, warn_skipped

_KINDS = {
    "real": "the task itself",
    Placebo.SHUFFLED: "placebo: shuffled labels",
    Placebo.MLM: "placebo: language modelling on its text",
    "easiest": "third: easiest",
    "middle": "third: middle",
    "hardest": "third: hardest",
    "near": "third: nearest to the target",
    "far": "third: farthest from the target",
}
_SOURCES = {
    DataSourceKind.SAMPLE: "generated sentences instead of the tasks' own data (no download)",
    DataSourceKind.MIRROR: "real data in a folder",
    DataSourceKind.HUB: "real data from the Hugging Face hub",
}
_LARGEST_SEED = 2**31 - 1


def address_of(request: StudyRequest) -> list[tuple[str, str]]:
    """The parameters of this page's address that fill the form with a request.

    Args:
        request: What was asked for; a folder of a mirror that is not known here is left open.
    """
    mirror = [request.mirror] if request.mirror and request.mirror != MIRROR else []
    values = {
        "model": request.models, "intermediate": request.intermediates, "target": request.targets,
        "seeds": [" ".join(map(str, request.seeds))], "protocol": [request.protocol],
        "source": [str(request.data_source)], "mirror": mirror,
    }  # fmt: skip
    return [(name, value) for name, several in values.items() for value in several]


def ask() -> tuple[StudyRequest | None, list[str]]:
    """Draw the form; the request, and what cannot be read in it."""
    tasks, models = load_tasks(paths()), load_models(paths())
    skipped = (skipped_task_files, skipped_model_files, skipped_protocol_files)
    warn_skipped([text for files in skipped for text in files(paths())])
    source, mirror = _ask_source()
    lacks = missing_here(str(source), mirror)
    chosen_models = _ask_models(models)
    intermediates = _ask_intermediates(tasks, source=source, lacks=lacks)
    known = target_names(tasks)
    targets = st.multiselect(
        "Targets", known, default=_from_url("target", known, otherwise="xnli"),
        format_func=lambda t: tasks[t].title + _note(t, lacks),
        help="The tasks that are scored in every language. Retrieval targets are not trained on: the encoder is "
        "scored as it is after the intermediate.",
    )  # fmt: skip
    seeds_text = st.text_input(
        "Seeds",
        st.query_params.get("seeds", "1"),
        help="Numbers that fix everything random, such as: 1 2 3. Each seed is a run of its own; runs that differ in "
        "the seed alone show how much is luck.",
    )
    protocol, unkept = _ask_protocol()
    with_baselines, name = _ask_rest()
    seeds, problems = read_seeds(seeds_text)
    problems += unkept
    try:
        request = StudyRequest(
            name=name, models=tuple(chosen_models), intermediates=tuple(intermediates), targets=tuple(targets),
            seeds=seeds, protocol=protocol, data_source=source, mirror=mirror, with_baselines=with_baselines,
        )  # fmt: skip
    except ValidationError as error:
        return None, [*problems, explain(error)]
    missing = [] if chosen_models else ["Choose a model."]
    missing += [] if intermediates else ["Choose an intermediate, or 'none' for the baseline alone."]
    missing += [] if targets else ["Choose a target: what is scored in every language."]
    missing += [] if source is not DataSourceKind.MIRROR or mirror else ["Enter the folder of the data."]
    return request, problems + missing


def read_seeds(text: str) -> tuple[tuple[int, ...], list[str]]:
    """Seeds that were typed, each once, and what is wrong with the text.

    Args:
        text: Whole numbers, separated by spaces or commas.
    """
    words = [w for w in re.split(r"[\s,;]+", text.strip()) if w]
    wrong = [w for w in words if not w.isascii() or not w.isdigit() or int(w[:12]) > _LARGEST_SEED]
    if wrong or not words:
        found = f"found {', '.join(map(shortened, wrong[:5]))}" if wrong else "found none"
        return (), [f"Seeds: {found}, expected whole numbers from 0 to {_LARGEST_SEED}, such as 1 2 3."]
    return tuple(dict.fromkeys(int(w) for w in words)), []


def intermediates_of(names: Sequence[str], *, together: bool, kinds: Sequence[str], part: str = "") -> list[str]:
    """Text forms of what the form describes.

    Args:
        names: Chosen tasks, `none` among them for the baseline, and text forms that were typed, which stay as they are.
        together: Whether the tasks are one multi-task stage.
        kinds: `real`, placebos and thirds: which forms of each.
        part: Slice of the generated sentences, such as `food,hard`; a third is cut out of it.
    """
    marks = {"real": ""} | {kind: f"{'~' if kind in set(Placebo) else '@'}{kind}" for kind in kinds if kind != "real"}
    typed = [name for name in names if re.search(r"[+~@]", name)]
    tasks = [name for name in names if name != NO_INTERMEDIATE and name not in typed]
    groups = ["+".join(sorted(tasks))] if together and len(tasks) > 1 else tasks
    forms = [group + _sliced(marks[kind], part) for group in groups for kind in kinds]
    return [*([NO_INTERMEDIATE] if NO_INTERMEDIATE in names else []), *forms, *typed]


def _sliced(mark: str, part: str) -> str:
    if not part:
        return mark
    return f"@{part},{mark[1:]}" if mark.startswith("@") else f"{mark}@{part}"


def _note(task: str, lacks: frozenset[str]) -> str:
    return " (no data here)" if task in lacks else ""


def _ask_models(models: Mapping[str, ModelSpec]) -> list[str]:
    default = default_model()
    notes = {SMALL_MODEL: ": small, for a first try"}
    asked = st.query_params.get_all("model") or [default.name]
    chosen = st.multiselect(
        "Models", list(dict.fromkeys([*models, *asked])), default=asked,
        accept_new_options=True, format_func=lambda m: models[m].title + notes.get(m, "") if m in models else m,
        help="Or type a hub id, or a folder in transformers' format, and press Enter.",
    )  # fmt: skip
    if default.why:
        st.caption(default.why)
    return chosen


def _ask_intermediates(tasks: dict[str, TaskSpec], *, source: DataSourceKind, lacks: frozenset[str]) -> list[str]:
    known = [NO_INTERMEDIATE, *intermediate_names(tasks)]
    asked = [name for name in st.query_params.get_all("intermediate") if name in known or re.search(r"[+~@]", name)]
    names = st.multiselect(
        "Intermediates", list(dict.fromkeys([*known, *asked])), default=asked or ["qqp"], accept_new_options=True,
        format_func=lambda n: "none (baseline)" if n == NO_INTERMEDIATE
        else tasks[n].title + _note(n, lacks) if n in tasks else n,
        help="English tasks that are trained on before the target. Each is a run of its own unless they are trained "
        "together. Parts can be typed, too: mnli@hardest is its hardest third, mnli@near:udpos the third whose text is "
        "nearest to that of UDPOS; docs/adding.md has all forms.",
    )  # fmt: skip
    n_tasks = len([n for n in names if n != NO_INTERMEDIATE and n in tasks])
    together = st.toggle(
        "Train the chosen intermediates together (multi-task)", disabled=n_tasks < 2,
        help="Choose two or more." if n_tasks < 2 else "Their examples are mixed in proportion to their numbers.",
    )  # fmt: skip
    kinds = st.pills(
        "What of each is trained on", list(map(str, _KINDS)), selection_mode="multi", default=["real"],
        disabled=not n_tasks, format_func=_KINDS.__getitem__,
        help="A placebo keeps the text and takes the task away: a gain that remains is not due to the task. A third "
        "is a third of the task's examples, the easiest, say; thirds are alike in size, shares of labels and lengths, "
        "and those by nearness to the target in difficulty, too. To find them, two more models are trained first.",
    )  # fmt: skip
    part = _ask_slice() if source is DataSourceKind.SAMPLE and n_tasks else ""
    return intermediates_of(names, together=together and n_tasks > 1, kinds=kinds, part=part)


def _ask_slice() -> str:
    with st.expander("A part of the generated sentences", icon=":material/filter_alt:"):
        domain = st.pills("Domain", DOMAINS, help="What the intermediate's sentences are about; none: everything.")
        difficulty = st.pills("Difficulty", get_args(Difficulty), help="How hard they are; none: a mixture.")
    return ",".join(word for word in (domain, difficulty) if word)


def _ask_protocol() -> tuple[str, list[str]]:
    """What the request names, and why a changed one cannot be kept here."""
    own = own_protocols(paths())
    every = load_protocols() | own
    asked = st.query_params.get("protocol")
    names = list(every)
    name = str(
        st.selectbox(
            "Protocol", names, index=names.index(asked) if asked in every else 0,
            help="Its hyper-parameters: learning rate, batch size, epochs and so on, of both trainings.",
            format_func=lambda n: f"{every[n].name} (yours)" if n in own else n,
        )
    )  # fmt: skip
    st.caption(every[name].summary)
    changed = resized(every[name], **_ask_sizes(every[name]))
    if changed is every[name]:
        return name, []
    try:
        return protocol_name(changed, paths=paths()), []
    except AtlasError as error:  # a full disk, a home that cannot be written
        return name, [str(error)]


def _ask_sizes(protocol: ProtocolSpec) -> dict[str, int | None]:
    usual = {
        "intermediate": ("Training examples of the intermediate", protocol.intermediate.max_train_examples),
        "target": ("Training examples of the target", protocol.target.max_train_examples),
        "test": ("Test examples per language", protocol.max_test_examples),
    }
    with st.expander("How many examples", icon=":material/straighten:"), st.grid(3, min_column_width=140):
        return {
            name: st.number_input(
                label, min_value=10, value=None, step=100, disabled=read_only() is not None, key=f"size_{name}",
                placeholder="all" if n is None else f"{n:,}",
                help="Empty: as the protocol says. Runs with another number are not compared with runs of the "
                "protocol as it is.",
            )
            for name, (label, n) in usual.items()
        }  # fmt: skip


def _ask_source() -> tuple[DataSourceKind, str | None]:
    asked = st.query_params.get("source")
    source = st.segmented_control(
        "Data source", list(DataSourceKind), required=True, wrap=True,
        default=DataSourceKind(asked) if asked in set(DataSourceKind) else DataSourceKind.SAMPLE,
        format_func=lambda k: _SOURCES[DataSourceKind(k)],
    )  # fmt: skip
    if source != DataSourceKind.MIRROR:
        return DataSourceKind(source), None
    folder = st.text_input(
        "Folder of the data", st.query_params.get("mirror", ""), placeholder="/data/hub",
        help="It holds data sets as on the Hugging Face hub: <owner>/<name>, such as google/xtreme.",
    )  # fmt: skip
    return DataSourceKind.MIRROR, folder.strip() or None


def _ask_rest() -> tuple[bool, str]:
    with_baselines = st.toggle(
        "Also run the baselines",
        value=True,
        help="A baseline is the same run without the intermediate. Without it a run has scores but no gain.",
    )
    name = st.text_input(
        "Name of the study", "study", help="All runs of this launch carry it. Lower-case letters, digits, dots, dashes."
    )
    return with_baselines, name.strip()


def _from_url(key: str, known: Sequence[str], *, otherwise: str) -> list[str]:
    return [name for name in st.query_params.get_all(key) if name in known] or [otherwise]
