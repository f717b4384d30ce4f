"""An index that keeps heads and nothing else, as hashes on the real index server: what the keeper looks at.

It obeys the rule of the real one: a write that is not newer than the head changes nothing, a delete leaves a tombstone,
and the finish sequence only rises. Flushing or killing the server does to it what it does to the real one.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from services.collections.values import Algorithm, Chunking, Collection, VectorType
from services.errors import IndexRebuilding
from services.ids import counters_key, head_key
from services.index.values import DocumentHead, IndexInfo, Outcome, WriteOutcome
from services.ledger.redis_link import redis_errors
from services.redis_clients import Client


def collection(id: str, name: str = "docs") -> Collection:
    return Collection(
        id=id,
        name=name,
        description="",
        model="hash",
        fingerprint="f" * 32,
        dim=8,
        vector_type=VectorType.FLOAT32,
        algorithm=Algorithm.FLAT,
        chunking=Chunking(),
        fields=(),
        language="en",
        created_at_ms=0,
    )


class HeadIndex:
    """The stand-in. ``body`` stands for the chunks of a document."""

    def __init__(self, client: Client) -> None:
        self.client = client

    def create(self, collection: Collection) -> None:
        with redis_errors("index"):
            self.client.set(f"test:index:{collection.id}", 1)

    def info(self, collection: Collection) -> IndexInfo:
        with redis_errors("index"):
            if not self.client.exists(f"test:index:{collection.id}"):
                raise IndexRebuilding("no such index")
            sequence = self.client.hget(counters_key(collection.id, 1), "sequence")
        return IndexInfo(documents=0, chunks=0, failures=0, indexing=False, sequence=int(sequence or 0))

    def heads(self, collection: Collection, doc_hashes: Sequence[str]) -> list[DocumentHead | None]:
        with redis_errors("index"):
            rows = [self.client.hgetall(head_key(collection.id, 1, doc_hash)) for doc_hash in doc_hashes]
        return [self._head(row) if row else None for row in rows]

    def write(
        self, collection: Collection, doc_hash: str, generation: int, attempt: int, body: str, *, live: bool = True
    ) -> WriteOutcome:
        with redis_errors("index"):
            key = head_key(collection.id, 1, doc_hash)
            row = self.client.hgetall(key)
            known = (int(row[b"gen"]), int(row[b"att"])) if row else (0, 0)
            if known >= (generation, attempt):
                outcome = Outcome.ALREADY if known == (generation, attempt) else Outcome.STALE
                return WriteOutcome(outcome, int(row[b"seq"]), int(row[b"n"]))
            seconds, micros = self.client.time()
            place = counters_key(collection.id, 1)
            sequence = max(int(self.client.hget(place, "sequence") or 0) + 1, seconds * 1_000_000 + micros)
            chunks = len(body) if live else 0
            pipe = self.client.pipeline()
            pipe.hset(place, "sequence", sequence)
            fields = {"gen": generation, "att": attempt, "n": chunks, "live": int(live), "seq": sequence, "body": body}
            pipe.hset(key, mapping=fields)
            pipe.execute()
            return WriteOutcome(Outcome.WRITTEN, sequence, chunks)

    def delete(self, collection: Collection, doc_hash: str, generation: int, attempt: int) -> WriteOutcome:
        return self.write(collection, doc_hash, generation, attempt, "", live=False)

    def body(self, collection: Collection, doc_hash: str) -> str | None:
        """What searches would show of a document."""
        row = self.client.hgetall(head_key(collection.id, 1, doc_hash))
        return row[b"body"].decode() if row and row[b"live"] == b"1" else None

    def _head(self, row: dict[bytes, bytes]) -> DocumentHead:
        return DocumentHead(
            generation=int(row[b"gen"]),
            attempt=int(row[b"att"]),
            chunks=int(row[b"n"]),
            live=row[b"live"] == b"1",
            sequence=int(row[b"seq"]),
            text_hash="",
            id="",
            title="",
            url="",
            source="",
            kind="text",
            metadata=json.loads("{}"),
            updated_at=0,
        )
