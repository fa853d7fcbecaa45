"""The buttons as Stash presses them: real processes that mark, wake the one worker, follow it and end."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from plexsync.core import enqueue, locks
from tests.support import interpreters
from tests.support.installation import Installation, last
from tests.support.processes import checkout_only, until


def read(here: Installation, name: str) -> Any:
    """Return a JSON file of the data folder."""
    return json.loads((here.folder / name).read_text("utf-8"))


def test_sync_all(here: Installation) -> None:
    """Every scene is compared, only differences are written, the bar moves, and one line tells the counts."""
    here.new_films(40)
    result = here.task("sync_all")
    assert result.output == {"marked": 40, "synced": 40}
    assert here.titles() == [f"New {number}" for number in range(1, 41)]
    assert result.progress[0] == 0
    assert last(result) == ("info", "finished Sync all marked=40 synced=40")
    assert here.rows() == []
    here.plex.clear_log()
    assert here.task("sync_all").output == {"marked": 40, "unchanged": 40}
    assert here.plex.writes() == []
    totals = {"synced": 40, "unchanged": 40, "retried": 0, "dead": 0, "skipped": 0}
    until(lambda: read(here, "status.json")["totals"] == totals, what="the export at the drain's end")
    assert here.call("status")["totals"] == totals
    assert set(read(here, "sync_timestamps.json")) == {str(number) for number in range(1, 41)}
    assert "plexsync_jobs_total" in (here.folder / "metrics.prom").read_text("utf-8")


def test_an_empty_stash(here: Installation) -> None:
    """Without a scene, a due job or a dead letter each task ends at once with a full bar."""
    for mode, name in (("sync_all", "Sync all"), ("process_queue", "Process queue"), ("process_dlq", "Process DLQ")):
        result = here.task(mode)
        assert result.output == {"marked": 0}
        assert result.progress == [0, 1]
        assert last(result).message == f"finished {name} marked=0"


def test_sync_recent(here: Installation) -> None:
    """Only scenes updated in the last hours are marked; hours may be text, and anything else means 24."""
    now = datetime.now(UTC)
    for hours in (1, 20, 30, 300):
        here.film(f"New {hours}", updated_at=now - timedelta(hours=hours))
    assert here.task("sync_recent", hours="2").output == {"marked": 1, "synced": 1}
    odd = here.task("sync_recent", hours="many")
    assert odd.output == {"marked": 2, "synced": 1, "unchanged": 1}
    assert odd.log[0] == ("warning", "using 24 hours: hours='many' is not accepted. Use a number above 0.")
    assert here.task("sync_recent", hours=31).output == {"marked": 3, "synced": 1, "unchanged": 2}
    assert here.titles() == ["New 1", "New 20", "New 30", "film4"]


def test_process_queue(here: Installation) -> None:
    """Jobs that are due are done; those that are due later, waiting or dead stay."""
    films = here.new_films(3)
    conn = here.queue()
    for scene, _ in films:
        enqueue.enqueue(conn, f"scene:{scene}", "x", 1, 1)
    conn.execute("UPDATE ack_queue_default SET due = ? WHERE key = 'scene:2'", (datetime.now().timestamp() + 100,))
    conn.execute("UPDATE ack_queue_default SET status = 9, reason = 'rejected' WHERE key = 'scene:3'")
    assert here.task("process_queue").output == {"marked": 1, "synced": 1}
    assert here.titles() == ["New 1", "film2", "film3"]
    assert here.rows("key, status") == [("scene:2", 1), ("scene:3", 9)]


def test_process_dlq(here: Installation) -> None:
    """Every dead letter is retried; what fails again is dead again, and the counts say so."""
    here.new_films(1)
    doubtful = here.stash.add_scene("Doubtful", files=[("/films/x.mp4", 7, 9.0)])
    here.plex.add_item(1, file="/other/x.mp4", size=8, duration_ms=700_000)
    conn = here.queue()
    for scene in (1, doubtful):
        enqueue.enqueue(conn, f"scene:{scene}", "x", 1, 1)
    conn.execute("UPDATE ack_queue_default SET status = 9, attempts = 7, reason = 'retries_exhausted'")
    result = here.task("process_dlq")
    assert result.output == {"marked": 2, "synced": 1, "dead": 1}
    assert here.rows("key, status, reason") == [(f"scene:{doubtful}", 9, "low_confidence")]


def test_plex_refuses(here: Installation) -> None:
    """If Plex is unreachable the scenes are marked, output and log say so, and they arrive later."""
    here.new_films(3)
    here.plex.stop()
    result = here.task("sync_all")
    assert result.output == {"marked": 3, "plex": "away"}
    message = "ended Sync all: Plex is unreachable. The rest continues automatically when it is reachable again."
    assert last(result) == ("warning", f"{message} marked=3 plex=away")
    assert here.rows("bulk") == [(0,), (0,), (0,)]
    assert here.task("process_queue").output["plex"] == "away"
    assert here.call("status")["breaker"]["state"] != "closed"
    here.plex.start()
    until(lambda: here.titles() == ["New 1", "New 2", "New 3"], what="what the task left")
    until(lambda: here.rows() == [], what="the end of the jobs")


def test_plex_hangs(tmp_path: Path) -> None:
    """A Plex that never answers costs a task no more than the timeouts of five attempts."""
    with Installation(tmp_path, PLEXSYNC_READ_TIMEOUT="1") as here:
        here.new_films(2)
        here.plex.fault("stall")
        assert here.task("sync_all").output == {"marked": 2, "plex": "away"}
        assert here.plex.count() <= 15
        here.plex.clear_faults()
        here.plex.release()
        until(lambda: here.titles() == ["New 1", "New 2"], what="what the task left")


PROBLEMS: dict[str, tuple[dict[str, Any], str]] = {
    "no token": ({"plexToken": ""}, "no Plex token is set"),
    "bad token": ({"plexToken": "wrong"}, "Plex rejected the token (401)"),
    "unknown library": ({"plexLibraries": "Cinema"}, "Cinema"),
    "bad address": ({"plexUrl": "ftp://plex"}, "Plex address"),
}


def test_what_has_to_be_put_right(here: Installation) -> None:
    """An error in the setup is a sentence, the jobs stay, and resume once it is fixed."""
    films = here.new_films(2)
    good = dict(here.stash.plugin_settings)
    for round_, (settings, says) in enumerate(PROBLEMS.values()):
        for scene, _ in films:
            here.stash.change_scene(scene, title=f"{scene}, round {round_}")
        here.stash.save_settings("PlexSync", good | settings)
        result = here.task("sync_all")
        assert says in str(result.error)
        assert str(result.error).endswith("The rest continues automatically once this is fixed.")
        assert here.rows("status, bulk") == [(1, 0), (1, 0)]
        assert says in here.call("status")["problem"]
        here.stash.save_settings("PlexSync", good)
        until(lambda: here.titles() == [f"1, round {round_}", f"2, round {round_}"], what="going on by itself")  # noqa: B023
        assert until(lambda: here.seen()["problem"] is None)


def test_only_one_task_at_a_time(here: Installation) -> None:
    """While another task holds the lock, a second one says so at once instead of waiting."""
    here.folder.mkdir(parents=True)
    fd = locks.open_lock(str(here.folder / "task.lock"))
    assert locks.try_lock(fd)
    result = here.task("process_queue")
    assert result.error == "Another PlexSync task is running. Start this one when it has finished."
    assert last(result).message == f"failed to run Process queue: {result.error}"
    locks.unlock(fd)


def test_quick_buttons(here: Installation) -> None:
    """Show status, Clear DLQ and Clear queue are tasks too: a document, a full bar, the result in the log."""
    conn = here.queue()
    for number in range(1, 4):
        enqueue.enqueue(conn, f"scene:{number}", "x", 1, 1)
    conn.execute("UPDATE ack_queue_default SET status = 9, reason = 'invalid' WHERE key = 'scene:3'")
    status = here.task("status")
    assert status.output["queue"]["dead"] == 1
    assert last(status).message.startswith("Queue: 2 pending") or "oldest" in last(status).message
    assert here.task("clear_dlq").output == {"cleared": 1}
    assert last(here.task("clear_queue")).message.startswith("cleared 2 pending jobs")
    assert here.rows() == []


@checkout_only
def test_without_modules(here: Installation, tmp_path: Path) -> None:
    """A task without its modules names them and the command that installs them."""
    here.stash.python = str(interpreters.bare(tmp_path / "python"))
    result = here.task("sync_all")
    assert "plexapi" in str(result.error)
    assert "-m pip install" in str(result.error)
