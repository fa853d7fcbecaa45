"""Preview lists exactly what Sync all writes, field by field, and writes nothing."""

from __future__ import annotations

import csv
import hashlib
import json
from typing import Any

import pytest

from plexsync.model.errors import PlexSyncError, PlexUnavailable, SetupError
from plexsync.tasks import preview
from tests.support.in_process import Bench

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
        """Record the value."""
        self.seen.append(done)


@pytest.fixture
def bench(bench: Bench) -> Bench:
    """Return a bench whose library has one scene of every kind."""
    furnish(bench)
    return bench


def furnish(bench: Bench) -> None:
    """Add scenes that differ, are equal, unmatched, uncertain, unorganized, with covers, and with two items."""
    stash, plex = bench.stash, bench.plex
    people = [stash.add_performer(name) for name in ("Zoë", "Ada, the first")]
    tags = [stash.add_tag(name) for name in ("b; c", "A")]
    whole: dict[str, Any] = {
        "details": "One.\n\nTwo, \"quoted\"; three.", "date": "2024-05", "studio": stash.add_studio("Acme"),
        "performers": people, "tags": tags, "organized": True,
    }  # fmt: skip
    plex.edit_item(bench.named("Everything, at once", cover=COVER, **whole)[1], title="everything")
    plex.edit_item(bench.named("Only the title", organized=True)[1], title="only")
    bench.named("4", organized=True)  # the item's title already
    plex.edit_item(bench.named("Edited in Plex", **whole)[1], summary="by a person", locked={"summary"})
    plex.edit_item(bench.named("Not organized")[1], title="not")
    stash.add_scene("Nowhere", files=[("/media/none.mp4", 9, 9.0)], organized=True)
    stash.add_scene("No file")
    plex.add_item(1, file="/other/doubt.mp4", size=77, duration_ms=5_000)
    stash.add_scene("Doubtful", files=[("/media/doubt.mp4", 78, 99.0)], organized=True)
    both = [("/media/one.mp4", 501, 60.0), ("/media/two.mp4", 502, 60.0)]
    for path, size, _ in both:
        plex.add_item(1, file=path, size=size, duration_ms=60_000)
    stash.add_scene("Two versions", files=both, cover=COVER, organized=True)


def rows(bench: Bench, name: str = "preview.csv") -> list[dict[str, str]]:
    """Return the rows of one of the preview's files."""
    with (bench.folder / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def previewed(bench: Bench) -> dict[str, Any]:
    """Run the preview, and check everything that it must not change."""
    before = bench.plex.snapshot()
    bar = Bar()
    output = preview.run(bench.app, bar)
    assert (bench.plex.writes(), bench.plex.uploads(), bench.plex.snapshot()) == ([], [], before)
    assert bench.keys() == []
    assert bench.app.state.written_scenes() == set()
    assert bar.seen == sorted(bar.seen)
    assert bar.seen[-1] == 1
    assert not list(bench.folder.glob("*.csv.*"))
    return output


def sync_all(bench: Bench) -> None:
    """Do what Sync all does, with the real worker."""
    for number in bench.stash.scenes:
        bench.hook(f"scene:{number}")
    bench.work()


def sent(bench: Bench) -> set[tuple[str, str]]:
    """Return (rating key, field) of everything that was written, images included."""
    found = set()
    for put in bench.plex.writes():
        fields = {name.split(".")[0].split("[")[0] for name, _ in put.query if not name.endswith(".locked")}
        found |= {(str(put.param("id")), field) for field in fields - {"type", "id", "X-Plex-Token"}}
    for upload in bench.plex.uploads():
        *_, key, element = upload.path.split("/")
        found.add((key, {"posters": "poster", "arts": "background"}[element]))
    return found


def plain(value: Any) -> str:
    """Return a value of the snapshot as the file spells it."""
    return "; ".join(value) if isinstance(value, list) else str(value or "")


SETTINGS: dict[str, dict[str, Any]] = {
    "default": {},
    "low confidence too": {"matchLowConfidence": True},
    "organized only": {"skipUnorganized": True},
    "no poster": {"skipPoster": True, "skipActors": True},
    "Plex's edits kept": {"keepPlexEdits": True},
}


@pytest.mark.parametrize("name", SETTINGS)
def test_what_it_says_is_what_is_written(bench: Bench, name: str) -> None:
    """Sync all writes every row and nothing else, and afterwards the preview is empty."""
    bench.stash.configure(**{"skipPoster": False, "skipBackground": False} | SETTINGS[name])
    output = previewed(bench)
    said = rows(bench)
    before = bench.plex.snapshot()
    sync_all(bench)
    after = bench.plex.snapshot()
    assert sent(bench) == {(row["rating_key"], row["field"]) for row in said}
    assert len(said) == output["fields"] > 0
    for row in said:
        shown, key = SHOWN[row["field"]], int(row["rating_key"])
        assert plain(after[key][shown]) == row["new"]
        if row["field"] not in ("poster", "background"):
            assert plain(before[key][shown]) == row["old"]
    changed = {key for key in after if after[key] | {"locked": []} != before[key] | {"locked": []}}
    assert {int(row["rating_key"]) for row in said} == changed
    lost = {int(row["scene_id"]) for row in rows(bench, "unmatched.csv")}
    assert lost == set(bench.stash.scenes) - bench.app.state.written_scenes() - skipped(bench)
    again = preview.run(bench.app, Bar())
    assert (rows(bench), again["changed"]) == ([], 0)


def skipped(bench: Bench) -> set[int]:
    """Return the scenes that "Organized scenes only" leaves out, and the one that is equal in Plex."""
    off = not bench.stash.plugin_settings.get("skipUnorganized")
    return {
        number for number, scene in bench.stash.scenes.items() if (scene.title == "4") or not (scene.organized or off)
    }


def test_counts_and_log(bench: Bench) -> None:
    """Every scene is counted once, ``locked`` if only a lock is missing, and the log line has counts and place."""
    bench.stash.configure(skipPoster=False, skipBackground=False)
    output = previewed(bench)
    counts = {"scenes": 9, "changed": 5, "locked": 1, "unchanged": 0, "unmatched": 2, "low_confidence": 1, "skipped": 0}
    assert {name: output[name] for name in counts} == counts
    assert output["files"] == ["preview.csv", "unmatched.csv"]
    line = bench.log.of("info")[-1]
    assert line.startswith(
        f"finished Preview: nothing was written to Plex; see preview.csv and unmatched.csv in {bench.folder}"
    )
    assert line.endswith("changed=5 locked=1 unchanged=0 unmatched=2 low_confidence=1 skipped=0 fields=23")


def test_a_scene_without_a_title_is_named_by_its_file(bench: Bench) -> None:
    """In both files, as everywhere else on the page."""
    bench.plex.add_item(1, file="/media/new/untitled 1.mp4", size=901, duration_ms=60_000)
    made = bench.stash.add_scene("", files=[("/media/new/untitled 1.mp4", 901, 60.0)], details="Something.")
    lost = bench.stash.add_scene("", files=[("/media/new/untitled 2.mp4", 902, 60.0)])
    previewed(bench)
    names = {
        (row["scene_id"], row["scene_title"]) for name in ("preview.csv", "unmatched.csv") for row in rows(bench, name)
    }
    assert {(str(made), "untitled 1.mp4"), (str(lost), "untitled 2.mp4")} <= names


def test_the_files(bench: Bench) -> None:
    """UTF-8 with a header: one row a changed field, old and new, and for the rest reason and candidates as JSON."""
    bench.stash.configure(skipPoster=False, skipBackground=True)
    previewed(bench)
    raw = (bench.folder / "preview.csv").read_bytes()
    assert raw.decode("utf-8").splitlines()[0] == "scene_id,scene_title,rating_key,confidence,evidence,field,old,new"
    of_first = {row["field"]: row for row in rows(bench) if row["scene_id"] == "1"}
    assert of_first["title"] == {
        "scene_id": "1", "scene_title": "Everything, at once", "rating_key": "100", "confidence": "high",
        "evidence": "equal_path", "field": "title", "old": "everything", "new": "Everything, at once",
    }  # fmt: skip
    assert of_first["summary"]["new"] == 'One.\n\nTwo, "quoted"; three.'
    assert of_first["actor"]["new"] == "Zoë; Ada, the first"
    assert of_first["originallyAvailableAt"]["new"] == "2024-05-01"
    assert of_first["poster"]["new"] == SHA1
    raw = (bench.folder / "unmatched.csv").read_bytes()
    assert raw.decode("utf-8").splitlines()[0] == "scene_id,scene_title,path,reason,candidates"
    lost = {row["scene_title"]: row for row in rows(bench, "unmatched.csv")}
    assert set(lost) == {"Nowhere", "No file", "Doubtful"}
    assert (lost["Nowhere"]["path"], lost["Nowhere"]["candidates"]) == ("/media/none.mp4", "")
    assert "not in Plex" in lost["Nowhere"]["reason"]
    assert lost["No file"]["path"] == ""
    (candidate,) = json.loads(lost["Doubtful"]["candidates"])
    assert "/other/doubt.mp4" in json.dumps(candidate)


def test_hidden_names(bench: Bench) -> None:
    """With "Hide names in the log" the files have titles, which is their purpose, and the log only counts."""
    bench.stash.configure(logHidePaths=True, logDebug=True)
    previewed(bench)
    text = "\n".join(line for _, line in bench.log.lines)
    words = [scene.title for scene in bench.stash.scenes.values() if len(scene.title) > 1]
    assert not [word for word in [*words, "/media", "Acme", str(bench.folder)] if word in text]
    assert "see preview.csv and unmatched.csv in PlexSync's data folder scenes=9" in text
    assert "Only the title" in (bench.folder / "preview.csv").read_text("utf-8")


def test_dry_run_changes_nothing_about_it(bench: Bench) -> None:
    """During a dry run the preview lists what would be written without it."""
    previewed(bench)
    plain_run = rows(bench)
    bench.stash.configure(dryRun=True)
    previewed(bench)
    assert rows(bench) == plain_run != []


def test_an_item_that_is_gone(bench: Bench) -> None:
    """An item that is gone, or has another key, is matched again, as by the worker."""
    preview.run(bench.app, Bar())
    bench.plex.remove_item(101)
    old = bench.plex.items[100]
    bench.plex.rekey(100, 900)
    bench.sleep(1)
    previewed(bench)
    assert old.rating_key == 900
    assert {row["rating_key"] for row in rows(bench) if row["scene_id"] == "1"} == {"900"}
    (lost,) = (row for row in rows(bench, "unmatched.csv") if row["scene_title"] == "Only the title")
    assert "not in Plex" in lost["reason"]


def test_many_pages(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Several pages give the same result, and the bar moves with each."""
    previewed(bench)
    whole = rows(bench), rows(bench, "unmatched.csv")
    monkeypatch.setattr(preview, "PAGE", 2)
    bar = Bar()
    preview.run(bench.app, bar)
    assert (rows(bench), rows(bench, "unmatched.csv")) == whole
    assert bar.seen == pytest.approx([2 / 9, 4 / 9, 6 / 9, 8 / 9, 1])


@pytest.mark.parametrize("cover", [b"", b"<svg></svg>", None])
def test_covers_that_cannot_be_sent(bench: Bench, cover: bytes | None) -> None:
    """A placeholder, an empty cover, or one that Stash does not send is no change."""
    bench.stash.configure(skipPoster=False, skipBackground=False)
    for number in (1, 9):
        bench.stash.change_scene(number, cover=cover or b"", cover_type="image/svg+xml" if cover else "image/jpeg")
    if cover is None:
        bench.stash.fault("status_500", None, "/screenshot")
    previewed(bench)
    assert not [row for row in rows(bench) if row["field"] in ("poster", "background")]


@pytest.mark.parametrize(
    ("settings", "says"),
    [({"plexToken": ""}, "no Plex token is set"), ({"plexToken": "x"}, "401"), ({"plexLibraries": "None"}, "None")],
)
def test_setup_problems(bench: Bench, settings: dict[str, Any], says: str) -> None:
    """An error in the setup is one sentence, and the files of the last preview stay."""
    previewed(bench)
    before = rows(bench)
    bench.stash.configure(**settings)
    with pytest.raises(SetupError, match=says):
        preview.run(bench.app, Bar())
    assert rows(bench) == before


@pytest.mark.parametrize("fault", ["503_xml", "500", "reset", "html_200", "empty_200"])
def test_plex_fails(bench: Bench, fault: str) -> None:
    """If Plex fails at any point there is one sentence, and no incomplete file."""
    previewed(bench)
    before = rows(bench)
    for path in (None, "/library/metadata"):
        bench.app.reconnect()
        bench.plex.fault(fault, path=path)
        with pytest.raises(PlexSyncError):
            preview.run(bench.app, Bar())
        bench.plex.clear_faults()
        assert rows(bench) == before
        assert not list(bench.folder.glob("*.csv.*"))


def test_plex_is_away(bench: Bench) -> None:
    """If Plex is unreachable there is nothing to compare, and the sentence says so."""
    bench.plex.stop()
    with pytest.raises(PlexUnavailable, match="Nothing answers at"):
        preview.run(bench.app, Bar())
