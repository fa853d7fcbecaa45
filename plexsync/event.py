"""What Stash says on stdin, read by SQLite: ``import json`` alone would cost a hook a third of its time.

Only ``server_connection`` and ``args.hookContext.id``/``type`` or ``args.mode`` are read; a hook's ``input`` never is,
because it is not the scene (null-filled, a list, or many megabytes of cover). Standard library alone.
"""

import sqlite3

#: Addresses on which a server listens but which nobody can call.
ANY_ADDRESS = ("", "0.0.0.0", "::", "[::]", "*")

_PATHS = (
    "$.server_connection.Scheme",
    "$.server_connection.Host",
    "$.server_connection.Port",
    "$.server_connection.SessionCookie.Value",
    "$.server_connection.Dir",
    "$.args.hookContext.id",
    "$.args.hookContext.type",
    "$.args.mode",
)
_EXTRACT = "SELECT json_extract(?1, {}) WHERE json_valid(?1)".format(", ".join(f"'{path}'" for path in _PATHS))
_VALUES = "SELECT " + ", ".join(f"json_extract(?1, '$[{n}]'), json_type(?1, '$[{n}]')" for n in range(len(_PATHS)))
_SHAPE = "SELECT json_type(?1), json_type(?1, '$.args'), json_type(?1, '$.args.hookContext')"

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
    clean = text.encode("utf-8", "replace").decode("utf-8")
    return str(memory.execute("SELECT json_object(?, ?)", (key, clean)).fetchone()[0])


def read(raw: bytes) -> Event:
    """The event in the bytes ``raw``. Never raises for anything that stdin may hold."""
    text = raw.decode("utf-8-sig", "replace")
    if not text.strip():
        return Event(problem="PlexSync got nothing on stdin; start it through Stash, or see --help.")
    if "\0" in text:
        return Event(problem="PlexSync got a NUL character on stdin, so the event was not read.")
    try:
        return _read(text)
    except (sqlite3.Error, OverflowError):
        return _read_slowly(text)


def _read_slowly(text: str) -> Event:
    """What SQLite cannot read (an escaped lone surrogate, deep nesting, more than it allocates), read by ``json``."""
    import json

    try:
        document = json.loads(text)
        slim = json.dumps(_slim(document)).encode("utf-8", "replace").decode("utf-8")
        event = _read(slim)
    except (ValueError, RecursionError, MemoryError, sqlite3.Error, OverflowError):
        return Event(problem="PlexSync could not read the JSON on stdin, so the event was ignored.")
    event.text = text
    return event


def _slim(document: object) -> object:
    """The document without a hook's ``input`` and with lone surrogates replaced, so that SQLite can read it."""
    if isinstance(document, dict):
        return {_slim(k): _slim(v) for k, v in document.items() if k not in ("input", "inputFields")}
    if isinstance(document, str):
        return document.encode("utf-8", "replace").decode("utf-8")
    return document


def _read(text: str) -> Event:
    row = memory.execute(_EXTRACT, (text,)).fetchone()
    if row is None:
        return Event(problem="PlexSync could not read the JSON on stdin, so the event was ignored.")
    root, args, context = memory.execute(_SHAPE, (text,)).fetchone()
    if root != "object" or args != "object":
        return Event(problem="PlexSync got JSON without args on stdin, so the event was ignored.")
    values = memory.execute(_VALUES, (row[0],)).fetchone()
    event = Event(text)
    event.is_hook = context not in (None, "null")
    _connection(event, values)
    if values[11] == "integer" and isinstance(values[10], int) and values[10] > 0:
        event.id = values[10]
    event.type = values[12] if values[13] == "text" else ""
    event.mode = values[14] if values[15] == "text" else ""
    if not event.is_hook and not event.mode:
        event.problem = "PlexSync got args with neither hookContext nor mode; choose a mode such as status."
    return event


def _connection(event: Event, values: tuple[object, ...]) -> None:
    scheme, _, host, host_type, port, port_type, cookie, cookie_type, folder, folder_type = values[:10]
    event.scheme = "https" if scheme == "https" else "http"
    event.host = str(host).strip() if host_type == "text" else ""
    if event.host in ANY_ADDRESS:
        event.host = "127.0.0.1"
    event.port = port if port_type == "integer" and isinstance(port, int) and 0 < port < 65536 else 9999
    event.cookie = str(cookie) if cookie_type == "text" else ""
    event.stash_dir = str(folder) if folder_type == "text" else ""
