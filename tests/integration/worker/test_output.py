"""What people can read while the worker works, and what it leaves when it ends: log, status, times, counters."""

from __future__ import annotations

import json
import re
from itertools import pairwise
from pathlib import Path

import pytest

from plexsync.core import enqueue, environment
from plexsync.log import ACTIONS
from plexsync.model.lifecycle import Next
from plexsync.queue.meta import QueueMeta
from tests.servers.plex import Request
from tests.support.in_process import DAY, HOUR, Bench


class Reader:
    """Reads ``status.json`` at each request to Plex, each of which takes ``seconds``."""

    def __init__(self, bench: Bench, seconds: float) -> None:
        self.news: list[float] = [bench.now]
        self._bench, self._seconds = bench, seconds
        self._path = Path(bench.folder, environment.STATUS)
        self._last = 0

    def __call__(self, _: Request) -> None:
        written_at = self._path.stat().st_mtime_ns if self._path.exists() else 0
        if written_at != self._last:
            self._last = written_at
            self.news.append(self._bench.now)
        self._bench.now += self._seconds

    def oldest(self) -> float:
        """Return the longest time without news, in seconds."""
        return max(later - earlier for earlier, later in pairwise([*self.news, self._bench.now]))


def test_the_status_is_exported_while_a_long_batch_is_written(bench: Bench) -> None:
    """The status is never older than ten seconds and two answers of Plex."""
    films = bench.films(40)
    bench.edit(*[film.scene for film in films])
    reader = Reader(bench, 3.0)
    bench.plex.before_write = reader
    bench.turn()
    assert len(reader.news) >= 6
    assert reader.oldest() <= 16.0


def test_the_status_is_exported_while_the_library_is_read(bench: Bench) -> None:
    """A first listing in many slow pages counts as work as well."""
    films = bench.films(40)
    bench.edit(films[0].scene)
    bench.plex.modes.fewer_rows = 2
    reader = Reader(bench, 3.0)
    answer = bench.plex._router.answer

    def slowly(request: Request, body: bytes) -> object:
        reader(request)
        return answer(request, body)

    bench.plex._router.answer = slowly  # type: ignore[method-assign,assignment]
    bench.turn()
    assert len(reader.news) >= 4
    assert reader.oldest() <= 16.0


def test_every_line_begins_with_an_action(bench: Bench) -> None:
    """Whatever happens, a line begins with what was done, with a separate word for each kind of event."""
    bench.stash.configure(logDebug=True, maxRetries=1, missingScan=True)
    films = bench.films(8, date="2024-13-40")
    twin = bench.film(in_plex=False)
    bench.plex.add_item(1, file="/films/x/film9.mp4", size=5, duration_ms=1000)
    bench.edit(*[film.scene for film in films], twin.scene, bench.film(in_plex=False).scene, 999)
    enqueue.enqueue(bench.conn, "tag:3", "rename", bench.now, bench.now)
    bench.plex.fault("400", method="PUT", query=f"id={films[1].item}&")
    bench.plex.fault("504", method="PUT", query=f"id={films[2].item}&")
    bench.plex.fault("500", path="/refresh")
    bench.turn()
    bench.edit(films[0].scene)
    bench.turn()
    bench.stash.configure(maxTags=3, skipUnorganized=True)
    bench.edit(films[0].scene)
    bench.turn()
    bench.stash.configure(skipUnorganized=False, dryRun=True)
    bench.edit(films[0].scene, title="Another")
    bench.turn()
    bench.stash.configure(dryRun=False)
    bench.plex.fault("503_xml")
    bench.live(100)
    bench.plex.clear_faults()
    bench.plex.modes.token_mode = "refused_401"
    bench.live(200)
    bench.plex.modes.token_mode = "required"
    bench.live(4000)
    first = {line.split()[0].rstrip(":") for _, line in bench.log.lines}
    assert first <= set(ACTIONS)
    assert {"wrote", "compared", "waiting", "dead-lettered", "dropped", "finished", "found", "paused"} <= first
    assert {"using", "skipped", "would", "failed", "queued", "resumed"} <= first


def test_a_line_about_a_scene_names_it(bench: Bench) -> None:
    """Lines for written, retried, waiting, dead-lettered, skipped, dropped and compared scenes carry ``scene=<id>``.

    And the title, but of a scene that Stash no longer has.
    """
    bench.stash.configure(logDebug=True, maxRetries=1)
    films = bench.films(4)
    bench.edit(*[film.scene for film in films], bench.film(in_plex=False).scene, 999)
    bench.plex.fault("504", method="PUT", query=f"id={films[1].item}&")
    bench.turn()
    bench.edit(films[0].scene)
    bench.turn()
    about = [
        line
        for _, line in bench.log.lines
        if re.match(r"(wrote|retrying|waiting|dead-lettered|skipped|dropped|compared|would) ", line)
    ]
    assert len(about) >= 7
    assert all(re.search(r' scene=\d+ name="Film \d+" |^dropped .* scene=999$', line) for line in about)


def test_one_line_a_scene_at_info(bench: Bench) -> None:
    """Each scene of a batch has one line at info or above, with changes as ``old -> new``; one more line sums up."""
    films = bench.films(6, details="Words.")
    bench.edit(*[film.scene for film in films])
    bench.plex.fault("400", method="PUT", query=rf"id={films[2].item}&.*summary")
    bench.plex.fault("504", method="PUT", query=f"id={films[3].item}&")
    bench.turn()
    named = [re.search(r" scene=(\d+)", line) for level, line in bench.log.lines if level != "debug"]
    assert sorted(int(found[1]) for found in named if found) == sorted(film.scene for film in films)
    assert bench.said("wrote scene", f"scene={films[0].scene} ", 'title="film1 -> Film 1"', 'summary=" -> Words."')
    assert bench.log.lines[-1] == ("info", "finished a run jobs=6 synced=4 dead=1 retried=1")


def test_a_cover_is_named_in_the_scenes_line(bench: Bench) -> None:
    """A scene of which only the cover is new has a line too, which says so."""
    bench.stash.configure(skipPoster=False, skipBackground=False)
    film = bench.film()
    bench.edit(film.scene)
    bench.turn()
    bench.log.lines.clear()
    bench.now += 5
    bench.edit(film.scene, cover=b"\xff\xd8\xff\xe0 new cover")
    bench.turn()
    assert bench.said("wrote") == [
        f'wrote scene scene={film.scene} name="Film 1" item={film.item} images=[posters, arts]'
    ]


def test_totals_and_requests_are_absolute(bench: Bench) -> None:
    """Over many workers, each job and each request is counted once."""
    films = bench.films(3)
    for _ in range(4):
        bench.edit(*[film.scene for film in films])
        bench.turn()
    status = bench.status()
    assert status["totals"] == {"synced": 3, "unchanged": 9, "retried": 0, "dead": 0, "skipped": 0}
    assert status["requests"] == {
        "plex_reads": len(bench.plex.reads()), "plex_writes": 3, "stash": len(bench.stash.log),
    }  # fmt: skip


def test_a_run_exports_the_files(bench: Bench) -> None:
    """Status, metrics and the times of the last syncs are there for other programs, complete."""
    films = bench.films(2)
    bench.edit(*[film.scene for film in films])
    bench.turn()
    folder = Path(bench.folder)
    assert json.loads((folder / environment.STATUS).read_text("utf-8"))["totals"]["synced"] == 2
    assert (folder / environment.METRICS).read_text("utf-8")
    times = json.loads((folder / environment.TIMESTAMPS).read_text("utf-8"))
    assert times == {str(film.scene): pytest.approx(bench.now, abs=1) for film in films}


@pytest.mark.parametrize("name", [environment.STATUS, environment.TIMESTAMPS])
def test_a_file_that_cannot_be_written_stops_no_edit(bench: Bench, name: str) -> None:
    """If a folder has the file's name, there is a warning and the work continues."""
    Path(bench.folder, name, "in the way").mkdir(parents=True)
    film = bench.film()
    bench.edit(film.scene)
    bench.turn()
    assert bench.titles([film]) == ["Film 1"]
    assert bench.said(f"failed to write {name}")
    assert (bench.count("pending"), bench.pause) == (0, None)


def test_the_time_since_the_queue_is_empty_is_kept(bench: Bench) -> None:
    """It begins with the run that empties the queue, and ends with the next job that stays."""
    film, missing = bench.film(), bench.film(in_plex=False)
    bench.edit(film.scene)
    bench.turn()
    assert QueueMeta(bench.conn).empty_since == pytest.approx(bench.now, abs=1)
    bench.now += 50
    bench.edit(missing.scene)
    bench.turn()
    assert QueueMeta(bench.conn).empty_since == 0


@pytest.mark.parametrize("last_drain", [0.0, 5.5])
def test_the_idle_time_counts_from_the_last_run(bench: Bench, last_drain: float) -> None:
    """Over days of hourly catch-ups the process stays, and each run begins its idle time anew: it ends a day after the
    last one, and not with the first run of the second day."""
    film = bench.film()
    bench.edit(film.scene)
    bench.live(2 * HOUR)  # catch-up compares a scene once more that was read in the second of its edit
    begin = bench.now
    for _ in range(round(last_drain)):
        bench.now += 20 * HOUR
        bench.edit(film.scene, title=f"Title {bench.now}")
        bench.now += 5
        bench.turn()
    last = QueueMeta(bench.conn).empty_since
    caught_up = []
    while bench.wait_idle() is Next.WORK:
        bench.turn()
        caught_up.append(QueueMeta(bench.conn).caught_up_at)
    assert bench.now - last == pytest.approx(DAY, abs=60)
    assert bench.now - begin >= last_drain * 20 * HOUR
    assert len(set(caught_up)) == pytest.approx(23, abs=1)
    assert max(later - earlier for earlier, later in pairwise(caught_up)) <= HOUR + 60


def test_a_new_process_has_a_day_of_its_own(bench: Bench) -> None:
    """A process that a page starts weeks after the last edit does not end at once: it catches up by the hour for a
    day."""
    bench.edit(bench.film().scene)
    bench.live(60)
    bench.now += 30 * DAY
    begun = bench.now
    with bench.worker(fresh=True) as worker:
        assert worker.drain() is Next.IDLE
    while bench.wait_idle() is Next.WORK:
        bench.turn()
    assert bench.now - begun == pytest.approx(DAY, abs=60)
