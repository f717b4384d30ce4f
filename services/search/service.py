"""The search: a question in, ranked documents with their best passages out. It touches only the model and the index."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from services.collections.values import Collection
from services.embedding.media import Picture
from services.errors import Conflict, IndexRebuilding, InvalidInput
from services.index.filters import parse_filter
from services.index.protocol import EF_RUNTIME, TIMEOUT_MS, VectorIndex
from services.index.values import FoundDocument
from services.search.embedder import QueryEmbedder
from services.search.gather import Effort, Gathered, gather
from services.search.query import check_request, clean_query
from services.search.reranking import TIMEOUT_S as RERANK_TIMEOUT_S
from services.search.reranking import NoRerankers, Rerankers, check_rerank, reranked
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
        rerankers: those that searches may name; None: none.
        rerank_timeout_s: how long a search may wait for one.
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
        rerankers: Rerankers | None = None,
        rerank_timeout_s: float = RERANK_TIMEOUT_S,
        ef_runtime: int = EF_RUNTIME,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._index = index
        self._embedder_for = embedder_for
        self._max_query_chars = max_query_chars
        self._embed_timeout_s = embed_timeout_s
        self._rerankers = rerankers or NoRerankers()
        self._rerank_timeout_s = rerank_timeout_s
        self._effort = Effort(ef_runtime, timeout_ms)
        self._clock = clock

    def search(self, collection: Collection, request: SearchRequest) -> SearchAnswer:
        """Finds documents by meaning.

        Raises:
            InvalidInput: a query, limit, offset, mode, filter or reranker that is not accepted; the pointer names it.
            Conflict: code "model-mismatch", the collection's vectors were made with another model.
            IndexRebuilding: the index is absent, or incomplete and nothing was found.
            Unavailable: model, index or reranker did not answer in time.
            ModelError: the reranker cannot be loaded.
        """
        started = self._clock()
        check_request(request)
        check_rerank(request, self._rerankers)
        text = "" if request.media is not None else clean_query(request.query, self._max_query_chars)
        condition = None if request.filter is None else parse_filter(request.filter, collection)
        embedder = self._embedder_for(collection)
        _check_model(collection, embedder)
        _check_side(embedder, request)
        asked = self._clock()
        vector = self._vector(embedder, text, request)
        embedded = self._clock()
        # Asked before the query and every time: an engine that was restarted a moment ago finds only what it has read.
        scanning = self._index.is_scanning(collection)
        gathered = gather(
            self._index,
            collection,
            vector,
            offset=0 if request.rerank else request.offset,
            limit=request.rerank_depth if request.rerank else request.limit,
            filter=condition,
            effort=self._effort,
        )
        finished = self._clock()
        _refuse_empty_rebuild(gathered)
        _refuse_empty_scan(gathered, scanning)
        spec = embedder.spec
        hits, has_more = self._hits(collection, text, request, gathered)
        reordered = self._clock()
        return SearchAnswer(
            hits=hits,
            query_tokens=embedder.tokens.count(text),
            query_truncated=bool(text) and _length(embedder, spec.query_prompt + text) > spec.max_tokens,
            took_ms=1000 * (self._clock() - started),
            embed_ms=1000 * (embedded - asked),
            index_ms=1000 * (finished - embedded),
            complete=gathered.settled and gathered.rebuilding is None and not scanning,
            searchable=gathered.documents,
            has_more=has_more,
            rerank_ms=1000 * (reordered - finished) if request.rerank else 0.0,
        )

    def _hits(
        self, collection: Collection, text: str, request: SearchRequest, gathered: Gathered
    ) -> tuple[tuple[Hit, ...], bool]:
        """The page, and whether there is another."""
        if not request.rerank:
            return tuple(_hit(found, collection, gathered) for found in gathered.found), gathered.has_more
        ordered = reranked(gathered.found, text, request, self._rerankers, self._rerank_timeout_s)
        end = request.offset + request.limit
        page = ordered[request.offset : end]
        return tuple(_hit(found, collection, gathered, score) for found, score in page), end < len(ordered)

    def _vector(self, embedder: QueryEmbedder, text: str, request: SearchRequest) -> NDArray[np.float32]:
        if request.media is not None:
            return embedder.embed_media(request.media)
        return embedder.embed(text, self._embed_timeout_s)


_ASKED_BY = {"text": "words", "image": "a picture", "audio": "a sound"}


def _check_side(embedder: QueryEmbedder, request: SearchRequest) -> None:
    """Refuses to search by what the collection's model does not embed."""
    media, able = request.media, embedder.spec.modalities
    given = "text" if media is None else "image" if isinstance(media, Picture) else "audio"
    if given not in able:
        allowed = " or ".join(_ASKED_BY[each] for each in able if each in _ASKED_BY)
        raise InvalidInput(
            f"this collection's model {embedder.spec.name!r} cannot search by {_ASKED_BY[given]}; allowed is a search "
            f"by {allowed}",
            pointer="/query" if media is None else f"/{given}",
            code="unsupported-modality",
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


def _hit(found: FoundDocument, collection: Collection, gathered: Gathered, rerank_score: float | None = None) -> Hit:
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
        text_hash=head.text_hash,
        rerank_score=rerank_score,
    )
