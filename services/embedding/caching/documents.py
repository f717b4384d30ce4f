"""A model's documents by way of the cache: only texts that were never embedded go to the model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from services.embedding.caching.document_vectors import DocumentVectorCache, vector_key
from services.embedding.protocol import Embedder
from services.embedding.spec import Role
from services.embedding.vectors import check_vectors


@dataclass(frozen=True, slots=True)
class CachedDocuments:
    """``embed_documents`` of a loaded model, with a cache before it."""

    model: Embedder
    cache: DocumentVectorCache

    def embed_documents(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Vectors of passages: float32, shape (len(texts), dim), row i for texts[i].

        Equal texts in one call are embedded once. Nothing is kept of a call of the model that fails.

        Raises:
            InvalidInput: code "bad-vector", the model gave a vector that would poison an index; "bad-text".
        """
        if not self.cache.is_on:
            return self.model.embed_documents(texts)
        spec = self.model.spec
        keys = [vector_key(spec, Role.DOCUMENT, text) for text in texts]
        found = self.cache.get(keys, spec.dim)
        missing = {key: text for key, text in zip(keys, texts, strict=True) if key not in found}
        if missing:
            made = self.model.embed_documents(list(missing.values()))
            check_vectors(made, spec.dim)
            new = dict(zip(missing, made, strict=True))
            self.cache.put(new)
            found.update(new)
        vectors = np.empty((len(texts), spec.dim), dtype=np.float32)
        for row, key in enumerate(keys):
            vectors[row] = found[key]
        return vectors
