"""Check setup: whether Plex, token, libraries and paths fit, and how many scenes match, in plain words.

Reads only. What is wrong is a finding, told as data, not an error.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from typing import Any

from plexsync import matching
from plexsync.app import App
from plexsync.log import Log
from plexsync.matching import path_map
from plexsync.model.errors import PlexSyncError, SetupError, StashUnavailable
from plexsync.model.scene import Scene
from plexsync.model.settings import Settings, read_settings, setup_problem
from plexsync.plex.sections import choose
from plexsync.status import counted

#: Scenes in the sample, and reasons that are told of those that do not match.
SAMPLE, REASONS = 50, 3


class Checkup:
    """Collects findings, each one line; ``ok`` is False once one of them keeps PlexSync from working."""

    def __init__(self, log: Log) -> None:
        self.ok = True
        self.lines: list[str] = []
        self.facts: dict[str, Any] = {}
        self._log = log

    def good(self, line: str) -> None:
        """Something that works."""
        self.lines.append(line)
        self._log.info(line)

    def note(self, line: str) -> None:
        """Something to look at; PlexSync works all the same."""
        self.lines.append(line)
        self._log.warning(line)

    def bad(self, line: str) -> None:
        """Something to put right; nothing more is checked."""
        self.ok = False
        self.lines.append(line)
        self._log.error(line)

    def result(self) -> dict[str, Any]:
        """``{"ok": ..., "lines": [...], ...facts}``; the last line is the verdict, or what has to be put right."""
        sample = self.facts.get("sample", {"scenes": 0, "matched": 0})
        if self.ok and 2 * sample["matched"] < sample["scenes"]:
            self.note("Check setup: Plex can be used, but most scenes find no item there; the lines before say why.")
        elif self.ok:
            self.good("Check setup: everything fits.")
        return {"ok": self.ok, "lines": self.lines, **self.facts}


def run(app: App) -> dict[str, Any]:
    """Check everything and tell it, line by line, in the log and in the result."""
    found = Checkup(app.log)
    try:
        _all(app, found)
    except StashUnavailable as error:
        found.bad(f"{error}. Open a page of Stash, so that PlexSync learns how to reach it.")
    except PlexSyncError as error:
        found.bad(str(error))
    return found.result()


def _all(app: App, found: Checkup) -> None:
    saved = app.stash.settings()
    settings, warnings = read_settings(saved)
    app.state.meta.warned = list(warnings)  # told here, so that nobody tells them once more
    app.use(saved)
    found.good("Stash answers.")
    for sentence in warnings:
        found.note(sentence)
    problem = setup_problem(settings)
    if problem:
        found.bad(problem)
        return
    _plex(app, settings, found)
    scenes = app.stash.sample(SAMPLE)
    if not scenes:
        found.good("Stash has no scenes yet.")
        return
    _sample(app, scenes, settings, found)
    _paths(app, settings, found)


def _plex(app: App, settings: Settings, found: Checkup) -> None:
    began = time.perf_counter()
    identity = app.client.connect()
    ms = int((time.perf_counter() - began) * 1000)
    found.facts["plex"] = {"version": identity.version, "ms": ms, "platform": identity.platform}
    found.good(f"Plex {identity.version} answers in {ms} ms and accepts the token.")
    sections = app.client.sections()
    if not sections:
        raise SetupError(
            "Plex has no library of the type Movies; PlexSync writes to such libraries only. Make one in Plex.",
            code="library",
        )
    names = ", ".join(section.title for section in sections)
    used = ", ".join(section.title for section in choose(sections, settings.libraries))
    found.good(f"Libraries of the type Movies: {names}. Used: {used}.")
    fresh = app.planner.refresh(missing=True)
    for sentence in fresh.warnings if fresh else ():
        found.note(f"Plex shows something odd: {sentence}")
    counts = app.planner.library.counts()
    found.facts["libraries"] = counts
    found.good("Indexed: " + ", ".join(f"{name} {counted(number, 'item')}" for name, number in counts.items()) + ".")


def _sample(app: App, scenes: Sequence[Scene], settings: Settings, found: Checkup) -> None:
    matches = app.planner.match(scenes)
    lost = [one for one in matches.values() if not matching.write_targets(one, settings.match_low_confidence)]
    matched = len(scenes) - len(lost)
    kinds = Counter("low_confidence" if one.verdict == "low" else "not_in_plex" for one in lost)
    found.facts["sample"] = {"scenes": len(scenes), "matched": matched, "reasons": dict(kinds)}
    tell = found.good if matched else found.note
    tell(
        f"Of {counted(len(scenes), 'scene')} tried, {matched} match an item in Plex ({100 * matched // len(scenes)} %),"
        f" {kinds['not_in_plex']} are not in Plex, {kinds['low_confidence']} are not certain."
    )
    for one in lost[:REASONS]:
        found.good(f"No sure match: {one.reason}")


def _paths(app: App, settings: Settings, found: Checkup) -> None:
    """The path map that the matches of the sample, and earlier ones, have taught."""
    suggested = path_map.suggestion(app.planner.learned())
    found.facts["path_map"] = suggested
    if not suggested:
        found.good("No path map to suggest: the paths agree, or too few files match to learn from.")
    elif settings.log_hide_paths:
        found.good("A path map was learned; logHidePaths keeps it out of the log.")
    elif settings.path_map:
        found.good(f"The path map is as you set it; learned from matches: {suggested}")
    else:
        found.good(f"PlexSync has learned how paths differ. To make it certain, paste into plexPathMap: {suggested}")
