"""Log lines: each begins with an action word of the one list and has fields of the other, for people and programs."""

from __future__ import annotations

import ast
import json
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from plexsync import log
from plexsync.core import environment
from plexsync.model.item import FIELDS

ROOT = Path(__file__).resolve().parents[2]
#: What a job may end as, as tasks and runs count it.
OUTCOMES = ("synced", "unchanged", "retried", "dead", "skipped", "gone", "waiting", "dry_run")
LEVELS = {"debug", "info", "warning", "error", "summary"}


def calls(tree: ast.Module) -> Iterator[ast.Call]:
    """Yield every call that writes a line: ``log.info(...)``, ``self._log.error(...)``, ``app.log.summary(...)``."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in LEVELS:
            owner = node.func.value
            name = owner.id if isinstance(owner, ast.Name) else owner.attr if isinstance(owner, ast.Attribute) else ""
            if name.lstrip("_") == "log" and node.args:
                yield node


def beginnings(text: ast.expr) -> Iterator[str]:
    """Yield the literal beginnings of a line; none where it is a sentence made elsewhere, as a problem's is."""
    if isinstance(text, ast.IfExp):
        yield from beginnings(text.body)
        yield from beginnings(text.orelse)
    elif isinstance(text, ast.Constant):
        yield str(text.value)
    elif isinstance(text, ast.JoinedStr):
        first = text.values[0] if text.values else ast.Constant("")
        yield str(first.value) if isinstance(first, ast.Constant) else "{...}"


def strays(tree: ast.Module, name: str) -> list[str]:
    """Return the lines that begin with something else, with their places."""
    found = [(call.lineno, begin) for call in calls(tree) for begin in beginnings(call.args[0])]
    return [f"{name}:{line} {begin!r}" for line, begin in found if begin.split(" ")[0].rstrip(":") not in log.ACTIONS]


def test_every_line_begins_with_an_action() -> None:
    """The first word of each log call is one of ``ACTIONS``."""
    package = sorted((ROOT / "plexsync").rglob("*.py"))
    wrong = [line for path in package for line in strays(ast.parse(path.read_text("utf-8")), path.stem)]
    assert not wrong, "\n" + "\n".join(wrong)


def test_every_action_begins_a_line() -> None:
    """The list holds no word that no line of the program begins with."""
    package = "".join(path.read_text("utf-8") for path in (ROOT / "plexsync").rglob("*.py") if path.name != "log.py")
    unused = [word for word in log.ACTIONS if f'"{word} ' not in package and f'"{word}:' not in package]
    assert [word for word in unused if word != "traced"] == []  # ``Log.trace`` writes that one


@pytest.mark.parametrize(
    ("code", "number"),
    [
        ("log.info('wrote scene')", 0),
        ("self._log.warning(f'paused: {why}')", 0),
        ("app.log.info(line)", 0),
        ("log.info('hello')", 1),
        ("self.log.debug(f'{word} scene')", 1),
        ("log.error('wrote' if fine else 'oops')", 1),
        ("math.log('hello')", 0),
    ],
)
def test_the_check_finds_strays(code: str, number: int) -> None:
    """Literal texts, f-strings and both sides of a choice are held to the list; sentences made elsewhere are not."""
    assert len(strays(ast.parse(code), "here")) == number


#: What the calls hand over as ``**values`` -> the names of those values.
EXPANDED: dict[str, Iterable[str]] = {
    "named(...)": ("scene", "name"),
    "name": ("scene", "name"),
    "who": ("scene", "name", "item", "performer", "studio", "tag"),
    "next_try": ("in",),
    "_changes(...)": (*FIELDS, "locks"),
    "changes(...)": (*FIELDS, "locks"),
    "outcomes.changes(...)": (*FIELDS, "locks"),
    "self._who(...)": ("scene", "name", "item"),
    "left": ("left",),
    "images": ("images",),
    "self._totals": ("jobs", *OUTCOMES),
    "output": ("marked", *OUTCOMES, "plex", "stash"),
    "counts": ("scenes", "changed", "locked", "unchanged", "unmatched", "low_confidence", "skipped", "fields"),
}


def fields_of(tree: ast.Module) -> Iterator[tuple[str, int]]:
    """Yield the name of every value that a line of a module has, with the line of its call."""
    for node in ast.walk(tree):
        is_say = isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "say"
        for call in [node] if is_say and isinstance(node, ast.Call) else []:
            yield from _keywords(call)
    for call in calls(tree):
        yield from _keywords(call)


def _keywords(call: ast.Call) -> Iterator[tuple[str, int]]:
    for keyword in call.keywords:
        if keyword.arg is not None:
            yield keyword.arg, call.lineno
            continue
        value = ast.unparse(keyword.value)
        shape = f"{value.partition('(')[0]}(...)" if isinstance(keyword.value, ast.Call) else value
        for name in EXPANDED.get(shape, (f"**{value}",)):
            yield name, call.lineno


def emitted() -> dict[str, str]:
    """Return every field of ``plexsync.log`` that the code can write -> a place that does."""
    found: dict[str, str] = {"file": "log.trace", "line": "log.trace", "in": "log.trace"}
    for path in sorted((ROOT / "plexsync").rglob("*.py")):
        for name, line in fields_of(ast.parse(path.read_text("utf-8"))):
            found[name] = f"{path.name}:{line}"
    return found


def test_every_value_is_a_field() -> None:
    """The log's fields are a fixed set: each value of a log call is one of them, and each of them is used."""
    found = emitted()
    assert {name: place for name, place in found.items() if name not in log.FIELDS} == {}
    assert [name for name in log.FIELDS if name not in found] == []
    assert len(set(log.FIELDS)) == len(log.FIELDS)


def test_other_values_stay_in_the_message(tmp_path: Path) -> None:
    """What is no field is in the line's text alone, so a program never meets a field that is not listed."""
    sink = log.FileSink(str(tmp_path), lambda _: None)
    log.Log([sink]).info("wrote scene", scene=5, other="x")
    sink.close()
    (line,) = (tmp_path / environment.LOG).read_text("utf-8").splitlines()
    assert json.loads(line).keys() == {*log.BASE_FIELDS, "scene"}
    assert json.loads(line)["message"] == "wrote scene scene=5 other=x"
