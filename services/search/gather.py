"""From nearest chunks to a page of documents: over-fetching, one hit per document, and an answer that belongs together.

Chunks and heads are read in two steps. A document that was replaced in between shows up with an old generation; then
the index is asked again, so that a document that exists throughout is never missing from an answer.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from services.collections.values import Collection
from services.index.filters import Filter
from services.index.protocol import VectorIndex
from services.index.render import MAX_NEIGHBOURS
from services.index.values import FoundDocument, Neighbour, Rebuilding, Resolved

MIN_NEIGHBOURS = 64
CHUNKS_PER_DOCUMENT = 4
GROWTH = 4
MAX_ROUNDS = 64  # three writers in tight loops on the same three documents: 3 rounds at the median, 12 at p99.9

Version = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Effort:
    """How hard the index tries. ``timeout_ms`` limits each query, and the asking again as a whole."""

    ef_runtime: int
    timeout_ms: int


@dataclass(frozen=True, slots=True)
class Gathered:
    """A page of documents.

    Args:
        found: best chunk of each document, best document first.
        passages: chunks among the neighbours, by document hash and generation.
        has_more: there are documents after the page.
        settled: False when documents changed faster than the index could be asked.
        documents: live documents of the collection.
        rebuilding: set while the index is incomplete.
    """

    found: tuple[FoundDocument, ...]
    passages: Mapping[Version, int]
    has_more: bool
    settled: bool
    documents: int
    rebuilding: Rebuilding | None


def gather(
    index: VectorIndex,
    collection: Collection,
    vector: NDArray[np.float32],
    *,
    offset: int,
    limit: int,
    filter: Filter | None,
    effort: Effort,
) -> Gathered:
    """The documents ``offset`` to ``offset`` + ``limit`` by their nearest chunk.

    Asks for some chunks per document and for more while documents are missing. When one document fills all neighbours
    that may be asked for, those already met are left out of the next query: the rest lies behind them.
    """
    wanted = offset + limit + 1
    k = first_k(wanted)
    known: dict[str, int] = {}
    before: list[Neighbour] = []
    started = time.monotonic()
    for _ in range(MAX_ROUNDS):
        near = index.nearest(
            collection,
            vector,
            k=k,
            filter=filter,
            ef_runtime=effort.ef_runtime,
            timeout_ms=effort.timeout_ms,
            without=list(dict.fromkeys(neighbour.doc_hash for neighbour in before)),
        )
        chunks = [*before, *near]
        best = best_per_document(chunks)
        resolved = index.resolve(collection, best, offset=offset, limit=limit)
        exhausted = len(near) < k
        moves = _news(resolved, best, known)
        known.update(moves)
        if moves:
            before = []
        elif exhausted or _is_full(resolved, best, near, wanted):
            return _page(resolved, chunks, has_more=resolved.valid >= wanted, settled=True)
        elif k < MAX_NEIGHBOURS:
            k = min(MAX_NEIGHBOURS, k * GROWTH)
        else:
            before = chunks
        if 1000 * (time.monotonic() - started) > effort.timeout_ms:
            break
    return _page(resolved, chunks, has_more=resolved.valid >= wanted or not exhausted, settled=False)


def first_k(wanted: int) -> int:
    """How many chunks to ask for first: a power of two, so that neighbouring pages mostly ask the same question."""
    k = MIN_NEIGHBOURS
    while k < wanted * CHUNKS_PER_DOCUMENT:
        k *= 2
    return min(k, MAX_NEIGHBOURS)


def best_per_document(chunks: Sequence[Neighbour]) -> list[Neighbour]:
    """The nearest chunk of every document and generation, in the order of ``chunks`` (nearest first)."""
    best: dict[Version, Neighbour] = {}
    for chunk in chunks:
        best.setdefault((chunk.doc_hash, chunk.generation), chunk)
    return list(best.values())


def _news(resolved: Resolved, best: Sequence[Neighbour], known: Mapping[str, int]) -> dict[str, int]:
    """Documents whose visible generation the neighbours did not show, although it may be near.

    One that was known before the query was asked is none: its new chunks were all there to be found, and what was met
    are left-overs of a large document that are still being cleared.
    """
    met = {(neighbour.doc_hash, neighbour.generation) for neighbour in best}
    return {
        doc_hash: generation
        for doc_hash, generation in resolved.moved.items()
        if known.get(doc_hash) != generation and (doc_hash, generation) not in met
    }


def _is_full(resolved: Resolved, best: Sequence[Neighbour], near: Sequence[Neighbour], wanted: int) -> bool:
    """Whether the page and one document more are there, and no equally distant chunk was cut off behind them.

    Which of several equal distances fall to a cut is the engine's whim; pages would repeat or skip documents.
    """
    if resolved.valid < wanted:
        return False
    return best[resolved.walked - 1].distance < near[-1].distance or len(near) >= MAX_NEIGHBOURS


def _page(resolved: Resolved, chunks: Sequence[Neighbour], *, has_more: bool, settled: bool) -> Gathered:
    passages = Counter((chunk.doc_hash, chunk.generation) for chunk in chunks)
    return Gathered(resolved.found, passages, has_more, settled, resolved.documents, resolved.rebuilding)
