from __future__ import annotations

from itertools import pairwise

from services.collections.values import Chunking
from services.ingest.chunks.chunking import Chunker, Piece
from services.ingest.extract.markdown import extract_markdown
from services.ingest.values import Extracted
from tests.unit.ingest.samples import PieceCounter


def cut(markdown: str, title: str = "", **chunking: int) -> list[Piece]:
    chunker = Chunker(PieceCounter(), special_tokens=2, max_tokens=64, chunking=Chunking(**chunking))  # type: ignore[arg-type]
    return chunker.cut(extract_markdown(markdown.encode(), lambda: None), title)


def sentences(count: int, words: int = 9) -> str:
    return " ".join(" ".join(["one"] * words) + f" x{n}." for n in range(count))


def test_two_halves_rather_than_a_rag() -> None:
    pieces = cut(sentences(6, words=10))
    assert [len(piece.text.split()) for piece in pieces] == [33, 33]


def test_cuts_fall_between_sentences_and_paragraphs_first() -> None:
    text = "\n\n".join([sentences(4), sentences(3), sentences(4)])
    assert [piece.text for piece in cut(text)] == text.split("\n\n")


def test_a_list_is_cut_between_its_items() -> None:
    pieces = cut("\n".join(f"- item {n} " + "one " * 8 for n in range(12)))
    assert all(piece.text.startswith("- item") for piece in pieces)


def test_large_sections_keep_their_own_chunks_and_small_ones_share() -> None:
    large = cut(f"# A\n\n{sentences(2)}\n\n# B\n\n{sentences(2)}")
    assert [(piece.heading, piece.text[:1]) for piece in large] == [("A", "A"), ("B", "B")]
    small = cut("# A\n\none two\n\n# B\n\nthree four\n\n# C\n\nfive")
    assert len(small) == 1


def test_a_heading_is_never_parted_from_its_text() -> None:
    for size in range(20, 60):
        for piece in cut(f"# First\n\n{sentences(4)}\n\n## Second\n\n{sentences(5)}\n", size_tokens=size):
            assert not piece.text.endswith(("First", "Second"))


def test_what_is_embedded_has_title_and_headings() -> None:
    pieces = cut(f"# Title\n\n## Part\n\n### Deep\n\n{sentences(8)}", "Title")
    assert pieces[0].heading == "Part › Deep"
    assert pieces[0].embedded == f"Title\n{pieces[0].text}"
    assert len(pieces) > 1
    for piece in pieces[1:]:
        assert piece.heading == "Part › Deep"
        assert piece.embedded == f"Title\nPart › Deep\n{piece.text}"


def test_a_long_title_leaves_room_for_the_text() -> None:
    pieces = cut(sentences(8), "long " * 200)
    assert all(len(piece.text.split()) > 10 for piece in pieces)
    assert all(PieceCounter().count(piece.embedded) <= 62 for piece in pieces)


def test_overlap_repeats_the_end_of_the_piece_before() -> None:
    text = " ".join(f"w{n}" for n in range(200))
    plain, repeated = cut(text), cut(text, overlap_tokens=10)
    assert all(left.end <= right.start for left, right in pairwise(plain))
    assert all(left.start < right.start < left.end for left, right in pairwise(repeated))
    first = cut(f"# A\n\n{sentences(3)}\n\n# B\n\n{sentences(3)}", overlap_tokens=10)
    assert [piece.text[0] for piece in first] == ["A", "B"], "nothing is repeated across sections"


def test_zero_width_characters_are_shown_and_not_embedded() -> None:
    (piece,) = Chunker(PieceCounter(), special_tokens=2, max_tokens=64, chunking=Chunking()).cut(
        Extracted("in\u200bvisible"), ""
    )
    assert (piece.text, piece.embedded) == ("in\u200bvisible", "invisible")


def test_strategy_none_keeps_what_the_model_sees() -> None:
    chunker = Chunker(PieceCounter(), special_tokens=2, max_tokens=64, chunking=Chunking("none"))
    (short,) = chunker.cut(Extracted("  one two  "), "T")
    assert (short.start, short.end, short.embedded) == (2, 9, "T one two")
    text = " ".join(f"w{n}" for n in range(500))
    (long,) = chunker.cut(Extracted(text), "T")
    assert text.startswith(long.text)
    assert PieceCounter().count(f"T {long.text}") == 62
    assert PieceCounter().count(long.embedded) >= 62, "the model cuts at its own limit"


def test_a_word_of_a_million_letters_is_bounded() -> None:
    pieces = cut("x" * 1_000_000)
    assert max(len(piece.text) for piece in pieces) <= 64 * 24
    assert sum(len(piece.text) for piece in pieces) == 1_000_000
