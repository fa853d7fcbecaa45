"""docs/understand/matching.md says about evidence what the code does."""

from __future__ import annotations

import re
from pathlib import Path

from plexsync.matching import RULES, Evidence
from plexsync.matching.path_map import MIN_PAIRS
from plexsync.model.scene import SAME_DURATION

TEXT = (Path(__file__).resolve().parents[2] / "docs" / "understand" / "matching.md").read_text("utf-8")


def rows(heading: str) -> list[list[str]]:
    """Return the cells of the first table whose heading begins with ``heading``."""
    table = re.split(rf"^\| {heading} \|.*\n\|[-|]+\|\n", TEXT, maxsplit=1, flags=re.MULTILINE)[1]
    lines = re.match(r"(?:\|.*\n)+", table)
    assert lines
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines.group().splitlines()]


def test_the_document_lists_the_rules_in_their_order() -> None:
    """The table has exactly the code's kinds of evidence, in the order of the rules."""
    assert [row[0] for row in rows("evidence")] == [rule.evidence.value for rule in RULES]


def test_the_document_says_when_each_is_certain() -> None:
    """Each rule says when it counts, and only the name alone never does."""
    certain = {row[0]: row[2] for row in rows("evidence")}
    assert all(certain.values())
    assert [name for name, when in certain.items() if when == "never"] == [Evidence.NAME_ONLY.value]
    assert [rule.evidence for rule in RULES if rule.high == "never"] == [Evidence.NAME_ONLY]


def test_the_document_says_what_counts_on_an_incomplete_index() -> None:
    """The first four, and no others, count before all libraries are listed."""
    assert "only the first four count" in TEXT
    assert [rule.needs_complete_index for rule in RULES] == [False] * 4 + [True] * 4


def test_the_document_names_the_numbers_of_the_code() -> None:
    """The five pairs of a learned rule and the second between two durations are the code's."""
    assert MIN_PAIRS == 5
    assert "Five different files make a rule" in TEXT
    assert f"at most {SAME_DURATION:g} s" in TEXT
