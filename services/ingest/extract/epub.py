"""EPUB: the chapters in the order of the book, by the reader for HTML, with the book's own words about itself.

A chapter without a heading gets the one that the table of contents gives it.
"""

from __future__ import annotations

import re
from dataclasses import replace

from services.errors import InvalidInput
from services.ingest.decode import decode
from services.ingest.extract.builder import TextBuilder
from services.ingest.extract.epub_book import Book, open_book
from services.ingest.extract.html import extract_html_part
from services.ingest.extract.naming import named
from services.ingest.extract.properties import finish
from services.ingest.extract.types import Tick, words
from services.ingest.values import Block, Extracted, Heading

_DECLARATION = re.compile(r"^\s*<\?xml[^>]{0,200}\?>")
_SELF_CLOSED = re.compile(r"<([A-Za-z][\w:.-]*)((?:\s[^<>]*)?)/>")
_VOID = words("area base br col embed hr img input link meta param source track wbr")


def extract_epub(body: bytes, tick: Tick) -> Extracted:
    """The text of a book.

    Raises:
        InvalidInput: ``encrypted`` (copy protection), ``damaged-file``, ``zip-bomb`` or ``no-text``.
    """
    book = open_book(body)
    builder = TextBuilder()
    unread = []
    for number, name in enumerate(book.chapters, 1):
        try:
            _append(builder, book, name)
        except InvalidInput as error:
            if error.code == "zip-bomb":
                raise
            unread.append(number)
        tick()
    if unread and not builder.text():
        raise InvalidInput("the book is damaged: none of its chapters can be read", code="damaged-file")
    warnings = (f"{named('chapter', unread)} could not be read",) if unread else ()
    return finish(builder, book.properties, what="the book", warnings=warnings)


def _append(builder: TextBuilder, book: Book, name: str) -> None:
    """Appends a chapter; its offsets move to where it begins in the book."""
    source = _DECLARATION.sub("", decode(book.package.read(name)).text)
    chapter = extract_html_part(_SELF_CLOSED.sub(_closed, source))
    if not chapter.headings and book.labels.get(name):
        builder.add_heading(book.labels[name], 1)
    builder.add(chapter.text)
    shown = chapter.text.strip("\n").rstrip()
    start = len(builder) - len(shown) - (len(chapter.text) - len(chapter.text.lstrip("\n")))
    builder.headings.extend(_moved_heading(heading, start) for heading in chapter.headings)
    builder.blocks.extend(_moved_block(block, start, len(builder)) for block in chapter.blocks)


def _closed(tag: re.Match[str]) -> str:
    """What XML closes in one tag HTML leaves open: "<title/>" would swallow the rest of the chapter."""
    if tag.group(1).lower() in _VOID:
        return tag.group()
    return f"<{tag.group(1)}{tag.group(2)}></{tag.group(1)}>"


def _moved_heading(heading: Heading, by: int) -> Heading:
    return replace(heading, start=heading.start + by, end=heading.end + by)


def _moved_block(block: Block, by: int, end: int) -> Block:
    return replace(block, start=block.start + by, end=min(block.end + by, end))
