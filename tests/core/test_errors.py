"""The error tree: drawn as it is, one base, and errors that cross processes whole."""

from __future__ import annotations

import inspect
import pickle
import re

import pytest

from core import errors
from core.errors import AtlasError, UnknownName

CLASSES = [
    c
    for _, c in inspect.getmembers(errors, inspect.isclass)
    if issubclass(c, AtlasError) and c.__module__ == "core.errors"
]


def test_the_drawing_names_every_class_under_its_parent() -> None:
    drawn: dict[str, str] = {}
    path: list[str] = []
    for line in (errors.__doc__ or "").splitlines():
        match = re.match(r"    (?P<tree>[│├└─ ]*)(?P<name>[A-Z]\w+)", line)
        if match:
            depth = len(match["tree"]) // 4
            path = [*path[:depth], match["name"]]
            drawn[match["name"]] = path[-2] if depth else "Exception"
    assert drawn == {c.__name__: c.__bases__[0].__name__ for c in CLASSES}


@pytest.mark.parametrize("kind", [c for c in CLASSES if c is not UnknownName])
def test_errors_cross_processes(kind: type[AtlasError]) -> None:
    again = pickle.loads(pickle.dumps(kind("what was found")))  # noqa: S301 – our own bytes
    assert type(again) is kind and str(again) == "what was found"


def test_an_unknown_name_crosses_with_its_parts() -> None:
    again = pickle.loads(pickle.dumps(UnknownName("task", "xnil", known=["xnli", "mnli"])))  # noqa: S301 – our own bytes
    assert str(again) == "No task named 'xnil'. Did you mean 'xnli'? Known: mnli, xnli."
    assert (again.kind, again.name, again.known) == ("task", "xnil", ("mnli", "xnli"))


def test_of_ten_thousand_known_names_the_nearest_and_some_are_listed() -> None:
    said = str(UnknownName("run", "r9998x", known=[f"r{n}" for n in range(10_000)]))
    assert "Did you mean 'r9998'?" in said and said.endswith(" and 9,880 more.") and len(said) < 1000


def test_nothing_known_says_none() -> None:
    assert str(UnknownName("model", "a", known=[])) == "No model named 'a'. Known: none."
