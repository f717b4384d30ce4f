"""RTF: paragraphs, headings, lists, tables and footnotes, in whatever encodings its fonts have."""

from __future__ import annotations

from services.errors import InvalidInput
from services.ingest.extract.properties import SelfDescription, clean_property, clean_title, finish, iso_date
from services.ingest.extract.rtf_reader import RtfReader
from services.ingest.extract.rtf_tokens import tokens
from services.ingest.extract.types import Tick
from services.ingest.values import Extracted

_START = b"{\\rtf"
_LEADING_BYTES = 64
_TICK_EVERY = 20_000


def extract_rtf(body: bytes, tick: Tick) -> Extracted:
    """The text of an RTF document.

    Raises:
        InvalidInput: ``damaged-file`` when it does not begin as one, ``no-text``.
    """
    start = body.find(_START, 0, _LEADING_BYTES)
    if start < 0:
        raise InvalidInput("the file is damaged: it does not begin as RTF does ('{\\rtf')", code="damaged-file")
    reader = RtfReader()
    for count, token in enumerate(tokens(body[start:])):
        reader.take(token)
        if count and not reader.is_open:
            break  # what stands behind the document's end is no part of it
        if count % _TICK_EVERY == 0:
            tick()
    cut_off = reader.is_open
    reader.end()
    told = reader.information
    properties = SelfDescription(
        clean_title(told.get("title")), clean_property(told.get("author")), iso_date(told.get("creatim"))
    )
    warnings = ("the file ends in the middle of the document: it may be cut off",) if cut_off else ()
    return finish(reader.text.builder, properties, what="the document", warnings=warnings)
