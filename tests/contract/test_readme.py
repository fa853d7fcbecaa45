"""The README: its first screen lets people decide and begin, and what it claims stands in the documents behind it."""

from __future__ import annotations

import re
from pathlib import Path

from tests.contract.test_project import MANIFEST, TASKS
from tests.tools import addresses, project, source

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text("utf-8")

#: Lines that fit on a first screen of GitHub, a picture of 280 pixels among them.
SCREEN = 45

#: What is set in italics besides settings and tasks: names in PlexSync's page, and in Plex.
OTHER_NAMES = {"Undo", "Bug report", "Other Videos", "Movies"}


def test_the_first_screen_decides_and_begins() -> None:
    """It has the sentence, the badges, one picture, five claims, and the first step with the source's address."""
    first, _, rest = "\n".join(README.splitlines()[:SCREEN]).partition("\n## Quick start\n")
    assert re.match(r"# PlexSync\n\n[^\n#]{60,}", first)
    marks = [first.find(mark) for mark in ("<!-- badges -->", "docs/images/before-after.png", "* **")]
    assert marks == sorted(marks)
    assert -1 not in marks
    assert len(re.findall(r"^\* \*\*.+\.\*\*", first, flags=re.MULTILINE)) == 5
    assert first.count("![") == 4 + project.is_published(), "a picture and three badges; a fourth tells of the tests"
    assert "<!-- source -->" in rest
    assert "/index.yml" in rest


def test_the_quick_start_leads_to_a_changed_title() -> None:
    """The steps are numbered without a gap, keep people from the old plugin, and end with a look at Plex."""
    steps = README.partition("## Quick start\n")[2].partition("\n## ")[0]
    numbers = re.findall(r"^(\d+)\. \*\*(.+?)\*\*", steps, flags=re.MULTILINE)
    assert [int(number) for number, _ in numbers] == list(range(1, len(numbers) + 1))
    order = ["Add the source", "Install", "Open the PlexSync page", "sign in", "Preview", "Sync all", "look in Plex"]
    assert all(words in step for words, (_, step) in zip(order, numbers, strict=True))
    assert "Not the 0.1 of the Community list" in steps


def test_settings_and_tasks_are_named_as_on_the_screen() -> None:
    """A name in italics is one that Stash, PlexSync's page or Plex shows."""
    shown = {entry["displayName"] for entry in MANIFEST["settings"].values()} | set(TASKS) | OTHER_NAMES
    named = set(re.findall(r"(?<![*\w])\*([A-Z][^*.]+)\*(?!\*)", README))
    assert len(named) > 5
    assert named - shown == set()


def test_the_cost_of_a_save_is_the_measured_one() -> None:
    """What the hook and a bulk edit cost is rounded from the table in performance.md, a save from its text."""
    table = (ROOT / "docs" / "understand" / "performance.md").read_text("utf-8")
    one = re.search(r"^1 KB, bytecode cached +([\d.]+) ms +([\d.]+) ms", table, flags=re.MULTILINE)
    bulk = re.search(r"^bulk edit of 100 scenes +[\d.]+ ms +([\d.]+) ms", table, flags=re.MULTILINE)
    assert one is not None
    assert bulk is not None
    assert "a save took 11.7 ms" in table
    claims = " ".join(README.split())
    assert f"The hook takes {float(one[2]):.0f} ms, {float(one[1]):.0f} of them Python's own start" in claims
    assert "a save took 12 ms" in claims
    assert round(float(bulk[1]) / 1000) == 1
    assert "A bulk edit pays that for each scene: a second for 100." in claims


def test_the_address_of_a_checkout_is_where_make_serves_it() -> None:
    """The documents, the Makefile and the program that serves a source name one port."""
    served = re.findall(r"^PORT \?= (\d+)$", (ROOT / "Makefile").read_text("utf-8"), flags=re.MULTILINE)
    assert served == [str(source.PORT)]
    assert f"http://{source.LOCAL}:{source.PORT}/index.yml" == addresses.LOCAL
