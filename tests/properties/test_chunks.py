"""Whatever the text: offsets are exact, budgets are kept, nothing but white space is lost."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.collections.values import Chunking
from services.ingest.chunks.chunking import Chunker, Piece
from services.ingest.values import Extracted, Heading
from tests.models import minilm
from tests.properties.structured import structured
from tests.unit.ingest.samples import PieceCounter

SPECIAL, LIMIT = 2, 64

WORDS = st.sampled_from(
    [
        "word",
        "a",
        "Sentence.",
        "End!",
        "？",
        "日本語。",
        "naïve",
        "x" * 200,
        "3.14",
        "e.g.",
        "👩‍👩‍👧",
        "a\u0301",
        "\u200b",
        "- item",
        "`code`",
    ]
)
BLANKS = st.sampled_from([" ", " ", " ", "  ", "\n", "\n\n", "\n- ", "\t", "\u00a0", " \n \n"])
TEXTS = st.one_of(
    st.text(max_size=300),
    st.lists(st.tuples(WORDS, BLANKS), max_size=150).map(lambda pairs: "".join(word + blank for word, blank in pairs)),
)
CHUNKINGS = st.builds(
    Chunking, strategy=st.just("structure"), size_tokens=st.integers(16, LIMIT), overlap_tokens=st.integers(0, 12)
)


@st.composite
def plain(draw: st.DrawFn) -> Extracted:
    """A text with headings at some of its lines."""
    text = draw(TEXTS)
    headings, start = [], 0
    for line in text.split("\n"):
        if line.strip() and draw(st.integers(0, 3)) == 0:
            headings.append(Heading(start, start + len(line), draw(st.integers(1, 6)), line.strip()))
        start += len(line) + 1
    return Extracted(text, headings=tuple(headings))


def documents() -> st.SearchStrategy[Extracted]:
    """Half of them have marked blocks."""
    return st.one_of(plain(), structured())


def check(pieces: list[Piece], extracted: Extracted, chunking: Chunking, count: Chunker) -> None:
    text, end = extracted.text, 0
    budget = min(chunking.size_tokens or LIMIT, LIMIT) - SPECIAL
    for number, piece in enumerate(pieces):
        assert piece.ordinal == number
        assert text[piece.start : piece.end] == piece.text
        assert piece.text == piece.text.strip() != ""
        assert not text[end : max(piece.start, end)].strip()
        assert piece.start <= end or not text[end : piece.start].strip()
        assert piece.end > end
        if not chunking.overlap_tokens:
            assert piece.start >= end
        end = piece.end
        tokens = count._counter.count(piece.embedded)
        assert tokens <= budget or len(piece.text) == 1, (tokens, piece)
    assert not text[end:].strip()


@settings(max_examples=150)
@given(documents(), st.text(max_size=60), CHUNKINGS)
def test_chunks_of_any_text(extracted: Extracted, title: str, chunking: Chunking) -> None:
    chunker = Chunker(PieceCounter(), special_tokens=SPECIAL, max_tokens=LIMIT, chunking=chunking)
    pieces = chunker.cut(extracted, title)
    if extracted.text.strip():
        check(pieces, extracted, chunking, chunker)
    else:
        assert [piece.text for piece in pieces] == ([""] if title.strip() else [])


@pytest.mark.model
@pytest.mark.xdist_group("model")
@settings(max_examples=60)
@given(documents(), st.text(max_size=60), CHUNKINGS)
def test_chunks_of_any_text_by_a_real_tokenizer(extracted: Extracted, title: str, chunking: Chunking) -> None:
    if extracted.text.strip():
        chunker = Chunker(minilm().tokens, special_tokens=SPECIAL, max_tokens=LIMIT, chunking=chunking)
        check(chunker.cut(extracted, title), extracted, chunking, chunker)
