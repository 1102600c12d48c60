"""How the jobs of a launch compute: device, jobs at a time, precision, tokens, gradient checkpointing."""

from __future__ import annotations

from typing import get_args

import streamlit as st

from core.actions.launch import Where
from core.actions.plan import check_settings, set_cpu_slots, slots_in_words, this_machine, why_none_there
from core.actions.queue import places
from core.errors import SpecError
from core.spec.execution import AUTO, FEWEST_TOKENS, Precision, execution_options
from pages.widgets.shared import paths, read_only

_EXECUTION = (
    "These choices change how fast runs are, not what they find: results stay the same but for rounding, and but for "
    "what another number of tokens at once does to dropout. Another precision is noted with the results, and "
    "stages that were trained in one precision are trained anew in another."
)


def ask_execution() -> tuple[Where, list[str]]:
    """Draw the folded part of the form: how jobs compute, as far as it was chosen, and what keeps them from running."""
    try:
        check_settings()
        machine = this_machine()
    except SpecError as error:  # said by the environment of the server
        return Where(), [str(error)]
    with st.expander("Device, memory, precision", icon=":material/memory:"):
        st.caption(_EXECUTION)
        backend = _ask_backend()
        device = st.selectbox(
            "Device", [AUTO, *(slot for slot in machine.slots if not slot.startswith("cpu")), "cpu"],
            format_func=lambda d: f"auto ({', '.join(machine.slots)})" if d == AUTO else d,
            help="Where runs may compute. If it is busy, they wait.",
        )  # fmt: skip
        if machine.kind == "cpu":
            st.number_input(
                "Runs at a time", min_value=1, max_value=64, value=len(machine.slots), key="cpu_slots",
                disabled=read_only() is not None, on_change=_set_slots,
                help="They share the cores of this machine. It holds for all runs until this program ends; the "
                "environment variable ATLAS_CPU_SLOTS sets it from the start.",
            )  # fmt: skip
        precision = st.segmented_control(
            "Precision", [AUTO, *get_args(Precision)], default=AUTO, required=True,
            help="Numbers of 32 bits (fp32) or 16 bits (bf16, fp16). 16 bits round more and are faster where the "
            "device is made for them: there auto takes bf16, or fp16 on a GPU without bf16.",
        )  # fmt: skip
        batch_tokens = st.number_input(
            "Tokens at once in training", min_value=FEWEST_TOKENS, value=None, step=1024,
            placeholder="as many as the device can",
            help="Most tokens that go through the model at once. Fewer need less memory and take longer. Where the "
            "protocol has dropout, another number changes results as another seed would.",
        )  # fmt: skip
        is_checkpointed = st.toggle(
            "Gradient checkpointing",
            help="Training keeps the inputs of layers alone and computes the rest again for the backward pass: less "
            "memory, more time, the same results.",
        )
        st.caption(slots_in_words(machine))
    why = why_none_there(backend, paths=paths())
    said = {"device": device, "precision": precision, "batch_tokens": batch_tokens}
    said |= {"gradient_checkpointing": is_checkpointed or None}
    return Where(backend, execution_options(**{n: v for n, v in said.items() if v != AUTO})), [why] if why else []


def _set_slots() -> None:
    set_cpu_slots(int(st.session_state["cpu_slots"]))


def _ask_backend() -> str | None:
    """Where jobs run, for a home that says what to ask of a cluster; None: where they would without a choice."""
    if not paths().backend_file.exists():
        return None
    usual, *others = places()
    backend = st.segmented_control(
        "Where", [usual, *others], default=usual, required=True,
        help="On this machine or on the cluster that the file backend.yaml names; see docs/scale.md.",
    )  # fmt: skip
    return backend if backend != usual else None
