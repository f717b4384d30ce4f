"""What goes into the index and what comes out of it, as values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Chunk:
    """A passage of a document.

    ``start`` and ``end`` are Unicode code points into the extracted text; ``heading`` is the path of headings above
    the passage, "" for none; ``page`` counts from 1. ``vector`` is float32, shape (dim,).
    """

    ordinal: int
    text: str
    start: int
    end: int
    heading: str
    page: int | None
    vector: NDArray[np.float32] = field(compare=False)


@dataclass(frozen=True, slots=True)
class DocumentHead:
    """What the index says of a document: which generation is visible, and what a hit shows of it.

    ``live`` False is a tombstone: the document was deleted and older writers must stay out. ``sequence`` is the finish
    sequence that the index gave to the last change; what a caller puts there is passed over. ``text_hash`` covers what
    was embedded. ``updated_at`` is in ms since the epoch.
    """

    generation: int
    attempt: int
    chunks: int
    live: bool
    sequence: int
    text_hash: str
    id: str
    title: str
    url: str
    source: str
    kind: str
    metadata: Mapping[str, Any]
    updated_at: int


@dataclass(frozen=True, slots=True)
class Neighbour:
    """A chunk near a query's vector, not yet compared with its document's head. ``distance`` is 1 - cosine."""

    doc_hash: str
    generation: int
    ordinal: int
    distance: float


@dataclass(frozen=True, slots=True)
class ChunkHit:
    """A chunk of the visible generation of a document. ``distance`` is 1 - cosine: 0 to 2, nearer is smaller."""

    doc_hash: str
    generation: int
    ordinal: int
    text: str
    start: int
    end: int
    heading: str
    page: int | None
    distance: float


@dataclass(frozen=True, slots=True)
class FoundDocument:
    """A hit together with the head of its document, read in one step."""

    hit: ChunkHit
    head: DocumentHead


@dataclass(frozen=True, slots=True)
class Rebuilding:
    """The index is incomplete: ``searchable`` documents of ``expected`` are in it again."""

    searchable: int
    expected: int


@dataclass(frozen=True, slots=True)
class Resolved:
    """Neighbours compared with the heads of their documents.

    Args:
        found: the valid neighbours of the wanted slice, in the order of the neighbours.
        valid: valid neighbours met, at most offset + limit + 1.
        walked: neighbours looked at until then.
        moved: documents whose head shows a newer generation than the neighbour did, with that generation.
        documents: live documents of the whole index.
        rebuilding: set while the index is known to be incomplete.
    """

    found: tuple[FoundDocument, ...]
    valid: int
    walked: int
    moved: Mapping[str, int]
    documents: int
    rebuilding: Rebuilding | None


class Outcome(StrEnum):
    """What became of a write."""

    WRITTEN = "written"
    STALE = "stale"
    ALREADY = "already"
    MISSING = "missing"


@dataclass(frozen=True, slots=True)
class WriteOutcome:
    """The answer to a write.

    ``sequence`` is the finish sequence and ``chunks`` the number of visible chunks after the call: of this write when
    it was written, else of what stands there instead (both 0 when nothing does).
    """

    outcome: Outcome
    sequence: int
    chunks: int


@dataclass(frozen=True, slots=True)
class IndexInfo:
    """The state of one index.

    ``documents`` are live; ``chunks`` are known to the Query Engine, those not yet visible included; ``failures`` were
    refused by it; ``indexing`` is true while it still reads existing keys; ``sequence`` is the last finish sequence.
    """

    documents: int
    chunks: int
    failures: int
    indexing: bool
    sequence: int
