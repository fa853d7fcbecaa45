"""Dead letters: how they are listed, retried and discarded, and what Clear queue leaves behind."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from plexsync.model.job_key import JobKey
from plexsync.queue import dead_letters, jobs, stock
from plexsync.queue.meta import QueueMeta
from tests.support.queue_tools import NOW, change, job, job_keys, keys, leased, made, put

REASONS = {1: "low_confidence", 2: "not_in_plex", 3: "rejected", 4: "retries_exhausted", 5: None}


@pytest.fixture
def conn(tmp_path: Path) -> sqlite3.Connection:
    """Five dead letters, one of them made by the stock class; scene 6 is pending, scene 7 leased."""
    conn = made(tmp_path)
    put(conn, *(f"scene:{number}" for number in range(1, 8)))
    for number, reason in REASONS.items():
        change(
            conn, f"scene:{number}", status=stock.DEAD, reason=reason, message=f"m{number}", attempts=number, bulk=1,
            task="t1", rescues=4, priority=2, candidates="[]", last_seen=NOW + number, waiting=NOW,
        )  # fmt: skip
    change(conn, "scene:7", status=stock.LEASED)
    return conn


def test_list(conn: sqlite3.Connection) -> None:
    """Dead letters are listed newest first, each with a reason of the contract."""
    listed = dead_letters.dead_letters(conn)
    assert [row[1] for row in listed] == ["scene:5", "scene:4", "scene:3", "scene:2", "scene:1"]
    assert listed[-1] == (1, "scene:1", "low_confidence", "m1", 1, NOW, NOW + 1, "[]")
    assert {row[2] for row in listed} <= set(dead_letters.REASONS)
    assert dead_letters.by_reason(conn) == {
        "low_confidence": 1,
        "not_in_plex": 1,
        "rejected": 1,
        "retries_exhausted": 2,
    }


def test_retry(conn: sqlite3.Connection) -> None:
    """A retried dead letter has a clean slate and is never bulk; pending and leased rows are not touched."""
    ids = [job(conn, f"scene:{number}")["_id"] for number in (1, 3, 6, 7)]
    before = [job(conn, "scene:6"), job(conn, "scene:7")]
    assert dead_letters.retry(conn, [*ids, 999], NOW + 50) == 2
    row = job(conn, "scene:1")
    assert (row["status"], row["due"], row["attempts"], row["rescues"]) == (stock.READY, NOW + 50, 0, 0)
    assert (row["bulk"], row["task"], row["priority"], row["waiting"]) == (0, None, jobs.FAN_OUT, None)
    assert (row["reason"], row["message"], row["candidates"]) == (dead_letters.RETRIED, None, None)
    assert (row["first_seen"], row["generation"]) == (NOW + 50, 2)
    assert [job(conn, "scene:6"), job(conn, "scene:7")] == before
    assert keys(conn, "status = 9") == ["scene:2", "scene:4", "scene:5"]


def test_no_key_no_retry(conn: sqlite3.Connection) -> None:
    """A dead letter without a key cannot be retried, only discarded."""
    conn.execute("INSERT INTO ack_queue_default (status, reason) VALUES (9, 'invalid')")
    row = dead_letters.dead_letters(conn)[-1]
    assert (row[1], row[2]) == (None, "invalid")
    assert dead_letters.retry(conn, [int(str(row[0]))], NOW) == 0
    assert dead_letters.retry_all(conn, NOW) == 5
    assert dead_letters.discard(conn, [int(str(row[0]))]) == 1
    assert dead_letters.dead_letters(conn) == []


@pytest.mark.parametrize(
    ("keep", "kept"),
    [
        ((), []),
        (("retries_exhausted",), ["scene:4", "scene:5"]),
        (("rejected", "low_confidence"), ["scene:1", "scene:3"]),
        (("none of ours",), []),
    ],
    ids=["all", "but exhausted", "but two", "unknown"],
)
def test_retry_all(conn: sqlite3.Connection, keep: tuple[str, ...], kept: list[str]) -> None:
    """Every dead letter except those of the named reasons is retried, and followed by the task."""
    assert dead_letters.retry_all(conn, NOW + 50, "t2", keep) == 5 - len(kept)
    assert keys(conn, "status = 9") == kept
    assert len(keys(conn, "task = 't2' AND bulk = 0 AND status = 1")) == 5 - len(kept)


def test_discard(conn: sqlite3.Connection) -> None:
    """Only dead letters are discarded, whatever ids are named."""
    assert dead_letters.discard(conn, [job(conn, f"scene:{number}")["_id"] for number in (1, 6, 7)] + [999]) == 1
    assert keys(conn) == [f"scene:{number}" for number in range(2, 8)]


def test_clear_dead(conn: sqlite3.Connection) -> None:
    """Clear DLQ deletes all dead letters and nothing else."""
    assert dead_letters.clear_dead(conn) == 5
    assert keys(conn) == ["scene:6", "scene:7"]


def test_clear_pending(conn: sqlite3.Connection) -> None:
    """Clear queue deletes pending and waiting rows and stores its time; leased and dead ones stay."""
    put(conn, "scene:8")
    change(conn, "scene:8", waiting=NOW, due=NOW + 900)
    conn.execute("INSERT INTO ack_queue_default (status, data) VALUES (0, '{}')")
    assert dead_letters.clear_pending(conn, NOW + 9) == 3
    assert keys(conn) == [f"scene:{number}" for number in (1, 2, 3, 4, 5, 7)]
    assert QueueMeta(conn).cleared_at == NOW + 9


def test_cleared_at(conn: sqlite3.Connection) -> None:
    """A cleared key is remembered with the newest time, and an edit since then does not change that."""
    wanted = ["scene:6", "scene:1", "scene:7", "tag:1"]
    assert dead_letters.cleared_at(conn, job_keys(wanted)) == {}
    dead_letters.clear_pending(conn, NOW + 9)
    put(conn, "scene:6", "tag:1", now=NOW + 20)
    assert dead_letters.cleared_at(conn, job_keys(iter(wanted))) == {JobKey.scene(6): NOW + 9}
    dead_letters.clear_pending(conn, NOW + 30)
    assert dead_letters.cleared_at(conn, job_keys(wanted)) == {
        JobKey.scene(6): NOW + 30,
        JobKey("tag", 1): NOW + 30,
    }
    assert leased(conn, now=NOW + 99) == []
