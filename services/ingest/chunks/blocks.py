"""The marked blocks of a text (code, tables, list items) as the cutter sees them. Pure: text in, positions out.

A block is *whole* when it fits into one chunk together with the heading right above it. Inside a whole block nothing is
offered to the cutter, so it is cut only where no choice of cuts avoids it. A larger one is cut between its lines (code
at blank lines first), a list item between its sentences; a full stop within code or a table is no sentence.

A table that is cut keeps its first line with every later part when that part is embedded, because "12 | 3.5 | no" says
nothing without the names of its columns. It stands neither in the chunk's text nor in its offsets: those are the
document's own. It takes a quarter of a chunk at most, else the parts go without.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from services.ingest.chunks.boundaries import Cut, find_cuts, past_blanks
from services.ingest.chunks.token_map import TokenMap
from services.ingest.values import BlockKind, Extracted, Heading

_HEADER_SHARE = 4
_KINDS = (BlockKind.LIST_ITEM, BlockKind.CODE, BlockKind.TABLE)
Positions = NDArray[np.int64]


def map_blocks(extracted: Extracted, tokens: TokenMap, *, max_tokens: int, max_chars: int) -> BlockMap | None:
    """The blocks of a text, measured; None where it has none but paragraphs.

    Blank ones are passed over, and those that overlap the one before or reach beyond the text or its part: so where a
    part begins, nothing is inside a block.

    Args:
        extracted: the text.
        tokens: of the text.
        max_tokens: what fits into one chunk.
        max_chars: the same in characters.
    """
    text, end = extracted.text, 0
    spans, kinds = array("q"), bytearray()
    for block in extracted.blocks:
        if block.kind is not BlockKind.PARAGRAPH and end <= block.start < block.end <= len(text):
            start = past_blanks(text, block.start, block.end)
            if start < block.end and not _holds_any(extracted.parts, start, block.end):
                end = block.end
                spans.extend((start, end, past_blanks(text, end, len(text))))
                kinds.append(_KINDS.index(block.kind))
    if not kinds:
        return None
    return BlockMap(text, spans, kinds, extracted.headings, tokens, max_tokens=max_tokens, max_chars=max_chars)


class BlockMap:
    """Answers what lies inside which block; made by ``map_blocks``, with at least one block.

    Args:
        text: the whole text.
        spans: of each block where it begins, where it ends, and where the text goes on after it.
        kinds: of each block its place in ``_KINDS``.
        headings, tokens, max_tokens, max_chars: as for ``map_blocks``.
    """

    def __init__(
        self,
        text: str,
        spans: array[int],
        kinds: bytearray,
        headings: Sequence[Heading],
        tokens: TokenMap,
        *,
        max_tokens: int,
        max_chars: int,
    ) -> None:
        self._text = text
        self._starts, self._ends, self._nexts = np.array(spans, np.int64).reshape(-1, 3).T.copy()
        kind = np.frombuffer(bytes(kinds), np.uint8)
        self._rigid = kind != _KINDS.index(BlockKind.LIST_ITEM)
        tables = kind == _KINDS.index(BlockKind.TABLE)
        first = _glued_starts(text, self._starts, headings)
        needed = tokens.before(self._nexts) - tokens.before(first)
        self._whole = (needed <= max_tokens) & (self._nexts - first <= max_chars)
        self._headers: dict[int, tuple[int, int]] = {}  # of tables that are cut: where the first line ends, its tokens
        for number in np.flatnonzero(~self._whole & tables).tolist():
            self._note_header(number, tokens, max_tokens // _HEADER_SHARE)
        self._edges = {
            Cut.PARAGRAPH: np.union1d(self._starts[self._rigid], self._nexts[self._rigid]),
            Cut.SENTENCE: np.union1d(self._starts[~self._rigid], self._nexts[~self._rigid]),
        }

    def edges(self, kind: Cut, start: int, end: int) -> Positions:
        """Where blocks begin, and where the text goes on after them, strictly inside (start, end), ascending.

        A code block or table stands apart like a paragraph, a list item like a sentence; other kinds have no edges.
        """
        known = self._edges.get(kind)
        if known is None:
            return np.empty(0, np.int64)
        low, high = np.searchsorted(known, [start + 1, end], side="left")
        return known[low:high]

    def allowed(self, positions: Positions, kind: Cut, *, keep_whole: bool = True) -> Positions:
        """Those of ``positions`` at which a cut of that kind may fall.

        Args:
            positions: ascending.
            kind: how they were found.
            keep_whole: False allows cuts inside blocks that would fit, too.
        """
        number, inside = self._inside(positions)
        barred = self._whole[number] if keep_whole else np.zeros(len(positions), np.bool_)
        if kind is Cut.SENTENCE:
            barred = barred | self._rigid[number]
        return positions[~(inside & barred)]

    def repeated(self, positions: Positions) -> Positions:
        """How many tokens of a table's first line are embedded again with a piece that begins at each position."""
        counts = np.zeros(len(positions), np.int64)
        if self._headers:
            number, inside = self._inside(positions)
            for place in np.flatnonzero(inside).tolist():
                end, tokens = self._headers.get(int(number[place]), (0, 0))
                counts[place] = tokens if positions[place] > end else 0
        return counts

    def header_above(self, start: int) -> str:
        """The first line of the table that a piece beginning at ``start`` continues; "" where it continues none."""
        if not self._headers:
            return ""
        number, inside = self._inside(np.array([start]))
        end, _ = self._headers.get(int(number[0]), (0, 0))
        return self._text[int(self._starts[number[0]]) : end] if inside[0] and end and start > end else ""

    def repeat_from(self, lowest: int, here: int) -> int:
        """Where a piece begins that repeats what stands before ``here``, from ``lowest`` on.

        At a block or a sentence, else at a line, else at a word that is not in code or a table; ``here`` when there is
        no such place.
        """
        for kind in (Cut.SENTENCE, Cut.LINE, Cut.WORD):
            found = np.fromiter(find_cuts(self._text, lowest, here, kind), np.int64)
            if kind is Cut.SENTENCE:
                edges = [self.edges(edge, lowest, here) for edge in (Cut.PARAGRAPH, Cut.SENTENCE)]
                found = np.union1d(found, np.concatenate(edges))
            found = self.allowed(found, Cut.SENTENCE if kind is Cut.WORD else kind)
            if len(found):
                return int(found[0])
        return here

    def middle(self, start: int, end: int) -> int | None:
        """Where a piece that turned out too long is best halved: at the block's edge, else the line of a code block or
        table, that is nearest to its middle; None where it is all prose."""
        middle = (start + end) // 2
        found = np.concatenate([self.edges(kind, start, end) for kind in (Cut.PARAGRAPH, Cut.SENTENCE)])
        if not len(found):
            found = np.fromiter(find_cuts(self._text, start, end, Cut.LINE), np.int64)
            number, inside = self._inside(found)
            found = found[inside & self._rigid[number]]
        return int(found[np.argmin(np.abs(found - middle))]) if len(found) else None

    def _inside(self, positions: Positions) -> tuple[Positions, NDArray[np.bool_]]:
        """For each position the block that begins at or before it, and whether it lies strictly inside that."""
        number = np.maximum(np.searchsorted(self._starts, positions, side="right") - 1, 0)
        return number, (positions > self._starts[number]) & (positions < self._ends[number])

    def _note_header(self, number: int, tokens: TokenMap, limit: int) -> None:
        start, end = int(self._starts[number]), int(self._ends[number])
        line_end = self._text.find("\n", start, end)
        if line_end > start:
            before, after = tokens.before(np.array([start, line_end])).tolist()
            if 0 < after - before <= limit:
                self._headers[number] = line_end, after - before


def _holds_any(positions: Sequence[int], start: int, end: int) -> bool:
    """Whether any of the ascending ``positions`` lies strictly inside (start, end)."""
    return bisect_right(positions, start) < bisect_left(positions, end)


def _glued_starts(text: str, starts: Positions, headings: Sequence[Heading]) -> Positions:
    """For each start of a block: where the heading right above it begins, or the start itself."""
    if not headings or not len(starts):
        return starts
    begins = np.fromiter((heading.start for heading in headings), np.int64, len(headings))
    ends = np.fromiter((past_blanks(text, heading.end, len(text)) for heading in headings), np.int64, len(headings))
    above = np.searchsorted(begins, starts, side="left") - 1
    known = np.maximum(above, 0)
    return np.where((above >= 0) & (ends[known] >= starts), begins[known], starts)
