"""One line format, three places, no secrets: what people read while it happens."""

from __future__ import annotations

import contextlib
import io
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from plexsync.core import environment
from plexsync.log import LINE_BYTES, LOG_BYTES, LOG_FILES, FileSink, Log, Private, StashSink, StderrSink

SECRET = "Zq8-token-7X"
Lines = Sequence[dict[str, str]]


class Kept:
    """A sink that keeps what it is given."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, str]] = []

    def write(self, level: str, line: str) -> None:
        """Keep one line."""
        self.lines.append((level, line))


def through(encoding: str = "utf-8") -> tuple[StderrSink, io.BytesIO]:
    """A sink on a stream of that encoding, and the bytes that it sends."""
    sent = io.BytesIO()
    return StderrSink(io.TextIOWrapper(sent, encoding=encoding, errors="backslashreplace", newline="")), sent


@pytest.mark.parametrize(
    ("level", "line", "wanted"),
    [
        ("debug", "looked at scene", b"\x01d\x02looked at scene\n"),
        ("info", "wrote scene", b"\x01i\x02wrote scene\n"),
        ("warning", "gave up", b"\x01w\x02gave up\n"),
        ("error", "failed", b"\x01e\x02failed\n"),
        ("other", "odd", b"\x01i\x02odd\n"),
        ("info", "", b"\x01i\x02-\n"),
        ("info", " \n\t", b"\x01i\x02-\n"),
        ("info", "one\ntwo\r\nthree\x0bfour\u2028five", b"\x01i\x02one two three four five\n"),
        ("info", "Caf\xe9 \u6771", "\x01i\x02Caf\xe9 \u6771\n".encode()),
        ("info", "half \ud83d", b"\x01i\x02half ?\n"),
    ],
)
def test_lines_follow_stashs_protocol(level: str, line: str, wanted: bytes) -> None:
    """A line is its level between two control bytes, its text on one line, and a line feed; never an empty text."""
    sink, sent = through()
    sink.write(level, line)
    assert sent.getvalue() == wanted


@pytest.mark.parametrize(
    ("done", "text"),
    [(0, b"0.0000"), (0.5, b"0.5000"), (1 / 3, b"0.3333"), (1, b"1.0000"), (-1, b"0.0000"), (7, b"1.0000")],
)
def test_progress_runs_from_0_to_1(done: float, text: bytes) -> None:
    """Progress is a number between 0 and 1 at a level of its own."""
    sink, sent = through()
    sink.progress(done)
    assert sent.getvalue() == b"\x01p\x02" + text + b"\n"


@pytest.mark.parametrize("text", ["x" * 200_000, "\u6771" * 100_000, "ab\U0001f468" * 50_000])
def test_no_line_reaches_the_limit_of_64_kib(text: str) -> None:
    """A longer line would stop Stash from reading: it is cut, between characters."""
    sink, sent = through()
    sink.write("info", text)
    line = sent.getvalue()
    assert LINE_BYTES - 4 < len(line) < 65_536
    assert line.count(b"\n") == 1
    assert text.startswith(line.decode("utf-8")[3:-1])


def test_a_reader_that_has_gone_is_no_reason_to_fail() -> None:
    """With the other end of the pipe closed, and with the stream itself closed, lines are dropped in silence."""
    reader, writer = os.pipe()
    os.close(reader)
    stream = os.fdopen(writer, "w", encoding="utf-8")
    sink = StderrSink(stream)
    sink.write("info", "nobody reads this")
    sink.progress(0.5)
    with contextlib.suppress(OSError):
        stream.close()
    sink.write("error", "nor this")
    assert stream.closed


def test_a_stream_of_text_alone_will_do() -> None:
    """A stream that has no bytes beneath it gets the same line as text."""
    stream = io.StringIO()
    StderrSink(stream).write("info", "Caf\xe9")
    assert stream.getvalue() == "\x01i\x02Caf\xe9\n"


def test_the_usual_stream_is_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    """Without another stream lines go to stderr, and nothing to stdout, which belongs to the one document."""
    StderrSink().write("info", "hello")
    assert capsys.readouterr() == ("", "\x01i\x02hello\n")


def test_stash_gets_utf_8_whatever_the_locale_is() -> None:
    """A process whose own streams are not UTF-8 sends the same bytes."""
    code = "from plexsync.log import StderrSink; StderrSink().write('info', 'Caf\\xe9 \\u6771')"
    environment = {**os.environ, "PYTHONIOENCODING": "latin-1", "PYTHONUTF8": "0"}
    done = subprocess.run([sys.executable, "-c", code], stderr=subprocess.PIPE, env=environment, check=True)
    assert done.stderr == "\x01i\x02Caf\xe9 \u6771\n".encode()


def stored(folder: Path) -> list[dict[str, str]]:
    """The lines of ``plexsync.log``."""
    return [json.loads(line) for line in (folder / environment.LOG).read_text("utf-8").splitlines()]


def test_the_file_holds_json_lines(tmp_path: Path) -> None:
    """Each line of plexsync.log is one JSON object with UTC time, level and message."""
    sink = FileSink(str(tmp_path), pytest.fail, clock=lambda: 1_700_000_000.9)
    assert not (tmp_path / environment.LOG).exists()
    sink.write("info", "100% of Caf\xe9\n%s {} \ud83d")
    sink.write("error", "second")
    sink.close()
    assert stored(tmp_path) == [
        {"time": "2023-11-14T22:13:20Z", "level": "info", "action": "", "message": "100% of Caf\xe9\n%s {} ?"},
        {"time": "2023-11-14T22:13:20Z", "level": "error", "action": "", "message": "second"},
    ]


def test_the_file_is_rotated(tmp_path: Path) -> None:
    """At 5 MB a new file is begun; three old ones are kept, whatever is written."""
    sink = FileSink(str(tmp_path), pytest.fail)
    for number in range(50):
        sink.write("info", f"{number} " + "x" * 500_000)
    sink.close()
    names = [environment.LOG, *(f"{environment.LOG}.{number}" for number in range(1, LOG_FILES + 1))]
    assert sorted(path.name for path in tmp_path.iterdir()) == names
    assert all(0 < (tmp_path / name).stat().st_size <= LOG_BYTES for name in names)
    assert stored(tmp_path)[-1]["message"].startswith("49 ")
    assert (LOG_BYTES, LOG_FILES) == (5_000_000, 3)


def test_a_log_that_is_held_open_is_written_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where Windows renames no log because another program shows it, no line and no older file is lost, and nothing is
    complained of; as soon as it is closed there the log is rotated."""
    held, replace = [environment.LOG], os.replace

    def refuse(source: str, target: str) -> None:
        if os.path.basename(source) in held or os.path.basename(target) in held:
            raise PermissionError(13, "used by another process", source)
        replace(source, target)

    monkeypatch.setattr(os, "replace", refuse)
    monkeypatch.setattr(environment, "PATIENCE", 0)
    (tmp_path / f"{environment.LOG}.1").write_text('{"message": "older"}\n', "utf-8")
    sink = FileSink(str(tmp_path), pytest.fail)
    for number in range(13):
        sink.write("info", f"{number} " + "x" * 500_000)
    assert [line["message"].split()[0] for line in stored(tmp_path)] == [str(number) for number in range(13)]
    held[:] = [f"{environment.LOG}.1"]
    sink.write("info", "13 " + "x" * 500_000)
    assert stored(tmp_path)[-1]["message"].startswith("13 ")
    held.clear()
    for number in range(14, 16):
        sink.write("info", f"{number} " + "x" * 500_000)
    sink.close()
    names = [environment.LOG, f"{environment.LOG}.1", f"{environment.LOG}.2"]
    assert sorted(path.name for path in tmp_path.iterdir()) == names
    assert "older" in (tmp_path / names[2]).read_text("utf-8")
    found = (tmp_path / names[1]).read_text("utf-8") + (tmp_path / names[0]).read_text("utf-8")
    assert [json.loads(line)["message"].split()[0] for line in found.splitlines()] == [str(n) for n in range(16)]


def test_the_log_has_no_carriage_return(tmp_path: Path) -> None:
    """A line ends in a line feed on every system."""
    sink = FileSink(str(tmp_path), pytest.fail)
    sink.write("info", "one")
    sink.close()
    assert (tmp_path / environment.LOG).read_bytes().endswith(b'"one"}\n')


def test_a_file_that_cannot_be_written_is_told_once(tmp_path: Path) -> None:
    """What keeps the log from being written is said once, in one sentence, and work goes on."""
    (tmp_path / environment.LOG).mkdir()
    told: list[str] = []
    sink = FileSink(str(tmp_path), told.append)
    for _ in range(3):
        sink.write("info", "x" * 100_000)
    sink.close()
    assert len(told) == 1
    assert told[0].startswith(f"failed to write {environment.LOG} (")
    assert told[0].endswith("syncing continues without it.")


class Full(io.FileIO):
    """A file on a disk that is full."""

    def write(self, data: object) -> int:
        """Fail as the system does."""
        raise OSError(28, "No space left on device")


def test_a_full_disk_is_told_once(tmp_path: Path) -> None:
    """When the disk fills up while the file is open, one sentence says so; neither writing nor closing fails."""
    told: list[str] = []
    sink = FileSink(str(tmp_path), told.append)
    sink.write("info", "still fits")
    sink.close()
    sink._file = Full(tmp_path / environment.LOG, "a")
    for _ in range(3):
        sink.write("info", "does not")
    sink.close()
    assert len(told) == 1
    assert "No space left on device" in told[0]
    assert [line["message"] for line in stored(tmp_path)] == ["still fits"]


def told_by(sink: StashSink, now: float, force: bool = False) -> list[str]:
    """The messages that a flush hands over."""
    got: list[str] = []
    sink.flush(lambda lines: got.extend(line["message"] for line in lines), now, force)
    return got


def test_stashs_log_gets_warnings_at_intervals() -> None:
    """Warnings and errors are kept and handed over together, at most every ten seconds; nothing comes twice."""
    sink = StashSink()
    assert told_by(sink, 100) == []
    for level in ("debug", "info", "warning", "error"):
        sink.write(level, level)
    assert told_by(sink, 100) == ["warning", "error"]
    assert told_by(sink, 200) == []
    sink.write("warning", "second")
    assert told_by(sink, 201) == ["second"]
    sink.write("warning", "third")
    assert told_by(sink, 210.9) == []
    assert told_by(sink, 211) == ["third"]


def test_lines_carry_the_letter_of_their_level() -> None:
    """Lines travel as objects with Stash's letter and the message."""
    sink, got = StashSink(), list[Lines]()
    sink.write("error", "e")
    sink.add("info", "i")
    sink.flush(got.append, 0)
    assert got == [[{"level": "e", "message": "e"}, {"level": "i", "message": "i"}]]


def test_a_flush_can_be_forced_and_survives_a_clock_set_back() -> None:
    """At a drain's end nothing waits, and after the clock was set back an hour lines do not wait for an hour."""
    sink = StashSink(interval=60)
    sink.write("warning", "one")
    assert told_by(sink, 10_000) == ["one"]
    sink.write("warning", "two")
    assert told_by(sink, 10_001) == []
    assert told_by(sink, 10_001, force=True) == ["two"]
    sink.write("warning", "three")
    assert told_by(sink, 6_400) == ["three"]


def test_lines_wait_while_stash_is_away() -> None:
    """What could not be handed over is kept, in order, with what came meanwhile; the newest two hundred win."""
    sink = StashSink(interval=0)

    def refuse(lines: Lines) -> None:
        sink.write("warning", f"away with {len(lines)}")
        raise ConnectionError

    sink.write("warning", "first")
    with pytest.raises(ConnectionError):
        sink.flush(refuse, 0)
    assert told_by(sink, 1) == ["first", "away with 1"]
    for number in range(300):
        sink.write("warning", str(number))
    with pytest.raises(ConnectionError):
        sink.flush(refuse, 2)
    assert told_by(sink, 3) == [*map(str, range(101, 300)), "away with 200"]


def test_a_warning_made_while_handing_over_is_not_lost() -> None:
    """What is logged by the very hand-over goes with the next one."""
    sink = StashSink(interval=0)
    sink.write("warning", "first")
    sink.flush(lambda lines: sink.write("warning", "slow reply"), 0)
    assert told_by(sink, 1) == ["slow reply"]


def test_a_line_is_text_and_values() -> None:
    """Values follow the text as name=value, in their order; private ones are quoted."""
    log = Log([kept := Kept()])
    log.info(
        "wrote scene", scene=7, title=Private('A "b"'), change=Private("old -> new"), list=(1, Private("x")), none=None
    )
    assert kept.lines == [
        ("info", 'wrote scene scene=7 title="A \\"b\\"" change="old -> new" list=[1, "x"] none=None')
    ]  # fmt: skip


def test_levels_reach_every_sink() -> None:
    """Each method writes at its own level to every sink; debug lines only on request."""
    log = Log([one := Kept(), two := Kept()])
    log.debug("d")
    log.info("i")
    log.warning("w")
    log.error("e")
    log.debug_on = True
    log.debug("d")
    assert one.lines == two.lines == [("info", "i"), ("warning", "w"), ("error", "e"), ("debug", "d")]


def test_a_summary_reaches_stashs_log_too() -> None:
    """A drain's result is an info line everywhere, and one that Stash's log gets although it is no warning."""
    log = Log([kept := Kept(), stash := StashSink()])
    log.secret(SECRET)
    log.info("wrote scene", scene=7)
    log.summary("synced", scenes=3, odd=SECRET)
    assert kept.lines[-1] == ("info", "synced scenes=3 odd=***")
    got: list[Lines] = []
    stash.flush(got.append, 0)
    assert got == [[{"level": "i", "message": "synced scenes=3 odd=***"}]]


def test_a_trace_tells_places_and_no_text() -> None:
    """An error of our own leaves file, line and function of each frame, and nothing of its message."""

    def fails() -> None:
        raise ValueError(SECRET)

    log = Log([kept := Kept()])
    with pytest.raises(ValueError, match=SECRET) as caught:
        fails()
    log.trace(caught.value)
    assert [level for level, _ in kept.lines] == ["error"] * 2
    assert kept.lines[-1][1].startswith("traced file=test_log.py line=")
    assert kept.lines[-1][1].endswith("in=fails")
    assert SECRET not in str(kept.lines)


def test_closing_the_log_closes_its_file(tmp_path: Path) -> None:
    """The file is let go, other places are left alone, and a later line opens it again."""
    file = FileSink(str(tmp_path), pytest.fail)
    log = Log([Kept(), file, StashSink()])
    log.info("first")
    log.close()
    assert file._file is None
    log.info("second")
    log.close()
    assert [line["message"] for line in stored(tmp_path)] == ["first", "second"]


def test_secrets_never_come_through() -> None:
    """Token, cookie and key are blotted out wherever they stand: text, value, list, private text, exception."""
    log = Log([kept := Kept()])
    log.secret(SECRET, "", "abc", 'quo"te\\d', "caf\xe9-key", "Zq8-")
    log.info(f"said {SECRET}", a=SECRET, b=[SECRET], c=Private(f"x{SECRET}y"), d=ValueError(f"bad {SECRET}"))
    log.warning("more", a=Private('quo"te\\d'), b='quo"te\\d', c=Private("caf\xe9-key"), d="abc", e="Zq8-")
    text = str(kept.lines)
    assert kept.lines[0][1] == 'said *** a=*** b=[***] c="x***y" d=bad ***'
    assert kept.lines[1][1] == 'more a="***" b=*** c="***" d=abc e=***'
    assert "token-7X" not in text


def test_hidden_names_have_stable_pseudonyms() -> None:
    """With logHidePaths a path or title is a short stand-in: always the same for one, another for others."""
    log = Log([kept := Kept()], salt="one")
    log.hide = True
    for name in ("/private/a.mp4", "/private/a.mp4", "/private/b.mp4"):
        log.info("wrote", path=Private(name), list=[Private(name)], map={"k": Private(name)})
    first, second, third = (line for _, line in kept.lines)
    assert first == second != third
    assert "private" not in first + third
    assert first.startswith(f"wrote path={log.pseudonym('/private/a.mp4')} list=[#")
    assert len(log.pseudonym("x")) == 11
    assert Log([], salt="one").pseudonym("x") == log.pseudonym("x") != Log([], salt="two").pseudonym("x")


@settings(deadline=None, max_examples=200)
@given(st.text(st.characters(), max_size=40), st.text(st.characters(), max_size=40), st.booleans())
def test_no_text_breaks_a_line(text: str, value: str, hide: bool) -> None:
    """Whatever is logged, one line with level and line feed comes out, without the secret."""
    sink, sent = through()
    log = Log([sink], salt="s")
    log.hide = hide
    log.secret(SECRET)
    log.info(f"{text}{SECRET}", value=value, private=Private(value + SECRET))
    line = sent.getvalue()
    assert line.startswith(b"\x01i\x02")
    assert line.endswith(b"\n")
    assert len(line.decode("utf-8").splitlines()) == 1
    assert SECRET.encode() not in line


def test_values_are_fields_of_the_file(tmp_path: Path) -> None:
    """A line of the file has its values as JSON of their own, hidden and without secrets as in the text."""
    sink = FileSink(str(tmp_path), lambda _: None)
    told = Log([sink])
    told.secret("top-secret")
    told.info("wrote scene", scene=5, name=Private("A title"), images=("posters", "arts"), why="a top-secret thing")
    told.hide = True
    told.warning("skipped cover", scene=6, name=Private("A title"), attempt=None, sent=[Private("x")])
    told.error("Stash is away.")
    sink.close()
    lines: list[dict[str, Any]] = [*stored(tmp_path)]
    first, second, third = lines
    assert {name: first[name] for name in first if name not in ("time", "message")} == {
        "level": "info", "action": "wrote", "scene": 5, "name": "A title", "images": ["posters", "arts"],
        "why": "a *** thing",
    }  # fmt: skip
    assert first["message"] == 'wrote scene scene=5 name="A title" images=[posters, arts] why=a *** thing'
    assert (second["scene"], second["attempt"]) == (6, None)
    assert second["name"] == told.pseudonym("A title")
    assert second["sent"] == [told.pseudonym("x")]
    assert third["action"] == ""
