"""What the answers of ``/livez``, ``/readyz`` and ``/version`` hold."""

from __future__ import annotations

from typing import Literal

from typing_extensions import TypedDict


class AliveShape(TypedDict):
    """The process answers."""

    status: str


class CheckShape(TypedDict):
    """One part the server needs."""

    ok: bool
    detail: str


class ShortageShape(TypedDict):
    """What has no room for more: a Redis's memory, a disk, the queue."""

    resource: Literal["index-memory", "ledger-memory", "disk", "queue"]
    detail: str


class IngestionShape(TypedDict):
    """Whether new documents are taken (``accepting``), whether workers go on with those there are, and why not."""

    state: Literal["running", "paused"]
    accepting: bool
    reasons: list[ShortageShape]


class AuditShape(TypedDict):
    """The keeper's running audit: when it last came round, and what it found (``findings`` names the first of them)."""

    ended_at: str
    found: int
    findings: list[str]


class QueryCacheShape(TypedDict):
    """Vectors of queries that this process remembers, and how often that helped since it started.

    ``joined`` are queries that waited for the same one of somebody else.
    """

    entries: int
    limit: int
    bytes: int
    hits: int
    misses: int
    joined: int


class ReadyShape(TypedDict):
    """Whether searches can be served now, how ingestion stands, and what the keeper's audit last found.

    ``audit`` is null before its first round, and while the ledger does not answer; it decides nothing.
    """

    status: Literal["ready", "starting", "unavailable"]
    checks: dict[str, CheckShape]
    ingestion: IngestionShape
    audit: AuditShape | None
    query_cache: QueryCacheShape


class VersionShape(TypedDict):
    """What runs here."""

    name: str
    version: str
    api: str
