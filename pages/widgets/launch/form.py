"""The form of a launch: from widgets to a `StudyRequest`."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import get_args

import streamlit as st
from pydantic import ValidationError

from core.actions.launch import Where
from core.actions.plan import slots_in_words, this_machine
from core.actions.queue import places
from core.errors import SpecError
from core.jobs.slots import AUTO
from core.models import load_models, skipped_model_files
from core.models.default import SMALL_MODEL, default_model
from core.protocols import load_protocols
from core.spec.execution import FEWEST_TOKENS, Precision, execution_options
from core.spec.model import ModelSpec
from core.spec.run import DataSourceKind, Placebo
from core.spec.task import TaskSpec
from core.studies import NO_INTERMEDIATE, StudyRequest, explain, intermediate_names, target_names
from core.tasks import load_tasks, skipped_task_files
from pages.widgets.shared import paths, warn_skipped

_KINDS = {
    "real": "the task itself",
    Placebo.SHUFFLED: "placebo: shuffled labels",
    Placebo.MLM: "placebo: masked-language modelling",
    "easiest": "third: easiest",
    "middle": "third: middle",
    "hardest": "third: hardest",
    "near": "third: nearest to the target",
    "far": "third: farthest from the target",
}
_SOURCES = {
    DataSourceKind.SAMPLE: "bundled sample (offline)",
    DataSourceKind.MIRROR: "local mirror of the hub",
    DataSourceKind.HUB: "Hugging Face hub",
}
_EXECUTION = (
    "How jobs compute, not what: a run keeps its id, results do not change beyond rounding, and nothing is trained "
    "again for another device or number of tokens. Another precision has stages of its own and is recorded with them."
)
_LARGEST_SEED = 2**31 - 1


def ask() -> tuple[StudyRequest | None, list[str]]:
    """Draw the form; the request, and what cannot be read in it."""
    tasks, models = load_tasks(paths()), load_models(paths())
    warn_skipped((*skipped_task_files(paths()), *skipped_model_files(paths())))
    chosen_models = _ask_models(models)
    intermediates = _ask_intermediates(tasks)
    targets = st.multiselect(
        "Targets", target_names(tasks), default=_from_url("target", target_names(tasks), otherwise="xnli"),
        format_func=lambda t: tasks[t].title,
        help="Scored in every language; retrieval targets are scored without any target training.",
    )  # fmt: skip
    seeds_text = st.text_input("Seeds", "1", help="Whole numbers, such as: 1 2 3. Each seed is a separate run.")
    protocol = _ask_protocol()
    source, mirror = _ask_source()
    with_baselines, name = _ask_rest()
    seeds, problems = read_seeds(seeds_text)
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
    missing += [] if source is not DataSourceKind.MIRROR or mirror else ["Enter the folder of the mirror."]
    return request, problems + missing


def ask_execution() -> tuple[Where, list[str]]:
    """Draw the folded part of the form: how jobs compute, as far as it was chosen, and what keeps them from running."""
    try:
        machine = this_machine()
    except SpecError as error:  # said by the environment of the server
        return Where(), [str(error)]
    with st.expander("Execution", icon=":material/memory:"):
        st.caption(_EXECUTION)
        backend = _ask_backend()
        device = st.selectbox(
            "Device", [AUTO, *(slot for slot in machine.slots if not slot.startswith("cpu")), "cpu"],
            format_func=lambda d: f"auto ({', '.join(machine.slots)})" if d == AUTO else d,
            help="Where jobs may run. A device that is busy is waited for.",
        )  # fmt: skip
        precision = st.segmented_control(
            "Precision", [AUTO, *get_args(Precision)], default=AUTO, required=True,
            help="What products are computed in. bf16 and fp16 round more, and are faster on devices with units for "
            "them: there auto takes bf16, or fp16 on a GPU that has no bf16.",
        )  # fmt: skip
        batch_tokens = st.number_input(
            "Tokens at once in training", min_value=FEWEST_TOKENS, value=None, step=1024,
            placeholder="as many as the device can",
            help="Most tokens that go through the model at once. Fewer need less memory and take longer; with dropout "
            "they draw other masks, as another seed would.",
        )  # fmt: skip
        st.caption(f"{slots_in_words(machine)} ATLAS_CPU_SLOTS sets the number on a machine without GPUs.")
    said = {"device": device, "precision": precision, "batch_tokens": batch_tokens}
    return Where(backend, execution_options(**{n: v for n, v in said.items() if v != AUTO})), []


def _ask_backend() -> str | None:
    """Where jobs run, for a home that says what to ask of a cluster; None: where they would without a choice."""
    if not paths().backend_file.exists():
        return None
    usual, *others = places()
    backend = st.segmented_control(
        "Where", [usual, *others], default=usual, required=True,
        help="This machine, or the cluster, as backend.yaml says; see docs/scale.md.",
    )  # fmt: skip
    return backend if backend != usual else None


def read_seeds(text: str) -> tuple[tuple[int, ...], list[str]]:
    """Seeds that were typed, each once, and what is wrong with the text.

    Args:
        text: Whole numbers, separated by spaces or commas.
    """
    words = [w for w in re.split(r"[\s,;]+", text.strip()) if w]
    wrong = [w for w in words if not w.isascii() or not w.isdigit() or int(w[:12]) > _LARGEST_SEED]
    if wrong or not words:
        found = f"found {', '.join(repr(w) for w in wrong)}" if wrong else "found none"
        return (), [f"Seeds: {found}, expected whole numbers from 0 to {_LARGEST_SEED}, such as 1 2 3."]
    return tuple(dict.fromkeys(int(w) for w in words)), []


def intermediates_of(names: Sequence[str], *, together: bool, kinds: Sequence[str]) -> list[str]:
    """Text forms of what the form describes.

    Args:
        names: Chosen tasks, `none` among them for the baseline.
        together: Whether the tasks are one multi-task stage.
        kinds: `real`, placebos and thirds: which forms of each.
    """
    marks = {"real": ""} | {kind: f"{'~' if kind in set(Placebo) else '@'}{kind}" for kind in kinds if kind != "real"}
    tasks = [name for name in names if name != NO_INTERMEDIATE]
    groups = ["+".join(sorted(tasks))] if together and len(tasks) > 1 else tasks
    forms = [group + marks[kind] for group in groups for kind in kinds]
    return ([NO_INTERMEDIATE] if NO_INTERMEDIATE in names else []) + forms


def _ask_models(models: Mapping[str, ModelSpec]) -> list[str]:
    default = default_model()
    notes = {SMALL_MODEL: ": small, for a first try"}
    chosen = st.multiselect(
        "Models", list(models), default=_from_url("model", list(models), otherwise=default.name),
        accept_new_options=True, format_func=lambda m: models[m].title + notes.get(m, "") if m in models else m,
        help="Or type a hub id, or a folder in transformers' format, and press Enter.",
    )  # fmt: skip
    if default.why:
        st.caption(default.why)
    return chosen


def _ask_intermediates(tasks: dict[str, TaskSpec]) -> list[str]:
    known = [NO_INTERMEDIATE, *intermediate_names(tasks)]
    names = st.multiselect(
        "Intermediates", known, default=_from_url("intermediate", known, otherwise="qqp"),
        format_func=lambda n: "none (baseline)" if n == NO_INTERMEDIATE else tasks[n].title,
        help="English tasks that are trained on before the target. Each is a separate run unless trained together.",
    )  # fmt: skip
    n_tasks = len([n for n in names if n != NO_INTERMEDIATE])
    together = st.toggle(
        "Train the chosen intermediates together, as one multi-task stage", disabled=n_tasks < 2,
        help="Needs two or more." if n_tasks < 2 else "Mixed in proportion to size.",
    )  # fmt: skip
    kinds = st.pills(
        "As", list(map(str, _KINDS)), selection_mode="multi", default=["real"], disabled=not n_tasks,
        format_func=_KINDS.__getitem__,
        help="Placebos use the same text without the task: a gain that remains is not due to the task. Thirds of its "
        "examples are matched in size, labels and length; those by nearness in difficulty, too. Finding them takes two "
        "trainings before the first.",
    )  # fmt: skip
    return intermediates_of(names, together=together and n_tasks > 1, kinds=kinds)


def _ask_protocol() -> str:
    protocols = load_protocols()
    name = str(st.selectbox("Protocol", list(protocols), help="Hyper-parameters of both stages."))
    st.caption(protocols[name].summary)
    return name


def _ask_source() -> tuple[DataSourceKind, str | None]:
    source = st.segmented_control(
        "Data source", list(DataSourceKind), default=DataSourceKind.SAMPLE, required=True,
        format_func=lambda k: _SOURCES[DataSourceKind(k)], wrap=True,
    )  # fmt: skip
    if source != DataSourceKind.MIRROR:
        return DataSourceKind(source), None
    folder = st.text_input("Folder of the mirror", placeholder="/data/hub", help="Data sets as <owner>/<name>.")
    return DataSourceKind.MIRROR, folder.strip() or None


def _ask_rest() -> tuple[bool, str]:
    with_baselines = st.toggle(
        "Also run the paired baselines", value=True, help="Without its baseline a run has scores but no gain."
    )
    name = st.text_input("Name of the study", "study", help="Lower-case letters, digits, dots, dashes.")
    return with_baselines, name.strip()


def _from_url(key: str, known: Sequence[str], *, otherwise: str) -> list[str]:
    return [name for name in st.query_params.get_all(key) if name in known] or [otherwise]
