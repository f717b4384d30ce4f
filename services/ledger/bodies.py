"""A document's body: bytes in memory, or a file that is read block by block. Whoever handles bodies asks here.

A file is read from its beginning each time and its position is left anywhere, so one body can be hashed, looked into
and stored one after the other, and stored again where the ledger asks for another try. One thread at a time.
"""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Iterator
from typing import BinaryIO

Body = bytes | BinaryIO
"""Bytes, or a seekable binary file from position 0 to its end. Who opened the file closes it."""

BLOCK_BYTES = 1024 * 1024


def body_size(body: Body) -> int:
    """How many bytes it has."""
    if isinstance(body, bytes):
        return len(body)
    return body.seek(0, os.SEEK_END)


def body_blocks(body: Body) -> Iterator[bytes]:
    """The bytes in order, at most 1 MiB at a time where the body is a file."""
    if isinstance(body, bytes):
        if body:
            yield body
        return
    body.seek(0)
    while block := body.read(BLOCK_BYTES):
        yield block


def body_sha256(body: Body) -> bytes:
    """The SHA-256 of the bytes; a body in memory and a file with the same bytes have the same."""
    hasher = hashlib.sha256()
    for block in body_blocks(body):
        hasher.update(block)
    return hasher.digest()


def body_bytes(body: Body) -> bytes:
    """All of it in memory: for what is known to be small, or must be there as a whole."""
    return body if isinstance(body, bytes) else b"".join(body_blocks(body))


def body_file(body: Body) -> BinaryIO:
    """The body as a file at position 0; bytes are wrapped, a file is the same one."""
    if isinstance(body, bytes):
        return io.BytesIO(body)
    body.seek(0)
    return body
