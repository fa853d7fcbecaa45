"""What counts as a cover that may be uploaded, and the digest Plex stores it by. No I/O."""

from __future__ import annotations

import hashlib

#: Plex answers 500 to more (a cap of 10,480,000 bytes is in use elsewhere; the server's own is 10 MiB).
MAX_BYTES = 10_480_000


def check_cover(data: bytes, content_type: str) -> str | None:
    """Why these bytes must not become a poster or background, or None if they may. ``content_type``: Stash's."""
    kind = content_type.partition(";")[0].strip().lower()
    start = data[:512].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if not data:
        return "the cover is empty"
    if len(data) > MAX_BYTES:
        return f"the cover has {len(data)} bytes, more than the {MAX_BYTES} that Plex takes"
    if "svg" in kind or start.startswith(b"<svg") or (start.startswith(b"<?xml") and b"<svg" in start):
        return "the cover is Stash's placeholder"
    if start.startswith((b"<!doctype", b"<html")) or kind == "text/html":
        return "a web page came instead of the cover"
    if not kind.startswith("image/"):
        return f"the cover is no image but {kind or 'of unknown type'}"
    return None


def is_no_cover(data: bytes, content_type: str) -> bool:
    """Whether what came is not the scene's cover at all, but an error, a login page or nothing: worth another try."""
    kind = content_type.partition(";")[0].strip().lower()
    start = data[:512].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    return not data or kind.startswith("text/") or start.startswith((b"<!doctype", b"<html"))


def digest(data: bytes) -> str:
    """SHA-1 of the bytes in hex: the name under which Plex keeps an upload (``upload://posters/<sha1>``)."""
    return hashlib.sha1(data, usedforsecurity=False).hexdigest()
