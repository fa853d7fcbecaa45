"""Log lines: each begins with an action word of the one list, by which a log can be read and searched."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from plexsync import log

ROOT = Path(__file__).resolve().parents[2]
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
