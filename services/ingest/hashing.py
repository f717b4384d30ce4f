"""The two hashes by which a document is recognised: of what is embedded, and of everything."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from services.index.metadata import metadata_json
from services.ingest.extract.registry import VERSION
from services.ledger.bodies import Body, body_sha256
from services.ledger.values import DocumentKind


def text_hash(kind: DocumentKind, media_type: str, title: str, body: Body) -> str:
    """Covers what a document's vectors are made of. Files are read, so the version of the readers counts for them."""
    reader = str(VERSION) if kind is DocumentKind.FILE else ""
    return _digest(kind.value, reader, media_type, title, body_sha256(body).hex())


def full_hash(text: str, url: str, source: str, metadata: Mapping[str, Any]) -> str:
    """Covers everything that is stored of a document but its id; ``text`` is its text hash."""
    ordered = metadata_json({name: metadata[name] for name in sorted(metadata)}).decode("utf-8")
    return _digest(text, url, source, ordered)


def request_hash(documents: list[tuple[str, str]]) -> str:
    """Covers a request: (id as the client gave it or "", full hash) of each document."""
    return _digest(*(part for pair in documents for part in pair))


def _digest(*parts: str) -> str:
    hasher = hashlib.sha256()
    for part in parts:
        data = part.encode("utf-8")
        hasher.update(len(data).to_bytes(8, "big"))
        hasher.update(data)
    return hasher.hexdigest()[:32]
