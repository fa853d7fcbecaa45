"""Check covers before an upload, and compute the hash under which Plex stores them. No I/O."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

#: Largest upload: Plex answers 500 to larger ones. Other tools use this limit; the server's is 10 MiB.
MAX_BYTES = 10_480_000


@dataclass(frozen=True, slots=True)
class CoverProblem:
    """Why a cover must not be uploaded; ``reason``: a clause for the user.

    ``retry``: Stash sent an error, a login page or nothing, so fetch the cover again. ``placeholder``: it is Stash's
    picture for scenes without a cover, so there is nothing to report.
    """

    reason: str
    retry: bool = False
    placeholder: bool = False


def check_cover(data: bytes, content_type: str) -> CoverProblem | None:
    """Return what is wrong with a cover from Stash, None if it may be uploaded."""
    kind = content_type.partition(";")[0].strip().lower()
    start = data[:512].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    page = start.startswith((b"<!doctype", b"<html"))
    svg = "svg" in kind or start.startswith(b"<svg") or (start.startswith(b"<?xml") and b"<svg" in start)
    retry = not data or page or kind.startswith("text/")
    if not data:
        return CoverProblem("the cover is empty", retry)
    if len(data) > MAX_BYTES:
        return CoverProblem(f"the cover has {len(data)} bytes; Plex accepts up to {MAX_BYTES}", retry)
    if svg:
        return CoverProblem("the cover is Stash's placeholder", retry, placeholder=True)
    if page or kind == "text/html":
        return CoverProblem("Stash sent a web page instead of the cover", retry)
    if not kind.startswith("image/"):
        return CoverProblem(f"the cover is not an image ({kind or 'unknown type'})", retry)
    return None


def image_digest(data: bytes) -> str:
    """Return the SHA-1 in hex, by which Plex names an upload (``upload://posters/<sha1>``)."""
    return hashlib.sha1(data, usedforsecurity=False).hexdigest()
