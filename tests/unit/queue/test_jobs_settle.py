"""Jobs: what becomes of leased rows, of rows whose worker died, and of waiting rows when Plex gains a file."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from plexsync.model.job_key import JobKey
from plexsync.queue import bulk, jobs, stock
from tests.support.queue_tools import NOW, change, job, job_keys, keys, leased, made, put, settle


@pytest.fixture
def conn(tmp_path: Path) -> sqlite3.Connection:
    """A queue with one leased bulk row, ``scene:1``, which the task t1 follows."""
    conn = made(tmp_path)
    put(conn, "scene:1", priority=2)
    change(conn, "scene:1", bulk=1, task="t1", rescues=1, attempts=2)
    assert leased(conn) == ["scene:1"]
    return conn


def test_done(conn: sqlite3.Connection) -> None:
    """A done row is removed."""
    settle(conn, "scene:1", "done")
    assert keys(conn) == []


def test_later(conn: sqlite3.Connection) -> None:
    """A row for later is pending with the given due time, attempts and reason; its rescues are reset."""
    settle(conn, "scene:1", "later", due=NOW + 30, attempts=3, waiting=NOW - 5, reason="busy", message="why")
    row = job(conn, "scene:1")
    assert (row["status"], row["due"], row["attempts"], row["waiting"]) == (stock.READY, NOW + 30, 3, NOW - 5)
    assert (row["reason"], row["message"], row["rescues"], row["task"], row["bulk"]) == ("busy", "why", 0, "t1", 1)
    assert leased(conn) == []
    assert leased(conn, now=NOW + 30) == ["scene:1"]


def test_dead(conn: sqlite3.Connection) -> None:
    """A dead-lettered row keeps the reason and belongs to no task."""
    settle(conn, "scene:1", "dead", attempts=8, reason="low_confidence", message="why", candidates="[1]", now=NOW + 4)
    row = job(conn, "scene:1")
    assert (row["status"], row["attempts"], row["reason"], row["message"]) == (stock.DEAD, 8, "low_confidence", "why")
    assert (row["candidates"], row["bulk"], row["task"], row["last_seen"]) == ("[1]", 0, None, NOW + 4)
    assert leased(conn, now=NOW + 1e6) == []


def test_release(conn: sqlite3.Connection) -> None:
    """A released row is as it was: no attempt is spent, and its rescues stay."""
    before = job(conn, "scene:1")
    settle(conn, "scene:1", "release")
    assert job(conn, "scene:1") == before | {"status": stock.READY, "leased": None}


@pytest.mark.parametrize("to", ["done", "later", "dead", "release"])
def test_edited_meanwhile(conn: sqlite3.Connection, to: str) -> None:
    """However a row ends, an edit since its lease makes it pending and due instead, with a clean slate."""
    put(conn, "scene:1", now=NOW + 1)
    settle(conn, "scene:1", to, now=NOW + 2, due=NOW + 900, attempts=5, waiting=NOW, reason="busy", message="why")
    row = job(conn, "scene:1")
    assert (row["status"], row["due"], row["attempts"], row["waiting"]) == (stock.READY, NOW, 0, None)
    assert (row["reason"], row["message"], row["bulk"], row["priority"]) == (None, None, 0, 0)
    assert leased(conn, now=NOW + 2) == ["scene:1"]
    settle(conn, "scene:1", to, now=NOW + 3, due=NOW + 900)
    assert keys(conn, "status = 1 AND due <= 1710000003") == (["scene:1"] if to == "release" else [])


def test_a_task_counts_rows_not_outcomes(conn: sqlite3.Connection) -> None:
    """A row that comes again is counted once, by its last outcome; written and then unchanged counts as written."""
    bulk.mark_many(conn, job_keys(["scene:1"]), "Sync all", "task", NOW, lambda seconds: None)
    for outcome in ("retried", "waiting", "retried"):
        change(conn, "scene:1", status=stock.LEASED, generation=1, leased=1)
        settle(conn, "scene:1", "later", due=NOW + 5, task="task", outcome=outcome)
        assert bulk.outcomes(conn, "task") == {outcome: 1}
    change(conn, "scene:1", status=stock.LEASED, generation=2, leased=1)
    settle(conn, "scene:1", "done", task="task", outcome="synced")
    assert bulk.outcomes(conn, "task") == {"synced": 1}
    change(conn, "scene:1", status=stock.LEASED, generation=1, leased=1)
    settle(conn, "scene:1", "done", task="task", outcome="unchanged")
    assert bulk.outcomes(conn, "task") == {"synced": 1}
    assert keys(conn) == []


def test_a_task_keeps_following_what_was_released(conn: sqlite3.Connection) -> None:
    """Marked while leased, and released because Plex was unreachable: the row is still left to do."""
    put(conn, "scene:1", now=NOW + 1)
    bulk.mark_many(conn, job_keys(["scene:1"]), "Sync all", "task", NOW + 2, lambda seconds: None)
    settle(conn, "scene:1", "release", now=NOW + 9, task=None)
    assert bulk.left(conn, "task", NOW + 3) == 1


@pytest.mark.parametrize("status", [stock.READY, stock.DEAD])
def test_settled_twice(conn: sqlite3.Connection, status: int) -> None:
    """A late settlement does not touch a row that is no longer in progress."""
    change(conn, "scene:1", status=status)
    before = job(conn, "scene:1")
    settle(conn, "scene:1", "done", now=NOW + 9)
    assert job(conn, "scene:1") == before


def test_outcomes_are_counted(conn: sqlite3.Connection) -> None:
    """The rows of a task are counted by outcome, in the same transaction; rows that nobody follows are not."""
    for _ in range(2):
        settle(conn, "scene:1", "release", task="t1", outcome="retried")
        leased(conn)
    settle(conn, "scene:1", "release", outcome="synced")
    assert conn.execute("SELECT * FROM outcome").fetchall() == [("t1", "retried", 2)]


def test_nothing_is_kept_of_done_jobs(tmp_path: Path) -> None:
    """After thousands of done jobs the table is empty, and the file as small as before."""
    conn = made(tmp_path)
    pages = []
    for start in range(0, 10_000, 1000):
        jobs.enqueue_many(conn, [JobKey.scene(start + n) for n in range(1, 1001)], "edit", NOW, 0, lambda _: None)
        rows = jobs.lease(conn, NOW, NOW + 60, 1000)
        assert len(rows) == 1000
        jobs.settle(conn, [{"id": row[0], "generation": row[2], "to": "done"} for row in rows], NOW)
        pages.append(conn.execute("PRAGMA page_count").fetchone()[0])
    assert keys(conn) == []
    assert pages[-1] <= pages[1]


def test_rescued(tmp_path: Path) -> None:
    """What a dead worker had leased is pending again, with one rescue more; other rows are not touched."""
    conn = made(tmp_path)
    put(conn, "scene:1", "scene:2")
    leased(conn)
    put(conn, "scene:3")
    assert jobs.rescue(conn, NOW) == 2
    assert [job(conn, f"scene:{n}")["rescues"] for n in (1, 2, 3)] == [1, 1, 0]
    assert keys(conn, "status = 1") == ["scene:1", "scene:2", "scene:3"]
    assert jobs.rescue(conn, NOW) == 0


def test_alone(tmp_path: Path) -> None:
    """Rows rescued twice come after the others, and then one at a time."""
    conn = made(tmp_path)
    put(conn, "scene:1", "scene:2", "scene:3", "scene:4")
    change(conn, "scene:1", rescues=2)
    change(conn, "scene:2", rescues=4)
    change(conn, "scene:3", rescues=1)
    assert leased(conn) == ["scene:3", "scene:4"]
    assert sorted([leased(conn), leased(conn)]) == [["scene:1"], ["scene:2"]]
    change(conn, "scene:1", status=stock.READY, rescues=4)
    change(conn, "scene:2", status=stock.READY, rescues=2)
    assert [leased(conn), leased(conn)] == [["scene:2"], ["scene:1"]]


def test_what_kills_the_worker_is_dead_lettered(tmp_path: Path) -> None:
    """A scene that crashes the worker each time is dead after five times, and the others are done by then."""
    conn = made(tmp_path)
    put(conn, "scene:1", "scene:2", "scene:3")
    lives = 0
    while batch := leased(conn):
        if "scene:2" in batch:
            lives += 1
            jobs.rescue(conn, NOW + lives)
        else:
            settle(conn, batch[0], "done")
    row = job(conn, "scene:2")
    assert (lives, keys(conn)) == (jobs.DEAD_AFTER, ["scene:2"])
    assert (row["status"], row["reason"], row["last_seen"], row["bulk"]) == (
        stock.DEAD, "retries_exhausted", NOW + 5, 0,
    )  # fmt: skip
    assert row["message"] == (
        "The worker died 5 times while it worked on scene:2. Edit it in Stash, or run Process DLQ, to try again."
    )


def test_an_edit_resets_the_rescues(tmp_path: Path) -> None:
    """An edit of a row in progress resets its rescues: the fifth rescue does not dead-letter a new edit."""
    conn = made(tmp_path)
    put(conn, "scene:1")
    change(conn, "scene:1", rescues=4)
    leased(conn)
    put(conn, "scene:1")
    jobs.rescue(conn, NOW)
    assert (job(conn, "scene:1")["status"], job(conn, "scene:1")["rescues"]) == (stock.READY, 1)


def in_every_state(conn: sqlite3.Connection) -> None:
    """Put scenes 1 to 7 into the states in which a gained file may find them."""
    put(conn, *(f"scene:{n}" for n in range(1, 8)), now=NOW)
    change(conn, "scene:1", waiting=NOW, due=NOW + 900, attempts=3)
    change(conn, "scene:2", waiting=NOW, due=NOW - 9, attempts=3)
    change(conn, "scene:3", due=NOW + 900, attempts=3)
    change(
        conn, "scene:4", status=stock.DEAD, reason="low_confidence", message="m", candidates="[]", attempts=2, bulk=1
    )
    change(conn, "scene:5", status=stock.DEAD, reason="not_in_plex")
    change(conn, "scene:6", status=stock.LEASED, waiting=NOW, due=NOW + 900)
    change(conn, "scene:7", waiting=NOW, due=NOW + 9e6)
    change(conn, "scene:4", priority=2, task="t9", due=NOW + 50, waiting=NOW)


def states(conn: sqlite3.Connection) -> dict[str, dict[str, object]]:
    """Return every row by key."""
    return {key: job(conn, key) for key in keys(conn)}


AWAKE: dict[str, dict[str, object]] = {
    "scene:1": {"due": NOW + 5},
    "scene:4": {
        "status": stock.READY, "due": NOW + 5, "priority": jobs.FAN_OUT, "bulk": 0, "task": None, "waiting": None,
        "reason": None, "message": None, "candidates": None,
    },
    "scene:7": {"due": NOW + 5},
}  # fmt: skip


@pytest.mark.parametrize("chosen", [{1, 2, 3, 4, 5, 6, 7, 8}, {1, 2}, {4, 5}, {3}, set()], ids=str)
def test_wake_scenes(tmp_path: Path, chosen: set[int]) -> None:
    """Of the named scenes, those waiting or unsure become due at once, at no attempt; nothing else changes."""
    conn = made(tmp_path)
    in_every_state(conn)
    woken = {key: values for key, values in AWAKE.items() if int(key[6:]) in chosen}
    wanted = {key: row | woken.get(key, {}) for key, row in states(conn).items()}
    assert jobs.wake_scenes(conn, iter(chosen), NOW + 5) == len(woken)
    assert states(conn) == wanted
    assert jobs.wake_scenes(conn, chosen, NOW + 5) == 0


def test_wake_all_waiting(tmp_path: Path) -> None:
    """When the index was filled, the same holds for all rows."""
    conn = made(tmp_path)
    in_every_state(conn)
    wanted = {key: row | AWAKE.get(key, {}) for key, row in states(conn).items()}
    assert jobs.wake_all_waiting(conn, NOW + 5) == len(AWAKE)
    assert states(conn) == wanted


def test_a_trial_takes_another_row_than_the_last(tmp_path: Path) -> None:
    """Of the rows held back for a reason, the one not tried for longest becomes due, the last one only if alone."""
    conn = made(tmp_path)
    put(conn, *(f"scene:{n}" for n in range(1, 5)))
    for n in (1, 2, 3):
        change(conn, f"scene:{n}", reason="edit", due=NOW + 900, priority=jobs.RETRY, last_seen=NOW + n)
    change(conn, "scene:3", priority=jobs.FAN_OUT)
    ids = {n: int(str(states(conn)[f"scene:{n}"]["_id"])) for n in range(1, 5)}

    def woken(last: int) -> list[int]:
        assert jobs.wake_trial(conn, "edit", NOW + 5, last)
        found = [n for n in ids if states(conn).get(f"scene:{n}", {}).get("due") == NOW + 5]
        conn.execute("UPDATE ack_queue_default SET due = ? WHERE reason = 'edit'", (NOW + 900,))
        return found

    assert woken(0) == [3]
    assert woken(ids[3]) == [1]
    conn.execute("DELETE FROM ack_queue_default WHERE _id <> ?", (ids[2],))
    assert woken(ids[2]) == [2]
    assert not jobs.wake_trial(conn, "upload", NOW, 0)


def test_held(tmp_path: Path) -> None:
    """What is held back for a reason is found, and becomes due when the reason is gone; nothing else changes."""
    conn = made(tmp_path)
    put(conn, "scene:1", "scene:2", "scene:3")
    assert not jobs.is_held(conn, "dry_run")
    change(conn, "scene:1", reason="dry_run", message="m", due=NOW + 60)
    change(conn, "scene:2", reason="busy", due=NOW + 60)
    change(conn, "scene:3", reason="dry_run", status=stock.DEAD)
    assert jobs.is_held(conn, "dry_run")
    wanted = states(conn)
    wanted["scene:1"] |= {"reason": None, "message": None, "due": NOW + 5}
    jobs.wake_held(conn, "dry_run", NOW + 5)
    assert states(conn) == wanted
    assert not jobs.is_held(conn, "dry_run")


def test_pending_scenes(tmp_path: Path) -> None:
    """The scenes edited since a time, oldest edit first: no bulk rows, no other kinds, none in progress or dead."""
    conn = made(tmp_path)
    for number in range(1, 8):
        put(conn, f"scene:{number}", now=NOW + 10 - number)
    put(conn, "tag:9", now=NOW + 10)
    change(conn, "scene:1", bulk=1)
    change(conn, "scene:2", status=stock.LEASED)
    change(conn, "scene:3", status=stock.DEAD)
    assert jobs.pending_scenes(conn, NOW + 4) == [6, 5, 4]
