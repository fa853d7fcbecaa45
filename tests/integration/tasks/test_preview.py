"""Preview says what Sync all writes, field by field, and writes nothing itself."""

from __future__ import annotations

import csv
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from plexsync.model.errors import PlexSyncError, PlexUnavailable, SetupError
from plexsync.tasks import preview
from tests.support.desk import Desk, desk

COVER = b"\xff\xd8\xff\xe0 a cover"
SHA1 = hashlib.sha1(COVER, usedforsecurity=False).hexdigest()

#: Field of the file -> name in the server's snapshot.
SHOWN = {
    "title": "title", "studio": "studio", "summary": "summary", "originallyAvailableAt": "date", "actor": "actors",
    "genre": "genres", "collection": "collections", "poster": "selected_poster", "background": "selected_art",
}  # fmt: skip


class Bar:
    """A progress bar."""

    def __init__(self) -> None:
        self.seen: list[float] = []

    def progress(self, done: float) -> None:
        """Keep a value."""
        self.seen.append(done)


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Desk]:
    """A desk whose library holds one scene of every kind."""
    with desk(tmp_path) as made:
        furnish(made)
        yield made


def furnish(here: Desk) -> None:
    """Scenes that differ, that are equal, without a match, doubtful, unorganized, with covers and with two items."""
    stash, plex = here.stash, here.plex
    people = [stash.add_performer(name) for name in ("Zoë", "Ada, the first")]
    tags = [stash.add_tag(name) for name in ("b; c", "A")]
    whole: dict[str, Any] = {
        "details": "One.\n\nTwo, \"quoted\"; three.", "date": "2024-05", "studio": stash.add_studio("Acme"),
        "performers": people, "tags": tags, "organized": True,
    }  # fmt: skip
    plex.edit_item(here.pair("Everything, at once", cover=COVER, **whole)[1], title="everything")
    plex.edit_item(here.pair("Only the title", organized=True)[1], title="only")
    here.pair("4", organized=True)  # the item's title already
    plex.edit_item(here.pair("Edited in Plex", **whole)[1], summary="by a person", locked={"summary"})
    plex.edit_item(here.pair("Not organized")[1], title="not")
    stash.add_scene("Nowhere", files=[("/media/none.mp4", 9, 9.0)], organized=True)
    stash.add_scene("No file")
    plex.add_item(1, file="/other/doubt.mp4", size=77, duration_ms=5_000)
    stash.add_scene("Doubtful", files=[("/media/doubt.mp4", 78, 99.0)], organized=True)
    both = [("/media/one.mp4", 501, 60.0), ("/media/two.mp4", 502, 60.0)]
    for path, size, _ in both:
        plex.add_item(1, file=path, size=size, duration_ms=60_000)
    stash.add_scene("Two versions", files=both, cover=COVER, organized=True)


def rows(here: Desk, name: str = "preview.csv") -> list[dict[str, str]]:
    """What a file of the preview says."""
    with (here.folder / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def look(here: Desk) -> dict[str, Any]:
    """Run the preview; everything that it must not change is compared."""
    before = here.plex.snapshot()
    bar = Bar()
    output = preview.run(here.app, bar)
    assert (here.plex.writes(), here.plex.uploads(), here.plex.snapshot()) == ([], [], before)
    assert here.keys() == []
    assert here.app.state.written_scenes() == set()
    assert bar.seen == sorted(bar.seen)
    assert bar.seen[-1] == 1
    assert not list(here.folder.glob("*.part"))
    return output


def sync_all(here: Desk) -> None:
    """What Sync all does, by the real worker."""
    for number in here.stash.scenes:
        here.hook(f"scene:{number}")
    here.work()


def sent(here: Desk) -> set[tuple[str, str]]:
    """(rating key, field) of everything that was written, images included."""
    found = set()
    for put in here.plex.writes():
        fields = {name.split(".")[0].split("[")[0] for name, _ in put.query if not name.endswith(".locked")}
        found |= {(str(put.param("id")), field) for field in fields - {"type", "id", "X-Plex-Token"}}
    for upload in here.plex.uploads():
        *_, key, element = upload.path.split("/")
        found.add((key, {"posters": "poster", "arts": "background"}[element]))
    return found


def plain(value: Any) -> str:
    """A value of the snapshot, as the file spells it."""
    return "; ".join(value) if isinstance(value, list) else str(value or "")


SETTINGS: dict[str, dict[str, Any]] = {
    "default": {},
    "low confidence too": {"matchLowConfidence": True},
    "organized only": {"skipUnorganized": True},
    "no poster": {"skipPoster": True, "skipActors": True},
    "Plex's edits kept": {"keepPlexEdits": True},
}


@pytest.mark.parametrize("name", SETTINGS)
def test_what_it_says_is_what_is_written(here: Desk, name: str) -> None:
    """Each row comes true when Sync all runs, nothing else is written, and afterwards the preview is empty."""
    here.stash.configure(**{"skipPoster": False, "skipBackground": False} | SETTINGS[name])
    output = look(here)
    said = rows(here)
    before = here.plex.snapshot()
    sync_all(here)
    after = here.plex.snapshot()
    assert sent(here) == {(row["rating_key"], row["field"]) for row in said}
    assert len(said) == output["fields"] > 0
    for row in said:
        shown, key = SHOWN[row["field"]], int(row["rating_key"])
        assert plain(after[key][shown]) == row["new"]
        if row["field"] not in ("poster", "background"):
            assert plain(before[key][shown]) == row["old"]
    assert {int(row["rating_key"]) for row in said} == {key for key in after if after[key] != before[key]}
    lost = {int(row["scene_id"]) for row in rows(here, "unmatched.csv")}
    assert lost == set(here.stash.scenes) - here.app.state.written_scenes() - skipped(here)
    again = preview.run(here.app, Bar())
    assert (rows(here), again["changed"]) == ([], 0)


def skipped(here: Desk) -> set[int]:
    """The scenes that skipUnorganized leaves out, and the one that Plex has as it is."""
    off = not here.stash.plugin_settings.get("skipUnorganized")
    return {number for number, one in here.stash.scenes.items() if (one.title == "4") or not (one.organized or off)}


def test_counts_and_log(here: Desk) -> None:
    """Every scene is counted once, and the log's line says the counts and where the files are."""
    here.stash.configure(skipPoster=False, skipBackground=False)
    output = look(here)
    counts = {"scenes": 9, "changed": 5, "unchanged": 1, "unmatched": 2, "low_confidence": 1, "skipped": 0}
    assert {name: output[name] for name in counts} == counts
    assert output["files"] == ["preview.csv", "unmatched.csv"]
    line = here.log.of("info")[-1]
    assert line.startswith(
        f"finished Preview: nothing was written to Plex; see preview.csv and unmatched.csv in {here.folder}"
    )
    assert line.endswith("changed=5 unchanged=1 unmatched=2 low_confidence=1 skipped=0 fields=23")


def test_the_files(here: Desk) -> None:
    """UTF-8 with a header: one row a changed field, old and new, and for the rest reason and candidates as JSON."""
    here.stash.configure(skipPoster=False, skipBackground=True)
    look(here)
    raw = (here.folder / "preview.csv").read_bytes()
    assert raw.decode("utf-8").splitlines()[0] == "scene_id,scene_title,rating_key,confidence,evidence,field,old,new"
    of_first = {row["field"]: row for row in rows(here) if row["scene_id"] == "1"}
    assert of_first["title"] == {
        "scene_id": "1", "scene_title": "Everything, at once", "rating_key": "100", "confidence": "high",
        "evidence": "equal path", "field": "title", "old": "everything", "new": "Everything, at once",
    }  # fmt: skip
    assert of_first["summary"]["new"] == 'One.\n\nTwo, "quoted"; three.'
    assert of_first["actor"]["new"] == "Zoë; Ada, the first"
    assert of_first["originallyAvailableAt"]["new"] == "2024-05-01"
    assert of_first["poster"]["new"] == SHA1
    raw = (here.folder / "unmatched.csv").read_bytes()
    assert raw.decode("utf-8").splitlines()[0] == "scene_id,scene_title,path,reason,candidates"
    lost = {row["scene_title"]: row for row in rows(here, "unmatched.csv")}
    assert set(lost) == {"Nowhere", "No file", "Doubtful"}
    assert (lost["Nowhere"]["path"], lost["Nowhere"]["candidates"]) == ("/media/none.mp4", "")
    assert "not in Plex" in lost["Nowhere"]["reason"]
    assert lost["No file"]["path"] == ""
    (candidate,) = json.loads(lost["Doubtful"]["candidates"])
    assert "/other/doubt.mp4" in json.dumps(candidate)


def test_hidden_names(here: Desk) -> None:
    """With logHidePaths the files hold titles, which is their purpose, and the log holds counts only."""
    here.stash.configure(logHidePaths=True, logDebug=True)
    look(here)
    text = "\n".join(line for _, line in here.log.lines)
    words = [one.title for one in here.stash.scenes.values() if len(one.title) > 1]
    assert not [word for word in [*words, "/media", "Acme", str(here.folder)] if word in text]
    assert "see preview.csv and unmatched.csv in PlexSync's data folder scenes=9" in text
    assert "Only the title" in (here.folder / "preview.csv").read_text("utf-8")


def test_dry_run_changes_nothing_about_it(here: Desk) -> None:
    """Under dryRun the preview says what would be written without it."""
    look(here)
    plain_run = rows(here)
    here.stash.configure(dryRun=True)
    look(here)
    assert rows(here) == plain_run != []


def test_an_item_that_is_gone(here: Desk) -> None:
    """What the index still has but Plex no longer, or under another number, is matched again as the worker does."""
    preview.run(here.app, Bar())
    here.plex.remove_item(101)
    old = here.plex.items[100]
    here.plex.rekey(100, 900)
    here.sleep(1)
    look(here)
    assert old.rating_key == 900
    assert {row["rating_key"] for row in rows(here) if row["scene_id"] == "1"} == {"900"}
    (lost,) = (row for row in rows(here, "unmatched.csv") if row["scene_title"] == "Only the title")
    assert "not in Plex" in lost["reason"]


def test_many_pages(here: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Page by page it says the same, and the bar moves with each page."""
    look(here)
    whole = rows(here), rows(here, "unmatched.csv")
    monkeypatch.setattr(preview, "PAGE", 2)
    bar = Bar()
    preview.run(here.app, bar)
    assert (rows(here), rows(here, "unmatched.csv")) == whole
    assert bar.seen == pytest.approx([2 / 9, 4 / 9, 6 / 9, 8 / 9, 1])


@pytest.mark.parametrize("cover", [b"", b"<svg></svg>", None])
def test_covers_that_cannot_be_sent(here: Desk, cover: bytes | None) -> None:
    """A placeholder, an empty cover, or one that Stash does not give is no change."""
    here.stash.configure(skipPoster=False, skipBackground=False)
    for number in (1, 9):
        here.stash.change_scene(number, cover=cover or b"", cover_type="image/svg+xml" if cover else "image/jpeg")
    if cover is None:
        here.stash.fault("status_500", None, "/screenshot")
    look(here)
    assert not [row for row in rows(here) if row["field"] in ("poster", "background")]


@pytest.mark.parametrize(
    ("settings", "says"),
    [({"plexToken": ""}, "no Plex token is set"), ({"plexToken": "x"}, "401"), ({"plexLibraries": "None"}, "None")],
)
def test_setup_problems(here: Desk, settings: dict[str, Any], says: str) -> None:
    """What has to be put right is one sentence, and the files of the last preview stay."""
    look(here)
    before = rows(here)
    here.stash.configure(**settings)
    with pytest.raises(SetupError, match=says):
        preview.run(here.app, Bar())
    assert rows(here) == before


@pytest.mark.parametrize("fault", ["503_xml", "500", "reset", "html_200", "empty_200"])
def test_plex_fails(here: Desk, fault: str) -> None:
    """A Plex that fails at the start or half-way is one sentence; no half-written file is left."""
    look(here)
    before = rows(here)
    for path in (None, "/library/metadata"):
        here.app.drop_connections()
        here.plex.fault(fault, path=path)
        with pytest.raises(PlexSyncError):
            preview.run(here.app, Bar())
        here.plex.clear_faults()
        assert rows(here) == before
        assert not list(here.folder.glob("*.part"))


def test_plex_is_away(here: Desk) -> None:
    """With Plex away there is nothing to compare with, and the sentence says so."""
    here.plex.stop()
    with pytest.raises(PlexUnavailable, match="Nothing answers at"):
        preview.run(here.app, Bar())
