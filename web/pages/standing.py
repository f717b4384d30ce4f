"""How much of a collection can be found at this moment, for the line that says so."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, replace

from services.collections.values import Collection
from services.errors import Unavailable
from services.ledger.values import CollectionCounts
from services.wiring import Services
from web.pages.words import live_documents, waiting_documents


@dataclass(frozen=True, slots=True)
class Standing:
    """Documents that can be found (``searchable``) of those there are (``total``); ``waiting`` are still to be read.

    ``rebuilding`` is (searchable again, expected) while the index is being restored. ``known`` is False when the ledger
    did not answer: the page then says nothing rather than something wrong. ``shortage`` says what has no room for more
    documents, "" when there is room.
    """

    searchable: int = 0
    total: int = 0
    waiting: int = 0
    failed: int = 0
    rebuilding: tuple[int, int] | None = None
    known: bool = False
    shortage: str = ""

    @property
    def empty(self) -> bool:
        """Nothing is there and nothing is on its way."""
        return self.known and self.total == 0 and self.waiting == 0

    @property
    def moving(self) -> bool:
        """Whether the numbers are about to change."""
        return self.waiting > 0 or self.rebuilding is not None


@dataclass(frozen=True, slots=True)
class Listed:
    """A collection in a list, with its standing."""

    collection: Collection
    standing: Standing


def standing_of_counts(counts: CollectionCounts, rebuilding: tuple[int, int] | None) -> Standing:
    """The standing that the ledger's counters tell."""
    return Standing(
        searchable=counts.searchable,
        total=live_documents(counts),
        waiting=waiting_documents(counts),
        failed=counts.documents.get("failed", 0),
        rebuilding=rebuilding,
        known=True,
    )


def standing(services: Services, collection: Collection) -> Standing:
    """The standing of a collection; unknown when the ledger is away, because a search needs only the index."""
    found = Standing()
    with contextlib.suppress(Unavailable):
        found = standing_of_counts(services.ledger.counts(collection.id), services.ledger.rebuilding(collection.id))
    shortages = services.admission.standing().shortages
    return replace(found, shortage=shortages[0].sentence) if shortages else found
