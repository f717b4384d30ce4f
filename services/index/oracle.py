"""The exact index: numpy over everything, in memory. It is the honest fake in tests and the measure of recall."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from services.collections.values import Collection, VectorType
from services.ids import hash_document_id
from services.index.faults import absent
from services.index.filters import AllOf, AnyOf, Filter, InRange, Not, TagIn
from services.index.metadata import IndexedValue, validate_metadata
from services.index.packing import pack_vectors
from services.index.protocol import EF_RUNTIME, TIMEOUT_MS, VectorIndex
from services.index.records import nearest_first
from services.index.values import (
    Chunk,
    ChunkHit,
    DocumentHead,
    FoundDocument,
    IndexInfo,
    Neighbour,
    Outcome,
    Rebuilding,
    Resolved,
    WriteOutcome,
)


def matches(filter_: Filter, values: Mapping[str, IndexedValue]) -> bool:
    """Whether a document's indexed values meet a filter: what every index has to agree with."""
    match filter_:
        case TagIn(name, wanted):
            tags = values.get(name, ())
            return isinstance(tags, tuple) and any(tag in wanted for tag in tags)
        case InRange(name, low, high):
            number = values.get(name)
            return isinstance(number, float) and low <= number <= high
        case AllOf(parts):
            return all(matches(part, values) for part in parts)
        case AnyOf(parts):
            return any(matches(part, values) for part in parts)
        case Not(part):
            return not matches(part, values)


@dataclass(slots=True)
class _Document:
    head: DocumentHead
    chunks: list[Chunk]
    values: Mapping[str, IndexedValue]


@dataclass(slots=True)
class _Store:
    documents: dict[str, _Document] = field(default_factory=dict)
    created: bool = False
    sequence: int = 0


class NumpyIndex(VectorIndex):
    """An index in this process's memory that ranks by exact cosine, in double precision."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._stores: dict[tuple[str, int], _Store] = {}
        self._rebuilding: dict[str, Rebuilding] = {}

    def create(self, collection: Collection) -> None:
        """Makes the index."""
        with self._lock:
            self._store(collection).created = True

    def drop(self, collection: Collection) -> None:
        """Takes the index away, not the documents."""
        with self._lock:
            self._store(collection).created = False

    def exists(self, collection: Collection) -> bool:
        """Whether the index exists."""
        with self._lock:
            return self._store(collection).created

    def write(self, collection: Collection, head: DocumentHead, chunks: Sequence[Chunk]) -> WriteOutcome:
        """Replaces a document."""
        if not chunks or [chunk.ordinal for chunk in chunks] != list(range(len(chunks))):
            raise ValueError(f"document {head.id!r} needs chunks with ordinals 0, 1, 2 ...")
        values = validate_metadata(head.metadata, collection)
        pack_vectors([chunk.vector for chunk in chunks], collection)
        kept = [replace(chunk, vector=_rounded(chunk.vector, collection.vector_type)) for chunk in chunks]
        return self._put(collection, hash_document_id(head.id), _Document(replace(head, live=True), kept, values))

    def copy_metadata(self, collection: Collection, head: DocumentHead) -> WriteOutcome:
        """Gives a document a new head."""
        with self._lock:
            known = self._store(collection).documents.get(hash_document_id(head.id))
        if known is None or not known.head.live or known.head.text_hash != head.text_hash:
            return WriteOutcome(Outcome.MISSING, 0, 0)
        return self.write(collection, head, known.chunks)

    def delete(self, collection: Collection, doc_hash: str, generation: int, attempt: int) -> WriteOutcome:
        """Leaves a tombstone."""
        head = DocumentHead(generation, attempt, 0, False, 0, "", "", "", "", "", "", {}, 0)
        return self._put(collection, doc_hash, _Document(head, [], {}))

    def heads(self, collection: Collection, doc_hashes: Sequence[str]) -> list[DocumentHead | None]:
        """Heads in the order of ``doc_hashes``."""
        with self._lock:
            documents = self._store(collection).documents
            return [documents[doc_hash].head if doc_hash in documents else None for doc_hash in doc_hashes]

    def nearest(
        self,
        collection: Collection,
        vector: NDArray[np.float32],
        *,
        k: int,
        filter: Filter | None = None,
        ef_runtime: int = EF_RUNTIME,  # noqa: ARG002
        timeout_ms: int = TIMEOUT_MS,  # noqa: ARG002
        without: Sequence[str] = (),
    ) -> list[Neighbour]:
        """The nearest chunks, found by looking at all of them."""
        pack_vectors([vector], collection)
        wanted = _rounded(vector, collection.vector_type).astype(np.float64)
        with self._lock:
            store = self._store(collection)
            if not store.created:
                raise absent()
            near = [
                Neighbour(doc_hash, document.head.generation, chunk.ordinal, _distance(wanted, chunk.vector))
                for doc_hash, document in store.documents.items()
                if doc_hash not in without and (filter is None or matches(filter, document.values))
                for chunk in document.chunks
            ]
        return sorted(near, key=nearest_first)[:k]

    def resolve(self, collection: Collection, neighbours: Sequence[Neighbour], *, offset: int, limit: int) -> Resolved:
        """Compares neighbours with heads."""
        found: list[FoundDocument] = []
        moved: dict[str, int] = {}
        valid = walked = 0
        with self._lock:
            documents = self._store(collection).documents
            for near in neighbours:
                if valid > offset + limit:
                    break
                walked += 1
                document = documents.get(near.doc_hash)
                if document is None or not document.head.live:
                    continue
                if document.head.generation == near.generation and near.ordinal < len(document.chunks):
                    if offset <= valid < offset + limit:
                        found.append(FoundDocument(_hit(near, document.chunks[near.ordinal]), document.head))
                    valid += 1
                elif document.head.generation > near.generation:
                    moved[near.doc_hash] = document.head.generation
            live = sum(document.head.live for document in documents.values())
            return Resolved(tuple(found), valid, walked, moved, live, self._rebuilding.get(collection.id))

    def chunks(self, collection: Collection, doc_hash: str) -> list[Chunk]:
        """The visible chunks."""
        with self._lock:
            document = self._store(collection).documents.get(doc_hash)
            return list(document.chunks) if document else []

    def info(self, collection: Collection) -> IndexInfo:
        """Counts."""
        with self._lock:
            store = self._store(collection)
            if not store.created:
                raise absent()
            live = [document for document in store.documents.values() if document.head.live]
            return IndexInfo(len(live), sum(len(document.chunks) for document in live), 0, False, store.sequence)

    def purge(self, collection_id: str, limit: int) -> int:
        """Forgets a collection, ``limit`` documents at a time."""
        removed = 0
        with self._lock:
            for place in [place for place in self._stores if place[0] == collection_id]:
                store = self._stores[place]
                store.created = False
                while store.documents and removed < limit:
                    store.documents.popitem()
                    removed += 1
                if not store.documents:
                    del self._stores[place]
        return removed

    def mark_rebuilding(self, collection: Collection, mark: Rebuilding | None) -> None:
        """Sets or clears what the keeper would write while the index is incomplete."""
        with self._lock:
            if mark is None:
                self._rebuilding.pop(collection.id, None)
            else:
                self._rebuilding[collection.id] = mark

    def _store(self, collection: Collection) -> _Store:
        return self._stores.setdefault((collection.id, collection.version), _Store())

    def _put(self, collection: Collection, doc_hash: str, document: _Document) -> WriteOutcome:
        with self._lock:
            store = self._store(collection)
            known = store.documents.get(doc_hash)
            if known is not None:
                mine = document.head.generation, document.head.attempt
                theirs = known.head.generation, known.head.attempt
                if mine <= theirs:
                    outcome = Outcome.ALREADY if mine == theirs else Outcome.STALE
                    return WriteOutcome(outcome, known.head.sequence, known.head.chunks)
            store.sequence = max(store.sequence + 1, time.time_ns() // 1000)
            count = len(document.chunks)
            document.head = replace(document.head, chunks=count, sequence=store.sequence)
            store.documents[doc_hash] = document
            return WriteOutcome(Outcome.WRITTEN, store.sequence, count)


def _rounded(vector: NDArray[np.float32], vector_type: VectorType) -> NDArray[np.float32]:
    stored = np.float16 if vector_type is VectorType.FLOAT16 else np.float32
    return np.asarray(vector).astype(stored).astype(np.float32)


def _distance(wanted: NDArray[np.float64], vector: NDArray[np.float32]) -> float:
    other = vector.astype(np.float64)
    return float(1.0 - wanted @ other / (np.linalg.norm(wanted) * np.linalg.norm(other)))


def _hit(near: Neighbour, chunk: Chunk) -> ChunkHit:
    return ChunkHit(
        doc_hash=near.doc_hash,
        generation=near.generation,
        ordinal=near.ordinal,
        text=chunk.text,
        start=chunk.start,
        end=chunk.end,
        heading=chunk.heading,
        page=chunk.page,
        distance=near.distance,
    )
