"""What Stash says on stdin, read by SQLite: ``import json`` alone would cost a hook a third of its time.

Only ``server_connection`` and ``args.hookContext.id``/``type`` or ``args.mode`` are read; a hook's ``input`` never is,
because it is not the scene (null-filled, a list, or many megabytes of cover). Standard library alone. Types and ranges
are checked in SQL, which costs nothing to load.
"""

import os

from plexsync.core import environment
from plexsync.core.sqlite import sqlite3

#: One pass over the text. Newer SQLite's extractors accept JSON5; ``json_valid`` does not.
_FIND = """
SELECT json_extract(?1,
    '$.server_connection.Scheme', '$.server_connection.Host', '$.server_connection.Port',
    '$.server_connection.SessionCookie.Value', '$.server_connection.Dir',
    '$.args.hookContext.id', '$.args.hookContext.type', '$.args.mode'),
  json_type(?1, '$.args'), json_type(?1, '$.args.hookContext')
WHERE json_valid(?1)
"""

# An integer counts only if `typeof` says so too: what is beyond 63 bits is extracted as a real, `true` as 1.
# Host: addresses on which a server listens but which nobody can call.
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

#: Characters from which on importing ``json`` pays: one cover of many megabytes, which SQLite before 3.45 parses twice.
LARGE = 4_000_000

memory = sqlite3.connect(":memory:", isolation_level=None)


class Event:
    """One call by Stash. ``problem`` is a sentence when the document is unusable, else ``""``.

    ``id`` is the positive id of a hook, or 0 where it is unusable; ``text`` the whole document.
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
    """``{"key": "text"}`` as JSON text."""
    clean = text.encode("utf-8", "replace").decode()
    return str(memory.execute("SELECT json_object(?, ?)", (key, clean)).fetchone()[0])


def read(raw: bytes) -> Event:
    """The event in the bytes ``raw``. Never raises for anything that stdin may hold."""
    text = raw.removeprefix(b"\xef\xbb\xbf").decode("utf-8", "replace")
    if not text.strip():
        return Event(problem="PlexSync got nothing on stdin; start it through Stash, or see --help.")
    if "\0" in text:
        return Event(problem="PlexSync got a NUL character on stdin, so the event was not read.")
    if len(text) < LARGE:
        try:
            return parse(text)
        except (sqlite3.Error, OverflowError):
            pass
    return parse_slowly(text)


def parse(text: str) -> Event:
    """The event in the JSON ``text``. Raises ``sqlite3.Error`` for what cannot be extracted: a lone surrogate, say."""
    found = memory.execute(_FIND, (text,)).fetchone()
    if found is None:
        return Event(problem="PlexSync could not read the JSON on stdin, so the event was ignored.")
    values, args, context = found
    if args != "object":
        return Event(problem="PlexSync got JSON without args on stdin, so the event was ignored.")
    event = Event(text)
    checked = memory.execute(_CHECK, (values,)).fetchone()
    event.scheme, event.host, event.port, event.cookie, event.stash_dir, event.id, event.type, event.mode = checked
    event.is_hook = context not in (None, "null")
    if not event.is_hook and not event.mode:
        event.problem = "PlexSync got args with neither hookContext nor mode; choose a mode such as status."
    return event


def parse_slowly(text: str) -> Event:
    """The event in ``text``, which ``parse`` cannot or should not read. Never raises."""
    import json  # a third of a hook's time, for the few events that need it

    try:
        event = parse(json.dumps(_slim(json.loads(text, object_pairs_hook=_first))))
    except (ValueError, RecursionError, MemoryError, sqlite3.Error, OverflowError):
        return Event(problem="PlexSync could not read the JSON on stdin, so the event was ignored.")
    event.text = text
    return event


def _slim(document: object) -> object:
    """The document without a hook's ``input`` and with lone surrogates replaced, so that SQLite can read it."""
    if isinstance(document, dict):
        return {_slim(k): _slim(v) for k, v in document.items() if k not in ("input", "inputFields")}
    if isinstance(document, str):
        return document.encode("utf-8", "replace").decode()
    return document


def _first(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """A JSON object: of a key that comes twice the first counts, as it does for SQLite."""
    return dict(reversed(pairs))


def leave_connection(event: Event, folder: str) -> None:
    """Write ``connection.json``: how to reach Stash, with the newest caller's cookie. Raises ``OSError``.

    An event without a cookie leaves an older one in place: it may still be good, and nothing else lets the worker in.
    """
    path = os.path.join(folder, environment.CONNECTION)
    if not event.cookie and os.path.exists(path):
        return
    sql = "SELECT json_object('scheme', ?, 'host', ?, 'port', ?, 'cookie', ?)"
    text = memory.execute(sql, (event.scheme, event.host, event.port, event.cookie)).fetchone()[0]
    environment.replace(path, text.encode())
