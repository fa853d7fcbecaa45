"""The user changes settings: what the old ones held back continues automatically."""

from __future__ import annotations

from pathlib import Path

import pytest

from plexsync.core import environment, locks
from plexsync.model.job_key import JobKey
from plexsync.model.lifecycle import Next
from plexsync.queue import bulk, dead_letters
from plexsync.queue.meta import QueueMeta
from tests.support.in_process import Bench


def test_a_changed_setting_closes_the_breaker(bench: Bench) -> None:
    """Plex's address was wrong for half an hour; with the right one everything is sent within a minute."""
    right = bench.plex.url
    bench.stash.configure(plexUrl="http://127.0.0.1:9")
    film = bench.film()
    bench.edit(film.scene)
    bench.live(1800)
    assert bench.breaker.is_open
    bench.stash.configure(plexUrl=right)
    bench.live(61)
    assert bench.titles([film]) == ["Film 1"]
    assert not bench.breaker.is_open


def test_waiting_scenes_and_dead_letters_become_due(bench: Bench) -> None:
    """All except those that ran out of attempts: no setting is likely to help them."""
    bench.stash.configure(maxRetries=1)
    missing, rejected, busy, other = bench.film(in_plex=False), bench.film(), bench.film(), bench.film()
    bench.plex.fault("400", method="PUT", query=f"id={rejected.item}&")
    bench.plex.fault("504", method="PUT", query=f"id={busy.item}&")
    bench.edit(missing.scene, rejected.scene, busy.scene, other.scene)
    bench.live(2000)
    assert bench.dead_letter(rejected.scene)[0] == "rejected"
    assert bench.dead_letter(busy.scene)[0] == "retries_exhausted"
    bench.plex.clear_faults()
    before = bench.job(busy.scene)
    bench.stash.configure(plexPathMap="/films/1 => /films/new", maxRetries=5)
    item = bench.plex.add_item(1, file="/films/new/film1.mp4", size=9, duration_ms=60_000)
    bench.edit(other.scene, title="Other")
    bench.live(1)
    assert bench.plex.items[item.rating_key].title == "Film 1"
    assert bench.titles([rejected, other]) == ["Film 2", "Other"]
    assert bench.job(busy.scene) == before
    assert len(bench.said("using changed settings")) == 1


def test_settings_that_stay_wake_nothing(bench: Bench) -> None:
    """Without a change the waiting scene waits and the dead letter stays, whatever else is edited."""
    missing, rejected, other = bench.film(in_plex=False), bench.film(), bench.film()
    bench.plex.fault("400", method="PUT", query=f"id={rejected.item}&")
    bench.edit(missing.scene, rejected.scene)
    bench.live(1000)
    before = [bench.job(missing.scene), bench.job(rejected.scene)]
    bench.edit(other.scene)
    bench.live(5)
    assert [bench.job(missing.scene), bench.job(rejected.scene)] == before
    assert bench.said("using changed settings") == []


def test_one_batch_uses_one_copy_of_the_settings(bench: Bench) -> None:
    """A switch changed while a batch is written takes effect with the next one."""
    films = bench.films(2, details="Words.")
    bench.edit(*[film.scene for film in films])
    bench.plex.before_write = lambda _: bench.stash.configure(skipSummary=True)
    bench.turn()
    assert [bench.plex.items[film.item].summary for film in films] == ["Words.", "Words."]
    bench.edit(*[film.scene for film in films], details="Other words.")
    bench.turn()
    assert [bench.plex.items[film.item].summary for film in films] == ["Words.", "Words."]


def test_under_dry_run_an_edit_is_logged_once_and_held(bench: Bench) -> None:
    """Nothing is written for hours; the log says once what would be; switched off, it is written within a minute."""
    bench.stash.configure(dryRun=True)
    film = bench.film()
    bench.edit(film.scene)
    bench.live(8000)
    assert bench.plex.writes() == []
    assert len(bench.said("would write scene", f"scene={film.scene} ", "film1 -> Film 1")) == 1
    assert (bench.count("pending"), bench.job(film.scene)["attempts"]) == (1, 0)
    bench.stash.configure(dryRun=False)
    bench.live(61)
    assert bench.writes_of(film) == 1
    assert bench.titles([film]) == ["Film 1"]


def test_under_dry_run_a_further_edit_is_logged_too(bench: Bench) -> None:
    """Another edit of a scene that is held back is logged as well."""
    bench.stash.configure(dryRun=True)
    film = bench.film()
    bench.edit(film.scene)
    bench.live(10)
    bench.edit(film.scene, title="Other")
    bench.live(10)
    assert len(bench.said("would write scene")) == 2
    assert len(bench.said("would write scene", "film1 -> Other")) == 1


def test_under_dry_run_what_would_not_be_written_is_not_held(bench: Bench) -> None:
    """A scene that Plex has as it is ends its job, and the log does not mention it."""
    film = bench.film()
    bench.edit(film.scene)
    bench.turn()
    bench.stash.configure(dryRun=True)
    bench.edit(film.scene)
    bench.turn()
    assert bench.job(film.scene) == {}
    assert bench.said("would write") == []
    assert bench.status()["totals"]["unchanged"] == 1


def test_under_dry_run_what_a_task_marked_is_logged_and_dropped(bench: Bench) -> None:
    """Sync all logs its whole effect and leaves nothing behind but dead letters and waiting scenes."""
    bench.stash.configure(dryRun=True)
    films = bench.films(3)
    fd = locks.open_lock(str(Path(bench.folder, environment.TASK_LOCK)))
    assert locks.try_lock(fd)
    locks.write_text(fd, "7-1")
    bulk.mark_many(bench.conn, [JobKey.scene(film.scene) for film in films], "Sync all", "7-1", bench.now, bench.sleep)
    bench.turn()
    locks.unlock(fd)
    assert bench.count("pending") == 0
    assert bulk.outcomes(bench.conn, "7-1") == {"dry_run": 3}
    assert len(bench.said("would write scene")) == 3
    assert bench.plex.writes() == []


def test_the_log_follows_the_settings(bench: Bench) -> None:
    """From the next batch on, titles are pseudonyms with logHidePaths, and comparisons are logged with logDebug."""
    film = bench.film("A private title")
    bench.edit(film.scene)
    bench.turn()
    assert bench.said("A private title")
    bench.log.lines.clear()
    bench.stash.configure(logHidePaths=True, logDebug=True)
    bench.edit(film.scene, title="Another private title")
    bench.turn()
    bench.edit(film.scene)
    bench.turn()
    assert bench.said("private title") == []
    assert bench.said("wrote scene", "title=#")
    assert bench.said("compared scene", f"scene={film.scene} ")
    bench.log.lines.clear()
    bench.stash.configure(logHidePaths=False, logDebug=False)
    bench.edit(film.scene)
    bench.turn()
    assert [line for level, line in bench.log.lines if level == "debug"] == []


def test_a_worker_of_a_disabled_plugin_ends(bench: Bench) -> None:
    """Once the plugin is disabled in Stash, the next batch ends the worker and sends nothing; the edits stay."""
    films = bench.films(2)
    bench.stash.plugin_script = Path("/nonexistent/PlexSync.py")
    bench.edit(films[0].scene)
    assert bench.turn() is Next.IDLE
    bench.stash.plugin_enabled = False
    asked, writes = len(bench.plex.at), len(bench.plex.writes())
    bench.edit(films[1].scene)
    assert bench.turn() is Next.STOP
    assert (bench.count("pending"), len(bench.plex.at), len(bench.plex.writes())) == (1, asked, writes)
    assert len(bench.said("ended: PlexSync is disabled in Stash")) == 1
    bench.stash.plugin_enabled = True
    bench.live(5)
    assert bench.titles(films) == ["Film 1", "Film 2"]


def test_a_disabled_plugin_is_seen_during_a_long_run(bench: Bench) -> None:
    """A run of many batches ends with the batch in which the plugin was disabled, not an hour later."""
    bench.stash.plugin_script = Path("/nonexistent/PlexSync.py")
    films = bench.films(600)
    bench.edit(*[film.scene for film in films])

    def disable(request: object) -> None:
        bench.stash.plugin_enabled = len(bench.plex.writes()) < 30

    bench.plex.after_write = disable
    assert bench.turn() is Next.STOP
    assert 0 < len(bench.plex.writes()) <= 250
    assert bench.count("pending") == 600 - len(bench.plex.writes())


def test_a_catch_up_of_a_disabled_plugin_ends_it(bench: Bench) -> None:
    """With nothing to do the hourly catch-up finds out."""
    bench.stash.plugin_script = Path("/nonexistent/PlexSync.py")
    bench.stash.plugin_enabled = False
    QueueMeta(bench.conn).caught_up_at = 0
    assert bench.turn() is Next.STOP
    assert bench.plex.at == []


def test_dry_run_with_short_caps_is_quiet(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """However short the caps, the due time of a held-back edit never counts as a wrong clock's."""
    for name in ("SETTLE", "RETRY_CAP", "MISSING_CAP", "BREAKER_RESET_CAP"):
        monkeypatch.setenv(f"PLEXSYNC_{name}", "1")
    bench.stash.configure(dryRun=True)
    film = bench.film()
    bench.edit(film.scene)
    bench.live(5)
    asked = len(bench.stash.log)
    bench.live(50)
    assert len(bench.stash.log) - asked <= 4  # a new worker, and its probes
    assert len(bench.said("would write scene")) == 1
    assert bench.plex.writes() == []


def test_dead_letters_of_all_reasons_but_one_become_due(bench: Bench) -> None:
    """Only what ran out of attempts stays; a setting may have caused any other dead letter."""
    dead = {reason: bench.film() for reason in dead_letters.REASONS}
    other = bench.film()
    bench.edit(other.scene)
    bench.turn()
    bench.edit(*[film.scene for film in dead.values()])
    for reason, film in dead.items():
        change = "UPDATE ack_queue_default SET status = 9, reason = ? WHERE key = ?"
        bench.conn.execute(change, (reason, f"scene:{film.scene}"))
    bench.stash.configure(maxTags=7)
    bench.edit(other.scene)
    bench.live(5)
    left = {reason for reason, film in dead.items() if bench.job(film.scene)}
    assert left == {"retries_exhausted"}
