"""The path of headings above a place in a text."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from itertools import pairwise

from services.ingest.values import Heading

SEPARATOR = " › "
_MAX_HEADING_CHARS = 200
_MAX_DEPTH = 6


class HeadingPaths:
    """Answers which headings stand above a position. A heading that repeats the title is left out.

    Args:
        text: the whole text.
        headings: of it, in order.
        title: of the document.
        parts: where further parts of it begin; a heading announces nothing beyond the end of its own.
    """

    def __init__(self, text: str, headings: Sequence[Heading], title: str, parts: Sequence[int] = ()) -> None:
        begins = frozenset(parts)
        self._headings = headings
        self._starts = [heading.start for heading in headings]
        self._above: list[int] = []  # for each heading the one it stands under, -1 for none
        self._title = title.casefold()
        self._bare = [
            b.start not in begins and not text[a.end : b.start].strip() for a, b in pairwise(headings)
        ]  # another heading follows at once
        open_headings: list[int] = []
        for number, heading in enumerate(headings):
            while open_headings and headings[open_headings[-1]].level >= heading.level:
                open_headings.pop()
            self._above.append(open_headings[-1] if open_headings else -1)
            open_headings.append(number)

    def at(self, start: int) -> tuple[str, str]:
        """The path above the first words of a chunk that begins at ``start``, and the part that is not in the chunk."""
        number = bisect_right(self._starts, start) - 1
        if number < 0 or self._starts[number] != start:
            path = self._path(number)
            return path, path
        first = number
        while number < len(self._bare) and self._bare[number]:
            number += 1
        return self._path(number), self._path(self._above[first])

    def longest(self) -> str:
        """The longest path (in characters) of the first thousand."""
        return max((self._path(number) for number in range(min(len(self._headings), 1000))), key=len, default="")

    def _path(self, number: int) -> str:
        texts = []
        while number >= 0:
            text = self._headings[number].text
            if text.casefold() != self._title:
                texts.append(text[:_MAX_HEADING_CHARS])
            number = self._above[number]
        return SEPARATOR.join(reversed(texts[:_MAX_DEPTH]))
