"""What the ledger knows, for people, the API and the pipeline. Reads only."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from services.errors import InvalidInput
from services.ids import hash_document_id
from services.ledger import keys
from services.ledger.part import LedgerPart
from services.ledger.records import document_record, hash_of
from services.ledger.values import CollectionCounts, DocumentRecord, DocumentState, Page

COUNTED_STATES = (
    DocumentState.PENDING,
    DocumentState.PROCESSING,
    DocumentState.READY,
    DocumentState.FAILED,
    DocumentState.CANCELLED,
    DocumentState.DELETED,
)


class Reading(LedgerPart):
    """The part of the ledger that answers questions."""

    def document(self, collection_id: str, document_id: str) -> DocumentRecord | None:
        """One document by its id, deleted ones included; None when it was never accepted."""
        return self.records(collection_id, [hash_document_id(document_id)])[0]

    def records(self, collection_id: str, doc_hashes: Sequence[str]) -> list[DocumentRecord | None]:
        """Documents by their hashes, in that order; None where there is none."""
        names = [keys.document(collection_id, doc_hash) for doc_hash in doc_hashes]
        replies = self.link.read(lambda pipe: [pipe.hgetall(name) for name in names])
        return [
            document_record(collection_id, doc_hash, hash_of(reply)) if reply else None
            for doc_hash, reply in zip(doc_hashes, replies, strict=True)
        ]

    def documents(
        self, collection_id: str, *, cursor: str = "", limit: int = 50, state: DocumentState | None = None
    ) -> Page[DocumentRecord]:
        """A page of a collection's documents, last accepted first; without ``state`` all that are not deleted.

        The place of a document in the list never changes, so pages have no gap and no repeat.

        Raises:
            InvalidInput: a cursor that is not one of ours.
        """
        key = keys.in_state(collection_id, state) if state else keys.all_documents(collection_id)
        found, next_cursor = self._page(key, cursor, limit)
        return Page(self._present(collection_id, found), next_cursor)

    def job_documents(
        self, collection_id: str, job_id: str, *, cursor: str = "", limit: int = 50
    ) -> Page[DocumentRecord]:
        """A page of the documents that a job took in, last one first, as they are now. Raises as ``documents``."""
        found, next_cursor = self._page(keys.job_documents(job_id), cursor, limit)
        return Page(self._present(collection_id, found), next_cursor)

    def counts(self, collection_id: str) -> CollectionCounts:
        """How many documents are in which state, how many can be found, how many wait."""

        def ask(pipe: Any) -> None:
            for state in COUNTED_STATES:
                pipe.zcard(keys.in_state(collection_id, state))
            for lane in keys.LANES:
                pipe.zcard(keys.due(collection_id, lane))
            pipe.zcard(keys.visible(collection_id))
            pipe.hget(keys.collection(collection_id), "chunks")

        replies = self.link.read(ask)
        states = dict(zip((state.value for state in COUNTED_STATES), replies, strict=False))
        waiting = sum(replies[len(COUNTED_STATES) : -2])
        return CollectionCounts(states, searchable=replies[-2], chunks=int(replies[-1] or 0), waiting=waiting)

    def in_flight(self, collection_id: str) -> int:
        """Accepted documents whose wanted generation has not come to an end yet."""
        states = (DocumentState.PENDING, DocumentState.PROCESSING)
        return sum(self.link.read(lambda pipe: [pipe.zcard(keys.in_state(collection_id, state)) for state in states]))

    def children(
        self, collection_id: str, doc_hash: str, older_than_generation: int, limit: int = 1000
    ) -> tuple[str, ...]:
        """Ids of documents that a SOURCE was expanded into by an earlier version and not by this one.

        Deleting them (as children, with the source's generation) takes them off the list.
        """
        (hashes,) = self.link.read(
            lambda pipe: pipe.zrangebyscore(
                keys.children(collection_id, doc_hash), "-inf", f"({older_than_generation}", start=0, num=limit
            )
        )
        names = [keys.document(collection_id, child.decode()) for child in hashes]
        ids = self.link.read(lambda pipe: [pipe.hget(name, "id") for name in names]) if names else []
        return tuple(found.decode("utf-8") for found in ids if found is not None)

    def rebuilding(self, collection_id: str) -> tuple[int, int] | None:
        """(searchable again, expected) while the index is known to lack documents; None when it lacks none."""
        visible, lost, full = self.link.read(
            lambda pipe: (
                pipe.zcard(keys.visible(collection_id)),
                pipe.scard(keys.lost(collection_id)),
                pipe.hmget(keys.collection(collection_id), "wiped", "confirmed", "scanning"),
            )
        )
        wiped, confirmed, scanning = full
        if visible + lost == 0 or not (lost or wiped or scanning):
            return None
        known = 0 if scanning else int(confirmed or 0) if wiped else visible
        return min(known, visible), visible + lost

    def collection_ids(self) -> list[str]:
        """Collections that the ledger holds anything of."""
        (found,) = self.link.read(lambda pipe: pipe.smembers(keys.COLLECTIONS))
        return sorted(member.decode() for member in found)

    def _page(self, key: str, cursor: str, limit: int) -> tuple[list[tuple[str, str]], str]:
        if cursor and not (cursor.isascii() and cursor.isdigit() and len(cursor) <= 16):
            raise InvalidInput(
                f"cursor {cursor[:80]!r} is not one that a list has given; leave it out to begin anew",
                code="bad-cursor",
                pointer="/cursor",
            )
        start = f"({cursor}" if cursor else "+inf"
        (rows,) = self.link.read(
            lambda pipe: pipe.zrevrangebyscore(key, start, "-inf", start=0, num=limit + 1, withscores=True)
        )
        found = [(member.decode(), str(int(score))) for member, score in rows]
        more = len(found) > limit
        return found[:limit], found[limit - 1][1] if more else ""

    def _present(self, collection_id: str, found: Sequence[tuple[str, str]]) -> tuple[DocumentRecord, ...]:
        records = self.records(collection_id, [doc_hash for doc_hash, _ in found]) if found else []
        return tuple(record for record in records if record is not None)
