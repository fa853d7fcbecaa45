"""Writes zips without compressing: entries stand as they are, or in the bytes to which another zip compressed them.

So that a zip is the same wherever it is written: two builds of zlib compress one file to different bytes.
"""

from __future__ import annotations

import struct
import zipfile
import zlib
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

_LOCAL = struct.Struct("<4s5H3L2H")
_CENTRAL = struct.Struct("<4s6H3L5H2L")
_END = struct.Struct("<4s4H2LH")

#: Version 2.0 of the format, made on Unix, whose modes it then has; names are UTF-8.
_VERSION, _UNIX, _UTF8 = 20, 3 << 8, 1 << 11
#: A regular file that everybody may read and its owner write: Stash unpacks with the modes of the zip.
_MODE = 0o100644 << 16
#: The oldest time that a zip can hold.
_EPOCH = datetime(1980, 1, 1, tzinfo=UTC)


class Entry(NamedTuple):
    """A file of a zip. ``method``: 0 as it is, 8 deflated; ``crc`` and ``size`` are of what it unpacks to."""

    name: str
    data: bytes
    method: int
    crc: int
    size: int


def entry(name: str, content: bytes) -> Entry:
    """Return an entry that stands as it is."""
    return Entry(name, content, zipfile.ZIP_STORED, zlib.crc32(content), len(content))


def copied(name: str, source: zipfile.ZipFile, info: zipfile.ZipInfo) -> Entry:
    """Return an entry in the bytes that ``source`` has. Raise ``zipfile.BadZipFile`` if they are damaged."""
    content = source.read(info)
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED) or source.fp is None:
        return entry(name, content)
    source.fp.seek(info.header_offset)
    *_, of_name, of_extra = _LOCAL.unpack(source.fp.read(_LOCAL.size))
    source.fp.seek(info.header_offset + _LOCAL.size + of_name + of_extra)
    return Entry(name, source.fp.read(info.compress_size), info.compress_type, info.CRC, info.file_size)


def write(target: Path, entries: Iterable[Entry], at: datetime) -> None:
    """Write the entries to ``target`` in their order, each with the time ``at`` in UTC and mode 0644.

    A zip's times are even seconds: the one before is taken.
    """
    moment = _moment(max(at.astimezone(UTC), _EPOCH))
    content, directory = bytearray(), bytearray()
    ordered = list(entries)
    for one in ordered:
        name = one.name.encode()
        common = (_VERSION, _UTF8, one.method, *moment, one.crc, len(one.data), one.size, len(name), 0)
        directory += _CENTRAL.pack(b"PK\1\2", _UNIX | _VERSION, *common, 0, 0, 0, _MODE, len(content)) + name
        content += _LOCAL.pack(b"PK\3\4", *common) + name + one.data
    end = (0, 0, len(ordered), len(ordered), len(directory), len(content), 0)
    target.write_bytes(content + directory + _END.pack(b"PK\5\6", *end))


def _moment(at: datetime) -> tuple[int, int]:
    """Return time and date as zips write them."""
    return at.hour << 11 | at.minute << 5 | at.second // 2, (at.year - 1980) << 9 | at.month << 5 | at.day
