"""The keys of the index server, read raw: heads, chunks, counters. What the product says of itself is not asked."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from services.ids import hash_document_id
from services.redis_clients import Client


@dataclass(frozen=True)
class ChunkKey:
    """One chunk as it lies there."""

    ordinal: int
    text: str
    start: int
    end: int
    vector: bytes


@dataclass
class Shelf:
    """Everything the index server holds of one collection."""

    heads: dict[str, dict[str, str]] = field(default_factory=dict)
    """By document hash."""
    chunks: dict[tuple[str, int], list[ChunkKey]] = field(default_factory=dict)
    """By document hash and generation, in order."""
    indexed: int = 0
    failures: int = 0
    scanning: bool = False
    counters: dict[str, int] = field(default_factory=dict)

    def of(self, document_id: str) -> tuple[dict[str, str], dict[int, list[ChunkKey]]]:
        """Head ({}: none) and chunks by generation of one document."""
        wanted = hash_document_id(document_id)
        return self.heads.get(wanted, {}), self._by_document.get(wanted, {})

    @cached_property
    def _by_document(self) -> dict[str, dict[int, list[ChunkKey]]]:
        found: dict[str, dict[int, list[ChunkKey]]] = {}
        for (name, generation), chunks in self.chunks.items():
            found.setdefault(name, {})[generation] = chunks
        return found

    def number_of_chunks(self) -> int:
        return sum(map(len, self.chunks.values()))

    def vectors(self, dim: int) -> tuple[NDArray[np.float32], list[str]]:
        """The vectors of all chunks, one per row, and whose they are."""
        rows, owners = [], []
        for (name, _), chunks in self.chunks.items():
            for chunk in chunks:
                kind = np.float16 if len(chunk.vector) == 2 * dim else np.float32
                rows.append(np.frombuffer(chunk.vector, dtype=kind).astype(np.float32))
                owners.append(name)
        return np.array(rows, dtype=np.float32).reshape(len(rows), dim), owners


def without_left_overs(shelf: Shelf) -> Shelf:
    """The shelf without chunks that a head names as still to be cleared: nobody sees them, and an audit clears them."""
    chunks = dict(shelf.chunks)
    left = 0
    for name, head in shelf.heads.items():
        for place in head.get("trash", "").split():
            left += len(chunks.pop((name, int(place.partition(":")[0])), []))
    return replace(shelf, chunks=chunks, indexed=shelf.indexed - left)


def read(client: Client, collection_id: str) -> Shelf:
    """Reads everything with SCAN; the collection should be at rest."""
    shelf = Shelf()
    for keys in _batches(client, f"nf:h:{collection_id}:*"):
        for key, fields in zip(keys, _hashes(client, keys), strict=True):
            shelf.heads[_between_braces(key)] = {
                name.decode(): value.decode("utf-8", "replace") for name, value in fields.items()
            }
    for keys in _batches(client, f"nf:c:{collection_id}:*"):
        for key, fields in zip(keys, _hashes(client, keys), strict=True):
            generation, ordinal = key.decode().rsplit(":", 2)[-2:]
            chunk = ChunkKey(
                int(ordinal), fields[b"t"].decode(), int(fields[b"s"]), int(fields[b"e"]), fields.get(b"v", b"")
            )
            shelf.chunks.setdefault((_between_braces(key), int(generation)), []).append(chunk)
    for chunks in shelf.chunks.values():
        chunks.sort(key=lambda chunk: chunk.ordinal)
    _read_figures(client, collection_id, shelf)
    return shelf


def _read_figures(client: Client, collection_id: str, shelf: Shelf) -> None:
    for name in client.execute_command("FT._LIST"):
        if name.startswith(f"nf:ix:{collection_id}:".encode()):
            reply = client.execute_command("FT.INFO", name)
            facts = dict(zip(reply[::2], reply[1::2], strict=True))
            shelf.indexed += int(facts[b"num_docs"])
            shelf.failures += int(facts[b"hash_indexing_failures"])
            shelf.scanning |= int(facts[b"indexing"]) != 0
    for keys in _batches(client, f"nf:s:{collection_id}:*"):
        for fields in _hashes(client, keys):
            for counter, value in fields.items():
                shelf.counters[counter.decode()] = int(value)


def _batches(client: Client, pattern: str) -> Iterator[list[bytes]]:
    keys = sorted(set(client.scan_iter(match=pattern, count=1000)))
    for first in range(0, len(keys), 500):
        yield keys[first : first + 500]


def _hashes(client: Client, keys: list[bytes]) -> list[dict[bytes, bytes]]:
    pipeline = client.pipeline(transaction=False)
    for key in keys:
        pipeline.hgetall(key)
    found: list[dict[bytes, bytes]] = pipeline.execute()
    return found


def _between_braces(key: bytes) -> str:
    return key.decode().partition("{")[2].partition("}")[0]
