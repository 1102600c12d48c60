"""Hyper-parameters by name: `quick` with its cheaper kin, `standard`, and three published ones.

A published protocol says in `stated` where each field comes from, and "ours" where its paper does not state it. Figures
of Phang et al. are those of the first draft (26 May 2020). To add one: one `ProtocolSpec` in `PROTOCOLS`, or a
YAML file given to `read_protocol_file` (docs/adding.md).
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from pathlib import Path

from pydantic import ValidationError

from core.errors import SpecError, UnknownName
from core.spec.protocol import USUAL_BATCH_TOKENS, ProtocolSpec, StageProtocol
from core.spec.task import Role
from core.spec.yaml import read_spec_file

_PHANG_T3 = "Phang et al. 2020 v1, Table 3"
_PHANG_T4 = "Phang et al. 2020 v1, Table 4"
_PHANG_A = "Phang et al. 2020 v1, Appendix A"
_XTREME = "XTREME's scripts train_*.sh, commit 838c13b6"
_MOHAPATRA = "Mohapatra & Mohapatra 2022, protocol statement"


def _by_task(names: str, **fields: float) -> dict[str, dict[str, float | int | str | None]]:
    return {name: dict(fields) for name in names.split()}


def _ours(*fields: str) -> dict[str, str]:
    return dict.fromkeys(fields, "ours")


_QUICK_STAGE = StageProtocol(
    learning_rate=5e-5,
    epochs=1,
    batch_size=32,
    max_train_examples=2_000,
    max_dev_examples=200,
    evaluations=2,
)
_GALLERY_STAGE = StageProtocol(
    learning_rate=5e-5,
    epochs=1,
    batch_size=32,
    max_train_examples=4_000,
    max_dev_examples=500,
    evaluations=1,
    selection="last",
)
_LORA = {"learning_rate": 5e-4, "lora_rank": 8, "lora_alpha": 16}
"""Of rates from 2e-4 to 1e-2, 3e-4 and 5e-4 are the best and alike on English development data of the sample tasks'
XNLI and UDPOS (atlas-mini, one seed), means of both; 5e-4 is ten times the rate of full fine-tuning."""
_STANDARD_STAGE = StageProtocol(learning_rate=2e-5, epochs=3, batch_size=32, max_dev_examples=2_000, evaluations=6)
_REST = (
    "evaluations",
    "selection",
    "patience",
    "weight_decay",
    "schedule",
    "gradient_clip",
    "dropout",
    "freezing",
    "mlm_probability",
)

PROTOCOLS: dict[str, ProtocolSpec] = {
    "quick": ProtocolSpec(
        name="quick",
        summary="Minutes on a CPU: 2,000 training examples a stage, 200 test examples a language. To try things out.",
        intermediate=_QUICK_STAGE,
        target=_QUICK_STAGE.model_copy(update={"epochs": 2.0}),
        max_test_examples=200,
        max_length=256,
    ),
    "quick-frozen": ProtocolSpec(
        name="quick-frozen",
        summary="As quick, with the embeddings and the lower half of the layers frozen: faster, and less is learned.",
        intermediate=_QUICK_STAGE.model_copy(update={"freeze_layers": "half"}),
        target=_QUICK_STAGE.model_copy(update={"epochs": 2.0, "freeze_layers": "half"}),
        max_test_examples=200,
        max_length=256,
    ),
    "quick-lora": ProtocolSpec(
        name="quick-lora",
        summary="As quick, with adapters of rank 8 (LoRA) trained in place of the encoder's weights: less memory.",
        intermediate=_QUICK_STAGE.model_copy(update=_LORA),
        target=_QUICK_STAGE.model_copy(update={"epochs": 2.0} | _LORA),
        max_test_examples=200,
        max_length=256,
    ),
    "gallery": ProtocolSpec(
        name="gallery",
        summary="Of the gallery's real data: 4,000 examples a stage, once; more or fewer where a task needs or has so.",
        intermediate=_GALLERY_STAGE.model_copy(update={"learning_rate": 2.5e-5}),
        target=_GALLERY_STAGE,
        intermediate_overrides=_by_task("imdb", max_train_examples=2_000)
        | _by_task("squad", max_train_examples=3_000)
        | _by_task("commonsenseqa socialiqa piqa hellaswag", max_train_examples=8_000)
        | _by_task("cola", max_train_examples=8_000, epochs=2),
        target_overrides=_by_task("xnli", max_train_examples=12_800)
        | _by_task("xquad", max_train_examples=3_000)
        | _by_task("sib200", epochs=6)
        | _by_task("tweet_sentiment", epochs=2)
        | _by_task("udpos", max_train_examples=2_000)
        | _by_task("stsb_multi", learning_rate=2.5e-5),
        max_test_examples=200,
        max_length=256,
    ),
    "standard": ProtocolSpec(
        name="standard",
        summary="Whole data sets, three epochs, the best of six checkpoints on English development data. For a GPU.",
        intermediate=_STANDARD_STAGE.model_copy(update={"max_train_examples": 200_000}),
        target=_STANDARD_STAGE,
        target_overrides=_by_task("udpos panx", epochs=5)
        | _by_task("xquad mlqa tydiqa", learning_rate=3e-5)
        | _by_task("sib200 tweet_sentiment", epochs=10),
    ),
    "phang2020": ProtocolSpec(
        name="phang2020",
        summary="Phang et al. 2020 (first draft) for XLM-R large: learning rates, batch sizes and epochs of each task.",
        intermediate=StageProtocol(
            learning_rate=1e-5,
            epochs=3,
            batch_size=24,
            max_dev_examples=500,
            evaluations=10,
            patience=5,
            warmup_fraction=0.1,
            mix_cap=2**17,
        ),
        target=StageProtocol(
            learning_rate=3e-6,
            epochs=5,
            batch_size=32,
            max_dev_examples=500,
            evaluations=10,
            patience=5,
            warmup_fraction=0.1,
        ),
        intermediate_overrides=_by_task("anli_plus", batch_size=24, epochs=2)
        | _by_task("ccg", batch_size=24, epochs=15)
        | _by_task("commonsenseqa", batch_size=4, epochs=10)
        | _by_task("cosmosqa", batch_size=4, epochs=15)
        | _by_task("hellaswag", batch_size=24, epochs=7)
        | _by_task("qqp", batch_size=24, epochs=3)
        | _by_task("squad", batch_size=8, epochs=3),
        target_overrides=_by_task("xnli", batch_size=4, epochs=2)
        | _by_task("pawsx", batch_size=32, epochs=5)
        | _by_task("xquad mlqa tydiqa", batch_size=16, epochs=2)
        | _by_task("udpos panx", batch_size=32, epochs=10),
        retrieval_layer=13,
        retrieval_pooling="mean",
        stated={
            "intermediate.learning_rate": f"{_PHANG_A} (5e-6 with multilingual MLM beside it, which is not done here)",
            "intermediate.warmup_fraction": _PHANG_A,
            "intermediate.max_dev_examples": f"{_PHANG_A}: early stopping on the first 500 development examples",
            "intermediate.mix_cap": f"{_PHANG_A}: cap K = 2^17 on a task's size in the mixture",
            "intermediate.epochs": f"{_PHANG_T3}: 3 for multi-task; single tasks in the overrides, others ours",
            "intermediate_overrides": _PHANG_T3,
            "target.learning_rate": _PHANG_A,
            "target.warmup_fraction": _PHANG_A,
            "target.max_dev_examples": _PHANG_A,
            "target_overrides": _PHANG_T4,
            "retrieval_layer": f"{_PHANG_A}: layer 13",
            "retrieval_pooling": f"{_PHANG_A}: mean-pooled",
        }
        | _ours("intermediate.batch_size", "target.batch_size", "target.epochs")
        | _ours(*(f"{stage}.{field}" for stage in ("intermediate", "target") for field in _REST))
        | _ours("max_test_examples", "max_length"),
    ),
    "xtreme2020": ProtocolSpec(
        name="xtreme2020",
        summary="The scripts of XTREME (Hu et al. 2020): learning rates, batch sizes and epochs of each target.",
        intermediate=StageProtocol(learning_rate=2e-5, epochs=3, batch_size=32, max_dev_examples=2_000),
        target=StageProtocol(learning_rate=2e-5, epochs=5, batch_size=32, warmup_steps=0),
        target_overrides=_by_task("xnli pawsx", learning_rate=2e-5, epochs=5, batch_size=32)
        | _by_task("udpos panx", learning_rate=2e-5, epochs=10, batch_size=32)
        | _by_task(
            "xquad mlqa tydiqa", learning_rate=3e-5, epochs=2, batch_size=32, warmup_steps=500, weight_decay=0.0001
        ),
        stated={
            "target_overrides": f"{_XTREME} (state of 2020: 2 epochs of question answering; 3 from 2021-08-11)",
            "target.learning_rate": f"{_XTREME} (XNLI of large models: 3e-5 from 2021-08-11)",
            "target.epochs": _XTREME,
            "target.batch_size": f"{_XTREME}: 8×4 for mBERT, 2×16 for XLM-R large",
            "retrieval_layer": f"{_XTREME}: the model's own, 7 and 13 (Tatoeba with XLM-R); pull request #104 says 10",
            "retrieval_pooling": f"ours: mean; {_XTREME} says cls for BUCC, #104 that the paper averaged",
            "intermediate": "ours: XTREME has no intermediate stage",
            "max_length": f"{_XTREME}: 128, and 384 with stride 128 for question answering; set in the tasks",
        }
        | _ours(*(f"target.{field}" for field in _REST), "target.warmup_steps", "target.max_dev_examples")
        | _ours("max_test_examples"),
    ),
    "mohapatra2022": ProtocolSpec(
        name="mohapatra2022",
        summary="Mohapatra & Mohapatra 2022: 70 % of the data, 100 intermediate epochs, all weights; rest ours.",
        intermediate=StageProtocol(learning_rate=2e-5, epochs=100, batch_size=32, train_share=0.7, freezing="none"),
        target=StageProtocol(learning_rate=2e-5, epochs=3, batch_size=32, train_share=0.7, freezing="none"),
        stated={
            "intermediate.train_share": f"{_MOHAPATRA}: 70 % of the data (claim S6)",
            "target.train_share": f"{_MOHAPATRA}: 70 % of the data (claim S6)",
            "intermediate.epochs": f"{_MOHAPATRA}: 100 epochs (claim S7)",
            "intermediate.freezing": f"{_MOHAPATRA}: all weights are updated (claim S9)",
            "target.freezing": f"{_MOHAPATRA}: all weights are updated (claim S9)",
        }
        | _ours("target.epochs")
        | _ours(
            *(
                f"{stage}.{field}"
                for stage in ("intermediate", "target")
                for field in ("learning_rate", "batch_size", "warmup_fraction", "max_dev_examples", *_REST)
                if field != "freezing"
            )
        )
        | _ours("max_test_examples", "max_length", "retrieval_layer", "retrieval_pooling"),
    ),
}
"""Every protocol that ships with the program."""


def load_protocols() -> dict[str, ProtocolSpec]:
    """All protocols by name."""
    return dict(PROTOCOLS)


def in_short(
    protocol: ProtocolSpec, *, targets: Collection[str] | None = None, title: Callable[[str], str] = str
) -> str:
    """How much a protocol trains on: "on the target at most 4,000 training examples, 1 epoch (SIB-200 6 epochs); …".

    Args:
        protocol: Its stages are told, of the intermediate without the exceptions of some tasks.
        targets: Whose exceptions are told; None: those of all.
        title: From a target to what people read.
    """
    stage, exceptions = protocol.target, []
    for name in protocol.target_overrides if targets is None else targets:
        own = protocol.stage_for(Role.TARGET, name)
        said = (
            [f"{own.max_train_examples:,} examples"]
            if own.max_train_examples not in {None, stage.max_train_examples}
            else []
        )
        said += [_passes(own.epochs)] if own.epochs != stage.epochs else []
        exceptions += [f"{title(name)} {', '.join(said)}"] if said else []
    first, tested = protocol.intermediate, protocol.max_test_examples
    some = " (some tasks otherwise)" if protocol.intermediate_overrides else ""
    return (
        f"on the target {_size(stage)}, {_passes(stage.epochs)}"
        + (f" ({'; '.join(exceptions)})" if exceptions else "")
        + f"; before it, on the intermediate, {_size(first)}, {_passes(first.epochs)}{some}"
        + (f"; at most {tested:,} test examples a language" if tested else "")
    )


def _size(stage: StageProtocol) -> str:
    most = stage.max_train_examples
    return f"at most {most:,} training examples" if most else "all training examples"


def _passes(epochs: float) -> str:
    return f"{epochs:g} epoch{'s' * (epochs != 1)}"


def get_protocol(name: str) -> ProtocolSpec:
    """The protocol of a name.

    Args:
        name: Such as `quick`.

    Raises:
        UnknownName: There is none.
    """
    if name not in PROTOCOLS:
        raise UnknownName("protocol", name, known=PROTOCOLS)
    return PROTOCOLS[name]


def resized(
    protocol: ProtocolSpec,
    *,
    intermediate: int | None = None,
    target: int | None = None,
    test: int | None = None,
) -> ProtocolSpec:
    """The protocol with stages or test sets of other sizes, under a name that says which; itself where none is given.

    Args:
        intermediate: Most training examples of an intermediate stage, whatever its task; None: as it is.
        target: The same of a target stage.
        test: Most test examples of a language.
    """
    new: dict[str, object] = {}
    stated = dict(protocol.stated)
    for role, n in ((Role.INTERMEDIATE, intermediate), (Role.TARGET, target)):
        if n is None:
            continue
        stage, overrides = getattr(protocol, role), getattr(protocol, f"{role}_overrides")
        new[str(role)] = stage.model_copy(update={"max_train_examples": n})
        kept = {task: {k: v for k, v in more.items() if k != "max_train_examples"} for task, more in overrides.items()}
        new[f"{role}_overrides"] = {task: more for task, more in kept.items() if more}
        stated[f"{role}.max_train_examples"] = "ours"
    if test is not None:
        new["max_test_examples"] = test
        stated["max_test_examples"] = "ours"
    if not new:
        return protocol
    sizes = "".join(f"-{letter}{n}" for letter, n in (("i", intermediate), ("t", target), ("e", test)) if n is not None)
    return protocol.model_copy(
        update=new | {"name": protocol.name + sizes, "stated": stated if protocol.stated else {}}
    )


def read_protocol_file(path: Path) -> ProtocolSpec:
    """The protocol in a user's YAML file; its overrides are checked too.

    Raises:
        SpecError: It does not hold a protocol; the message names file, field, what was found and expected.
    """
    protocol = read_spec_file(path, kind=ProtocolSpec, example="docs/adding.md")
    _refuse_batch_tokens(protocol, path=path)
    for role, overrides in (
        (Role.INTERMEDIATE, protocol.intermediate_overrides),
        (Role.TARGET, protocol.target_overrides),
    ):
        for task in overrides:
            try:
                protocol.stage_for(role, task)
            except ValidationError as error:
                first = error.errors()[0]
                place = f"{role}_overrides.{task}.{'.'.join(map(str, first['loc']))}"
                raise SpecError(
                    f"{path}: field '{place}': found {first['input']!r}; expected: {first['msg']}."
                ) from error
    return protocol


def _refuse_batch_tokens(protocol: ProtocolSpec, *, path: Path) -> None:
    """Say where the token budget went; a file that the program wrote of a protocol from before is taken as it is."""
    if path.stem == f"{protocol.name}-{protocol.digest()}":
        return
    stages, usual = {"intermediate": protocol.intermediate, "target": protocol.target}, USUAL_BATCH_TOKENS
    found: dict[str, object] = {n: s.stored_batch_tokens for n, s in stages.items() if s.stored_batch_tokens != usual}
    for role, overrides in (("intermediate", protocol.intermediate_overrides), ("target", protocol.target_overrides)):
        named = {task: fields["batch_tokens"] for task, fields in overrides.items() if "batch_tokens" in fields}
        found |= {f"{role}_overrides.{task}": value for task, value in named.items()}
    for place, value in found.items():
        raise SpecError(
            f"{path}: field '{place}.batch_tokens': found {value}; this is an option of execution and no "
            f"hyper-parameter. Remove the line, and start with --batch-tokens {value} where memory is short."
        )
