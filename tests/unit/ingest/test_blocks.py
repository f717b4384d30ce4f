from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path

import pytest

from services.collections.values import Chunking
from services.ingest.chunks.chunking import Chunker, Piece
from services.ingest.extract.markdown import extract_markdown
from services.ingest.extract.rst import extract_rst
from services.ingest.values import Block, BlockKind, Extracted
from tests.unit.ingest.plain_texts import PLAIN_TEXTS
from tests.unit.ingest.samples import PieceCounter

GOLDEN = json.loads(Path(__file__).parents[2].joinpath("data", "plain_chunk_ranges.json").read_text("utf-8"))


def cut(
    extracted: Extracted, title: str = "", *, max_tokens: int = 64, special: int = 2, **chunking: int
) -> list[Piece]:
    wishes = Chunking(**chunking)  # type: ignore[arg-type]
    return Chunker(PieceCounter(), special_tokens=special, max_tokens=max_tokens, chunking=wishes).cut(extracted, title)


def marked(extracted: Extracted) -> list[tuple[str, str]]:
    return [(block.kind.value, extracted.text[block.start : block.end]) for block in extracted.blocks]


@pytest.mark.parametrize("case", sorted(GOLDEN))
def test_a_text_without_marks_is_cut_as_ever(case: str) -> None:
    """The ranges were written down before there were marks: search quality was measured with these cuts."""
    name, size, overlap = case.split(", ")
    chunking = {"size_tokens": int(size)} if size != "default" else {}
    pieces = cut(PLAIN_TEXTS[name], "A title", max_tokens=256, **chunking, overlap_tokens=int(overlap))
    assert [[piece.start, piece.end] for piece in pieces] == GOLDEN[case]


def test_markdown_marks_code_tables_and_items() -> None:
    source = (
        "Words.\n\n```py\na = 1\n\nb = 2\n```\n\n    indented\n\n| x | y |\n|---|---|\n| 1 | 2 |\n\n| z |\n|---|\n\n"
        "- one\n  more\n\n  second paragraph\n\n  ```\n  run\n  ```\n\n  third\n- two\n  1. deep\n\nEnd."
    )
    extracted = extract_markdown(source.encode(), lambda: None)
    assert marked(extracted) == [
        ("code", "a = 1\n\nb = 2"),
        ("code", "indented"),
        ("table", "x | y\n1 | 2"),
        ("table", "z"),
        ("list-item", "- one more\n\n  second paragraph"),
        ("code", "  run"),
        ("list-item", "  third"),
        ("list-item", "- two"),
        ("list-item", "  1. deep"),
    ]


def test_rst_marks_code_tables_and_items() -> None:
    source = (
        "Words::\n\n    a = 1\n\n    b = 2\n\nMore.\n\n.. code-block:: python\n\n   c\n\n   d\n\n"
        "===  ===\nx    y\n===  ===\n1    2\n===  ===\n\n+---+---+\n| p | q |\n+===+===+\n| 3 | 4 |\n+---+---+\n\n"
        "- one\n  more\n\n  * deep\n- two *strong*\n- three\n\n1. first\n2. second\n\nA. Smith wrote\n- so.\n"
    )
    extracted = extract_rst(source.encode(), lambda: None)
    assert marked(extracted) == [
        ("code", "    a = 1\n\n    b = 2"),
        ("code", "   c\n\n   d"),
        ("table", "x    y\n1    2"),
        ("table", "| p | q |\n| 3 | 4 |"),
        ("list-item", "- one\n  more"),
        ("list-item", "  * deep"),
        ("list-item", "- two strong"),
        ("list-item", "- three"),
        ("list-item", "1. first"),
        ("list-item", "2. second"),
    ]


def test_code_that_fits_stays_together() -> None:
    code = "\n\n".join(f"def f{n}():\n    return {n}" for n in range(5))
    words = " ".join(["one"] * 30) + "."
    extracted = extract_markdown(f"{words}\n\n```\n{code}\n```\n\n{words}".encode(), lambda: None)
    assert [piece.text for piece in cut(extracted)] == [words, code, words]


def test_code_that_does_not_fit_is_cut_at_blank_lines() -> None:
    code = "\n\n".join(f"def f{n}():\n    return {n}. Or\n    not" for n in range(20))
    pieces = cut(extract_markdown(f"```\n{code}\n```".encode(), lambda: None))
    assert len(pieces) > 2
    assert all(piece.text.startswith("def f") for piece in pieces)


def test_parts_of_a_table_know_the_names_of_its_columns() -> None:
    rows = "\n".join(f"| item {n} | {n} | yes |" for n in range(30))
    source = f"# Stock\n\n| thing | count | left |\n|---|---|---|\n{rows}\n\nEnd of it."
    extracted = extract_markdown(source.encode(), lambda: None)
    pieces = cut(extracted, "Shop")
    assert len(pieces) > 3
    for piece in pieces[1:]:
        assert piece.text.startswith("item ")
        assert piece.embedded == f"Shop\nStock\nthing | count | left\n{piece.text}"
        assert extracted.text[piece.start : piece.end] == piece.text
        assert PieceCounter().count(piece.embedded) <= 62


def test_a_first_row_as_long_as_a_chunk_is_not_repeated() -> None:
    table = " | ".join(["name"] * 12) + "\n" + "\n".join(f"a{n} | b" for n in range(60))
    pieces = cut(Extracted(table, blocks=(Block(0, len(table), BlockKind.TABLE),)))
    assert len(pieces) > 3
    assert [piece.embedded for piece in pieces] == [piece.text for piece in pieces]


def test_a_row_is_not_cut_to_make_room_for_the_first_one() -> None:
    rows = "\n".join(f"{n} | " + "value " * 26 for n in range(6))
    table = f"a | b | c | d | e | f\n{rows}"
    pieces = cut(Extracted(table, blocks=(Block(0, len(table), BlockKind.TABLE),)))
    assert [piece.text[:3] for piece in pieces[-5:]] == ["1 |", "2 |", "3 |", "4 |", "5 |"]
    assert all(piece.embedded == piece.text for piece in pieces)


def test_code_that_does_not_fit_with_its_heading_is_cut_at_a_blank_line() -> None:
    code = "\n\n".join("one two three\nfour five" for _ in range(7))
    for size in range(58, 66):
        first, *_ = cut(extract_markdown(f"# A heading\n\n```\n{code}\n```".encode(), lambda: None), max_tokens=size)
        assert first.text.startswith("A heading")
        assert first.text.endswith("four five")


def test_overlap_never_begins_inside_code_that_is_whole() -> None:
    words = " ".join(["one"] * 40) + "."
    code = "run one. Then two. Then three. Then four."
    extracted = extract_markdown(f"{words}\n\n```\n{code}\n```\n\n{words}".encode(), lambda: None)
    inside = range(extracted.text.index(code) + 1, extracted.text.index(code) + len(code))
    for overlap in range(1, 25):
        pieces = cut(extracted, overlap_tokens=overlap)
        assert len(pieces) > 1
        assert not [piece.text for piece in pieces if piece.start in inside]


def test_overlap_repeats_whole_items() -> None:
    items = "\n".join(f"- item {n}. " + "one " * 9 for n in range(12))
    pieces = cut(extract_markdown(items.encode(), lambda: None), overlap_tokens=20)
    assert len(pieces) > 3
    assert all(piece.text.startswith("- item") for piece in pieces)
    assert all(right.start < left.end for left, right in pairwise(pieces))


def test_marks_that_cannot_be_are_passed_over() -> None:
    text = "one two three four. " * 20
    blocks = (Block(40, 20, BlockKind.CODE), Block(60, 70, BlockKind.CODE), Block(65, 90, BlockKind.TABLE))
    beyond = (*blocks, Block(95, 9_999, BlockKind.LIST_ITEM))
    assert [piece.text for piece in cut(Extracted(text, blocks=beyond))] == [
        piece.text for piece in cut(Extracted(text, blocks=blocks[1:2]))
    ]


@pytest.mark.parametrize("special", [0, 1, 2, 4])
def test_the_smallest_size_counts_special_tokens_too(special: int) -> None:
    pieces = cut(Extracted("one two. " * 50), "A long title of six words", special=special, size_tokens=16)
    assert max(PieceCounter().count(piece.embedded) for piece in pieces) + special <= 16


def test_a_text_without_tokens_is_cut_all_the_same() -> None:
    class NoTokens(PieceCounter):
        def count(self, text: str) -> int:
            return 0

    text = "!" * 20_000
    chunking = Chunking(overlap_tokens=10)
    pieces = Chunker(NoTokens(), special_tokens=0, max_tokens=64, chunking=chunking).cut(Extracted(text), "")
    assert "".join(piece.text for piece in pieces) == text
