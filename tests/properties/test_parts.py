"""Whatever the text and wherever its parts begin: no chunk is of two parts, and nothing else of chunking suffers."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from services.collections.values import Chunking
from services.ingest.chunks.chunking import Chunker
from services.ingest.extract.builder import TextBuilder
from services.ingest.extract.nested import append_extracted
from services.ingest.values import Extracted
from tests.properties.structured import structured
from tests.properties.test_chunks import CHUNKINGS, LIMIT, SPECIAL, check, documents
from tests.unit.ingest.samples import PieceCounter


@st.composite
def divided(draw: st.DrawFn) -> Extracted:
    """A text with parts at any of its places, inside words and blocks, too."""
    extracted = draw(documents())
    places = st.integers(1, max(len(extracted.text) - 1, 1))
    parts = sorted(draw(st.sets(places, max_size=8)))
    return replace(extracted, parts=tuple(part for part in parts if part < len(extracted.text)))


@settings(max_examples=250, deadline=None)
@given(divided(), st.text(max_size=60), CHUNKINGS)
def test_no_chunk_is_of_two_parts(extracted: Extracted, title: str, chunking: Chunking) -> None:
    chunker = Chunker(PieceCounter(), special_tokens=SPECIAL, max_tokens=LIMIT, chunking=chunking)
    pieces = chunker.cut(extracted, title) if extracted.text.strip() else []
    if pieces:
        check(pieces, extracted, chunking, chunker)
    for piece in pieces:
        assert not [part for part in extracted.parts if piece.start < part < piece.end], (piece, extracted.parts)


@settings(max_examples=100, deadline=None)
@given(st.lists(structured(), min_size=1, max_size=4), CHUNKINGS)
def test_every_attachment_has_chunks_of_its_own(attached: list[Extracted], chunking: Chunking) -> None:
    """Put together as a mail is, each part's chunks are those words that the part has by itself, in order."""
    builder = TextBuilder()
    for extracted in attached:
        builder.begin_part()
        append_extracted(builder, extracted)
    whole = Extracted(
        builder.text(), headings=tuple(builder.headings), blocks=tuple(builder.blocks), parts=tuple(builder.parts)
    )
    chunker = Chunker(
        PieceCounter(), special_tokens=SPECIAL, max_tokens=LIMIT, chunking=replace(chunking, overlap_tokens=0)
    )
    pieces = chunker.cut(whole, "")
    edges = [0, *whole.parts, len(whole.text)]
    found = [
        " ".join(piece.text for piece in pieces if start <= piece.start and piece.end <= end).split()
        for start, end in pairwise(edges)
    ]
    told = [extracted.text.split() for extracted in attached if extracted.text.strip()]
    assert ["".join(words) for words in found if words] == ["".join(words) for words in told]
