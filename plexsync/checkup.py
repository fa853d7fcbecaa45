"""Check setup: whether Plex, token, libraries and paths fit, and how many scenes match, in plain words.

Reads only. What is wrong is a finding, told as data, not an error.
"""

from __future__ import annotations

import time
from collections import Counter
from typing import Any

from plexsync import matching, pathmap
from plexsync.app import App
from plexsync.errors import LocalError, PlexBusy, PlexUnavailable, SetupError, StashUnavailable
from plexsync.log import Private
from plexsync.plex.library import choose
from plexsync.scene import Scene
from plexsync.settings import Settings, setup_problem

#: Scenes in the sample, and reasons that are told of those that do not match.
SAMPLE, REASONS = 50, 3


class Checkup:
    """Collects findings, each one line; ``ok`` is False once one of them keeps PlexSync from working."""

    def __init__(self) -> None:
        self.ok = True
        self.lines: list[str] = []
        self.facts: dict[str, Any] = {}

    def good(self, line: str) -> None:
        """Something that works."""
        self.lines.append(line)

    def bad(self, line: str) -> None:
        """Something to put right."""
        self.ok = False
        self.lines.append(line)

    def result(self) -> dict[str, Any]:
        """``{"ok": ..., "lines": [...], ...facts}``"""
        return {"ok": self.ok, "lines": self.lines, **self.facts}


def run(app: App) -> dict[str, Any]:
    """Check everything and tell it, line by line, in the log and in the result."""
    found = Checkup()
    try:
        settings = app.use(app.stash.settings())
        found.good("Stash answers.")
        problem = setup_problem(settings)
        if problem:
            found.bad(problem)
        else:
            _plex(app, settings, found)
    except StashUnavailable as error:
        found.bad(f"{error}. Open a page of Stash, so that PlexSync learns how to reach it.")
    except (PlexBusy, PlexUnavailable, SetupError, LocalError) as error:
        found.bad(str(error))
    for line in found.lines:
        (app.log.info if found.ok else app.log.warning)(line)
    return found.result()


def _plex(app: App, settings: Settings, found: Checkup) -> None:
    began = time.perf_counter()
    identity = app.client.connect()
    ms = int((time.perf_counter() - began) * 1000)
    found.facts["plex"] = {"version": identity.version, "ms": ms, "platform": identity.platform}
    found.good(f"Plex {identity.version} answers in {ms} ms and accepts the token.")
    sections = app.client.sections()
    names = ", ".join(section.title for section in sections)
    if not sections:
        found.bad("Plex has no library of the type Movies; PlexSync writes to such libraries only. Make one in Plex.")
        return
    chosen = choose(sections, settings.libraries)
    used = ", ".join(section.title for section in chosen)
    found.good(f"Libraries of the type Movies: {names}. Used: {used}.")
    app.planner.refresh(missing=True)
    counts = app.planner.library.counts()
    found.facts["libraries"] = counts
    found.good("Indexed: " + ", ".join(f"{name} {number} items" for name, number in counts.items()) + ".")
    _sample(app, settings, found)


def _sample(app: App, settings: Settings, found: Checkup) -> None:
    scenes = app.stash.sample(SAMPLE)
    if not scenes:
        found.good("Stash has no scenes yet.")
        return
    matches = app.planner.match(scenes)
    lost = [
        matches[scene.id]
        for scene in scenes
        if not matching.write_targets(matches[scene.id], settings.match_low_confidence)
    ]
    matched = len(scenes) - len(lost)
    rate = 100 * matched // len(scenes)
    found.facts["sample"] = {"scenes": len(scenes), "matched": matched}
    found.good(f"Of {len(scenes)} scenes tried, {matched} match an item in Plex ({rate} %).")
    kinds = Counter("low_confidence" if one.verdict == "low" else "not_in_plex" for one in lost)
    found.facts["sample"]["reasons"] = dict(kinds)
    for one in lost[:REASONS]:
        found.good(f"No sure match: {one.reason}")
    _paths(app, scenes, settings, found)


def _paths(app: App, scenes: list[Scene], settings: Settings, found: Checkup) -> None:
    learned = app.planner.learned()
    suggested = pathmap.suggestion(learned)
    found.facts["path_map"] = suggested
    for rule in learned.rules:
        app.log.debug(
            "learned",
            stash=Private(rule.stash_prefix),
            plex=Private(rule.plex_prefix),
            support=rule.support,
            against=rule.against,
        )
    if not suggested:
        return
    if settings.log_hide_paths:
        found.good("A path map was learned; the answer of Check setup and the status hold it, the log does not.")
    elif settings.path_map:
        found.good(f"Path map in use as you set it; learned from matches: {suggested}")
    else:
        found.good(f"Suggested for plexPathMap: {suggested}")
