"""How a scene stands: one state of the contract with a sentence, from its job and what is known of it."""

from __future__ import annotations

from typing import Any

import pytest

from plexsync.model.errors import PlexSyncError
from plexsync.queue.dead_letters import DeadLetter
from plexsync.queue.jobs import JobState
from plexsync.state.history import UNDO, Entry
from plexsync.state.ledger import Record
from plexsync.state.scene_facts import SceneFacts
from plexsync.tasks import scene
from plexsync.tasks.call import ids_of
from tests.support.queue_tools import NOW

LETTER = DeadLetter(1, "scene:5", "low_confidence", "Two items match.", 0, NOW, NOW, None)
READY = JobState(False, NOW, None, "")
IN_PLEX = SceneFacts((Record(7, 5),), is_seen=True, synced_at=NOW - 7200)

#: What holds -> the state, and words of its sentence.
CASES: dict[str, tuple[dict[str, Any], str, str]] = {
    "dead": ({"letter": LETTER, "facts": IN_PLEX}, "needs_you", "Two items match."),
    "dead without words": ({"letter": LETTER._replace(message=None)}, "needs_you", "cannot finish"),
    "its file is missing": (
        {"job": READY._replace(waiting=NOW - 300, due=NOW + 60)}, "waiting", "yet. It has waited for 5 minutes; next",
    ),
    "its library cannot be listed": (
        {"job": READY._replace(waiting=NOW, due=NOW, message="Plex cannot list it.")}, "waiting", "list it. It has",
    ),
    "in progress": ({"job": READY._replace(is_leased=True)}, "pending", "It is being synced now."),
    "next": ({"job": READY, "facts": IN_PLEX}, "pending", "next in turn."),
    "retried": (
        {"job": READY._replace(due=NOW + 40, message="Plex is busy.")}, "pending", "in 40 seconds. Plex is busy.",
    ),
    "in Plex": ({"facts": IN_PLEX}, "in_plex", "as of 2 hours ago."),
    "in Plex, by an earlier version": ({"facts": IN_PLEX._replace(synced_at=None)}, "in_plex", "up to date"),
    "undone": (
        {"facts": SceneFacts(is_seen=True, last=Entry(NOW, 5, "", 7, kind=UNDO)), "is_cleared": True},
        "skipped", "Undone",
    ),
    "discarded": ({"facts": SceneFacts(is_seen=True), "is_cleared": True}, "skipped", "cleared or discarded"),
    "left out": ({"facts": SceneFacts(is_seen=True)}, "skipped", "the settings leave this scene out"),
    "new": ({}, "never_synced", "has not synced this scene yet"),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_each_state_has_its_sentence(case: str) -> None:
    """A scene is in the first state that holds, and the sentence says why."""
    given, state, words = CASES[case]
    known: dict[str, Any] = {"facts": SceneFacts(), "job": None, "letter": None, "is_cleared": False}
    found = scene.judge(now=NOW, **(known | given))
    assert found.state == state
    assert words in found.sentence


def test_every_state_of_the_contract_is_told() -> None:
    """None of the six states is left out."""
    states = {"pending", "waiting", "needs_you", "in_plex", "skipped", "never_synced"}
    assert {case[1] for case in CASES.values()} == states


@pytest.mark.parametrize("ids", [None, "5", {"1": 1}, [True], [-1], [1.5], ["x"], ["1" * 19], [[1]], [None]])
def test_what_is_no_list_of_ids_is_refused_in_one_sentence(ids: object) -> None:
    """Whatever a program sends as ids, it is told what is wrong, and nothing is done."""
    with pytest.raises(PlexSyncError, match=r"of scenes are missing|cannot be the id of a scene"):
        ids_of({"ids": ids}, "scene", "look there")


def test_ids_may_be_texts() -> None:
    """JavaScript has ids of Stash as texts."""
    assert ids_of({"ids": ["7", 8]}, "scene", "look there") == [7, 8]
