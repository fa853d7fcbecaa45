"""Covers in this process: what is fetched and uploaded, and what becomes of failures on either side."""

from __future__ import annotations

import time
from typing import Any

import pytest

from plexsync.model.errors import KindPaused, PlexBusy, PlexUnavailable, Rejected, StashUnavailable
from plexsync.plex.images import MAX_BYTES, check_cover, image_digest
from plexsync.sync import writer
from tests.support.writing_bench import JPEG, WritingBench


@pytest.fixture
def bench(bench: WritingBench) -> WritingBench:
    """Planner and writer between a Stash and a Plex, poster and background switched on."""
    bench.new_planner(skip=frozenset())
    return bench


def test_a_cover_goes_after_its_locks(bench: WritingBench) -> None:
    """One PUT with fields and both locks, then the two uploads; a second sync neither fetches nor writes."""
    scene = bench.scene(cover=JPEG)
    work = bench.one(scene)
    assert (work.outcome, work.uploaded) == ("synced", True)
    assert [request.method for request in bench.plex.log if request.method != "GET"] == ["PUT", "POST", "POST"]
    item = bench.plex.items[100]
    assert (item.selected_poster, item.selected_art) == (image_digest(JPEG), image_digest(JPEG))
    assert {"thumb", "art", "title"} <= item.locked
    fetched = bench.stash.count("screenshot")
    assert bench.quiet(scene)
    assert bench.stash.count("screenshot") == fetched == 1


def test_the_same_bytes_are_not_sent_again(bench: WritingBench) -> None:
    """After another edit the cover is fetched and compared; only other bytes are uploaded."""
    scene = bench.scene(cover=JPEG)
    bench.one(scene)
    bench.stash.change_scene(scene, details="Text")
    bench.stash.scenes[scene].updated_at = "2031-01-01T00:00:00Z"
    bench.one(scene)
    assert (bench.stash.count("screenshot"), len(bench.plex.uploads())) == (2, 2)
    bench.stash.change_scene(scene, cover=b"\xff\xd8 other")
    bench.stash.scenes[scene].updated_at = "2031-01-01T00:00:01Z"
    bench.one(scene)
    assert bench.plex.items[100].selected_poster == image_digest(b"\xff\xd8 other")
    assert len(bench.plex.uploads()) == 4


@pytest.mark.parametrize(
    ("data", "kind", "said"),
    [
        (None, "", ""),
        (b"x" * (MAX_BYTES + 1), "image/jpeg", "Plex accepts up to"),
        (b"\x00\x00\x00 ftypmp42", "video/mp4", "not an image (video/mp4)"),
    ],
)
def test_what_is_no_picture_is_left_out(bench: WritingBench, data: bytes | None, kind: str, said: str) -> None:
    """A placeholder is skipped silently, a video or too large a file with a warning; the rest is synced."""
    scene = bench.scene(cover=data, cover_type=kind)
    work = bench.one(scene)
    assert (work.error, work.outcome) == (None, "synced")
    assert bench.plex.uploads() == []
    assert [said in text for text in bench.warnings()] == ([True] if said else [])
    assert bench.quiet(scene)
    assert bench.stash.count("screenshot") == 1


@pytest.mark.parametrize(
    ("data", "kind"), [(b"<!DOCTYPE html><html>", "text/html"), (b"oops", "text/plain"), (b"", "")]
)
def test_what_is_no_answer_is_tried_again(bench: WritingBench, data: bytes, kind: str) -> None:
    """A login page, an error text or nothing is never uploaded, nor taken for the cover: the scene is retried."""
    scene = bench.scene(cover=data, cover_type=kind)
    work = bench.one(scene)
    assert isinstance(work.error, PlexBusy)
    assert bench.plex.items[100].title == "Title of a"
    assert bench.plex.uploads() == []
    bench.stash.scenes[scene].cover, bench.stash.scenes[scene].cover_type = JPEG, "image/jpeg"
    assert bench.one(scene).uploaded
    problem = check_cover(data, kind)
    assert problem is not None
    assert problem.retry
    assert check_cover(JPEG, "image/jpeg") is None


def test_a_cover_that_stash_does_not_send(bench: WritingBench) -> None:
    """If only the cover fails in Stash, the fields are written, the scene is retried, and the cover comes later."""
    scene = bench.scene(cover=JPEG)
    bench.stash.fault("reset", 1, "screenshot")
    work = bench.one(scene)
    assert isinstance(work.error, PlexBusy)
    assert "could not be fetched" in str(work.error)
    assert bench.plex.items[100].title == "Title of a"
    assert bench.one(scene).uploaded


def test_what_differs_beside_a_missing_cover_is_remembered(bench: WritingBench) -> None:
    """A cover that fails does not lose what was learned about a field of the same edit."""
    bench.plex.modes.keep_differently = lambda field, value: value.upper() + "!"
    scene = bench.scene(cover=JPEG)
    bench.stash.fault("reset", 1, "screenshot")
    bench.one(scene)
    assert "title" in bench.record().written.kept
    assert bench.one(scene).error is None


def test_covers_beyond_memory_are_fetched_again(bench: WritingBench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Covers beyond the memory limit are fetched twice and arrive."""
    monkeypatch.setattr(writer, "COVER_BYTES", len(JPEG))
    first, second = bench.scene("a", cover=JPEG), bench.scene("b", cover=JPEG)
    assert [work.uploaded for work in bench.sync(first, second)] == [True, True]
    assert bench.stash.count("screenshot") == 3
    assert bench.quiet(first, second)


def test_a_cover_that_changed_meanwhile(bench: WritingBench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Bytes are recorded only under their hash: if the cover changed between the fetches, the scene is retried."""
    monkeypatch.setattr(writer, "COVER_BYTES", 0)
    scene = bench.scene(cover=JPEG)
    bench.plex.after_write = lambda request: bench.stash.scenes.__getitem__(scene).__setattr__("cover", b"\xff\xd8 new")
    work = bench.one(scene)
    assert isinstance(work.error, PlexBusy)
    assert bench.plex.uploads() == []
    assert bench.one(scene).uploaded
    assert bench.plex.items[100].selected_poster == image_digest(b"\xff\xd8 new")


def test_a_refused_cover_is_named(bench: WritingBench) -> None:
    """A cover that Plex rejects is named in the sentence; the fields stay written."""
    bench.plex.fault("400", method="POST")
    work = bench.one(bench.scene(cover=JPEG))
    assert isinstance(work.error, Rejected)
    assert "Plex rejected the cover of scene" in str(work.error)
    assert bench.plex.items[100].title == "Title of a"


def test_a_poster_that_went_is_not_sent_again(bench: WritingBench) -> None:
    """When the background fails after the poster, only the background is uploaded again, whatever ended the batch."""
    scene = bench.scene(cover=JPEG)
    bench.plex.fault("500", count=1, path="arts")
    assert isinstance(bench.one(scene).error, PlexBusy)
    assert bench.one(scene).uploaded
    assert [request.path.split("/")[-1] for request in bench.plex.uploads()] == ["posters", "arts", "arts"]


def test_an_upload_that_outlasts_its_timeout_is_not_repeated(
    bench: WritingBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An upload that Plex finishes after the client gave up is found by the next attempt, not sent twice."""
    bench.new_planner(skip=frozenset({"background"}))
    scene = bench.scene(cover=JPEG)
    bench.plex.modes.poster_delay = 1.2
    works = bench.works(scene)
    monkeypatch.setattr("plexsync.plex.client.IMAGE_READ_TIMEOUT", 0.5)
    monkeypatch.setattr(bench.client.session, "read_timeout", 0.5)
    (work,) = bench.send(works)
    assert isinstance(work.error, KindPaused)
    bench.now += 5
    monkeypatch.setattr(bench.client.session, "read_timeout", 20.0)
    end = time.monotonic() + 120
    while bench.plex.items[100].selected_poster is None and time.monotonic() < end:
        time.sleep(0.02)
    assert bench.one(scene).error is None
    assert len(bench.plex.uploads()) == 1
    assert bench.quiet(scene)


def test_an_outage_during_uploads_forgets_none(bench: WritingBench) -> None:
    """If Plex goes away in the middle of a batch's uploads, the finished ones are known afterwards."""
    scenes = [bench.scene(name, cover=JPEG + name.encode()) for name in "ab"]

    def away(request: Any) -> None:
        if request.method == "POST" and "/100/arts" in request.path:
            bench.plex.fault("500", path=r"/arts|/library/sections/5/all|/library/metadata/101/posters")

    bench.plex.after_write = away
    with pytest.raises(PlexUnavailable):
        bench.sync(*scenes)
    bench.plex.clear_faults()
    bench.plex.after_write = None
    before = len(bench.plex.uploads())
    assert all(work.error is None for work in bench.sync(*scenes))
    assert [request.path.split("/")[-2:] for request in bench.plex.uploads()[before:]] == [
        ["101", "posters"],
        ["101", "arts"],
    ]


@pytest.mark.parametrize(("keep", "uploads"), [(True, 1), (False, 2)])
def test_a_persons_poster_stays_on_request(bench: WritingBench, keep: bool, uploads: int) -> None:
    """With keepPlexEdits a poster that was locked before ours stays, and the cover is not fetched again."""
    bench.new_planner(keep_plex_edits=keep)
    bench.plex.add_item(5, "/films/a/a.mp4", 1, locked=("thumb",))
    scene = bench.scene(cover=JPEG)
    assert bench.one(scene).error is None
    assert len(bench.plex.uploads()) == uploads
    assert bench.quiet(scene)


def test_both_pictures_kept_leave_nothing_to_do(bench: WritingBench) -> None:
    """If a person locked both images, keepPlexEdits uploads none."""
    bench.new_planner(keep_plex_edits=True)
    bench.plex.add_item(5, "/films/a/a.mp4", 1, locked=("thumb", "art"))
    scene = bench.scene(cover=JPEG)
    assert bench.one(scene).error is None
    assert bench.plex.uploads() == []
    assert bench.quiet(scene)


def test_stash_away_names_the_scene(bench: WritingBench) -> None:
    """A cover that cannot be fetched is reported as Stash's failure."""
    bench.stash.fault("reset", None, "screenshot")
    with pytest.raises(StashUnavailable, match="scene 1"):
        bench.link.cover(1)
