"""Check covers before an upload, and compute the hash under which Plex stores them. No I/O."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass

#: Largest upload: Plex answers 500 to larger ones. Other tools use this limit; the server's is 10 MiB.
MAX_BYTES = 10_480_000

#: Largest SVG in bytes that is taken for Stash's own picture of a scene without a cover, which has 733.
PLACEHOLDER_BYTES = 4096

#: The media types that Plex takes.
TAKEN = frozenset({"image/jpeg", "image/png", "image/gif", "image/webp", "image/bmp", "image/tiff"})

#: How a file of each media type begins. ISO media files (AVIF, HEIC, MP4) name their brand after ``ftyp``.
_BEGINNINGS: tuple[tuple[str, re.Pattern[bytes]], ...] = (
    ("image/jpeg", re.compile(rb"\xff\xd8\xff")),
    ("image/png", re.compile(rb"\x89PNG\r\n\x1a\n")),
    ("image/gif", re.compile(rb"GIF8[79]a")),
    ("image/webp", re.compile(rb"RIFF....WEBP", re.DOTALL)),
    ("image/bmp", re.compile(rb"BM.{4}\0\0\0\0", re.DOTALL)),
    ("image/tiff", re.compile(rb"II\*\0|MM\0\*")),
    ("image/avif", re.compile(rb".{4}ftyp(?=.{0,40}avi[fs])", re.DOTALL)),
    ("image/heic", re.compile(rb".{4}ftyp(?:hei[cxms]|hev[cxms]|mif1|msf1)", re.DOTALL)),
    ("image/jxl", re.compile(rb"\xff\x0a|\0\0\0\x0cJXL \r\n\x87\n")),
    (
        "image/svg+xml",
        re.compile(rb"(?:\xef\xbb\xbf)?\s*(?:<[?!](?!doctype\s+html).{0,800}?>\s*)*<svg", re.DOTALL | re.I),
    ),
    ("video/mp4", re.compile(rb".{4}ftyp", re.DOTALL)),
    ("video/webm", re.compile(rb"\x1aE\xdf\xa3")),
    ("video/x-msvideo", re.compile(rb"RIFF....AVI ", re.DOTALL)),
    ("text/html", re.compile(rb"(?:\xef\xbb\xbf)?\s*<(?:!doctype\s+)?html", re.I)),
)
#: What servers say that do not know the type, and the name under which Plex knows a type with several.
_UNKNOWN = frozenset({"", "application/octet-stream", "binary/octet-stream", "application/x-binary", "*/*"})
_ALIASES = {"image/jpg": "image/jpeg", "image/pjpeg": "image/jpeg", "image/x-png": "image/png"}


@dataclass(frozen=True, slots=True)
class CoverProblem:
    """Why a cover must not be uploaded; ``reason``: a clause for the user.

    ``retry``: Stash sent an error, a login page or nothing, so fetch the cover again. ``placeholder``: it is Stash's
    picture for scenes without a cover, so there is nothing to report.
    """

    reason: str
    retry: bool = False
    placeholder: bool = False


@dataclass(frozen=True, slots=True)
class Picture:
    """One poster or background that Plex has for an item. ``name``: Plex's; that of an upload holds its SHA-1."""

    name: str
    selected: bool


def media_type(data: bytes, declared: str) -> str:
    """Return the media type of a cover by its first bytes; where they say nothing, as declared, ``""`` for unknown."""
    start = data[:1024]
    for kind, beginning in _BEGINNINGS:
        if beginning.match(start):
            return kind
    said = declared.partition(";")[0].strip().lower()
    return "" if said in _UNKNOWN else _ALIASES.get(said, said)


def check_cover(data: bytes, declared: str) -> CoverProblem | None:
    """Return what is wrong with a cover from Stash, None if it may be uploaded; ``declared``: its Content-Type."""
    kind = media_type(data, declared)
    if not data:
        return CoverProblem("the cover is empty", retry=True)
    if kind == "text/html":
        return CoverProblem("Stash sent a web page instead of the cover", retry=True)
    if kind.startswith("text/"):
        return CoverProblem(f"the cover is not an image ({kind})", retry=True)
    if kind == "image/svg+xml" and len(data) <= PLACEHOLDER_BYTES:
        return CoverProblem("the cover is Stash's placeholder", placeholder=True)
    if not kind.startswith("image/"):
        return CoverProblem(f"the cover is not an image ({kind or 'unknown type'}). Replace it in Stash")
    if kind not in TAKEN:
        return CoverProblem(f"Plex does not take {kind}. Replace the cover in Stash by a JPEG or PNG")
    if len(data) > MAX_BYTES:
        return CoverProblem(f"the cover has {len(data)} bytes; Plex accepts up to {MAX_BYTES}. Replace it in Stash")
    return None


def image_digest(data: bytes) -> str:
    """Return the SHA-1 in hex, by which Plex names an upload (``upload://posters/<sha1>``)."""
    return hashlib.sha1(data, usedforsecurity=False).hexdigest()
