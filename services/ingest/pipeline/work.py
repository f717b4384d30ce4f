"""Documents in hand: what is known of one between being read and being written."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from services.index.values import Chunk, DocumentHead
from services.ingest.chunks.chunking import Piece
from services.ingest.chunks.pages import page_at
from services.ingest.values import PageMark
from services.ledger.values import ClaimedDocument, NewDocument, Timings
from services.neardup.signature import Signature

_CHARS_PER_TOKEN = 4


WorkKey = tuple[str, str, int]
"""Names one version of one document: collection id, document hash, generation."""


def key_of(claimed: ClaimedDocument) -> WorkKey:
    """The key of what is claimed."""
    return claimed.collection_id, claimed.doc_hash, claimed.generation


@dataclass(slots=True)
class Stopwatch:
    """Where the time of one document goes, seconds; of a step that several documents share, its share."""

    extract_s: float = 0.0
    embed_s: float = 0.0
    write_s: float = 0.0

    @contextmanager
    def extracting(self) -> Iterator[None]:
        """Counts what happens within as reading and cutting."""
        began = time.monotonic()
        try:
            yield
        finally:
            self.extract_s += time.monotonic() - began

    def timings(self) -> Timings:
        """In whole milliseconds, as the ledger keeps them."""
        return Timings(*(round(part * 1000) for part in (self.extract_s, self.embed_s, self.write_s)))


@dataclass(slots=True)
class Work:
    """A document that has been read and cut; vectors come piece by piece, in order. ``title`` is what hits show.

    ``document`` is without its body, which has been read. ``metadata`` is its own and what it says of itself.
    """

    claimed: ClaimedDocument
    document: NewDocument
    attempt: int
    title: str
    warnings: tuple[str, ...]
    pieces: Sequence[Piece]
    metadata: Mapping[str, Any]
    pages: tuple[PageMark, ...] = ()
    watch: Stopwatch = field(default_factory=Stopwatch)
    signature: Signature | None = None
    vectors: list[NDArray[np.float32]] = field(default_factory=list)

    @property
    def is_complete(self) -> bool:
        """Whether every piece has its vector."""
        return len(self.vectors) == len(self.pieces)

    def missing(self) -> Sequence[Piece]:
        """The pieces without a vector."""
        return self.pieces[len(self.vectors) :]

    def missing_tokens(self) -> int:
        """About how many tokens still have to be embedded."""
        return sum(estimate_tokens(piece) for piece in self.missing())

    def chunks(self) -> list[Chunk]:
        """What the index stores."""
        return [
            Chunk(
                piece.ordinal,
                piece.text,
                piece.start,
                piece.end,
                piece.heading,
                page_at(self.pages, piece.start),
                vector,
            )
            for piece, vector in zip(self.pieces, self.vectors, strict=True)
        ]

    def head(self) -> DocumentHead:
        """What the index says of the document."""
        return make_head(self.claimed, self.document, self.attempt, self.title, self.metadata)


def estimate_tokens(piece: Piece) -> int:
    """About how many tokens a piece has; exact counts are the embedder's business."""
    return tokens_of(piece.embedded)


def tokens_of(text: str) -> int:
    """About how many tokens a text has."""
    return len(text) // _CHARS_PER_TOKEN + 2


def make_head(
    claimed: ClaimedDocument, document: NewDocument, attempt: int, title: str, metadata: Mapping[str, Any]
) -> DocumentHead:
    """The head of a document's version; the index sets ``chunks``, ``live`` and ``sequence``."""
    return DocumentHead(
        generation=claimed.generation,
        attempt=attempt,
        chunks=0,
        live=True,
        sequence=0,
        text_hash=document.text_hash,
        id=claimed.id,
        title=title,
        url=document.url,
        source=document.source,
        kind=document.kind.value,
        metadata=metadata,
        updated_at=time.time_ns() // 1_000_000,
    )
