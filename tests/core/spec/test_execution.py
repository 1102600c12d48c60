"""Options of execution: outside every id, and where the token budget of a protocol went."""

from __future__ import annotations

import json
from pathlib import Path

import duckdb
import pytest
import yaml

from core.actions.command import protocol_name
from core.errors import RunFolderDamaged, SpecError
from core.models.default import SMALL_MODEL
from core.paths import REPO, AtlasPaths
from core.protocols import PROTOCOLS, read_protocol_file
from core.spec.base import run_id_of
from core.spec.execution import ExecutionOptions, execution_options, stored_execution
from core.spec.protocol import ProtocolSpec
from core.spec.run import RunSpec
from core.spec.task import Role
from core.studies import StudyRequest, build_study
from tests.makers.folders import run_spec


def _gallery(columns: str, rest: str) -> list[tuple[str, ...]]:
    return duckdb.sql(f"SELECT {columns} FROM '{REPO}/data/gallery/runs.parquet' {rest}").fetchall()


def test_committed_runs_keep_their_text_and_their_protocols_digest() -> None:
    rows = _gallery("DISTINCT ON (spec) spec, protocol_digest", "WHERE seed = 1")
    assert rows
    for text, digest in rows:
        spec = RunSpec.model_validate_json(text)
        assert (spec.canonical_json(), spec.protocol.digest()) == (text, digest)


def test_studies_built_anew_have_the_ids_of_the_committed_runs() -> None:
    wanted = "WHERE data_source = 'sample' AND protocol = 'quick' AND model = 'atlas-mini'"
    known = _gallery("run_id, intermediate, target, seed", wanted)
    assert len({target for _, _, target, _ in known}) > 8
    anew = set[str]()
    for target in {target for _, _, target, _ in known}:
        request = StudyRequest(
            models=(SMALL_MODEL,), intermediates=tuple({name for _, name, t, _ in known if t == target}),
            targets=(target,), seeds=tuple({s for *_, t, s in known if t == target}),
        )  # fmt: skip
        anew |= {run.run_id for run in build_study(request, paths=AtlasPaths(REPO / "data")).runs()}
    assert {run_id for run_id, *_ in known} <= anew


def test_a_budget_that_was_chosen_before_stays_in_the_ids() -> None:
    raw = json.loads(run_spec().canonical_json())
    for stage in ("intermediate", "target"):
        raw["protocol"][stage]["batch_tokens"] = 4096
    spec = RunSpec.model_validate_json(json.dumps(raw))
    assert spec.run_id == run_id_of(raw) != run_spec().run_id
    assert spec.stage_protocol(Role.TARGET, spec.target).stored_batch_tokens == 4096
    assert json.loads(spec.baseline().canonical_json())["protocol"] == raw["protocol"]


def test_a_budget_in_a_protocol_file_says_where_it_went(tmp_path: Path) -> None:
    raw = PROTOCOLS["quick"].model_dump(mode="json") | {"name": "mine"}
    file = tmp_path / "mine.yaml"
    file.write_text(yaml.safe_dump(raw | {"target": raw["target"] | {"batch_tokens": 2048}}))
    with pytest.raises(SpecError, match=r"'target.batch_tokens': found 2048; .* start with --batch-tokens 2048"):
        read_protocol_file(file)
    file.write_text(yaml.safe_dump(raw | {"intermediate_overrides": {"mnli": {"batch_tokens": 1024}}}))
    with pytest.raises(SpecError, match=r"'intermediate_overrides.mnli.batch_tokens': found 1024"):
        read_protocol_file(file)


def test_a_protocol_from_before_that_the_program_writes_down_is_read_back(tmp_path: Path) -> None:
    raw = PROTOCOLS["quick"].model_dump(mode="json") | {"name": "mine"}
    before = ProtocolSpec.model_validate(raw | {"target": raw["target"] | {"batch_tokens": 2048}})
    assert read_protocol_file(Path(protocol_name(before, paths=AtlasPaths(tmp_path)))).digest() == before.digest()


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ({"device": "gpu"}, "--device 'gpu': expected auto, cpu, mps, cuda:"),
        ({"batch_tokens": 8}, "--batch-tokens '8': expected a whole number of tokens from 64 on"),
        ({"precision": "half"}, "--precision 'half': expected auto, bf16, fp16, fp32"),
        ({"gradient_checkpointing": "some"}, "--gradient-checkpointing 'some': expected yes or no"),
        ({"precision": "int8"}, "--precision 'int8': expected auto, bf16, fp16, fp32"),
    ],
)
def test_an_option_that_is_none_is_named(said: dict[str, object], message: str) -> None:
    with pytest.raises(SpecError, match=message):
        execution_options(**said)  # type: ignore[arg-type]  # wrong on purpose


def test_options_are_read_from_a_job_file_of_any_age(tmp_path: Path) -> None:
    assert stored_execution(tmp_path / "job.json") == ExecutionOptions()
    for device in ("auto:2", "auto:12", "cuda:0,cuda:1", "xpu:3", "cpu:1"):
        assert execution_options(device=device).device == device
    for device in ("auto:0", "auto:", "cuda:0,", "cuda:0,cpu", "mps,mps", "auto:100"):
        with pytest.raises(SpecError, match="--device"):
            execution_options(device=device)
    (tmp_path / "job.json").write_text('{"run_id": "a", "device": "cuda:1", "position": 1.0}')
    assert stored_execution(tmp_path / "job.json") == ExecutionOptions(device="cuda:1")
    (tmp_path / "job.json").write_text('{"device": "cpu", "batch_tokens": 512, "precision": "bf16"}')
    assert stored_execution(tmp_path / "job.json") == ExecutionOptions(device="cpu", batch_tokens=512, precision="bf16")
    (tmp_path / "job.json").write_text("[")
    with pytest.raises(RunFolderDamaged, match=r"job\.json"):
        stored_execution(tmp_path / "job.json")
