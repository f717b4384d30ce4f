"""What a source is and how far its following is, as values. Times are ms since the epoch unless named otherwise."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import StrEnum


class SourceKind(StrEnum):
    """What is followed: one page (or feed, or file) of the web, the pages of a sitemap, a folder of this machine."""

    URL = "url"
    SITEMAP = "sitemap"
    FOLDER = "folder"


class SourceState(StrEnum):
    """``waiting``: not looked at yet. ``failed``: the last look brought nothing; what was there before stays."""

    WAITING = "waiting"
    SYNCING = "syncing"
    IDLE = "idle"
    FAILED = "failed"
    REMOVING = "removing"


@dataclass(frozen=True, slots=True)
class Source:
    """A source of one collection.

    ``location`` is a URL or the path of a folder. ``every_s`` is the pause between two looks; 0: once for the web, and
    as often as the settings say for a folder. ``include`` and ``exclude`` are glob patterns for relative paths (of
    files, or of the pages of a sitemap). ``other_hosts``: a sitemap may name pages of other hosts too.
    """

    id: str
    collection_id: str
    name: str
    kind: SourceKind
    location: str
    every_s: int = 0
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    other_hosts: bool = False
    created_at_ms: int = 0


@dataclass(frozen=True, slots=True)
class Tally:
    """What one look at a source found: documents by what became of them.

    ``waiting`` were being written to and are taken at the next look.
    """

    added: int = 0
    changed: int = 0
    removed: int = 0
    unchanged: int = 0
    failed: int = 0
    waiting: int = 0

    def plus(self, **counts: int) -> Tally:
        """The sum."""
        return replace(self, **{name: getattr(self, name) + count for name, count in counts.items()})

    @property
    def eventful(self) -> bool:
        """Whether anything was done."""
        return bool(self.added or self.changed or self.removed)


@dataclass(frozen=True, slots=True)
class SourceStatus:
    """How far the following of a source is, for people.

    ``tally`` is of the last look that did or found anything new; ``items`` counts what the source brought and still
    has. ``next_sync_ms`` 0: not planned. ``failures`` counts looks that failed in a row. ``root`` tells one folder from
    another at the same path. ``started_ms`` is set while a look is under way.
    """

    state: SourceState = SourceState.WAITING
    last_sync_ms: int = 0
    next_sync_ms: int = 0
    started_ms: int = 0
    tally: Tally = field(default_factory=Tally)
    items: int = 0
    error_code: str = ""
    error: str = ""
    failures: int = 0
    root: str = ""


@dataclass(frozen=True, slots=True)
class FollowedSource:
    """A source with its status; ``removal`` is "", "keep" or "delete" (its documents)."""

    source: Source
    status: SourceStatus
    removal: str = ""

    @property
    def state(self) -> SourceState:
        """The state that people see."""
        return SourceState.REMOVING if self.removal else self.status.state


class Hold(StrEnum):
    """Whose the document of an item is.

    ``ours``: it was handed over, so it may be removed. ``new``: nothing was handed over yet. ``foreign``: a document of
    that id was there before, which this source neither changes nor removes.
    """

    OURS = ""
    NEW = "new"
    FOREIGN = "foreign"


@dataclass(frozen=True, slots=True)
class Item:
    """One thing a source brought: a file or a page. ``document_id`` is the document it became.

    ``mark`` is what a look compares before anything is read (a file's size and time, a sitemap's lastmod); "" when it
    is not known that the document was taken. ``digest`` is the content's SHA-256. ``misses`` counts looks at which the
    server had no such page. ``seen_ms`` is when it was fetched last. ``error`` says why it could not be taken.
    ``hold`` says whose the document is; ``Delivery`` alone sets it.
    """

    document_id: str
    mark: str = ""
    digest: str = ""
    etag: str = ""
    last_modified: str = ""
    misses: int = 0
    seen_ms: int = 0
    error: str = ""
    hold: Hold = Hold.OURS
