"""What a Python that cannot run PlexSync gets to read: all on its way must be readable for Python 3.6."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from plexsync.core import environment, unfit
from plexsync.tasks.call import BUTTONS

WAY = ("PlexSync.py", "plexsync/__init__.py", "plexsync/core/__init__.py", "plexsync/core/unfit.py")


@pytest.mark.parametrize("name", WAY)
def test_the_way_to_the_sentence_is_readable_for_python_3_6(name: str) -> None:
    """Python 3.6 reads the whole file before it runs the first line."""
    source = (Path(environment.PLUGIN_DIR) / name).read_text("utf-8")
    tree = ast.parse(source, name, feature_version=(3, 6))
    futures = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module == "__future__"]
    assert futures == []  # annotations came with 3.7


def test_the_buttons_are_those_of_the_tasks() -> None:
    """Stash shows a button's failure only where the log tells it."""
    assert sorted(unfit.BUTTONS) == sorted(BUTTONS)


@pytest.mark.parametrize(
    ("raw", "button"),
    [
        (b'{"args": {"mode": "sync_all"}}', True),
        (b'{"args": {"mode": "wake"}}', False),
        (b'{"args": {"mode": "sync_all", "hookContext": {}}}', False),
        (b'{"args": null}', False),
        (b"[]", False),
        (b"", False),
        (b"\xff", False),
    ],
)
def test_a_button_is_told_from_the_rest(raw: bytes, button: bool) -> None:
    """Hooks and operations hand their error to Stash, which shows it; nonsense is no button."""
    assert unfit.is_button(raw) is button


@pytest.mark.parametrize(
    ("error", "at_fault"),
    [
        (ImportError("no module", name="_sqlite3"), True),
        (ImportError("no module", name="sqlite3"), True),
        (ImportError("cannot import name 'x'", name="plexsync.core"), False),
        (OSError("disk full"), False),
    ],
)
def test_what_this_python_lacks_is_told(error: BaseException, at_fault: bool) -> None:
    """Where the version is right the sentence names the module that Python lacks; all else is no fault of Python's."""
    assert unfit.is_at_fault(error) is at_fault
    assert "built without the module sqlite3" in unfit.sentence()
    assert "\n" not in unfit.sentence()
