"""Clears what a deleted collection left: ledger, index, texts, and last the collection's own record."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from services.ingest.pipeline.extracted_store import ExtractedStore
from services.ingest.pipeline.parts import Parts

log = logging.getLogger(__name__)

BUDGET_S = 3.0
SLICE = 500


def purge_collection(
    parts: Parts,
    collection_id: str,
    *,
    budget_s: float = BUDGET_S,
    on_progress: Callable[[], None] = lambda: None,
    clock: Callable[[], float] = time.monotonic,
) -> bool:
    """Works on it for about ``budget_s`` seconds; True when something is left.

    A collection that was not deleted is not touched, whatever a message says. The ledger comes first: from its first
    slice on it takes nothing in for the collection any more and hands nothing out.
    """
    if collection_id not in parts.collections.deleted_ids():
        log.warning("collection %s is not deleted and was not cleared", collection_id)
        return False
    collection = parts.collections.by_id(collection_id)
    if collection is not None:
        parts.index.drop(collection)
    started = clock()
    for clear in (parts.ledger.drop_collection, parts.index.purge):
        while clear(collection_id, SLICE):
            on_progress()
            if clock() - started > budget_s:
                return True
    ExtractedStore(parts.settings.data_dir / "extracted").forget_collection(collection_id)
    parts.collections.forget(collection_id)
    log.info("deleted collection %s is cleared", collection_id)
    return False
