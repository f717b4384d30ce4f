"""Results as bytes: whole or refused, and what comes back is what was handed over."""

from __future__ import annotations

import io
import tempfile
from typing import Any, BinaryIO

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.errors import InvalidInput
from services.ingest.rows.row import Row
from services.ingest.rows.tabular import NumberedRow
from services.ingest.sandbox import results
from services.ingest.sandbox.frames import FRAME, HEAD, MAGIC, FrameWriter, UnusableResult, read_frames
from services.ingest.values import Block, BlockKind, Extracted, FileInput, Heading, PageMark

MOST = 1 << 20


def written(*frames: tuple[dict[str, Any], bytes]) -> BinaryIO:
    file = tempfile.TemporaryFile()  # noqa: SIM115 - handed on
    writer = FrameWriter(file)
    for value, body in frames:
        writer.write(value, body)
    writer.close()
    return file


def changed(file: BinaryIO, data: bytes) -> BinaryIO:
    file.seek(0)
    file.truncate()
    file.write(data)
    file.flush()
    return file


@given(st.lists(st.tuples(st.dictionaries(st.text(), st.text(), max_size=3), st.binary(max_size=50)), max_size=4))
def test_frames_come_back(frames: list[tuple[dict[str, Any], bytes]]) -> None:
    with written(*frames) as file:
        assert list(read_frames(file, most_bytes=MOST)) == frames


@given(st.data())
def test_one_wrong_bit_or_a_missing_end_is_seen(data: st.DataObject) -> None:
    with written(({"a": "b"}, b"body"), ({}, b"more")) as file:
        file.seek(0)
        whole = bytearray(file.read())
        if data.draw(st.booleans()):
            whole[data.draw(st.integers(0, len(whole) - 1))] ^= 1 << data.draw(st.integers(0, 7))
        else:
            del whole[data.draw(st.integers(0, len(whole) - 1)) :]
        with pytest.raises(UnusableResult):
            list(read_frames(changed(file, bytes(whole)), most_bytes=MOST))


@pytest.mark.parametrize(
    "frames",
    [
        FRAME.pack(1 << 31, 0),
        FRAME.pack(2, 1 << 60) + b"{}",
        FRAME.pack(2, 0) + b"[]",
        FRAME.pack(1, 0) + b"{",
        FRAME.pack(200_000, 0) + b"[" * 200_000,
        b"\0\0",
    ],
)
def test_a_checksum_alone_is_not_believed(frames: bytes) -> None:
    """A child that lies can also sum up right."""
    import hashlib

    digest = hashlib.blake2b(frames, digest_size=16).digest()
    with tempfile.TemporaryFile() as file, pytest.raises(UnusableResult):
        list(read_frames(changed(file, HEAD.pack(MAGIC, len(frames), digest) + frames), most_bytes=MOST))


def test_too_long_is_refused_unread() -> None:
    with written(({}, b"x" * 1000)) as file, pytest.raises(UnusableResult, match="bytes long"):
        list(read_frames(file, most_bytes=500))


def test_a_document_comes_back() -> None:
    found = Extracted(
        "Head\n\ncode \U0001f9a6\n\ntext",
        title="T",
        headings=(Heading(0, 4, 1, "Head"),),
        warnings=("w",),
        pages=(PageMark(0, 1), PageMark(6, 3)),
        blocks=(Block(6, 12, BlockKind.CODE),),
        author="A",
        date="2024-01-01",
        language="en",
        parts=(6, 14),
    )
    with tempfile.TemporaryFile() as file:
        writer = FrameWriter(file)
        results.write_extracted(writer, found)
        writer.close()
        assert results.read_extracted(file, most_bytes=MOST, max_text_bytes=100) == found
        with pytest.raises(UnusableResult, match="limit"):
            results.read_extracted(file, most_bytes=MOST, max_text_bytes=10)


@pytest.mark.parametrize(
    "parts",
    [
        [[0]],
        [[3], [3]],
        [[5], [2]],
        [[10]],
        [[-1]],
        [["1"]],
        [[True]],
        [1],
        [[1, 2]],
        "x",
        [[n] for n in range(1, 1002)],
    ],
)
def test_parts_that_cannot_be_are_refused(parts: object) -> None:
    text = b"four words and more" if parts != [[10]] else b"few words"
    text *= 100 if isinstance(parts, list) and len(parts) > 1000 else 1
    with written(({"parts": parts}, text)) as file, pytest.raises(UnusableResult, match="parts"):
        results.read_extracted(file, most_bytes=MOST, max_text_bytes=MOST)


def test_rows_come_back_in_order() -> None:
    rows = (
        NumberedRow(
            3, Row("id", "text \ud800", "title", "http://e.org", {"n": [1, None, {"x": 1.5}]}), place="x, row 3"
        ),
        NumberedRow(5, None, "it is broken", warnings=("odd",)),
        NumberedRow(9, None, file=FileInput("a/b.pdf", b"%PDF", metadata={"k": "v"})),
    )
    with tempfile.TemporaryFile() as file:
        writer = FrameWriter(file)
        for row in rows:
            results.write_row(writer, row)
        results.write_end(writer, more=True)
        writer.close()
        found = results.read_slice(file, most_bytes=MOST, after=2)
        assert found == results.RowSlice(rows, more=True)
        with pytest.raises(UnusableResult, match="order"):
            results.read_slice(file, most_bytes=MOST, after=3)


def test_rows_without_an_end_are_no_result() -> None:
    with written(({"number": 1, "problem": "x"}, b"")) as file, pytest.raises(UnusableResult):
        results.read_slice(file, most_bytes=MOST, after=0)


@pytest.mark.parametrize("code", ["", "UPPER", "a b", "x" * 80, "code\n"])
def test_a_refusal_has_a_code_that_clients_can_rely_on(code: str) -> None:
    with written(({"refused": "no", "code": code}, b"")) as file, pytest.raises(UnusableResult):
        results.read_extracted(file, most_bytes=MOST, max_text_bytes=1)


@pytest.mark.parametrize("code", ["source-unreadable", "unavailable", "model-mismatch", "made-up"])
def test_a_refusal_with_a_code_that_no_reader_has_is_a_damaged_file(code: str) -> None:
    with written(({"refused": "no", "code": code}, b"")) as file, pytest.raises(InvalidInput) as caught:
        results.read_extracted(file, most_bytes=MOST, max_text_bytes=1)
    assert caught.value.code == "damaged-file"


def test_more_rows_are_not_promised_without_one() -> None:
    """Who believed it would ask for the next slice for ever."""
    with written(({"more": True}, b"")) as file, pytest.raises(UnusableResult, match="promises"):
        results.read_slice(file, most_bytes=MOST, after=0)
    with written(({"more": False}, b"")) as file:
        assert results.read_slice(file, most_bytes=MOST, after=0) == results.RowSlice((), more=False)


@pytest.mark.parametrize("number", [2**53 + 1, 10**400])
def test_numbers_of_rows_and_pages_are_bounded(number: int) -> None:
    row = {"number": number, "problem": "x"}
    with written((row, b""), ({"more": False}, b"")) as file, pytest.raises(UnusableResult, match="number"):
        results.read_slice(file, most_bytes=MOST, after=0)
    with written(({"pages": [[0, number]]}, b"text")) as file, pytest.raises(UnusableResult, match="number"):
        results.read_extracted(file, most_bytes=MOST, max_text_bytes=9)


def test_a_refusal_is_told_on_one_line() -> None:
    refusal = {"refused": "it is\n\x1b[31m broken\ud800", "code": "damaged-file"}
    with written((refusal, b"")) as file, pytest.raises(InvalidInput) as caught:
        results.read_extracted(file, most_bytes=MOST, max_text_bytes=1)
    assert (caught.value.message, caught.value.code) == ("it is [31m broken?", "damaged-file")


def test_json_is_bounded() -> None:
    from services.ingest.sandbox.frames import MAX_JSON_BYTES

    with pytest.raises(OverflowError):
        FrameWriter(io.BytesIO()).write({"x": "y" * MAX_JSON_BYTES})
