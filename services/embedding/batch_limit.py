"""How many queries a model takes at a time: measured, because runtimes differ and nobody wants to set it by hand."""

from __future__ import annotations

import time

from services.embedding.microbatch import BatchLimit
from services.embedding.protocol import Embedder

REMOTE = "http"
"""Name of the runtime that computes elsewhere."""

FEW, MANY = 8, 16
_WORTH = 0.95
"""A query in a batch of many must cost at most this share of one in a batch of few, or the first only waits longer."""

_TOKENS_PER_QUERY = 32
_SLOW_S = 0.15
"""A model that takes so long for a few is not asked for many: long batches are what others wait for."""

_REMOTE_LIMIT = BatchLimit(queries=32, tokens=8192, side_by_side=4)


def batch_limit(embedder: Embedder) -> BatchLimit:
    """The limit for a loaded model; takes some tenths of a second of its time.

    With cheap arithmetic the larger pass wins: MiniLM in bf16 on two cores takes 1.05 ms a query among eight and 0.9
    among 16 (1.0 among 32, where the first one waits twice as long). Processor time is what counts, because a busy
    machine says nothing about the model. A provider is not asked: its time is the network's, and each question costs
    money.
    """
    if embedder.runtime.name == REMOTE:
        return _REMOTE_LIMIT
    embedder.embed_queries(_texts(MANY))  # the first pass of a shape is several times slower
    few_s = _best_s(embedder, FEW)
    many_pays = few_s < _SLOW_S and _best_s(embedder, MANY) / MANY <= _WORTH * few_s / FEW
    queries = MANY if many_pays else FEW
    return BatchLimit(queries=queries, tokens=queries * _TOKENS_PER_QUERY)


def _best_s(embedder: Embedder, count: int) -> float:
    return min(_timed_s(embedder, count) for _ in range(3))


def _timed_s(embedder: Embedder, count: int) -> float:
    began = time.process_time()
    embedder.embed_queries(_texts(count))
    return time.process_time() - began


def _texts(count: int) -> list[str]:
    return [f"how do I find the {number}th page of a long report" for number in range(count)]
