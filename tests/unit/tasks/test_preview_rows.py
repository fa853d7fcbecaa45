"""A page of the last preview: counted, filtered, and never half of another preview."""

from __future__ import annotations

import csv
import itertools
import os
import threading
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from plexsync.core import environment
from plexsync.model.errors import PlexSyncError
from plexsync.tasks import preview_rows
from tests.support.queue_tools import NOW

EMPTY: dict[str, Any] = {"made_at": None, "total": 0, "counts": {}, "rows": []}


def write(folder: Path, rows: list[tuple[Any, ...]], name: str = "preview.csv", at: float = NOW) -> None:
    """Write rows as Preview does."""
    columns = preview_rows.UNMATCHED_COLUMNS if name.startswith("unmatched") else preview_rows.COLUMNS
    with open(folder / name, "w", encoding="utf-8", errors="replace", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        writer.writerows(rows)
    os.utime(folder / name, (at, at))


def change(scene: int, field: str = "title", old: str = "old", new: str = "new") -> tuple[Any, ...]:
    """Return one row of changes."""
    return scene, f"Scene {scene}", scene + 100, "high", "equal_path", field, old, new


def changes(folder: Path, **args: Any) -> dict[str, Any]:
    """Return the answer."""
    return preview_rows.changes(str(folder), args)


def scenes(found: dict[str, Any]) -> list[int]:
    """Return the scenes of the rows."""
    return [row["scene_id"] for row in found["rows"]]


def test_no_preview_yet(tmp_path: Path) -> None:
    """Before the first preview there are no rows, and no error."""
    assert changes(tmp_path) == EMPTY
    assert preview_rows.unmatched(str(tmp_path), {}) == EMPTY


def test_a_row(tmp_path: Path) -> None:
    """A row has the header's names; ids are numbers; texts are as they were, line breaks and quotes included."""
    write(tmp_path, [change(7, "summary", 'He said "no";\r\n\nand, left', "é\u2028\x00")])
    assert changes(tmp_path) == {
        "made_at": "2024-03-09T16:00:00Z",
        "total": 1,
        "counts": {"summary": 1},
        "rows": [{
            "scene_id": 7, "scene_title": "Scene 7", "rating_key": 107, "confidence": "high", "evidence": "equal_path",
            "field": "summary", "old": 'He said "no";\r\n\nand, left', "new": "é\u2028\x00",
        }],
    }  # fmt: skip


def test_pages(tmp_path: Path) -> None:
    """``offset`` and ``limit`` cut a page out of the rows; the total is that of all pages."""
    write(tmp_path, [change(number) for number in range(1, 251)])
    assert scenes(changes(tmp_path)) == list(range(1, 101))
    assert scenes(changes(tmp_path, offset="240", limit=500)) == list(range(241, 251))
    assert changes(tmp_path, offset=250)["rows"] == []
    assert changes(tmp_path, offset=250.0, limit=1)["total"] == 250


def test_filters(tmp_path: Path) -> None:
    """Rows are found by their exact field and by a text in any column, in any case; counts are those of all rows."""
    write(tmp_path, [change(1), change(2, "studio", new="STRASSE"), change(3, "studio"), change(4, new="Straße")])
    assert scenes(changes(tmp_path, field="studio")) == [2, 3]
    found = changes(tmp_path, text="straße")
    assert (scenes(found), found["total"], found["counts"]) == ([2, 4], 2, {"studio": 2, "title": 2})
    assert scenes(changes(tmp_path, text="scene 3")) == [3]
    assert scenes(changes(tmp_path, field="title", text="strasse")) == [4]
    assert changes(tmp_path, field="titl")["total"] == 0
    assert changes(tmp_path, field="", text=None)["total"] == 4


def test_unmatched(tmp_path: Path) -> None:
    """Scenes without a match are counted by the reason that their dead letter would have; candidates are a list."""
    write(tmp_path, [
        (1, "A", "/films/a.mp4", "Scene 1 is not in Plex.", ""),
        (2, "B", "/films/b.mp4", "2 items could be scene 2.", '[{"rating_key": 5}]'),
        (3, "C", "", "Scene 3 has no file in Stash.", ""),
        (4, "D", "/films/d.mp4", "Scene 4 is not in Plex.", ""),
    ], "unmatched.csv")  # fmt: skip
    found = preview_rows.unmatched(str(tmp_path), {})
    assert found["counts"] == {"invalid": 1, "low_confidence": 1, "not_in_plex": 2}
    assert found["rows"][1] == {
        "scene_id": 2, "scene_title": "B", "path": "/films/b.mp4", "reason": "2 items could be scene 2.",
        "candidates": [{"rating_key": 5}], "kind": "low_confidence",
    }  # fmt: skip
    assert scenes(preview_rows.unmatched(str(tmp_path), {"field": "not_in_plex"})) == [1, 4]


@pytest.mark.parametrize(
    "args",
    [
        {"offset": -1}, {"offset": "x"}, {"offset": True}, {"offset": [1]}, {"offset": 10**12}, {"limit": 0},
        {"limit": 501}, {"limit": 1.5}, {"limit": "9" * 99}, {"field": 5}, {"text": ["a"]}, {"text": {"a": 1}},
    ],
)  # fmt: skip
def test_bad_arguments(tmp_path: Path, args: dict[str, Any]) -> None:
    """An argument that cannot be used is named in one sentence that says what can."""
    with pytest.raises(PlexSyncError) as caught:
        changes(tmp_path, **args)
    assert next(iter(args)) in str(caught.value)
    assert str(caught.value).endswith(".")


@pytest.mark.parametrize(
    "text", ["", "a;b\r\n", "scene_id\r\n", ",".join(preview_rows.COLUMNS) + "\r\n1,2\r\n",
             ",".join(preview_rows.COLUMNS) + "\r\nx,t,5,high,e,title,o,n\r\n"],
)  # fmt: skip
def test_a_file_that_somebody_changed(tmp_path: Path, text: str) -> None:
    """A file that another program saved in its own form is told as such."""
    (tmp_path / "preview.csv").write_text(text, "utf-8", newline="")
    with pytest.raises(PlexSyncError, match=r"preview\.csv was changed by another program\. Run Preview again\."):
        changes(tmp_path)


def test_the_newest_name(tmp_path: Path) -> None:
    """Where another program held the file open, Preview used another name, and the newest one counts."""
    write(tmp_path, [change(1)], at=NOW)
    write(tmp_path, [change(2)], "preview-2.csv", at=NOW + 5)
    assert scenes(changes(tmp_path)) == [2]
    write(tmp_path, [change(3)], at=NOW + 9)
    assert scenes(changes(tmp_path)) == [3]


def test_while_a_preview_is_made(tmp_path: Path) -> None:
    """A preview that is being written is not seen, and one that is replaced is read as a whole, the old or the new."""
    write(tmp_path, [change(1)] * 50)
    write(tmp_path, [change(2)] * 3000, environment.part_of("preview.csv"))
    assert changes(tmp_path)["total"] == 50
    stop = threading.Event()

    def replace() -> None:
        for number in itertools.cycle((50, 3000)):
            if stop.is_set():
                return
            part = environment.part_of("preview.csv")
            write(tmp_path, [change(number)] * number, part)
            environment.publish(str(tmp_path / part), str(tmp_path / "preview.csv"))

    writer = threading.Thread(target=replace)
    writer.start()
    try:
        found = [changes(tmp_path, limit=1) for _ in range(60)]
    finally:
        stop.set()
        writer.join()
    assert {(one["total"], one["rows"][0]["scene_id"]) for one in found} <= {(50, 1), (50, 50), (3000, 3000)}


TEXTS = st.text(st.characters(codec="utf-8"), max_size=20)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(TEXTS, TEXTS, st.sampled_from(["title", "genre"])), max_size=8), TEXTS)
def test_any_text_survives(tmp_path: Path, values: list[tuple[str, str, str]], text: str) -> None:
    """Whatever stands in Stash and Plex comes back as it was, and is found as Python finds it."""
    write(tmp_path, [change(number, field, old, new) for number, (old, new, field) in enumerate(values)])
    found = changes(tmp_path)
    assert [(row["old"], row["new"], row["field"]) for row in found["rows"]] == values
    wanted = [
        number
        for number, row in enumerate(found["rows"])
        if any(text.casefold() in str(value).casefold() for value in row.values())
    ]
    assert scenes(changes(tmp_path, text=text)) == wanted
