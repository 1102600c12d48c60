"""What pages do: choose, launch, cancel, retry, explain."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from core.actions.queue import delete, list_runs, looked_at
from core.actions.words import duration
from core.errors import JobError
from core.jobs.records import JobState
from core.paths import REPO, AtlasPaths
from core.tasks import TASKS
from core.types.table import TYPES
from pages.widgets.launch.form import intermediates_of, read_seeds
from pages.widgets.runs.detail import tail
from pages.widgets.show import md, points
from pages.widgets.tasks.card import matches, read
from tests.pages.conftest import Open, checked


def _texts(at: AppTest) -> str:
    kinds = (at.markdown, at.caption, at.warning, at.error, at.success, at.header, at.code)
    return "\n".join(str(element.value) for kind in kinds for element in kind)


def test_overview_tells_first_steps_on_an_empty_store(open_page: Open) -> None:
    assert "three steps to a first gain" in _texts(open_page("pages/overview.py"))


def test_overview_finds_the_best_intermediate_and_names_what_it_rests_on(ids: dict[str, str], open_page: Open) -> None:
    del ids
    at = open_page("pages/overview.py")
    assert [m.label for m in at.metric] == ["XNLI, after MNLI"]  # SQuAD before XQuAD is in-task and left out
    text = _texts(at)
    assert "over 14 of 14 languages; it is above zero in" in text
    assert "2 seeds" in text


def test_launch_says_what_is_missing_before_anything_can_start(open_page: Open) -> None:
    at = open_page("pages/launch.py")
    assert not at.warning, "the form opens with a small chain that can start at once"
    assert not next(b for b in at.button if b.label == "Start").disabled
    checked(next(m for m in at.multiselect if m.label == "Targets").set_value([]).run())
    assert any("Choose a target" in w.value for w in at.warning)
    assert next(b for b in at.button if b.label == "Start").disabled
    assert "--target" not in at.code[0].value


def test_launch_queues_the_runs_and_links_to_them(open_page: Open, home: Path) -> None:
    at = open_page("pages/launch.py", target="xnli", intermediate="qqp")
    at.multiselect[0].set_value(["xlm-r-base"])
    checked(at.run())
    assert not at.warning, [w.value for w in at.warning]
    assert {m.label: m.value for m in at.metric}["Runs"] == "2"  # the run and its baseline
    assert "--intermediate qqp --target xnli" in at.code[0].value
    checked(next(b for b in at.button if b.label == "Start").click().run())
    jobs = list_runs(AtlasPaths(home=home))
    assert {(j.intermediate, j.target, j.state) for j in jobs} == {
        ("none", "xnli", JobState.QUEUED),
        ("qqp", "xnli", JobState.QUEUED),
    }
    assert "2 of 2 runs are queued" in at.success[0].value


def test_launch_refuses_a_wrong_mirror_in_words(open_page: Open) -> None:
    at = open_page("pages/launch.py", target="xnli", intermediate="qqp")
    at.multiselect[0].set_value(["xlm-r-base"])
    checked(at.segmented_control[0].set_value("mirror").run())
    mirror = next(t for t in at.text_input if t.label == "Folder of the data")
    checked(mirror.set_value("/no/such/folder").run())
    assert any("/no/such/folder does not exist" in w.value for w in at.warning)
    assert next(b for b in at.button if b.label == "Start").disabled


def test_runs_shows_a_failure_with_its_remedy(ids: dict[str, str], open_page: Open) -> None:
    at = open_page("pages/runs.py", run=ids["failed"])
    assert "Choose a smaller model" in at.error[0].value
    assert "Retry" in [b.label for b in at.button]


def test_runs_names_damaged_folders_and_still_shows_the_others(ids: dict[str, str], open_page: Open) -> None:
    at = open_page("pages/runs.py", run=ids["finished"])
    assert any("1 folder or file cannot be read" in e.label for e in at.expander)
    damaged = next(d.value for d in at.dataframe if "folder" in d.value.columns)
    assert damaged["folder"].tolist() == [ids["damaged"]]


def test_retry_puts_a_cancelled_run_back_and_cancel_takes_it_out(
    ids: dict[str, str], open_page: Open, home: Path
) -> None:
    paths = AtlasPaths(home=home)
    at = open_page("pages/runs.py", run=ids["cancelled"])
    checked(next(b for b in at.button if b.label == "Retry").click().run())
    states = {j.run_id: j.state for j in list_runs(paths)}
    assert states[ids["cancelled"]] is JobState.QUEUED
    assert {"Cancel", "Move to front"} <= {b.label for b in at.button}
    checked(next(b for b in at.button if b.label == "Cancel").click().run())
    assert {j.run_id: j.state for j in list_runs(paths)}[ids["cancelled"]] is JobState.CANCELLED


def test_a_paused_run_says_so_and_keeps_its_place(ids: dict[str, str], open_page: Open, home: Path) -> None:
    paths, run_id = AtlasPaths(home=home), ids["cancelled"]

    def place() -> float | None:
        return next(job.position for job in list_runs(paths) if job.run_id == run_id)

    def press(at: AppTest, label: str) -> AppTest:
        return checked(next(b for b in at.button if b.label == label).click().run())

    at = press(press(open_page("pages/runs.py", run=run_id), "Retry"), "Move to front")
    first = place()
    at = press(at, "Pause")
    text = _texts(at).replace("\\", "")
    assert "paused]" in text and "Paused: resume it" in text
    labels = {b.label for b in at.button}
    assert "Resume" in labels and not {"Cancel", "Retry", "Pause"} & labels
    at = press(at, "Resume")
    assert looked_at(run_id, paths=paths).state is JobState.QUEUED and place() == first
    study = looked_at(run_id, paths=paths).study
    at = press(checked(at.selectbox(key="several_study").set_value(study).run()), "Pause: 1")
    assert looked_at(run_id, paths=paths).is_paused
    press(at, "Resume: 1")
    assert looked_at(run_id, paths=paths).state is JobState.QUEUED and place() == first


def test_several_runs_are_retried_and_deleted_at_once(ids: dict[str, str], open_page: Open, home: Path) -> None:
    paths, stopped = AtlasPaths(home=home), [ids["failed"], ids["cancelled"]]
    at = open_page("pages/runs.py")
    checked(at.multiselect(key="several_runs").set_value([*stopped, ids["finished"]]).run())
    checked(next(b for b in at.button if b.label == "Retry: 2").click().run())
    states = {job.run_id: job.state for job in list_runs(paths)}
    assert [states[run_id] for run_id in stopped] == [JobState.QUEUED] * 2
    assert {"Cancel: 2", "Move to front: 2"} <= {b.label for b in at.button}
    checked(at.button(key="several_delete_sure").click().run())
    left = {job.run_id for job in list_runs(paths)}
    assert left == states.keys() - {ids["finished"]}, "of three, one had ended"
    assert not list(paths.runs.glob(".*"))
    with pytest.raises(JobError, match="is queued: cancel it before it is deleted"):
        delete([ids["baseline"], ids["failed"]], paths=paths)
    assert left == {job.run_id for job in list_runs(paths)}


def test_the_gallery_s_runs_are_browsed_and_opened(committed: str, open_page: Open) -> None:
    at = open_page("pages/runs.py")
    assert "No runs of yours yet" in _texts(at)
    listed = next(d.value for d in at.dataframe if "chain" in d.value.columns)
    assert committed in listed["run_id"].tolist()
    at.text_input(key="gallery_q").set_value("mnli xnli")
    checked(at.run())
    found = next(d.value for d in at.dataframe if "chain" in d.value.columns)
    assert set(found["intermediate"]) <= {"mnli", "mnli~shuffled"} and 0 < len(found) < len(listed)
    at = open_page("pages/runs.py", run=committed)
    assert any("MNLI → XNLI" in str(m.value).replace("\\", "") for m in at.markdown)


def test_a_store_that_another_process_holds_is_read_from_the_folders_and_says_so(home: Path) -> None:
    file = str(home / "atlas.duckdb")
    code = f"import duckdb, time; c = duckdb.connect({file!r}); print(1, flush=True); time.sleep(60)"
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        at = checked(AppTest.from_file(str(REPO / "app.py"), default_timeout=120).run())
        holder.kill()
    assert any(f"process {holder.pid}" in info.value for info in at.info) and not at.error


def test_tasks_filter_by_search(open_page: Open) -> None:
    at = open_page("pages/tasks.py", q="tatoeba")
    assert "1 of" in _texts(at)


def test_a_filter_of_tasks_goes_into_the_address_and_out_of_it_again(open_page: Open) -> None:
    """By the server, so that each is an entry of the browser's history; Back takes the parameter away again."""
    at = open_page("pages/tasks.py", role="target", type="tea")
    assert "No type of task named 'tea'" in _texts(at).replace("\\", "")
    targets = _count(at)
    at = checked(at.selectbox(key="type").set_value("retrieval").run())
    assert at.query_params["type"] in ("retrieval", ["retrieval"]) and _count(at) < targets
    checked(at.text_input(key="q").set_value("tatoeba").run())
    assert at.query_params["q"] in ("tatoeba", ["tatoeba"]) and _count(at) == 1
    del at.query_params["type"], at.query_params["q"]
    assert _count(checked(at.run())) == targets, "as Back does"
    checked(at.button_group(key="role").set_value(None).run())
    assert "role" not in at.query_params and _count(at) > targets


def _count(at: AppTest) -> int:
    return next(int(str(c.value).split()[0]) for c in at.caption if " tasks. " in str(c.value))


@pytest.mark.parametrize(
    ("text", "seeds"), [("1 2 3", (1, 2, 3)), ("1,2;2", (1, 2)), ("", ()), ("-1", ()), ("1 x", ()), ("9" * 30, ())]
)
def test_read_seeds(text: str, seeds: tuple[int, ...]) -> None:
    found, wrong = read_seeds(text)
    assert found == seeds
    assert bool(wrong) == (not seeds)


def test_intermediates_of_the_form() -> None:
    assert intermediates_of(["none", "qqp", "mnli"], together=False, kinds=["real", "mlm"]) == [
        "none", "qqp", "qqp~mlm", "mnli", "mnli~mlm",
    ]  # fmt: skip
    assert intermediates_of(["qqp", "mnli"], together=True, kinds=["shuffled"]) == ["mnli+qqp~shuffled"]
    assert intermediates_of(["none"], together=True, kinds=["real"]) == ["none"]
    assert intermediates_of(["mnli"], together=False, kinds=["hardest", "near"]) == ["mnli@hardest", "mnli@near"]


def test_tail_starts_at_a_whole_line(tmp_path: Path) -> None:
    log = tmp_path / "worker.log"
    log.write_text("first line\nsecond\nthird\n")
    assert tail(log) == "first line\nsecond\nthird\n"
    assert tail(log, n_bytes=10) == "third\n"  # "ond\nthird\n": the cut line goes
    assert tail(tmp_path / "none") == ""
    os.mkfifo(tmp_path / "pipe")
    assert tail(tmp_path / "pipe") == tail(tmp_path) == "", "nobody is waited for"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(None, "–"), (45, "45 s"), (180, "3 min"), (7500, "2 h 5 min"), (3 * 86400 + 4 * 3600, "3 d 4 h")],
)
def test_duration(seconds: float | None, text: str) -> None:
    assert duration(seconds) == text


def test_text_from_outside_is_text() -> None:
    assert md("a_b <b> [x](y) :red[z] $1") == "a\\_b \\<b\\> \\[x\\]\\(y\\) \\:red\\[z\\] \\$1"
    assert points(-0.0123) == "−1.2"
    assert points(None) == "–"


def test_every_task_is_found_by_its_name_role_and_type() -> None:
    for task in TASKS.values():
        assert matches(task, search=task.name, role=str(task.roles[0]), kind=str(task.type))
        other = next(t for t in TYPES if t != task.type)
        assert not matches(task, search="", role=None, kind=str(other))


def test_a_sentence_of_a_task_file_is_read_with_titles_and_names(home: Path) -> None:
    del home  # where the user's own tasks would be
    said = "kk, th and yo have none; mnli is more of the same, see ccg/train.tsv and 'rte'."
    assert read(said, names={"mnli", "ccg", "rte"}) == (
        "Kazakh, Thai and Yoruba have none; MNLI is more of the same, see ccg/train.tsv and 'rte'."
    )
