"""Covers in this process: what is fetched and uploaded, and what becomes of failures on either side."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Any

import pytest

from plexsync.model.errors import KindPaused, PlexBusy, PlexUnavailable, Rejected, StashUnavailable
from plexsync.plex.images import MAX_BYTES, check_cover, image_digest
from plexsync.sync import covers, writer
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
        (b"\x00\x00\x00 ftypmp42", "image/jpeg", "not an image (video/mp4)"),
        (b"\x1aE\xdf\xa3 webm", "", "not an image (video/webm)"),
        (b"\x00\x00\x00 ftypavif", "application/octet-stream", "Plex does not take image/avif"),
        (b"\x00\x00\x00 ftypmif1\0\0\0\0mif1avif", "image/png", "Plex does not take image/avif"),
        (b"\x00\x00\x00 ftypheic", "image/heic", "Plex does not take image/heic"),
        (b"\xff\x0a jxl", "image/jxl", "Plex does not take image/jxl"),
        (b"<svg>" + b"x" * 5000 + b"</svg>", "image/svg+xml", "Plex does not take image/svg+xml"),
        (b"nothing known", "application/octet-stream", "not an image (unknown type)"),
    ],
)
def test_what_is_no_picture_is_left_out(bench: WritingBench, data: bytes | None, kind: str, said: str) -> None:
    """A placeholder is skipped silently, what Plex does not take with one sentence; the rest is synced.

    It is told again only when the cover is another one, not with each edit of the scene.
    """
    scene = bench.scene(cover=data, cover_type=kind)
    work = bench.one(scene)
    assert (work.error, work.outcome) == (None, "synced")
    assert bench.plex.uploads() == []
    assert [said in text for text in bench.warnings()] == ([True] if said else [])
    assert bench.quiet(scene)
    assert bench.stash.count("screenshot") == 1
    bench.stash.change_scene(scene, details="Text")
    assert bench.one(scene).outcome == "synced"
    assert bench.warnings() == []
    bench.stash.change_scene(scene, cover=JPEG, cover_type="image/jpeg")
    bench.now += 1
    assert bench.one(scene).uploaded


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


@pytest.mark.parametrize("declared", ["application/octet-stream", "", "image/avif", "image/jpg", "text/plain"])
@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (JPEG, "image/jpeg"),
        (b"\x89PNG\r\n\x1a\n...", "image/png"),
        (b"GIF89a...", "image/gif"),
        (b"RIFF\x10\0\0\0WEBPVP8 ", "image/webp"),
    ],
)
def test_a_cover_is_known_by_its_first_bytes(bench: WritingBench, data: bytes, kind: str, declared: str) -> None:
    """Whatever type Stash declares, a picture that Plex takes is sent with its own."""
    scene = bench.scene(cover=data, cover_type=declared)
    assert bench.one(scene).uploaded
    assert {upload.header("content-type") for upload in bench.plex.uploads()} == {kind}
    assert bench.plex.items[100].selected_poster == image_digest(data)
    assert bench.quiet(scene)


def test_a_cover_of_the_second_of_the_read_is_sent(bench: WritingBench) -> None:
    """A cover replaced in the second in which the first one was read has the same time in Stash, and arrives."""
    scene = bench.scene(cover=JPEG)
    bench.stash.change_scene(scene, cover=b"\xff\xd8\xff first")
    work = bench.one(scene)
    assert (work.error, work.again) == (None, True)
    bench.stash.change_scene(scene, cover=b"\xff\xd8\xff second")
    bench.now += 1
    work = bench.one(scene)
    assert (work.uploaded, work.again) == (True, False)
    assert bench.plex.items[100].selected_poster == image_digest(b"\xff\xd8\xff second")
    fetched = bench.stash.count("screenshot")
    assert bench.quiet(scene)
    assert bench.stash.count("screenshot") == fetched


def test_a_second_look_is_one(bench: WritingBench) -> None:
    """A cover that did not change is fetched once more, in a later second, and nothing is uploaded again."""
    scene = bench.scene()
    bench.stash.change_scene(scene, cover=JPEG)
    bench.one(scene)
    bench.now += 1
    for _ in range(3):
        assert bench.quiet(scene)
    assert (bench.stash.count("screenshot"), len(bench.plex.uploads())) == (2, 2)


@pytest.mark.parametrize(("ours", "stashs", "final"), [(5, 0, False), (0, 5, False), (1, 1, True), (-500, -500, True)])
def test_whose_clock_decides(bench: WritingBench, ours: int, stashs: int, final: bool) -> None:
    """A second counts as over only if it is by Stash's clock and by ours; a time far ahead never holds anything up."""
    edited = bench.now
    scene = bench.scene()
    bench.stash.change_scene(scene, cover=JPEG)
    bench.now = edited + ours
    bench.stash.now = lambda: datetime.fromtimestamp(edited + stashs, UTC)
    assert bench.one(scene).again is not final


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


# -- pictures that are no longer what was sent


def seen(bench: WritingBench, rating_key: int = 100) -> None:
    """Somebody found that the item changed in Plex: its pictures are to be looked at."""
    bench.state.store(bench.planner.machine, [covers.look_again(bench.record(rating_key))])


def chooses(bench: WritingBench, kind: str, data: bytes, *, lock: bool = True) -> None:
    """A person uploads a picture in Plex, which selects it."""
    item = bench.plex.items[100]
    bench.plex.model.store_image(item, kind, data, image_digest(data))
    if lock:
        item.locked.add("thumb" if kind == "posters" else "art")
    bench.plex.model.touch(item)


@pytest.mark.parametrize("keep", [True, False])
@pytest.mark.parametrize("kind", ["posters", "arts"])
def test_a_picture_that_plex_dropped_comes_back(bench: WritingBench, kind: str, keep: bool) -> None:
    """A poster or background that Plex no longer has is uploaded again, and only that one, once."""
    bench.new_planner(keep_plex_edits=keep)
    scene = bench.scene(cover=JPEG)
    bench.one(scene)
    bench.plex.lose_image(100, kind)
    seen(bench)
    assert bench.one(scene).uploaded
    assert [upload.path.split("/")[-1] for upload in bench.plex.uploads()][2:] == [kind]
    item = bench.plex.items[100]
    assert (item.selected_poster, item.selected_art) == (image_digest(JPEG),) * 2
    assert bench.quiet(scene)


def test_pictures_that_are_there_cost_one_look(bench: WritingBench) -> None:
    """An item that changed otherwise is asked for each picture once: nothing is fetched from Stash, nothing sent."""
    scene = bench.scene(cover=JPEG)
    bench.one(scene)
    fetched, asked = bench.stash.count("screenshot"), bench.plex.count("GET", r"/(posters|arts)$")
    seen(bench)
    for _ in range(2):
        assert bench.quiet(scene)
    assert bench.stash.count("screenshot") == fetched
    assert bench.plex.count("GET", r"/(posters|arts)$") == asked + 2


@pytest.mark.parametrize("lock", [True, False])
@pytest.mark.parametrize("keep", [True, False])
def test_a_poster_that_a_person_chose(bench: WritingBench, keep: bool, lock: bool) -> None:
    """With keepPlexEdits it stays, also when the cover changes in Stash; without, Stash's comes back."""
    bench.new_planner(keep_plex_edits=keep, skip=frozenset({"background"}))
    scene = bench.scene(cover=JPEG)
    bench.one(scene)
    chooses(bench, "posters", b"\xff\xd8\xff theirs", lock=lock)
    seen(bench)
    assert bench.one(scene).uploaded is not keep
    theirs = image_digest(b"\xff\xd8\xff theirs")
    assert bench.plex.items[100].selected_poster == (theirs if keep else image_digest(JPEG))
    assert bench.quiet(scene)
    bench.stash.change_scene(scene, cover=b"\xff\xd8\xff new")
    bench.now += 1
    bench.one(scene)
    assert bench.plex.items[100].selected_poster == (theirs if keep else image_digest(b"\xff\xd8\xff new"))
    assert bench.quiet(scene)


def test_a_choice_that_nobody_saw_is_seen_before_an_upload(bench: WritingBench) -> None:
    """With keepPlexEdits Plex is asked what it shows before another cover replaces ours."""
    bench.new_planner(keep_plex_edits=True, skip=frozenset({"background"}))
    scene = bench.scene(cover=JPEG)
    bench.one(scene)
    chooses(bench, "posters", b"\xff\xd8\xff theirs")
    bench.stash.change_scene(scene, cover=b"\xff\xd8\xff new")
    bench.now += 1
    assert not bench.one(scene).uploaded
    assert bench.plex.items[100].selected_poster == image_digest(b"\xff\xd8\xff theirs")
    assert bench.quiet(scene)
    bench.plex.edit_item(100, selected_poster=image_digest(JPEG))  # the person takes ours back
    seen(bench)
    assert bench.one(scene).uploaded
    assert bench.plex.items[100].selected_poster == image_digest(b"\xff\xd8\xff new")


def test_without_keeping_edits_stash_wins_again(bench: WritingBench) -> None:
    """When keepPlexEdits is switched off, the next sync sends the cover that it held back."""
    bench.new_planner(keep_plex_edits=True)
    bench.plex.add_item(5, "/films/a/a.mp4", 1, locked=("thumb",))
    scene = bench.scene(cover=JPEG)
    bench.one(scene)
    assert bench.plex.items[100].selected_poster is None
    bench.new_planner(keep_plex_edits=False)
    assert bench.one(scene).uploaded
    assert bench.plex.items[100].selected_poster == image_digest(JPEG)
    assert bench.quiet(scene)


def test_a_lock_that_went_is_set_again(bench: WritingBench) -> None:
    """Where the lock of our picture is missing, Plex is asked: the lock comes back, and the picture if it went too."""
    scene = bench.scene(cover=JPEG)
    bench.one(scene)
    item = bench.plex.items[100]
    item.locked -= {"thumb", "art"}
    bench.plex.lose_image(100, "arts")
    bench.one(scene)
    assert [upload.path.split("/")[-1] for upload in bench.plex.uploads()][2:] == ["arts"]
    assert {"thumb", "art"} <= item.locked
    assert bench.quiet(scene)


def test_a_plex_that_does_not_tell_its_pictures(bench: WritingBench) -> None:
    """If it cannot be asked what Plex shows, the fields are written, and the picture waits like any upload."""
    bench.new_planner(skip=frozenset({"background"}))
    scene = bench.scene(cover=JPEG)
    bench.one(scene)
    bench.plex.lose_image(100)
    seen(bench)
    bench.stash.change_scene(scene, title="New")
    bench.plex.fault("500", method="GET", path="posters")
    assert isinstance(bench.one(scene).error, KindPaused)
    assert bench.plex.items[100].title == "New"
    bench.plex.clear_faults()
    assert bench.one(scene).uploaded
    assert bench.quiet(scene)


def test_stash_away_names_the_scene(bench: WritingBench) -> None:
    """A cover that cannot be fetched is reported as Stash's failure."""
    bench.stash.fault("reset", None, "screenshot")
    with pytest.raises(StashUnavailable, match="scene 1"):
        bench.link.cover(1)
