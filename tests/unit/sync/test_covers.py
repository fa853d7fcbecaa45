"""What a record remembers of an item's pictures. No server."""

from __future__ import annotations

import pytest

from plexsync.plex.images import MAX_BYTES, PLACEHOLDER_BYTES, check_cover, media_type
from plexsync.state.ledger import Record
from plexsync.sync import covers
from plexsync.sync.covers import CHOSEN, LOST, UNKNOWN, Image


@pytest.mark.parametrize(
    ("text", "known"),
    [
        ("", {}),
        ("posters=abc", {"posters": Image(("abc",))}),
        ("arts=?abc+def,posters=", {"arts": Image(("abc", "def"), UNKNOWN), "posters": Image((), UNKNOWN)}),
        ("arts=-abc,posters=!", {"arts": Image(("abc",), LOST), "posters": Image((), CHOSEN)}),
        ("rubbish", {}),
    ],
)
def test_what_is_stored_is_read(text: str, known: dict[str, Image]) -> None:
    """Each entry has a mark and our uploads; an empty one means that nothing is known of the upload."""
    assert covers.images(Record(1, 1, cover=text)) == known
    again = covers.with_image(Record(1, 1, cover=text), "arts", Image(("new",)))
    assert covers.images(again) == known | {"arts": Image(("new",))}


def test_an_intent_remembers_the_earlier_uploads() -> None:
    """Until an upload arrived, it and the last ones before it count as ours; then it alone."""
    record = Record(1, 1)
    for number in range(6):
        record = covers.intended(record, ("posters",), f"{number}")
    record = covers.intended(record, ("posters",), "3")
    assert covers.images(record) == {"posters": Image(("2", "4", "5", "3"), UNKNOWN)}
    assert covers.uploaded(record, "posters", "3").cover == "posters=3"


@pytest.mark.parametrize(("mark", "stamp"), [("", "s"), (UNKNOWN, "s"), (LOST, "s"), (CHOSEN, "")])
def test_looking_again_keeps_what_is_known(mark: str, stamp: str) -> None:
    """The uploads stay, and the cover is fetched again only where another may have been held back."""
    record = covers.look_again(Record(1, 1, cover=f"arts={mark}abc,unfit=x", cover_stamp="s"))
    assert (record.cover, record.cover_stamp) == ("arts=?abc,unfit=x", stamp)
    assert covers.look_again(Record(1, 1)) == Record(1, 1)


def test_an_unfit_cover_ends_every_question() -> None:
    """With nothing to upload, no picture is asked for any longer, and the user is told once for each cover."""
    record = covers.unfit(Record(1, 1, cover="arts=-abc,posters="), "bad", told=True)
    assert record.cover == "arts=abc,unfit=bad"
    assert (covers.is_known_unfit(record, "bad"), covers.is_known_unfit(record, "other")) == (True, False)
    assert covers.unfit(Record(1, 1), "placeholder", told=False) == Record(1, 1)


@pytest.mark.parametrize(
    ("data", "declared", "kind"),
    [
        (b"\xff\xd8\xff\xe1", "image/png", "image/jpeg"),
        (b"GIF87a", "", "image/gif"),
        (b"BM\x10\0\0\0\0\0\0\0", "application/octet-stream", "image/bmp"),
        (b"MM\0*", "", "image/tiff"),
        (b"unknown", "image/jpg; q=1", "image/jpeg"),
        (b"unknown", "binary/octet-stream", ""),
        (b"\0\0\0\x1cftypavis", "image/jpeg", "image/avif"),
        (b"\0\0\0\x1cftypmif1\0\0\0\0heic", "", "image/heic"),
        (b"\0\0\0\x1cftypisom", "", "video/mp4"),
        (b"RIFF\0\0\0\0AVI LIST", "image/webp", "video/x-msvideo"),
        (b"\xef\xbb\xbf\n<?xml version='1.0'?>\n<!-- a -->\n<!DOCTYPE svg PUBLIC 'x'>\n<SVG>", "", "image/svg+xml"),
        (b" <!doctype  html>", "image/jpeg", "text/html"),
        (b"<html>", "", "text/html"),
        (b"<!DOCTYPE html><svg>", "image/png", "text/html"),
    ],
)
def test_a_picture_is_known_by_its_first_bytes(data: bytes, declared: str, kind: str) -> None:
    """The bytes decide; what they do not show is as declared, and a declaration that says nothing is none."""
    assert media_type(data, declared) == kind


def test_a_small_svg_is_stashs_own() -> None:
    """Stash's picture of a scene without a cover is an SVG of a few hundred bytes; a person's is told."""
    small, large = b"<svg>".ljust(PLACEHOLDER_BYTES), b"<svg>".ljust(PLACEHOLDER_BYTES + 1)
    problems = [check_cover(data, "image/svg+xml") for data in (small, large, b"\xff\xd8\xff".ljust(MAX_BYTES + 1))]
    assert [problem and problem.placeholder for problem in problems] == [True, False, False]
    assert [problem and problem.retry for problem in problems] == [False, False, False]
