"""Tiny films: uncompressed AVI, which every ffmpeg reads and no program is needed to write."""

from __future__ import annotations

import random
import struct
from pathlib import Path

WIDTH, HEIGHT = 64, 48

#: Frames and frames a second: Stash's hash of a file reads 64 KB at both ends, so a film is larger than that.
FRAMES, RATE = 20, 5


def write(path: Path, seed: int) -> None:
    """Write a film of four seconds to ``path``, whose folder is made; each ``seed`` makes other pictures."""
    rng = random.Random(seed)
    frames = [bytes(rng.randbytes(3) * (WIDTH * HEIGHT)) for _ in range(FRAMES)]
    movie = [_chunk(b"00db", frame) for frame in frames]
    offsets = range(4, 4 + sum(map(len, movie)), len(movie[0]))
    index = b"".join(struct.pack("<4s3L", b"00db", 0x10, at, len(frames[0])) for at in offsets)
    parts = [_list(b"hdrl", _headers(len(frames[0]))), _list(b"movi", b"".join(movie)), _chunk(b"idx1", index)]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(_chunk(b"RIFF", b"AVI " + b"".join(parts)))


def _headers(size: int) -> bytes:
    """Return the headers of the file and of its one stream, whose frames have ``size`` bytes."""
    file = struct.pack("<14L", 1_000_000 // RATE, size * RATE, 0, 0x10, FRAMES, 0, 1, size, WIDTH, HEIGHT, 0, 0, 0, 0)
    box = (0, 0, WIDTH, HEIGHT)
    stream = struct.pack("<4s4sLHH8L4H", b"vids", b"DIB ", 0, 0, 0, 0, 1, RATE, 0, FRAMES, size, 0, 0, *box)
    picture = struct.pack("<LllHHLLllLL", 40, WIDTH, HEIGHT, 1, 24, 0, size, 0, 0, 0, 0)
    return _chunk(b"avih", file) + _list(b"strl", _chunk(b"strh", stream) + _chunk(b"strf", picture))


def _chunk(name: bytes, body: bytes) -> bytes:
    return name + struct.pack("<L", len(body)) + body + b"\0" * (len(body) % 2)


def _list(name: bytes, body: bytes) -> bytes:
    return _chunk(b"LIST", name + body)
