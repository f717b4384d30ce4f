"""Collections, heads and chunks for tests of the index and the search."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from services.collections.values import Algorithm, Chunking, Collection, FieldSpec, FieldType, VectorType
from services.index.values import Chunk, DocumentHead

FIELDS = (
    FieldSpec("kind", FieldType.TAG),
    FieldSpec("tenant", FieldType.TAG),
    FieldSpec("year", FieldType.NUMBER),
    FieldSpec("day", FieldType.DATE),
    FieldSpec("draft", FieldType.BOOLEAN),
)


def make_collection(
    *,
    id: str = "abcdefghijkm",
    dim: int = 8,
    vector_type: VectorType = VectorType.FLOAT32,
    algorithm: Algorithm = Algorithm.FLAT,
    fields: tuple[FieldSpec, ...] = FIELDS,
    fingerprint: str = "0123456789abcdef" * 2,
    version: int = 1,
) -> Collection:
    return Collection(
        id=id,
        name="sample",
        description="",
        model="hash",
        fingerprint=fingerprint,
        dim=dim,
        vector_type=vector_type,
        algorithm=algorithm,
        chunking=Chunking(),
        fields=fields,
        language="en",
        created_at_ms=0,
        version=version,
    )


def make_head(
    id: str,
    generation: int = 1,
    *,
    attempt: int = 1,
    metadata: Mapping[str, Any] | None = None,
    text_hash: str = "hash",
    title: str = "",
) -> DocumentHead:
    return DocumentHead(
        generation=generation,
        attempt=attempt,
        chunks=0,
        live=True,
        sequence=0,
        text_hash=text_hash,
        id=id,
        title=title or f"Title of {id}",
        url="https://example.org/x",
        source="folder/file.txt",
        kind="text",
        metadata=metadata or {},
        updated_at=1_700_000_000_000,
    )


def make_chunks(vectors: Sequence[NDArray[np.float32]] | NDArray[np.float32], words: str = "text") -> list[Chunk]:
    return [
        Chunk(
            ordinal=ordinal,
            text=f"{words} {ordinal}",
            start=100 * ordinal,
            end=100 * ordinal + 50,
            heading="Part > Section" if ordinal % 2 else "",
            page=ordinal + 1 if ordinal % 3 else None,
            vector=np.asarray(vector, dtype=np.float32),
        )
        for ordinal, vector in enumerate(vectors)
    ]


def directions(count: int, dim: int = 8, seed: int = 1) -> NDArray[np.float32]:
    """Unit vectors, float32, shape (count, dim)."""
    vectors = np.random.default_rng(seed).normal(size=(count, dim))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
