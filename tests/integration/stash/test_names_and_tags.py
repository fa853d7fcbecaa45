"""PlexSync's other queries to Stash: files by name, tags found, created and added, and lines for its log."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Iterator
from pathlib import Path

import pytest

from plexsync.stash.api import TAGGED_AT_ONCE, Stash, StashRefused
from tests.servers.stash import StashServer

RECORDER = """
import json, sys
from pathlib import Path
Path(__file__).with_suffix(".json").write_text(json.dumps(json.load(sys.stdin)["args"]), encoding="utf-8")
print(json.dumps({"output": None}))
"""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[StashServer]:
    """Start an empty Stash whose plugin records its input."""
    script = tmp_path / "plugins" / "PlexSync" / "PlexSync.py"
    script.parent.mkdir(parents=True)
    script.write_text(RECORDER, encoding="utf-8")
    with StashServer(tmp_path / "stash", script) as running:
        running.triggers = frozenset()
        yield running


def named(stash: Stash, *names: str) -> list[tuple[int, str]]:
    """Return (scene id, path) of the files with these names."""
    return [(scene_id, file.path) for scene_id, file in stash.files_named(names)]


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/d/a.mp4", "a.mp4"),
        ("/d/a.mp4", "A.MP4"),
        (r"C:\videos\a.mp4", "a.mp4"),
        ("/d/[x] (1) {2} a+b^c$ d|e?.mp4", "[x] (1) {2} a+b^c$ d|e?.mp4"),
        ("/d/100% a_b-c & d's #1, 2;3.mp4", "100% a_b-c & d's #1, 2;3.mp4"),
        ("/d/.mp4", ".mp4"),
        ("/d/Ärger ÉTÉ.mp4", "ärger été.mp4"),
        ("/d/Стол 日本.mp4", "стол 日本.mp4"),
        ("/d/" + unicodedata.normalize("NFD", "été.mp4"), "été.mp4"),
        ("/d/été.mp4", unicodedata.normalize("NFD", "été.mp4")),
        ("/d/\U0001f600.mp4", "\U0001f600.mp4"),
        ("/d/a.mp4", "/elsewhere/a.mp4"),
    ],
)
def test_files_of_a_name_are_found(server: StashServer, stash: Stash, path: str, name: str) -> None:
    """Folder, letter case, composition and characters that mean something in a pattern make no difference."""
    server.add_scene(files=[("/d/another.mp4", 1, 1), (path, 2, 3.5)])
    ((scene_id, file),) = stash.files_named([name])
    assert (scene_id, file.path, file.size, file.duration) == (1, path, 2, 3.5)
    assert len(server.log) == 1


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/d/xa.mp4", "a.mp4"), ("/d/a.mp4.part", "a.mp4"), ("/d/aXmp4", "a.mp4"), ("/a.mp4/b.mp4", "a.mp4"),
        ("/d/aab.mp4", "a+b.mp4"), ("/d/b.mp4", "[abc].mp4"),
    ],
)  # fmt: skip
def test_files_of_other_names_are_not(server: StashServer, stash: Stash, path: str, name: str) -> None:
    """Part of a name, a folder's name or what a pattern would match is not the name."""
    server.add_scene(files=[(path, 1, 1)])
    assert named(stash, name) == []


def test_many_names_are_one_request(server: StashServer, stash: Stash) -> None:
    """All scenes with a file of any of the names come in one request, with only those files."""
    for number in range(1, 31):
        server.add_scene(files=[(f"/a/{number}.mp4", 1, 1), ("/b/shared.mp4", 1, 1), ("/b/1.mp4", 1, 1)])
    found = named(stash, "shared.mp4", "30.mp4")
    assert found == [*((number, "/b/shared.mp4") for number in range(1, 30)), (30, "/a/30.mp4"), (30, "/b/shared.mp4")]
    assert len(server.log) == 1


@pytest.mark.parametrize("names", [[], [""], ["/folder/"]])
def test_no_name_is_no_question(server: StashServer, stash: Stash, names: list[str]) -> None:
    """Without a name there is no query: an empty pattern would return the whole library."""
    server.add_scene(files=[("/d/a.mp4", 1, 1)])
    assert (stash.files_named(names), server.log) == ([], [])


def test_a_filter_that_is_not_honoured_finds_no_strangers(
    server: StashServer, stash: Stash, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If Stash ignores the filter, only the files of the name are returned all the same."""
    for number in range(1, 6):
        server.add_scene(files=[(f"/d/{number}.mp4", 1, 1)])
    monkeypatch.setattr(server._api.filters, "scene", lambda given: None)
    assert named(stash, "3.mp4") == [(3, "/d/3.mp4")]


def test_a_tag_is_found_by_its_name(server: StashServer, stash: Stash) -> None:
    """Case does not count, and a name with LIKE's wildcards matches no other."""
    server.add_tag("stash-box: stashdbXorg")
    server.add_tag("aXb")
    wanted = [server.add_tag(name) for name in ("stash-box: stashdb.org", "a_b", "50%", "Ähre")]
    names = ["STASH-box: stashdb.org", "A_B", "50%", "Ähre"]
    assert [stash.tag_id(name) for name in names] == wanted
    assert (len(server.tags), server.count("tagCreate")) == (6, 0)


def test_of_two_spellings_the_exact_one_is_taken(server: StashServer, stash: Stash) -> None:
    """Of tags that differ only in case, the exact spelling is used."""
    lower, upper = server.add_tag("stash-box: none"), server.add_tag("Stash-Box: NONE")
    assert (stash.tag_id("stash-box: none"), stash.tag_id("Stash-Box: NONE")) == (lower, upper)


def test_a_tag_that_is_missing_is_made_once(server: StashServer, stash: Stash) -> None:
    """A missing tag is created under that name, and found the next time."""
    server.add_tag("stash-box: stashdbXorg")
    first = stash.tag_id("stash-box: stashdb_org")
    assert stash.tag_id("Stash-box: StashDB_org") == first
    assert (server.tags[first].name, server.count("tagCreate")) == ("stash-box: stashdb_org", 1)


def test_a_tag_that_stash_will_not_make(server: StashServer, stash: Stash) -> None:
    """The error for a name that Stash refuses quotes Stash."""
    with pytest.raises(StashRefused, match="must not be blank"):
        stash.tag_id(" ")


def test_tags_are_added_and_none_is_lost(server: StashServer, stash: Stash) -> None:
    """The scenes get the tag beside those they have; no other scene changes."""
    old, new = server.add_tag("old"), server.add_tag("new")
    for tags in ([old], [new], [], [old]):
        server.add_scene(tags=tags)
    stash.add_tag([3, 1, 2, 1], new)
    assert [scene.tags for scene in server.scenes.values()] == [[old, new], [new], [new], [old]]
    assert len(server.log) == 1
    assert server.log[0].variables["input"] == {"ids": ["1", "2", "3"], "tag_ids": {"ids": [str(new)], "mode": "ADD"}}


@pytest.mark.parametrize(
    ("scenes", "requests"), [(0, 0), (TAGGED_AT_ONCE, 1), (TAGGED_AT_ONCE + 1, 2), (3 * TAGGED_AT_ONCE, 3)]
)
def test_many_scenes_are_tagged_in_portions(server: StashServer, stash: Stash, scenes: int, requests: int) -> None:
    """Stash runs a hook for every scene before it answers, so a request never holds more than a portion."""
    tag = server.add_tag("t")
    ids = [server.add_scene() for _ in range(scenes)]
    stash.add_tag(ids, tag)
    assert [scene.tags for scene in server.scenes.values()] == [[tag]] * scenes
    assert len(server.log) == requests


def test_tagging_a_scene_that_is_gone_is_refused(server: StashServer, stash: Stash) -> None:
    """A deleted scene in a request makes Stash change nothing, and that raises an error."""
    tag = server.add_tag("t")
    server.add_scene()
    with pytest.raises(StashRefused, match="not found"):
        stash.add_tag([1, 99], tag)
    assert server.scenes[1].tags == []


def test_lines_reach_the_plugin_in_stash(server: StashServer, stash: Stash) -> None:
    """Lines for Stash's log reach the ``log`` operation unchanged and in order."""
    lines = [{"level": "w", "message": "Ü one"}, {"level": "i", "message": "two"}]
    stash.tell(iter_once := tuple(lines))
    assert server.plugin_script is not None
    received = json.loads(server.plugin_script.with_suffix(".json").read_text("utf-8"))
    assert received == {"mode": "log", "lines": list(iter_once)}


def test_a_disabled_plugin_cannot_be_told(server: StashServer, stash: Stash) -> None:
    """If the plugin is disabled in Stash the lines are refused, not lost silently."""
    server.plugin_enabled = False
    with pytest.raises(StashRefused, match="disabled"):
        stash.tell([])
