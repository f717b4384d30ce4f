"""The query side of every model in use: one batcher for each, so that a slow model holds up nobody else's queries."""

from __future__ import annotations

import logging
import threading

from services.collections.values import Collection
from services.embedding.batch_limit import batch_limit
from services.embedding.caching.query_vectors import QueryCacheCounts, QueryVectorCache
from services.embedding.microbatch import BatchLimit, QueryBatcher
from services.embedding.protocol import Embedder
from services.embedding.registry import ModelRegistry
from services.search.embedder import BatchedQueryEmbedder, QueryEmbedder

log = logging.getLogger(__name__)


class QueryEmbedders:
    """Batchers by model, made when the first query for it comes, and one memory of query vectors before them all.

    Args:
        models: where models are loaded.
        wait_ms: see ``QueryBatcher``.
        queue_limit: see ``QueryBatcher``.
        remember: how many query vectors are kept; 0: none.
    """

    def __init__(self, models: ModelRegistry, *, wait_ms: float, queue_limit: int, remember: int) -> None:
        self._models = models
        self._wait_ms = wait_ms
        self._queue_limit = queue_limit
        self._remembered = QueryVectorCache(remember)
        self._made: dict[str, tuple[BatchedQueryEmbedder, QueryBatcher]] = {}
        self._lock = threading.Lock()
        self._making: dict[str, threading.Lock] = {}

    def of(self, collection: Collection) -> QueryEmbedder:
        """The embedder of the collection's model; loads it if need be, or raises ModelError."""
        return self.named(collection.model)

    def named(self, name: str) -> QueryEmbedder:
        """The same by the model's name. A model that was replaced gets a new batcher, and the old one ends."""
        model = self._models.load(name)
        made = self._made.get(name)
        if made is not None and made[0].model is model:
            return made[0]
        with self._lock:
            making = self._making.setdefault(name, threading.Lock())
        with making:  # of this model alone: measuring takes a moment
            before = self._made.get(name)
            if before is None or before[0].model is not model:
                self._made[name] = self._make(model)
                if before is not None:
                    before[1].close()
            return self._made[name][0]

    def counts(self) -> QueryCacheCounts:
        """How often a query's vector was remembered."""
        return self._remembered.counts()

    def _make(self, model: Embedder) -> tuple[BatchedQueryEmbedder, QueryBatcher]:
        batcher = QueryBatcher(model, wait_ms=self._wait_ms, queue_limit=self._queue_limit, batch=_limit(model))
        return BatchedQueryEmbedder(model, batcher, remembered=self._remembered), batcher


def _limit(model: Embedder) -> BatchLimit:
    if "text" not in model.spec.modalities:
        return BatchLimit()
    try:
        limit = batch_limit(model)
    except Exception:  # whatever a model stumbles over is told to the query that meets it, not decided here
        log.exception("model %s: how many queries it takes at a time could not be measured", model.spec.name)
        return BatchLimit()
    log.info("model %s on %s: up to %d queries at a time", model.spec.name, model.runtime.name, limit.queries)
    return limit
