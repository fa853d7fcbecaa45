"""The layers of the package, read from its imports: deferred ones, and those for types alone, count as well."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = "plexsync"

#: From the top to the bottom. What shares a layer does not import each other.
LAYERS = (
    ("entry", "cli"),
    ("hook",),
    ("doctor",),
    ("tasks", "daemon"),
    ("worker",),
    ("app", "guard"),
    ("sync",),
    ("repair", "requirements", "health"),
    ("status",),
    ("metrics",),
    ("matching",),
    ("plex", "stash"),
    ("state",),
    ("queue",),
    ("model",),
    ("log",),
    ("core",),
)
FLOOR = {name: floor for floor, names in enumerate(reversed(LAYERS)) for name in names}

#: Third-party package -> the modules (or packages) that may import it.
HOMES = {
    "persistqueue": {"plexsync.queue.worker_queue"},
    "stashapi": {"plexsync.stash.transport"},
    "plexapi": {"plexsync.plex"},
    "requests": {"plexsync.stash.transport", "plexsync.plex"},
    "urllib3": {"plexsync.stash.transport", "plexsync.plex"},
    "unidecode": {"plexsync.model.text"},
}

#: What a hook may load of the standard library.
CORE = {"os", "sys", "time", "gc", "fcntl", "sqlite3", "_sqlite3"}
#: What modules of ``core`` import within a function besides: another system's, or for what is no ordinary event.
CORE_DEFERRED = {
    "plexsync.core.environment": {"site"},
    "plexsync.core.packages": {"importlib.machinery"},
    "plexsync.core.odd_event": {"json"},
    "plexsync.core.sqlite": {"_functools"},
    "plexsync.core.spawn": {"subprocess"},
    "plexsync.core.locks": {"errno"},
    "plexsync.core.processes": {"subprocess"},
    "plexsync.core.locks_windows": {"msvcrt", "_winapi"},
    "plexsync.core.unfit": {"json"},
}

#: Package -> what no module of it imports: it is handed values, and decides about them.
PURE = {"model": {"sqlite3", "requests", "os"}, "matching": {"sqlite3", "requests", "os"}}

#: Modules that load no third-party package, however indirectly: they run in 20 MB, or answer within a second.
LIGHT = {"plexsync.tasks.operations"}
#: The modules of ``daemon`` that are not among them.
HEAVY = {"plexsync.daemon.run"}


class Import(NamedTuple):
    """One import: ``deferred`` within a function, ``typing`` under ``TYPE_CHECKING``."""

    source: str
    target: str
    line: int
    deferred: bool
    typing: bool

    @property
    def arrow(self) -> str:
        """The import as a failure shows it."""
        kind = " (deferred)" if self.deferred else " (for types)" if self.typing else ""
        return f"{self.source}:{self.line} -> {self.target}{kind}"


def module_name(path: Path) -> str:
    """Return the dotted name of a file of the package."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


FILES = {module_name(path): path for path in sorted((ROOT / PACKAGE).rglob("*.py"))}
TREES = {name: ast.parse(path.read_text("utf-8"), str(path)) for name, path in FILES.items()}


class Reader(ast.NodeVisitor):
    """Collects the imports of one module."""

    def __init__(self, source: str) -> None:
        self.imports: list[Import] = []
        self._source = source
        self._functions = 0
        self._typing = False

    def visit_Import(self, node: ast.Import) -> None:
        for alias in node.names:
            self._add(node, alias.name)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        base = node.module or ""
        if node.level:
            here = self._source.split(".")
            up = node.level - (FILES[self._source].name == "__init__.py")
            base = ".".join([*here[: len(here) - up], *([base] if base else [])])
        for alias in node.names:
            inner = f"{base}.{alias.name}"
            self._add(node, inner if inner in FILES else base)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        self._functions += 1
        self.generic_visit(node)
        self._functions -= 1

    def visit_If(self, node: ast.If) -> None:
        before, self._typing = self._typing, self._typing or ast.unparse(node.test).endswith("TYPE_CHECKING")
        for child in node.body:
            self.visit(child)
        self._typing = before
        for child in node.orelse:
            self.visit(child)

    def _add(self, node: ast.stmt, target: str) -> None:
        self.imports.append(Import(self._source, target, node.lineno, self._functions > 0, self._typing))


def imports_of(name: str) -> list[Import]:
    """Return every import of a module."""
    reader = Reader(name)
    reader.visit(TREES[name])
    return list(dict.fromkeys(reader.imports))


IMPORTS = [imported for name in FILES for imported in imports_of(name)]
INNER = [imported for imported in IMPORTS if imported.target.partition(".")[0] == PACKAGE]
OUTER = [imported for imported in IMPORTS if imported.target.partition(".")[0] != PACKAGE]


def layer(name: str) -> str:
    """Return the package, or the module at the root, that a module belongs to; ``""`` for ``plexsync`` itself."""
    return name.partition(".")[2].partition(".")[0]


def within(name: str, place: str) -> bool:
    """Return whether a module is ``place`` or lies in it."""
    return f"{name}.".startswith(f"{place}.")


def none(arrows: Iterable[str]) -> None:
    """Fail with every arrow that should not be there."""
    lines = list(arrows)
    assert not lines, "\n" + "\n".join(lines)


def circles(arrows: dict[str, set[str]]) -> list[list[str]]:
    """Return the groups of modules that import each other, directly or through others."""
    reached = {name: _reach(arrows, name) for name in arrows}
    groups = {frozenset({name} | {other for other in reached[name] if name in reached[other]}) for name in arrows}
    return sorted(sorted(group) for group in groups if len(group) > 1 or reached[min(group)] & group)


def _reach(arrows: dict[str, set[str]], start: str) -> set[str]:
    seen: set[str] = set()
    todo = [start]
    while todo:
        new = arrows.get(todo.pop(), set()) - seen
        seen |= new
        todo += new
    return seen


def test_every_module_has_a_layer() -> None:
    """Each package and each module at the root has one place in the order, and the order names nothing else."""
    assert {layer(name) for name in FILES if layer(name)} == set(FLOOR)
    assert len(FLOOR) == sum(len(names) for names in LAYERS)


def test_imports_point_down() -> None:
    """A module imports from its own package and from the layers below it: no arrow points up or sideways."""
    arrows = [imported for imported in INNER if layer(imported.target) not in ("", layer(imported.source))]
    none(
        imported.arrow for imported in arrows if FLOOR[layer(imported.target)] >= FLOOR.get(layer(imported.source), -1)
    )


def test_the_package_itself_imports_nothing_of_its_own() -> None:
    """``plexsync/__init__.py``, which every process loads, holds the version and no import."""
    none(imported.arrow for imported in imports_of(PACKAGE))


def test_no_modules_import_each_other() -> None:
    """There is no circle of imports, not even of deferred ones."""
    arrows: dict[str, set[str]] = {name: set() for name in FILES}
    for imported in INNER:
        arrows[imported.source].add(imported.target)
    for group in circles(arrows):
        none(imported.arrow for imported in INNER if imported.source in group and imported.target in group)


def test_third_party_packages_have_one_home() -> None:
    """A third-party package is imported only where its quirks are handled."""
    wrong = []
    for imported in OUTER:
        top = imported.target.partition(".")[0]
        if top not in sys.stdlib_module_names and not any(within(imported.source, home) for home in HOMES.get(top, ())):
            wrong.append(imported.arrow)
    none(wrong)


def test_unidecode_is_loaded_at_need() -> None:
    """Only those who asked for clean titles pay for its tables."""
    none(imported.arrow for imported in OUTER if within(imported.target, "unidecode") and not imported.deferred)


def test_core_needs_next_to_nothing() -> None:
    """What a hook loads imports a handful of modules of the standard library; the rest waits for the rare case."""
    wrong = []
    for imported in OUTER:
        if layer(imported.source) != "core" or imported.typing or imported.target == "__future__":
            continue
        allowed = CORE | (CORE_DEFERRED.get(imported.source, set()) if imported.deferred else set())
        if imported.target not in allowed:
            wrong.append(imported.arrow)
    none(wrong)


@pytest.mark.parametrize("package", PURE)
def test_pure_packages_touch_nothing(package: str) -> None:
    """Values and rules know neither files nor databases nor the network."""
    mine = [imported for imported in OUTER if layer(imported.source) == package]
    none(imported.arrow for imported in mine if imported.target.partition(".")[0] in PURE[package])


LOADS = """
import importlib, sys
before = set(sys.modules)
importlib.import_module(sys.argv[1])
loaded = {name.partition(".")[0] for name in set(sys.modules) - before}
print(" ".join(sorted(loaded - set(sys.stdlib_module_names) - {"plexsync"})))
"""


@pytest.mark.parametrize("name", sorted({name for name in FILES if layer(name) == "daemon"} - HEAVY | LIGHT))
def test_the_background_process_and_operations_load_no_third_party(name: str) -> None:
    """Loading the module in a fresh interpreter brings nothing but PlexSync and the standard library."""
    command = [sys.executable, "-c", LOADS, name]
    assert subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout.split() == []


def functions(tree: ast.Module) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    """Yield the functions and methods of a module, inner ones too."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def test_functions_stay_short() -> None:
    """No function has more than 40 lines, its docstring included."""
    long = {}
    for name, tree in TREES.items():
        for function in functions(tree):
            lines = (function.end_lineno or 0) - function.lineno + 1
            if lines > 40:
                long[f"{name}:{function.lineno} {function.name}"] = lines
    assert long == {}


def test_the_reader_of_imports_misses_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """Imports in functions, under conditions, relative ones and several names in one line are all seen."""
    code = """
import os, plexsync.log
from plexsync.model import errors, scene
from . import jobs
from ..core.db import connect
if TYPE_CHECKING:
    from plexsync.status import Status
else:
    import json
def late():
    if True:
        from plexsync import app, __version__
"""
    monkeypatch.setitem(TREES, "plexsync.queue.bulk", ast.parse(code))
    seen = imports_of("plexsync.queue.bulk")
    assert [(imported.target, imported.deferred, imported.typing) for imported in seen] == [
        ("os", False, False),
        ("plexsync.log", False, False),
        ("plexsync.model.errors", False, False),
        ("plexsync.model.scene", False, False),
        ("plexsync.queue.jobs", False, False),
        ("plexsync.core.db", False, False),
        ("plexsync.status", False, True),
        ("json", False, False),
        ("plexsync.app", True, False),
        ("plexsync", True, False),
    ]


def test_the_search_for_circles_finds_them() -> None:
    """Two and three that import each other are found, and a module that imports itself; a mere chain is none."""
    arrows = {"a": {"b"}, "b": {"a", "c"}, "c": {"d"}, "d": set(), "e": {"e"}, "f": {"g"}, "g": {"h"}, "h": {"f"}}
    assert circles(arrows) == [["a", "b"], ["e"], ["f", "g", "h"]]
