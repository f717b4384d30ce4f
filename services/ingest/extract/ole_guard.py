"""Containers of the old kind (OLE: XLS, MSG): chains of sectors that run in circles are refused.

A reader that follows such a chain takes memory until there is none: calamine does, with a file of 27 kB whose one
overwritten number makes a sector follow itself.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence

from services.errors import InvalidInput

OLE_MAGIC = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_HEADER_BYTES = 512
_HEADER_TABLE = 109  # sectors of the table that the header itself names
_SHIFTS = (9, 12)
_MOST_FOR_A_SECTOR = 2
_LAST = 0xFFFFFFFA  # numbers above are marks, not sectors


def refuse_circles(body: bytes) -> None:
    """Checks the tables of an OLE container, not what is in it.

    Raises:
        InvalidInput: code ``damaged-file``.
    """
    if len(body) < _HEADER_BYTES or not body.startswith(OLE_MAGIC):
        raise _damaged("its header is missing or cut off")
    (shift,) = struct.unpack_from("<H", body, 30)
    if shift not in _SHIFTS:
        raise _damaged("its header names sectors of an impossible size")
    size = 1 << shift
    table: list[int] = []
    for sector in _table_sectors(body, size):
        table.extend(_numbers(body, sector, size))
        if len(table) > _MOST_FOR_A_SECTOR * (len(body) // size) + size:
            raise _damaged("its table of sectors is longer than the file")
    _check(table)
    (first_small,) = struct.unpack_from("<I", body, 60)
    small: list[int] = []
    sector = first_small
    while sector < len(table):
        small.extend(_numbers(body, sector, size))
        sector = table[sector]
    _check(small)


def _table_sectors(body: bytes, size: int) -> Iterator[int]:
    """The sectors that hold the table of sectors: the first 109 stand in the header, the others in a list of lists."""
    yield from (n for n in struct.unpack_from(f"<{_HEADER_TABLE}I", body, 76) if n < _LAST)
    (following,) = struct.unpack_from("<I", body, 68)
    seen: set[int] = set()
    while following < _LAST and (following + 1) * size < len(body):
        if following in seen:
            raise _damaged("its list of sectors runs in a circle")
        seen.add(following)
        *numbers, following = _numbers(body, following, size) or (_LAST,)
        yield from (n for n in numbers if n < _LAST)


def _numbers(body: bytes, sector: int, size: int) -> Sequence[int]:
    content = body[(sector + 1) * size : (sector + 2) * size]
    return struct.unpack(f"<{len(content) // 4}I", content[: len(content) // 4 * 4])


def _check(table: Sequence[int]) -> None:
    """Every sector is followed by one other at most; a walk that meets its own steps again runs in a circle."""
    walk_of = [0] * len(table)
    for start in range(len(table)):
        at = start
        while at < len(table) and not walk_of[at]:
            walk_of[at] = start + 1
            at = table[at]
        if at < len(table) and walk_of[at] == start + 1:
            raise _damaged("its chains of sectors run in circles")


def _damaged(reason: str) -> InvalidInput:
    return InvalidInput(
        f"the file is a container of the old Office kind that is damaged: {reason}", code="damaged-file"
    )
