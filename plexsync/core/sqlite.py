"""SQLite for the hook: the classes of ``sqlite3`` without what a hook does not need and an interpreter is slow to load.

``sqlite3`` brings ``datetime`` for its date adapters, and its core ``_sqlite3`` brings ``functools`` for one function,
``lru_cache``, which keeps prepared statements. Each costs a hook about a tenth of an interpreter's start.
"""

import sys


def _load_core() -> None:
    """Import ``_sqlite3`` with the C half of ``lru_cache``, which is all that it uses, in place of ``functools``.

    Leave everything as it was where ``functools`` is loaded already, where there is no such C half, and where
    ``_sqlite3`` asks for more: the ordinary import follows. The stand-in is in ``sys.modules`` for this import only.
    """
    if "functools" in sys.modules or "_sqlite3" in sys.modules or sys.implementation.name != "cpython":
        return
    try:
        from _functools import _lru_cache_wrapper  # type: ignore[import-not-found, unused-ignore]
    except ImportError:
        return
    stand_in = type(sys)("functools")
    # What functools.lru_cache does with an integer, but for the statistics and the wrapped function's name.
    stand_in.__dict__["lru_cache"] = lambda maxsize: lambda call: _lru_cache_wrapper(call, maxsize, False, tuple)
    sys.modules["functools"] = stand_in
    try:
        import _sqlite3

        _sqlite3.connect(":memory:").close()  # prepares the cache: fails here, not in the middle of an edit
    except Exception:
        sys.modules.pop("_sqlite3", None)
    finally:
        del sys.modules["functools"]


_load_core()

try:
    import _sqlite3 as sqlite3
except ImportError:  # an interpreter that builds its sqlite3 in another way
    import sqlite3  # type: ignore[no-redef]

__all__ = ["sqlite3"]
