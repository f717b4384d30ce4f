from __future__ import annotations

import struct

import pytest

from services.errors import InvalidInput
from services.ingest.extract.ole_guard import OLE_MAGIC, refuse_circles

END, FREE = 0xFFFFFFFE, 0xFFFFFFFF


def ole(
    table: list[int], *, small: int = END, lists: int = END, first: int = 0, more: bytes = b"", shift: int = 9
) -> bytes:
    """A container whose sector 0 is its table of sectors; ``more`` are the sectors after it."""
    header = bytearray(512)
    header[:8] = OLE_MAGIC
    struct.pack_into("<H", header, 30, shift)
    struct.pack_into("<I", header, 60, small)
    struct.pack_into("<I", header, 68, lists)
    struct.pack_into("<109I", header, 76, first, *[FREE] * 108)
    return bytes(header) + struct.pack("<128I", *table, *[FREE] * (128 - len(table))) + more


def reason(body: bytes) -> str:
    with pytest.raises(InvalidInput) as raised:
        refuse_circles(body)
    assert raised.value.code == "damaged-file"
    return raised.value.message


def test_chains_that_end_pass() -> None:
    refuse_circles(ole([0xFFFFFFFD, 2, 3, END, 1, 2]))
    refuse_circles(ole([0xFFFFFFFD, END], small=1, more=struct.pack("<128I", 1, END, *[FREE] * 126)))


@pytest.mark.parametrize("table", [[0], [0xFFFFFFFD, 2, 3, 1], [0xFFFFFFFD, 1], [0xFFFFFFFD, 5, END, END, 1, 4]])
def test_chains_that_run_in_circles_are_refused(table: list[int]) -> None:
    assert "circles" in reason(ole(table))


def test_circles_among_small_sectors_are_refused() -> None:
    assert "circles" in reason(ole([0xFFFFFFFD, END], small=1, more=struct.pack("<128I", *[0] * 128)))


def test_a_list_of_sectors_that_names_itself_is_refused() -> None:
    assert "circle" in reason(ole([END], lists=1, more=struct.pack("<128I", *[FREE] * 127, 1) + b"\0" * 512))


def test_a_table_that_names_one_sector_again_and_again_is_refused() -> None:
    assert "longer" in reason(ole([END], lists=1, more=struct.pack("<128I", *[0] * 127, END) + b"\0" * 512))


@pytest.mark.parametrize("body", [b"", OLE_MAGIC, b"\0" * 600, ole([END], shift=3), ole([END], shift=60_000)])
def test_broken_headers_are_refused(body: bytes) -> None:
    assert "header" in reason(body)
