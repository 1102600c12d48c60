"""The documents are true: links lead somewhere, commands parse, the notebook's index is complete."""

from __future__ import annotations

import re
import shlex
import subprocess
from pathlib import Path

import pytest
import typer

from core.cli.main import app, spread
from core.paths import REPO

NOTEBOOK = REPO / "docs" / "notebook"


def _markdown() -> list[Path]:
    """Every Markdown file that is, or is about to be, committed."""
    words = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "*.md"]
    try:
        listed = subprocess.run(words, cwd=REPO, capture_output=True, text=True, check=True).stdout.split("\n")
    except (FileNotFoundError, subprocess.CalledProcessError):  # a checkout without git, such as a release's archive
        listed = [str(p.relative_to(REPO)) for p in REPO.rglob("*.md") if ".venv" not in p.parts]
    return sorted(REPO / name for name in listed if name and (REPO / name).exists())


def _text(path: Path) -> str:
    """A document without its blocks of code."""
    return re.sub(r"```.*?```", "", path.read_text(encoding="utf-8"), flags=re.DOTALL)


def _anchors(path: Path, *, marks: str = "#+") -> list[str]:
    """What a forge makes of the headings: lower case, without punctuation, hyphens for spaces."""
    headings = re.findall(rf"^{marks} (.*)$", _text(path), flags=re.MULTILINE)
    return [re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings]


@pytest.mark.parametrize("path", _markdown(), ids=lambda p: str(p.relative_to(REPO)))
def test_links_lead_somewhere(path: Path) -> None:
    for link in re.findall(r"\]\(([^)\s]+)\)", re.sub(r"`[^`]*`", "", _text(path))):
        if re.match(r"[a-z]+:", link):
            continue
        name, _, anchor = link.partition("#")
        target = (path.parent / name).resolve() if name else path
        assert target.exists(), f"{path.relative_to(REPO)} links to {link}, which is not there"
        if anchor:
            assert anchor in _anchors(target), f"{path.relative_to(REPO)} links to {link}: no such heading"


@pytest.mark.parametrize("path", _markdown(), ids=lambda p: str(p.relative_to(REPO)))
def test_files_that_documents_name_are_there(path: Path) -> None:
    """Files in code letters, but for new ones of a recipe; the notebook tells of its day and is left as it was."""
    if path.parent == NOTEBOOK and path.name != "README.md":
        return
    new = re.findall(r"New file `([^`]+)`", _text(path))
    for name in re.findall(r"`((?:docs|tests|tools|bench|pages|core)/[\w./-]+\.\w+)`", _text(path)):
        assert (REPO / name).exists() or name in new, f"{path.relative_to(REPO)} names {name}, which is not there"


def _commands() -> list[tuple[str, str]]:
    """Every `python -m core …` of a document, with its file; one with … or capitals to fill in is no command."""
    found = []
    for path in _markdown():
        if path.parent == NOTEBOOK:
            continue
        for line in re.findall(r"`(python -m core [^`\n]+)`|^(python -m core .+)$", path.read_text(), re.MULTILINE):
            found.append((str(path.relative_to(REPO)), line[0] or line[1]))
    return [(file, line) for file, line in found if not re.search(r"…|\||\[|--\w+`", line)]


@pytest.mark.parametrize(("file", "line"), _commands())
def test_commands_parse(file: str, line: str) -> None:
    words = spread(shlex.split(line, comments=True)[3:])
    group = typer.main.get_command(app)
    assert words[0] in group.commands, f"{file}: {line}"  # type: ignore[attr-defined]  # a group of commands
    if words[1:]:  # a command alone is only named
        group.commands[words[0]].make_context(words[0], words[1:])  # type: ignore[attr-defined]


def test_the_index_of_the_notebook_has_every_entry_in_order() -> None:
    index = re.findall(r"\]\((\d{4}-\d\d-\d\d\.md#[^)]+)\)", (NOTEBOOK / "README.md").read_text(encoding="utf-8"))
    days = sorted(NOTEBOOK.glob("2*.md"))
    assert index == [f"{day.name}#{anchor}" for day in days for anchor in _anchors(day, marks="##")]


def test_every_pinned_package_stands_among_the_licences() -> None:
    pins = "".join((REPO / name).read_text(encoding="utf-8") for name in ("requirements.txt", "requirements-dev.txt"))
    pinned = {line.partition("==")[0] for line in pins.splitlines() if "==" in line}
    listed = re.findall(
        r"^\| (\S+) \| [^|]*\w[^|]* \| ", (REPO / "docs" / "licences.md").read_text(), flags=re.MULTILINE
    )
    assert sorted(set(listed) - {"package"}) == sorted(pinned)
