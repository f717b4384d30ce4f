"""Changing documents in the index: one Lua script per document, or, for a large one, slices staged and then flipped.

A script holds the server, searches included, for as long as it runs, and inserting a vector takes 0.2 to 0.7 ms (256
chunks of 384 numbers: 185 ms measured on a busy machine). So a document of up to 64 chunks is replaced by one script; a
larger one is staged 32 chunks at a time beside what is visible, then flipped.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from services.collections.values import Collection
from services.errors import Unavailable
from services.ids import chunk_prefix, counters_key, head_key
from services.index import scripts
from services.index.metadata import validate_metadata
from services.index.packing import pack_vectors
from services.index.records import chunk_columns, head_arguments
from services.index.render import DOCUMENT, indexed_fields
from services.index.scripts import Argument
from services.index.values import Chunk, DocumentHead, Outcome, WriteOutcome
from services.redis_clients import Client

ATOMIC_CHUNKS = 64
SLICE_CHUNKS = 32
STAGING_TRIES = 3
TOMBSTONE_S = 7 * 86_400  # longer than any lease or deadline a setting allows


@dataclass(frozen=True, slots=True)
class PackedDocument:
    """A checked document as arguments for the scripts: what all chunks carry, the head, and six columns per chunk."""

    shared: list[Argument]
    head: list[Argument]
    columns: list[tuple[Argument, ...]]

    def slice(self, first: int, count: int) -> list[Argument]:
        """The columns of ``count`` chunks from ``first`` on, flat."""
        return [value for row in self.columns[first : first + count] for value in row]


def pack_document(collection: Collection, doc_hash: str, head: DocumentHead, chunks: Sequence[Chunk]) -> PackedDocument:
    """Checks everything about a document before anything of it is sent.

    Raises:
        InvalidInput: a bad vector or metadata of a wrong type.
        ValueError: no chunks, or ordinals that are not 0, 1, 2 ...
    """
    if not chunks or [chunk.ordinal for chunk in chunks] != list(range(len(chunks))):
        raise ValueError(f"document {head.id!r} needs chunks with ordinals 0, 1, 2 ...")
    shared: list[Argument] = [DOCUMENT, doc_hash]
    for name, value in indexed_fields(validate_metadata(head.metadata, collection)).items():
        shared += [name, value]
    vectors = pack_vectors([chunk.vector for chunk in chunks], collection)
    columns = [chunk_columns(chunk, vector) for chunk, vector in zip(chunks, vectors, strict=True)]
    return PackedDocument(shared, head_arguments(head), columns)


@dataclass(frozen=True, slots=True)
class DocumentWriter:
    """Changes one document; ``doc_hash``, ``generation`` and ``attempt`` say which and on whose behalf."""

    client: Client
    collection: Collection
    doc_hash: str
    generation: int
    attempt: int

    def write(self, packed: PackedDocument) -> WriteOutcome:
        """Makes the packed chunks the visible generation."""
        count = len(packed.columns)
        if count > ATOMIC_CHUNKS:
            return self._stage_and_flip(packed)
        sizes: list[Argument] = [count, len(packed.shared), len(packed.head)]
        reply = self._run("write", ATOMIC_CHUNKS, *sizes, *packed.shared, *packed.head, *packed.slice(0, count))
        return self._settled(reply)

    def delete(self) -> WriteOutcome:
        """Removes the document and leaves a tombstone."""
        return self._settled(self._run("delete", ATOMIC_CHUNKS, TOMBSTONE_S))

    def _stage_and_flip(self, packed: PackedDocument) -> WriteOutcome:
        for _ in range(STAGING_TRIES):
            reply = self._stage(packed)
            if reply[0] == b"staged":
                count = len(packed.columns)
                reply = self._run("flip", SLICE_CHUNKS, count, len(packed.head), *packed.head)
            if reply[0] != b"restage":
                return self._settled(reply)
        raise Unavailable(
            f"the index lost staged chunks of a document {STAGING_TRIES} times in a row; it is tried again later"
        )

    def _stage(self, packed: PackedDocument) -> list[bytes]:
        reply: list[bytes] = []
        for first in range(0, len(packed.columns), SLICE_CHUNKS):
            columns = packed.slice(first, SLICE_CHUNKS)
            sizes: list[Argument] = [first, len(columns) // 6, len(packed.shared)]
            reply = self._run("stage", SLICE_CHUNKS, *sizes, *packed.shared, *columns)
            if reply[0] != b"staged":
                break
        return reply

    def _settled(self, reply: list[bytes]) -> WriteOutcome:
        """Clears what a large predecessor left (invisible already), slice by slice, and reads the answer."""
        left = int(reply[3])
        while left:
            left = int(self._run("sweep", SLICE_CHUNKS, TOMBSTONE_S)[3])
        return WriteOutcome(Outcome(reply[0].decode("ascii")), int(reply[1]), int(reply[2]))

    def _run(self, name: str, budget: int, *arguments: Argument) -> list[bytes]:
        place = self.collection.id, self.collection.version
        keys = head_key(*place, self.doc_hash), counters_key(*place)
        header: list[Argument] = [f"{chunk_prefix(*place)}{{{self.doc_hash}}}:", self.generation, self.attempt, budget]
        script = scripts.load(name, changes_document=True)
        reply: list[bytes] = script.run(self.client, keys, [*header, *arguments])
        return reply
