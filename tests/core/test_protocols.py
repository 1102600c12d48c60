"""The protocols: published figures equal the transcribed tables, and a user's file is checked."""

from __future__ import annotations

import csv
import re
from pathlib import Path

import pytest
from pydantic import ValidationError

from core.errors import SpecError, UnknownName
from core.paths import REPO
from core.protocols import PROTOCOLS, get_protocol, in_short, load_protocols, read_protocol_file, resized
from core.spec.protocol import ProtocolSpec, StageProtocol
from core.spec.task import Role
from core.tasks import TASKS

PUBLISHED = REPO.parent / "shared" / "published"
needs_shared = pytest.mark.skipif(not PUBLISHED.is_dir(), reason="needs the transcriptions in ../shared/published")
OUR_NAMES = {
    "ANLI+": ["anli_plus"], "CCG": ["ccg"], "CommonsenseQA": ["commonsenseqa"], "Cosmos QA": ["cosmosqa"],
    "HellaSwag": ["hellaswag"], "QQP": ["qqp"], "SQuAD": ["squad"],
    "XNLI (MNLI)": ["xnli"], "PAWS-X": ["pawsx"], "XQuAD (SQuAD)": ["xquad"], "MLQA (SQuAD)": ["mlqa"],
    "TyDiQA": ["tydiqa"], "POS": ["udpos"], "NER": ["panx"], "XNLI": ["xnli"], "NER (PAN-X)": ["panx"],
    "XQuAD/MLQA (SQuAD v1.1) and TyDiQA-GoldP": ["xquad", "mlqa", "tydiqa"],
}  # fmt: skip


def _rows(name: str) -> list[dict[str, str]]:
    with (PUBLISHED / name).open(encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def test_names() -> None:
    assert list(load_protocols()) == [
        "quick",
        "quick-frozen",
        "quick-lora",
        "gallery",
        "standard",
        "phang2020",
        "xtreme2020",
        "mohapatra2022",
    ]
    assert all(get_protocol(name).name == name for name in PROTOCOLS)
    with pytest.raises(UnknownName, match=r"No protocol named 'quik'. Did you mean 'quick'\?"):
        get_protocol("quik")


@pytest.mark.parametrize("protocol", PROTOCOLS.values(), ids=list(PROTOCOLS))
def test_every_override_is_valid_and_names_a_task(protocol: ProtocolSpec) -> None:
    for role, overrides in (
        (Role.INTERMEDIATE, protocol.intermediate_overrides),
        (Role.TARGET, protocol.target_overrides),
    ):
        for name, fields in overrides.items():
            assert role in TASKS[name].roles
            stage = protocol.stage_for(role, name)
            assert {field: getattr(stage, field) for field in fields} == fields


@pytest.mark.parametrize("name", ["phang2020", "xtreme2020", "mohapatra2022"])
def test_what_a_paper_does_not_state_says_ours(name: str) -> None:
    protocol = PROTOCOLS[name]
    assert protocol.stated
    for field, source in protocol.stated.items():
        here: object = protocol
        for part in field.split("."):
            assert hasattr(here, part), f"{field} is not a field"
            here = getattr(here, part)
        assert re.match(r"ours|Phang|XTREME|Mohapatra", source), source
    for stage in ("intermediate", "target"):
        for field in ("learning_rate", "epochs", "batch_size", "weight_decay"):
            assert stage in protocol.stated or f"{stage}.{field}" in protocol.stated, f"{name}: {stage}.{field}"


@needs_shared
def test_phang2020_equals_the_transcription() -> None:
    protocol, checked = PROTOCOLS["phang2020"], 0
    for row in _rows("phang2020v1_hparams.csv"):
        role = Role.INTERMEDIATE if row["intermediate"] else Role.TARGET
        for task in OUR_NAMES.get(row["intermediate"] or row["target"], []):
            assert getattr(protocol.stage_for(role, task), row["metric"]) == float(row["value"]), row
            checked += 1
    assert checked == 28  # 7 intermediates and 7 targets, batch size and epochs of each
    general = {(r["intermediate"], r["metric"]): r["value"] for r in _rows("phang2020v1_hparams.csv")}
    assert protocol.intermediate.learning_rate == float(general["any, without MLM", "learning_rate"])
    assert protocol.target.learning_rate == float(general["any", "target_learning_rate"])
    assert protocol.intermediate.warmup_fraction == float(general["any", "warmup_fraction"])
    assert protocol.intermediate.max_dev_examples == int(general["any", "early_stopping_dev_examples"])
    assert protocol.intermediate.mix_cap == 2**17 and general["Multi-task", "multi_task_sampling_cap_K"] == "2^17"
    assert general["any (BUCC, Tatoeba)", "retrieval_layer"] == "13 (mean-pooled)"
    assert (protocol.retrieval_layer, protocol.retrieval_pooling) == (13, "mean")


@needs_shared
def test_xtreme2020_equals_the_transcription() -> None:
    protocol, checked = PROTOCOLS["xtreme2020"], 0
    rows = [r for r in _rows("hu2020_xtreme_hparams.csv") if r["intermediate"] == "none" and "Large" not in r["model"]]
    for row in rows:
        for task in OUR_NAMES.get(row["target"], []):
            stage = protocol.stage_for(Role.TARGET, task)
            if row["metric"] in {"max_seq_length", "doc_stride"}:
                found = getattr(TASKS[task], {"max_seq_length": "max_length"}.get(row["metric"], row["metric"]))
            elif row["metric"] == "seed":
                continue
            else:
                found = getattr(stage, row["metric"])
            stated = row["value"].split(" ")[0].split("=")[-1]  # "8x4=32" is 32; "2 (2020), 3 (from 2021…)" is 2020's
            assert found == float(stated), (task, row)
            checked += 1
    assert checked == 4 * 4 + 3 * 7  # four values of four tasks, seven of three


def test_mohapatra2022_states_what_the_abstract_states() -> None:
    protocol = PROTOCOLS["mohapatra2022"]
    assert protocol.intermediate.train_share == protocol.target.train_share == 0.7
    assert protocol.intermediate.epochs == 100
    assert protocol.intermediate.freezing == protocol.target.freezing == "none"
    assert protocol.stated["target.learning_rate"] == "ours"


def test_quick_is_bounded_on_every_side() -> None:
    quick = PROTOCOLS["quick"]
    assert quick.max_test_examples == 200
    for stage in (quick.intermediate, quick.target):
        assert (stage.max_train_examples, stage.max_dev_examples) == (2_000, 200)


def _documented() -> str:
    text = (REPO / "docs" / "adding.md").read_text(encoding="utf-8")
    return "# protocol" + text.split("```yaml\n# protocol", 1)[1].split("```", 1)[0]


def test_how_much_is_trained_names_the_targets_that_differ() -> None:
    few = StageProtocol(learning_rate=1e-4, epochs=1, batch_size=8, max_train_examples=4_000)
    overrides: dict[str, dict[str, float | int | str | None]] = {
        "xnli": {"learning_rate": 2e-5}, "udpos": {"max_train_examples": 2_000}, "sib200": {"epochs": 6},
    }  # fmt: skip
    made = ProtocolSpec(name="mine", summary="", intermediate=few, target=few, target_overrides=overrides)
    size = "at most 4,000 training examples, 1 epoch"
    before = f"; before it, on the intermediate, {size}"
    assert in_short(made) == f"on the target {size} (udpos 2,000 examples; sib200 6 epochs){before}"
    told = in_short(made, targets=("panx", "sib200"), title=str.upper)
    assert told == f"on the target {size} (SIB200 6 epochs){before}"
    every = "all training examples, 3 epochs"
    assert in_short(get_protocol("standard"), targets=("xnli",)).startswith(f"on the target {every}; before it, ")


def test_a_users_protocol_file(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(_documented())
    protocol = read_protocol_file(file)
    assert protocol.target.freezing == "gradual"
    assert protocol.stage_for(Role.TARGET, "udpos").epochs == 10


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("epochs: 3", "epoch: 3", "field 'intermediate.epoch' is not known. Did you mean 'epochs'?"),
        (
            "freezing: gradual",
            "freezing: some",
            "field 'target.freezing': found 'some'; expected: Input should be 'none'",
        ),
        ("{epochs: 10}", "{epoch: 10}", "field 'target_overrides.udpos.epoch': found 10; expected: Extra inputs"),
        (
            "{epochs: 10}",
            "{epochs: -1}",
            "field 'target_overrides.udpos.epochs': found -1; expected: Input should be gr",
        ),
    ],
)
def test_a_wrong_protocol_file_is_refused(tmp_path: Path, old: str, new: str, expected: str) -> None:
    file = tmp_path / "mine.yaml"
    assert old in _documented()
    file.write_text(_documented().replace(old, new))
    with pytest.raises(SpecError) as refused:
        read_protocol_file(file)
    assert str(file) in str(refused.value) and expected in str(refused.value)


def test_fields_that_came_later_are_left_out_of_the_json_at_their_default() -> None:
    stage = StageProtocol(learning_rate=1e-5)
    assert not {"freeze_layers", "lora_rank", "lora_alpha"} & set(stage.model_dump())
    frozen = StageProtocol(learning_rate=1e-5, freeze_layers=6)
    assert frozen.model_dump()["freeze_layers"] == 6 and frozen.digest() != stage.digest()
    assert StageProtocol.model_validate_json(frozen.canonical_json()) == frozen
    adapted = StageProtocol(learning_rate=1e-5, lora_rank=8)
    assert adapted.model_dump()["lora_rank"] == 8 and adapted.digest() not in {stage.digest(), frozen.digest()}


@pytest.mark.parametrize(
    "fields,message",
    [
        ({"freeze_layers": 2, "freezing": "gradual"}, "freezing: gradual and freeze_layers: 2 exclude each other"),
        ({"lora_rank": 4, "freeze_layers": "half"}, "freeze_layers: half and lora_rank: 4 exclude each other"),
        ({"lora_rank": 4, "freezing": "embeddings"}, "freezing: embeddings and lora_rank: 4 exclude each other"),
        ({"lora_alpha": 4}, "lora_alpha: 4 says nothing without lora_rank"),
        ({"lora_rank": 0}, "greater than or equal to 1"),
        ({"lora_alfa": 4}, "Extra inputs are not permitted"),
        ({"freeze_layers": 0}, "greater than or equal to 1"),
    ],
)
def test_ways_of_training_less_exclude_each_other(fields: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        StageProtocol.model_validate({"learning_rate": 1e-5} | fields)


@pytest.mark.parametrize("freeze_layers,n_layers,expected", [(None, 3, 0), ("half", 3, 1), ("half", 12, 6), (2, 3, 2)])
def test_how_many_layers_are_frozen(freeze_layers: int | str | None, n_layers: int, expected: int) -> None:
    stage = StageProtocol.model_validate({"learning_rate": 1e-5, "freeze_layers": freeze_layers})
    assert stage.frozen_of(n_layers, where="Model 'x'") == expected


@pytest.mark.parametrize("freeze_layers,n_layers", [(3, 3), ("half", 1), (12, 6)])
def test_a_model_with_too_few_layers_is_named(freeze_layers: int | str, n_layers: int) -> None:
    stage = StageProtocol.model_validate({"learning_rate": 1e-5, "freeze_layers": freeze_layers})
    with pytest.raises(
        SpecError, match=rf"^Model 'x' has {n_layers} layer\(s\) and .* freeze_layers: {freeze_layers};"
    ):
        stage.frozen_of(n_layers, where="Model 'x'")


def test_other_sizes_are_another_protocol_that_says_so() -> None:
    gallery = PROTOCOLS["gallery"]
    found = resized(gallery, intermediate=500, test=50)
    assert (found.name, found.max_test_examples) == ("gallery-i500-e50", 50)
    # Whatever the task: cola had a size and epochs of its own, and keeps its epochs.
    cola = found.stage_for(Role.INTERMEDIATE, "cola")
    assert (cola.max_train_examples, cola.epochs) == (500, 2)
    assert found.stage_for(Role.TARGET, "xnli") == gallery.stage_for(Role.TARGET, "xnli")
    assert resized(gallery) is gallery
    phang = resized(PROTOCOLS["phang2020"], target=100)
    assert phang.stated["target.max_train_examples"] == "ours"
    assert "target.max_train_examples" not in PROTOCOLS["phang2020"].stated
