"""Tasks from a user's YAML file: what is accepted, and the text of every refusal."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from core.errors import SpecError
from core.paths import REPO, AtlasPaths
from core.tasks import TASKS, load_tasks, read_task_file, skipped_task_files

GOOD = """\
name: my_topics
title: My topics
type: classification
roles: [target]
summary: Topic of a sentence.
languages: [en, gl]
labels: [sport, politics]
columns: {text: sentence, label: topic}
train: {path: me/my_topics, config: "{lang}", split: train}
dev: {path: me/my_topics, config: "{lang}", split: validation}
test: {path: me/my_topics, config: "{lang}", split: test}
metrics: [accuracy]
chance: 0.5
licence: CC0
citation: me 2026
"""


def _file(atlas: AtlasPaths, text: str, name: str = "mine.yaml") -> Path:
    atlas.user_tasks.mkdir(exist_ok=True)
    path = atlas.user_tasks / name
    path.write_text(text, encoding="utf-8")
    return path


def _skipped(atlas: AtlasPaths) -> str:
    (problem,) = skipped_task_files(atlas)
    return problem


def test_a_good_file_is_a_task_with_a_language_outside_the_table(atlas: AtlasPaths) -> None:
    _file(atlas, GOOD)
    task = load_tasks(atlas)["my_topics"]
    assert task.is_user_task and task.languages == ("en", "gl") and task.labels == ("sport", "politics")
    assert set(load_tasks(atlas)) == {*TASKS, "my_topics"}


def test_every_built_in_task_can_be_written_as_a_file(atlas: AtlasPaths) -> None:
    for task in TASKS.values():
        path = _file(atlas, yaml.safe_dump(task.model_dump(mode="json")))
        assert read_task_file(path) == task.model_copy(update={"is_user_task": True})


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("title:", "titel:", "field 'titel' is not known. Did you mean 'title'?"),
        ("title:", "titel:", "field 'title' is missing"),
        ("split: train", "splt: train", "field 'train.splt' is not known. Did you mean 'split'?"),
        ("{text: sentence", "{txt: sentence", "field 'columns.txt' is not known. Did you mean 'text'?"),
        ("chance: 0.5", "chance: half", "field 'chance': found 'half'; expected: Input should be a valid number"),
        ("chance: 0.5", "chance: 2", "field 'chance': found 2; expected: Input should be less than or equal to 1"),
        ("classification", "guessing", "No task type named 'guessing'."),
        ("[accuracy]", "[accuracy]\nlabel_values: [1]", "label_values has 1 entries for 2 labels"),
        ("classification", "clasification", "Did you mean 'classification'? Known: classification, multilabel"),
        ("test: {", "tested: {", "field 'tested' is not known. Did you mean 'test'?"),
        (", label: topic", "", "columns.label is not set"),
        ("[accuracy]", "[exact_match]", "metric 'exact_match' is none of this type; it has accuracy, macro_f1"),
        ("languages: [en, gl]", "languages: [en, no]", 'YAML reads no and yes as false and true: write "no"'),
        (
            "roles: [target]",
            "roles: target",
            "expected: Input should be a valid tuple. Write a list: [target].",
        ),
        ("split: train}", "split: train, revision: main}", "field 'train.revision': found 'main'"),
    ],
)
def test_refusals_say_file_field_found_and_expected(atlas: AtlasPaths, old: str, new: str, expected: str) -> None:
    assert old in GOOD
    path = _file(atlas, GOOD.replace(old, new, 1))
    with pytest.raises(SpecError) as refused:
        read_task_file(path)
    assert str(refused.value).startswith(str(path))
    assert expected in str(refused.value)
    assert "See docs/adding.md" in str(refused.value)


def test_an_unknown_metric_is_one_line(atlas: AtlasPaths) -> None:
    with pytest.raises(SpecError) as caught:
        read_task_file(_file(atlas, GOOD.replace("[accuracy]", "[f1_macro]")))
    assert "field 'metrics.0': found 'f1_macro'" in str(caught.value)
    assert "at least 1 item" not in str(caught.value)


def test_an_unknown_language_lists_the_nearest(atlas: AtlasPaths) -> None:
    with pytest.raises(SpecError, match="No language named 'xxy_'"):
        read_task_file(_file(atlas, GOOD.replace("[en, gl]", "[en, xxy_]")))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("name: [unclosed", "is not YAML that can be read safely"),
        ("!!python/object/apply:os.getcwd []", "is not YAML that can be read safely"),
        ("- a\n- b\n", "holds list where 'field: value' lines are expected"),
        ("# nothing yet\n", "field 'name' is missing"),
    ],
)
def test_what_is_not_a_mapping_is_refused(atlas: AtlasPaths, text: str, expected: str) -> None:
    with pytest.raises(SpecError, match=expected):
        read_task_file(_file(atlas, text))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"nowhere.yaml: cannot be read"):
        read_task_file(tmp_path / "nowhere.yaml")


def test_a_built_in_task_cannot_be_redefined(atlas: AtlasPaths) -> None:
    _file(atlas, GOOD.replace("my_topics", "xnli", 1))
    assert load_tasks(atlas) == TASKS
    assert "mine.yaml: field 'name': 'xnli' is already the name of a built-in task" in _skipped(atlas)


def test_two_files_cannot_share_a_name(atlas: AtlasPaths) -> None:
    _file(atlas, GOOD)
    _file(atlas, GOOD, name="other.yml")
    assert "my_topics" in load_tasks(atlas)
    assert "other.yml: field 'name': 'my_topics' is the name of" in _skipped(atlas)


def test_one_bad_file_stops_nothing_else(atlas: AtlasPaths) -> None:
    _file(atlas, GOOD)
    _file(atlas, "name: half\n", name="bad.yaml")
    _file(atlas, GOOD.replace("my_topics", "second", 1) + "in_task_with: [half]\n", name="second.yaml")
    _file(atlas, GOOD.replace("my_topics", "third", 1) + "in_task_with: [second]\n", name="third.yaml")
    assert set(load_tasks(atlas)) == {*TASKS, "my_topics"}
    bad, second, third = skipped_task_files(atlas)
    assert bad.startswith(f"{atlas.user_tasks / 'bad.yaml'}:") and "field 'title' is missing" in bad
    assert "No task named 'half'" in second and "No task named 'second'" in third


def test_references_to_other_tasks_are_checked(atlas: AtlasPaths) -> None:
    _file(atlas, GOOD + "in_task_with: [mnil]\n")
    assert load_tasks(atlas) == TASKS
    assert "field 'in_task_with': No task named 'mnil'. Did you mean 'mnli'?" in _skipped(atlas)


def test_parts_need_the_same_labels(atlas: AtlasPaths) -> None:
    _file(atlas, GOOD + "parts: [mnli]\n")
    assert "'mnli' has the labels entailment, neutral, contradiction; expected sport" in _skipped(atlas)


def test_the_example_of_the_documentation_is_read(atlas: AtlasPaths) -> None:
    text = (REPO / "docs" / "adding.md").read_text(encoding="utf-8")
    block = text.split("```yaml\n# task", 1)[1].split("```", 1)[0]
    assert read_task_file(_file(atlas, "# task" + block)).name == "galician_topics"
