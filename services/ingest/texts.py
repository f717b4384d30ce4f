"""Documents for people: the extracted text that offsets point into, and the original as it came."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from services.errors import NotFound
from services.ingest.cleaning import clean_file_name
from services.ingest.kinds.media_kinds import modality_of
from services.ingest.pipeline.extracted_store import ExtractedStore
from services.ingest.pipeline.media import thumbnail_of
from services.ingest.pipeline.reading import read_document
from services.ingest.sandbox.sandbox import FileReader
from services.ledger.bodies import body_file, body_size
from services.ledger.envelopes import EnvelopeStore
from services.ledger.values import DocumentKind, DocumentRecord, NewDocument

_NO_LIMIT = 1 << 40


@dataclass(frozen=True, slots=True)
class Original:
    """A document as it came. Whoever asked for it closes ``body``, a file at its first byte.

    ``file_name`` is what to save it under, without folders.
    """

    body: BinaryIO
    size: int
    media_type: str
    file_name: str

    def read(self) -> bytes:
        """All of it in memory, the file closed: for what is known to be small."""
        with self.body:
            return self.body.read()


class DocumentReader:
    """Reads back what was accepted.

    Args:
        envelopes: where documents lie.
        extracted: the folder of extracted texts.
        reader: reads a text again that has been lost.
    """

    def __init__(self, envelopes: EnvelopeStore, extracted: Path, reader: FileReader) -> None:
        self._envelopes = envelopes
        self._reader = reader
        self._extracted = ExtractedStore(extracted)

    def text(self, record: DocumentRecord) -> str:
        """The text that a document is found by: of its visible version.

        A text that nobody has read yet is not read here: that is the workers' task, who can afford to die of it.

        Raises:
            NotFound: nothing of it is visible yet (code ``no-text-yet``), or it has no text of its own (``no-text``).
            NearfieldError: its envelope is missing or damaged, or a lost text cannot be read again.
        """
        document = self._visible(record)
        kept = self._extracted.get(record.collection_id, document.text_hash)
        return kept if kept is not None else read_document(document, self._reader, max_text_bytes=_NO_LIMIT).text

    def thumbnail(self, record: DocumentRecord) -> bytes:
        """A small JPEG of a picture's visible version: made when it was indexed, and again where it was lost.

        Raises:
            NotFound: nothing of it is visible yet, or it is no picture (code ``no-thumbnail``).
            NearfieldError: as ``text``.
        """
        document = self._visible(record)
        if modality_of(document.media_type) != "image":
            raise NotFound("this document is no picture, so there is no small one of it", code="no-thumbnail")
        kept = self._extracted.thumbnail(record.collection_id, document.text_hash)
        if kept is None:
            part = read_document(document, self._reader, max_text_bytes=_NO_LIMIT).media
            if part is None:
                raise NotFound("this document is no picture, so there is no small one of it", code="no-thumbnail")
            kept = thumbnail_of(part)
            self._extracted.keep_thumbnail(record.collection_id, document.text_hash, kept)
        return kept

    def has_thumbnail(self, collection_id: str, text_hash: str) -> bool:
        """Whether a thumbnail lies ready."""
        return bool(text_hash) and self._extracted.has_thumbnail(collection_id, text_hash)

    def _visible(self, record: DocumentRecord) -> NewDocument:
        if record.kind is DocumentKind.SOURCE:
            raise NotFound(
                f"this file holds {record.children:,} documents and no text of its own; read those, or its original",
                code="no-text",
            )
        if not record.visible_generation or not record.visible_envelope:
            raise NotFound(_why_not(record), code="no-text-yet")
        document = self._envelopes.read(record.visible_envelope).document
        if document.kind is DocumentKind.SOURCE:
            raise NotFound("the visible version is a file of many documents; read those", code="no-text")
        return document

    def original(self, record: DocumentRecord) -> Original:
        """The bytes as they came, as an open file that has been checked and is read in pieces.

        Of the version that is wanted; after a delete was asked for, of the one still visible.

        Raises:
            NotFound: it is deleted. NearfieldError: its envelope is missing or damaged.
        """
        place = record.visible_envelope if record.kind is DocumentKind.DELETE else record.envelope
        if not place:
            raise NotFound("the document is deleted; its original is not kept", code="unknown-document")
        document = self._envelopes.open_document(place).document
        size, body = body_size(document.body), body_file(document.body)
        if document.kind is DocumentKind.DELETE:
            body.close()
            raise NotFound("the document is deleted; its original is not kept", code="unknown-document")
        name = clean_file_name(document.source or document.id).rpartition("/")[2]
        if "." not in name:
            name += _extension(document.media_type)
        return Original(body, size, document.media_type, name)


def _why_not(record: DocumentRecord) -> str:
    if record.error:
        return f"the document could not be read: {record.error}"
    return f"the document is {record.state.value}; its text can be read once it is searchable"


def _extension(media_type: str) -> str:
    known = {
        "image/png": ".png", "image/jpeg": ".jpg", "image/webp": ".webp", "image/gif": ".gif", "audio/wav": ".wav",
        "audio/flac": ".flac", "audio/ogg": ".ogg", "audio/mpeg": ".mp3",
        "text/html": ".html", "text/markdown": ".md", "text/x-rst": ".rst", "application/json": ".json",
    }  # fmt: skip
    return known.get(media_type, ".txt")
