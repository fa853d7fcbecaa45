"""The README's picture tells the truth: what it shows is what the plugin does."""

from __future__ import annotations

from pathlib import Path

from tests.browser import before_after
from tests.tools import pictures


def test_the_picture_shows_what_the_plugin_writes(tmp_path: Path) -> None:
    """One edit in Stash gives the item in Plex every value that the picture shows, from nothing but a file's name."""
    assert before_after.told(*before_after.carry(tmp_path, b"\xff\xd8\xff\xe0 cover")) == pictures.read()["item"]
