"""Stash's answers with bytes and escapes that no database and no URL accepts."""

from __future__ import annotations

import json
from typing import Any

import pytest

from plexsync.stash.transport import read_json


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b'{"a": "plain"}', {"a": "plain"}),
        (b'{"path": "/films/caf\xe9.mp4"}', {"path": "/films/caf\ufffd.mp4"}),
        (b'{"a": "\xed\xa0\x80"}', {"a": "\ufffd\ufffd\ufffd"}),
        (rb'{"a": "half \ud800 gone\uDFFF"}', {"a": "half  gone"}),
        (rb'{"\ud83d": ["\udc00", 1, null]}', {"": ["", 1, None]}),
        (rb'{"a": "\ud83d\ude00 \uD83D\uDE00"}', {"a": "\U0001f600 \U0001f600"}),
        (rb'{"a": "\\ud800"}', {"a": r"\ud800"}),
        ('{"a": "\U0001f600 é"}'.encode(), {"a": "\U0001f600 é"}),
    ],
    ids=["plain", "a Latin-1 file name", "a surrogate in bytes", "lone ones", "everywhere", "pairs", "a text", "UTF-8"],
)
def test_every_answer_can_be_stored(content: bytes, found: Any) -> None:
    """Whatever bytes and escapes an answer has, the result is valid UTF-8, with all valid characters kept."""
    said = read_json(content)
    assert said == found
    json.dumps(said, ensure_ascii=False).encode()


@pytest.mark.parametrize("content", [b"", b"{", b"<html>", b"\xff\xfe"])
def test_what_is_no_json_is_refused(content: bytes) -> None:
    """A page instead of JSON is a ``ValueError``, which the transport turns into Stash's error."""
    with pytest.raises(ValueError, match=r"Expecting|property"):
        read_json(content)
