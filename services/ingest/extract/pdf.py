"""PDF by pdfium: text page by page with headings, and what the document says of itself."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import closing

import pypdfium2
from pypdfium2 import raw

from services.errors import InvalidInput
from services.ingest.extract.builder import TextBuilder
from services.ingest.extract.naming import named
from services.ingest.extract.pdf_headings import HeadingGuide, outline_guide, size_guide
from services.ingest.extract.pdf_lines import Line, pieces, read_lines
from services.ingest.extract.properties import clean_property, clean_title, iso_date, language_code
from services.ingest.extract.types import Tick
from services.ingest.values import Extracted

MAX_PAGES = 10_000
_SAMPLE_PAGES = 20
_DATE = re.compile(r"^(?:D:)?(\d{4})(\d\d)?(\d\d)?(?:(\d\d)(\d\d)(\d\d)?)?(Z|[+-]\d\d'?\d\d)?")
# What the binding raises on damaged structures; its own checks are assertions and value errors.
_LIBRARY_ERRORS = (pypdfium2.PdfiumError, ValueError, RuntimeError, AssertionError, OSError, LookupError)


def extract_pdf(body: bytes, tick: Tick) -> Extracted:
    """The text layer of a PDF.

    Raises:
        InvalidInput: ``encrypted``, ``damaged-file``, or ``no-text`` for a scan.
    """
    document = _open(body)
    with closing(document):
        count = len(document)
        guide = _guide(document, tick)
        reader = _Pages(document, guide)
        for number in range(1, min(count, MAX_PAGES) + 1):
            reader.read(number)
            tick()
        if count == 0 or (reader.unread and len(reader.unread) == min(count, MAX_PAGES)):
            raise InvalidInput("the PDF is damaged: none of its pages can be read", code="damaged-file")
        text = reader.builder.text()
        if not text:
            raise InvalidInput(
                "the PDF has no text layer (a scan?): nothing in it can be searched; run text recognition (OCR) on it "
                "and add the result",
                code="no-text",
            )
        headings = tuple(reader.builder.headings)
        first_page_end = reader.builder.pages[1].start if len(reader.builder.pages) > 1 else len(text)
        title = clean_title(_property(document, "Title")) or next(
            (h.text for h in headings if h.level == 1 and h.start < first_page_end and not guide.outline), ""
        )
        return Extracted(
            text,
            title,
            headings,
            tuple(_warnings(document, reader, count)),
            tuple(reader.builder.pages),
            tuple(reader.builder.blocks),
            clean_property(_property(document, "Author")),
            pdf_date(_property(document, "CreationDate")),
            _language(document),
        )


def pdf_date(value: str) -> str:
    """A PDF date ("D:20161231184323+01'00'") as RFC 3339, or the day alone where it names no offset; else ""."""
    match = _DATE.match(value.strip())
    if match is None:
        return ""
    year, month, day, hour, minute, second, offset = match.groups()
    shown = f"{year}-{month or '01'}-{day or '01'}"
    if hour and offset:
        zone = offset if offset == "Z" else f"{offset[:3]}:{offset[-2:]}"
        return iso_date(f"{shown}T{hour}:{minute}:{second or '00'}{zone}") or iso_date(shown)
    return iso_date(shown)


class _Pages:
    """Reads pages into one text and remembers which could not be read or hold nothing."""

    def __init__(self, document: pypdfium2.PdfDocument, guide: HeadingGuide) -> None:
        self.builder = TextBuilder()
        self.unread: list[int] = []
        self.empty: list[int] = []
        self._document = document
        self._guide = guide

    def read(self, number: int) -> None:
        """Appends page ``number``, counted from 1."""
        try:
            lines = _lines(self._document, number - 1)
        except _LIBRARY_ERRORS:
            self.unread.append(number)
            return
        if not lines:
            self.empty.append(number)
            return
        self.builder.begin_page(number)
        begin = at = 0
        while at < len(lines):
            level, count = self._guide.find(number - 1, lines, at)
            if level:
                self._add(lines[begin:at])
                self.builder.add_heading(" ".join(line.text for line in lines[at : at + count]), level)
                begin = at + count
            at += count
        self._add(lines[begin:])

    def _add(self, lines: list[Line]) -> None:
        for piece in pieces(lines):
            self.builder.add(piece.text, gap=piece.gap)


def _open(body: bytes) -> pypdfium2.PdfDocument:
    try:
        return pypdfium2.PdfDocument(body)
    except pypdfium2.PdfiumError as error:
        if error.err_code in (raw.FPDF_ERR_PASSWORD, raw.FPDF_ERR_SECURITY):
            raise InvalidInput(
                "the PDF is encrypted: a password is needed to read it; save it without one and add it again",
                code="encrypted",
            ) from error
        raise InvalidInput(
            f"the PDF is damaged or cut off and cannot be opened ({error})", code="damaged-file"
        ) from error


def _guide(document: pypdfium2.PdfDocument, tick: Tick) -> HeadingGuide:
    try:
        guide = outline_guide(document)
    except _LIBRARY_ERRORS:
        guide = HeadingGuide()
    return guide if guide.outline else size_guide(_sample(document, tick))


def _sample(document: pypdfium2.PdfDocument, tick: Tick) -> Iterator[Line]:
    for index in range(min(len(document), _SAMPLE_PAGES)):
        try:
            yield from _lines(document, index)
        except _LIBRARY_ERRORS:
            continue
        finally:
            tick()


def _lines(document: pypdfium2.PdfDocument, index: int) -> list[Line]:
    with closing(document[index]) as page, closing(page.get_textpage()) as text:
        return read_lines(text)


def _property(document: pypdfium2.PdfDocument, name: str) -> str:
    """A value of the information dictionary; a broken one is none."""
    try:
        return str(document.get_metadata_value(name))
    except _LIBRARY_ERRORS:
        return ""


def _language(document: pypdfium2.PdfDocument) -> str:
    size = raw.FPDFCatalog_GetLanguage(document, None, 0)
    if not 2 < size <= 64:
        return ""
    buffer = (raw.FPDF_WCHAR * (size // 2))()
    raw.FPDFCatalog_GetLanguage(document, buffer, size)
    return language_code("".join(map(chr, buffer)).rstrip("\0"))


def _warnings(document: pypdfium2.PdfDocument, pages: _Pages, count: int) -> Iterator[str]:
    if count > MAX_PAGES:
        yield f"{count - MAX_PAGES:,} pages after page {MAX_PAGES:,} were not read"
    if pages.unread:
        yield f"{named('page', pages.unread)} could not be read"
    if pages.empty:
        hold = "holds" if len(pages.empty) == 1 else "hold"
        yield f"{named('page', pages.empty)} of {count:,} {hold} no text (a scan or a picture?)"
    attached = document.count_attachments()
    if attached > 0:
        yield f"{attached:,} attached {'file was' if attached == 1 else 'files were'} not read"
