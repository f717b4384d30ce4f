"""A stored document as text: by the reader of its media type, in a process of its own where that parses anything."""

from __future__ import annotations

from services.errors import InvalidInput
from services.ingest.extract.registry import extractor_of
from services.ingest.extract.types import Tick
from services.ingest.sandbox.sandbox import FileReader
from services.ingest.values import Extracted
from services.ledger.bodies import body_bytes
from services.ledger.values import DocumentKind, NewDocument

PROBLEM_TYPE = "application/vnd.nearfield.problem"
"""Media type of a row that could not be read: its body says why. It is accepted so that it is counted and listed."""


def read_document(
    document: NewDocument, reader: FileReader, *, max_text_bytes: int, tick: Tick = lambda: None
) -> Extracted:
    """The text of an accepted document. Plain text that was given as such is taken as it is.

    Raises:
        InvalidInput: it cannot be read, or it is a row that could not be (code ``bad-row``).
        ExtractionFailed, Unavailable: as ``Sandbox.extract``.
    """
    if document.media_type == PROBLEM_TYPE:
        raise InvalidInput(body_bytes(document.body).decode("utf-8", "replace"), code="bad-row")
    if is_plain(document):
        return extractor_of(document.media_type)(body_bytes(document.body), tick)
    return reader.extract(
        document.media_type, document.body, name=document.source, max_text_bytes=max_text_bytes, tick=tick
    )


def is_plain(document: NewDocument) -> bool:
    """Whether a document's text is its body: nothing is extracted, and nothing is kept beside it."""
    return document.kind is DocumentKind.TEXT and document.media_type == "text/plain"


def shown_title(document: NewDocument, extracted_title: str) -> str:
    """What a document is called: the title it was given, the one it has in itself, or its file's name."""
    return document.title or extracted_title or file_name(document)


def file_name(document: NewDocument) -> str:
    """The last step of a file's path, "" for what was not a file."""
    return document.source.rpartition("/")[2] if document.kind is DocumentKind.FILE else ""
