"""Tables beyond the plain ones of test_tabular.py: encodings, tabs, and what is too large."""

from __future__ import annotations

import io

import pytest

from services.errors import InvalidInput
from services.ingest.rows.tabular import CSV, MAX_ROW_BYTES, NumberedRow, read_rows


def rows(body: bytes, after: int = 0) -> list[NumberedRow]:
    return list(read_rows(CSV, io.BytesIO(body), after=after))


@pytest.mark.parametrize(
    ("encoding", "text"),
    [
        ("cp932", "名前: 佐藤太郎"),
        ("cp1252", "Straße: Zürich und Größe nicht weit vom Fluß"),
        ("cp1251", "Город: Москва и Санкт-Петербург"),
    ],
)
def test_a_guessed_encoding_is_told_once(encoding: str, text: str) -> None:
    name, _, value = text.partition(": ")
    body = f"{name},n\r\n{value},1\r\n{value},2\r\n".encode(encoding)
    found = rows(body + f"{value} {value},3\r\n".encode(encoding) * 5)
    assert found[0].row is not None
    assert found[0].row.text.startswith(text)
    assert found[0].warnings == (f"the encoding was guessed: {encoding}",)
    assert {row.warnings for row in found[1:]} == {()}
    assert rows(body, after=1)[0].warnings == ()


def test_utf_8_and_marked_utf_16_are_no_guess() -> None:
    for encoding in ("utf-8", "utf-8-sig", "utf-16"):
        assert rows("text\nä\n".encode(encoding))[0].warnings == ()


def test_an_encoding_found_wrong_far_into_the_file() -> None:
    body = b"text\n" + (b"plain ascii " * 15 + b"\n") * 8_000 + "Grüße aus Köln\n".encode("cp1252") * 50
    found = rows(body)
    assert found[-1].row is not None
    assert found[-1].row.text == "Grüße aus Köln"
    assert found[0].warnings == ("the encoding was guessed: cp1252",)


def test_a_quote_between_tabs_is_a_quote() -> None:
    found = rows(b'text\tn\n5" disk\t1\n"so" he said\t2\nlast\t3\n')
    assert [row.row.text for row in found if row.row] == ['5" disk', '"so" he said', "last"]


def test_quoted_cells_between_tabs_are_unquoted() -> None:
    found = rows(b'text\tn\n"two\nlines"\t1\nplain\t2\n')
    assert [row.row.text for row in found if row.row] == ["two\nlines", "plain"]


def test_a_line_of_100_mb_is_one_bad_row() -> None:
    body = b"text\nbefore\n" + b"x" * 100_000_000 + b"\nafter\n"
    first, bad, last = rows(body)
    assert (first.number, bad.number, last.number) == (1, 2, 3)
    assert f"longer than {MAX_ROW_BYTES:,}" in bad.problem
    assert last.row is not None
    assert last.row.text == "after"


def test_a_quote_that_is_never_closed_ends_at_the_limit_of_a_row() -> None:
    body = b'text\n"open\n' + b"x" * 1000 + b"\n" + (b"y" * 1_000_000 + b"\n") * 20 + b"after\n"
    found = rows(body)
    assert "longer than" in found[0].problem
    assert found[-1].row is not None
    assert found[-1].row.text == "after"


def test_a_million_columns_are_refused() -> None:
    with pytest.raises(InvalidInput, match="has 1,000,000 columns"):
        rows(b",".join([b"a"] * 1_000_000) + b"\n1\n")


def test_a_header_of_one_endless_line_is_refused() -> None:
    with pytest.raises(InvalidInput, match="header cannot be read"):
        rows(b"x" * 20_000_000)
