"""Cuts a text into chunks that fit the model, at the best places there are, with exact offsets.

What is embedded of a chunk is its document's title, the headings above it, and its text. nDCG@10 on SciFact (dense,
all-MiniLM-L6-v2, a document scores by its best chunk; test and train queries):

    one chunk per document, cut at the model's limit     0.646  0.659
    chunks of 256 tokens                                 0.660  0.685
    the same without titles                              0.648  0.674
    chunks of 192 tokens                                 0.682  0.698
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from services.collections.values import DEFAULT_SIZE_TOKENS, Chunking
from services.ingest.chunks.blocks import BlockMap, map_blocks
from services.ingest.chunks.cutting import Limits, cut
from services.ingest.chunks.headings import HeadingPaths
from services.ingest.chunks.token_map import map_tokens
from services.ingest.cleaning import strip_invisible
from services.ingest.values import Extracted

if TYPE_CHECKING:
    from services.embedding.protocol import TokenCounter

_TITLE_SHARE = 4  # of the budget, the title may take a quarter and the headings an eighth
_HEADING_SHARE = 8
_MIN_TEXT_TOKENS = 8
_PIECES_PER_TICK = 500
_CHARS_PER_TOKEN = 24  # a chunk is bounded in characters too: to some models a word of 10 MB is one token


@dataclass(frozen=True, slots=True)
class Piece:
    """A chunk before it has a vector: ``text`` is the extracted text from ``start`` to ``end``, always.

    ``embedded`` is what the model gets; with special tokens it is within the budget, except for strategy "none", where
    the model cuts it.
    """

    ordinal: int
    start: int
    end: int
    text: str
    heading: str
    embedded: str


@dataclass(frozen=True, slots=True)
class _Sheet:
    """The document that is being cut; ``title`` is short enough to stand before every chunk."""

    text: str
    title: str
    paths: HeadingPaths
    blocks: BlockMap | None


class Chunker:
    """Cuts documents for one model.

    Args:
        counter: the model's tokens.
        special_tokens: how many the model adds to a text.
        max_tokens: the model's limit, special tokens included.
        chunking: the collection's wishes.
    """

    def __init__(self, counter: TokenCounter, *, special_tokens: int, max_tokens: int, chunking: Chunking) -> None:
        self._counter = counter
        self._whole = chunking.strategy == "none"
        size = min(chunking.size_tokens or DEFAULT_SIZE_TOKENS, max_tokens)
        if self._whole:
            size = max_tokens
        self._budget = max(size - special_tokens, _MIN_TEXT_TOKENS)
        self._overlap = chunking.overlap_tokens

    def cut(self, extracted: Extracted, title: str, tick: Callable[[], None] = lambda: None) -> list[Piece]:
        """The chunks of a document, in order; a document without text has one empty chunk that carries its title.

        Args:
            extracted: its text, headings, blocks and parts; a chunk is of one part, save with strategy "none".
            title: what stands before every chunk when it is embedded.
            tick: called on progress.
        """
        text = extracted.text
        if not text.strip():
            return [Piece(0, 0, 0, "", "", strip_invisible(title))] if title.strip() else []
        if self._whole:
            return [self._first_piece(text, title)]
        title, title_tokens = self._shortened(title, self._budget // _TITLE_SHARE)
        paths = HeadingPaths(text, extracted.headings, title, extracted.parts)
        heading_room = min(self._counter.count(paths.longest()), self._budget // _HEADING_SHARE)
        room = max(self._budget - title_tokens - heading_room, _MIN_TEXT_TOKENS)
        overlap = min(self._overlap, room // 2)
        limits = Limits(room - overlap, (room - overlap) * _CHARS_PER_TOKEN, overlap)
        pieces: list[Piece] = []
        tokens = map_tokens(text, self._counter)
        blocks = map_blocks(extracted, tokens, max_tokens=limits.tokens, max_chars=limits.chars)
        sheet = _Sheet(text, title, paths, blocks)
        tick()
        for start, end in cut(text, extracted.headings, tokens, limits, blocks, extracted.parts):
            self._add(pieces, sheet, start, end)
            if len(pieces) % _PIECES_PER_TICK == 0:
                tick()
        return pieces

    def _add(self, pieces: list[Piece], sheet: _Sheet, start: int, end: int) -> None:
        """Appends the piece, in halves where the model counts more tokens in it than were seen before cutting."""
        text = sheet.text
        start, end = _trimmed(text, start, end)
        if start == end:
            return
        heading, above = sheet.paths.at(start)
        header = sheet.blocks.header_above(start) if sheet.blocks is not None else ""
        embedded = self._embedded(sheet.title, above, header, text[start:end])
        before = pieces[-1].end if pieces else 0
        if embedded is None and start < before:  # what it repeats of the piece before is the first to go
            self._add(pieces, sheet, before, end)
        elif embedded is None:
            middle = sheet.blocks.middle(start, end) if sheet.blocks is not None else None
            middle = _middle(text, start, end) if middle is None else middle
            self._add(pieces, sheet, start, middle)
            self._add(pieces, sheet, middle, end)
        else:
            pieces.append(Piece(len(pieces), start, end, text[start:end], heading, embedded))

    def _embedded(self, title: str, above: str, header: str, text: str) -> str | None:
        """The longest form of the chunk that fits, None if none does.

        With the headings above it and the first line of the table that it continues, then without the one or the other,
        then without both.
        """
        text = strip_invisible(text)
        forms = [(title, above, text), (title, text)]
        if header:
            header = strip_invisible(header)
            forms = [(title, above, header, text), (title, header, text), *forms]
        for parts in forms:
            embedded = "\n".join(part for part in parts if part)
            if self._counter.count(embedded) <= self._budget:
                return embedded
        return text if len(text) == 1 else None

    def _first_piece(self, text: str, title: str) -> Piece:
        """Strategy "none": what the model sees of title and text. It gets a little more and cuts that itself."""
        start, end = _trimmed(text, 0, len(text))
        budget = max(self._budget - self._counter.count(title), 1)
        tokens = map_tokens(text[start : start + budget * _CHARS_PER_TOKEN], self._counter)
        limit = start + (tokens.position(budget) if len(tokens) > budget else budget * _CHARS_PER_TOKEN)
        _, seen = _trimmed(text, start, min(limit, end))
        embedded = " ".join(part for part in (title, text[start : min(limit + _CHARS_PER_TOKEN, end)]) if part)
        return Piece(0, start, seen, text[start:seen], "", strip_invisible(embedded))

    def _shortened(self, title: str, limit: int) -> tuple[str, int]:
        """The title cut at a token, and how many tokens it has."""
        title = " ".join(strip_invisible(title).split())
        tokens = map_tokens(title, self._counter)
        return (title[: tokens.position(limit)].rstrip(), limit) if len(tokens) > limit else (title, len(tokens))


def _trimmed(text: str, start: int, end: int) -> tuple[int, int]:
    while start < end and text[start].isspace():
        start += 1
    while start < end and text[end - 1].isspace():
        end -= 1
    return start, end


def _middle(text: str, start: int, end: int) -> int:
    """A place to halve a piece: the blank nearest before its middle, or the middle."""
    middle = (start + end) // 2
    blank = text.rfind(" ", start, middle)
    return blank if blank > start else max(middle, start + 1)
