"""When the doctor writes nothing at all, and what becomes of the item when an examination is cut off."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Any

import pytest

from plexsync.app import World
from plexsync.doctor import desk, examination, saved
from plexsync.doctor.catalogue import NOT_ASKED
from plexsync.doctor.desk import Desk
from plexsync.doctor.examination import NotPutBack
from plexsync.model.errors import PlexSyncError
from plexsync.plex.client import PlexClient
from tests.integration.doctor.test_answers import COVER, FRAME, Patient
from tests.servers.plex_http import Request
from tests.support.in_process import Bench


class Killed(BaseException):
    """The process ends here: nothing of it runs any more."""


def quiet(_: str) -> None:
    """Say nothing."""


def refused(bench: Bench, scene: int, *words: str) -> None:
    """The scene's item is not examined, for a reason in one sentence or two with these words; nothing was written."""
    with pytest.raises(PlexSyncError) as caught:
        examination.find(bench.app, scene)
    assert all(word in str(caught.value) for word in words)
    assert "\n" not in str(caught.value)
    assert bench.plex.writes() == []


def test_a_scene_that_is_not_there(bench: Bench) -> None:
    """An id that Stash does not know ends it."""
    bench.film()
    refused(bench, 77, "Stash has no scene 77")


def test_a_scene_that_plex_does_not_have(bench: Bench) -> None:
    """Without an item there is nothing to ask about."""
    bench.film()
    refused(bench, bench.film(in_plex=False).scene, "not certain")


def test_a_match_that_is_merely_likely(bench: Bench) -> None:
    """An item of the same file name and another size is not touched, whatever the settings say of uncertain matches."""
    bench.stash.configure(matchLowConfidence=True)
    film = bench.film(in_plex=False)
    bench.plex.add_item(1, file="/films/elsewhere/film1.mp4", size=5, duration_ms=1)
    refused(bench, film.scene, "not certain")


def test_a_scene_with_several_items(bench: Bench) -> None:
    """Of two items with the scene's file none is picked."""
    film = bench.film()
    file = bench.stash.scenes[film.scene].files[0]
    bench.plex.add_section("More", key=2, locations=("/films",))
    bench.plex.add_item(2, file=file.path, size=file.size, duration_ms=60_000)
    refused(bench, film.scene, "2 items")


def test_dry_run(bench: Bench) -> None:
    """Under Dry run nothing is written, not even for an examination."""
    bench.stash.configure(dryRun=True)
    refused(bench, bench.film().scene, "Dry run is on")


def test_plex_away(bench: Bench) -> None:
    """An unreachable Plex ends it."""
    film = bench.film()
    bench.plex.stop()
    refused(bench, film.scene, "Nothing answers")


def test_no_trial_edits_the_whole_library(bench: Bench) -> None:
    """A request that names no item is not sent."""
    bench.films(2)
    before = bench.plex.snapshot()
    bench.app.load_settings()
    with pytest.raises(ValueError, match="one item alone"):
        bench.app.client.trial("PUT", "/library/sections/1/all?type=1&title.value=Everything")
    assert bench.plex.snapshot() == before


def test_a_guests_token(bench: Bench) -> None:
    """A token that may not write ends it at the first write, with what to do."""
    patient = Patient(bench)
    found = examination.find(bench.app, patient.film.scene)
    bench.plex.modes.token_mode = "forbidden_writes_403"
    with pytest.raises(PlexSyncError, match=r"denied access \(403\)\. .Plex token. must be the token of the server's"):
        examination.examine(bench.app, str(bench.folder), found, quiet, risky=False)
    assert len(bench.plex.writes()) == 1
    patient.asks_form = False
    patient.check()


def test_an_item_that_holds_another_file_now(bench: Bench) -> None:
    """An item that was exchanged since the index was made is not touched."""
    film = bench.film()
    bench.film()
    bench.app.load_settings()
    bench.app.connect_plex().refresh(missing=True)
    bench.plex.edit_item(film.item, parts=list(bench.plex.items[film.item + 1].parts))
    refused(bench, film.scene)


@pytest.mark.parametrize("at", [1, 2, 9, 17, 26, 36])
@pytest.mark.parametrize("append", [True, False], ids=["append", "replace"])
def test_killed_at_a_write(bench: Bench, at: int, append: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed right before or after any write, the next call puts everything back, and forgets it."""
    patient = Patient(bench, tags_append=append)
    cut_off(patient, monkeypatch, at, after=bool(at % 2))
    path = bench.folder / "doctor.json"
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
    bench.reopen()
    assert examination.put_back_earlier(bench.app, str(bench.folder), quiet)
    patient.asks_form = True
    patient.check()
    assert not examination.put_back_earlier(bench.app, str(bench.folder), quiet)


def cut_off(patient: Patient, monkeypatch: pytest.MonkeyPatch, at: int, *, after: bool) -> None:
    """Begin an examination that ends without a chance to put anything back at its write number ``at``."""
    count = 0
    real = Desk._send

    def send(self: Desk, method: str, path: str, **more: Any) -> Any:
        nonlocal count
        count += method != "GET"
        if count == at and method != "GET" and not after:
            raise Killed
        reply = real(self, method, path, **more)
        if count == at and method != "GET":
            raise Killed
        return reply

    found = examination.find(patient.bench.app, patient.film.scene)
    patient.fault()
    with monkeypatch.context() as patch:
        patch.setattr(Desk, "_send", send)
        patch.setattr(Desk, "put_back", Desk.put_back if at > 5 else lambda self: ())
        patch.setattr(examination, "finish", lambda *_: None)
        with pytest.raises(Killed):
            examination.examine(patient.bench.app, str(patient.bench.folder), found, quiet, risky=True)


def test_plex_away_while_it_puts_back(bench: Bench) -> None:
    """If Plex goes away in the middle, what was is kept and the person told how to go on; later it is put back."""
    patient = Patient(bench)
    found = examination.find(bench.app, patient.film.scene)
    writes: list[Request] = []

    def stop(request: Request) -> None:
        writes.append(request)
        if len(writes) == 6:
            bench.plex.fault("503_xml")

    bench.plex.after_write = stop
    with pytest.raises(NotPutBack, match=r"could not be put back yet: .* Run: python3 PlexSync\.py doctor --put-back"):
        examination.examine(bench.app, str(bench.folder), found, quiet, risky=False)
    bench.plex.after_write = None
    bench.plex.clear_faults()
    assert bench.plex.snapshot() != patient.before
    bench.stash.configure(dryRun=True)  # it takes away only what the doctor itself wrote
    assert examination.put_back_earlier(bench.app, str(bench.folder), quiet)
    patient.asks_form = False
    patient.check()


def test_what_plex_does_not_put_back_is_named(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """What Plex takes back without effect is named with what it was, again in each call, until a person gives it up."""
    patient = Patient(bench)
    cut_off(patient, monkeypatch, 2, after=True)
    bench.plex.modes.reject_values = {"genre": "Drama"}
    bench.plex.edit_item(patient.film.item, genres=["Art"])
    folder = str(bench.folder)
    for _ in range(3):
        said: list[str] = []
        with pytest.raises(NotPutBack, match=r"Plex has not put back: genre.*\. Run: .* run: .* doctor --forget"):
            examination.put_back_earlier(bench.app, folder, said.append)
        assert "  genre: 'Drama', 'Art'" in said
    assert saved.kept(folder) is not None
    examination.forget(folder, quiet)
    assert saved.kept(folder) is None
    assert bench.plex.items[patient.film.item].genres == ["Art"]


def test_a_plex_that_takes_no_edit_for_a_while(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """However often Plex answers an edit with 500, how the item was is kept; once it takes edits, it is put back."""
    patient = Patient(bench)
    cut_off(patient, monkeypatch, 9, after=True)
    bench.plex.edit_item(patient.film.item, title="PlexSync doctor")
    bench.plex.fault("500", method="PUT")
    for _ in range(3):
        with pytest.raises(NotPutBack, match=r"title.* \(it answered 500\)"):
            examination.put_back_earlier(bench.app, str(bench.folder), quiet)
    bench.plex.clear_faults()
    assert examination.put_back_earlier(bench.app, str(bench.folder), quiet) == patient.film.item
    patient.asks_form = False
    patient.check()


@pytest.mark.parametrize("seconds", [0.0, 4.0, 29.0])
def test_a_write_that_outlives_the_doctor(bench: Bench, seconds: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was sent right before SIGKILL, and arrives while or after the next call puts back, is put back as well."""
    patient = Patient(bench)
    found = examination.find(bench.app, patient.film.scene)

    def killed(self: PlexClient, method: str, path: str, **more: Any) -> Any:
        if method == "PUT":
            raise Killed
        return real(self, method, path, **more)

    real = PlexClient.trial
    with monkeypatch.context() as patch:
        patch.setattr(PlexClient, "trial", killed)
        patch.setattr(examination, "finish", lambda *_: None)
        with pytest.raises(Killed):
            examination.examine(bench.app, str(bench.folder), found, quiet, risky=False)
    sent = bench.now

    def sleep(pause: float) -> None:
        bench.sleep(pause)
        if bench.now >= sent + seconds and not arrived:
            arrived.append(bench.now)
            bench.plex.edit_item(patient.film.item, title="PlexSync doctor xxx")

    arrived: list[float] = []
    bench.reopen()
    bench.world = World(bench.clock, sleep, bench.world.rng)
    assert examination.put_back_earlier(bench.app, str(bench.folder), quiet)
    assert arrived
    assert bench.now == sent + 30
    patient.asks_form = False
    patient.check()


def test_ended_while_it_puts_back(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ended in the midst of putting everything back, it begins that again, and ends afterwards."""
    patient = Patient(bench)
    found = examination.find(bench.app, patient.film.scene)
    real, calls = Desk.put_back, list[int]()

    def ended(self: Desk) -> tuple[str, ...]:
        calls.append(1)
        if len(calls) == 1:  # that of the question, whose end is lost
            return ()
        if len(calls) == 2:
            raise Killed
        return real(self)

    monkeypatch.setattr(Desk, "put_back", ended)
    with pytest.raises(Killed):
        examination.examine(bench.app, str(bench.folder), found, quiet, risky=False, numbers={"1a"})
    patient.asks_form = False
    patient.check()


def test_an_item_of_another_doctor(bench: Bench) -> None:
    """What a doctor of another Stash wrote is not taken for what the item was: nothing is written."""
    film = bench.film()
    for values in (
        {"genres": ["Drama", "PlexSync doctor 0123abcd A"]},
        {"genres": [], "summary": "PlexSync\x04doctor"},
        {"summary": "", "title_sort": "!! plexsync doctor"},
    ):
        bench.plex.edit_item(film.item, **values)
        found = examination.find(bench.app, film.scene)
        with pytest.raises(PlexSyncError, match="holds what a doctor wrote"):
            examination.examine(bench.app, str(bench.folder), found, quiet, risky=False)
    assert bench.plex.writes() == []
    assert saved.kept(str(bench.folder)) is None


@pytest.mark.parametrize("kept", ["thumb", "twice"])
def test_actors_that_could_not_be_put_back(bench: Bench, kept: str) -> None:
    """Actors with a picture, or of the same name, are not written: neither can be put back for certain."""
    film = bench.film()
    bench.plex.edit_item(film.item, actors=["Zoe", "Ann", "zoe"] if kept == "twice" else ["Zoe", "Ann"])
    if kept == "thumb":
        bench.plex.actor_thumbs["Zoe"] = "https://plex.example/zoe.jpg"
    found = examination.find(bench.app, film.scene)
    rows = examination.examine(bench.app, str(bench.folder), found, quiet, risky=False, numbers={"1b", "2"})
    words = {"thumb": "an entry of actor has a picture", "twice": "a name occurs twice in actor"}[kept]
    assert all(row.answer.startswith(f"{NOT_ASKED}{words}") for row in rows)
    assert len(rows) == 2
    assert bench.plex.writes() == []


def test_a_file_in_the_root_of_the_library(bench: Bench) -> None:
    """Where the file's folder is a root folder of the library, no scan is asked for: it would be one of all of it."""
    film = bench.named("film")
    found = examination.find(bench.app, film.scene)
    rows = examination.examine(bench.app, str(bench.folder), found, quiet, risky=False, numbers={"8"})
    assert rows[0].answer.startswith(f"{NOT_ASKED}the file lies in a root folder of the library")
    assert not [one for one in bench.plex.log if "refresh" in one.path]


def test_an_item_that_holds_another_file_is_not_put_back(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """If the item holds another file by then, it is left alone; how it was stays for when the file is back."""
    patient = Patient(bench)
    cut_off(patient, monkeypatch, 2, after=True)
    bench.plex.move_item(patient.film.item, file="/films/other.mp4")
    before = bench.plex.snapshot()
    with pytest.raises(NotPutBack, match="another file now"):
        examination.put_back_earlier(bench.app, str(bench.folder), quiet)
    assert bench.plex.snapshot() == before
    assert saved.kept(str(bench.folder)) is not None


def test_another_server(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """On another Plex the rating key is a stranger's: nothing is put back there."""
    patient = Patient(bench)
    cut_off(patient, monkeypatch, 2, after=True)
    bench.reopen()
    bench.plex.machine = "another"
    before = bench.plex.snapshot()
    with pytest.raises(NotPutBack, match="another Plex server"):
        examination.put_back_earlier(bench.app, str(bench.folder), quiet)
    assert bench.plex.snapshot() == before


def test_an_item_without_date_and_poster_gets_none(bench: Bench) -> None:
    """What could perhaps not be taken away again is not tried."""
    bench.stash.configure(skipPoster=False)
    film = bench.film(cover=COVER)
    before = bench.plex.snapshot()
    found = examination.find(bench.app, film.scene)
    rows = examination.examine(bench.app, str(bench.folder), found, quiet, risky=False, numbers={"7", "11"})
    assert [row.answer.removeprefix(NOT_ASKED) for row in rows] == ["the item has no date", "the item shows no poster"]
    assert bench.plex.snapshot() == before
    assert bench.plex.writes() == []


def test_it_asks_no_more_than_so_much(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """After so many requests, or so long, it asks nothing more, and puts all back."""
    monkeypatch.setattr(desk, "MOST_REQUESTS", 30)
    patient = Patient(bench)
    rows = patient.asked()
    assert rows["4"].answer == "item yes, library yes"
    assert rows["14"].answer == f"{NOT_ASKED}the doctor has sent enough requests"
    monkeypatch.undo()
    monkeypatch.setattr(examination, "MOST_SECONDS", 0.5)
    answers = [row.answer for row in patient.asked("4", "1a").values()]
    assert answers == ["item yes, library yes", f"{NOT_ASKED}Plex is too slow"]


def test_the_records_stay_true(bench: Bench) -> None:
    """After an examination PlexSync finds its own values, writes nothing, and takes nothing for a person's edit."""
    bench.stash.configure(skipPoster=True, keepPlexEdits=True)
    film = bench.film("A film", date="2020-01-02")
    bench.written(f"scene:{film.scene}")
    before = bench.plex.snapshot()
    found = examination.find(bench.app, film.scene)
    examination.examine(bench.app, str(bench.folder), found, quiet, risky=True)
    assert bench.plex.snapshot() == before
    writes = len(bench.plex.writes())
    bench.written(f"scene:{film.scene}")
    assert len(bench.plex.writes()) == writes
    bench.edit(film.scene, title="Another")
    bench.work()
    assert bench.title(film.item) == "Another"


def test_the_file_says_all(tmp_path: Path) -> None:
    """What is kept comes back from the file as it was."""
    lists = {"actor": (("A", "role"), ("B", ""))}
    before = saved.Saved("m", 1, 2, 3, "/a.mp4", {"title": "\u00c4"}, lists, ("title",), {"posters": FRAME})
    saved.store(str(tmp_path), before)
    assert saved.kept(str(tmp_path)) == before
