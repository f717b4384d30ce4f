"""Puts an extracted text together block by block and keeps the offsets of headings, pages, blocks and parts."""

from __future__ import annotations

from services.ingest.values import MAX_PARTS, Block, BlockKind, Heading, PageMark


class TextBuilder:
    """Collects blocks separated by blank lines. Offsets are code points of the text returned by ``text``."""

    def __init__(self) -> None:
        self._parts: list[str] = []
        self._length = 0
        self._page: int | None = None
        self._is_part_due = False
        self.headings: list[Heading] = []
        self.pages: list[PageMark] = []
        self.blocks: list[Block] = []
        self.parts: list[int] = []

    def __len__(self) -> int:
        """Code points so far."""
        return self._length

    def add(self, block: str, *, gap: str = "\n\n", kind: BlockKind = BlockKind.PARAGRAPH) -> None:
        """Appends ``block`` after ``gap``, without newlines around it and blanks behind it; a blank one is nothing.

        Paragraphs need no mark: a text without marks is all paragraphs.
        """
        block = block.strip("\n").rstrip()
        if not block.strip():
            return
        if self._parts:
            self._append(gap)
        if self._page is not None:
            self.pages.append(PageMark(self._length, self._page))
            self._page = None
        start = self._length
        if self._is_part_due:
            self.mark_part(start)
            self._is_part_due = False
        self._append(block)
        if kind is not BlockKind.PARAGRAPH:
            self.blocks.append(Block(start, self._length, kind))

    def add_heading(self, text: str, level: int) -> None:
        """Appends a heading as a block of its own on one line."""
        line = " ".join(text.split())
        if not line:
            return
        self.add(line)
        self.headings.append(Heading(self._length - len(line), self._length, level, line))

    def begin_page(self, number: int) -> None:
        """What is added next stands on page ``number``; a page without text leaves no mark."""
        self._page = number

    def begin_part(self) -> None:
        """What is added next, up to the next such call, is a document of its own: no chunk reaches over its edge.

        The first thing in the text needs no mark, and nothing added leaves none.
        """
        self._is_part_due = True

    def mark_part(self, start: int) -> None:
        """Another part begins at code point ``start``.

        Ignored at the very beginning, not behind the part before, and after ``MAX_PARTS``: the rest is then one part.
        """
        if start > (self.parts[-1] if self.parts else 0) and len(self.parts) < MAX_PARTS:
            self.parts.append(start)

    def text(self) -> str:
        """Everything so far."""
        return "".join(self._parts)

    def _append(self, part: str) -> None:
        self._parts.append(part)
        self._length += len(part)
