"""The index on Redis: the one module through which documents, vectors and queries reach the Query Engine.

Every command is one raw ``execute_command``; a search is two of them (neighbours, then heads and passages).
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import numpy as np
import redis
from numpy.typing import NDArray

from services.collections.values import Collection
from services.embedding.vectors import from_bytes
from services.errors import IndexRebuilding
from services.ids import chunk_prefix, counters_key, hash_document_id, head_key, head_prefix, rebuild_key
from services.index import scripts
from services.index.faults import absent, index_errors, timed_out
from services.index.filters import Filter
from services.index.packing import pack_vector
from services.index.protocol import EF_RUNTIME, TIMEOUT_MS, VectorIndex
from services.index.purge import purge_keys
from services.index.records import (
    CHUNK_NAMES,
    HEAD_NAMES,
    PASSAGE_NAMES,
    Row,
    chunk_from,
    head_from,
    hit_from,
    neighbours_from,
    rebuilding_from,
)
from services.index.render import NearestQuery, create_index, name_of, search_nearest
from services.index.values import (
    Chunk,
    DocumentHead,
    FoundDocument,
    IndexInfo,
    Neighbour,
    Outcome,
    Resolved,
    WriteOutcome,
)
from services.index.writer import DocumentWriter, pack_document
from services.redis_clients import Client

HEADS_PER_CALL = 500


class RedisIndex(VectorIndex):
    """A vector index on a Redis with the Query Engine.

    Args:
        client: from ``services.redis_clients.connect``; replies must be bytes in the RESP2 shapes.
    """

    def __init__(self, client: Client) -> None:
        self._client = client

    def create(self, collection: Collection) -> None:
        """Makes the index; another process that makes it at the same time does no harm."""
        with index_errors():
            try:
                self._client.execute_command(*create_index(collection))
            except redis.ResponseError as error:
                text = str(error).lower()
                # A full server refuses the command before it looks whether the index is there.
                is_there = "already exists" in text or ("when used memory" in text and self.exists(collection))
                if not is_there:
                    raise

    def drop(self, collection: Collection) -> None:
        """Takes the index away; the hashes it covered stay until they are purged."""
        with suppress(IndexRebuilding), index_errors():
            self._client.execute_command("FT.DROPINDEX", name_of(collection))

    def exists(self, collection: Collection) -> bool:
        """Whether the index exists."""
        try:
            self._info(collection)
        except IndexRebuilding:
            return False
        return True

    def write(self, collection: Collection, head: DocumentHead, chunks: Sequence[Chunk]) -> WriteOutcome:
        """Replaces a document; see the protocol."""
        doc_hash = hash_document_id(head.id)
        packed = pack_document(collection, doc_hash, head, chunks)
        with index_errors():
            return DocumentWriter(self._client, collection, doc_hash, head.generation, head.attempt).write(packed)

    def copy_metadata(self, collection: Collection, head: DocumentHead) -> WriteOutcome:
        """Writes the visible chunks again under a new head; see the protocol.

        Reading and writing are two calls. A version that gets in between is either newer, and then this write is
        stale, or older, and then these chunks are still right: they were made from ``head.text_hash``.
        """
        visible, chunks = self._read(collection, hash_document_id(head.id))
        if visible is None or visible.text_hash != head.text_hash or not chunks or len(chunks) < visible.chunks:
            return WriteOutcome(Outcome.MISSING, 0, 0)
        return self.write(collection, head, chunks)

    def delete(self, collection: Collection, doc_hash: str, generation: int, attempt: int) -> WriteOutcome:
        """Leaves a tombstone; see the protocol."""
        with index_errors():
            return DocumentWriter(self._client, collection, doc_hash, generation, attempt).delete()

    def heads(self, collection: Collection, doc_hashes: Sequence[str]) -> list[DocumentHead | None]:
        """Heads in the order of ``doc_hashes``; 500 per call to the server."""
        rows: list[Row] = []
        keys = [head_key(collection.id, collection.version, doc_hash) for doc_hash in doc_hashes]
        with index_errors():
            for first in range(0, len(keys), HEADS_PER_CALL):
                rows += scripts.load("heads").run(self._client, keys[first : first + HEADS_PER_CALL], HEAD_NAMES)
        return [head_from(row) for row in rows]

    def nearest(
        self,
        collection: Collection,
        vector: NDArray[np.float32],
        *,
        k: int,
        filter: Filter | None = None,
        ef_runtime: int = EF_RUNTIME,
        timeout_ms: int = TIMEOUT_MS,
        without: Sequence[str] = (),
    ) -> list[Neighbour]:
        """One FT.SEARCH; see the protocol.

        A server whose policy is not ON_TIMEOUT FAIL answers a query that ran out of time with nothing and no error: so
        an empty answer that took the whole limit counts as one.
        """
        packed = pack_vector(vector, collection)
        query = NearestQuery(packed, k, ef_runtime, timeout_ms, filter, without)
        started = time.monotonic()
        with index_errors():
            reply = self._client.execute_command(*search_nearest(collection, query))
        neighbours = neighbours_from(reply)
        if not neighbours and time.monotonic() - started >= timeout_ms / 1000:
            raise timed_out()
        return neighbours

    def resolve(self, collection: Collection, neighbours: Sequence[Neighbour], *, offset: int, limit: int) -> Resolved:
        """One read-only script; see the protocol."""
        place = collection.id, collection.version
        arguments: list[scripts.Argument] = [head_prefix(*place), chunk_prefix(*place), offset, limit]
        arguments += [len(HEAD_NAMES), len(PASSAGE_NAMES), *HEAD_NAMES, *PASSAGE_NAMES]
        for near in neighbours:
            arguments += [near.doc_hash, near.generation, near.ordinal]
        with index_errors():
            reply = scripts.load("resolve").run(
                self._client, [counters_key(*place), rebuild_key(collection.id)], arguments
            )
        documents, mark, valid, walked, moved, rows, emptied = reply
        if emptied:  # since the neighbours were found; "nothing found" would be a lie
            raise absent()
        found = []
        for number, head_row, passage in zip(rows[::3], rows[1::3], rows[2::3], strict=True):
            head = head_from(head_row)
            if head is not None:
                found.append(FoundDocument(hit_from(neighbours[number], passage), head))
        return Resolved(
            found=tuple(found),
            valid=valid,
            walked=walked,
            moved={hash_.decode("ascii"): int(new) for hash_, new in zip(moved[::2], moved[1::2], strict=True)},
            documents=int(documents or 0),
            rebuilding=rebuilding_from(mark),
        )

    def chunks(self, collection: Collection, doc_hash: str) -> list[Chunk]:
        """The visible chunks with their vectors as the index holds them; see the protocol."""
        return self._read(collection, doc_hash)[1]

    def info(self, collection: Collection) -> IndexInfo:
        """FT.INFO and the index's own counters."""
        facts = self._info(collection)
        with index_errors():
            names = ("documents", "sequence")
            counts = self._client.execute_command("HMGET", counters_key(collection.id, collection.version), *names)
        return IndexInfo(
            documents=int(counts[0] or 0),
            chunks=int(facts[b"num_docs"]),
            failures=int(facts[b"hash_indexing_failures"]),
            indexing=int(facts[b"indexing"]) != 0,
            sequence=int(counts[1] or 0),
        )

    def is_scanning(self, collection: Collection) -> bool:
        """FT.INFO alone: 20 us on the server, little more than a PING; so searches need not remember it."""
        return int(self._info(collection)[b"indexing"]) != 0

    def purge(self, collection_id: str, limit: int) -> int:
        """Clears a deleted collection slice by slice; see the protocol."""
        with index_errors():
            return purge_keys(self._client, collection_id, limit)

    def _info(self, collection: Collection) -> dict[bytes, Any]:
        with index_errors():
            reply = self._client.execute_command("FT.INFO", name_of(collection))
        return dict(zip(reply[::2], reply[1::2], strict=True))

    def _read(self, collection: Collection, doc_hash: str) -> tuple[DocumentHead | None, list[Chunk]]:
        place = collection.id, collection.version
        prefix = f"{chunk_prefix(*place)}{{{doc_hash}}}:"
        arguments: list[scripts.Argument] = [prefix, len(HEAD_NAMES), *HEAD_NAMES, *CHUNK_NAMES]
        with index_errors():
            head_row, rows = scripts.load("chunks").run(self._client, [head_key(*place, doc_hash)], arguments)
        chunks = [
            chunk_from(ordinal, row, from_bytes(row[-1], collection.vector_type))
            for ordinal, row in enumerate(rows)
            if row[-1] is not None
        ]
        return head_from(head_row), chunks
