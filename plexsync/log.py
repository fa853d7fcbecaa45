"""Log lines: one format, three destinations, no secrets.

A line begins with one of ``ACTIONS`` and names the scene; values follow as ``key=value``, changes as ``old -> new``;
one line per scene at info. The destinations: Stash's stderr protocol (tasks and operations), ``plexsync.log`` (the
worker), and Stash's log through the ``log`` operation (the worker's warnings and summaries). Knows neither queue nor
Plex.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import sys
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from io import FileIO
from typing import Protocol, TextIO

from plexsync.core import environment

#: The first words of log lines: what happened. A sentence for the user (``problem``) needs none.
ACTIONS = (
    *("cleared", "compared", "dead-lettered", "differs", "dropped", "ended", "failed", "finished", "found", "left"),
    *("paused", "queued", "repaired", "resumed", "retrying", "shortened", "skipped", "tagged", "traced", "using"),
    *("waiting", "would", "wrote"),
)

#: The values of log lines by name: the fields that a line of ``plexsync.log`` has besides ``BASE_FIELDS``.
FIELDS = (
    *("scene", "performer", "studio", "tag", "name", "item", "folder", "job", "jobs", "marked", "number", "source"),
    *("why", "reason", "kind", "attempt", "in", "of", "count", "field", "sent", "stored", "locks", "images"),
    *("title", "summary", "originallyAvailableAt", "actor", "genre", "collection"),
    *("synced", "unchanged", "retried", "dead", "skipped", "gone", "waiting", "dry_run", "plex", "stash"),
    *("scenes", "items", "changed", "locked", "unmatched", "low_confidence", "fields", "left", "file", "line"),
)

#: The fields of every line of ``plexsync.log``: when, how important, ``ACTIONS``' word or "", and the whole line.
BASE_FIELDS = ("time", "level", "action", "message")

#: Levels of Stash's stderr protocol.
LEVELS = {"debug": "d", "info": "i", "warning": "w", "error": "e"}

#: ``plexsync.log`` is rotated at this many bytes; this many old files are kept.
LOG_BYTES, LOG_FILES = 5_000_000, 3

#: Bytes of a line on stderr: Stash stops reading a plugin's stderr at a line of 64 KiB.
LINE_BYTES = 32_000


@dataclass(frozen=True, slots=True)
class Private:
    """A path, file name or title: shown as it is, or with ``logHidePaths`` as a stable pseudonym.

    ``repr`` hides the text, so it cannot get into a line as part of another value.
    """

    text: str = field(repr=False)


class Sink(Protocol):
    """A destination of log lines."""

    def write(self, level: str, line: str) -> None:
        """Write one line, given without a newline. Never raise."""


class StderrSink:
    """Writes Stash's stderr protocol, ``\\x01 level \\x02 text``. Ignores errors: Stash may have stopped reading."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stderr

    def write(self, level: str, line: str) -> None:
        self._send(LEVELS.get(level, "i"), line)

    def progress(self, done: float) -> None:
        """Report progress, from 0 to 1."""
        self._send("p", f"{min(max(done, 0.0), 1.0):.4f}")

    def _send(self, code: str, line: str) -> None:
        text = " ".join(line.splitlines()).strip() or "-"
        clipped = text.encode("utf-8", "replace")[:LINE_BYTES].decode("utf-8", "ignore")
        sent = f"\x01{code}\x02{clipped}\n"
        try:
            if hasattr(self._stream, "buffer"):  # Stash reads UTF-8, whatever the stream's encoding
                self._stream.buffer.write(sent.encode("utf-8"))
            else:
                self._stream.write(sent)
            self._stream.flush()
        except (OSError, ValueError):
            pass


class FileSink:
    """``plexsync.log``: JSON lines, rotated. An error is reported once through ``complain``; work continues.

    A line has ``BASE_FIELDS``, and those of ``FIELDS`` that it has a value for.
    """

    def __init__(self, folder: str, complain: Callable[[str], None], clock: Callable[[], float] = time.time) -> None:
        self._path = os.path.join(folder, environment.LOG)
        self._clock = clock
        self._complain = complain
        self._failed = False
        self._file: FileIO | None = None
        self._most = LOG_BYTES

    def write(self, level: str, line: str, values: Mapping[str, object] | None = None) -> None:
        at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(self._clock()))
        first = line.partition(" ")[0].rstrip(":.")
        base = {"time": at, "level": level, "action": first if first in ACTIONS else "", "message": line}
        more = {name: value for name, value in (values or {}).items() if name in FIELDS}
        text = json.dumps({**base, **more}, ensure_ascii=False) + "\n"
        try:
            self._append(text.encode("utf-8", "replace"))
        except OSError as error:
            if not self._failed:
                self._failed = True
                self._complain(f"failed to write {environment.LOG} ({error}); syncing continues without it.")

    def _append(self, data: bytes) -> None:
        file = self._opened()
        size = file.tell()
        if size and size + len(data) > self._most:
            self.close()
            self._most = LOG_BYTES if self._rotated() else size + LOG_BYTES // 10
            file = self._opened()
        if file.write(data) != len(data):
            raise OSError("the disk is full")

    def _opened(self) -> FileIO:
        if self._file is None:
            self._file = environment.patiently(FileIO, self._path, "a")
        return self._file

    def _rotated(self) -> bool:
        """Begin a new file; return False where Windows renames none, because another program has it open."""
        first, *older = (f"{self._path}.{number}" for number in range(LOG_FILES + 1))
        try:
            environment.publish(self._path, first)  # the newest first: where that fails, no older one is lost
            for number in range(len(older) - 1, 0, -1):
                if os.path.exists(older[number - 1]):
                    environment.publish(older[number - 1], older[number])
            environment.publish(first, older[0])
        except OSError:
            with contextlib.suppress(OSError):
                if os.path.exists(first) and not os.path.exists(self._path):
                    environment.publish(first, self._path)
            return False
        return True

    def close(self) -> None:
        """Close the file."""
        file, self._file = self._file, None
        if file is not None:
            with contextlib.suppress(OSError):
                file.close()


class StashSink:
    """Lines for Stash's log, kept until ``flush`` sends them, at most every ``interval`` seconds."""

    #: Lines kept while Stash is unreachable: the newest.
    KEEP = 200

    def __init__(self, interval: float = 10.0) -> None:
        self._interval = interval
        self._lines: list[dict[str, str]] = []
        self._sent_at = float("-inf")

    def write(self, level: str, line: str) -> None:
        if level in ("warning", "error"):
            self.add(level, line)

    def add(self, level: str, line: str) -> None:
        """Keep a line whatever its level, the summary of a run for example."""
        self._lines = [*self._lines, {"level": LEVELS[level], "message": line}][-self.KEEP :]

    def flush(self, send: Callable[[Sequence[dict[str, str]]], None], now: float, force: bool = False) -> None:
        """Send the lines if ``interval`` has passed, or at once (``force``). If ``send`` raises, keep them."""
        if not self._lines or (0 <= now - self._sent_at < self._interval and not force):
            return
        self._sent_at = now
        lines, self._lines = self._lines, []
        try:
            send(lines)
        except BaseException:
            self._lines = [*lines, *self._lines][-self.KEEP :]
            raise


class Log:
    """Writes lines to sinks. ``hide``: show pseudonyms; ``debug_on``: write debug lines; ``salt``: of the pseudonyms.

    ``text`` begins with one of ``ACTIONS``; ``values`` follow it as ``key=value``.
    """

    def __init__(self, sinks: Sequence[Sink], salt: str = "") -> None:
        self.sinks = tuple(sinks)
        self.hide = False
        self.debug_on = False
        self._salt = salt
        self._secrets: set[str] = set()

    def secret(self, *values: str) -> None:
        """Replace these texts by ``***`` in every line from now on; ignore those shorter than 4 characters."""
        for value in values:
            if len(value) >= 4:
                self._secrets |= {value, json.dumps(value)[1:-1], json.dumps(value, ensure_ascii=False)[1:-1]}

    def debug(self, text: str, **values: object) -> None:
        """Write what only an investigation needs, if ``debug_on`` is set."""
        if self.debug_on:
            self._write("debug", text, values)

    def info(self, text: str, **values: object) -> None:
        """Write what happened, one line per scene."""
        self._write("info", text, values)

    def warning(self, text: str, **values: object) -> None:
        """Write what the user should know; the line reaches Stash's log too."""
        self._write("warning", text, values)

    def error(self, text: str, **values: object) -> None:
        """Write what the user must fix, or a bug of PlexSync; the line reaches Stash's log too."""
        self._write("error", text, values)

    def summary(self, text: str, **values: object) -> None:
        """Write a line at info level that reaches Stash's log too: the result of a run, the end of a pause."""
        self._write("info", text, values, for_stash=True)

    def trace(self, error: BaseException) -> None:
        """Write where an internal error came from, one line per frame, without its text, which may hold anything."""
        for frame in traceback.extract_tb(error.__traceback__):
            self._write(
                "error", "traced", {"file": os.path.basename(frame.filename), "line": frame.lineno, "in": frame.name}
            )

    def close(self) -> None:
        """Close the sinks that hold a file."""
        for sink in self.sinks:
            if isinstance(sink, FileSink):
                sink.close()

    def pseudonym(self, text: str) -> str:
        """Return a stable pseudonym for ``text`` that reveals nothing but equality."""
        return "#" + hashlib.sha256((self._salt + text).encode("utf-8", "replace")).hexdigest()[:10]

    def render(self, text: str, values: dict[str, object]) -> str:
        """Return the line as text, with secrets replaced."""
        pairs = (f"{name}={self._value(value)}" for name, value in values.items())
        return self._without_secrets(" ".join([text, *pairs]))

    def _without_secrets(self, text: str) -> str:
        for secret in sorted(self._secrets, key=len, reverse=True):  # one may be the beginning of another
            text = text.replace(secret, "***")
        return text

    def _value(self, value: object) -> str:
        if isinstance(value, Private):
            return self.pseudonym(value.text) if self.hide else json.dumps(value.text, ensure_ascii=False)
        if isinstance(value, (tuple, list)) and not hasattr(value, "_fields"):  # a named tuple has its own text
            return "[" + ", ".join(self._value(element) for element in value) + "]"
        return str(value)

    def _field(self, value: object) -> object:
        """Return a value as JSON, hidden and without secrets as in the line: a number, text, or list of such."""
        if value is None or isinstance(value, (bool, int)):
            return value
        if isinstance(value, (tuple, list)) and not hasattr(value, "_fields"):
            return [self._field(element) for element in value]
        text = value.text if isinstance(value, Private) and not self.hide else self._value(value)
        return self._without_secrets(text)

    def _write(self, level: str, text: str, values: dict[str, object], *, for_stash: bool = False) -> None:
        line = self.render(text, values)
        for sink in self.sinks:
            if isinstance(sink, FileSink):
                sink.write(level, line, {name: self._field(value) for name, value in values.items()})
            elif for_stash and isinstance(sink, StashSink):
                sink.add(level, line)
            else:
                sink.write(level, line)
