"""What the routes about sources take and answer."""

from __future__ import annotations

from typing import Literal

from pydantic import Field
from typing_extensions import TypedDict

from services.sources.asking import SourceWish
from services.sources.values import SourceKind
from web.schemas import Body, Query


class SourceIn(Body):
    """A source to be followed."""

    location: str = Field(description="URL of a page, feed or sitemap, or the absolute path of a folder on the server")
    kind: Literal["url", "sitemap", "folder"] | None = Field(None, description="null: seen from the location")
    name: str = Field(
        "", description="1 to 63 lower-case letters, digits, '.', '_' and '-'; empty: made from the location"
    )
    every_s: int | None = Field(
        None, description="Seconds between two looks; 0: once (a folder: as the server's setting); null: once a day"
    )
    include: list[str] = Field(default_factory=list, description="Glob patterns of relative paths; empty: all")
    exclude: list[str] = Field(default_factory=list, description="Glob patterns of relative paths to leave out")
    other_hosts: bool = Field(False, description="A sitemap may name pages of other hosts")

    def as_wish(self) -> SourceWish:
        """The wish as services take it."""
        return SourceWish(
            self.location,
            SourceKind(self.kind) if self.kind else None,
            self.name,
            self.every_s,
            self.include,
            self.exclude,
            self.other_hosts,
        )


class SourceRemovalQuery(Query):
    """What becomes of a removed source's documents."""

    documents: Literal["keep", "delete"] = Field("keep", description="Keep the documents it brought, or delete them")


class SourceCountsShape(TypedDict):
    """Documents of the last look that found anything, by what became of them."""

    added: int
    changed: int
    removed: int
    unchanged: int
    failed: int
    waiting: int


class SourceErrorShape(TypedDict):
    """Why the last look failed."""

    code: str
    message: str


class SourceFailureShape(TypedDict):
    """A file or page that could not be taken."""

    item: str
    error: str


class SourceShape(TypedDict):
    """A source and how far it is. ``documents`` counts what it brought and still has."""

    name: str
    kind: str
    location: str
    every_s: int
    include: list[str]
    exclude: list[str]
    other_hosts: bool
    state: str
    created_at: str
    last_sync_at: str | None
    next_sync_at: str | None
    counts: SourceCountsShape
    documents: int
    error: SourceErrorShape | None


class SourceDetailShape(SourceShape):
    """The same with the first things that could not be taken."""

    failures: list[SourceFailureShape]


class SourcesShape(TypedDict):
    """All sources of a collection."""

    items: list[SourceShape]
    next_cursor: str | None
