"""Rows that persist-queue's stock class put: what becomes a job, and what becomes a dead letter."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from plexsync.queue import stock
from tests.support.queue_tools import NOW, job, keys, made


@pytest.mark.parametrize(
    "data",
    [
        b'{"key": "tag:3", "reason": "old"}',
        '{"key": "tag:3"}',
        b'{"key": "tag:3", "odd": "\xff"}',
        '{"key": "tag:3", "odd": "\u6771"}'.encode(),
    ],
    ids=["bytes", "text", "broken UTF-8", "UTF-8"],
)
@pytest.mark.parametrize("status", [stock.INITED, stock.READY])
def test_a_payload_with_a_key_becomes_a_job(tmp_path: Path, data: object, status: int) -> None:
    """It is a job like an edit's by hand, due now, whatever else the payload holds."""
    conn = made(tmp_path)
    conn.execute("INSERT INTO ack_queue_default (data, status, timestamp) VALUES (?, ?, 5)", (data, status))
    stock.adopt(conn, NOW, lambda _: None)
    row = job(conn, "tag:3")
    assert (row["status"], row["due"], row["first_seen"], row["priority"]) == (stock.READY, NOW, NOW, 0)
    assert json.loads(row["data"]) == {"key": "tag:3", "reason": "put", "at": NOW}
    assert keys(conn) == ["tag:3"]


@pytest.mark.parametrize(
    "data",
    [b"\x80\x05.", "no JSON", "[1]", "5", "null", '{"key": 5}', '{"key": "film:3"}', '{"key": "\\ud800"}', None, 7],
    ids=str,
)
def test_any_other_payload_becomes_a_dead_letter(tmp_path: Path, data: object) -> None:
    """It says why, and is nobody's; the rows beside it are left alone."""
    conn = made(tmp_path)
    conn.execute("INSERT INTO ack_queue_default (data, key, status) VALUES ('{}', 'scene:1', 1)")
    conn.execute("INSERT INTO ack_queue_default (data, status, bulk, task, waiting) VALUES (?, 0, 1, 't1', 5)", (data,))
    stock.adopt(conn, NOW, lambda _: None)
    columns = "status, bulk, task, waiting, reason, message, last_seen"
    assert conn.execute(f"SELECT {columns} FROM ack_queue_default WHERE key IS NULL").fetchall() == [
        (
            9,
            0,
            None,
            None,
            "invalid",
            "This row of the queue names no scene, performer, studio or tag. Discard it.",
            NOW,
        )
    ]
    assert keys(conn, "status = 1") == ["scene:1"]
