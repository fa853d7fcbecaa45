"""Events that SQLite cannot read (an escaped lone surrogate), or not soon enough (very large): ``json`` reads them.

Loaded by the hook only when it meets one.
"""

import json

from plexsync.event import Event, parse
from plexsync.sqlite import sqlite3


def parse_slowly(text: str) -> Event:
    """The event in ``text``, which ``parse`` cannot or should not read. Never raises."""
    try:
        event = parse(json.dumps(_slim(json.loads(text))))
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
