"""One queue, two ways in: the hook's standard-library insert and persist-queue's class work on the same rows.

Against the persist-queue that is installed. The hook's side is ``enqueue.py`` and ``jobs.py`` without the subclass.
"""

from __future__ import annotations

import json
import pickle
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import persistqueue
import pytest
from persistqueue.serializers import json as json_serializer
from persistqueue.sqlackqueue import AckStatus

from plexsync.core import enqueue, environment
from plexsync.queue import dead_letters, jobs
from plexsync.queue import stock as numbers
from plexsync.queue.worker_queue import JobQueue, Settlement
from tests.support.queue_tools import NOW, change, job, keys, made, put, settle

KEY = "scene:5"
PAYLOAD = {"key": KEY, "reason": "Scene.Update.Post", "at": NOW}


@pytest.fixture
def conn(tmp_path: Path) -> sqlite3.Connection:
    """The hook's side of an empty queue."""
    return made(tmp_path)


@pytest.fixture
def stock(tmp_path: Path, conn: sqlite3.Connection) -> Iterator[Any]:
    """persist-queue's own class, unchanged, on the same file."""
    opened = open_stock(tmp_path)
    yield opened
    opened.close()


@pytest.fixture
def ours(tmp_path: Path, conn: sqlite3.Connection) -> Iterator[JobQueue]:
    """The worker's subclass on the same file, at ``NOW``."""
    opened = JobQueue(str(tmp_path), lambda: NOW)
    yield opened
    opened.close()


def open_stock(folder: Path, **options: Any) -> Any:
    """persist-queue's own class on the queue of ``folder``."""
    return persistqueue.SQLiteAckQueue(
        str(folder), db_file_name=environment.QUEUE_DB, serializer=json_serializer, **{"auto_resume": False} | options
    )


def test_status_numbers() -> None:
    """Our status numbers are those of the installed persist-queue."""
    theirs = (AckStatus.inited, AckStatus.ready, AckStatus.unack, AckStatus.acked, AckStatus.ack_failed)
    assert [int(status) for status in theirs] == [
        numbers.INITED,
        numbers.READY,
        numbers.LEASED,
        numbers.DONE,
        numbers.DEAD,
    ]


def test_one_schema(conn: sqlite3.Connection, tmp_path: Path) -> None:
    """Hook, jobs and subclass share one insert, and the table begins with the columns that the stock class makes."""
    columns = "SELECT name, type, pk FROM pragma_table_info('ack_queue_default')"
    (tmp_path / "stock").mkdir()
    fresh = open_stock(tmp_path / "stock")
    wanted = sqlite3.connect(tmp_path / "stock" / environment.QUEUE_DB).execute(columns).fetchall()
    fresh.close()
    assert conn.execute(columns).fetchall()[: len(wanted)] == wanted


def test_schema_is_left_alone(conn: sqlite3.Connection, tmp_path: Path) -> None:
    """Opening the file by the stock class or by the subclass changes nothing in its schema."""
    before = conn.execute("SELECT * FROM sqlite_master").fetchall()
    open_stock(tmp_path).close()
    JobQueue(str(tmp_path)).close()
    assert conn.execute("SELECT * FROM sqlite_master").fetchall() == before


def test_payload_is_json(conn: sqlite3.Connection, ours: JobQueue, stock: Any) -> None:
    """However a row is put, its payload is a BLOB of JSON and never a pickle."""
    put(conn, KEY)
    ours.put({"key": "scene:6"})
    stock.put({"key": "scene:7"})
    rows = conn.execute("SELECT typeof(data), data FROM ack_queue_default").fetchall()
    assert [kind for kind, _ in rows] == ["blob"] * 3
    assert [json.loads(data)["key"] for _, data in rows] == [KEY, "scene:6", "scene:7"]
    for _, data in rows:
        with pytest.raises(pickle.UnpicklingError):
            pickle.loads(data)


def test_stock_agrees(conn: sqlite3.Connection, tmp_path: Path) -> None:
    """The stock class opens the file and agrees on size, counts by state and contents."""
    put(conn, *(f"scene:{number}" for number in range(1, 8)))
    jobs.lease(conn, NOW, NOW + 9, 2)
    for number in (3, 4, 5):
        change(conn, f"scene:{number}", status=numbers.DEAD, reason="rejected")
    for opened in (open_stock(tmp_path), JobQueue(str(tmp_path))):
        assert (opened.size, opened.qsize(), len(opened), opened.empty()) == (2, 2, 2, False)
        assert (opened.ready_count(), opened.unack_count(), opened.ack_failed_count()) == (2, 2, 3)
        assert opened.acked_count() == 0
        assert [(row["id"], row["status"], row["data"]["key"]) for row in opened.queue()] == [
            (row["_id"], row["status"], row["key"]) for row in (job(conn, key) for key in keys(conn))
        ]
        opened.close()
    counted = jobs.counts(conn)
    assert (counted["pending"], counted["in_progress"], counted["dead"]) == (2, 2, 3)


def put_by_hook(conn: sqlite3.Connection, _: JobQueue, __: Any) -> None:
    enqueue.enqueue(conn, KEY, "Scene.Update.Post", NOW, NOW)


def put_by_subclass(_: sqlite3.Connection, ours: JobQueue, __: Any) -> None:
    ours.put(PAYLOAD)


def put_by_stock(_: sqlite3.Connection, __: JobQueue, stock: Any) -> None:
    stock.put(PAYLOAD)


Put = Callable[[sqlite3.Connection, JobQueue, Any], None]
PUTS = pytest.mark.parametrize(
    "put_one", [put_by_hook, put_by_subclass, put_by_stock], ids=["hook", "subclass", "stock"]
)


@PUTS
def test_leased_and_acked_by_the_subclass(conn: sqlite3.Connection, ours: JobQueue, stock: Any, put_one: Put) -> None:
    """Rows from any side are leased, put back, dead-lettered, retried and done by the subclass."""
    put_one(conn, ours, stock)
    (leased,) = ours.lease(10)
    assert (str(leased.key), leased.attempts) == (KEY, 0)
    ours.settle([Settlement(leased, "later", due=NOW, attempts=1, reason="busy")])
    (leased,) = ours.lease(10)
    assert leased.attempts == 1
    ours.settle([Settlement(leased, "dead", attempts=2, reason="rejected")])
    assert (stock.ack_failed_count(), stock.unack_count()) == (1, 0)
    assert dead_letters.retry_all(conn, NOW) == 1
    ours.settle([Settlement(job, "done") for job in ours.lease(10)])
    assert stock.queue() == []


@PUTS
def test_leased_and_acked_without_the_subclass(
    conn: sqlite3.Connection, ours: JobQueue, stock: Any, put_one: Put
) -> None:
    """Rows from any side are leased, put back, dead-lettered, revived and done by our SQL."""
    put_one(conn, ours, stock)
    for to, status in [("later", numbers.READY), ("release", numbers.READY), ("dead", numbers.DEAD)]:
        assert [row[1] for row in jobs.lease(conn, NOW, NOW + environment.horizon(), 10)] == [KEY]
        settle(conn, KEY, to)
        assert job(conn, KEY)["status"] == status
    enqueue.enqueue(conn, KEY, "edit", NOW, NOW)
    jobs.lease(conn, NOW, NOW + 9, 10)
    settle(conn, KEY, "done")
    assert (stock.queue(), ours.size) == ([], 0)


@PUTS
def test_taken_back(conn: sqlite3.Connection, ours: JobQueue, stock: Any, put_one: Put) -> None:
    """A row that the stock class leased and forgot is rescued like any other, whoever enqueued it."""
    put_one(conn, ours, stock)
    stock.get(block=False)
    ours.resume_unack_tasks()
    (leased,) = ours.lease(10)
    assert str(leased.key) == KEY


def test_forgotten_row_dies(conn: sqlite3.Connection, ours: JobQueue, stock: Any) -> None:
    """Even a row without a key is dead-lettered with a sentence once it was rescued too often."""
    stock.put(PAYLOAD)
    stock.get(block=False)
    conn.execute("UPDATE ack_queue_default SET rescues = 4")
    ours.resume_unack_tasks()
    ((_, key, reason, message, *_rest),) = dead_letters.dead_letters(conn)
    assert (key, reason) == (None, "retries_exhausted")
    assert str(message).startswith("The worker died 5 times")


def test_put_of_a_known_key(conn: sqlite3.Connection, ours: JobQueue, stock: Any) -> None:
    """A stock put of a known key is merged into its one row, in whatever state that is."""
    put(conn, KEY, "scene:6", "scene:7", priority=1)
    (leased,) = ours.lease(1)
    change(conn, "scene:7", status=numbers.DEAD)
    for key in (KEY, "scene:6", "scene:7", KEY):
        stock.put({"key": key})
    assert sorted(str(job.key) for job in ours.lease(10)) == ["scene:6", "scene:7"]
    assert (str(leased.key), job(conn, KEY)["status"], job(conn, KEY)["generation"]) == (KEY, numbers.LEASED, 3)
    assert keys(conn) == [KEY, "scene:6", "scene:7"]


def test_pqid(conn: sqlite3.Connection, ours: JobQueue, stock: Any) -> None:
    """A payload key ``pqid``, which persist-queue takes for a row's id, does no harm to the row it names."""
    put(conn, "scene:1")
    other = job(conn, "scene:1")["_id"]
    change(conn, "scene:1", due=NOW + 900)
    stock.put({"key": KEY, "pqid": other})
    (leased,) = ours.lease(10)
    ours.settle([Settlement(leased, "done")])
    assert (str(leased.key), keys(conn)) == (KEY, ["scene:1"])


NONE_OF_OURS: list[object] = [
    {"key": "scene:0"}, {"key": "scene:-1"}, {"key": "scene:²"}, {"key": "scene:007"}, {"key": "scene:1.5"},
    {"key": "scene:"}, {"key": "scene"}, {"key": "gallery:1"}, {"key": ["scene:1"]}, {"key": 5}, {"key": None},
    {"key": "scene:" + "9" * 19}, {"key": "scene:" + "9" * 5000}, {"key": "scene:1 "}, {"key": "scene:\ud800"},
    {}, [1], "scene:1", 7, None, {"pqid": 1},
]  # fmt: skip


@pytest.mark.parametrize("payload", NONE_OF_OURS, ids=lambda payload: ascii(payload)[:30])
def test_none_of_ours(conn: sqlite3.Connection, ours: JobQueue, stock: Any, payload: object) -> None:
    """A stock put that is not a job becomes a dead letter that can be discarded, and delays nothing."""
    stock.put(payload)
    put(conn, "scene:1")
    assert [str(job.key) for job in ours.lease(10)] == ["scene:1"]
    ((row, key, reason, message, *_rest),) = dead_letters.dead_letters(conn)
    assert (key, reason) == (None, "invalid")
    assert str(message).endswith("Discard it.")
    assert dead_letters.discard(conn, [int(str(row))]) == 1


@pytest.mark.parametrize("data", [pickle.dumps(PAYLOAD), b"\xff\xfe", b"{", "{", None, b"", 7], ids=ascii)
def test_no_json(conn: sqlite3.Connection, ours: JobQueue, data: object) -> None:
    """A row without a JSON payload is a dead letter too; nothing is ever unpickled."""
    conn.execute("INSERT INTO ack_queue_default (data, timestamp, status) VALUES (?, 1, 0)", (data,))
    assert ours.lease(10) == []
    assert dead_letters.by_reason(conn) == {"invalid": 1}


def test_text_payload(conn: sqlite3.Connection, ours: JobQueue) -> None:
    """A payload stored as TEXT is read as well."""
    conn.execute("INSERT INTO ack_queue_default (data, timestamp, status) VALUES (?, 1, 0)", (json.dumps(PAYLOAD),))
    assert [str(job.key) for job in ours.lease(10)] == [KEY]
