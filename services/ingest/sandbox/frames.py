"""A result as bytes: frames of a JSON object and raw bytes, behind a head that is written last and vouches for all.

    result = magic (8 bytes), length of the frames (8), BLAKE2b of the frames (16), frames
    frame  = length of the JSON (4), length of the body (8), JSON, body

What reads it holds one frame in memory, and believes no length that the file has no room for.
"""

from __future__ import annotations

import hashlib
import json
import os
import struct
from collections.abc import Iterator
from typing import Any, BinaryIO

MAGIC = b"NFREAD1\n"
HEAD = struct.Struct(">8sQ16s")
FRAME = struct.Struct(">IQ")
MAX_JSON_BYTES = 16 * 1024 * 1024
"""Of one frame. JSON takes up to 20 times its size in memory, so a lying child is bounded here."""

_BLOCK = 1024 * 1024
_DIGEST_BYTES = 16


class UnusableResult(Exception):
    """The bytes are no complete result; the message says what is wrong with them."""


class FrameWriter:
    """Writes frames to a file at its beginning; ``close`` makes them valid."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._checksum = hashlib.blake2b(digest_size=_DIGEST_BYTES)
        self.length = 0
        file.seek(HEAD.size)

    def write(self, value: dict[str, Any], body: bytes = b"") -> None:
        """Appends a frame.

        Raises:
            OverflowError: its JSON is longer than a frame may hold. OSError: no room.
        """
        text = json.dumps(value, allow_nan=False, separators=(",", ":")).encode("ascii")
        if len(text) > MAX_JSON_BYTES:
            raise OverflowError(f"{len(text):,} bytes of JSON in one frame")
        for part in (FRAME.pack(len(text), len(body)), text, body):
            self._file.write(part)
            self._checksum.update(part)
            self.length += len(part)

    def close(self) -> None:
        """Writes the head."""
        self._file.seek(0)
        self._file.write(HEAD.pack(MAGIC, self.length, self._checksum.digest()))
        self._file.flush()


def read_frames(file: BinaryIO, *, most_bytes: int) -> Iterator[tuple[dict[str, Any], bytes]]:
    """The frames of a result, after all of it has been checked.

    Raises:
        UnusableResult: it is empty, cut off, too long, damaged, or not what a writer writes.
    """
    size = os.fstat(file.fileno()).st_size
    if not HEAD.size <= size <= most_bytes:
        raise UnusableResult(f"it is {size:,} bytes long")
    file.seek(0)
    magic, length, digest = HEAD.unpack(file.read(HEAD.size))
    if magic != MAGIC or length != size - HEAD.size:
        raise UnusableResult("it is incomplete")
    checksum = hashlib.blake2b(digest_size=_DIGEST_BYTES)
    while block := file.read(_BLOCK):
        checksum.update(block)
    if checksum.digest() != digest:
        raise UnusableResult("its bytes do not match their checksum")
    file.seek(HEAD.size)
    left = length
    while left:
        value, body, used = _read_frame(file, left)
        left -= used
        yield value, body


def _read_frame(file: BinaryIO, left: int) -> tuple[dict[str, Any], bytes, int]:
    if left < FRAME.size:
        raise UnusableResult("it ends within a frame")
    json_bytes, body_bytes = FRAME.unpack(file.read(FRAME.size))
    used = FRAME.size + json_bytes + body_bytes
    if used > left or json_bytes > MAX_JSON_BYTES:
        raise UnusableResult("a frame is longer than there is room for")
    try:
        value = json.loads(file.read(json_bytes))
    except (ValueError, RecursionError):
        raise UnusableResult("a frame holds no JSON") from None
    if not isinstance(value, dict):
        raise UnusableResult("a frame holds no JSON object")
    return value, file.read(body_bytes), used
