"""What goes into the ledger and what it answers, as values. Times are ms since the epoch unless named otherwise."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Generic, TypeVar

from services.errors import Conflict
from services.ledger.bodies import Body

T = TypeVar("T")


class LeaseLost(Conflict):
    """The document is in other hands: the lease ran out, or a newer generation, a delete or a cancel came.

    The worker drops what it has made of it. Never shown to a client.
    """

    code = "lease-lost"


class DocumentState(StrEnum):
    """How far the wanted generation of a document is."""

    PENDING = "pending"
    PROCESSING = "processing"
    READY = "ready"
    FAILED = "failed"
    DELETED = "deleted"
    SUPERSEDED = "superseded"
    CANCELLED = "cancelled"


class DocumentKind(StrEnum):
    """How the worker has to read a body.

    TEXT: UTF-8 text given as such. FILE: raw bytes to be extracted. SOURCE: one upload that expands into a document per
    line, row or item. DELETE: no body; the document's removal.
    """

    TEXT = "text"
    FILE = "file"
    SOURCE = "source"
    DELETE = "delete"


@dataclass(frozen=True, slots=True)
class NewDocument:
    """One document of an accept request.

    ``text_hash`` covers what is embedded (title, text or raw bytes, media type); ``full_hash`` covers everything.
    ``metadata`` holds the client's fields, declared or not. ``source`` is the file name or relative path, if any.
    ``parent`` is the document hash of the SOURCE this document was expanded from. ``body`` is an open file where it was
    uploaded as one; of a TEXT, and of what ``EnvelopeStore.read`` gives back, it is bytes.
    """

    id: str
    kind: DocumentKind
    body: Body = b""
    media_type: str = "text/plain"
    title: str = ""
    url: str = ""
    source: str = ""
    metadata: Mapping[str, Any] = field(default_factory=dict)
    text_hash: str = ""
    full_hash: str = ""
    parent: str = ""


@dataclass(frozen=True, slots=True)
class AcceptRequest:
    """Everything of one request: one envelope, one atomic accept.

    Args:
        collection_id: where the documents go.
        documents: at least one; ids must be distinct.
        request_id: idempotency key, "" for none; remembered for a day together with ``request_hash`` and the answer.
        job_id: an existing job to join (a SOURCE's children, or a further slice of one long request), or "" for a new
            one.
        label: what the job is about, for people ("upload of 3 files").
        generation: 0 for a new one. A SOURCE's children take their parent's: then ``job_id`` is the parent's job and
            every document has the same ``parent``. A child that an earlier slice has handled is answered "unchanged"
            and not counted again; once the parent's generation is no longer wanted all are answered "stale".
        not_after: a document whose wanted generation is newer than this is answered "stale" and left alone; 0: none is.
    """

    collection_id: str
    documents: tuple[NewDocument, ...]
    request_id: str = ""
    request_hash: str = ""
    job_id: str = ""
    label: str = ""
    generation: int = 0
    not_after: int = 0


@dataclass(frozen=True, slots=True)
class AcceptedDocument:
    """What became of one document of a request: ``outcome`` is accepted, unchanged or stale."""

    id: str
    outcome: str
    generation: int


@dataclass(frozen=True, slots=True)
class AcceptAnswer:
    """The answer to an accept; ``replayed`` when an idempotency key brought back an earlier one.

    ``ring`` is true when nobody has rung for the collection since the last claim: the caller rings its doorbell.
    """

    job_id: str
    documents: tuple[AcceptedDocument, ...]
    replayed: bool = False
    ring: bool = False


@dataclass(frozen=True, slots=True)
class ClaimedDocument:
    """A document a worker holds under a lease. ``visible_*`` describe what the index shows now (generation 0: nothing).

    ``cursor`` is how far a SOURCE has been expanded by earlier slices. ``envelope`` is an opaque reference for
    ``EnvelopeStore.read``. ``attempts`` counts attempts before this one. ``children`` counts the documents that this
    one was expanded into, now or as an earlier version: a source that is deleted, or is none any more, still has them.
    A document whose visible version was lost while a newer one had failed is claimed in its visible generation.
    """

    collection_id: str
    doc_hash: str
    id: str
    generation: int
    attempts: int
    kind: DocumentKind
    envelope: str
    body_bytes: int
    job_id: str
    visible_generation: int
    cursor: int = 0
    children: int = 0


@dataclass(frozen=True, slots=True)
class Claim:
    """What a worker got: documents under ``token`` (possibly none), and whether more are waiting."""

    token: str
    documents: tuple[ClaimedDocument, ...]
    live_version: int
    more: bool


@dataclass(frozen=True, slots=True)
class Timings:
    """Where the time of a finished document went, ms; its share where documents are embedded together."""

    extract_ms: int = 0
    embed_ms: int = 0
    write_ms: int = 0


@dataclass(frozen=True, slots=True)
class DocumentRecord:
    """The ledger's knowledge of one document, for people and the API.

    ``kind`` and ``body_bytes`` are those of the wanted version, ``chunks`` those of the visible one. A document whose
    ``kind`` is DELETE and whose state is not ``deleted`` is on its way out and still visible. ``visible_generation`` is
    0 while the index shows nothing of it; ``visible_envelope`` is where the text that hits point into lies.
    ``queue_ms`` passed until a worker first took it in hand, None while none has; ``timings`` are None until it is
    finished, and where its worker died before it could tell them.
    """

    collection_id: str
    id: str
    doc_hash: str
    kind: DocumentKind
    state: DocumentState
    wanted_generation: int
    visible_generation: int
    attempts: int
    title: str
    url: str
    source: str
    media_type: str
    body_bytes: int
    chunks: int
    job_id: str
    error_code: str
    error: str
    warnings: tuple[str, ...]
    accepted_at: int
    updated_at: int
    envelope: str
    visible_envelope: str
    parent: str
    children: int
    queue_ms: int | None = None
    timings: Timings | None = None


@dataclass(frozen=True, slots=True)
class JobCounts:
    """Documents of a job by state; ``unchanged`` were recognised at accept and needed no work.

    The states always add up to ``total``. A SOURCE counts until it has been expanded; then only its children do.
    """

    total: int = 0
    pending: int = 0
    processing: int = 0
    ready: int = 0
    failed: int = 0
    unchanged: int = 0
    deleted: int = 0
    superseded: int = 0
    cancelled: int = 0


@dataclass(frozen=True, slots=True)
class Job:
    """A job: the documents of one request and how far they are.

    ``state``: "pending" (nothing taken in hand yet), "running", then "done", "failed" (everything it had to do failed)
    or "cancelled"; ``counts`` tell how many. ``rate`` is in documents/s since the job was begun; ``eta_s`` None:
    unknown.
    """

    id: str
    collection_id: str
    label: str
    state: str
    counts: JobCounts
    created_at: int
    finished_at: int | None
    rate: float
    eta_s: float | None


@dataclass(frozen=True, slots=True)
class CollectionCounts:
    """Documents of a collection by state of their wanted generation; ``searchable`` have a visible generation.

    Expanded sources are in none of the figures. ``waiting`` are queued for a worker. ``chunks`` are visible.
    """

    documents: Mapping[str, int]
    searchable: int
    chunks: int
    waiting: int


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """A page of a list with a stable cursor; ``next_cursor`` is "" on the last page."""

    items: tuple[T, ...]
    next_cursor: str
