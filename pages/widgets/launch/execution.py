"""How the jobs of a launch compute: device, jobs at a time, precision, tokens, gradient checkpointing."""

from __future__ import annotations

from typing import get_args

import streamlit as st

from core.actions.launch import Where
from core.actions.plan import set_cpu_slots, slots_in_words, this_machine
from core.actions.queue import places
from core.errors import SpecError
from core.jobs.slots import AUTO
from core.spec.execution import FEWEST_TOKENS, Precision, execution_options
from pages.widgets.shared import paths, read_only

_EXECUTION = (
    "How jobs compute, not what: a run keeps its id, results do not change beyond rounding, and nothing is trained "
    "again for another device or number of tokens. Another precision has stages of its own and is recorded with them."
)


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
        if machine.kind == "cpu":
            st.number_input(
                "Jobs at a time", min_value=1, max_value=64, value=len(machine.slots), key="cpu_slots",
                disabled=read_only() is not None, on_change=_set_slots,
                help="They share the cores of this machine. It holds for all jobs that this application starts until "
                "it ends; ATLAS_CPU_SLOTS sets it from the beginning.",
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
        is_checkpointed = st.toggle(
            "Gradient checkpointing",
            help="Training keeps the inputs of layers alone and computes the rest again for the backward pass: less "
            "memory, more time, the same results.",
        )
        st.caption(slots_in_words(machine))
    said = {"device": device, "precision": precision, "batch_tokens": batch_tokens}
    said |= {"gradient_checkpointing": is_checkpointed or None}
    return Where(backend, execution_options(**{n: v for n, v in said.items() if v != AUTO})), []


def _set_slots() -> None:
    set_cpu_slots(int(st.session_state["cpu_slots"]))


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
