"""SQLite for the hook: the core of ``sqlite3``, the same classes, without its adapters for dates.

Those bring ``datetime`` along, which would cost a hook a tenth of an interpreter's start.
"""

try:
    import _sqlite3 as sqlite3
except ImportError:  # an interpreter that builds its sqlite3 in another way
    import sqlite3  # type: ignore[no-redef]

__all__ = ["sqlite3"]
