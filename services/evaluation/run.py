"""Sends an evaluation set through the whole product and measures what comes back."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from services.errors import NearfieldError
from services.evaluation.beir import EvaluationSet, JudgedDocument
from services.evaluation.metrics import measure, percentile

SEARCH_LIMIT = 100
RECALL_K = 100


class EvaluationTarget(Protocol):
    """A running instance as an evaluation sees it."""

    def create(self, name: str, chunking: str) -> None:
        """Makes the collection, unless it is there; ``chunking`` is "default" or "none"."""

    def ingest(self, name: str, documents: Sequence[JudgedDocument]) -> None:
        """Adds the documents and returns when all of them are searchable."""

    def search(self, name: str, query: str, *, limit: int, mode: str) -> Mapping[str, Any]:
        """The API's answer to a search."""

    def delete(self, name: str) -> None:
        """Deletes the collection."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What to measure. ``collection`` is deleted afterwards when ``throw_away`` is set."""

    collection: str
    throw_away: bool
    chunking: str = "default"
    mode: str = "semantic"
    k: int = 10


def evaluate(
    target: EvaluationTarget, data: EvaluationSet, plan: Plan, told: Callable[[str, int, int], None]
) -> dict[str, Any]:
    """Ingests, searches and measures.

    Args:
        told: called with the step ("search"), how many are done and of how many.

    Returns:
        the figures, ready for JSON: quality by name ("ndcg@10"), latencies in ms as the client saw them, rates.
    """
    target.create(plan.collection, plan.chunking)
    try:
        began = time.perf_counter()
        target.ingest(plan.collection, data.documents)
        ingest_s = time.perf_counter() - began
        rankings, latencies_ms = _ask(target, data, plan, told)
    finally:
        if plan.throw_away:
            target.delete(plan.collection)
    figures = measure(data.qrels, rankings, k=plan.k, recall_k=RECALL_K)
    return {
        **{name: round(value, 5) for name, value in figures.items()},
        "latency_p50_ms": round(percentile(latencies_ms, 0.50), 2),
        "latency_p95_ms": round(percentile(latencies_ms, 0.95), 2),
        "queries": len(rankings),
        "documents": len(data.documents),
        "ingest_s": round(ingest_s, 1),
        "documents_per_s": round(len(data.documents) / ingest_s, 1) if ingest_s > 0 else 0.0,
        "mode": plan.mode,
        "chunking": plan.chunking,
        "collection": plan.collection,
    }


def _ask(
    target: EvaluationTarget, data: EvaluationSet, plan: Plan, told: Callable[[str, int, int], None]
) -> tuple[dict[str, list[str]], list[float]]:
    rankings: dict[str, list[str]] = {}
    latencies_ms: list[float] = []
    limit = max(SEARCH_LIMIT, plan.k)
    for done, (query_id, query) in enumerate(data.queries.items(), start=1):
        began = time.perf_counter()
        answer = target.search(plan.collection, query, limit=limit, mode=plan.mode)
        latencies_ms.append((time.perf_counter() - began) * 1000)
        if not answer["complete"]:
            raise NearfieldError(
                f"the index was incomplete while query {query_id!r} was asked: the figures would be wrong. "
                "Wait until `nearfield status` shows no work and run again",
                code="incomplete-evaluation",
            )
        rankings[query_id] = [hit["id"] for hit in answer["hits"]]
        told("search", done, len(data.queries))
    return rankings, latencies_ms
