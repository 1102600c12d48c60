"""Code of core and pages that no page, command or job reaches: `python -m tools.unreached`.

A definition (function, class, method, constant of a module) is reached when a root names it, or a definition that is
reached does. Roots are app.py, the pages and every module that is started by itself (`if __name__ == "__main__"`); what
they import runs, so statements at the top of a module, and functions that a decorator registers (`@app.command()`), are
reached with the module. Names are followed through imports; methods go by their name alone.

Vulture asks whether a name occurs anywhere, so two dead functions that call each other keep each other alive, and it
cannot start from entry points. Exit code 1 where a line is left that `EXCEPTIONS` does not name.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from core.paths import REPO
from tools.rooms import modules

EXCEPTIONS: dict[str, str] = {}
"""What may be reached by nothing, as `core.module:name`, each with its reason."""

_OURS = ("core", "pages", "app")
_CALLED_BY_NAME = {"property", "cached_property", "classmethod", "staticmethod", "lru_cache", "cache"}
"""Decorators after which somebody must still name the method; after any other (a validator) the class calls it."""
_RECORDS = {"NamedTuple", "BaseModel", "Protocol", "Exception", "StrEnum", "Enum", "Generic", "TypedDict", "dict"}
"""Bases from elsewhere that call no method of ours by its name."""

_ADDRESS = re.compile(r"(core|pages)(\.\w+)+:\w+")

Function = (ast.FunctionDef, ast.AsyncFunctionDef)


class Mentions(NamedTuple):
    """What some code names."""

    names: frozenset[str]
    attributes: frozenset[str]


class Definition(NamedTuple):
    """A function, class, method or constant."""

    address: str
    """`core.module:name`, or `core.module:Class.method`."""
    lines: frozenset[int]
    """Of the file; of a constant with those of its docstring."""
    mentions: Mentions
    """In its body; a class without its methods."""
    is_called_from_elsewhere: bool = False
    """Whether a base class that is not ours may call it, or Python itself: reached with its class."""

    @property
    def name(self) -> str:
        """In its module."""
        return self.address.split(":")[1]

    @property
    def owner(self) -> str:
        """Address of a method's class; of anything else "", which is nobody's."""
        return self.address.rsplit(".", 1)[0] if "." in self.name else ""

    def may_be_called(self, attributes: set[str]) -> bool:
        """Whether a method's name is among those that reached code reads, or others call it.

        Args:
            attributes: Read by reached code.
        """
        return self.is_called_from_elsewhere or self.name.split(".")[1] in attributes


class Module(NamedTuple):
    """One file."""

    name: str
    """Dotted."""
    is_root: bool
    """Whether it is started by itself."""
    imports: dict[str, str]
    """By the name that it has here: `core.module:name`, or `core.module` for a module of ours; "" for anything else."""
    definitions: dict[str, Definition]
    """By name."""
    on_import: Mentions
    """By statements at its top."""


def read_module(path: Path) -> Module:
    """What a file defines, imports and does when it is imported.

    Args:
        path: Of `core` or `pages`.
    """
    parts = path.relative_to(REPO).with_suffix("").parts
    name = ".".join(part for part in parts if part != "__init__")
    tree = ast.parse(path.read_text(encoding="utf-8"))
    imports = {k: v for node in ast.walk(tree) for k, v in _imported(node).items()}
    definitions: dict[str, Definition] = {}
    on_import: list[ast.AST] = []
    is_root = name == "app" or (parts[0] == "pages" and "widgets" not in parts)
    for node, following in zip(tree.body, [*tree.body[1:], None], strict=True):
        found = _defined(node, following, module=name, imports=imports)
        definitions |= {each.name: each for each in found}
        is_root |= isinstance(node, ast.If) and "__main__" in ast.unparse(node.test)
        if not found:
            on_import.append(node)
        elif isinstance(node, Function) and any(_is_registering(d, imports) for d in node.decorator_list):
            on_import += [*node.decorator_list, ast.Name(node.name)]
    return Module(name, is_root, imports, definitions, _mentions(on_import))


def unreached(files: Sequence[Path]) -> list[Definition]:
    """Definitions that nothing reaches, in the order of files and lines; of a class that is not, the class alone.

    Args:
        files: All of the program.
    """
    known = {module.name: module for module in map(read_module, files)}
    loaded = _loaded(known)
    everything = {d.address: (known[name], d) for name in loaded for d in known[name].definitions.values()}
    methods = {address: d for address, (_, d) in everything.items() if "." in d.name}
    reached: set[str] = set()
    attributes: set[str] = set()
    todo = [(known[name], known[name].on_import) for name in loaded]
    while todo:
        wanted: set[str] = set()
        for module, mentions in todo:
            attributes |= mentions.attributes
            wanted |= _resolved(module, mentions, known)
        wanted |= {a for a, d in methods.items() if d.owner in reached | wanted and d.may_be_called(attributes)}
        todo = [(module, d.mentions) for module, d in (everything[address] for address in wanted - reached)]
        reached |= wanted
    left = [d for m in known.values() for d in m.definitions.values() if d.address not in reached]
    return [d for d in left if d.owner not in {other.address for other in left}]


def _loaded(known: dict[str, Module]) -> set[str]:
    """Modules that some root imports, or what it imports."""
    todo = [module.name for module in known.values() if module.is_root]
    loaded: set[str] = set()
    while todo:
        name = todo.pop()
        if name in known and name not in loaded:
            loaded.add(name)
            todo += [target.split(":")[0] for target in known[name].imports.values()]
            todo += [target.replace(":", ".") for target in known[name].imports.values()]
    return loaded


def _resolved(module: Module, mentions: Mentions, known: dict[str, Module]) -> set[str]:
    """Addresses of what some code of a module names."""
    found: set[str] = set()
    for name in mentions.names:
        if name in module.definitions:
            found.add(module.definitions[name].address)
        target = module.imports.get(name, "")
        owner, _, member = target.partition(":")
        as_module = known.get(target.replace(":", "."))
        if as_module is not None:
            found |= {d.address for key, d in as_module.definitions.items() if key in mentions.attributes}
        elif owner in known and member in known[owner].definitions:
            found.add(target)
    return found


def _imported(node: ast.AST) -> dict[str, str]:
    if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in _OURS:
        return {alias.asname or alias.name: f"{node.module}:{alias.name}" for alias in node.names}
    if isinstance(node, ast.Import | ast.ImportFrom):
        return {alias.asname or alias.name: alias.name if alias.name.startswith(_OURS) else "" for alias in node.names}
    if isinstance(node, ast.Constant) and isinstance(node.value, str) and _ADDRESS.fullmatch(node.value):
        return {node.value: node.value}
    return {}


def _defined(node: ast.stmt, following: ast.stmt | None, *, module: str, imports: dict[str, str]) -> list[Definition]:
    if isinstance(node, Function):
        return [Definition(f"{module}:{node.name}", _lines(node), _mentions([node]))]
    if isinstance(node, ast.ClassDef):
        return _class(node, module=module, imports=imports)
    targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
    names = [n.id for target in targets for n in ast.walk(target) if isinstance(n, ast.Name)]
    is_documented = isinstance(following, ast.Expr) and isinstance(following.value, ast.Constant)
    lines = _lines(node) | (_lines(following) if following is not None and is_documented else frozenset())
    return [Definition(f"{module}:{name}", lines, _mentions([node])) for name in names]


def _class(node: ast.ClassDef, *, module: str, imports: dict[str, str]) -> list[Definition]:
    methods = [part for part in node.body if isinstance(part, Function)]
    bases = set().union(*(_mentions([base]).names | _mentions([base]).attributes for base in node.bases))
    calls_back = any(imports.get(base) == "" for base in bases - _RECORDS)
    rest = [part for part in node.body if part not in methods]
    body = _mentions([*rest, *node.bases, *node.decorator_list])
    found = [Definition(f"{module}:{node.name}", _lines(node), body)]
    for method in methods:
        by_name = all(set().union(*_mentions([d])) & _CALLED_BY_NAME for d in method.decorator_list)
        is_called = calls_back or method.name.startswith("__") or not by_name
        address = f"{module}:{node.name}.{method.name}"
        found.append(Definition(address, _lines(method), _mentions([method]), is_called))
    return found


def _lines(node: ast.stmt) -> frozenset[int]:
    first = min([node.lineno, *(d.lineno for d in getattr(node, "decorator_list", []))])
    return frozenset(range(first, (node.end_lineno or node.lineno) + 1))


def _mentions(nodes: Iterable[ast.AST]) -> Mentions:
    names, attributes = set[str](), set[str]()
    for node in (each for root in nodes for each in ast.walk(root)):
        match node:
            case ast.Name():
                names.add(node.id)
            case ast.Attribute():
                attributes.add(node.attr)
            case ast.Call(func=ast.Name(id="cast"), args=[ast.Constant(value=str(text)), *_]):
                names.add(text)
            case ast.Constant(value=str(text)):
                # Such as getattr(record, "field"), and "core.module:Class" in a table of what is imported when wanted.
                (names if _ADDRESS.fullmatch(text) else attributes).add(text)
    return Mentions(frozenset(names), frozenset(attributes))


def _is_registering(decorator: ast.expr, imports: dict[str, str]) -> bool:
    """Whether a function is handed to an object of the program, such as `@app.command()`."""
    node = decorator.func if isinstance(decorator, ast.Call) else decorator
    return isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and imports.get(node.value.id) != ""


def report(found: Iterable[Definition]) -> list[str]:
    """A line per definition, and the sum.

    Args:
        found: From `unreached`.
    """
    rows = [f"{len(d.lines):5} {d.address}, line {min(d.lines)}" for d in found]
    return [*rows, f"{sum(len(d.lines) for d in found)} lines that no page, command or job reaches"]


if __name__ == "__main__":
    left = [definition for definition in unreached(modules()) if definition.address not in EXCEPTIONS]
    sys.stdout.write("\n".join(report(left)) + "\n")
    sys.exit(1 if left else 0)
