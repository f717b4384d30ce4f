"""Block marks that need more than one call of the builder: rows of a table, paragraphs of an item, lists as typed."""

from __future__ import annotations

import re

from services.ingest.extract.builder import TextBuilder
from services.ingest.values import Block, BlockKind

_ITEM = re.compile(r"( *)(?:[-*+•]|\d{1,9}[.)]|#\.) ")


def join_last(builder: TextBuilder) -> None:
    """Makes one block of the last two, which belong together (rows of one table, stretches of one listing)."""
    first, last = builder.blocks[-2:]
    builder.blocks[-2:] = [Block(first.start, last.end, last.kind)]


def add_with_items(builder: TextBuilder, text: str) -> None:
    """Adds a paragraph; where it is a list as somebody typed it, each of its items is marked.

    It is one when its first line begins with a bullet or a number. Lines that begin so, no deeper, begin items; the
    others belong to the item above, items of a deeper list included.
    """
    builder.add(text)
    added = text.strip("\n").rstrip()
    first = _ITEM.match(added)
    if not first or not added.strip():
        return
    offset = len(builder) - len(added)
    starts, position = [], 0
    for line in added.split("\n"):
        found = _ITEM.match(line)
        if found and len(found.group(1)) <= len(first.group(1)):
            starts.append(position)
        position += len(line) + 1
    ends = [start - 1 for start in starts[1:]] + [len(added)]
    builder.blocks += [
        Block(offset + start, offset + end, BlockKind.LIST_ITEM) for start, end in zip(starts, ends, strict=True)
    ]
