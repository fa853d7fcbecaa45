"""A fault is as large as what fails: one item, one kind of request, one library, or Plex as a whole."""

from __future__ import annotations

from contextlib import closing
from itertools import pairwise
from typing import Any

import pytest

from plexsync.queue import dead_letters, jobs
from plexsync.queue.meta import QueueMeta
from plexsync.state.breaker import Breaker
from plexsync.state.gates import Gate
from plexsync.state.meta import Meta
from tests.support.in_process import SOON, Bench, Film
from tests.support.queue_tools import job_keys

#: Where a fault lets every probe and listing pass: on edits, and on the full items that are read before them.
WHERE: dict[str, dict[str, Any]] = {"edit": {"method": "PUT"}, "read": {"path": r"/library/metadata/"}}
JPEG = b"\xff\xd8\xff\xe0 a cover "


def scenes(films: list[Film]) -> list[int]:
    """Return their ids in Stash."""
    return [film.scene for film in films]


def attempts(bench: Bench, films: list[Film]) -> list[int]:
    """Return how many attempts each has."""
    return [bench.job(film.scene)["attempts"] for film in films]


def gates(bench: Bench) -> dict[str, Gate]:
    """Return the paused kinds."""
    with closing(Meta.open(str(bench.folder))) as meta:
        return {kind: gate for kind, gate in meta.gates.items() if gate.is_paused}


def with_covers(bench: Bench, count: int, **fields: Any) -> list[Film]:
    """Return scenes with covers of their own, whose posters are synced."""
    bench.stash.configure(skipPoster=False)
    return [bench.film(cover=JPEG + str(number).encode(), **fields) for number in range(count)]


def sync_all(bench: Bench, films: list[Film]) -> None:
    """Mark them all, and let the worker sync them."""
    jobs.enqueue_many(
        bench.conn, job_keys(f"scene:{film.scene}" for film in films), "Sync all", bench.now, 2, lambda _: None
    )
    bench.turn()


# -- a whole kind


@pytest.mark.parametrize("kind", WHERE)
def test_a_kind_that_fails_everywhere_pauses_alone(bench: Bench, kind: str) -> None:
    """An hour of 500 on all items costs no attempt, no dead letter and no breaker; then each is written once."""
    films = bench.films(7)
    bench.edit(*scenes(films))
    bench.plex.fault("500", **WHERE[kind])
    bench.live(60)
    asked = len(bench.plex.at)
    bench.live(3600)
    assert len(bench.plex.at) - asked <= 60
    assert {name: gate.reset for name, gate in gates(bench).items()} == {kind: 600}
    assert (attempts(bench, films), bench.count("dead"), bench.breaker) == ([0] * 7, 0, Breaker())
    assert "(500)" in bench.status()["problem"]
    assert [paused["kind"] for paused in bench.status()["paused_kinds"]] == [kind]
    bench.plex.clear_faults()
    bench.live(700)
    assert [bench.writes_of(film) for film in films] == [1] * 7
    assert bench.titles(films) == [f"Film {number}" for number in range(1, 8)]
    assert (gates(bench), bench.status()["problem"], bench.count("pending")) == ({}, None, 0)
    assert len(bench.said("paused: Plex")) == len(bench.said("resumed: Plex")) == 1


def test_a_thousand_edits_while_plex_takes_none(bench: Bench) -> None:
    """Each edit by hand is tried once; after that one trial at a time, ever less often."""
    films = bench.films(1000)
    bench.edit(*scenes(films))
    bench.plex.fault("500", method="PUT")
    bench.live(1800)
    assert 1000 <= len(bench.plex.writes()) <= 1000 + 5 * 30
    assert bench.count("dead") == 0
    bench.plex.clear_faults()
    bench.live(700)
    assert bench.count("pending") == 0
    assert {bench.writes_of(film) for film in films} == {1}


def test_an_hour_in_which_edits_are_not_answered(bench: Bench) -> None:
    """After two timeouts nothing but trials is sent, each for another row than the last."""
    films = bench.films(30)
    bench.edit(*scenes(films))
    bench.give_up_after(SOON)
    bench.plex.fault("stall", method="PUT")
    bench.live(3600)
    tried = [request.param("id") for request in bench.plex.writes() if "title.value" in request.target]
    assert len(bench.plex.writes()) <= 40
    assert all(earlier != later for earlier, later in pairwise(tried))
    assert (bench.count("dead"), bench.breaker) == (0, Breaker())


def test_no_image_at_all(bench: Bench) -> None:
    """Fields never wait for images: one sentence, no dead letter, no lock; all images follow once Plex takes them."""
    films = with_covers(bench, 40)
    bench.plex.fault("500", path=r"/posters$", method="POST")
    sync_all(bench, films)
    assert bench.titles(films) == [f"Film {number}" for number in range(1, 41)]
    bench.live(1800)
    assert str(bench.status()["problem"]).startswith("Plex refuses every image (500): ")
    assert bench.count("dead") == 0
    assert len(bench.plex.uploads()) <= 20
    assert all("thumb" not in bench.plex.items[film.item].locked for film in films)
    late = bench.film(title="Late")
    bench.edit(late.scene)
    bench.live(3)
    assert bench.titles([late]) == ["Late"]
    bench.plex.clear_faults()
    bench.live(601)
    assert all(bench.plex.items[film.item].selected_poster for film in films)
    assert all("thumb" in bench.plex.items[film.item].locked for film in films)
    assert (bench.status()["problem"], bench.count("pending")) == (None, 0)


@pytest.mark.parametrize("fault", ["500", "404", "403", "401_proxy", "truncated_xml", "redirect_302", "html_200"])
def test_a_library_that_cannot_be_listed_pauses_alone(bench: Bench, fault: str) -> None:
    """The other one goes on; scenes that may be in it wait, without an attempt; ``problem`` names it meanwhile."""
    bench.plex.add_section("Clips", key=2, locations=("/clips",))
    films = bench.films(3)
    other = bench.stash.add_scene("Clip", files=[("/clips/c.mp4", 77, 60.0)])
    item = bench.plex.add_item(2, file="/clips/c.mp4", size=77, duration_ms=60_000).rating_key
    bench.plex.fault(fault, path="/sections/2/all", method="GET")
    bench.edit(*scenes(films), other)
    bench.live(30)
    assert bench.titles(films) == ["Film 1", "Film 2", "Film 3"]
    assert (bench.job(other)["attempts"], bench.job(other)["status"]) == (0, 1)
    assert '"Clips"' in bench.job(other)["message"]
    assert '"Clips"' in bench.status()["problem"]
    asked = len(bench.plex.at)
    bench.live(3600)
    assert len(bench.plex.at) - asked <= 60
    assert (bench.count("dead"), bench.breaker) == (0, Breaker())
    bench.plex.clear_faults()
    bench.live(601)
    assert bench.title(item) == "Clip"
    assert (bench.status()["problem"], bench.count("waiting")) == (None, 0)


def test_the_first_library_may_be_the_one(bench: Bench) -> None:
    """The probe reads a library that can be listed, and equal paths go on by the older index."""
    bench.plex.add_section("Clips", key=2, locations=("/clips",))
    film = bench.film()
    bench.edit(film.scene)
    bench.turn()
    bench.plex.bump(1)
    bench.now += 60
    bench.plex.fault("500", path="/sections/1/all", method="GET")
    bench.edit(film.scene, title="Second")
    bench.live(5)
    assert bench.titles([film]) == ["Second"]
    bench.live(10)
    assert '"Films"' in bench.status()["problem"]
    assert bench.breaker == Breaker()


# -- one item


def test_one_value_that_plex_answers_with_500(bench: Bench) -> None:
    """Eight scenes with it end in dead letters that name it, their other fields arrive, and nobody waits for them."""
    bad = [bench.film(studio=bench.stash.add_studio("Bad")) if not n else bench.film(studio=1) for n in range(8)]
    good = bench.films(6)
    bench.plex.fault("500", method="PUT", query=r"collection\[0\]\.tag\.tag=Bad")
    bench.edit(*scenes(bad), *scenes(good))
    bench.turn()
    assert bench.titles(good) == [f"Film {number}" for number in range(9, 15)]
    bench.live(600)
    assert bench.titles(bad) == [f"Film {number}" for number in range(1, 9)]
    assert {bench.dead_letter(film.scene)[0] for film in bad} == {"rejected"}
    assert all("collection" in bench.dead_letter(film.scene)[1] for film in bad)
    assert (bench.status()["problem"], bench.count("pending")) == (None, 0)
    written = len(bench.plex.writes())
    said = len(bench.said("dead-lettered"))
    sync_all(bench, bad)
    assert len(bench.plex.writes()) == written
    assert bench.count("dead") == 8
    assert len(bench.said("dead-lettered")) == said


@pytest.mark.parametrize("fault", ["403", "401", "403_proxy", "redirect_302", "redirect_301"])
def test_one_edit_that_a_firewall_refuses(bench: Bench, fault: str) -> None:
    """It is that item's: the others arrive, the token is not blamed, and nothing pauses."""
    films = bench.films(5)
    bench.plex.fault(fault, method="PUT", query=rf"\bid={films[2].item}&")
    bench.edit(*scenes(films))
    bench.live(30)
    assert bench.titles(films[:2] + films[3:]) == ["Film 1", "Film 2", "Film 4", "Film 5"]
    reason, message = bench.dead_letter(films[2].scene)
    assert reason == "rejected"
    assert "proxy or firewall" in message
    assert (bench.status()["problem"], bench.pause) == (None, None)


@pytest.mark.parametrize("fault", ["500", "403", "503_xml", "400", "redirect_302"])
def test_one_item_that_cannot_be_read(bench: Bench, fault: str) -> None:
    """Of a batch of 40 it stands alone: the others are written, and it ends in a dead letter."""
    bench.stash.configure(maxRetries=3)
    films = bench.films(40)
    bad = films[17]
    bench.plex.fault(fault, path=rf"/library/metadata/(.*,)?{bad.item}(,|$)", method="GET")
    bench.edit(*scenes(films))
    bench.turn()
    assert bench.titles([film for film in films if film != bad]) == [f"Film {n}" for n in range(1, 41) if n != 18]
    bench.live(600)
    assert bench.dead_letter(bad.scene)[0] in ("retries_exhausted", "rejected")
    assert (bench.status()["problem"], bench.breaker) == (None, Breaker())


@pytest.mark.parametrize("kind", ["500", "504", "stall", "reset"])
def test_a_lone_culprit_ends(bench: Bench, kind: str) -> None:
    """With nothing else to write, an edit that changes nothing shows that Plex takes edits."""
    bench.stash.configure(maxRetries=3)
    films = bench.films(2)
    bench.edit(*scenes(films))
    bench.turn()
    bench.give_up_after(0.2 if kind == "stall" else 20)
    bench.plex.fault(kind, method="PUT", query=rf"\bid={films[0].item}&.*value")
    bench.now += 10
    before = len(bench.plex.writes())
    bench.edit(films[0].scene, title="Second", details="New")
    bench.live(900)
    assert bench.dead_letter(films[0].scene)[0] in ("rejected", "retries_exhausted")
    assert len(bench.plex.writes()) - before <= 10
    assert bench.status()["problem"] is None


def test_one_image_that_plex_refuses(bench: Bench) -> None:
    """If it takes others, the letter says that it is the cover, its type and size, and the status; no lock is left."""
    films = with_covers(bench, 10)
    bench.plex.fault("500", path=rf"/{films[9].item}/posters", method="POST")
    sync_all(bench, films)
    bench.live(600)
    reason, message = bench.dead_letter(films[9].scene)
    assert reason == "rejected"
    assert all(word in message for word in ("cover", "image/jpeg", "1 kB", "500"))
    assert "thumb" not in bench.plex.items[films[9].item].locked
    assert all(bench.plex.items[film.item].selected_poster for film in films[:9])
    assert bench.status()["problem"] is None
    uploads = len(bench.plex.uploads())
    sync_all(bench, films)
    assert (len(bench.plex.uploads()), bench.count("dead")) == (uploads, 1)


@pytest.mark.parametrize(("fault", "words"), [("413", "Plex limits"), ("413_proxy", "A proxy in front of Plex limits")])
def test_an_image_that_is_too_large_for_a_proxy(bench: Bench, fault: str, words: str) -> None:
    """413 names the limit of who sent it."""
    films = with_covers(bench, 3)
    bench.plex.fault(fault, path=rf"/{films[1].item}/posters", method="POST")
    bench.edit(*scenes(films))
    bench.live(10)
    assert words in bench.dead_letter(films[1].scene)[1]


# -- one part


def test_a_refused_part_takes_no_other_along(bench: Bench) -> None:
    """A refused collection keeps neither the other fields nor the poster; a retry sends it once more."""
    (film,) = with_covers(bench, 1, studio=bench.stash.add_studio("Bad"), details="Words")
    bench.plex.modes.reject_values["collection"] = "Bad"
    bench.edit(film.scene)
    bench.turn()
    item = bench.plex.items[film.item]
    assert (item.title, item.summary, item.collections) == ("Film 1", "Words", [])
    assert item.selected_poster is not None
    assert "thumb" in item.locked
    assert "The other fields were written" in bench.dead_letter(film.scene)[1]
    bench.now += 5
    bench.plex.clear_log()
    bench.edit(film.scene, details="Other words")
    bench.turn()
    assert (item.summary, len(bench.plex.writes())) == ("Other words", 1)
    assert bench.dead_letter(film.scene)[0] == "rejected"
    bench.plex.modes.reject_values.clear()
    bench.queue.wake_after_settings_change()
    bench.turn()
    assert (item.collections, bench.keys()) == (["Bad"], [])


def test_nothing_else_was_written(bench: Bench) -> None:
    """The sentence does not claim that other fields were written where there were none."""
    film = bench.film()
    bench.plex.modes.reject_values["title"] = "Film"
    bench.edit(film.scene)
    bench.turn()
    assert "other fields" not in bench.dead_letter(film.scene)[1]
    assert len(bench.plex.writes()) == 1


def test_a_500_for_ever_costs_few_edits(bench: Bench) -> None:
    """With eight fields and the default ``maxRetries``: two whole edits, then each field once."""
    other = bench.film()
    bench.edit(other.scene)
    bench.turn()
    film = bench.film(
        details="Words", date="2020-02-02", studio=bench.stash.add_studio("S"), tags=[bench.stash.add_tag("T")],
        performers=[bench.stash.add_performer("P")],
    )  # fmt: skip
    bench.plex.fault("500", method="PUT", query="summary")
    bench.edit(film.scene)
    bench.live(3600)
    assert bench.dead_letter(film.scene)[0] == "rejected"
    assert len([one for one in bench.plex.writes() if one.param("id") == str(film.item)]) <= 10


# -- nobody waits


@pytest.mark.parametrize("culprits", ["edit", "upload", "read", "list"])
def test_an_innocent_edit_arrives_in_time(bench: Bench, culprits: str) -> None:
    """With 300 culprits of any kind, an edit arrives within 5 s of being due, at any moment, at default durations."""
    bench.plex.add_section("Clips", key=2, locations=("/clips",))
    innocent = bench.film(title="Innocent")
    bench.edit(innocent.scene)
    bench.turn()
    films = with_covers(bench, 300, details="Bad")
    where: dict[str, dict[str, Any]] = {
        "edit": {"method": "PUT", "query": "summary.value=Bad"},
        "upload": {"method": "POST", "path": "/posters"},
        "read": {"path": rf"/metadata/(.*,)?({'|'.join(str(film.item) for film in films)})(,|$)", "method": "GET"},
        "list": {"path": "/sections/2/all", "method": "GET"},
    }
    bench.plex.fault("500", **where[culprits])
    jobs.enqueue_many(
        bench.conn, job_keys(f"scene:{film.scene}" for film in films), "Sync all", bench.now, 2, lambda _: None
    )
    for number in range(8):
        bench.edit(innocent.scene, title=f"Innocent {number}")
        bench.live(5)
        assert bench.titles([innocent]) == [f"Innocent {number}"]
        bench.live(37 * number)


def test_a_library_that_seems_empty(bench: Bench) -> None:
    """One that had items and is listed as empty pauses alone, and keeps its rows while Plex names its items alone."""
    bench.plex.add_section("Clips", key=2, locations=("/clips",))
    film, other = bench.film(), bench.stash.add_scene("Clip", files=[("/clips/c.mp4", 77, 60.0)])
    item = bench.plex.add_item(2, file="/clips/c.mp4", size=77, duration_ms=60_000).rating_key
    bench.edit(film.scene, other)
    bench.turn()
    bench.plex.fault("empty_container", path="/sections/2/all", method="GET")
    bench.now += 90_000
    QueueMeta(bench.conn).empty_since = bench.now
    bench.edit(film.scene, title="Second")
    bench.edit(other, title="Second clip")
    bench.live(20)
    assert (bench.titles([film]), bench.title(item)) == (["Second"], "Second clip")
    assert '"Clips" (it seems empty)' in bench.status()["problem"]
    bench.live(1800)
    assert '"Clips" (it seems empty)' in bench.status()["problem"]
    bench.plex.clear_faults()
    bench.live(600)
    assert bench.status()["problem"] is None


@pytest.mark.parametrize("by", ["retry", "settings"])
def test_a_refused_image_is_sent_again_when_somebody_retries(bench: Bench, by: str) -> None:
    """Once Plex takes the image, a retried dead letter or changed settings bring it."""
    films = with_covers(bench, 3)
    bench.plex.fault("403_proxy", path=f"/{films[0].item}/posters", method="POST")
    bench.edit(*scenes(films))
    bench.live(60)
    assert bench.dead_letter(films[0].scene)[0] == "rejected"
    bench.plex.clear_faults()
    if by == "retry":
        dead_letters.retry_all(bench.conn, bench.now, sleep=lambda _: None)
    else:
        bench.stash.configure(maxTags=50)
        bench.edit(films[1].scene)
    bench.live(60)
    assert bench.plex.items[films[0].item].selected_poster
    assert bench.count("dead") == 0


def test_a_dead_letter_keeps_its_sentence(bench: Bench) -> None:
    """When the scene comes again with the same value, its dead letter still says what refused it and what to do."""
    films = with_covers(bench, 3)
    bench.plex.fault("413_proxy", path=f"/{films[0].item}/posters", method="POST")
    bench.edit(*scenes(films))
    bench.live(60)
    _, message = bench.dead_letter(films[0].scene)
    bench.edit(films[0].scene, title="Another title")
    bench.live(60)
    _, again = bench.dead_letter(films[0].scene)
    assert bench.titles(films[:1]) == ["Another title"]
    assert again.startswith(message)
    assert "has not changed since" in again


@pytest.mark.parametrize("fault", ["403_proxy", "401_proxy", "redirect_302", "500"])
def test_culprits_that_come_first(bench: Bench, fault: str) -> None:
    """Where nothing was written before, and the first dozen edits of a batch fail, the others arrive all the same."""
    culprits, others = bench.films(12), bench.films(12)
    for film in culprits:
        bench.plex.fault(fault, method="PUT", query=f"id={film.item}(&|$)")
    bench.edit(*scenes(culprits + others))
    bench.live(10)
    assert bench.titles(others) == [bench.stash.scenes[film.scene].title for film in others]
    assert not bench.status()["problem"]
