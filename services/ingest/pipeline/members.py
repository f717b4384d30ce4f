"""Parts of a source as documents of their own: rows of text, files of an archive, and what could not be read."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace

from services.collections.values import Collection
from services.errors import InvalidInput
from services.ids import file_document_id
from services.ingest.cleaning import check_document_id
from services.ingest.pipeline.reading import PROBLEM_TYPE
from services.ingest.prepare import coerce_cells, prepare_file, prepare_text
from services.ingest.rows.tabular import CSV, ZIP, NumberedRow
from services.ingest.values import FileInput, TextInput
from services.ledger.values import ClaimedDocument, DocumentKind, NewDocument

_PLACE_CHARS = 1000


@dataclass(frozen=True, slots=True)
class MemberLimits:
    """Bounds of a part and of all of them.

    ``text_bytes``: the largest text. ``file_bytes``: the largest file of an archive in a format that is longer than its
    text. ``queue_documents``: how many may wait in all.
    """

    text_bytes: int
    file_bytes: int
    queue_documents: int


@dataclass(frozen=True, slots=True)
class Members:
    """Makes documents of the parts of one source.

    Args:
        collection: where they go.
        claimed: the source.
        source: what was accepted; its metadata is given to every part.
        limits: of a part.
    """

    collection: Collection
    claimed: ClaimedDocument
    source: NewDocument
    limits: MemberLimits

    def document(self, part: NumberedRow) -> NewDocument:
        """The document of a part.

        Raises:
            InvalidInput: what is wrong with it.
        """
        if part.file is not None:
            return self._file(part, part.file)
        if part.row is None:
            raise InvalidInput(part.problem)
        metadata = {**self.source.metadata, **part.row.metadata}
        if self.source.media_type in (CSV, ZIP):
            metadata = coerce_cells(metadata, self.collection)
        given = TextInput(part.row.id, part.row.text, part.row.title, part.row.url, metadata)
        document = prepare_text(
            self.collection,
            given,
            part.row.id or self.part_id(part),
            max_bytes=self.limits.text_bytes,
            parent=self.claimed.doc_hash,
        )
        return replace(document, source=self._place(part))

    def problem(self, part: NumberedRow, message: str, *, apart: bool = False) -> NewDocument:
        """A document that stands for a part that cannot be read; it fails with ``message`` when it is worked on.

        It has the part's id, so that an earlier version of the part stays searchable; with ``apart`` one that nothing
        else has, because the part's id is another document's.
        """
        title = part.place or f"row {part.number}"
        text = message if title in message else f"{title}: {message}"
        return NewDocument(
            id=self._id_apart(part) if apart else self.part_id(part),
            kind=DocumentKind.TEXT,
            body=text.encode("utf-8", "replace"),
            media_type=PROBLEM_TYPE,
            title=title[-300:],
            source=self._place(part),
            text_hash="problem",
            full_hash="",
            parent=self.claimed.doc_hash,
        )

    def part_id(self, part: NumberedRow) -> str:
        """The id of a part without one: the same document when the source comes again with another text in it.

        A file of an archive is known by its path in there, and a row by its number.
        """
        inner = part.file.name if part.file is not None else part.place or str(part.number)
        for source_id in (self.claimed.id, file_document_id(self.claimed.id)):
            for name in (inner, hashlib.sha256(inner.encode("utf-8", "replace")).hexdigest()[:32]):
                try:
                    check_document_id(f"{source_id}#{name}")
                except InvalidInput:
                    continue
                return f"{source_id}#{name}"
        raise AssertionError("a hash of a hash is always an id")

    def _id_apart(self, part: NumberedRow) -> str:
        seed = f"{self.claimed.doc_hash}\0problem\0{part.number}"
        return "problem-" + hashlib.sha256(seed.encode()).hexdigest()[:32]

    def _file(self, part: NumberedRow, file: FileInput) -> NewDocument:
        name = f"{self.source.source or self.claimed.id}/{file.name}"
        given = FileInput(
            name, file.body, self.part_id(part), {**self.source.metadata, **file.metadata}, file.media_type
        )
        document = prepare_file(
            self.collection, given, max_bytes=self.limits.text_bytes, max_file_bytes=self.limits.file_bytes
        )
        if document.kind is DocumentKind.SOURCE:
            raise InvalidInput(
                f"{file.name[-120:]}: it holds many documents itself; unpack the archive and add it alone"
            )
        return replace(document, parent=self.claimed.doc_hash)

    def _place(self, part: NumberedRow) -> str:
        """Where a part stands, for people: "notes/cities.csv, row 3", "papers.zip/2024/one.pdf"."""
        if part.place and self.source.source:
            return f"{self.source.source}/{part.place}"[-_PLACE_CHARS:]
        if part.place:
            return part.place[-_PLACE_CHARS:]
        return f"{self.source.source}, row {part.number}" if self.source.source else ""
