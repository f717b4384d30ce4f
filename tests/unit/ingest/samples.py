"""A token counter for tests that is neither of the real ones, and a collection."""

from __future__ import annotations

import re
from dataclasses import dataclass

from services.collections.values import Algorithm, Chunking, Collection, FieldSpec, VectorType


@dataclass(frozen=True)
class PieceCounter:
    """Tokens as a subword model has them: up to three letters each, other characters one each."""

    fast: None = None

    def count(self, text: str) -> int:
        return len(re.findall(r"[^\W\d_]{1,3}|\S", text))


def collection(*fields: FieldSpec, chunking: Chunking | None = None) -> Collection:
    return Collection(
        id="c" * 12,
        name="docs",
        description="",
        model="hash",
        fingerprint="f" * 32,
        dim=64,
        vector_type=VectorType.FLOAT16,
        algorithm=Algorithm.HNSW,
        chunking=chunking or Chunking(),
        fields=fields,
        language="en",
        created_at_ms=0,
    )
