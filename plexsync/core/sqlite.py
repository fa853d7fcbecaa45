"""SQLite for the hook: the classes of ``sqlite3``, without two modules that are slow to load and that no hook needs.

``sqlite3`` imports ``datetime`` for its date adapters, and its core ``_sqlite3`` imports ``functools`` for one
function, ``lru_cache``, which caches statements. Each costs a hook about a tenth of an interpreter's start.
"""

import sys


def _load_core() -> None:
    """Import ``_sqlite3`` with the C part of ``lru_cache``, which is all that it uses, instead of ``functools``.

    Change nothing if ``functools`` is loaded already, if there is no such C part, or if ``_sqlite3`` needs more: then
    the ordinary import follows. The stand-in is in ``sys.modules`` only during this import.
    """
    if "functools" in sys.modules or "_sqlite3" in sys.modules or sys.implementation.name != "cpython":
        return
    try:
        from _functools import _lru_cache_wrapper  # type: ignore[import-not-found, unused-ignore]
    except ImportError:
        return
    stand_in = type(sys)("functools")
    # As functools.lru_cache with an integer, without the statistics and the wrapped function's name.
    stand_in.__dict__["lru_cache"] = lambda maxsize: lambda call: _lru_cache_wrapper(call, maxsize, False, tuple)
    sys.modules["functools"] = stand_in
    try:
        import _sqlite3

        _sqlite3.connect(":memory:").close()  # creates a cache, so a failure shows here and not during an edit
    except Exception:
        sys.modules.pop("_sqlite3", None)
    finally:
        del sys.modules["functools"]


_load_core()

try:
    import _sqlite3 as sqlite3
except ImportError:  # an interpreter with another implementation of sqlite3
    import sqlite3  # type: ignore[no-redef]

__all__ = ["sqlite3"]
