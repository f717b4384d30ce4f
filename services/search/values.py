"""What a search is asked and what it answers, as values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from services.embedding.media import Picture, Sound

MAX_LIMIT = 100
MAX_DEPTH = 1000
MODES = ("semantic",)
RERANK_DEPTH = 50
MAX_RERANK_DEPTH = 200


@dataclass(frozen=True, slots=True)
class SearchRequest:
    """A search as a client asks for it.

    Args:
        query: plain words.
        limit: documents wanted, 1 to 100.
        offset: documents to pass over; ``offset`` + ``limit`` is at most 1000.
        filter: None, or a condition on declared fields as parsed JSON (grammar: ``services/index/filters.py``).
        mode: "semantic" is the only one there is.
        media: a picture or a sound to search by; ``query`` is then "".
        rerank: name of a reranker that puts the best hits into its own order; "": none.
        rerank_depth: how many hits it reads, 1 to 200; ``offset`` + ``limit`` is at most that.
    """

    query: str
    limit: int = 10
    offset: int = 0
    filter: object | None = None
    mode: str = "semantic"
    media: Picture | Sound | None = None
    rerank: str = ""
    rerank_depth: int = RERANK_DEPTH


@dataclass(frozen=True, slots=True)
class Passage:
    """The chunk by which a document was found; ``start`` and ``end`` are code points into its extracted text."""

    text: str
    start: int
    end: int
    heading: str
    page: int | None
    ordinal: int


@dataclass(frozen=True, slots=True)
class Hit:
    """A document that was found.

    ``score`` is (1 + cosine) / 2 of the query and the best passage: 0 to 1, higher is better, 0.5 is unrelated.
    ``passages`` counts the document's chunks among the nearest that were looked at. ``collection`` is its name.
    ``text_hash`` names what was embedded of it. ``rerank_score`` is the reranker's, on its own scale; None without one.
    """

    id: str
    title: str
    url: str
    source: str
    score: float
    passage: Passage
    passages: int
    metadata: Mapping[str, Any]
    collection: str
    generation: int
    text_hash: str = ""
    rerank_score: float | None = None


@dataclass(frozen=True, slots=True)
class SearchAnswer:
    """A page of hits, best first, one per document.

    Args:
        hits: at most ``limit`` documents.
        query_tokens: length of the query in the model's tokens, special ones not counted.
        query_truncated: the model read only the beginning of the query.
        took_ms: the whole search; ``embed_ms`` of it went to the query's vector, ``index_ms`` to the index, and
            ``rerank_ms`` to a reranker.
        complete: False while the index is being rebuilt, or when documents changed too fast to settle an answer.
        searchable: live documents of the collection.
        has_more: there are documents after the last hit, among those that were reranked if any were.
    """

    hits: tuple[Hit, ...]
    query_tokens: int
    query_truncated: bool
    took_ms: float
    embed_ms: float
    index_ms: float
    complete: bool
    searchable: int
    has_more: bool
    rerank_ms: float = 0.0
