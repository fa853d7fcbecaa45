"""A bug report, ready to paste. Standard library alone, from files: neither server is asked.

Whatever it shows is a number, a time, or a word of a list that is known beforehand: no text from a server, a setting, a
log line or the file system gets into it, so no path, title, address, name or token can.
"""

from __future__ import annotations

import builtins
import importlib.metadata
import json
import os
import platform
import re
import sqlite3
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import closing
from functools import cache
from pathlib import Path
from typing import Any

from plexsync import __version__, requirements, status
from plexsync.core import environment
from plexsync.log import ACTIONS, LOG_FILES
from plexsync.model import errors
from plexsync.model.settings import KEYS, Key
from plexsync.queue.dead_letters import REASONS
from plexsync.state import gates, pause
from plexsync.state.meta import Meta
from plexsync.tasks.call import Args

#: Bytes of ``plexsync.log`` that are read, from its end.
LOG_TAIL = 1_000_000

#: Platforms of a Plex server that are named; any other is "another platform".
PLATFORMS = ("Linux", "Windows", "MacOSX", "FreeBSD")

_PAUSES = (pause.PLEX, pause.STASH, pause.SETUP, pause.LOCAL, pause.DRY)
_KINDS = (gates.READ, gates.EDIT, gates.UPLOAD, gates.LIST.rstrip(":"))
_FILES = (
    *(environment.QUEUE_DB, f"{environment.QUEUE_DB}-wal", environment.STATE_DB, f"{environment.STATE_DB}-wal"),
    *(environment.LOG, *(f"{environment.LOG}.{number}" for number in range(1, LOG_FILES + 1)), "worker.err"),
    *(environment.STATUS, environment.METRICS, environment.TIMESTAMPS, environment.CONNECTION, environment.CLIENT_ID),
    *(environment.PREVIEW, environment.UNMATCHED, environment.DOCTOR),
)
_EXCEPTIONS = {
    name
    for module in (builtins, sqlite3, errors)
    for name, value in vars(module).items()
    if isinstance(value, type) and issubclass(value, BaseException)
}
_VERSION = re.compile(r"\d{1,6}(?:\.\d{1,6}){0,5}")
_STATUS_CODE = re.compile(r"\(([1-5]\d\d)\)")


def report(folder: str, args: Args) -> dict[str, Any]:
    """Return ``{"text": ...}``."""
    now = time.time()
    chapters = {
        f"PlexSync {__version__}, report of {status.moment(now)}": _versions(folder),
        "Settings as they were read last": _settings(folder),
        "Status": _status(folder, now),
        "Pauses": _pauses(folder),
        "Warnings and errors in plexsync.log": _complaints(folder),
        "Files in the data folder": _sizes(folder),
    }
    return {"text": "\n\n".join("\n".join([title, *_indented(lines)]) for title, lines in chapters.items()) + "\n"}


def _indented(lines: list[str]) -> Iterator[str]:
    yield from (f"  {line}" for line in lines or ["none"])


def _meta(folder: str) -> dict[str, Any]:
    """Return the values of ``state.db`` that a report shows, nothing where it cannot be read."""
    try:
        with closing(Meta.open(folder)) as meta:
            names = ("disclosed", "versions", "warned", "pause", "gates")
            return {name: meta.read(name) for name in names}
    except (sqlite3.Error, ValueError, OSError):
        return {}


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


# -- versions


def _versions(folder: str) -> list[str]:
    known = _mapping(_meta(folder).get("versions"))
    system = f"{platform.system()} {_version(platform.release())}, {platform.machine()}"
    where = [
        *(["in a virtual environment"] if _is_venv() else []),
        *(["in a container"] if os.path.exists("/.dockerenv") or os.path.exists("/run/.containerenv") else []),
    ]
    on = known.get("platform")
    return [
        f"Python {platform.python_version()} ({', '.join([sys.implementation.name, *where])})",
        f"SQLite {sqlite3.sqlite_version}",
        f"System: {system}",
        f"Stash {_version(known.get('stash'))}",
        f"Plex {_version(known.get('plex'))}, {on if on in PLATFORMS else 'another platform' if on else 'unknown'}",
        "Packages: " + ", ".join(f"{package} {_package(package)}" for package in requirements.PACKAGES.values()),
        *_durations(),
    ]


def _is_venv() -> bool:
    """Return whether this is a virtual environment's interpreter; under ``-S`` Python itself may not know."""
    folder = os.path.dirname(os.path.dirname(sys.executable or ""))
    return sys.prefix != sys.base_prefix or os.path.exists(os.path.join(folder, "pyvenv.cfg"))


def _version(text: object) -> str:
    found = _VERSION.search(text) if isinstance(text, str) else None
    return found[0] if found else "unknown"


def _package(name: str) -> str:
    try:
        return _version(importlib.metadata.version(name))
    except (importlib.metadata.PackageNotFoundError, ValueError, OSError):
        return "missing"


def _durations() -> Iterator[str]:
    """Yield the durations that environment variables change."""
    for name, default in environment.DEFAULTS.items():
        if environment.seconds(name) != default:
            yield f"{name}: {environment.seconds(name):g} s"


# -- settings and status


def _settings(folder: str) -> list[str]:
    meta = _meta(folder)
    shown, warned = _mapping(meta.get("disclosed")), meta.get("warned")
    lines = [f"{key.name}: {_setting(shown[key.name])}" for key in KEYS if _is_disclosed(key, shown.get(key.name))]
    if not lines:
        return ["not read yet"]
    return [*lines, f"values that cannot be used: {len(warned) if isinstance(warned, list) else 0}"]


def _is_disclosed(key: Key, value: object) -> bool:
    """Return whether the stored value is of the kind that ``settings.disclosed`` makes."""
    if key.type == "BOOLEAN":
        return isinstance(value, bool)
    return type(value) is int or value in ("set", "not set")


def _setting(value: object) -> str:
    return {True: "on", False: "off"}[value] if isinstance(value, bool) else str(value)


def _status(folder: str, now: float) -> list[str]:
    try:
        found = status.status(folder, now)
    except (sqlite3.Error, OSError, ValueError) as error:
        return [f"cannot be read ({_exception(type(error).__name__)})"]
    dead = {name: number for name, number in found["dead_by_reason"].items() if name in REASONS}
    last = found["last_catchup"] or "never"
    lines = status.sentences({**found, "problem": None, "dead_by_reason": dead})
    return [*lines, f"Last comparison with Stash: {last}."]


def _pauses(folder: str) -> list[str]:
    """Return the current pause and the paused kinds of request, with the HTTP status that their sentence names."""
    meta = _meta(folder)
    lines = []
    current = _mapping(meta.get("pause"))
    if current:
        codes = _STATUS_CODE.findall(str(current.get("problem")))
        lines.append(_known(current.get("kind"), _PAUSES) + _since(current.get("began")) + _status_of(codes[:1]))
    for name, gate in sorted(_mapping(meta.get("gates")).items()):
        paused_at = _mapping(gate).get("paused_at")
        if paused_at is not None:
            why = str(gate.get("why"))
            kind = _known(name.partition(":")[0], _KINDS)
            codes = [why] if re.fullmatch(r"[1-5]\d\d", why) else []
            lines.append(f"requests of the kind {kind}" + _since(paused_at) + _status_of(codes))
    return lines


def _known(value: object, words: tuple[str, ...]) -> str:
    return str(value) if value in words else "other"


def _since(at: object) -> str:
    is_time = isinstance(at, (int, float)) and status.moment_is_sane(at)
    return f" since {status.moment(float(at))}" if is_time and isinstance(at, (int, float)) else ""


def _status_of(codes: list[str]) -> str:
    return f", status {codes[0]}" if codes else ""


# -- log and files


def _complaints(folder: str) -> list[str]:
    """Return how often each kind of warning and error was logged, and where in our code the last bug was."""
    counts: Counter[str] = Counter()
    trace: list[str] = []
    for line in _lines(folder):
        if line.get("level") in ("warning", "error"):
            if line.get("action") == "traced":
                trace = [*trace[-11:], *_place(line)]
            else:
                counts[_complaint(line)] += 1
    lines = [f"{kind}: {number}" for kind, number in counts.most_common()]
    return [*lines, f"last traced: {' > '.join(trace)}"] if trace else lines


def _lines(folder: str) -> Iterator[Mapping[str, Any]]:
    try:
        with open(os.path.join(folder, environment.LOG), "rb") as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - LOG_TAIL))
            raw = file.read(LOG_TAIL).splitlines()
    except OSError:
        return
    for line in raw:
        try:
            yield _mapping(json.loads(line))
        except (ValueError, RecursionError):
            continue


def _complaint(line: Mapping[str, Any]) -> str:
    action = _known(line.get("action"), ACTIONS)
    kind, reason = line.get("kind"), line.get("reason")
    details = [
        *([_exception(kind)] if isinstance(kind, str) else []),
        *([_known(reason, REASONS)] if isinstance(reason, str) else []),
    ]
    return " ".join([str(line["level"]), action, *details])


def _exception(name: str) -> str:
    return name if name in _EXCEPTIONS else "other"


def _place(line: Mapping[str, Any]) -> list[str]:
    """Return ``["writer.py:120"]`` for a frame of our own code."""
    file, number = line.get("file"), line.get("line")
    return [f"{file}:{number}"] if file in _own_modules() and type(number) is int else []


@cache
def _own_modules() -> frozenset[str]:
    return frozenset(path.name for path in Path(environment.PLUGIN_DIR, "plexsync").rglob("*.py"))


def _sizes(folder: str) -> list[str]:
    lines = []
    for name in _FILES:
        try:
            size = os.stat(os.path.join(folder, name)).st_size
        except (OSError, ValueError):
            continue
        lines.append(f"{name}: {size} bytes")
    return lines
