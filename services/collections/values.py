"""What a collection is, as values."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class FieldType(StrEnum):
    """Types a collection may declare for filtering."""

    TAG = "tag"
    NUMBER = "number"
    DATE = "date"
    BOOLEAN = "boolean"


class Algorithm(StrEnum):
    """How the index finds neighbours: a graph (approximate, large sets) or a scan (exact, small sets)."""

    HNSW = "hnsw"
    FLAT = "flat"


class VectorType(StrEnum):
    """How a vector's numbers are stored in the index."""

    FLOAT16 = "float16"
    FLOAT32 = "float32"


class NearDuplicatePolicy(StrEnum):
    """What becomes of a document whose text another one has already, word for word or nearly."""

    KEEP = "keep"
    SKIP = "skip"
    REPLACE = "replace"


@dataclass(frozen=True, slots=True)
class FieldSpec:
    """A declared field: metadata of this name is validated and can be filtered by."""

    name: str
    type: FieldType


DEFAULT_SIZE_TOKENS = 192


@dataclass(frozen=True, slots=True)
class Chunking:
    """How documents are cut.

    ``size_tokens`` counts the model's own tokens, title and special tokens included; None means 192. The model's limit
    holds in any case.
    ``strategy`` "none" keeps one chunk per document, embedded up to the model's limit.
    """

    strategy: str = "structure"
    size_tokens: int | None = None
    overlap_tokens: int = 0


@dataclass(frozen=True, slots=True)
class Collection:
    """A collection as the rest of the product sees it.

    ``id`` is opaque and never reused; ``name`` only maps to it. ``version`` is the live index version.
    """

    id: str
    name: str
    description: str
    model: str
    fingerprint: str
    dim: int
    vector_type: VectorType
    algorithm: Algorithm
    chunking: Chunking
    fields: tuple[FieldSpec, ...]
    language: str
    created_at_ms: int
    version: int = 1
    near_duplicates: NearDuplicatePolicy = NearDuplicatePolicy.KEEP

    def field(self, name: str) -> FieldSpec | None:
        """The declared field of that name, or None."""
        return next((field for field in self.fields if field.name == name), None)
