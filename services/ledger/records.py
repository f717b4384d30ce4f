"""From Redis replies to values. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from services.ledger.values import (
    AcceptAnswer,
    AcceptedDocument,
    ClaimedDocument,
    DocumentKind,
    DocumentRecord,
    DocumentState,
    Timings,
)


def hash_of(flat: Mapping[bytes, bytes]) -> dict[str, str]:
    """A hash as redis-py gives it, decoded."""
    return {name.decode(): value.decode("utf-8") for name, value in flat.items()}


def document_record(collection_id: str, doc_hash: str, fields: Mapping[str, str]) -> DocumentRecord:
    """A document's record from its hash; absent fields mean nothing or zero."""

    def number(name: str) -> int:
        return int(fields.get(name, 0))

    return DocumentRecord(
        collection_id=collection_id,
        id=fields["id"],
        doc_hash=doc_hash,
        kind=DocumentKind(fields["kind"]),
        state=DocumentState(fields["state"]),
        wanted_generation=number("gen"),
        visible_generation=0 if "lost" in fields or fields.get("vkind") == "source" else number("vis"),
        attempts=number("att"),
        title=fields.get("title", ""),
        url=fields.get("url", ""),
        source=fields.get("source", ""),
        media_type=fields.get("media", ""),
        body_bytes=number("bytes"),
        chunks=number("chunks"),
        job_id=fields.get("job", ""),
        error_code=fields.get("code", ""),
        error=fields.get("error", ""),
        warnings=tuple(json.loads(fields.get("warn", "[]"))),
        accepted_at=number("accepted") // 1000,
        updated_at=number("updated") // 1000,
        envelope=fields.get("env", ""),
        visible_envelope=fields.get("venv", ""),
        parent=fields.get("parent", ""),
        children=number("kids"),
        queue_ms=number("queued") // 1000 if "queued" in fields else None,
        timings=_timings(fields.get("times", "")),
    )


def _timings(text: str) -> Timings | None:
    return Timings(*(int(part) for part in text.split(","))) if text else None


def claimed_document(collection_id: str, row: Sequence[bytes | int]) -> ClaimedDocument:
    """One document of a claim, in the order that ``claim.lua`` names."""
    texts = [cell.decode("utf-8") if isinstance(cell, bytes) else str(cell) for cell in row]
    return ClaimedDocument(
        collection_id=collection_id,
        doc_hash=texts[0],
        id=texts[1],
        generation=int(texts[2]),
        attempts=int(texts[3]),
        kind=DocumentKind(texts[4]),
        envelope=texts[5],
        body_bytes=int(texts[6]),
        job_id=texts[7],
        visible_generation=int(texts[8]),
        cursor=int(texts[9]),
        children=int(texts[10]),
    )


def accept_answer(text: bytes, *, replayed: bool, ring: bool) -> AcceptAnswer:
    """The answer that the ledger remembers for a request."""
    answer = json.loads(text)
    documents = tuple(AcceptedDocument(id, outcome, int(generation)) for id, outcome, generation in answer["documents"])
    return AcceptAnswer(answer["job"], documents, replayed=replayed, ring=ring)
