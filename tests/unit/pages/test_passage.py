"""Which part of a text is shown, and where the mark lies in it."""

from __future__ import annotations

from hypothesis import example, given
from hypothesis import strategies as st
from markupsafe import escape

from web.pages.passage import Piece, mark_pieces, text_window

TEXTS = st.text(max_size=300)


@given(TEXTS, st.integers(-5, 320), st.integers(-5, 320))
@example("abc", 1, 3)
@example("abc", 1, 4)
@example("abc", 3, 3)
@example("abc", -1, 2)
def test_pieces_are_the_text_and_the_mark_is_the_passage(text: str, start: int, end: int) -> None:
    pieces = mark_pieces(text, start, end)
    assert "".join(piece.text for piece in pieces) == text
    marked = [piece.text for piece in pieces if piece.marked]
    assert marked == ([text[start:end]] if 0 <= start < end <= len(text) else [])


def test_offsets_count_code_points_not_bytes_or_utf16() -> None:
    text = "🜚é中x<mark>"
    assert mark_pieces(text, 3, 4) == (Piece("🜚é中", False), Piece("x", True), Piece("<mark>", False))


def test_marking_never_cuts_an_escaped_character() -> None:
    pieces = mark_pieces("a<b&c", 1, 2)
    html = "".join(f"<mark>{escape(p.text)}</mark>" if p.marked else str(escape(p.text)) for p in pieces)
    assert html == "a<mark>&lt;</mark>b&amp;c"


@given(TEXTS, st.integers(0, 300), st.integers(1, 60), st.one_of(st.none(), st.integers(0, 400)), st.integers(5, 80))
def test_a_window_is_a_part_of_the_text_and_marks_only_the_passage(
    text: str, start: int, size: int, at: int | None, window: int
) -> None:
    mark = (start, start + size)
    shown = text_window(text, mark=mark, at=at, window_chars=window)
    assert "".join(piece.text for piece in shown.pieces) == text[shown.start : shown.end]
    assert shown.end - shown.start == min(window, len(text))
    assert (shown.previous is None) == (shown.start == 0)
    assert (shown.next is None) == (shown.end == len(text))
    for piece in shown.pieces:
        assert not piece.marked or piece.text in text[start : start + size]


@given(st.integers(0, 5000), st.integers(1, 100))
def test_the_passage_is_inside_its_window(start: int, size: int) -> None:
    text = "".join(chr(33 + i % 90) for i in range(5200))
    shown = text_window(text, mark=(start, start + size), window_chars=400)
    assert [piece.text for piece in shown.pieces if piece.marked] == [text[start : start + size]]


@given(TEXTS, st.integers(5, 50))
def test_going_on_through_the_windows_shows_all_of_the_text(text: str, window: int) -> None:
    shown = text_window(text, window_chars=window)
    read = "".join(piece.text for piece in shown.pieces)
    while shown.next is not None:
        covered, shown = shown.end, text_window(text, at=shown.next, window_chars=window)
        assert shown.start <= covered < shown.end
        read += text[covered : shown.end]
    assert read == text
