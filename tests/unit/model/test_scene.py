"""A scene: what of it makes catch-up look again, and when two durations are of one film."""

from __future__ import annotations

from dataclasses import replace

import pytest

from plexsync.model.scene import Scene, SceneFile, epoch, file_signature, same_duration, signature

SCENE = Scene(7, updated_at="2024-03-09T16:00:00Z", files=(SceneFile(1, "/a.mp4"), SceneFile(2, "/b.mp4")))


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("2024-03-09T16:00:00Z", 1_710_000_000.0),
        ("2024-03-09T17:00:00+01:00", 1_710_000_000.0),
        ("2024-03-09T16:00:00.5Z", 1_710_000_000.5),
        ("", 0.0),
        (None, 0.0),
        ("yesterday", float("inf")),
        (12, float("inf")),
    ],
)
def test_epoch(text: object, seconds: float) -> None:
    """Stash's times become seconds; no time is before all others, an unreadable one after them, so it is looked at."""
    assert epoch(text) == seconds


def test_signature() -> None:
    """The signature tells an edit of the scene and any change of its files (id, path, order), and nothing else."""
    first, second = SCENE.files
    changed = [
        replace(SCENE, updated_at="2024-03-09T16:00:01Z"),
        replace(SCENE, files=(first,)),
        replace(SCENE, files=(second, first)),
        replace(SCENE, files=(first, replace(second, id=3))),
        replace(SCENE, files=(first, replace(second, path="/c.mp4"))),
    ]
    assert len({signature(scene) for scene in (SCENE, *changed)}) == len(changed) + 1
    assert signature(replace(SCENE, title="T", files=(first, replace(second, size=5)))) == signature(SCENE)
    assert signature(SCENE) == file_signature(SCENE.updated_at, [(1, "/a.mp4"), (2, "/b.mp4")])


def test_signature_is_stored() -> None:
    """It stays the same from version to version, whatever a path holds: another would make catch-up read everything."""
    assert signature(SCENE) == "2024-03-09T16:00:00Z 4b5e5abb"
    assert file_signature("t", [(1, "/Größe\udc80.mp4")]) == "t 4644634d"
    assert file_signature("t", ()) == "t 00000000"


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (60.0, 60.0, 2), (60.0, 61.0, 2), (61.0, 60.0, 2), (60.0, 61.1, 0), (61.1, 60.0, 0), (0.5, 1.0, 2),
        (0.0, 60.0, 1), (60.0, 0.0, 1), (-1.0, 60.0, 1), (60.0, -1.0, 1), (0.0, 0.0, 1),
    ],
)  # fmt: skip
def test_same_duration(one: float, other: float, same: int) -> None:
    """Durations within a second are of one film, others are not, and an unknown one tells nothing."""
    assert same_duration(one, other) == same
