"""How replies are read that no known Plex gives: they are named as they are, and PlexSync is not called right."""

from __future__ import annotations

from typing import Any

import pytest

from plexsync.doctor.catalogue import ELSE, NOT_ASKED, questions
from plexsync.doctor.examination import Row
from plexsync.doctor.table import LONGEST, plain, render

QUESTIONS = {question.number: question for question in questions(lambda: (b"", ""))}


@pytest.mark.parametrize(
    ("number", "noted", "answer"),
    [
        ("1a", {"statuses": [200, 409], "first": True, "second": False}, f"{ELSE}status 409"),
        ("1b", {"statuses": [200, 200], "first": False, "second": False}, f"{ELSE}the tag is not there"),
        ("2", {"first": (1, 0, 2), "second": (1, 0, 2)}, f"{ELSE}(1, 0, 2) and then (1, 0, 2)"),
        ("2", {"first": (0, 1, 2), "second": (2, 1, 0)}, f"{ELSE}kept, and then (2, 1, 0)"),
        ("2", {"first": (2, 0, 1), "second": (1, 0, 2)}, f"{ELSE}alphabetical, and then (1, 0, 2)"),
        ("2", {"first": (0, 1, 2), "second": (0, 1)}, f"{ELSE}(0, 1, 2) and then (0, 1)"),
        ("3", {"taken": 0, "refused": 2048, "why": "414"}, f"{ELSE}2,048 is refused (414)"),
        ("4", {"status": 409, "item": False, "library": False}, f"{ELSE}status 409"),
        ("7", {"status": 200, "now": "another"}, f"{ELSE}another date"),
        ("7", {"status": 400, "now": "empty"}, f"{ELSE}status 400, date empty"),
        ("10a", {"status": 200, "kept": -1}, f"{ELSE}another title"),
        ("10a", {"status": 200, "kept": 100}, f"{ELSE}cut to 100"),
        ("10b", {"status": 200, "XML": "gone", "JSON": "gone"}, f"{ELSE}XML gone, JSON gone"),
        ("11", {"statuses": [500], "more": 0}, f"{ELSE}status 500"),
        ("11", {"statuses": [200], "more": 2}, f"{ELSE}2 entries more"),
        ("12", {"status": 400, "removed": True}, f"{ELSE}400, but read"),
        ("13", {"seen": [{"told": "new"}, {"told": "old"}], "alone": False}, f"{ELSE}told new and old"),
        ("9", {"status": 409, "touched": False}, "409"),
    ],
)
def test_strange_replies(number: str, noted: dict[str, Any], answer: str) -> None:
    """The answer says what came, and has to be looked at."""
    question = QUESTIONS[number]
    assert question.read(noted) == answer
    assert question.means(answer) == "to be looked at"


@pytest.mark.parametrize(
    ("number", "noted", "answer"),
    [
        ("5", {"up": [1], "down": [1], "later": 0, "sized": None, "none": 0},
         "sort=id cannot be told, updatedAt>>= honoured, mediaSize= cannot be told"),
        ("8", {"GET": 405, "POST": 200}, "POST accepted; GET 405"),
        ("3", {"taken": 4096, "refused": 7168, "why": "no answer"}, "4,096, and 7,168 is refused (no answer)"),
        ("14", {"elements": ["Photo"], "marks": ["0", "1"], "names": ["ratingKey upload:// with SHA-1"]},
         "Photo; selected 0/1; ratingKey upload:// with SHA-1"),
    ],
)  # fmt: skip
def test_known_replies(number: str, noted: dict[str, Any], answer: str) -> None:
    """An answer that the tests' Plex does not give is known all the same."""
    question = QUESTIONS[number]
    assert question.read(noted) == answer
    assert question.means(answer).startswith("right: ")


def test_what_was_not_asked_means_nothing() -> None:
    """Of what could not be asked nothing is claimed."""
    assert QUESTIONS["14"].read({"elements": [], "marks": [], "names": []}) == f"{NOT_ASKED}the item has no posters"
    assert QUESTIONS["14"].means(f"{NOT_ASKED}why") == "not known"


def test_the_table_holds_whatever_plex_says() -> None:
    """The rows stand in the order of their numbers; nothing in an answer can break the table or run in a browser."""
    rows = [Row("10a", "Long?", "a|b\n<script>`", "right"), Row("2", "Order?", "x" * 999, "right")]
    text = render(rows, {"Plex": "1.2 on Linux\n| # |"}, 86400.0)
    first, _, _, _, *lines = text.splitlines()
    assert first.endswith("doctor of 1970-01-02; Plex 1.2 on Linux?? ? ?")
    assert [line.split(" | ")[0] for line in lines] == ["| 2", "| 10a"]
    assert lines[1] == "| 10a | Long? | a?b??script>? | right |"
    assert len(plain("x" * 999)) == LONGEST
