"""The search: a question in, ranked documents with their best passages out. It touches only the model and the index."""

from __future__ import annotations

import time
from collections.abc import Callable

from services.collections.values import Collection
from services.errors import Conflict, IndexRebuilding
from services.index.filters import parse_filter
from services.index.protocol import EF_RUNTIME, TIMEOUT_MS, VectorIndex
from services.index.values import FoundDocument
from services.search.embedder import QueryEmbedder
from services.search.gather import Effort, Gathered, gather
from services.search.query import check_request, clean_query
from services.search.values import Hit, Passage, SearchAnswer, SearchRequest

__all__ = ["Hit", "Passage", "SearchAnswer", "SearchRequest", "Searcher"]

MAX_QUERY_CHARS = 4000
EMBED_TIMEOUT_S = 10.0


class Searcher:
    """Answers searches.

    Args:
        index: where the chunks are.
        embedder_for: the query side of a collection's model, loaded on first use; may raise ModelError.
        max_query_chars: longest query.
        timeout_ms: time limit of one index query.
        embed_timeout_s: how long a query may wait for its vector.
        ef_runtime: effort of an approximate index.
        clock: seconds, monotonic.
    """

    def __init__(
        self,
        index: VectorIndex,
        embedder_for: Callable[[Collection], QueryEmbedder],
        *,
        max_query_chars: int = MAX_QUERY_CHARS,
        timeout_ms: int = TIMEOUT_MS,
        embed_timeout_s: float = EMBED_TIMEOUT_S,
        ef_runtime: int = EF_RUNTIME,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._index = index
        self._embedder_for = embedder_for
        self._max_query_chars = max_query_chars
        self._embed_timeout_s = embed_timeout_s
        self._effort = Effort(ef_runtime, timeout_ms)
        self._clock = clock

    def search(self, collection: Collection, request: SearchRequest) -> SearchAnswer:
        """Finds documents by meaning.

        Raises:
            InvalidInput: a query, limit, offset, mode or filter that cannot be accepted; the pointer names it.
            Conflict: code "model-mismatch", the collection's vectors were made with another model.
            IndexRebuilding: the index is absent, or incomplete and nothing was found.
            Unavailable: model or index did not answer in time.
        """
        started = self._clock()
        check_request(request)
        text = clean_query(request.query, self._max_query_chars)
        condition = None if request.filter is None else parse_filter(request.filter, collection)
        embedder = self._embedder_for(collection)
        _check_model(collection, embedder)
        asked = self._clock()
        vector = embedder.embed(text, self._embed_timeout_s)
        embedded = self._clock()
        # Asked before the query and every time: an engine that was restarted a moment ago finds only what it has read.
        scanning = self._index.is_scanning(collection)
        gathered = gather(
            self._index,
            collection,
            vector,
            offset=request.offset,
            limit=request.limit,
            filter=condition,
            effort=self._effort,
        )
        finished = self._clock()
        _refuse_empty_rebuild(gathered)
        _refuse_empty_scan(gathered, scanning)
        spec = embedder.spec
        return SearchAnswer(
            hits=tuple(_hit(found, collection, gathered) for found in gathered.found),
            query_tokens=embedder.tokens.count(text),
            query_truncated=_length(embedder, spec.query_prompt + text) > spec.max_tokens,
            took_ms=1000 * (self._clock() - started),
            embed_ms=1000 * (embedded - asked),
            index_ms=1000 * (finished - embedded),
            complete=gathered.settled and gathered.rebuilding is None and not scanning,
            searchable=gathered.documents,
            has_more=gathered.has_more,
        )


def _check_model(collection: Collection, embedder: QueryEmbedder) -> None:
    if embedder.spec.fingerprint != collection.fingerprint:
        raise Conflict(
            f"collection {collection.name!r} was embedded with model {collection.model!r} of fingerprint "
            f"{collection.fingerprint[:8]}, the model at hand has {embedder.spec.fingerprint[:8]}: put the model's "
            "files back as they were, or add the documents to a new collection",
            code="model-mismatch",
        )


def _refuse_empty_rebuild(gathered: Gathered) -> None:
    mark = gathered.rebuilding
    if mark is not None and not gathered.found:
        raise IndexRebuilding(
            f"the search index is being rebuilt, {mark.searchable:,} of {mark.expected:,} documents are searchable "
            "again, and nothing was found among them; try again in a minute",
            retry_after_s=10,
        )


def _refuse_empty_scan(gathered: Gathered, scanning: bool) -> None:
    if scanning and not gathered.found:
        raise IndexRebuilding(
            "the index server has just started and is still reading its documents, and nothing was found among those "
            "it has read; try again in a few seconds",
            retry_after_s=2,
        )


def _length(embedder: QueryEmbedder, text: str) -> int:
    return embedder.tokens.count(text) + embedder.special_tokens


def _hit(found: FoundDocument, collection: Collection, gathered: Gathered) -> Hit:
    hit, head = found.hit, found.head
    return Hit(
        id=head.id,
        title=head.title,
        url=head.url,
        source=head.source,
        score=min(1.0, max(0.0, 1.0 - hit.distance / 2.0)),
        passage=Passage(hit.text, hit.start, hit.end, hit.heading, hit.page, hit.ordinal),
        passages=gathered.passages[(hit.doc_hash, hit.generation)],
        metadata=head.metadata,
        collection=collection.name,
        generation=hit.generation,
    )
