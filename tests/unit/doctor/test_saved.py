"""The edits that put an item back, for what no question of the doctor leads to."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest

from plexsync.doctor import saved
from plexsync.doctor.saved import Saved

ITEM = """<Video ratingKey="5" title="T"><Media><Part file="/a.mp4"/></Media>{}</Video>"""
TWINS = '<Role tag="Zoe" role="One"/><Role tag="Ann"/><Role tag="Zoe" role="Two"/>'


def seen(roles: str) -> tuple[Saved, ElementTree.Element]:
    """An item with these elements."""
    video = ElementTree.fromstring(ITEM.format(roles))
    return saved.seen(Saved("m", 1, 5, 1, "/a.mp4"), video, {}), video


@pytest.mark.parametrize(
    ("attempt", "now", "roles"),
    [
        (0, '<Role tag="Q"/>', ["One", "", "Two"]),
        (1, '<Role tag="Zoe" role="Two"/><Role tag="Ann"/>', ["One", "", "Two"]),
        (2, '<Role tag="Zoe" role="Two"/><Role tag="Ann"/>', ["Two", "", "One"]),
    ],
)
def test_an_actor_with_two_roles(attempt: int, now: str, roles: list[str]) -> None:
    """Each entry is sent with its own role, from the list's end as well."""
    before, _ = seen(TWINS)
    sent = dict(pair for params in saved.edits(before, *seen(now), attempt) for pair in params)
    assert [sent.get(f"actor[{index}].tagging.text", "") for index in range(3)] == roles


@pytest.mark.parametrize("content", [b"", b"\xff\xfe\0", b"[]", b'{"title": 1}', b'{"machine": "x", "sec', b"null"])
def test_a_damaged_file(tmp_path: Path, content: bytes) -> None:
    """Whatever is damaged is told from what the doctor keeps."""
    (tmp_path / "doctor.json").write_bytes(content)
    with pytest.raises(ValueError, match=r"."):
        saved.kept(str(tmp_path))


def test_values_of_another_kind(tmp_path: Path) -> None:
    """A rating key that is no number names no item."""
    before, _ = seen(TWINS)
    saved.store(str(tmp_path), replace(before, rating_key="5"))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"."):
        saved.kept(str(tmp_path))
