"""Operations as Stash runs them: one document, at once, without third-party modules, whatever is there yet."""

from __future__ import annotations

import json
import os
import re
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from plexsync.core import enqueue
from plexsync.queue import schema
from plexsync.queue.meta import QueueMeta
from tests.servers.stash_hooks import parse_log_line
from tests.support import interpreters
from tests.support.installation import Installation, good
from tests.support.processes import PATIENCE, PLUGIN, until, worker_held, worker_lives

MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")

#: What an operation must never load.
THIRD_PARTY = {"requests", "urllib3", "plexapi", "stashapi", "persistqueue", "unidecode", "certifi"}

CALLS: dict[str, dict[str, Any]] = {
    "status": {}, "dead_letters": {}, "retry": {"ids": ["1"]}, "discard": {"ids": [1]}, "wake": {},
    "log": {"lines": [{"level": "w", "message": "hello"}]}, "clear_dlq": {}, "clear_queue": {},
    "overview": {}, "scene": {"scene_id": 1}, "sync": {"ids": [1]},
    "preview_rows": {}, "unmatched_rows": {"limit": 5}, "report": {},
    "unchoose": {"scene_id": 1},
}  # fmt: skip


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Installation]:
    """Start Stash and Plex, with short catch-up intervals."""
    with Installation(tmp_path, PLEXSYNC_CATCHUP="1") as made:
        yield made


@pytest.fixture
def held(here: Installation) -> Iterator[Installation]:
    """Start the same with a worker lock that this test holds."""
    with worker_held(here.folder):
        yield here


@pytest.mark.parametrize("mode", CALLS)
def test_no_third_party_module(held: Installation, tmp_path: Path, mode: str) -> None:
    """Each quick operation works in an interpreter with the standard library alone."""
    code = (
        "import os, sys\n"
        "leave = os._exit\n"
        "os._exit = lambda status: (print(' '.join(sys.modules), file=sys.stderr, flush=True), leave(status))\n"
        f"sys.argv = [{str(PLUGIN)!r}]\n"
        f"sys.path.insert(0, {str(PLUGIN.parent)!r})\n"
        "import runpy\n"
        f"runpy.run_path({str(PLUGIN)!r}, run_name='__main__')\n"
    )
    document = {"server_connection": {"Dir": str(held.stash.dir)}, "args": {"mode": mode, **CALLS[mode]}}
    command = [str(interpreters.bare(tmp_path / "python")), "-I", "-S", "-c", code]
    done = subprocess.run(
        command, input=json.dumps(document).encode(), capture_output=True, check=True, timeout=PATIENCE
    )
    assert list(json.loads(done.stdout)) == ["output"]
    loaded = {name.split(".")[0] for name in done.stderr.decode().splitlines()[-1].split()}
    assert "plexsync" in loaded
    assert not THIRD_PARTY & loaded


@pytest.mark.parametrize("mode", CALLS)
def test_on_a_cold_folder(here: Installation, mode: str) -> None:
    """Any operation may be the first call on a machine: it answers, and sends no request, unless it starts a worker."""
    good(here.stash.run_operation({"mode": mode, **CALLS[mode]}))
    if mode not in ("wake", "sync"):
        assert [*here.plex.log, *here.stash.log] == []
    assert oct(here.folder.stat().st_mode & 0o777) == "0o700"


def test_unknown(held: Installation) -> None:
    """An unknown mode, or none, is an error in one sentence with status 0."""
    for args, says in (({"mode": "dance"}, "Unknown mode 'dance'"), ({}, "neither hookContext nor mode")):
        found = held.stash.run_operation(args)
        assert (found.returncode, found.stderr) == (0, "")
        assert says in str(found.error)
        assert list(json.loads(found.stdout)) == ["error"]


def test_status_after_a_hook(held: Installation) -> None:
    """In a hook's fresh folder the status counts its job, and every time is ISO 8601 in UTC."""
    held.stash.run_hook("Scene.Update.Post", 1)
    said = held.call("status")
    assert said["queue"]["pending"] == 1
    assert said["worker"] == {"running": True, "pid": os.getpid()}
    conn = schema.open_queue(str(held.folder), 0)
    conn.execute("UPDATE ack_queue_default SET status = 9, reason = 'rejected'")
    QueueMeta(conn).caught_up_at = 1_700_000_000
    (dead_letter,) = held.call("dead_letters")["items"]
    times = [dead_letter["first_seen"], dead_letter["last_seen"], held.call("status")["last_catchup"]]
    assert all(MOMENT.fullmatch(text) for text in times)
    assert dead_letter["scene_id"] == 1


def test_lines_reach_stash(held: Installation) -> None:
    """The worker's lines are printed in Stash's log, at their level."""
    held.call("log", lines=[{"level": "i", "message": "finished a run"}, {"level": "e", "message": "é"}])
    assert held.stash.plugin_log == [("info", "finished a run"), ("error", "é")]
    assert parse_log_line(b"\x01w\x02x") == ("warning", "x")


def test_retry_and_discard(here: Installation) -> None:
    """A retried dead letter is processed at once, a discarded one is gone; an id may be text."""
    scene, _ = here.film("New")
    here.folder.mkdir(parents=True)
    conn = schema.open_queue(str(here.folder), 0)
    for key in (f"scene:{scene}", "scene:99"):
        enqueue.enqueue(conn, key, "x", 1, 1)
    conn.execute("UPDATE ack_queue_default SET status = 9, reason = 'rejected'")
    ids = {item["scene_id"]: item["id"] for item in here.call("dead_letters")["items"]}
    assert here.call("discard", ids=[ids[99], 12345]) == {"discarded": 1}
    assert here.call("retry", ids=[str(ids[scene])]) == {"retried": 1}
    until(lambda: here.titles() == ["New"], what="the retried scene")
    assert here.call("dead_letters") == {"items": []}


def test_wake_starts_and_wakes(here: Installation) -> None:
    """``wake`` starts the worker for overdue work, and makes a paused one try at once."""
    scene, _ = here.film("New")
    here.stash.env["PLEXSYNC_BREAKER_RESET"] = "500"
    here.stash.configure(plexToken="")
    assert here.stash.run_hook("Scene.Update.Post", scene).output
    until(lambda: here.seen()["problem"], what="the pause")
    here.stash.configure(plexToken=here.plex.token)
    said = here.call("wake")
    assert (said["started"], said["running"], said["dead"], said["health"]["state"]) == (False, True, 0, "setup")
    until(lambda: here.titles() == ["New"], what="looking at once")
    assert here.call("status")["problem"] is None
    assert here.stash.end_worker()
    assert not worker_lives(here.folder)
    conn = schema.open_queue(str(here.folder), 0)
    QueueMeta(conn).caught_up_at = 1
    said = here.call("wake")
    assert (said["started"], said["running"], said["dead"], said["health"]["state"]) == (True, True, 0, "ok")
    until(lambda: QueueMeta(conn).caught_up_at > 1, what="the catch-up")


def caught_up(here: Installation) -> None:
    """Wait for a catch-up to start and end."""
    conn = schema.open_queue(str(here.folder), 0)
    before = QueueMeta(conn).caught_up_at
    here.call("wake")
    until(lambda: QueueMeta(conn).caught_up_at > before, what="a catch-up")
    conn.close()


def test_discarded_dead_letters_stay_away(here: Installation) -> None:
    """Catch-up does not revive a discarded or cleared dead letter until its scene is edited."""
    scenes = []
    for name in ("a", "b"):
        here.plex.add_item(1, file=f"/other/{name}.mp4", size=8, duration_ms=700_000)
        scenes.append(here.stash.create_scene("Doubtful", files=[(f"/films/{name}.mp4", 7, 9.0)]).id)
    until(lambda: len(here.call("dead_letters")["items"]) == 2, what="the dead letters")
    one, other = here.call("dead_letters")["items"]
    assert one["reason"] == other["reason"] == "low_confidence"
    assert here.call("discard", ids=[one["id"]]) == {"discarded": 1}
    assert here.call("clear_dlq") == {"cleared": 1}
    for _ in range(2):
        caught_up(here)
    assert here.rows() == []
    until(lambda: here.stash.store.stamp() > here.stash.scenes[scenes[1]].updated_at, what="another second")
    for scene in scenes:
        here.stash.update_scene(scene, hook=False, title="Edited")
    until(lambda: [status for (status,) in here.rows("status")] == [9, 9], what="the edits' letters")


def test_what_killed_the_worker_stays_away(here: Installation) -> None:
    """A discarded dead letter of a scene that no job ever finished is not revived either."""
    here.stash.add_scene("New", files=[("/films/x.mp4", 7, 9.0)])
    here.folder.mkdir(parents=True)
    conn = schema.open_queue(str(here.folder), 0)
    enqueue.enqueue(conn, "scene:1", "x", time.time(), 1)
    conn.execute("UPDATE ack_queue_default SET status = 9, reason = 'retries_exhausted'")
    (dead_letter,) = here.call("dead_letters")["items"]
    assert here.call("discard", ids=[dead_letter["id"]]) == {"discarded": 1}
    caught_up(here)
    assert here.rows() == []


def test_a_cleared_queue_stays_away(here: Installation) -> None:
    """Clear queue drops even an edit of the same second; the next edit of the scene is synced."""
    scene, _ = here.film("Before")
    here.plex.stop()
    here.stash.env["PLEXSYNC_SETTLE"] = "60"
    here.stash.update_scene(scene, title="Cleared")
    assert here.call("clear_queue") == {"cleared": 1}
    here.plex.start()
    for _ in range(2):
        caught_up(here)
    assert (here.titles(), here.rows()) == (["film1"], [])
    here.stash.env["PLEXSYNC_SETTLE"] = "0.1"
    here.stash.update_scene(scene, title="Edited")
    until(lambda: here.titles() == ["Edited"], what="the next edit")


def test_check_setup(here: Installation) -> None:
    """As an operation the check returns its lines; a problem with Plex is a finding, not an error."""
    here.film("New")
    said = here.call("check_setup")
    assert said["ok"]
    assert said["lines"][-1] == "Check setup: all checks passed."
    here.plex.stop()
    said = here.call("check_setup")
    assert not said["ok"]
    assert said["lines"][-1].startswith("Nothing answers at")
    assert here.rows() == []


def test_the_rows_of_a_preview(here: Installation) -> None:
    """What Preview found is read page by page, beside the scenes without a match."""
    here.new_films(3)
    here.film("Nowhere", in_plex=False)
    assert here.call("preview_rows") == {"made_at": None, "total": 0, "counts": {}, "rows": []}
    here.task("preview")
    found = here.call("preview_rows", field="title", text="NEW 2")
    assert MOMENT.fullmatch(found["made_at"])
    assert (found["total"], found["counts"]["title"]) == (1, 3)
    (row,) = found["rows"]
    assert (row["scene_id"], row["rating_key"], row["old"], row["new"]) == (*here.films[1], "film2", "New 2")
    unmatched = here.call("unmatched_rows")
    assert (unmatched["counts"], unmatched["rows"][0]["scene_title"]) == ({"not_in_plex": 1}, "Nowhere")
    assert here.stash.run_operation({"mode": "preview_rows", "limit": 1000}).error == (
        "1000 is out of range for the limit. Send a whole number from 1 to 500."
    )


def test_a_bug_report(here: Installation) -> None:
    """After some work the report has versions of both servers, the settings, and the numbers, and nobody's texts."""
    film = here.film("A telling title")
    here.edit(film, "Another telling title")
    here.arrives(film, "Another telling title")
    text = here.call("report")["text"]
    assert re.search(r"^  Stash 0\.30\.1$", text, re.MULTILINE)
    assert re.search(r"^  Plex \d[\d.]+, Linux$", text, re.MULTILINE)
    for line in ("plexUrl: set", "plexToken: set", "skipPoster: on", "maxTags: 100"):
        assert f"\n  {line}\n" in text
    assert "So far: 1 synced" in text
    for secret in ("telling", "127.0.0.1", "localhost", here.plex.token, str(here.folder), str(here.stash.port)):
        assert secret not in text
