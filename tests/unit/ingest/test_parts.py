"""Parts of a document (a mail and what is attached to it): no chunk is of two of them."""

from __future__ import annotations

from itertools import pairwise

import pytest

from services.collections.values import Chunking
from services.ingest.chunks.chunking import Chunker, Piece
from services.ingest.chunks.cutting import Limits, cut
from services.ingest.chunks.headings import HeadingPaths
from services.ingest.chunks.token_map import map_tokens
from services.ingest.extract.builder import TextBuilder
from services.ingest.extract.mail import extract_mail
from services.ingest.values import MAX_PARTS, Block, BlockKind, Extracted, Heading
from tests.unit.ingest.samples import PieceCounter

COUNTER = PieceCounter()
MAIL = (
    b"From: ann@example.com\r\nSubject: Hello\r\nMIME-Version: 1.0\r\n"
    b'Content-Type: multipart/mixed; boundary="B"\r\n\r\n'
    b"--B\r\nContent-Type: text/plain\r\n\r\nsee below\r\n"
    b'--B\r\nContent-Type: text/plain\r\nContent-Disposition: attachment; filename="one.txt"\r\n\r\nfirst words\r\n'
    b'--B\r\nContent-Type: text/plain\r\nContent-Disposition: attachment; filename="two.txt"\r\n\r\nsecond words\r\n'
    b"--B--\r\n"
)


def ranges(text: str, parts: tuple[int, ...], limits: Limits) -> list[str]:
    found = cut(text, (), map_tokens(text, COUNTER), limits, None, parts)
    return [text[start:end] for start, end in found]


def pieces(extracted: Extracted, title: str = "", *, size: int = 64, overlap: int = 0) -> list[Piece]:
    wishes = Chunking(size_tokens=size, overlap_tokens=overlap)
    return Chunker(COUNTER, special_tokens=2, max_tokens=64, chunking=wishes).cut(extracted, title)


def test_a_mail_with_two_small_attachments_has_three_chunks() -> None:
    found = pieces(extract_mail(MAIL, lambda: None), "Hello")
    assert [piece.text for piece in found] == [
        "Hello\n\nFrom: ann@example.com\n\nsee below",
        "one.txt\n\nfirst words",
        "two.txt\n\nsecond words",
    ]
    assert [piece.heading for piece in found] == ["", "one.txt", "two.txt"]
    assert found[1].embedded == "Hello\none.txt\n\nfirst words"


def test_a_hard_place_is_cut_whatever_it_costs() -> None:
    text = "a b c d e f g h"
    assert ranges(text, (), Limits(20, 400)) == [text]
    assert ranges(text, (2, 4), Limits(20, 400)) == ["a ", "b ", "c d e f g h"]


def test_hard_places_closer_than_any_choice_are_all_kept() -> None:
    """With 3,200 tokens to a chunk other places stand 100 tokens apart."""
    text = "word " * 400
    parts = tuple(range(5, 400, 5))
    assert ranges(text, parts, Limits(3200, 80_000)) == ["word "] * 79 + ["word " * 321]


def test_places_that_are_none_are_passed_over() -> None:
    assert ranges("one two", (0, 4, 4, 7, 90), Limits(9, 99)) == ["one ", "two"]


@pytest.mark.parametrize("kind", [BlockKind.PARAGRAPH, BlockKind.LIST_ITEM, BlockKind.CODE, BlockKind.TABLE])
def test_a_block_that_reaches_over_a_part_is_cut_there(kind: BlockKind) -> None:
    text = "a | b\n1 | 2\n3 | 4"
    found = pieces(Extracted(text, blocks=(Block(0, len(text), kind),), parts=(12,)))
    assert [piece.text for piece in found] == ["a | b\n1 | 2", "3 | 4"]
    assert found[1].embedded == "3 | 4"


def test_no_first_line_of_a_table_goes_over_into_the_next_part() -> None:
    text = "name | size\n" + "\n".join(f"row{number} | {number}" for number in range(40))
    part = text.index("row20")
    for parts in ((), (part,)):
        found = pieces(Extracted(text, blocks=(Block(0, len(text), BlockKind.TABLE),), parts=parts))
        later = [piece.embedded for piece in found if piece.start >= part]
        assert len(later) > 1
        assert all(embedded.startswith("name | size") is not bool(parts) for embedded in later)


def test_nothing_is_repeated_of_the_part_before() -> None:
    first, second = ("Here are some words. " * 12 for _ in range(2))
    text = first + second
    found = pieces(Extracted(text, parts=(len(first),)), size=40, overlap=12)
    assert any(after.start < before.end for before, after in pairwise(found))
    assert len(first) in [piece.start for piece in found]
    assert not [piece for piece in found if piece.start < len(first) < piece.end]


def test_a_heading_announces_nothing_in_the_next_part() -> None:
    text = "empty.txt\n\nfull.txt\n\nwords"
    headings = (Heading(0, 9, 2, "empty.txt"), Heading(11, 19, 2, "full.txt"))
    assert HeadingPaths(text, headings, "").at(0)[0] == "full.txt"
    assert HeadingPaths(text, headings, "", (11,)).at(0)[0] == "empty.txt"
    found = pieces(Extracted(text, headings=headings, parts=(11,)))
    assert [(piece.heading, piece.text) for piece in found] == [
        ("empty.txt", "empty.txt"),
        ("full.txt", "full.txt\n\nwords"),
    ]


def test_a_part_begins_with_what_is_added_next() -> None:
    builder = TextBuilder()
    builder.begin_part()
    builder.add("body")
    builder.begin_part()
    builder.add(" \n")
    builder.begin_part()
    builder.add_heading("name", 2)
    builder.add("text")
    builder.begin_part()
    assert builder.text() == "body\n\nname\n\ntext"
    assert builder.parts == [6]


def test_parts_beyond_the_most_are_one() -> None:
    builder = TextBuilder()
    for _ in range(MAX_PARTS + 9):
        builder.begin_part()
        builder.add("x")
    assert len(builder.parts) == MAX_PARTS
    builder.mark_part(3)
    assert builder.parts[-1] == 3 * MAX_PARTS
