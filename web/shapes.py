"""The JSON objects of answers, as types: mypy holds the code to them, and the API document shows them.

They cost nothing at run time; only ``/openapi.json`` turns them into schemas, once.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, NotRequired

from pydantic import Field
from typing_extensions import TypedDict  # pydantic asks for this one below Python 3.12

Time = Annotated[str, Field(description="RFC 3339, UTC", examples=["2026-11-20T21:22:23.123Z"])]
State = Literal["pending", "processing", "ready", "failed", "deleted", "superseded", "cancelled"]


class FieldProblemShape(TypedDict):
    """One of several things wrong with a request."""

    code: str
    detail: str
    pointer: str


class ProblemShape(TypedDict):
    """An error (RFC 9457). Switch on ``code``, which is stable; ``detail`` is for people."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    retryable: Annotated[bool, Field(description="Whether the same request can succeed later")]
    request_id: str
    pointer: NotRequired[
        Annotated[str, Field(description="JSON pointer into the body, or '/' and the name of a parameter or header")]
    ]
    errors: NotRequired[list[FieldProblemShape]]


class ChunkingShape(TypedDict):
    """How a collection cuts documents."""

    strategy: str
    size_tokens: int | None
    overlap_tokens: int


class RebuildingShape(TypedDict):
    """How far an index that lost documents has been filled again."""

    searchable: int
    expected: int


class CollectionShape(TypedDict):
    """A collection and how many documents it has."""

    id: str
    name: str
    description: str
    model: str
    fingerprint: Annotated[str, Field(description="Stands for everything that changes vectors")]
    dimensions: int
    algorithm: str
    vector_type: str
    chunking: ChunkingShape
    fields: dict[str, str]
    language: str
    near_duplicates: Annotated[str, Field(description="What becomes of them: keep, skip or replace")]
    created_at: Time
    documents: Annotated[dict[str, int], Field(description="Number by state; total leaves deleted ones out")]
    searchable: int
    chunks: int
    waiting: Annotated[int, Field(description="Documents accepted and not yet worked off")]
    rebuilding: RebuildingShape | None


class CollectionsShape(TypedDict):
    """All collections, by name."""

    items: list[CollectionShape]
    next_cursor: str | None


class DeletedCollectionShape(TypedDict):
    """What was deleted."""

    deleted: str
    id: str


class AcceptedDocumentShape(TypedDict):
    """What became of one document of a request."""

    id: str
    outcome: Annotated[str, Field(description="accepted, unchanged or stale")]
    generation: int
    source: NotRequired[str]


class AcceptedShape(TypedDict):
    """Documents that are safely stored and will be made searchable by the job."""

    job_id: str
    documents: list[AcceptedDocumentShape]
    replayed: Annotated[bool, Field(description="An earlier request with this Idempotency-Key was answered again")]


class UploadShape(TypedDict):
    """The parts of an upload."""

    file: Annotated[list[bytes], Field(description="Files; each file name may be a relative path")]
    metadata: NotRequired[Annotated[str, Field(description="A JSON object for all files")]]
    id: NotRequired[Annotated[str, Field(description="The document's id, for a single file")]]


class MediaSearchShape(TypedDict):
    """The parts of a search by a picture or a sound: one of the two."""

    image: NotRequired[Annotated[bytes, Field(description="A PNG, JPEG, WebP or GIF picture")]]
    audio: NotRequired[Annotated[bytes, Field(description="A WAV, FLAC, Ogg or MP3 sound")]]


class BulkLineShape(TypedDict):
    """What became of one line of a bulk request."""

    line: int
    outcome: Annotated[str, Field(description="accepted, unchanged, stale or rejected")]
    id: NotRequired[str]
    generation: NotRequired[int]
    job_id: NotRequired[str]
    error: NotRequired[FieldProblemShape]


class BulkEndShape(TypedDict):
    """The last line of a bulk answer."""

    done: bool
    accepted: int
    unchanged: int
    stale: int
    rejected: int
    job_ids: list[str]
    error: NotRequired[ProblemShape]
    next_line: NotRequired[Annotated[int, Field(description="First line that was not taken; continue there")]]


class DocumentErrorShape(TypedDict):
    """Why a document failed."""

    code: str
    message: str


class TimingsShape(TypedDict):
    """Where the time of a finished document went, milliseconds."""

    extract_ms: int
    embed_ms: Annotated[int, Field(description="Its share where documents were embedded together")]
    write_ms: int


class DocumentShape(TypedDict):
    """A document and how far it is."""

    id: str
    collection: str
    kind: str
    state: State
    searchable: Annotated[bool, Field(description="Whether some version of it can be found now")]
    title: str
    url: str
    source: str
    media_type: str
    body_bytes: int
    chunks: int
    attempts: int
    generation: int
    visible_generation: Annotated[int, Field(description="The version that searches find; 0 for none")]
    job_id: str
    error: DocumentErrorShape | None
    warnings: list[str]
    accepted_at: Time
    updated_at: Time
    queue_ms: Annotated[int | None, Field(description="From being accepted to being taken in hand; null: it waits")]
    timings: TimingsShape | None
    parent: str
    children: int
    metadata: NotRequired[dict[str, Any]]


class DocumentsShape(TypedDict):
    """A page of documents, last accepted first."""

    items: list[DocumentShape]
    next_cursor: str | None


class FailureCodeShape(TypedDict):
    """A reason and how many documents failed for it."""

    code: str
    count: int


class FailuresShape(TypedDict):
    """Why documents of a collection failed, most frequent reason first; of the last 20,000 failures."""

    failed: int
    codes: list[FailureCodeShape]


class FailureLineShape(TypedDict):
    """A failed document in an export."""

    id: str
    title: str
    source: str
    url: str
    code: str
    message: str
    attempts: int
    accepted_at: Time
    updated_at: Time


class ExportLineShape(TypedDict):
    """A document of an export; the lines can be posted back as they are."""

    id: str
    text: str
    title: str
    url: str
    media_type: str
    metadata: dict[str, Any]


class RetriedShape(TypedDict):
    """Failed documents that are due again."""

    job_id: str
    count: int


class PassageShape(TypedDict):
    """The part of a document that answers best; offsets are code points into the document's text."""

    text: str
    start: int
    end: int
    heading: str
    page: int | None
    ordinal: int


class HitShape(TypedDict):
    """A document found, with its best passage."""

    id: str
    collection: str
    title: str
    url: str
    source: str
    score: Annotated[float, Field(description="Higher is better")]
    passages: Annotated[int, Field(description="Passages of the document among the nearest")]
    generation: int
    metadata: dict[str, Any]
    passage: PassageShape
    rerank_score: NotRequired[Annotated[float, Field(description="The reranker's; higher is better, any range")]]


class SearchShape(TypedDict):
    """The answer to a search, best first."""

    collection: str
    query: str
    mode: str
    limit: int
    offset: int
    hits: list[HitShape]
    has_more: bool
    complete: Annotated[bool, Field(description="False while the index is being filled again after a loss")]
    searchable: Annotated[int, Field(description="Documents that could be found")]
    query_tokens: int
    query_truncated: Annotated[bool, Field(description="The model reads only the beginning of so long a query")]
    took_ms: float
    embed_ms: float
    index_ms: float
    rerank: NotRequired[Annotated[str, Field(description="The reranker that ordered the hits")]]
    rerank_ms: NotRequired[float]


class RerankerShape(TypedDict):
    """A model that searches may name to have their best hits put into its order."""

    name: str
    family: Annotated[str, Field(description="cross-encoder, colbert or splade; empty when it cannot be used")]
    licence: str
    fingerprint: Annotated[str, Field(description="Stands for everything that changes scores")]
    loaded: Annotated[bool, Field(description="The first search that names it waits while it is loaded")]
    problem: Annotated[str, Field(description="Why it cannot be used; empty when it can")]


class RerankersShape(TypedDict):
    """The rerankers that this server offers, in the operator's order."""

    items: list[RerankerShape]
    next_cursor: str | None


class JobCountsShape(TypedDict):
    """Documents of a job by state."""

    total: int
    pending: int
    processing: int
    ready: int
    failed: int
    unchanged: int
    deleted: int
    superseded: int
    cancelled: int


class JobShape(TypedDict):
    """The documents of one request and how far they are."""

    id: str
    collection: Annotated[str | None, Field(description="Name; null when the collection is gone")]
    collection_id: str
    label: str
    state: str
    counts: JobCountsShape
    done: int
    created_at: Time
    finished_at: Time | None
    rate: Annotated[float, Field(description="Documents per second")]
    eta_s: float | None


class JobsShape(TypedDict):
    """A page of jobs, newest first."""

    items: list[JobShape]
    next_cursor: str | None


class ResumedShape(TypedDict):
    """What a resumed job has before it again."""

    waiting: int
    job: JobShape


class CancelledShape(TypedDict):
    """What a cancellation stopped."""

    cancelled: int
    job: JobShape
