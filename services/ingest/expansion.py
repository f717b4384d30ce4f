"""A source becomes documents: row by row, in slices that survive any crash, under the source's own generation.

Rows that an earlier slice has handled are recognised by the ledger, so a slice that is repeated doubles nothing. Rows
that the source no longer has are deleted at the end. A row that cannot be read becomes a failed document that says why.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from services.collections.values import Collection
from services.errors import InvalidInput
from services.ids import file_document_id, hash_document_id
from services.ingest.accept import Acceptor
from services.ingest.cleaning import MAX_ID_BYTES
from services.ingest.lease import Lease
from services.ingest.prepare import coerce_cells, prepare_text
from services.ingest.reading import PROBLEM_TYPE
from services.ingest.tabular import CSV, NumberedRow, read_rows
from services.ingest.values import TextInput
from services.ledger.ledger import Ledger
from services.ledger.values import ClaimedDocument, DocumentKind, DocumentState, NewDocument

SLICE_ROWS = 200
SLICE_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Expander:
    """Expands sources of one collection.

    Args:
        max_bytes: the largest text of one row.
        is_over: whether the slice has lasted long enough.
    """

    collection: Collection
    ledger: Ledger
    acceptor: Acceptor
    max_bytes: int
    is_over: Callable[[], bool]

    def expand(self, claimed: ClaimedDocument, source: NewDocument, lease: Lease) -> bool:
        """Takes the next rows in; True when all rows are in and what is gone from the source is being deleted.

        Raises:
            InvalidInput: the source cannot be read (on); rows before that are in.
            LeaseLost: it is in other hands.
        """
        record = self.ledger.records(claimed.collection_id, [claimed.doc_hash])[0]
        children, cursor = record.children if record else 0, claimed.cursor
        for rows in _slices(read_rows(source.media_type, io.BytesIO(source.body), after=cursor)):
            if self.is_over() and cursor != claimed.cursor:
                return False
            documents = self._own(list(self._documents(rows, claimed, source)), rows, claimed, source)
            answer = self.acceptor.add_children(
                self.collection, documents, job_id=claimed.job_id, generation=claimed.generation
            )
            children += sum(taken.outcome != "stale" for taken in answer.documents)
            cursor = rows[-1].number
            self.ledger.save_cursor(claimed, lease.token, cursor, children)
            lease.progress()
        if children == 0:
            raise InvalidInput(
                "there are no documents in this file; each line, row or item is one", code="empty-source"
            )
        return self.remove_gone(claimed, lease)

    def remove_gone(self, claimed: ClaimedDocument, lease: Lease) -> bool:
        """Deletes what an earlier version of the source was expanded into and this one is not; True when all is."""
        while True:
            ids = self.ledger.children(claimed.collection_id, claimed.doc_hash, claimed.generation, SLICE_ROWS)
            if not ids:
                return True
            if self.is_over():
                return False
            gone = [NewDocument(id=id, kind=DocumentKind.DELETE, parent=claimed.doc_hash) for id in ids]
            self.acceptor.add_children(self.collection, gone, job_id=claimed.job_id, generation=claimed.generation)
            lease.progress()

    def _documents(
        self, rows: list[NumberedRow], claimed: ClaimedDocument, source: NewDocument
    ) -> Iterator[NewDocument]:
        seen: dict[str, int] = {}
        for row in rows:
            try:
                document = self._document(row, claimed, source)
                if document.id in seen:
                    raise InvalidInput(f"its id {document.id[:80]!r} stands already in row {seen[document.id]}")
            except InvalidInput as error:
                document = _problem(row.number, error.message, claimed, source)
            seen[document.id] = row.number
            yield document

    def _own(
        self, documents: list[NewDocument], rows: list[NumberedRow], claimed: ClaimedDocument, source: NewDocument
    ) -> list[NewDocument]:
        """A row whose id belongs to a document from elsewhere becomes a failed one; taking it over would lose that."""
        records = self.ledger.records(claimed.collection_id, [hash_document_id(document.id) for document in documents])
        for position, record in enumerate(records):
            if record and record.state is not DocumentState.DELETED and record.parent != claimed.doc_hash:
                owner = record.source or record.title[:80] or "added on its own"
                reason = (
                    f"its id {record.id[:80]!r} belongs already to another document ({owner}); "
                    "give it another id, or delete that one"
                )
                documents[position] = _problem(rows[position].number, reason, claimed, source)
        return documents

    def _document(self, numbered: NumberedRow, claimed: ClaimedDocument, source: NewDocument) -> NewDocument:
        row = numbered.row
        if row is None:
            raise InvalidInput(numbered.problem)
        metadata = {**source.metadata, **row.metadata}
        if source.media_type == CSV:
            metadata = coerce_cells(metadata, self.collection)
        given = TextInput(row.id, row.text, row.title, row.url, metadata)
        document_id = row.id or _child_id(claimed.id, numbered.number)
        document = prepare_text(self.collection, given, document_id, max_bytes=self.max_bytes, parent=claimed.doc_hash)
        return replace(document, source=_place(source, numbered.number))


def _slices(rows: Iterator[NumberedRow]) -> Iterator[list[NumberedRow]]:
    current: list[NumberedRow] = []
    size = 0
    for row in rows:
        current.append(row)
        size += len(row.row.text) if row.row else 0
        if len(current) >= SLICE_ROWS or size >= SLICE_BYTES:
            yield current
            current, size = [], 0
    if current:
        yield current


def _child_id(source_id: str, number: int) -> str:
    """The id of a row without one: the same document when the source comes again with another text in this row."""
    plain = f"{source_id}#{number}"
    return plain if len(plain.encode()) <= MAX_ID_BYTES else f"{file_document_id(source_id)}#{number}"


def _place(source: NewDocument, number: int) -> str:
    """Where a row stands, for people: "notes/cities.csv, row 3"."""
    return f"{source.source}, row {number}" if source.source else ""


def _problem(number: int, message: str, claimed: ClaimedDocument, source: NewDocument) -> NewDocument:
    text = f"row {number}: {message}"
    return NewDocument(
        id=_child_id(claimed.id, number),
        kind=DocumentKind.TEXT,
        body=text.encode("utf-8", "replace"),
        media_type=PROBLEM_TYPE,
        title=f"row {number}",
        source=_place(source, number),
        text_hash="problem",
        full_hash="",
        parent=claimed.doc_hash,
    )
