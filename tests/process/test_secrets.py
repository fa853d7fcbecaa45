"""Token, cookie, API key and, with "Hide names in the log", the library's names: nowhere but where they must be."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from plexsync.tasks import dispatch, operations
from tests.servers.plex import PlexServer
from tests.servers.stash import TASKS
from tests.servers.stash_hooks import Launcher, PluginProcess
from tests.support.installation import Film, Installation
from tests.support.processes import copy_of_plugin, until, worker_lives

TOKEN = "Zq8vRk3mXw7Ls2YdToken"
OLD_TOKEN = "Bq8vRk3mXw7Ls2YdToken"
KEY = "eyJhbGciOi.StashApiKey.Jk4LmN6pQ8"
OLD_KEY = "eyJhbGciOi.StaleApiKey.Tk4LmN6pQ8"

#: For every operation that takes one.
ARGUMENTS = {"ids": [1], "scene_id": 1, "rating_key": 1, "lines": [{"level": "i", "message": "x"}]}

#: In the plugin of these tests: a fault of our own, whose text holds all that the worker knows at that place.
FAULT = """
_whole = desired


def desired(scene, settings, **named):
    if scene.title.endswith("boom"):
        raise RuntimeError(f"{settings} {settings.plex_token} {scene}")
    return _whole(scene, settings, **named)
"""

#: Names of the library that logHidePaths hides. Each stands in titles, paths or tags below and nowhere else.
NAMES = ("Zanzibar", "Umbrella", "Peculiar", "Quillon", "Velociped", "Orinoco", "Vault", "Kept otherwise", "Xylophone")


@pytest.fixture
def processes(monkeypatch: pytest.MonkeyPatch) -> list[PluginProcess]:
    """Record every process that Stash starts."""
    started: list[PluginProcess] = []
    start = Launcher.start

    def noted(self: Launcher, args: dict[str, Any], on_line: Any = None) -> PluginProcess:
        started.append(start(self, args, on_line))
        return started[-1]

    monkeypatch.setattr(Launcher, "start", noted)
    return started


@pytest.fixture
def here(tmp_path: Path, processes: list[PluginProcess]) -> Iterator[Installation]:
    """Start both servers, and a plugin that fails for scenes with the title boom."""
    script = copy_of_plugin(tmp_path / "stash" / "plugins" / "PlexSync")
    fields = script.parent / "plexsync" / "model" / "fields.py"
    assert "\ndef desired(" in fields.read_text("utf-8")
    with fields.open("a", encoding="utf-8") as file:
        file.write(FAULT)
    with Installation(
        tmp_path, token=TOKEN, script=script, images=True, PLEXSYNC_RETRY_BASE="0.05", PLEXSYNC_RETRY_CAP="0.1"
    ) as made:
        made.stash.configure(maxRetries=2, logDebug=True)
        yield made


def command_line(here: Installation, *words: str) -> str:
    """Return what the command line prints."""
    script = str(here.stash.plugin_script)
    command = [here.stash.python, script, *words, "--data-dir", str(here.folder)]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, **here.stash.env}, check=False)
    return done.stdout + done.stderr


def every_call(here: Installation) -> None:
    """Make one call of every hook, task and operation."""
    film = here.films[0]
    tag, performer, studio = (here.stash.add_tag("t"), here.stash.add_performer("p"), here.stash.add_studio("s"))
    here.stash.update_scene(film.scene, tags=[tag], performers=[performer], studio=studio)
    here.stash.update_tag(tag, "t2")
    here.stash.update_performer(performer, "p2")
    here.stash.update_studio(studio, "s2")
    here.stash.merge_tags([tag], here.stash.add_tag("t3"))
    here.stash.create_scene("new")
    here.stash.destroy_scene(here.stash.add_scene("gone"))
    for name in TASKS:
        here.stash.run_task(name)
    for mode in (*operations.MODES, *dispatch.ASKING, "check_setup", "unknown"):
        for step in ("start", "poll") if mode == "sign_in" else ("",):
            here.stash.run_operation({"mode": mode, "step": step, **ARGUMENTS})


def problem(here: Installation, *words: str) -> None:
    """Wait until the status has a problem with these words."""
    until(lambda: all(word in str(here.seen()["problem"]) for word in words), what=f"a problem with {words}")


def arrives(here: Installation, film: Film, title: str) -> None:
    """Wait until Plex has the title; other scenes may still be waiting."""
    until(lambda: here.title(film) == title, what=f"{title!r} in Plex")


def process_words(here: Installation) -> str:
    """Return command line and environment of the background process."""
    text = (here.folder / "worker.lock").read_text("ascii")
    try:
        return "".join(Path(f"/proc/{text}/{name}").read_text("utf-8", "replace") for name in ("cmdline", "environ"))
    except OSError:
        return ""


def test_no_secret_anywhere(here: Installation, processes: list[PluginProcess]) -> None:
    """Whatever happens, token, cookies and keys are only in their headers and ``connection.json``."""
    stash, plex = here.stash, here.plex
    stash.credentials, stash.api_key = ("user", "password"), OLD_KEY
    seen: list[str] = []
    films = [here.film(f"Film {number}", cover=b"\xff\xd8\xff\xe0 cover") for number in range(4)]
    here.edit(films[0], "first")
    arrives(here, films[0], "first")
    every_call(here)
    seen += [process_words(here), command_line(here, "status"), command_line(here, "status", "--json")]
    seen.append(command_line(here, "check-setup"))

    plex.stop()
    here.edit(films[1], "outage")
    until(lambda: here.seen()["breaker"]["failures"], what="a failure of Plex")
    stash.run_task("sync_all")
    plex.start()
    stash.run_operation({"mode": "wake"})
    arrives(here, films[1], "outage")

    stash.api_key = KEY
    here.edit(films[1], "the key is another")
    arrives(here, films[1], "the key is another")

    plex.token = "another"
    here.edit(films[2], "refused")
    problem(here, "token")
    seen += [json.dumps(stash.run_task(name).output) for name in ("sync_all", "check_setup", "preview")]
    plex.token = TOKEN
    stash.run_operation({"mode": "wake"})
    arrives(here, films[2], "refused")

    with PlexServer(TOKEN) as other:
        plex.redirect_target = f"{other.url}/library"
        plex.fault("redirect_302")
        stash.fault("redirect", 1)
        here.edit(films[2], "redirected")
        problem(here, "redirect")
        seen.append(command_line(here, "check-setup"))
        plex.clear_faults()
        stash.run_operation({"mode": "wake"})
        arrives(here, films[2], "redirected")
        assert other.log == []

    plex.modes.reject_values = {"title": "forbidden"}
    here.edit(films[2], "forbidden")
    here.edit(films[3], "boom")
    until(lambda: {"rejected", "retries_exhausted"} <= set(here.dead_letters().values()), what="two dead letters")
    stash.configure(plexToken=OLD_TOKEN, plexPort="x", maxTags=-1, unknown=TOKEN)
    here.edit(films[0], "another token")
    problem(here, "token")
    stash.configure(plexToken=[TOKEN], plexUrl=f"{plex.url}/?X-Plex-Token={TOKEN}")
    here.edit(films[0], "an address with a token")
    problem(here, "PlexSync is paused")
    until(lambda: "Plex address" in here.log(), what="a word about the address")
    for name in TASKS:
        stash.run_task(name)
    seen.append(process_words(here))
    check_secrets(here, processes, seen)


def check_secrets(here: Installation, processes: list[PluginProcess], seen: list[str]) -> None:
    """Search for each secret in each place."""
    here.stash.end_worker()
    cookies = set(here.stash.sessions.issued)
    secrets = {TOKEN, OLD_TOKEN, KEY, OLD_KEY, *cookies}
    places = {f"seen {number}": text for number, text in enumerate(seen)}
    for path in here.folder.iterdir():
        if path.name != "connection.json":
            places[path.name] = path.read_bytes().decode("latin-1")
    for number, process in enumerate(processes):
        places[f"process {number}"] = (process.stdout + process.stderr).decode("latin-1")
    places["Stash's log"] = "\n".join(line.message for line in here.stash.plugin_log)
    for number, asked in enumerate(here.stash.log):
        rest = {name: value for name, value in asked.headers.items() if name not in ("cookie", "apikey")}
        places[f"asked Stash {number}"] = json.dumps([asked.path, asked.operation, asked.variables, rest])
    for number, sent in enumerate(here.plex.log):
        rest = {name: value for name, value in sent.headers.items() if name != "x-plex-token"}
        places[f"sent Plex {number}"] = f"{sent.target} {rest} {sent.body.decode('latin-1')}"
    assert len(cookies) > 20
    assert "traced" in places["plexsync.log"]
    assert any(asked.apikey == KEY for asked in here.stash.log)
    assert [place for place, text in places.items() if any(secret in text for secret in secrets)] == []
    # An address that is tried is asked for its version first, without a token.
    checked = [sent for sent in here.plex.log if sent.header("X-Plex-Token") is not None or sent.path != "/identity"]
    assert {sent.header("X-Plex-Token") for sent in checked} <= {TOKEN, OLD_TOKEN}
    assert not any(sent.header("Cookie") or sent.header("ApiKey") for sent in here.plex.log)


def library(here: Installation) -> list[Film]:
    """Add scenes with telling names: one that arrives, and one for each way of failing."""
    stash, plex = here.stash, here.plex
    fields: dict[str, Any] = {
        "studio": stash.add_studio("Orinoco"),
        "performers": [stash.add_performer("Quillon"), stash.add_performer("Quillon the second")],
        "tags": [stash.add_tag(f"Velociped {number}") for number in range(3)],
        "details": "Zanzibar",
        "date": "2024-13-40",
    }
    plex.sections[1].locations = ("/Vault",)

    def film(title: str, file: str, item_file: str = "", size: int = 77) -> Film:
        scene = stash.add_scene(title, files=[(file, 77, 60.0)], **fields)
        item = plex.add_item(1, file=item_file or file, size=size, duration_ms=60_000, title="Xylophone").rating_key
        here.films.append(Film(scene, item))
        return here.films[-1]

    film("Zanzibar", "/Vault/Umbrella/Peculiar 1.mp4")
    film("Zanzibar forbidden", "/Vault/Umbrella/Peculiar 2.mp4")
    film("Zanzibar boom", "/Vault/Umbrella/Peculiar 3.mp4")
    film("Zanzibar low", "/Vault/Umbrella/Peculiar 4.mp4", "/Vault/elsewhere/Peculiar 4.mp4", 99)
    lost = film("Zanzibar lost", "/Vault/Umbrella/Peculiar 5.mp4")
    plex.remove_item(lost.item)
    film("Zanzibar " + "Zanzibar " * 50, "/Vault/Umbrella/Peculiar 6.mp4")
    return here.films


def test_no_name_of_the_library_in_the_logs(here: Installation, processes: list[PluginProcess]) -> None:
    """With "Hide names in the log" no path, title or name is in any log, debug lines included."""
    films = library(here)
    here.stash.configure(
        logHidePaths=True, maxTags=2, missingScan=True, dryRun=True, skipPoster=True, skipBackground=True
    )
    here.plex.modes.reject_values = {"title": "forbidden"}
    here.plex.modes.keep_differently = lambda name, value: "Kept otherwise" if name == "studio" else value
    here.plex.fault("500", path="/refresh")
    here.stash.run_task("sync_all")
    said = here.stash.run_task("preview").error
    assert said is not None
    assert said.startswith("Internal error in preview (RuntimeError). ")
    assert here.stash.run_task("check_setup").error is None
    here.stash.configure(dryRun=False, keepPlexEdits=True)
    here.stash.run_task("sync_all")
    wanted = {films[1].scene: "rejected", films[2].scene: "retries_exhausted", films[3].scene: "low_confidence"}
    until(lambda: here.dead_letters().items() >= wanted.items(), what="the dead letters")
    here.stash.update_scene(films[0].scene, title="Zanzibar again")
    until(lambda: here.title(films[0]) == "Zanzibar again", what="the edit")
    here.stash.destroy_scene(films[2].scene)
    for name in TASKS:
        assert here.stash.run_task(name).error is None
    assert "Zanzibar" in (here.folder / "preview.csv").read_text("utf-8")
    here.stash.end_worker()
    log = here.log()
    assert all(
        word in log
        for word in ("wrote scene", "would write scene", "traced", "Plex stored another value than was sent")
    )
    assert "scan" in log
    places = {"plexsync.log": log, "Stash's log": "\n".join(line.message for line in here.stash.plugin_log)}
    places |= {f"stderr of {number}": one.stderr.decode("latin-1") for number, one in enumerate(processes)}
    assert _found(places, NAMES) == []
    assert not worker_lives(here.folder)


def _found(places: dict[str, str], names: tuple[str, ...]) -> list[str]:
    """Return the lines that have a name, with their place."""
    holds: Callable[[str], bool] = lambda line: any(name in line for name in names)  # noqa: E731
    return [f"{place}: {line}" for place, text in places.items() for line in text.splitlines() if holds(line)]
