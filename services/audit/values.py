"""What an audit looks for and what it says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class Kind(StrEnum):
    """What can be wrong."""

    INDEX_ABSENT = "index-absent"
    NOT_INDEXED = "not-indexed"
    CHUNKS_MISSING = "chunks-missing"
    CHUNKS_UNSOUND = "chunks-unsound"
    GIVEN_UP = "given-up-but-shown"
    AHEAD = "newer-in-index"
    UNKNOWN = "unknown-document"
    STRAYS = "stray-chunks"
    HALF_STAGED = "half-staged"
    LEFT_OVER = "left-over-chunks"
    LISTS = "wrong-list"
    STUCK = "stuck"
    LEDGER_CHUNKS = "ledger-chunk-total"
    INDEX_COUNTERS = "index-counters"
    ENGINE_COUNT = "engine-count"
    REFERENCES = "envelope-references"
    ENVELOPE_MISSING = "envelope-missing"
    ENVELOPE_DAMAGED = "envelope-damaged"
    NOT_DESCRIBED = "not-described"
    NOBODYS_TEXTS = "texts-of-nobody"


OF_DOCUMENTS = frozenset(
    {
        Kind.NOT_INDEXED,
        Kind.CHUNKS_MISSING,
        Kind.CHUNKS_UNSOUND,
        Kind.GIVEN_UP,
        Kind.AHEAD,
        Kind.UNKNOWN,
        Kind.HALF_STAGED,
        Kind.LEFT_OVER,
        Kind.LISTS,
        Kind.STUCK,
    }
)
REMOVING = frozenset({Kind.UNKNOWN, Kind.STRAYS, Kind.HALF_STAGED})
"""Whose repair removes something: they are looked at twice, further apart than a lease is long."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong, of one collection ("" for the instance), with how often and a few examples.

    ``members`` are what the repair acts on: document hashes, names of envelopes, or (said, right) of a figure.
    """

    kind: Kind
    collection: str
    collection_id: str
    count: int
    examples: tuple[str, ...] = ()
    members: tuple[str, ...] = field(default=(), compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Figures:
    """A collection in numbers.

    ``chunks_*``: by the ledger, by the index's heads, as keys that are there, and as the Query Engine counts them.
    ``embedded`` documents have vectors in the index; ``searchable`` ones the ledger calls visible. ``engine_refusals``
    is what the Query Engine has refused since the index was made; it never goes down.
    """

    name: str
    id: str
    states: Mapping[str, int]
    accepted: int
    searchable: int
    embedded: int
    chunks_ledger: int
    chunks_heads: int
    chunks_keys: int
    chunks_engine: int
    engine_refusals: int
    texts: int


@dataclass(frozen=True, slots=True)
class EnvelopeFigures:
    """The folder of envelopes. ``oldest_unreferenced_s`` is the age of the oldest that nothing refers to."""

    files: int = 0
    referenced: int = 0
    missing: int = 0
    damaged: int = 0
    unreferenced: int = 0
    oldest_unreferenced_s: float = 0.0
    temporary: int = 0
    verified: bool = True


@dataclass(frozen=True, slots=True)
class AuditReport:
    """What an audit came to."""

    collections: tuple[Figures, ...]
    envelopes: EnvelopeFigures
    findings: tuple[Finding, ...]

    @property
    def clean(self) -> bool:
        """Whether nothing is wrong."""
        return not self.findings
