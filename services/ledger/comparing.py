"""Compares documents of a collection with the index, slice by slice, and has repaired what differs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from services.collections.values import Collection
from services.index.values import DocumentHead, IndexInfo, WriteOutcome
from services.ledger import keys
from services.ledger.compare import Verdict, judge
from services.ledger.ledger import Ledger
from services.ledger.upkeep import Loss
from services.ledger.values import DocumentRecord, DocumentState


class IndexSide(Protocol):
    """What the keeper needs of a vector index; ``services.index`` has the whole protocol."""

    def create(self, collection: Collection) -> None:
        """Makes the search index unless it exists."""

    def info(self, collection: Collection) -> IndexInfo:
        """Its state; raises IndexRebuilding when it does not exist."""

    def heads(self, collection: Collection, doc_hashes: Sequence[str]) -> list[DocumentHead | None]:
        """Heads in the order of the hashes."""

    def delete(self, collection: Collection, doc_hash: str, generation: int, attempt: int) -> WriteOutcome:
        """Removes a document and leaves a tombstone."""


@dataclass(frozen=True, slots=True)
class Compared:
    """What a stretch of comparing came to; ``cursor`` is "" when the end was reached."""

    documents: int = 0
    agreeing: int = 0
    requeued: int = 0
    adopted: int = 0
    ahead: int = 0
    cursor: str = ""

    def __add__(self, other: Compared) -> Compared:
        return Compared(
            self.documents + other.documents,
            self.agreeing + other.agreeing,
            self.requeued + other.requeued,
            self.adopted + other.adopted,
            self.ahead + other.ahead,
            other.cursor,
        )


NOTHING = Compared()


class Comparer:
    """Walks lists of a collection from their newest entry on."""

    def __init__(self, ledger: Ledger, index: IndexSide) -> None:
        self._ledger = ledger
        self._index = index

    def walk(self, collection: Collection, listed: str, cursor: str, most: int) -> Compared:
        """Compares the next documents of a list.

        Args:
            listed: "visible" (by finish sequence: what a crash of the index took comes first) or "all" (by accept
                sequence). Both go on with the deleted documents, whose tombstones may be lost too.
            cursor: "" for the beginning, or what the last call returned.
            most: documents at most.
        """
        part, _, score = cursor.partition(":")
        part = part or listed
        hashes, next_score = self._slice(collection.id, part, score, most)
        compared = self.compare(collection, hashes)
        if next_score:
            return compared + Compared(cursor=f"{part}:{next_score}")
        return compared + Compared(cursor="" if part == "deleted" else "deleted:")

    def compare(self, collection: Collection, doc_hashes: Sequence[str]) -> Compared:
        """Compares some documents, queues what the index lost, and marks done what the ledger gave up too early."""
        if not doc_hashes:
            return NOTHING
        records = self._ledger.records(collection.id, doc_hashes)
        heads = self._index.heads(collection, doc_hashes)
        pairs = [(record, head, judge(record, head)) for record, head in zip(records, heads, strict=True) if record]
        losses = [_loss(record) for record, _, verdict in pairs if verdict is Verdict.LOST]
        adopted = sum(
            self._ledger.adopt(
                collection.id,
                record.doc_hash,
                generation=record.wanted_generation,
                chunks=head.chunks,
                sequence=head.sequence,
            )
            for record, head, verdict in pairs
            if verdict is Verdict.DONE and head is not None
        )
        return Compared(
            documents=len(pairs),
            agreeing=sum(verdict is Verdict.AGREES for _, _, verdict in pairs),
            requeued=self._ledger.requeue_lost(collection.id, losses),
            adopted=adopted,
            ahead=sum(verdict is Verdict.AHEAD for _, _, verdict in pairs),
        )

    def _slice(self, collection_id: str, part: str, score: str, most: int) -> tuple[list[str], str]:
        key = {
            "visible": keys.visible(collection_id),
            "all": keys.all_documents(collection_id),
            "deleted": keys.in_state(collection_id, DocumentState.DELETED),
        }[part]
        start = f"({score}" if score else "+inf"
        (rows,) = self._ledger.link.read(
            lambda pipe: pipe.zrevrangebyscore(key, start, "-inf", start=0, num=most, withscores=True)
        )
        hashes = [member.decode() for member, _ in rows]
        return hashes, str(int(rows[-1][1])) if len(rows) == most else ""


def _loss(record: DocumentRecord) -> Loss:
    return Loss(record.doc_hash, record.wanted_generation, record.visible_generation)
