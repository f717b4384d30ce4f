"""A collection's model as the pipeline uses it: loaded when first needed, checked against the collection."""

from __future__ import annotations

from services.collections.values import Collection
from services.embedding.caching.document_vectors import DocumentVectorCache
from services.embedding.caching.documents import CachedDocuments
from services.embedding.protocol import Embedder
from services.embedding.registry import ModelRegistry
from services.errors import ModelError
from services.ingest.chunks.chunking import Chunker


class CollectionModel:
    """Embedder and chunker of one collection."""

    def __init__(self, models: ModelRegistry, collection: Collection, vectors: DocumentVectorCache) -> None:
        self._models = models
        self._vectors = vectors
        self._collection = collection
        self._embedder: Embedder | None = None
        self._chunker: Chunker | None = None

    def embedder(self) -> Embedder:
        """The embedder.

        Raises:
            ModelError: it cannot be loaded, or is another than the collection's vectors were made with.
        """
        if self._embedder is None:
            embedder = self._models.load(self._collection.model)
            if embedder.spec.fingerprint != self._collection.fingerprint:
                raise ModelError(
                    f"the model {self._collection.model!r} is no longer the one that collection "
                    f"{self._collection.name!r} was made with; put the old model back, or add the documents to a new "
                    "collection",
                    code="model-mismatch",
                )
            self._embedder = embedder
        return self._embedder

    def documents(self) -> CachedDocuments:
        """What embeds texts of documents, those that are new; raises as ``embedder``."""
        return CachedDocuments(self.embedder(), self._vectors)

    def chunker(self) -> Chunker:
        """The chunker; raises as ``embedder``."""
        if self._chunker is None:
            embedder = self.embedder()
            self._chunker = Chunker(
                embedder.tokens,
                special_tokens=embedder.special_tokens,
                max_tokens=embedder.spec.max_tokens,
                chunking=self._collection.chunking,
            )
        return self._chunker
