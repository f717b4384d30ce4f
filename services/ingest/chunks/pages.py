"""Which page of the original a place in its text stands on."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence

from services.ingest.values import PageMark


def page_at(pages: Sequence[PageMark], start: int) -> int | None:
    """The number of the page that code point ``start`` stands on.

    Args:
        pages: in order of ``start``, as in ``Extracted.pages``.
        start: of a chunk; a chunk over several pages stands on the one it begins on.

    Returns:
        None where the original has no pages, and before the first page that has text.
    """
    number = bisect_right(pages, start, key=lambda page: page.start) - 1
    return pages[number].number if number >= 0 else None
