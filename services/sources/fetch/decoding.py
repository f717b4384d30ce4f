"""Compressed answers, inflated block by block, so that a bomb is stopped at the limit and not in memory."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator

BLOCK_BYTES = 64 * 1024
ACCEPTED = "gzip, deflate"
_EITHER_HEADER = zlib.MAX_WBITS | 32


class BadEncoding(ValueError):
    """A content encoding that is not read, or data that is not what it says. The message is for people."""


def decoded(parts: Iterable[bytes], encoding: str) -> Iterator[bytes]:
    """The parts of an answer without their content encoding, in blocks of at most 64 KiB.

    Args:
        encoding: the Content-Encoding header; "" and "identity" leave the parts as they are.

    Raises:
        BadEncoding: another encoding than gzip and deflate, or broken data.
    """
    name = encoding.strip().lower()
    if name in ("", "identity"):
        yield from parts
    elif name in ("gzip", "x-gzip", "deflate"):
        yield from inflated(parts)
    else:
        raise BadEncoding(f"it is encoded as {name[:40]!r}, which was not asked for")


def inflated(parts: Iterable[bytes]) -> Iterator[bytes]:
    """gzip (also of several members), zlib or raw deflate data, in blocks of at most 64 KiB. Raises BadEncoding."""
    inflater = None
    used = False
    for part in parts:
        rest = part
        while rest:
            if inflater is None:
                inflater, used = _inflater(rest, first=not used), True
            try:
                block = inflater.decompress(rest, BLOCK_BYTES)
            except zlib.error as error:
                raise BadEncoding(f"its compressed data is damaged ({error})") from None
            if block:
                yield block
            rest = inflater.unconsumed_tail
            if inflater.eof:
                rest, inflater = inflater.unused_data.lstrip(b"\0"), None
    if inflater is not None:
        tail = inflater.flush()
        if tail:
            yield tail
        if not inflater.eof:
            raise BadEncoding("its compressed data ends too early")


def _inflater(start: bytes, *, first: bool) -> zlib._Decompress:
    """For "deflate" some servers send raw data without the zlib header; the first bytes tell."""
    has_header = start[:1] == b"\x1f" or (
        start[0] & 0x0F == 8 and (len(start) < 2 or (start[0] * 256 + start[1]) % 31 == 0)
    )
    return zlib.decompressobj(_EITHER_HEADER if has_header or not first else -zlib.MAX_WBITS)
