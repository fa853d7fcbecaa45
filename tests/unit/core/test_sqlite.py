"""The hook's SQLite: the core of ``sqlite3``, imported with a stand-in for ``functools`` where that works."""

from __future__ import annotations

import importlib.util
import sqlite3
import subprocess
import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

import pytest

from plexsync.core import environment, sqlite

#: Uses the core as a hook and then a task would.
PROGRAM = """
import sys
from plexsync.core.sqlite import sqlite3 as core
assert core.__name__ == "_sqlite3", core
assert not {"functools", "collections", "datetime"} & set(sys.modules), sorted(sys.modules)
conn = core.connect(":memory:")
conn.execute("CREATE TABLE t (n INTEGER)")
for number in range(1000):  # more statements than the cache holds, some of them again
    conn.execute(f"INSERT INTO t VALUES (? + {number % 300})", (number,))
assert conn.execute("SELECT count(*), sum(n) FROM t").fetchone() == (1000, sum(n + n % 300 for n in range(1000)))
try:
    conn.execute("nonsense")
except core.OperationalError:
    pass
import functools, json, sqlite3
assert functools.__file__ and functools.wraps and functools.lru_cache(lambda: 1)() == 1
assert sqlite3.connect is core.connect and sqlite3.Error is core.Error
assert json.loads("[1]") == [1]
print(conn.execute("SELECT 1").fetchone()[0])
"""


def fresh() -> ModuleType:
    """Execute the module once more and return it."""
    spec = importlib.util.spec_from_file_location("fresh_sqlite", str(sqlite.__file__))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def unloaded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Unload ``functools`` and the core, as at a hook's start."""
    for name in ("functools", "_sqlite3"):
        monkeypatch.delitem(sys.modules, name)


def selects(module: ModuleType) -> int:
    """Return the result of a query through the module."""
    conn: Any = module.sqlite3.connect(":memory:")
    try:
        number: int = conn.execute("SELECT 7").fetchone()[0]
        return number
    finally:
        conn.close()


def test_a_hook_loads_no_functools() -> None:
    """In a fresh interpreter the core works without ``functools``, and a later import gets the real one."""
    done = subprocess.run(
        [sys.executable, "-S", "-c", PROGRAM], cwd=environment.PLUGIN_DIR, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "1\n", "")


def test_the_stand_in_is_gone_after_the_import(unloaded: None) -> None:
    """The stand-in serves one import; afterwards an import of ``functools`` loads the real one."""
    module = fresh()
    assert "functools" not in sys.modules
    assert selects(module) == 7
    import functools

    assert functools.reduce(lambda a, b: a + b, [1, 2]) == 3


def test_what_is_loaded_stays() -> None:
    """Where ``functools`` is loaded already, nothing is put in its place."""
    import functools

    module = fresh()
    assert sys.modules["functools"] is functools
    assert module.sqlite3.connect is sqlite3.connect


@pytest.mark.parametrize("way", ["another Python", "no C half"])
def test_where_it_cannot_be_done_the_import_is_the_ordinary_one(
    monkeypatch: pytest.MonkeyPatch, unloaded: None, way: str
) -> None:
    """Another implementation, or one without ``_functools``, uses the real ``functools``."""
    if way == "another Python":
        monkeypatch.setattr(sys.implementation, "name", "another")
    else:
        monkeypatch.setitem(sys.modules, "_functools", None)
    with monkeypatch.context() as context:
        if way == "no C half":
            context.setitem(sys.modules, "functools", importlib.import_module("functools"))
        assert selects(fresh()) == 7
    assert hasattr(sys.modules["functools"], "wraps")


class Demanding:
    """Finds a core that uses more of ``functools`` than the C part of its cache."""

    def __init__(self) -> None:
        self.tries: list[bool] = []

    def find_spec(self, name: str, path: Sequence[str] | None = None, target: object = None) -> ModuleSpec | None:
        """A spec for the core alone."""
        return ModuleSpec(name, self) if name == "_sqlite3" else None  # type: ignore[arg-type]

    def create_module(self, spec: ModuleSpec) -> None:
        """As usual."""

    def exec_module(self, module: ModuleType) -> None:
        """Take ``wraps``, which the stand-in does not have."""
        import functools

        self.tries.append(hasattr(functools, "wraps"))
        module.__dict__.update(wraps=functools.wraps, connect=sqlite3.connect)


def test_a_core_that_needs_more_gets_the_real_one(monkeypatch: pytest.MonkeyPatch, unloaded: None) -> None:
    """A core that fails with the stand-in is imported anew with all of ``functools``."""
    finder = Demanding()
    monkeypatch.setattr(sys, "meta_path", [finder, *sys.meta_path])
    module = fresh()
    assert finder.tries == [False, True]
    assert selects(module) == 7
    assert hasattr(sys.modules["functools"], "reduce")
