"""What a vector index does. RedisIndex and the exact NumpyIndex both pass the same contract tests."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from services.collections.values import Collection
from services.index.filters import Filter
from services.index.values import Chunk, ChunkHit, DocumentHead, IndexInfo, Neighbour, Resolved, WriteOutcome

EF_RUNTIME = 200
TIMEOUT_MS = 1000


class VectorIndex(Protocol):
    """Documents with their chunks and vectors, found by nearness.

    A document is replaced in one step: whoever reads sees its old generation or its new one. All methods raise
    Unavailable when the index cannot be reached.
    """

    def create(self, collection: Collection) -> None:
        """Makes the collection's live index; does nothing when it exists."""
        ...

    def drop(self, collection: Collection) -> None:
        """Takes the collection's live index away, not its documents; does nothing when there is none."""
        ...

    def exists(self, collection: Collection) -> bool:
        """Whether the collection's live index exists."""
        ...

    def write(self, collection: Collection, head: DocumentHead, chunks: Sequence[Chunk]) -> WriteOutcome:
        """Makes ``chunks`` the visible generation of a document.

        Args:
            collection: where the document lies.
            head: generation, attempt and what hits show; ``chunks``, ``live`` and ``sequence`` are set by the index.
            chunks: at least one, ordinals 0, 1, 2 ...

        Returns:
            written; stale when a newer (generation, attempt) is known; already when this one is visible.

        Raises:
            InvalidInput: a vector of the wrong length, not finite or without a direction; metadata of a wrong type.
                Nothing was written.
        """
        ...

    def copy_metadata(self, collection: Collection, head: DocumentHead) -> WriteOutcome:
        """Gives a document a new head and new metadata, and keeps its chunks and vectors.

        Returns:
            as ``write``; missing when no visible document with ``head.text_hash`` is there to copy from.
        """
        ...

    def delete(self, collection: Collection, doc_hash: str, generation: int, attempt: int) -> WriteOutcome:
        """Removes a document and leaves a tombstone that keeps older writers out."""
        ...

    def head(self, collection: Collection, doc_hash: str) -> DocumentHead | None:
        """A document's head (a tombstone has ``live`` False), or None when the document is not known."""
        return self.heads(collection, [doc_hash])[0]

    def heads(self, collection: Collection, doc_hashes: Sequence[str]) -> list[DocumentHead | None]:
        """The heads of several documents, in the order of ``doc_hashes``."""
        ...

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
        """The ``k`` chunks nearest to ``vector``, nearest first, not yet compared with heads.

        Args:
            collection: where to look.
            vector: float32, shape (dim,).
            k: 1 to 10,000.
            filter: chunks of other documents are left out before the nearest are chosen.
            ef_runtime: effort of an approximate index; at least ``k`` is taken.
            timeout_ms: time limit of the query.
            without: hashes of documents to leave out.

        Raises:
            InvalidInput: a vector as in ``write``.
            IndexRebuilding: the index does not exist.
            Unavailable: the time limit was reached.
        """
        ...

    def resolve(self, collection: Collection, neighbours: Sequence[Neighbour], *, offset: int, limit: int) -> Resolved:
        """Compares neighbours with the heads of their documents, in one step and in their order.

        Looks until ``offset`` + ``limit`` + 1 visible ones are met; of these, ``limit`` from ``offset`` on are read.
        """
        ...

    def search(
        self,
        collection: Collection,
        vector: NDArray[np.float32],
        *,
        k: int,
        filter: Filter | None = None,
        ef_runtime: int = EF_RUNTIME,
        timeout_ms: int = TIMEOUT_MS,
    ) -> list[ChunkHit]:
        """The visible ones of the ``k`` nearest chunks, nearest first; arguments and errors as in ``nearest``."""
        near = self.nearest(collection, vector, k=k, filter=filter, ef_runtime=ef_runtime, timeout_ms=timeout_ms)
        return [found.hit for found in self.resolve(collection, near, offset=0, limit=len(near)).found]

    def chunks(self, collection: Collection, doc_hash: str) -> list[Chunk]:
        """The chunks of the visible generation, in order; none for an unknown or deleted document."""
        ...

    def info(self, collection: Collection) -> IndexInfo:
        """The state of the collection's live index; raises IndexRebuilding when it does not exist."""
        ...

    def is_scanning(self, collection: Collection) -> bool:
        """Whether the engine is still reading existing chunks into the index: searches find only some of them.

        It does so for seconds after a restart, and nothing in a search's reply says so. Raises as ``info``.
        """
        return self.info(collection).indexing

    def purge(self, collection_id: str, limit: int) -> int:
        """Removes about ``limit`` keys of a deleted collection; returns how many went, 0 when nothing is left."""
        ...
