"""Looking at and clearing away what lies on the index server, document by document: for audit, repair and rebuild.

What belongs to a document is decided by its head in the same script that removes, so a worker that writes meanwhile
loses nothing. No document becomes visible here.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from services.collections.values import Collection, VectorType
from services.ids import PREFIX, chunk_prefix, counters_key, head_key, head_prefix
from services.index import scripts
from services.index.faults import index_errors
from services.index.scripts import Argument
from services.index.writer import SLICE_CHUNKS, TOMBSTONE_S
from services.redis_clients import Client

MOST_INSPECTED = 100_000
_BYTES = {VectorType.FLOAT16: 2, VectorType.FLOAT32: 4}
_CHUNK = re.compile(r"\{([0-9a-f]{32})\}:(\d+):(\d+)")


@dataclass(frozen=True, slots=True)
class Inspected:
    """A document on the index server. ``there`` of its ``chunks`` exist and ``sound`` of them have a whole vector.

    ``staged`` is (generation, attempt) of one that is not visible yet. ``left_over``: chunks are still to be swept.
    """

    generation: int
    attempt: int
    chunks: int
    live: bool
    sequence: int
    staged: tuple[int, int] | None
    left_over: bool
    there: int
    sound: int


@dataclass(frozen=True, slots=True)
class Found:
    """One stretch of the server's keys: documents with a head, and chunks as hash, generation and ordinal."""

    cursor: int
    heads: tuple[str, ...]
    chunks: tuple[tuple[str, int, int], ...]


class IndexClearing:
    """The keys of collections on one index server. Every method raises Unavailable when it does not answer."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def inspect(self, collection: Collection, doc_hashes: Sequence[str]) -> list[Inspected | None]:
        """Documents in the order of their hashes; None where there is no head."""
        size = collection.dim * _BYTES[collection.vector_type]
        script = scripts.load("inspect")

        def arguments(doc_hash: str) -> list[Argument]:
            return [self._prefix(collection, doc_hash), size, MOST_INSPECTED]

        with index_errors():
            rows = [script.run(self._client, [self._head(collection, one)], arguments(one)) for one in doc_hashes]
        return [_inspected(row) for row in rows]

    def erase(self, collection: Collection, doc_hash: str) -> bool:
        """Forgets a document; False when there was none."""
        keys = [self._head(collection, doc_hash), counters_key(collection.id, collection.version)]
        return self._run("erase", keys, [self._prefix(collection, doc_hash)]) >= 0

    def drop_staged(self, collection: Collection, doc_hash: str, staged: tuple[int, int]) -> bool:
        """Drops a generation that was staged by a writer that is gone; False when another is staged now."""
        arguments: list[Argument] = [self._prefix(collection, doc_hash), *staged]
        return self._run("unstage", [self._head(collection, doc_hash)], arguments) >= 0

    def strays(
        self, collection: Collection, doc_hash: str, chunks: Sequence[tuple[int, int]], *, remove: bool = False
    ) -> int:
        """How many of a document's chunks, given as generation and ordinal, belong to nothing; removes them."""
        arguments: list[Argument] = [self._prefix(collection, doc_hash), int(remove)]
        for generation, ordinal in chunks:
            arguments += [generation, ordinal]
        return self._run("strays", [self._head(collection, doc_hash)], arguments)

    def sweep(self, collection: Collection, doc_hash: str) -> None:
        """Removes chunks that a writer left over when it replaced a large document and died."""
        keys = self._head(collection, doc_hash), counters_key(collection.id, collection.version)
        script = scripts.load("sweep", changes_document=True)
        left = 1
        while left:
            arguments: list[Argument] = [self._prefix(collection, doc_hash), 0, 0, SLICE_CHUNKS, TOMBSTONE_S]
            with index_errors():
                left = int(script.run(self._client, keys, arguments)[3])

    def counters(self, collection: Collection) -> tuple[int, int, str]:
        """What the index counts itself: documents, chunks, and its finish sequence ("" for none)."""
        with index_errors():
            names = ("documents", "chunks", "sequence")
            found = self._client.execute_command("HMGET", counters_key(collection.id, collection.version), *names)
        return int(found[0] or 0), int(found[1] or 0), (found[2] or b"").decode("ascii")

    def set_counters(self, collection: Collection, documents: int, chunks: int, *, sequence: str) -> bool:
        """Writes the counters, unless a document was written since ``sequence`` was seen."""
        place = [counters_key(collection.id, collection.version)]
        return bool(self._run("recount", place, [sequence, documents, chunks]))

    def scan(self, collection: Collection, cursor: int, count: int) -> Found:
        """The next stretch of the server's keys, as far as they are this collection's; cursor 0 after the last."""
        with index_errors():
            pattern = f"{PREFIX}:[ch]:{collection.id}:{collection.version}:*"
            following, names = self._client.execute_command("SCAN", cursor, "MATCH", pattern, "COUNT", count)
        prefix = head_prefix(collection.id, collection.version)
        texts = [name.decode("ascii", "replace") for name in names]
        heads = [text.removeprefix(prefix).strip("{}") for text in texts if text.startswith(prefix)]
        chunks = [_CHUNK.search(text) for text in texts if not text.startswith(prefix)]
        return Found(
            int(following),
            tuple(heads),
            tuple((found[1], int(found[2]), int(found[3])) for found in chunks if found is not None),
        )

    def _run(self, name: str, keys: Sequence[str], arguments: Sequence[Argument]) -> int:
        with index_errors():
            return int(scripts.load(name).run(self._client, keys, arguments))

    def _head(self, collection: Collection, doc_hash: str) -> str:
        return head_key(collection.id, collection.version, doc_hash)

    def _prefix(self, collection: Collection, doc_hash: str) -> str:
        return f"{chunk_prefix(collection.id, collection.version)}{{{doc_hash}}}:"


def _inspected(row: Sequence[bytes | int | None]) -> Inspected | None:
    if row[0] is None and row[5] is None:
        return None
    numbers = [int(value or 0) for value in (*row[:3], row[4], row[8], row[9])]
    staged = None if row[5] is None else (int(row[5]), int(row[6] or 0))
    return Inspected(
        generation=numbers[0],
        attempt=numbers[1],
        chunks=numbers[2],
        live=row[3] == b"1",
        sequence=numbers[3],
        staged=staged,
        left_over=bool(row[7]),
        there=numbers[4],
        sound=numbers[5],
    )
