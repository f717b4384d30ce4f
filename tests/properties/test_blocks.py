"""Whatever the structure: a block that fits into a chunk is in one, and what is repeated begins at a good place."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from services.collections.values import Chunking
from services.ingest.chunks.blocks import map_blocks
from services.ingest.chunks.chunking import Chunker
from services.ingest.chunks.cutting import Limits, cut
from services.ingest.chunks.token_map import map_tokens
from services.ingest.values import Block, BlockKind, Extracted
from tests.properties.structured import structured
from tests.unit.ingest.samples import PieceCounter

COUNTER = PieceCounter()
MAX_CHARS = 400


def ranges(extracted: Extracted, limits: Limits) -> list[tuple[int, int]]:
    tokens = map_tokens(extracted.text, COUNTER)
    blocks = map_blocks(extracted, tokens, max_tokens=limits.tokens, max_chars=limits.chars)
    return cut(extracted.text, extracted.headings, tokens, limits, blocks)


def needs(extracted: Extracted, block: Block) -> tuple[int, int]:
    """Tokens and characters of a block, the heading right above it and the blanks behind it included."""
    text, start, end = extracted.text, block.start, block.end
    for heading in extracted.headings:
        if heading.start < block.start and not text[heading.end : block.start].strip():
            start = heading.start
    while end < len(text) and text[end].isspace():
        end += 1
    return COUNTER.count(text[start:end]), end - start


@settings(max_examples=250)
@given(structured(), st.integers(10, 90))
def test_a_block_that_fits_is_never_cut(extracted: Extracted, size: int) -> None:
    found = ranges(extracted, Limits(size, MAX_CHARS)) if extracted.text else []
    for block in extracted.blocks:
        tokens, chars = needs(extracted, block)
        if tokens <= size and chars <= MAX_CHARS:
            start, end = block.start, block.end
            start += len(extracted.text[start:end]) - len(extracted.text[start:end].lstrip())
            assert any(first <= start and end <= last for first, last in found), extracted.text[start:end]


@settings(max_examples=250)
@given(structured(), st.integers(10, 90))
def test_a_block_that_does_not_fit_is_cut_between_lines(extracted: Extracted, size: int) -> None:
    """Where every line of it fits (the first one with its heading), no piece begins inside one of code or a table."""
    text = extracted.text
    begins = [first for first, _ in ranges(extracted, Limits(size, MAX_CHARS))] if text else []
    for block in extracted.blocks:
        lines = text[block.start : block.end].split("\n")
        above = needs(extracted, block)[0] - COUNTER.count(text[block.start : block.end])
        longest = max(COUNTER.count(line) for line in lines) + above
        if block.kind is BlockKind.LIST_ITEM or longest > size or max(map(len, lines)) + 10 > MAX_CHARS:
            continue
        for begin in begins:
            if block.start < begin < block.end:
                assert not text[text.rfind("\n", 0, begin) + 1 : begin].strip(), text[begin : begin + 20]


@settings(max_examples=150)
@given(structured(), st.integers(12, 60), st.integers(1, 20))
def test_what_is_repeated_begins_at_no_place_inside_a_whole_block(extracted: Extracted, size: int, again: int) -> None:
    chunking = Chunking(size_tokens=max(size, 16), overlap_tokens=min(again, size // 2))
    pieces = Chunker(COUNTER, special_tokens=2, max_tokens=64, chunking=chunking).cut(extracted, "")
    end = 0
    for piece in pieces:
        assert piece.start <= end or not extracted.text[end : piece.start].strip()
        for block in extracted.blocks if piece.start < end else ():
            inside = extracted.text[block.start : block.end]
            start = block.start + len(inside) - len(inside.lstrip())
            if COUNTER.count(inside) <= (size - 2) // 4 and not extracted.headings:
                assert not start < piece.start < block.end
        end = piece.end


@settings(max_examples=100)
@given(structured(), st.integers(16, 64), st.integers(0, 8))
def test_the_same_document_is_always_cut_alike(extracted: Extracted, size: int, again: int) -> None:
    chunking = Chunking(size_tokens=size, overlap_tokens=again)
    first, second = (
        Chunker(COUNTER, special_tokens=2, max_tokens=64, chunking=chunking).cut(extracted, "T") for _ in range(2)
    )
    assert first == second
