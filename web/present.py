"""From values of services to the JSON objects of answers. One place, so that API, pages and streams say the same."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from services.collections.values import Collection
from services.ledger.values import AcceptAnswer, CollectionCounts, DocumentRecord, DocumentState, Job, Timings
from services.search.service import Hit, SearchAnswer, SearchRequest
from web.shapes import (
    AcceptedDocumentShape,
    AcceptedShape,
    CollectionShape,
    DocumentShape,
    HitShape,
    JobShape,
    SearchShape,
    TimingsShape,
)


def rfc3339(time_ms: int) -> str:
    """A time in ms since the epoch as "2026-11-20T21:22:23.123Z"."""
    seconds, milliseconds = divmod(time_ms, 1000)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{milliseconds:03d}Z"


def collection_json(
    collection: Collection, counts: CollectionCounts, rebuilding: tuple[int, int] | None
) -> CollectionShape:
    """A collection with its numbers; ``rebuilding`` is (searchable again, expected) or None."""
    chunking = collection.chunking
    return {
        "id": collection.id,
        "name": collection.name,
        "description": collection.description,
        "model": collection.model,
        "fingerprint": collection.fingerprint,
        "dimensions": collection.dim,
        "algorithm": collection.algorithm.value,
        "vector_type": collection.vector_type.value,
        "chunking": {
            "strategy": chunking.strategy,
            "size_tokens": chunking.size_tokens,
            "overlap_tokens": chunking.overlap_tokens,
        },
        "fields": {field.name: field.type.value for field in collection.fields},
        "language": collection.language,
        "near_duplicates": collection.near_duplicates.value,
        "created_at": rfc3339(collection.created_at_ms),
        "documents": {"total": _existing(counts), **counts.documents},
        "searchable": counts.searchable,
        "chunks": counts.chunks,
        "waiting": counts.waiting,
        "rebuilding": None if rebuilding is None else {"searchable": rebuilding[0], "expected": rebuilding[1]},
    }


def _existing(counts: CollectionCounts) -> int:
    gone = (DocumentState.DELETED, DocumentState.SUPERSEDED)
    return sum(number for state, number in counts.documents.items() if state not in gone)


def document_json(
    record: DocumentRecord, collection_name: str, metadata: Mapping[str, Any] | None = None
) -> DocumentShape:
    """A document; ``metadata`` only where one document is looked at, as it lies in the envelope."""
    shape: DocumentShape = {
        "id": record.id,
        "collection": collection_name,
        "kind": record.kind.value,
        "state": record.state.value,
        "searchable": record.visible_generation > 0,
        "title": record.title,
        "url": record.url,
        "source": record.source,
        "media_type": record.media_type,
        "body_bytes": record.body_bytes,
        "chunks": record.chunks,
        "attempts": record.attempts,
        "generation": record.wanted_generation,
        "visible_generation": record.visible_generation,
        "job_id": record.job_id,
        "error": {"code": record.error_code, "message": record.error} if record.error_code else None,
        "warnings": list(record.warnings),
        "accepted_at": rfc3339(record.accepted_at),
        "updated_at": rfc3339(record.updated_at),
        "queue_ms": record.queue_ms,
        "timings": _timings_json(record.timings),
        "parent": record.parent,
        "children": record.children,
    }
    if metadata is not None:
        shape["metadata"] = dict(metadata)
    return shape


def _timings_json(timings: Timings | None) -> TimingsShape | None:
    if timings is None:
        return None
    return {"extract_ms": timings.extract_ms, "embed_ms": timings.embed_ms, "write_ms": timings.write_ms}


def accepted_json(answer: AcceptAnswer, sources: Mapping[str, str] | None = None) -> AcceptedShape:
    """The answer to an accept; ``sources`` maps document ids to the file names they came from (uploads)."""
    documents: list[AcceptedDocumentShape] = []
    for document in answer.documents:
        shape: AcceptedDocumentShape = {
            "id": document.id,
            "outcome": document.outcome,
            "generation": document.generation,
        }
        if sources is not None and document.id in sources:
            shape["source"] = sources[document.id]
        documents.append(shape)
    return {"job_id": answer.job_id, "documents": documents, "replayed": answer.replayed}


def job_json(job: Job, collection_name: str | None) -> JobShape:
    """A job; ``collection_name`` is None when its collection is gone."""
    counts = job.counts
    return {
        "id": job.id,
        "collection": collection_name,
        "collection_id": job.collection_id,
        "label": job.label,
        "state": job.state,
        "counts": {
            "total": counts.total,
            "pending": counts.pending,
            "processing": counts.processing,
            "ready": counts.ready,
            "failed": counts.failed,
            "unchanged": counts.unchanged,
            "deleted": counts.deleted,
            "superseded": counts.superseded,
            "cancelled": counts.cancelled,
        },
        "done": counts.ready + counts.failed + counts.unchanged + counts.deleted + counts.superseded + counts.cancelled,
        "created_at": rfc3339(job.created_at),
        "finished_at": None if job.finished_at is None else rfc3339(job.finished_at),
        "rate": round(job.rate, 3),
        "eta_s": None if job.eta_s is None else round(job.eta_s, 1),
    }


def hit_json(hit: Hit) -> HitShape:
    """A hit with its best passage."""
    passage = hit.passage
    shape: HitShape = {
        "id": hit.id,
        "collection": hit.collection,
        "title": hit.title,
        "url": hit.url,
        "source": hit.source,
        "score": round(hit.score, 6),
        "passages": hit.passages,
        "generation": hit.generation,
        "metadata": dict(hit.metadata),
        "passage": {
            "text": passage.text,
            "start": passage.start,
            "end": passage.end,
            "heading": passage.heading,
            "page": passage.page,
            "ordinal": passage.ordinal,
        },
    }
    if hit.rerank_score is not None:
        shape["rerank_score"] = hit.rerank_score
    return shape


def answer_json(answer: SearchAnswer, request: SearchRequest, collection_name: str) -> SearchShape:
    """The answer to a search together with what was asked."""
    shape: SearchShape = {
        "collection": collection_name,
        "query": request.query,
        "mode": request.mode,
        "limit": request.limit,
        "offset": request.offset,
        "hits": [hit_json(hit) for hit in answer.hits],
        "has_more": answer.has_more,
        "complete": answer.complete,
        "searchable": answer.searchable,
        "query_tokens": answer.query_tokens,
        "query_truncated": answer.query_truncated,
        "took_ms": round(answer.took_ms, 3),
        "embed_ms": round(answer.embed_ms, 3),
        "index_ms": round(answer.index_ms, 3),
    }
    if request.rerank:
        shape["rerank"] = request.rerank
        shape["rerank_ms"] = round(answer.rerank_ms, 3)
    return shape
