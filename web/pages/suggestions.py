"""Tag values to offer as filters, from a sample of a collection's latest documents."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from services.collections.values import Collection, FieldType
from services.errors import Unavailable
from services.ledger.values import DocumentState
from services.wiring import Services
from web.pages.controls import suggest_tags

SAMPLE_DOCUMENTS = 200
KEEP_S = 60.0
MAX_COLLECTIONS = 64


class TagSuggestions:
    """Remembers each collection's suggestions for a minute: they are a help, not a list of all there is.

    Args:
        services: where the documents are.
        clock: seconds, monotonic.
    """

    def __init__(self, services: Services, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._services = services
        self._clock = clock
        self._lock = threading.Lock()
        self._kept: dict[str, tuple[float, dict[str, tuple[str, ...]]]] = {}

    def of(self, collection: Collection) -> dict[str, tuple[str, ...]]:
        """Values by tag field, the most frequent first; empty when a store does not answer."""
        if not any(field.type is FieldType.TAG for field in collection.fields):
            return {}
        now = self._clock()
        with self._lock:
            kept = self._kept.get(collection.id)
        if kept is not None and now - kept[0] < KEEP_S:
            return kept[1]
        try:
            found = self._sample(collection)
        except Unavailable:
            return kept[1] if kept else {}
        with self._lock:
            if len(self._kept) >= MAX_COLLECTIONS:
                self._kept.clear()
            self._kept[collection.id] = (now, found)
        return found

    def _sample(self, collection: Collection) -> dict[str, tuple[str, ...]]:
        page = self._services.ledger.documents(collection.id, limit=SAMPLE_DOCUMENTS, state=DocumentState.READY)
        heads = self._services.index.heads(collection, [record.doc_hash for record in page.items])
        return suggest_tags(collection, (head.metadata for head in heads if head is not None and head.live))
