"""Which part of a document's text a page shows, and where the marked passage lies in it.

Marking goes by offsets in code points on the raw text and yields pieces; each piece is escaped by the template, so
neither a ``<mark>`` typed in a document nor a cut through an entity can come out as markup.
"""

from __future__ import annotations

from dataclasses import dataclass

WINDOW_CHARS = 100_000
LEAD_CHARS = 20_000


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of text that is either marked or not."""

    text: str
    marked: bool


@dataclass(frozen=True, slots=True)
class TextWindow:
    """A window of a long text.

    ``start`` and ``end`` are code points into the whole text of ``length``; ``previous`` and ``next`` are where the
    neighbouring windows start, None at the ends of the text.
    """

    pieces: tuple[Piece, ...]
    start: int
    end: int
    length: int
    previous: int | None
    next: int | None

    @property
    def partial(self) -> bool:
        """Whether some of the text is outside the window."""
        return self.previous is not None or self.next is not None


def mark_pieces(text: str, start: int, end: int) -> tuple[Piece, ...]:
    """Cuts ``text`` at a passage's offsets; offsets outside the text mark nothing. Joined, the pieces are the text."""
    if not 0 <= start < end <= len(text):
        return (Piece(text, False),) if text else ()
    cuts = (Piece(text[:start], False), Piece(text[start:end], True), Piece(text[end:], False))
    return tuple(piece for piece in cuts if piece.text)


def text_window(
    text: str, *, mark: tuple[int, int] | None = None, at: int | None = None, window_chars: int = WINDOW_CHARS
) -> TextWindow:
    """The part of a text to show: from ``at`` when given, else around the marked passage, else from the start.

    Args:
        text: the whole extracted text.
        mark: start and end of the passage, code points.
        at: where the window shall start; out of range is taken to the nearest window.
        window_chars: the most characters shown at a time.
    """
    length = len(text)
    last = max(0, length - window_chars)
    if at is None:
        at = mark[0] - min(LEAD_CHARS, window_chars // 4) if mark else 0
    start = min(max(0, at), last)
    end = min(length, start + window_chars)
    shown = text[start:end]
    marked = mark_pieces(shown, max(0, mark[0] - start), mark[1] - start) if mark else mark_pieces(shown, 0, 0)
    return TextWindow(
        pieces=marked,
        start=start,
        end=end,
        length=length,
        previous=max(0, start - window_chars) if start > 0 else None,
        next=end if end < length else None,
    )
