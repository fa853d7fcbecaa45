"""The page's operations through the outside: what a person sees from the first call to the last outage."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.installation import Installation
from tests.support.processes import until, worker_lives


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Installation]:
    """Start Stash and Plex."""
    with Installation(tmp_path) as made:
        yield made


def health(here: Installation) -> str:
    """The state that the page shows."""
    return str(here.call("overview")["health"]["state"])


def becomes(here: Installation, state: str) -> dict[str, Any]:
    """Wait for a state of health; the overview then."""
    until(lambda: health(here) == state, what=f"the state {state!r}")
    found: dict[str, Any] = here.call("overview")
    return found


def test_from_the_first_page_to_the_first_scene(here: Installation) -> None:
    """A new installation asks for the setup, and an edit that arrives is shown with old and new value and its link."""
    here.stash.configure(plexToken="")
    film = here.film("New")
    assert health(here) == "setup"
    here.edit(film, "New")
    until(lambda: here.seen()["problem"], what="the pause")
    assert health(here) == "setup"
    here.stash.configure(plexToken=here.plex.token)
    here.call("wake")
    here.arrives(film, "New")
    said = becomes(here, "ok")
    (row,) = said["recent"]
    assert (row["scene_id"], row["title"], row["rating_key"], row["kind"]) == (film.scene, "New", film.item, "sync")
    assert row["changes"] == [{"field": "title", "old": "film1", "new": "New"}]
    key = f"details?key=%2Flibrary%2Fmetadata%2F{film.item}"
    web = f"{here.plex.url}/web/index.html#!/server/{here.plex.machine}/{key}"
    assert said["web"].replace("{key}", str(film.item)) == web
    assert said["outages"] == []  # what is not set up yet was not interrupted
    told = here.call("scene", scene_id=film.scene)
    assert (told["state"], told["changes"], told["last_sync"] is None) == ("in_plex", row["changes"], False)
    assert [(item["rating_key"], item["evidence"], item["confidence"], item["web"]) for item in told["items"]] == [
        (film.item, "equal_path", "high", web)
    ]


def test_a_scene_that_waits_and_one_that_needs_the_user(here: Installation) -> None:
    """Both are listed with title and path, also with hidden names in the log, and leave the page as they arrive."""
    here.stash.configure(logHidePaths=True)
    waits, unsure = here.film("Waits", in_plex=False), here.film("Doubtful", in_plex=False)
    here.plex.add_item(1, file="/other/film2.mp4", size=8, duration_ms=700_000)
    for film in (waits, unsure):
        here.edit(film, f"Film {film.scene}")
    until(lambda: here.seen()["queue"]["waiting"] == here.seen()["queue"]["dead"] == 1, what="both")
    said = becomes(here, "attention")
    assert [(row["scene_id"], row["title"], row["path"]) for row in (*said["waiting"], *said["dead"])] == [
        (waits.scene, f"Film {waits.scene}", "/films/1/film1.mp4"),
        (unsure.scene, f"Film {unsure.scene}", "/films/2/film2.mp4"),
    ]
    assert [here.call("scene", scene_id=film.scene)["state"] for film in (waits, unsure)] == ["waiting", "needs_you"]
    assert here.call("discard", ids=[said["dead"][0]["id"]]) == {"discarded": 1}
    assert becomes(here, "waiting")["dead"] == []
    assert here.call("scene", scene_id=unsure.scene)["state"] == "skipped"
    file = here.stash.scenes[waits.scene].files[0]
    here.plex.add_item(1, file=file.path, size=file.size, duration_ms=60_000)
    assert here.call("sync", ids=[waits.scene]) == {"queued": 1}
    here.settles()
    assert becomes(here, "ok")["waiting"] == []
    assert here.call("scene", scene_id=waits.scene)["title"] == f"Film {waits.scene}"
    assert f"Film {unsure.scene}" not in here.log()


def test_sync_now(here: Installation) -> None:
    """Scenes that no hook told of are synced at once; what is no list of scenes gets one sentence, and no job."""
    films = here.new_films(2)
    found = here.stash.run_operation({"mode": "sync", "ids": [films[0].scene, "x"]})
    assert (found.returncode, "'x' cannot be the id of a scene" in str(found.error), here.rows()) == (0, True, [])
    assert here.call("sync", ids=[film.scene for film in films]) == {"queued": 2}
    until(lambda: here.titles() == ["New 1", "New 2"], what="both scenes")
    here.settles()
    assert here.call("scene", scene_id=str(films[1].scene))["state"] == "in_plex"


def test_killed_during_an_outage(here: Installation) -> None:
    """However often the worker is killed while Plex is away, it stays one outage, and it ends as Plex is back."""
    first, second = here.new_films(2)
    here.edit(first, "First")
    here.arrives(first, "First")
    here.plex.stop()
    here.edit(second, "Second")
    said = becomes(here, "away")
    assert "Plex has been unreachable" in said["health"]["sentence"]
    (began,) = [outage["from"] for outage in said["outages"]]
    for number in range(2):
        assert here.kill_worker()
        here.edit(first, f"Again {number}")
        until(lambda: worker_lives(here.folder), what="another worker")
        until(lambda: here.seen()["queue"]["in_progress"] == 0, what="its pause")
        outages = here.call("overview")["outages"]
        assert [(outage["from"], outage["to"]) for outage in outages] == [(began, None)]
    here.kill_worker()
    here.plex.start()
    here.call("wake")
    here.arrives(second, "Second")
    (outage,) = becomes(here, "ok")["outages"]
    assert (outage["from"], outage["held"]) == (began, 2)
    assert outage["to"] >= began
    assert outage["cause"].startswith("Plex is unreachable (")


def test_a_damaged_state_is_a_sentence(here: Installation) -> None:
    """While ``state.db`` is damaged the page gets one sentence, and once the worker has repaired it, its content."""
    film = here.film("New")
    here.edit(film, "New")
    here.arrives(film, "New")
    here.kill_worker()
    for path in here.folder.glob("state.db*"):
        path.write_bytes(b"no database at all" * 500)
    found = here.stash.run_operation({"mode": "overview"})
    assert (found.returncode, "is damaged" in str(found.error)) == (0, True)
    until(lambda: here.stash.run_operation({"mode": "overview"}).error is None, what="the repair")
    assert here.call("overview")["recent"] == []


def test_no_token_in_any_answer(here: Installation) -> None:
    """Titles and paths may be shown, the token never."""
    here.stash.configure(plexToken="a-secret-token")
    film = here.film("New", in_plex=False)
    here.edit(film, "New")
    until(lambda: here.seen()["problem"], what="the refusal")
    answers = [here.call("overview"), here.call("scene", scene_id=film.scene), here.call("wake")]
    assert "a-secret-token" not in str(answers)
    assert answers[0]["health"]["state"] == "setup"
