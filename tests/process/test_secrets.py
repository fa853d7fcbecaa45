"""Token, cookie, ApiKey, and with logHidePaths the library's names: nowhere but where they have to be."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.servers.plex import PlexServer
from tests.servers.stash import TASKS
from tests.servers.stash_hooks import Launcher, PluginProcess
from tests.support.pair import Film, Pair
from tests.support.plugin import PLUGIN, worker_lives
from tests.support.waiting import until

TOKEN = "Zq8vRk3mXw7Ls2YdToken"
OLD_TOKEN = "Bq8vRk3mXw7Ls2YdToken"
KEY = "eyJhbGciOi.StashApiKey.Jk4LmN6pQ8"
OLD_KEY = "eyJhbGciOi.StaleApiKey.Tk4LmN6pQ8"

#: In the plugin of these tests: a fault of our own, whose text holds all that the worker knows at that place.
FAULT = """
_whole = wanted


def wanted(scene, settings, **named):
    if scene.title.endswith("boom"):
        raise RuntimeError(f"{settings} {settings.plex_token} {scene}")
    return _whole(scene, settings, **named)
"""

#: Names of the library that logHidePaths hides. Each stands in titles, paths or tags below and nowhere else.
NAMES = ("Zanzibar", "Umbrella", "Peculiar", "Quillon", "Velociped", "Orinoco", "Vault", "Kept otherwise", "Xylophone")


@pytest.fixture
def processes(monkeypatch: pytest.MonkeyPatch) -> list[PluginProcess]:
    """Every process that Stash started."""
    started: list[PluginProcess] = []
    start = Launcher.start

    def noted(self: Launcher, args: dict[str, Any], on_line: Any = None) -> PluginProcess:
        started.append(start(self, args, on_line))
        return started[-1]

    monkeypatch.setattr(Launcher, "start", noted)
    return started


@pytest.fixture
def pair(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, processes: list[PluginProcess]) -> Iterator[Pair]:
    """Both servers, and the plugin with a fault in it for scenes that are called boom."""
    monkeypatch.delenv("PLEXSYNC_DATA_DIR", raising=False)
    script = tmp_path / "stash" / "plugins" / "PlexSync" / "PlexSync.py"
    script.parent.mkdir(parents=True)
    for name in ("PlexSync.py", "PlexSync.yml"):
        shutil.copy(PLUGIN.parent / name, script.parent)
    shutil.copytree(
        PLUGIN.parent / "plexsync", script.parent / "plexsync", ignore=shutil.ignore_patterns("__pycache__")
    )
    with (script.parent / "plexsync" / "model" / "fields.py").open("a", encoding="utf-8") as file:
        file.write(FAULT)
    with Pair(tmp_path, TOKEN, script, PLEXSYNC_RETRY_BASE="0.05", PLEXSYNC_RETRY_CAP="0.1") as made:
        made.stash.configure(skipPoster=False, skipBackground=False, maxRetries=2, logDebug=True)
        yield made


def command_line(pair: Pair, *words: str) -> str:
    """What a person sees who calls the plugin by hand."""
    script = str(pair.stash.plugin_script)
    command = [pair.stash.python, script, *words, "--data-dir", str(pair.folder)]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, **pair.stash.env}, check=False)
    return done.stdout + done.stderr


def all_doors(pair: Pair) -> None:
    """Every hook, task and operation once; whatever they answer."""
    film = pair.films[0]
    tag, performer, studio = (pair.stash.add_tag("t"), pair.stash.add_performer("p"), pair.stash.add_studio("s"))
    pair.stash.update_scene(film.scene, tags=[tag], performers=[performer], studio=studio)
    pair.stash.update_tag(tag, "t2")
    pair.stash.update_performer(performer, "p2")
    pair.stash.update_studio(studio, "s2")
    pair.stash.merge_tags([tag], pair.stash.add_tag("t3"))
    pair.stash.create_scene("new")
    pair.stash.destroy_scene(pair.stash.add_scene("gone"))
    for name in TASKS:
        pair.stash.run_task(name)
    for mode in ("status", "dead_letters", "retry", "discard", "check_setup", "wake", "log", "unknown"):
        pair.stash.run_operation({"mode": mode, "ids": [1], "lines": [{"level": "i", "message": "x"}]})


def problem(pair: Pair, *words: str) -> None:
    """Wait until the status tells of a problem with these words."""
    until(lambda: all(word in str(pair.status()["problem"]) for word in words), what=f"a problem with {words}")


def arrives(pair: Pair, film: Film, title: str) -> None:
    """Wait until Plex has the title; other scenes may go on waiting for their files."""
    until(lambda: pair.title(film) == title, what=f"{title!r} in Plex")


def letters(pair: Pair) -> dict[int, str]:
    """Scene -> reason of its dead letter."""
    found = pair.stash.run_operation({"mode": "dead_letters"}).output["items"]
    return {one["scene_id"]: one["reason"] for one in found}


def process_words(pair: Pair) -> str:
    """Command line and environment of the background process."""
    text = (pair.folder / "worker.lock").read_text("ascii")
    try:
        return "".join(Path(f"/proc/{text}/{name}").read_text("utf-8", "replace") for name in ("cmdline", "environ"))
    except OSError:
        return ""


def test_no_secret_anywhere(pair: Pair, processes: list[PluginProcess]) -> None:
    """After everything that can happen, token, cookies and keys stand in their headers and connection.json alone."""
    stash, plex = pair.stash, pair.plex
    stash.credentials, stash.api_key = ("user", "password"), OLD_KEY
    seen: list[str] = []
    films = [pair.film(f"Film {number}", cover=b"\xff\xd8\xff\xe0 cover") for number in range(4)]
    pair.edit(films[0], "first")
    arrives(pair, films[0], "first")
    all_doors(pair)
    seen += [process_words(pair), command_line(pair, "status"), command_line(pair, "status", "--json")]
    seen.append(command_line(pair, "check-setup"))

    plex.stop()
    pair.edit(films[1], "outage")
    until(lambda: pair.status()["breaker"]["failures"], what="a failure of Plex")
    stash.run_task("sync_all")
    plex.start()
    stash.run_operation({"mode": "wake"})
    arrives(pair, films[1], "outage")

    stash.api_key = KEY
    pair.edit(films[1], "the key is another")
    arrives(pair, films[1], "the key is another")

    plex.token = "another"
    pair.edit(films[2], "refused")
    problem(pair, "token")
    seen += [json.dumps(stash.run_task(name).output) for name in ("sync_all", "check_setup", "preview")]
    plex.token = TOKEN
    stash.run_operation({"mode": "wake"})
    arrives(pair, films[2], "refused")

    with PlexServer(TOKEN) as other:
        plex.redirect_target = f"{other.url}/library"
        plex.fault("redirect_302")
        stash.fault("redirect", 1)
        pair.edit(films[2], "redirected")
        problem(pair, "redirect")
        seen.append(command_line(pair, "check-setup"))
        plex.clear_faults()
        stash.run_operation({"mode": "wake"})
        arrives(pair, films[2], "redirected")
        assert other.log == []

    plex.modes.reject_values = {"title": "forbidden"}
    pair.edit(films[2], "forbidden")
    pair.edit(films[3], "boom")
    until(lambda: {"rejected", "retries_exhausted"} <= set(letters(pair).values()), what="two dead letters")
    stash.configure(plexToken=OLD_TOKEN, plexPort="x", maxTags=-1, unknown=TOKEN)
    pair.edit(films[0], "another token")
    problem(pair, "token")
    stash.configure(plexToken=[TOKEN], plexUrl=f"{plex.url}/?X-Plex-Token={TOKEN}")
    pair.edit(films[0], "an address with a token")
    problem(pair, "PlexSync is paused")
    until(lambda: "Plex address" in pair.log(), what="a word about the address")
    for name in TASKS:
        stash.run_task(name)
    seen.append(process_words(pair))
    check_secrets(pair, processes, seen)


def check_secrets(pair: Pair, processes: list[PluginProcess], seen: list[str]) -> None:
    """Look for each secret in each place."""
    pair.stash.end_worker()
    cookies = set(pair.stash.sessions.issued)
    secrets = {TOKEN, OLD_TOKEN, KEY, OLD_KEY, *cookies}
    places = {f"seen {number}": text for number, text in enumerate(seen)}
    for path in pair.folder.iterdir():
        if path.name != "connection.json":
            places[path.name] = path.read_bytes().decode("latin-1")
    for number, one in enumerate(processes):
        places[f"process {number}"] = (one.stdout + one.stderr).decode("latin-1")
    places["Stash's log"] = "\n".join(line.message for line in pair.stash.plugin_log)
    for number, asked in enumerate(pair.stash.log):
        rest = {name: value for name, value in asked.headers.items() if name not in ("cookie", "apikey")}
        places[f"asked Stash {number}"] = json.dumps([asked.path, asked.operation, asked.variables, rest])
    for number, sent in enumerate(pair.plex.log):
        rest = {name: value for name, value in sent.headers.items() if name != "x-plex-token"}
        places[f"sent Plex {number}"] = f"{sent.target} {rest} {sent.body.decode('latin-1')}"
    assert len(cookies) > 20
    assert "traced" in places["plexsync.log"]
    assert any(asked.apikey == KEY for asked in pair.stash.log)
    assert [place for place, text in places.items() if any(secret in text for secret in secrets)] == []
    assert {sent.header("X-Plex-Token") for sent in pair.plex.log} <= {TOKEN, OLD_TOKEN}
    assert not any(sent.header("Cookie") or sent.header("ApiKey") for sent in pair.plex.log)


def library(pair: Pair) -> list[Film]:
    """Scenes with telling names: one that arrives, and one for each way of not arriving."""
    stash, plex = pair.stash, pair.plex
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
        pair.films.append(Film(scene, item))
        return pair.films[-1]

    film("Zanzibar", "/Vault/Umbrella/Peculiar 1.mp4")
    film("Zanzibar forbidden", "/Vault/Umbrella/Peculiar 2.mp4")
    film("Zanzibar boom", "/Vault/Umbrella/Peculiar 3.mp4")
    film("Zanzibar low", "/Vault/Umbrella/Peculiar 4.mp4", "/Vault/elsewhere/Peculiar 4.mp4", 99)
    lost = film("Zanzibar lost", "/Vault/Umbrella/Peculiar 5.mp4")
    plex.remove_item(lost.item)
    film("Zanzibar " + "Zanzibar " * 50, "/Vault/Umbrella/Peculiar 6.mp4")
    return pair.films


def test_no_name_of_the_library_in_the_logs(pair: Pair, processes: list[PluginProcess]) -> None:
    """With logHidePaths no path, file name, title, performer, tag or studio stands in any log, debug lines included."""
    films = library(pair)
    pair.stash.configure(
        logHidePaths=True, maxTags=2, missingScan=True, dryRun=True, skipPoster=True, skipBackground=True
    )
    pair.plex.modes.reject_values = {"title": "forbidden"}
    pair.plex.modes.keep_differently = lambda name, value: "Kept otherwise" if name == "studio" else value
    pair.plex.fault("500", path="/refresh")
    pair.stash.run_task("sync_all")
    said = pair.stash.run_task("preview").error
    assert said is not None
    assert said.startswith("Internal error in preview (RuntimeError). ")
    assert pair.stash.run_task("check_setup").error is None
    pair.stash.configure(dryRun=False, keepPlexEdits=True)
    pair.stash.run_task("sync_all")
    wanted = {films[1].scene: "rejected", films[2].scene: "retries_exhausted", films[3].scene: "low_confidence"}
    until(lambda: letters(pair).items() >= wanted.items(), what="the dead letters")
    pair.stash.update_scene(films[0].scene, title="Zanzibar again")
    until(lambda: pair.title(films[0]) == "Zanzibar again", what="the edit")
    pair.stash.destroy_scene(films[2].scene)
    for name in TASKS:
        assert pair.stash.run_task(name).error is None
    assert "Zanzibar" in (pair.folder / "preview.csv").read_text("utf-8")
    pair.stash.end_worker()
    log = pair.log()
    assert all(word in log for word in ("wrote scene", "would write scene", "traced", "Plex keeps it differently"))
    assert "scan" in log
    places = {"plexsync.log": log, "Stash's log": "\n".join(line.message for line in pair.stash.plugin_log)}
    places |= {f"stderr of {number}": one.stderr.decode("latin-1") for number, one in enumerate(processes)}
    assert _found(places, NAMES) == []
    assert not worker_lives(pair.folder)


def _found(places: dict[str, str], names: tuple[str, ...]) -> list[str]:
    """Lines that hold a name, with their place."""
    holds: Callable[[str], bool] = lambda line: any(name in line for name in names)  # noqa: E731
    return [f"{place}: {line}" for place, text in places.items() for line in text.splitlines() if holds(line)]
