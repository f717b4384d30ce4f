"""What requests may hold: strict models, unknown members refused. Loose only where a query string must become a number.

Limits that belong to the product (name patterns, chunk sizes, ids, metadata) are checked in services; here stand types,
names and sizes, so that a wrong request never reaches a service.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from services.ingest.values import TextInput

MAX_LIMIT = 100
MAX_OFFSET = 1000
MAX_LIST_LIMIT = 500
MAX_MEDIA_CHARS = 5_600_000
"""Of a picture or a sound in a JSON body: 4 MiB in base64."""


class Body(BaseModel):
    """A JSON object of a request: exact types, no unknown members."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Query(BaseModel):
    """Parameters of a query string: text is read as the declared type, unknown parameters are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class ChunkingIn(Body):
    """How documents are cut into chunks."""

    strategy: Literal["structure", "none"] = Field(
        "structure", description="'structure' cuts at headings, paragraphs and sentences; 'none' keeps one chunk"
    )
    size_tokens: int | None = Field(
        None, description="Size of a chunk in the model's tokens; null: 192, or the model's limit if that is less"
    )
    overlap_tokens: int = Field(0, description="Tokens that neighbouring chunks share")


class CollectionIn(Body):
    """A collection to be created."""

    name: str = Field(description="1 to 63 lower-case letters, digits, '.', '_' and '-'")
    description: str = Field("", description="For people; up to 500 characters")
    model: str | None = Field(None, max_length=500, description="Embedding model; null: the server's default")
    algorithm: Literal["hnsw", "flat"] = Field("hnsw", description="'hnsw' for large collections, 'flat' is exact")
    vector_type: Literal["float16", "float32"] = Field("float16", description="How numbers of a vector are stored")
    chunking: ChunkingIn = Field(default_factory=ChunkingIn.model_construct)
    fields: dict[str, Literal["tag", "number", "date", "boolean"]] = Field(
        default_factory=dict, description="Metadata members that searches may filter by, with their types"
    )
    language: str = Field("en", description="Language code of most documents")
    near_duplicates: Literal["keep", "skip", "replace"] = Field(
        "keep",
        description="What becomes of a document whose text another one has, word for word or nearly: 'keep' both with "
        "a warning, 'skip' the newcomer (it ends failed), 'replace' the older one (it is deleted)",
    )


class CollectionPatch(Body):
    """What may be changed about a collection."""

    name: str | None = Field(None, description="New name")
    description: str | None = Field(None, description="New description")


class DocumentPut(Body):
    """A document's content; its id stands in the address."""

    text: str = Field(description="The text to be found")
    title: str = Field("", description="Shown with every hit and embedded with every chunk")
    url: str = Field("", description="Where people find the original")
    media_type: Literal["text/plain", "text/markdown", "text/html", "text/x-rst"] = Field(
        "text/plain", description="How the text is marked up"
    )
    metadata: dict[str, Any] = Field(
        default_factory=dict, description="Your own members; declared ones can be filtered"
    )

    def as_input(self, document_id: str | None) -> TextInput:
        """The document as services take it; without an id it gets one."""
        return TextInput(
            id=document_id,
            text=self.text,
            title=self.title,
            url=self.url,
            metadata=self.metadata,
            media_type=self.media_type,
        )


class DocumentIn(DocumentPut):
    """A document to be added; without an id it gets one."""

    id: str | None = Field(None, description="1 to 512 bytes; the same id again replaces the document")


class SearchIn(Body):
    """A search."""

    query: str = Field(description="What to look for, in plain words")
    limit: int = Field(10, ge=1, le=MAX_LIMIT, description="Documents in the answer")
    offset: int = Field(0, ge=0, le=MAX_OFFSET, description="Documents to pass over; offset + limit is at most 1000")
    filter: dict[str, Any] | None = Field(None, description="Condition on the declared fields")
    mode: Literal["semantic"] = Field("semantic", description="How documents are found")
    rerank: str = Field("", max_length=100, description="Reranker that puts the best hits into its own order")
    rerank_depth: int = Field(
        50, ge=1, le=200, description="Hits that it reads; offset + limit is at most that, and there is no page behind"
    )


class MediaSearchIn(Body):
    """A search by a picture or a sound: one of the two."""

    image: str | None = Field(
        None, max_length=MAX_MEDIA_CHARS, description="A picture to search by: its file in base64"
    )
    audio: str | None = Field(None, max_length=MAX_MEDIA_CHARS, description="A sound to search by: its file in base64")


class NoQuery(Query):
    """A route without parameters."""


class ListQuery(Query):
    """A page of a list."""

    cursor: str = Field("", max_length=200, description="The next_cursor of the page before")
    limit: int = Field(50, ge=1, le=MAX_LIST_LIMIT, description="Items in the answer")


class FailuresQuery(Query):
    """Which failed documents are meant; all of them when nothing is said."""

    code: str = Field("", max_length=60, description="Only those that failed for this reason, such as 'no-text'")
    q: str = Field("", max_length=200, description="Only those with this in their id, title, file name or link")


class FailuresExportQuery(FailuresQuery):
    """Which failed documents are written down, and how."""

    format: Literal["ndjson", "csv"] = Field("ndjson", description="One JSON object a line, or a table")


class DocumentsQuery(ListQuery):
    """A page of a collection's documents. With ``code`` or ``q`` a page may be short and still have a next one."""

    code: str = Field("", max_length=60, description="Only documents that failed for this reason")
    q: str = Field("", max_length=200, description="Only documents with this in their id, title, file name or link")

    state: Literal["pending", "processing", "ready", "failed", "deleted", "superseded", "cancelled"] | None = Field(
        None, description="Only documents in this state"
    )


class JobsQuery(ListQuery):
    """A page of jobs, newest first."""

    collection: str | None = Field(None, max_length=100, description="Only jobs of this collection")


class FileSearchQuery(Query):
    """What a search by a picture or a sound is asked beside it."""

    limit: int = Field(10, ge=1, le=MAX_LIMIT, description="Documents in the answer")
    offset: int = Field(0, ge=0, le=MAX_OFFSET, description="Documents to pass over; offset + limit is at most 1000")
    filter: str | None = Field(None, description="Condition on the declared fields, as JSON")


class SearchQuery(Query):
    """A search as a link. Conditions may also be written ``f.<field>=value`` and ``f.<field>.gte=value``."""

    q: str = Field(description="What to look for, in plain words")
    limit: int = Field(10, ge=1, le=MAX_LIMIT, description="Documents in the answer")
    offset: int = Field(0, ge=0, le=MAX_OFFSET, description="Documents to pass over; offset + limit is at most 1000")
    filter: str | None = Field(None, description="Condition on the declared fields, as JSON")
    mode: Literal["semantic"] = Field("semantic", description="How documents are found")
    rerank: str = Field("", max_length=100, description="Reranker that puts the best hits into its own order")
    rerank_depth: int = Field(
        50, ge=1, le=200, description="Hits that it reads; offset + limit is at most that, and there is no page behind"
    )
