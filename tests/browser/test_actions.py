"""Every action of the page reaches Plex: a click, a real plugin process, the queue, the worker, the item."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.browser.conftest import Open
from tests.browser.driver import Page
from tests.support.installation import Film, Installation
from tests.support.processes import until


@pytest.fixture
def here(tmp_path: Path, built: Path) -> Iterator[Installation]:
    """Stash with the plugin and its front end, a Plex that it has met, one film that is synced."""
    with Installation(tmp_path, front=built) as made:
        first = made.film("First")
        made.edit(first, "First")
        made.arrives(first, "First")
        yield made


def press(page: Page, action: str, within: str = "page") -> None:
    """Press a button, and say yes to the question if there is one."""
    button = page.action(action, within).locator("visible=true").first
    button.wait_for(state="visible")
    button.click()
    page.tab.wait_for_timeout(150)
    yes = page.find('.modal [data-action="confirm"]')
    if yes.count():
        yes.click()


def dead(here: Installation) -> list[dict[str, Any]]:
    """The dead letters."""
    found: list[dict[str, Any]] = here.call("dead_letters")["items"]
    return found


def rejected(here: Installation, title: str = "forbidden") -> Film:
    """A film whose new title Plex refuses, as a dead letter."""
    film = here.film()
    here.plex.modes.reject_values = {"title": "forbidden"}
    here.edit(film, title)
    until(lambda: film.scene in here.dead_letters(), what="the dead letter")
    return film


def doubtful(here: Installation) -> tuple[int, list[int]]:
    """A scene that two items may be, as a dead letter; its id and the items' rating keys."""
    keys = [
        here.plex.add_item(1, file=f"/other/{name}/x.mp4", size=8, duration_ms=700_000, title="x").rating_key
        for name in ("one", "two")
    ]
    scene = here.stash.create_scene("Doubtful", files=[("/films/x.mp4", 7, 9.0)]).id
    until(here.dead_letters, what="the dead letter")
    return scene, keys


def fresh(here: Installation, count: int) -> list[Film]:
    """So many films that were never synced."""
    return [here.film(f"Fresh {len(here.films) + 1}") for _ in range(count)]


def edited(here: Installation) -> list[Film]:
    """Two films whose edits are in Plex."""
    films = here.new_films(2)
    for film in films:
        here.edit(film, f"Edited {film.scene}")
        here.arrives(film, f"Edited {film.scene}")
    return films


def test_retry(opened: Open, here: Installation) -> None:
    """Retry gives a dead letter another try, and its scene arrives once Plex takes it."""
    film = rejected(here)
    page = opened(here.stash)
    row = f'[data-plexsync="dead"] [data-scene-id="{film.scene}"]'
    assert "Plex" in page.wait(row).inner_text()
    here.plex.modes.reject_values = {}
    press(page, "retry", row)
    here.arrives(film, "forbidden")
    page.find(row).wait_for(state="detached")


def test_discard(opened: Open, here: Installation) -> None:
    """Discard forgets a dead letter and leaves Plex as it was."""
    film = rejected(here)
    page = opened(here.stash)
    row = f'[data-plexsync="dead"] [data-scene-id="{film.scene}"]'
    page.wait(row)
    press(page, "discard", row)
    page.find(row).wait_for(state="detached")
    assert (dead(here), here.title(film)) == ([], "film2")


def test_retry_all(opened: Open, here: Installation) -> None:
    """Retry all does it for every dead letter."""
    films = [rejected(here, f"forbidden {number}") for number in (1, 2)]
    page = opened(here.stash)
    page.wait("dead")
    here.plex.modes.reject_values = {}
    press(page, "retry-all")
    for number, film in enumerate(films, 1):
        here.arrives(film, f"forbidden {number}")


def test_discard_all(opened: Open, here: Installation) -> None:
    """Discard all forgets every dead letter, after a question."""
    rejected(here)
    rejected(here)
    page = opened(here.stash)
    page.wait("dead")
    page.action("discard-all", "page").first.click()
    assert len(dead(here)) == 2
    page.wait('.modal [data-action="confirm"]').click()
    until(lambda: not here.dead_letters(), what="an empty list")


def test_choose_and_take_it_back(opened: Open, here: Installation) -> None:
    """The chosen item gets the scene's values and no other does; the choice can be taken back."""
    scene, keys = doubtful(here)
    page = opened(here.stash)
    row = f'[data-plexsync="dead"] [data-scene-id="{scene}"]'
    page.wait(row)
    page.find(row).locator(f'[data-action="choose"][data-rating-key="{keys[1]}"]').click()
    until(lambda: here.plex.items[keys[1]].title == "Doubtful", what="the title in Plex")
    assert here.plex.items[keys[0]].title == "x"
    assert str(here.call("scene", scene_id=scene)["chosen"]) == str(keys[1])
    press(page, "unchoose")
    until(lambda: here.call("scene", scene_id=scene)["chosen"] is None, what="no choice")


def test_undo(opened: Open, here: Installation) -> None:
    """Undo puts one item back as it was before, and leaves the others."""
    films = edited(here)
    page = opened(here.stash)
    row = f'[data-plexsync="recent"] [data-scene-id="{films[0].scene}"]'
    assert f"Edited {films[0].scene}" in page.wait(row).inner_text()
    press(page, "undo", row)
    here.arrives(films[0], "film2")
    assert here.title(films[1]) == f"Edited {films[1].scene}"


def test_undo_all(opened: Open, here: Installation) -> None:
    """Undo all puts everything back, after a question."""
    films = edited(here)
    page = opened(here.stash)
    page.wait("recent")
    page.action("undo-all", "page").first.click()
    page.wait('.modal [data-action="confirm"]').click()
    here.arrives(films[0], "film2")
    here.arrives(films[1], "film3")


def test_sync_all(opened: Open, here: Installation) -> None:
    """Sync all brings every scene to Plex, and the page shows them without a reload."""
    films = fresh(here, 3)
    page = opened(here.stash)
    page.wait("now")
    press(page, "sync-all")
    for film in films:
        here.arrives(film, f"Fresh {film.scene}")
    for film in films:
        page.wait(f'[data-plexsync="recent"] [data-scene-id="{film.scene}"]')


def test_sync_recent(opened: Open, here: Installation) -> None:
    """Sync recent brings the scenes of the last day."""
    films = fresh(here, 2)
    page = opened(here.stash)
    page.wait("now")
    press(page, "sync-recent")
    for film in films:
        here.arrives(film, f"Fresh {film.scene}")


def test_preview(opened: Open, here: Installation) -> None:
    """Preview shows what would change, row by row, filters by field and text, and writes nothing."""
    one, other = (here.film(f"Title {name}", details="A summary.").scene for name in ("apple", "pear"))
    writes = len(here.plex.writes())
    page = opened(here.stash, "/plugins/plexsync?tab=preview")
    page.wait("preview")
    press(page, "preview", "preview")
    row = '[data-plexsync="preview"] [data-scene-id]'
    page.wait(row)
    assert page.find(f'{row}[data-scene-id="{one}"]').count() >= 2
    assert "Title apple" in page.find("preview").inner_text()
    page.find("preview").locator("input[type=search]").fill("pear")
    page.find(f'{row}[data-scene-id="{one}"]').first.wait_for(state="detached")
    page.wait(f'{row}[data-scene-id="{other}"]')
    page.find("preview").locator("select").select_option("summary")
    page.find(f'{row}[data-field="title"]').first.wait_for(state="detached")
    page.wait(f'{row}[data-scene-id="{other}"]')
    assert len(here.plex.writes()) == writes


def test_check_setup(opened: Open, here: Installation) -> None:
    """Check setup says on the page what it found."""
    here.new_films(1)
    page = opened(here.stash)
    page.wait("now")
    press(page, "check-setup")
    page.wait(':is(li, p, div):has-text("Films") >> nth=-1')


def test_report(opened: Open, here: Installation) -> None:
    """The report is there to be copied, and tells no path, title or token."""
    film = here.film("Private title")
    here.edit(film, "Private title")
    here.arrives(film, "Private title")
    page = opened(here.stash)
    page.wait("now")
    press(page, "report")
    text = page.wait('[data-plexsync="page"] textarea').input_value()
    assert "1.1.0" in text
    assert not any(one in text for one in ("Private", "/films", here.plex.token, str(here.plex.url)))


def test_a_running_task_is_stopped(opened: Open, here: Installation) -> None:
    """What runs has a button that stops it, and what it marked is dropped."""
    films = fresh(here, 2)
    here.plex.fault("stall")
    page = opened(here.stash)
    page.wait("now")
    press(page, "sync-all")
    press(page, "stop", "now")
    task = here.stash.jobs.tasks[1]
    until(task.ended.is_set, what="the task's end")
    assert task.status == "CANCELLED"
    here.plex.clear_faults()
    here.plex.release()
    here.settles()
    assert [here.title(film) for film in films] == ["film2", "film3"]


def test_the_tab_of_a_scene(opened: Open, here: Installation) -> None:
    """A scene is synced, shown with its item and its change, and undone, all on its own page."""
    film = here.film("Fresh")
    page = opened(here.stash, f"/scenes/{film.scene}")
    page.wait("scene-tab").click()
    page.wait('[data-plexsync="scene"][data-state="never_synced"]')
    press(page, "sync-now", "scene")
    here.arrives(film, "Fresh")
    pane = page.wait('[data-plexsync="scene"][data-state="in_plex"]')
    assert pane.locator(f'[data-rating-key="{film.item}"]').count() == 1
    press(page, "undo", "scene")
    here.arrives(film, "film2")


def test_choose_on_the_tab_of_a_scene(opened: Open, here: Installation) -> None:
    """The same choice is offered on the scene's own page."""
    scene, keys = doubtful(here)
    page = opened(here.stash, f"/scenes/{scene}")
    page.wait("scene-tab").click()
    page.wait('[data-plexsync="scene"][data-state="needs_you"]')
    page.find("scene").locator(f'[data-action="choose"][data-rating-key="{keys[0]}"]').click()
    until(lambda: here.plex.items[keys[0]].title == "Doubtful", what="the title in Plex")
    page.wait('[data-plexsync="scene"][data-state="in_plex"]')
    press(page, "unchoose", "scene")
    until(lambda: here.call("scene", scene_id=scene)["chosen"] is None, what="no choice")
