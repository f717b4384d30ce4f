"""Where a text may be cut, and how good a place each is. Pure: text in, positions out."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from enum import IntEnum

from services.ingest.values import Heading


class Cut(IntEnum):
    """How good a cut is, best first. A worse kind is looked for only inside what the better kinds left too long."""

    SECTION = 0
    PARAGRAPH = 1
    SENTENCE = 2
    LINE = 3
    WORD = 4
    ANYWHERE = 5


# Each pattern ends where the next piece begins. Possessive quantifiers keep a million dots or blanks linear.
_PARAGRAPH = re.compile(r"\n[^\S\n]*+\n\s*+")
_SENTENCE = re.compile(
    r"(?<![.!?…])[.!?…]++[\"'”’)\]]*+\s++(?=[\"'“‘(\[]?[A-Z0-9\u00c0-\u00de\u0370-\U0010ffff])"  # a stop, a capital
    r"|[。！？｡؟۔।]++[」』”）]*+\s*+"  # scripts that write no blank after the stop, or have their own
    r"|\n[^\S\n]*+(?=(?:[-*+•]|\(?[0-9A-Za-z]{1,3}[.)])\s)"  # a list item
)
_LINE = re.compile(r"\n\s*")
_WORD = re.compile(r"\s+")
_PATTERNS = {Cut.PARAGRAPH: _PARAGRAPH, Cut.SENTENCE: _SENTENCE, Cut.LINE: _LINE, Cut.WORD: _WORD}


def find_cuts(text: str, start: int, end: int, kind: Cut) -> Iterator[int]:
    """Positions strictly inside (start, end) at which a piece may begin, ascending; only the kinds read from text."""
    for found in _PATTERNS[kind].finditer(text, start, end):
        if start < found.end() < end:
            yield found.end()


def section_cuts(headings: Sequence[Heading], end: int) -> list[int]:
    """The starts of the sections."""
    return sorted({heading.start for heading in headings if 0 < heading.start < end})


def part_cuts(parts: Sequence[int], end: int) -> list[int]:
    """Where a further part of the document begins (``Extracted.parts``) within a text that ends at ``end``."""
    return sorted({part for part in parts if 0 < part < end})


def past_blanks(text: str, start: int, end: int) -> int:
    """The first position from ``start`` on that is not white space, or ``end``."""
    while start < end and text[start].isspace():
        start += 1
    return start


def glue(text: str, headings: Sequence[Heading]) -> Callable[[int], bool]:
    """Tells of a position whether a cut there would part a heading from the text it announces."""
    starts = [heading.start for heading in headings]
    ends = [past_blanks(text, heading.end, len(text)) for heading in headings]

    def is_glued(position: int) -> bool:
        before = bisect_left(starts, position) - 1
        return before >= 0 and starts[before] < position <= ends[before]

    return is_glued
