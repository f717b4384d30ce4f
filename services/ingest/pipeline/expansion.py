"""A source becomes documents: part by part, in slices that survive any crash, under the source's own generation.

Parts that an earlier slice has handled are recognised by the ledger, so a slice that is repeated doubles nothing. Parts
that the source no longer has are deleted at the end. One that cannot be read becomes a failed document that says why.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from services.collections.values import Collection
from services.errors import InvalidInput
from services.ids import hash_document_id
from services.ingest.accept import Acceptor
from services.ingest.extract.types import Tick
from services.ingest.pipeline.lease import Lease
from services.ingest.pipeline.members import MemberLimits, Members
from services.ingest.pipeline.reading import PROBLEM_TYPE
from services.ingest.rows.tabular import NumberedRow
from services.ingest.sandbox.sandbox import FileReader
from services.ledger.bodies import body_bytes, body_size
from services.ledger.ledger import Ledger
from services.ledger.values import ClaimedDocument, DocumentKind, DocumentRecord, DocumentState, NewDocument

SLICE_ROWS = 200
SLICE_BYTES = 1024 * 1024
MAX_PARTS = 1_000_000


@dataclass(frozen=True, slots=True)
class Expander:
    """Expands sources of one collection.

    Args:
        reader: gives the parts.
        limits: of a part.
        is_over: whether the slice has lasted long enough.
        tick: called while the reader is at work.
        warn: told once what is worth knowing about a source as a whole.
    """

    collection: Collection
    ledger: Ledger
    acceptor: Acceptor
    reader: FileReader
    limits: MemberLimits
    is_over: Callable[[], bool]
    tick: Tick
    warn: Callable[[Sequence[str]], None]

    def expand(self, claimed: ClaimedDocument, source: NewDocument, lease: Lease) -> bool:
        """Takes the next parts in; True when all are in and what is gone from the source is being deleted.

        Raises:
            InvalidInput: the source cannot be read (on); parts before that are in.
            ExtractionFailed: its reading crashed or was over a limit; likewise.
            LeaseLost: it is in other hands.
        """
        record = self.ledger.records(claimed.collection_id, [claimed.doc_hash])[0]
        children, cursor = record.children if record else 0, claimed.cursor
        members = Members(self.collection, claimed, source, self.limits)
        more = True
        while more:
            found = self.reader.rows(source.media_type, source.body, name=source.source, after=cursor, tick=self.tick)
            more = found.more
            for parts in _slices(found.rows):
                if (self.is_over() and cursor != claimed.cursor) or self._is_crowded(claimed):
                    return False
                self.warn([warning for part in parts for warning in part.warnings])
                documents = self._own(list(_documents(parts, members)), parts, members)
                answer = self.acceptor.add_children(
                    self.collection, documents, job_id=claimed.job_id, generation=claimed.generation
                )
                children += sum(taken.outcome != "stale" for taken in answer.documents)
                cursor = parts[-1].number
                self.ledger.save_cursor(claimed, lease.token, cursor, children)
                lease.progress()
                if children > MAX_PARTS:
                    raise InvalidInput(
                        f"it holds more than {MAX_PARTS:,} documents; those before were taken. Split it into several",
                        code="too-many-parts",
                    )
        if children == 0:
            raise InvalidInput(
                "there are no documents in this file; each line, row or item is one", code="empty-source"
            )
        return self.remove_gone(claimed, lease)

    def _is_crowded(self, claimed: ClaimedDocument) -> bool:
        """Half of the queue is for what people send; the parts of one large source must not shut them out."""
        return self.ledger.in_flight(claimed.collection_id) > self.limits.queue_documents // 2

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

    def _own(self, documents: list[NewDocument], parts: list[NumberedRow], members: Members) -> list[NewDocument]:
        """A part whose id belongs to a document from elsewhere becomes a failed one; taking it over would lose that."""
        for position, record in enumerate(self._records(documents)):
            if record is not None and record.parent != members.claimed.doc_hash:
                owner = record.source or record.title[:80] or "added on its own"
                reason = (
                    f"its id {record.id[:80]!r} belongs already to another document ({owner}); "
                    "give it another id, or delete that one"
                )
                documents[position] = members.problem(parts[position], reason)
        return self._set_apart(documents, parts, members)

    def _set_apart(self, documents: list[NewDocument], parts: list[NumberedRow], members: Members) -> list[NewDocument]:
        """What stands for a bad part must not have the id of a good document either, from wherever that is."""
        positions = [n for n, document in enumerate(documents) if document.media_type == PROBLEM_TYPE]
        good = {document.id for document in documents if document.media_type != PROBLEM_TYPE}
        found = self._records([documents[position] for position in positions])
        for position, record in zip(positions, found, strict=True):
            document = documents[position]
            if document.id in good or (record is not None and _would_hide(record, members.claimed)):
                reason = body_bytes(document.body).decode("utf-8", "replace")
                documents[position] = members.problem(parts[position], reason, apart=True)
        return documents

    def _records(self, documents: Sequence[NewDocument]) -> list[DocumentRecord | None]:
        """What the ledger has under the ids of documents, deleted ones left out."""
        hashes = [hash_document_id(document.id) for document in documents]
        found = self.ledger.records(self.collection.id, hashes) if hashes else []
        return [record if record and record.state is not DocumentState.DELETED else None for record in found]


def _would_hide(record: DocumentRecord, claimed: ClaimedDocument) -> bool:
    """Whether the document is somebody else's, or a good part that an earlier slice has taken."""
    is_good_part = record.wanted_generation == claimed.generation and record.media_type != PROBLEM_TYPE
    return record.parent != claimed.doc_hash or is_good_part


def _documents(parts: list[NumberedRow], members: Members) -> Iterator[NewDocument]:
    seen: dict[str, int] = {}
    for part in parts:
        try:
            document = members.document(part)
            if document.id in seen:
                raise InvalidInput(f"its id {document.id[:80]!r} stands already in row {seen[document.id]}")
        except InvalidInput as error:
            document = members.problem(part, error.message)
            if document.id in seen:
                document = members.problem(part, error.message, apart=True)
        seen[document.id] = part.number
        yield document


def _slices(parts: Sequence[NumberedRow]) -> Iterator[list[NumberedRow]]:
    current: list[NumberedRow] = []
    size = 0
    for part in parts:
        current.append(part)
        size += len(part.row.text) if part.row else body_size(part.file.body) if part.file else 0
        if len(current) >= SLICE_ROWS or size >= SLICE_BYTES:
            yield current
            current, size = [], 0
    if current:
        yield current
