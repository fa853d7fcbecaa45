"""The key of a job: formatted and parsed in one place, which rejects everything else."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plexsync.model.job_key import KINDS, JobKey

LARGEST = 2**63 - 1


@given(st.sampled_from(KINDS), st.integers(1, LARGEST))
def test_every_key_comes_back(kind: str, number: int) -> None:
    """A formatted key parses as the same key, by both parsers."""
    key = JobKey(kind, number)
    assert JobKey.parse(str(key)) == JobKey.of_row(str(key)) == key
    assert key.is_scene is (kind == "scene")


def test_the_key_of_a_scene() -> None:
    """A scene's key is formatted as the hook formats it."""
    assert str(JobKey.scene(12)) == "scene:12"
    assert JobKey.parse(f"scene:{LARGEST}") == JobKey.scene(LARGEST)


@pytest.mark.parametrize(
    "text",
    [
        *("scene:0", "scene:-1", "scene:²", "scene:007", "scene:1.5", "scene:", "scene", "gallery:1", "scene:1 "),
        *(" scene:1", "Scene:1", "scene:1:2", f"scene:{LARGEST + 1}", "scene:" + "9" * 5000, "scene:\ud800", ""),
        *(None, 5, b"scene:1", ["scene:1"]),
    ],
    ids=lambda text: ascii(text)[:30],
)
def test_what_is_no_key(text: object) -> None:
    """Another kind, another format, an id that SQLite cannot hold, or no text at all is not a key."""
    assert JobKey.parse(text) is None
