"""The status object, in words and as an object: live, complete, and the same whatever is there yet."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from plexsync import __version__, metrics, status
from plexsync.core import locks
from plexsync.queue import dead_letters, jobs, stock
from plexsync.queue.meta import QueueMeta
from plexsync.state import ledger, pause
from plexsync.state.breaker import Breaker
from plexsync.state.counters import Stats
from plexsync.state.meta import Meta
from tests.support.queue_tools import NOW, change, job_keys, leased, made, put, scenes

EMPTY: dict[str, Any] = {
    "version": __version__,
    "queue": {"pending": 0, "waiting": 0, "in_progress": 0, "dead": 0, "oldest_seconds": 0},
    "dead_by_reason": dict.fromkeys(dead_letters.REASONS, 0),
    "breaker": {"state": "closed", "failures": 0, "opened_at": None, "retry_at": None},
    "worker": {"running": False, "pid": None},
    "totals": {"synced": 0, "unchanged": 0, "retried": 0, "dead": 0, "skipped": 0},
    "requests": {"plex_reads": 0, "plex_writes": 0, "stash": 0},
    "problem": None,
    "paused_kinds": [],
    "last_catchup": None,
    "doctor_left": False,
}

NO_TOTALS = "0 synced, 0 unchanged, 0 retried, 0 dead, 0 skipped"
TOTALS = "6 synced, 12 unchanged, 3 retried, 2 dead, 1 skipped"


def filled(folder: Path) -> sqlite3.Connection:
    """One job in each state, the oldest 90 s old: a pending, a waiting, a leased and a dead one."""
    conn = made(folder)
    put(conn, "scene:1")
    assert leased(conn) == ["scene:1"]
    put(conn, "scene:2", "scene:3", "scene:4", now=NOW + 60)
    change(conn, "scene:3", waiting=NOW, due=NOW + 900)
    change(conn, "scene:4", status=stock.DEAD, reason="rejected")
    return conn


@pytest.mark.parametrize(
    "there", ["no folder", "an empty folder", "queue.db", "both databases", "queue.db without schema"]
)
def test_nothing_yet(tmp_path: Path, there: str) -> None:
    """Before anything happened the status is whole and all zeros, and asking for it makes no file."""
    folder = tmp_path / "data"
    if there != "no folder":
        folder.mkdir()
    if there in ("queue.db", "both databases"):
        made(folder).close()
    if there == "both databases":
        ledger.open_state(str(folder)).close()
    if there == "queue.db without schema":
        sqlite3.connect(folder / "queue.db").close()
        (folder / "queue.db").touch()
    before = sorted(path.name for path in tmp_path.rglob("*") if not path.name.endswith(("-wal", "-shm")))
    assert status.status(str(folder), NOW) == EMPTY
    assert sorted(p.name for p in tmp_path.rglob("*") if not p.name.endswith(("-wal", "-shm"))) == before


def test_a_hooks_fresh_folder(tmp_path: Path) -> None:
    """What the first hook leaves, one pending row and no state.db, is told live."""
    put(made(tmp_path), "scene:1")
    assert status.status(str(tmp_path), NOW + 3) == EMPTY | {
        "queue": EMPTY["queue"] | {"pending": 1, "oldest_seconds": 3}
    }


def test_everything(tmp_path: Path) -> None:
    """Queue, dead letters, breaker, worker, totals, requests, problem and catch-up stand where they belong."""
    conn = filled(tmp_path)
    QueueMeta(conn).caught_up_at = NOW
    store = ledger.State(ledger.open_state(str(tmp_path)))
    store.meta.breaker = Breaker(7, NOW + 10, NOW + 200, 60.0)
    store.meta.pause = pause.Pause(pause.SETUP, NOW, "PlexSync is paused: the token is wrong.")
    store.meta.stats = Stats(synced=3, unchanged=2, dead=1, plex_reads=9, plex_writes=3, stash=4)
    fd = locks.open_lock(str(tmp_path / "worker.lock"))
    assert locks.try_lock(fd)
    locks.write_text(fd, "4711")
    assert status.status(str(tmp_path), NOW + 90) == EMPTY | {
        "queue": {"pending": 1, "waiting": 1, "in_progress": 1, "dead": 1, "oldest_seconds": 90},
        "dead_by_reason": EMPTY["dead_by_reason"] | {"rejected": 1},
        "breaker": {
            "state": "open", "failures": 7, "opened_at": "2024-03-09T16:00:10Z", "retry_at": "2024-03-09T16:03:20Z",
        },
        "worker": {"running": True, "pid": 4711},
        "totals": {"synced": 3, "unchanged": 2, "retried": 0, "dead": 1, "skipped": 0},
        "requests": {"plex_reads": 9, "plex_writes": 3, "stash": 4},
        "problem": "PlexSync is paused: the token is wrong.",
        "last_catchup": "2024-03-09T16:00:00Z",
    }  # fmt: skip
    assert status.status(str(tmp_path), NOW + 201)["breaker"]["state"] == "half_open"
    locks.unlock(fd)
    assert status.status(str(tmp_path), NOW)["worker"] == {"running": False, "pid": None}


def test_a_pause_without_a_sentence_is_no_problem(tmp_path: Path) -> None:
    """An outage of Plex is told by the breaker; ``problem`` is only for what the user has to put right."""
    conn = ledger.open_state(str(tmp_path))
    Meta(conn).pause = pause.Pause(pause.PLEX, NOW + 60)
    assert status.status(str(tmp_path), NOW)["problem"] is None


def test_the_clock_went_back(tmp_path: Path) -> None:
    """A job from the future is no negative age."""
    put(made(tmp_path), "scene:1", now=NOW + 500)
    assert status.status(str(tmp_path), NOW)["queue"]["oldest_seconds"] == 0


@pytest.mark.parametrize(
    ("at", "text"), [(None, None), (0.0, "1970-01-01T00:00:00Z"), (1_710_000_000.9, "2024-03-09T16:00:00Z")]
)
def test_moments(at: float | None, text: str | None) -> None:
    """Times are ISO 8601 in UTC, and nothing stays nothing."""
    assert status.moment(at) == text


def test_words_of_nothing() -> None:
    """An idle PlexSync is told in three sentences, without a word on what is not there."""
    assert status.sentences(EMPTY) == [
        "Queue: 0 pending, 0 waiting for Plex to have the file, 0 in progress, 0 dead letters.",
        "Background worker: not running; the next edit or task starts it.",
        f"So far: {NO_TOTALS}. Requests: 0 reads of Plex, 0 writes to Plex, 0 to Stash.",
    ]


def test_words_of_everything() -> None:
    """The most urgent comes first: what to put right, the outage, then queue, dead letters, worker, totals, rates."""
    assert status.sentences(
        EMPTY
        | {
            "problem": "PlexSync is paused: the token is wrong.",
            "doctor_left": True,
            "breaker": {"state": "open", "failures": 9, "opened_at": "A", "retry_at": "B"},
            "queue": {"pending": 5, "waiting": 4, "in_progress": 3, "dead": 1, "oldest_seconds": 7},
            "dead_by_reason": {"rejected": 1, "invalid": 0},
            "worker": {"running": True, "pid": 42},
            "totals": {"synced": 6, "unchanged": 12, "retried": 3, "dead": 2, "skipped": 1},
            "requests": {"plex_reads": 20, "plex_writes": 10, "stash": 5},
        }
    ) == [
        "PlexSync is paused: the token is wrong.",
        f"{status.DOCTOR_LEFT} {status.PUT_BACK}",
        "Plex has been unreachable since A; next attempt at B.",
        "Queue: 5 pending, 4 waiting for Plex to have the file, 3 in progress, 1 dead letter.",
        "Dead letters by reason: rejected 1.",
        "The oldest job is 7 s old.",
        "Background worker: running (pid 42).",
        f"So far: {TOTALS}. Requests: 20 reads of Plex, 10 writes to Plex, 5 to Stash.",
        "Rates: 90 % arrived in Plex, 66 % of them without a write; 1.5 requests to Plex per scene.",
    ]


def test_rates_when_nothing_arrived() -> None:
    """Only dead letters so far: a rate of zero, and no share of nothing."""
    found = EMPTY | {"totals": EMPTY["totals"] | {"dead": 2}}
    assert status.sentences(found)[-1] == "Rates: 0 % arrived in Plex; 0.0 requests to Plex per scene."


def test_no_secret_and_no_title(tmp_path: Path) -> None:
    """Neither form shows a dead letter's message or candidates, which may hold names."""
    conn = filled(tmp_path)
    change(conn, "scene:4", message="A title", candidates='["/media/A title.mp4"]')
    found = status.status(str(tmp_path), NOW)
    assert "title" not in json.dumps(found) + metrics.text(found, Stats(), NOW) + " ".join(status.sentences(found))


def test_100_000_rows_cost_two_looks(tmp_path: Path) -> None:
    """However many jobs there are, the status reads the table once and the dead ones by their index."""
    conn = made(tmp_path)
    jobs.enqueue_many(conn, job_keys(scenes(2000)), "x", NOW, 0, lambda _: None)
    scans: list[str] = []
    conn.set_trace_callback(scans.append)
    jobs.counts(conn)
    dead_letters.by_reason(conn)
    assert len(scans) == 2
    plans = [row[3] for sql in scans for row in conn.execute(f"EXPLAIN QUERY PLAN {sql}")]
    assert (
        sum(plan.startswith("SCAN ack_queue_default") or plan == "SCAN TABLE ack_queue_default" for plan in plans) == 1
    )
    assert any("USING INDEX job_due (status=?)" in plan for plan in plans)
