"""Parse the document on stdin with SQLite: importing ``json`` would take a third of a hook's time.

Only ``server_connection`` and ``args.hookContext.id``/``type`` or ``args.mode`` are read, never a hook's ``input``:
it is not the scene (it may be full of nulls, a list, or many megabytes of cover). Standard library only. SQL checks
types and ranges, because that needs no further module.
"""

import os

from plexsync.core import environment
from plexsync.core.sqlite import sqlite3

#: Extracts everything in one pass. Newer versions of SQLite extract from JSON5 too, which ``json_valid`` rejects.
_FIND = """
SELECT json_extract(?1,
    '$.server_connection.Scheme', '$.server_connection.Host', '$.server_connection.Port',
    '$.server_connection.SessionCookie.Value', '$.server_connection.Dir',
    '$.args.hookContext.id', '$.args.hookContext.type', '$.args.mode'),
  json_type(?1, '$.args'), json_type(?1, '$.args.hookContext')
WHERE json_valid(?1)
"""

# A JSON integer must also be an integer by `typeof`: beyond 63 bits it is extracted as a real, and `true` as 1.
# The hosts in the list are addresses that a server listens on and that no client can connect to.
_CHECK = """
SELECT
  CASE json_extract(?1, '$[0]') WHEN 'https' THEN 'https' ELSE 'http' END,
  CASE WHEN json_type(?1, '$[1]') = 'text'
    AND trim(json_extract(?1, '$[1]')) NOT IN ('', '0.0.0.0', '::', '[::]', '*')
    THEN trim(json_extract(?1, '$[1]')) ELSE '127.0.0.1' END,
  CASE WHEN json_type(?1, '$[2]') = 'integer' AND json_extract(?1, '$[2]') BETWEEN 1 AND 65535
    THEN json_extract(?1, '$[2]') ELSE 9999 END,
  CASE json_type(?1, '$[3]') WHEN 'text' THEN json_extract(?1, '$[3]') ELSE '' END,
  CASE json_type(?1, '$[4]') WHEN 'text' THEN json_extract(?1, '$[4]') ELSE '' END,
  CASE WHEN json_type(?1, '$[5]') = 'integer' AND typeof(json_extract(?1, '$[5]')) = 'integer'
    THEN max(json_extract(?1, '$[5]'), 0) ELSE 0 END,
  CASE json_type(?1, '$[6]') WHEN 'text' THEN json_extract(?1, '$[6]') ELSE '' END,
  CASE json_type(?1, '$[7]') WHEN 'text' THEN json_extract(?1, '$[7]') ELSE '' END
"""

#: Characters from which importing ``json`` pays (a cover): SQLite before 3.45 parses the document twice.
LARGE = 4_000_000

NOT_JSON = "PlexSync ignored the event: it could not read the JSON on stdin."

memory = sqlite3.connect(":memory:", isolation_level=None)


class Event:
    """One call by Stash.

    ``problem``: what is wrong with the document, ``""`` if nothing. ``id``: a hook's positive id, 0 if it is not valid.
    ``text``: the whole document.
    """

    __slots__ = ("cookie", "host", "id", "is_hook", "mode", "port", "problem", "scheme", "stash_dir", "text", "type")

    def __init__(self, text: str = "", problem: str = "") -> None:
        self.text = text
        self.problem = problem
        self.is_hook = False
        self.scheme, self.host, self.port, self.cookie = "http", "127.0.0.1", 9999, ""
        self.stash_dir = self.type = self.mode = ""
        self.id = 0


def to_json(key: str, text: str) -> str:
    """Return ``{"key": "text"}`` as JSON text."""
    clean = text.encode("utf-8", "replace").decode()
    return str(memory.execute("SELECT json_object(?, ?)", (key, clean)).fetchone()[0])


def read(raw: bytes) -> Event:
    """Return the event in ``raw``, the bytes on stdin. Never raise, whatever they are."""
    text = raw.removeprefix(b"\xef\xbb\xbf").decode("utf-8", "replace")
    if not text.strip():
        return Event(problem="PlexSync got nothing on stdin. Run it from Stash, or with --help.")
    if "\0" in text:
        return Event(problem="PlexSync ignored the event: there is a NUL character on stdin.")
    if len(text) < LARGE:
        try:
            return parse(text)
        except (sqlite3.Error, OverflowError):
            pass
    from plexsync.core import odd_event

    try:
        event = parse(odd_event.readable(text))
    except (ValueError, RecursionError, MemoryError, sqlite3.Error, OverflowError):
        return Event(problem=NOT_JSON)
    event.text = text
    return event


def parse(text: str) -> Event:
    """Return the event in the JSON ``text``. Raise ``sqlite3.Error`` where SQLite cannot read it (lone surrogates)."""
    row = memory.execute(_FIND, (text,)).fetchone()
    if row is None:
        return Event(problem=NOT_JSON)
    values, args, context = row
    if args != "object":
        return Event(problem="PlexSync ignored the event: the JSON on stdin has no args.")
    event = Event(text)
    checked = memory.execute(_CHECK, (values,)).fetchone()
    event.scheme, event.host, event.port, event.cookie, event.stash_dir, event.id, event.type, event.mode = checked
    event.is_hook = context not in (None, "null")
    if not event.is_hook and not event.mode:
        event.problem = "PlexSync did nothing: args has neither hookContext nor mode. Name a mode, such as status."
    return event


def leave_connection(event: Event, folder: str) -> None:
    """Write ``connection.json``: the address of Stash and the newest session cookie.

    An event without a cookie leaves an existing file alone: its cookie may still be valid, and the worker has no other.
    A file that cannot be replaced (another program has it open, the disk is full) stays for the same reason. Raise
    ``OSError`` only where there is none.
    """
    path = os.path.join(folder, environment.CONNECTION)
    if not event.cookie and os.path.exists(path):
        return
    sql = "SELECT json_object('scheme', ?, 'host', ?, 'port', ?, 'cookie', ?)"
    text = memory.execute(sql, (event.scheme, event.host, event.port, event.cookie)).fetchone()[0]
    try:
        environment.replace(path, text.encode())
    except OSError:
        if not os.path.isfile(path):
            raise
