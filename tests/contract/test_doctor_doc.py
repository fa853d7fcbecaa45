"""docs/build/real-plex.md against the doctor's catalogue."""

from __future__ import annotations

import re
from pathlib import Path

from plexsync.doctor import catalogue
from plexsync.doctor.table import plain

DOCUMENT = Path(__file__).resolve().parents[2].joinpath("docs", "build", "real-plex.md").read_text("utf-8")
ROWS = re.findall(r"^\| (\d+[a-z]?) \| ([^|]+) \| ([^|]+) \| ([^|]+) \|$", DOCUMENT, flags=re.MULTILINE)
QUESTIONS = {question.number: question for question in catalogue.questions(lambda: (b"", ""))}


def test_every_question_is_documented() -> None:
    """The document has each question in its own words, in the order of their numbers, and no other."""
    assert {number: asks for number, asks, _, _ in ROWS} == {one.number: one.asks for one in QUESTIONS.values()}
    assert [number for number, *_ in ROWS] == sorted(QUESTIONS, key=lambda number: (int(number.rstrip("abc")), number))


def test_every_answer_is_documented() -> None:
    """Each answer of a question that has a handful of them stands there, and so does why PlexSync is right."""
    for number, _, answers, right in ROWS:
        question = QUESTIONS[number]
        if len(question.answers) <= 9:
            assert set(re.findall(r"`([^`]+)`", answers)) == set(question.answers)
        assert question.because in right or right == "the same" or number == "14"


def test_every_answer_survives_the_table() -> None:
    """No known answer has a character that the table takes out."""
    for question in QUESTIONS.values():
        assert [answer for answer in question.answers if plain(answer) != answer] == []
