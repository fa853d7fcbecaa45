"""What a user does, from the installation to the removal, and what has to be seen in Plex each time.

A step is a method whose docstring is the sentence that the summary shows. Each stands on those before it.
"""

from __future__ import annotations

import shlex
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field

from tests.e2e import film
from tests.e2e.link import Link
from tests.e2e.places import LIBRARY, Films
from tests.e2e.plex import Item, Plex
from tests.e2e.stash import Stash
from tests.e2e.waiting import StepError, until

#: The films: one is edited, the other had its data before the plugin came.
EDITED, OLDER = "Along the harbour.avi", "Two boats.avi"

#: What the edited scene is given.
TITLE, DATE, DETAILS, STUDIO = "A day by the sea", "1952-07-14", "Two friends.\n\nOne boat.", "Acme & Söhne"
PEOPLE, TAGS = ("Ada Lovelace", "Grace Hopper"), ("Seaside", "Black and white")

OLDER_TITLE = "Two boats, restored"


@dataclass
class Scenario:
    """One run. ``source``: the index's address; ``doctor``: a command with ``{scene}``, or nothing."""

    stash: Stash
    plex: Plex
    link: Link
    films: Films
    source: str
    doctor: str = ""
    versions: dict[str, str] = field(default_factory=dict)
    said: str = ""
    library: str = ""
    scenes: dict[str, str] = field(default_factory=dict)
    items: dict[str, str] = field(default_factory=dict)
    before: dict[str, Item] = field(default_factory=dict)

    def steps(self) -> list[Callable[[], None]]:
        """Return the steps in their order."""
        optional = [self.doctor_asks] if self.doctor else []
        return [
            self.servers_answer, self.both_know_the_films, self.one_scene_has_data, self.the_plugin_is_installed,
            self.settings_are_saved, self.an_edit_arrives, self.an_edit_waits_for_plex, self.sync_all_compares,
            self.undo_puts_back, *optional, self.the_plugin_is_uninstalled,
        ]  # fmt: skip

    def servers_answer(self) -> None:
        """Stash and Plex answer."""
        for seed, name in enumerate((EDITED, OLDER)):
            film.write(self.films.here / name, seed)
        self.versions["Stash"] = self.stash.begin(self.films.in_stash)
        self.versions["Plex"] = self.plex.begin()

    def both_know_the_films(self) -> None:
        """Both have scanned two films."""
        self.stash.scan(self.films.in_stash)
        self.library = self.plex.library(LIBRARY, self.films.in_plex)
        self.plex.scan(self.library)
        for name in (EDITED, OLDER):
            self.scenes[name] = self.stash.scene(f"{self.films.in_stash}/{name}")
            self.items[name] = self._await_item(f"{self.films.in_plex}/{name}")
            self.before[name] = self.plex.read(self.items[name])

    def _await_item(self, file: str) -> str:
        return until(lambda: self.plex.item(self.library, file), "the film in Plex")

    def one_scene_has_data(self) -> None:
        """One of them is edited in Stash before there is a plugin."""
        self.stash.save(self.scenes[OLDER], title=OLDER_TITLE)

    def the_plugin_is_installed(self) -> None:
        """PlexSync is installed by Stash's package manager, from the index of the release."""
        self.versions["PlexSync"] = self.stash.add_source(self.source)
        self.stash.install(self.source)

    def settings_are_saved(self) -> None:
        """Its settings are saved, and Try Plex reaches Plex and sees the library."""
        settings = {"plexUrl": self.link.url, "plexToken": self.plex.token or "none", "plexLibraries": LIBRARY}
        if path_map := self.films.path_map():
            settings["plexPathMap"] = path_map
        self.stash.set(**settings)
        answer = self.stash.call("try_plex")
        if not answer["ok"] or LIBRARY not in [one["title"] for one in answer["libraries"] if one["usable"]]:
            raise StepError(f"Try Plex says: {answer['sentence']}")

    def an_edit_arrives(self) -> None:
        """A scene is edited: its title, studio, date, summary, performers and tags are in Plex."""
        studio = self.stash.make("studio", STUDIO)
        people = [self.stash.make("performer", name) for name in PEOPLE]
        tags = [self.stash.make("tag", name) for name in TAGS]
        values = {"title": TITLE, "date": DATE, "details": DETAILS}
        self.stash.save(self.scenes[EDITED], **values, studio_id=studio, performer_ids=people, tag_ids=tags)
        wanted = (TITLE, STUDIO, DETAILS, DATE, tuple(sorted(PEOPLE)), tuple(sorted(TAGS)))

        def shown() -> bool:
            item = self._item(EDITED)
            return (item.title, item.studio, item.summary, item.date, item.performers, item.genres) == wanted

        until(shown, "the edit in Plex")

    def an_edit_waits_for_plex(self) -> None:
        """A scene is edited while Plex is away; when Plex is back, the edit arrives by itself."""
        title = f"{TITLE}, again"
        self.link.cut()
        self.stash.save(self.scenes[EDITED], title=title)
        until(lambda: self._status()["breaker"]["failures"] > 0, "an attempt to reach Plex")
        if self._item(EDITED).title == title:
            raise StepError("Plex was not away.")
        self.link.mend()
        self._await_title(EDITED, title)

    def sync_all_compares(self) -> None:
        """Sync all brings the scene that was edited before, and mends a title that Plex was given meanwhile."""
        # Until it has been read back, what Plex has would count as Plex's own way to keep what was sent.
        until(lambda: not self._busy(), "an empty queue")
        title = self._item(EDITED).title
        self.plex.rename(self.library, self.items[EDITED], "Somebody's title")
        self.stash.task("Sync all")
        self._await_title(OLDER, OLDER_TITLE)
        self._await_title(EDITED, title)

    def undo_puts_back(self) -> None:
        """Undo puts both items back as they were."""
        until(lambda: not self._busy(), "an empty queue")
        self.stash.call("undo", all=True)
        until(lambda: {name: self._item(name) for name in self.items} == self.before, "the items as they were")

    def doctor_asks(self) -> None:
        """The doctor's questions to Plex are answered."""
        until(lambda: not self._busy(), "an empty queue")
        command = [word.replace("{scene}", self.scenes[EDITED]) for word in shlex.split(self.doctor)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
        self.said = done.stdout
        if done.returncode:
            raise StepError(f"The doctor ended with status {done.returncode}: {done.stderr.strip()[-500:]}")

    def the_plugin_is_uninstalled(self) -> None:
        """PlexSync is uninstalled; its settings stay in Stash, and Plex as it was."""
        self.stash.uninstall(self.source)
        if self.stash.settings().get("plexUrl") != self.link.url:
            raise StepError("The settings are gone.")
        self.stash.save(self.scenes[EDITED], title="Nobody carries this")
        if {name: self._item(name) for name in self.items} != self.before:
            raise StepError("An item has changed.")

    # -- what is looked at

    def _item(self, name: str) -> Item:
        return self.plex.read(self.items[name])

    def _await_title(self, name: str, title: str) -> None:
        until(lambda: self._item(name).title == title, f"the title {title!r} in Plex")

    def _status(self) -> dict[str, dict[str, int]]:
        found: dict[str, dict[str, int]] = self.stash.call("status")
        return found

    def _busy(self) -> int:
        queue = self._status()["queue"]
        return queue["pending"] + queue["in_progress"]
