from __future__ import annotations

import io
import json

import pytest

from services.errors import InvalidInput
from services.ingest.rows.tabular import CSV, JSON, MAX_ROW_BYTES, NDJSON, NumberedRow, read_rows


def rows(media_type: str, body: bytes, after: int = 0) -> list[NumberedRow]:
    return list(read_rows(media_type, io.BytesIO(body), after=after))


def texts(found: list[NumberedRow]) -> list[tuple[int, str]]:
    return [(row.number, row.row.text if row.row else f"! {row.problem}") for row in found]


def test_lines_count_from_one_and_bad_ones_are_reported() -> None:
    body = b'\xef\xbb\xbf{"text": "a"}\r\n\n{bad\n"b"\n{"text": "c"}'
    found = rows(NDJSON, body)
    assert [(number, text[:10]) for number, text in texts(found)] == [(1, "a"), (3, "! this is "), (4, "b"), (5, "c")]


def test_a_line_over_the_limit_is_passed_over() -> None:
    body = b'"' + b"x" * MAX_ROW_BYTES + b'"\n"next"\n'
    found = rows(NDJSON, body)
    assert found[0].problem == f"it is longer than {MAX_ROW_BYTES:,} bytes"
    assert texts(found)[1] == (2, "next")


def test_an_array_goes_on_behind_a_bad_item_and_ends_at_broken_syntax() -> None:
    body = b' [ {"text": "a"}, {"x": 1, "x": 2}, {"text": NaN}, 5, "b" ] '
    found = texts(rows(JSON, body))
    assert [number for number, text in found if text.startswith("! ")] == [2, 3, 4]
    assert [text for _, text in found if not text.startswith("! ")] == ["a", "b"]
    reader = read_rows(JSON, io.BytesIO(b'["a", "b", {]'))
    assert [next(reader).number, next(reader).number] == [1, 2]
    with pytest.raises(InvalidInput, match="item 3 is not valid JSON"):
        next(reader)
    with pytest.raises(InvalidInput, match="breaks off after item 1"):
        rows(JSON, b'["a"')


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"id,text\n1,a\n2,b\n", ["a", "b"]),
        (b"id;text\r\n1;a\r\n2;b", ["a", "b"]),
        (b"id\ttext\n1\ta,c\n2\tb\n", ["a,c", "b"]),
        (b'id,"text, with comma"\n1,a\n', ["text, with comma: a"]),
        (b'text\n"two\nlines"\n"b"\n', ["two\nlines", "b"]),
        (b"\xef\xbb\xbftext\na\n", ["a"]),
        ("text\näöü Straße und mehr\n".encode("cp1252"), ["äöü Straße und mehr"]),
        ("text\nä\n".encode("utf-16"), ["ä"]),
        (b"text\n\n,\n \nb\n", ["b"]),
        (b"te\x00xt\na\x00b\n", ["ab"]),
    ],
)
def test_tables(body: bytes, expected: list[str]) -> None:
    assert [row.row.text for row in rows(CSV, body) if row.row] == expected


def test_a_record_with_too_many_cells_is_reported() -> None:
    assert texts(rows(CSV, b"id,text\n1,a\n2,b,c\n3,d\n")) == [
        (1, "a"),
        (2, "! it has 3 cells, the header names 2"),
        (3, "d"),
    ]


@pytest.mark.parametrize(
    "body", [b"a,b,a\n1,2,3\n", ",".join(f"c{n}" for n in range(1001)).encode() + b"\n", b"\x00\x01\x02\xff" * 50]
)
def test_a_table_that_cannot_be_read_is_refused_as_a_whole(body: bytes) -> None:
    with pytest.raises(InvalidInput):
        rows(CSV, body)


@pytest.mark.parametrize("media_type", [NDJSON, CSV, JSON])
def test_reading_begins_behind_any_row(media_type: str) -> None:
    documents = [{"id": str(number), "text": f"line\nof {number}"} for number in range(1, 30)]
    body = {
        NDJSON: "\n".join(json.dumps(document) for document in documents),
        CSV: "id,text\n" + "\n".join(f'{document["id"]},"{document["text"]}"' for document in documents),
        JSON: json.dumps(documents),
    }[media_type].encode()
    whole = rows(media_type, body)
    assert len(whole) == 29
    for after in (0, 1, 17, 28, 29, 50):
        assert rows(media_type, body, after) == whole[after:]
