"""Making a collection's index again from nothing: what is there is forgotten, then everything is queued anew.

Asked for by a field of the collection's record on the ledger, done by the keeper in small steps, so it goes on after
any crash. Meanwhile the search index is absent and searches answer 503; other collections are not concerned. A document
that arrives meanwhile and is swept away with the rest is noticed by the comparison that follows.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from services.collections.values import Collection
from services.index.clearing import Found
from services.ledger import keys
from services.ledger.ledger import Ledger

FIELD = "erase"
STEPS_PER_SWEEP = 10
KEYS_PER_STEP = 500


class Clearing(Protocol):
    """What is needed of the index server's keys."""

    def scan(self, collection: Collection, cursor: int, count: int) -> Found:
        """The next stretch of keys."""

    def erase(self, collection: Collection, doc_hash: str) -> bool:
        """Forgets a document."""

    def strays(
        self, collection: Collection, doc_hash: str, chunks: list[tuple[int, int]], *, remove: bool = False
    ) -> int:
        """Removes chunks that belong to nothing."""


class Droppable(Protocol):
    """What is needed of the index."""

    def drop(self, collection: Collection) -> None:
        """Takes the search index away; its keys stay."""


def ask_to_rebuild(ledger: Ledger, collection_id: str) -> None:
    """Has the keeper make a collection's index again. Repeated while that is under way, it begins anew."""
    fields: Mapping[Any, Any] = {FIELD: 0, "wiped": 1, "compare": "", "confirmed": 0}
    ledger.link.attempt(lambda: ledger.link.client.hset(keys.collection(collection_id), mapping=dict(fields)))


def is_erasing(ledger: Ledger, collection_id: str) -> bool:
    """Whether what was there is still being forgotten."""
    (found,) = ledger.link.read(lambda pipe: pipe.hget(keys.collection(collection_id), FIELD))
    return found is not None


class Erasing:
    """The keeper's hand in it."""

    def __init__(self, ledger: Ledger, index: Droppable, clearing: Clearing) -> None:
        self._ledger = ledger
        self._link = ledger.link
        self._index = index
        self._clearing = clearing

    def go_on(self, collection: Collection) -> bool:
        """The next steps for a collection that is to be made again; True when the last one was just done."""
        place = keys.collection(collection.id)
        (noted,) = self._link.read(lambda pipe: pipe.hget(place, FIELD))
        if noted is None:
            return False
        self._index.drop(collection)  # searches answer 503 from here on, and removing keys costs nothing
        cursor = int(noted)
        for _ in range(STEPS_PER_SWEEP):
            found = self._clearing.scan(collection, cursor, KEYS_PER_STEP)
            self._forget(collection, found)
            cursor = found.cursor
            if cursor == 0:
                self._link.attempt(lambda: self._link.client.hdel(place, FIELD))
                return True
        self._link.attempt(lambda: self._link.client.hset(place, FIELD, cursor))
        return False

    def _forget(self, collection: Collection, found: Found) -> None:
        for doc_hash in found.heads:
            self._clearing.erase(collection, doc_hash)
        chunks: dict[str, list[tuple[int, int]]] = {}
        for doc_hash, generation, ordinal in found.chunks:
            chunks.setdefault(doc_hash, []).append((generation, ordinal))
        for doc_hash, places in chunks.items():
            self._clearing.strays(collection, doc_hash, places, remove=True)
