"""Puts an extracted text together block by block and keeps the offsets of its headings."""

from __future__ import annotations

from services.ingest.values import Heading


class TextBuilder:
    """Collects blocks separated by blank lines. Offsets are code points of the text returned by ``text``."""

    def __init__(self) -> None:
        self._parts: list[str] = []
        self._length = 0
        self.headings: list[Heading] = []

    def add(self, block: str, *, gap: str = "\n\n") -> None:
        """Appends ``block`` after ``gap``, without newlines around it and blanks behind it; a blank one is nothing."""
        block = block.strip("\n").rstrip()
        if not block.strip():
            return
        if self._parts:
            self._append(gap)
        self._append(block)

    def add_heading(self, text: str, level: int) -> None:
        """Appends a heading as a block of its own on one line."""
        line = " ".join(text.split())
        if not line:
            return
        self.add(line)
        self.headings.append(Heading(self._length - len(line), self._length, level, line))

    def text(self) -> str:
        """Everything so far."""
        return "".join(self._parts)

    def _append(self, part: str) -> None:
        self._parts.append(part)
        self._length += len(part)
