"""A choice through real processes: stored by an operation, carried out by the worker, and never lost."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.installation import Film, Installation
from tests.support.processes import until


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Installation]:
    """Start Stash and Plex, with crash points."""
    with Installation(tmp_path, crashes=True) as made:
        yield made


def doubtful(here: Installation) -> Film:
    """Return a scene that is a dead letter, because an item bears its file's name and nothing else; and that item."""
    film = here.film("Doubtful", in_plex=False)
    name = here.stash.scenes[film.scene].files[0].path.rpartition("/")[2]
    item = here.plex.add_item(1, file=f"/films/elsewhere/{name}", size=7, duration_ms=7000, title="Which?")
    here.edit(film, "New")
    until(lambda: here.seen()["queue"]["dead"], what="the dead letter")
    return Film(film.scene, item.rating_key)


def chosen(here: Installation, film: Film) -> dict[str, Any]:
    """Choose the item for the scene, as a text and a number."""
    answer: dict[str, Any] = here.call("choose", scene_id=str(film.scene), rating_key=film.item)
    return answer


def test_choose_and_take_back(here: Installation) -> None:
    """The dead letter's candidate is chosen: it is written and stays so after a restart, until the choice is undone."""
    film = doubtful(here)
    [letter] = here.call("dead_letters")["items"]
    [candidate] = letter["candidates"]
    assert candidate == {
        "rating_key": film.item, "title": "Which?", "path": "/films/elsewhere/film1.mp4", "size": 7, "duration": 7.0,
        "evidence": "name_only", "why": "only the name is equal",
    }  # fmt: skip
    assert chosen(here, film) == {
        "chosen": film.item, "sentence": f"Item {film.item} is chosen for scene {film.scene}.",
    }  # fmt: skip
    here.arrives(film, "New")
    assert here.stash.end_worker()
    here.edit(film, "Newer")
    here.arrives(film, "Newer")
    answer = here.call("unchoose", scene_id=film.scene)
    assert answer["chosen"] is None
    until(lambda: here.seen()["queue"]["dead"], what="the dead letter")
    assert here.title(film) == "Newer"


@pytest.mark.parametrize("point", ["worker after matching", "worker before the intents commit", "worker before a PUT"])
def test_the_worker_is_killed_between_choice_and_write(here: Installation, point: str) -> None:
    """A worker that dies with the choice in hand is followed by one that carries it out, to that item alone."""
    film, other = doubtful(here), here.film("Other")
    here.arm(point)
    chosen(here, film)
    here.await_death(point)
    assert here.title(film) == "Which?"
    here.call("wake")
    here.arrives(film, "New")
    assert here.title(other) in ("film2", "Other")


def test_the_operation_is_killed(here: Installation) -> None:
    """A process that dies as it has stored the choice, before it has said so, leaves a job that carries it out."""
    film = doubtful(here)
    here.arm("operation after a choice")
    found = here.stash.run_operation({"mode": "choose", "scene_id": film.scene, "rating_key": film.item})
    assert found.error == "signal: killed"
    assert here.victims("operation after a choice")
    here.call("wake")
    here.arrives(film, "New")


def test_on_a_cold_folder(here: Installation) -> None:
    """As the first call on a machine it is refused in one sentence, with status 0, and nothing is queued."""
    found = here.stash.run_operation({"mode": "choose", "scene_id": 1, "rating_key": 1})
    assert found.returncode == 0
    assert list(json.loads(found.stdout)) == ["error"]
    assert str(found.error).startswith("PlexSync has not reached Plex yet.")
    assert (here.plex.log, here.stash.log) == ([], [])


@pytest.mark.parametrize("hide", [True, False])
def test_no_title_or_path_reaches_the_log(here: Installation, hide: bool) -> None:
    """With hidden paths neither the candidates' titles nor their paths are in any log, though the letter has them."""
    here.stash.configure(logHidePaths=hide, logDebug=True)
    film = doubtful(here)
    chosen(here, film)
    here.arrives(film, "New")
    if hide:
        assert "Which?" not in here.said()
        assert "elsewhere" not in here.said()
