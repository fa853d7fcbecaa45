"""What people read while it happens: one line format, three places, no secrets anywhere.

Every line begins with an action word and names the scene; values follow as ``key=value``, changes as ``old -> new``.
The places: Stash's stderr protocol (hooks, tasks, operations), ``plexsync.log`` (the worker), and Stash's log through
the ``log`` operation (the worker's warnings and summaries). Knows neither queue nor Plex.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import logging.handlers
import os
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol, TextIO

from plexsync.core import environment

#: Levels of Stash's stderr protocol.
LEVELS = {"debug": "d", "info": "i", "warning": "w", "error": "e"}

#: ``plexsync.log`` is rotated at this many bytes, and so many old ones are kept.
LOG_BYTES, LOG_FILES = 5_000_000, 3

#: Stash stops reading a plugin's stderr at a line of 64 KiB.
LINE_BYTES = 32_000


@dataclass(frozen=True, slots=True)
class Private:
    """A path, file name or title: shown as it is, or as a stable pseudonym with ``logHidePaths``.

    Its own representation is empty, so that it cannot slip into a line inside some other value.
    """

    text: str = field(repr=False)


class Sink(Protocol):
    """A place for lines."""

    def write(self, level: str, line: str) -> None:
        """Take one line without newline; never raises."""


class StderrSink:
    """Stash's protocol: ``\\x01 level \\x02 text``. A reader that has gone is no reason to fail."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stderr

    def write(self, level: str, line: str) -> None:
        self._send(LEVELS.get(level, "i"), line)

    def progress(self, done: float) -> None:
        """Report progress, 0 to 1."""
        self._send("p", f"{min(max(done, 0.0), 1.0):.4f}")

    def _send(self, letter: str, line: str) -> None:
        text = " ".join(line.splitlines()).strip() or "-"
        clipped = text.encode("utf-8", "replace")[:LINE_BYTES].decode("utf-8", "ignore")
        sent = f"\x01{letter}\x02{clipped}\n"
        try:
            if hasattr(self._stream, "buffer"):  # Stash reads UTF-8, and a stream has the locale's encoding
                self._stream.buffer.write(sent.encode("utf-8"))
            else:
                self._stream.write(sent)
            self._stream.flush()
        except (OSError, ValueError):
            pass


class FileSink:
    """``plexsync.log``: JSON lines, rotated. A full disk is told once through ``complain``, and work goes on."""

    def __init__(self, folder: str, complain: Callable[[str], None], clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._complain = complain
        self._failed = False
        handler = logging.handlers.RotatingFileHandler(
            os.path.join(folder, environment.LOG),
            maxBytes=LOG_BYTES,
            backupCount=LOG_FILES,
            encoding="utf-8",
            delay=True,
        )
        handler.handleError = self._broken  # type: ignore[method-assign]
        self._handler = handler

    def write(self, level: str, line: str) -> None:
        at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(self._clock()))
        text = json.dumps({"time": at, "level": level, "message": line}, ensure_ascii=False)
        clean = text.encode("utf-8", "replace").decode("utf-8")
        self._handler.emit(logging.LogRecord("plexsync", logging.INFO, "", 0, clean, None, None))

    def _broken(self, record: logging.LogRecord) -> None:
        if not self._failed:
            self._failed = True
            self._complain(
                f"PlexSync cannot write {environment.LOG} ({sys.exc_info()[1]}); syncing goes on without it."
            )

    def close(self) -> None:
        """Close the file; what a full disk did not take is lost."""
        with contextlib.suppress(OSError):
            self._handler.close()


class StashSink:
    """Lines for Stash's own log, kept until ``flush`` hands them over, at most every ``interval`` seconds."""

    #: Lines kept while Stash is away; the newest win.
    KEEP = 200

    def __init__(self, interval: float = 10.0) -> None:
        self._interval = interval
        self._lines: list[dict[str, str]] = []
        self._sent_at = float("-inf")

    def write(self, level: str, line: str) -> None:
        if level in ("warning", "error"):
            self.add(level, line)

    def add(self, level: str, line: str) -> None:
        """Keep a line whatever its level: warnings come by themselves, a drain's summary is put here."""
        self._lines = [*self._lines, {"level": LEVELS[level], "message": line}][-self.KEEP :]

    def flush(self, tell: Callable[[Sequence[dict[str, str]]], None], now: float, force: bool = False) -> None:
        """Hand the lines to ``tell`` when it is time; what it raises keeps them for the next time."""
        if not self._lines or (0 <= now - self._sent_at < self._interval and not force):
            return
        self._sent_at = now
        lines, self._lines = self._lines, []
        try:
            tell(lines)
        except BaseException:
            self._lines = [*lines, *self._lines][-self.KEEP :]
            raise


class Log:
    """Writes lines to its sinks. ``salt`` makes the pseudonyms this installation's own."""

    def __init__(self, sinks: Sequence[Sink], salt: str = "") -> None:
        self.sinks = tuple(sinks)
        self.hide = False
        self.debug_on = False
        self._salt = salt
        self._secrets: set[str] = set()

    def secret(self, *values: str) -> None:
        """Never let these texts through, whatever brings them."""
        for value in values:
            if len(value) >= 4:
                self._secrets |= {value, json.dumps(value)[1:-1], json.dumps(value, ensure_ascii=False)[1:-1]}

    def debug(self, text: str, **values: object) -> None:
        if self.debug_on:
            self._write("debug", text, values)

    def info(self, text: str, **values: object) -> None:
        self._write("info", text, values)

    def warning(self, text: str, **values: object) -> None:
        self._write("warning", text, values)

    def error(self, text: str, **values: object) -> None:
        self._write("error", text, values)

    def summary(self, text: str, **values: object) -> None:
        """The one line that tells a drain's result: at info level, and into Stash's own log too."""
        line = self.render(text, values)
        for sink in self.sinks:
            keep = sink.add if isinstance(sink, StashSink) else sink.write
            keep("info", line)

    def trace(self, error: BaseException) -> None:
        """Where an error of our own came from, line by line, without the text of exceptions: it may hold anything."""
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
        """A stable stand-in for ``text``, told apart from others, telling nothing."""
        return "#" + hashlib.sha256((self._salt + text).encode("utf-8", "replace")).hexdigest()[:10]

    def render(self, text: str, values: dict[str, object]) -> str:
        """The line as it is written."""
        line = " ".join([text, *(f"{name}={self._value(value)}" for name, value in values.items())])
        for secret in sorted(self._secrets, key=len, reverse=True):  # one may be the beginning of another
            line = line.replace(secret, "***")
        return line

    def _value(self, value: object) -> str:
        if isinstance(value, Private):
            return self.pseudonym(value.text) if self.hide else json.dumps(value.text, ensure_ascii=False)
        if isinstance(value, (tuple, list)):
            return "[" + ", ".join(self._value(one) for one in value) + "]"
        return str(value)

    def _write(self, level: str, text: str, values: dict[str, object]) -> None:
        line = self.render(text, values)
        for sink in self.sinks:
            sink.write(level, line)
