"""Check setup: report in plain words whether Plex, token, libraries and paths are right, and how many scenes match.

Writes nothing. A problem is a finding in the answer, not an error.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from typing import Any

from plexsync import matching
from plexsync.app import App, settings_from
from plexsync.log import Log
from plexsync.matching import path_map
from plexsync.model.errors import PlexSyncError, SetupError, StashUnavailable
from plexsync.model.scene import Scene
from plexsync.model.settings import Settings, display_name, setup_problem
from plexsync.plex.sections import NO_MOVIES, choose, of_movies
from plexsync.status import DOCTOR_LEFT, PUT_BACK, counted, left_by_doctor
from plexsync.tasks.map_check import Judge

#: Scenes in the sample, and scenes without a certain match that are listed with the reason.
SAMPLE, REASONS = 50, 3


class Findings:
    """Collects findings, each one line; ``ok`` is False once one of them keeps PlexSync from working."""

    def __init__(self, log: Log) -> None:
        self.ok = True
        self.lines: list[str] = []
        self.facts: dict[str, Any] = {}
        self._log = log

    def good(self, line: str) -> None:
        """Add a line about something that works."""
        self.lines.append(line)
        self._log.info(line)

    def warn(self, line: str) -> None:
        """Add a line about something that the user should check; PlexSync works nevertheless."""
        self.lines.append(line)
        self._log.warning(line)

    def bad(self, line: str) -> None:
        """Add a line about something that the user has to fix before PlexSync works."""
        self.ok = False
        self.lines.append(line)
        self._log.error(line)

    def result(self) -> dict[str, Any]:
        """Return ``{"ok": ..., "lines": [...], ...facts}``; the last line is the verdict, or what to fix."""
        sample = self.facts.get("sample", {"scenes": 0, "matched": 0})
        if self.ok and 2 * sample["matched"] < sample["scenes"]:
            self.warn("Check setup: PlexSync works, but most scenes match no item in Plex. The other lines say why.")
        elif self.ok:
            self.good("Check setup: all checks passed.")
        return {"ok": self.ok, "lines": self.lines, **self.facts}


def run(app: App) -> dict[str, Any]:
    """Check everything; return the findings and log them line by line."""
    findings = Findings(app.log)
    try:
        _check(app, findings)
    except StashUnavailable as error:
        findings.bad(f"{error}. Open any page of Stash to renew PlexSync's connection, then run Check setup again.")
    except PlexSyncError as error:
        findings.bad(str(error))
    return findings.result()


def _check(app: App, findings: Findings) -> None:
    saved = settings_from(app.stash.settings())
    app.state.meta.warned = list(saved.warnings)  # reported as findings below, so no second warning
    settings = app.apply(saved)
    findings.good("Stash answers.")
    if left_by_doctor(app.folder):
        findings.warn(f"{DOCTOR_LEFT} {PUT_BACK}")
    for sentence in saved.warnings:
        findings.warn(sentence[:1].upper() + sentence[1:])
    problem = setup_problem(settings)
    if problem:
        findings.bad(problem)
        return
    _check_plex(app, settings, findings)
    scenes = app.stash.sample(SAMPLE)
    if not scenes:
        findings.good("Stash has no scenes yet.")
        return
    _check_sample(app, scenes, settings, findings)
    _check_paths(app, settings, findings)


def _check_plex(app: App, settings: Settings, findings: Findings) -> None:
    began = time.perf_counter()
    identity = app.client.connect()
    ms = int((time.perf_counter() - began) * 1000)
    findings.facts["plex"] = {"version": identity.version, "ms": ms, "platform": identity.platform}
    findings.good(f"Plex {identity.version} answers in {ms} ms and accepts the token.")
    sections = app.client.sections()
    movies = of_movies(sections)
    if not movies:
        raise SetupError(NO_MOVIES)
    names = ", ".join(section.title for section in movies)
    used = choose(sections, settings.libraries)
    findings.good(f"Libraries of the type Movies: {names}. Used: {', '.join(section.title for section in used)}.")
    planner = app.connect_plex()
    planner.library.strict = True
    refresh = planner.refresh(missing=True)
    for sentence in refresh.warnings if refresh else ():
        findings.warn(f"Unexpected data in Plex: {sentence}")
    counts = planner.library.counts()
    findings.facts["libraries"] = [
        {
            "title": section.title,
            "type": section.type,
            "items": counts.get(section.title),
            "usable": section in movies,
            "used": section in used,
        }
        for section in sections
    ]
    indexed = ", ".join(f"{name} {counted(number, 'item')}" for name, number in counts.items())
    findings.good(f"Indexed: {indexed}.")


def _check_sample(app: App, scenes: Sequence[Scene], settings: Settings, findings: Findings) -> None:
    matches = app.connect_plex().match(scenes).values()
    unmatched = [match for match in matches if not matching.write_targets(match, settings.match_low_confidence)]
    matched = len(scenes) - len(unmatched)
    reasons = Counter("low_confidence" if match.verdict == "low" else "not_in_plex" for match in unmatched)
    findings.facts["sample"] = {"scenes": len(scenes), "matched": matched, "reasons": dict(reasons)}
    add = findings.good if matched else findings.warn
    add(
        f"Of {counted(len(scenes), 'sampled scene')}, {matched} match an item in Plex"
        f" ({100 * matched // len(scenes)} %), {reasons['not_in_plex']} are not in Plex,"
        f" {reasons['low_confidence']} are uncertain."
    )
    for match in unmatched[:REASONS]:
        findings.good(f"No certain match: {match.reason}")


def _check_paths(app: App, settings: Settings, findings: Findings) -> None:
    """Judge the user's path map, and suggest the one that was learned from the matches of the sample and earlier."""
    planner = app.connect_plex()
    locations = [location for section in planner.sections for location in section.locations]
    judge = Judge(app.stash.scenes_below, locations, planner.library.fold_case, settings.log_hide_paths)
    for problem in judge.problems(settings.path_map):
        findings.warn(problem)
    learned = planner.learned()
    suggested = path_map.suggestion(learned)
    sample = findings.facts["sample"]
    findings.facts["path_map"] = {
        "suggested": suggested,
        "pairs": [
            {"stash": rule.stash_prefix, "plex": rule.plex_prefix, "files": rule.support}
            for rule in path_map.suggested(learned)
        ],
        "sample": sample["scenes"],
        "matched": sample["matched"],
    }
    if not suggested:
        findings.good("No path map to suggest: the paths agree, or too few files match to learn from.")
    elif settings.log_hide_paths:
        findings.good(f'A path map was learned. "{display_name("logHidePaths")}" keeps it out of the log.')
    elif settings.path_map:
        findings.good(f"Your path map is in use. Learned from matches: {suggested}")
    else:
        setting = display_name("plexPathMap")
        findings.good(
            f'PlexSync has learned how the paths differ. To make this permanent, paste into "{setting}": {suggested}'
        )
