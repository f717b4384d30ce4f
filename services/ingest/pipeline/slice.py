"""One claim worked off: its documents are read one by one, embedded together, written one by one, finished together.

An error that a document causes ends that document alone. An error around it (a Redis that is away) ends the slice, and
what is in hand goes back with its attempt.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial

from services.collections.values import Collection
from services.errors import NearfieldError, Unavailable
from services.index.faults import absent
from services.ingest.pipeline.batch import Embedding
from services.ingest.pipeline.extracted_store import ExtractedStore
from services.ingest.pipeline.lease import Lease
from services.ingest.pipeline.model import CollectionModel
from services.ingest.pipeline.pace import WindowPace
from services.ingest.pipeline.parts import Parts
from services.ingest.pipeline.settling import Settlement, Tally
from services.ingest.pipeline.shelf import Shelf
from services.ingest.pipeline.taking import Taker
from services.ingest.pipeline.work import Work, key_of
from services.ingest.pipeline.writing import Writing
from services.ledger.claiming import RELEASE_PAUSE_MS

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Desk:
    """What a worker keeps between slices: unfinished documents, extracted texts, a pace, and threads."""

    shelf: Shelf
    extracted: ExtractedStore
    window: WindowPace
    embedder: Executor
    writer: Executor


class Slice:
    """The work on one claim.

    Args:
        parts: the services.
        collection: whose documents were claimed.
        lease: the claim.
        desk: what is kept between slices.
        is_over: whether the slice has lasted long enough; then nothing new is begun.
        is_stopping: whether the worker is to end; then a file that is being read is given back.
    """

    def __init__(
        self,
        parts: Parts,
        collection: Collection,
        lease: Lease,
        desk: Desk,
        *,
        is_over: Callable[[], bool],
        is_stopping: Callable[[], bool],
    ) -> None:
        self._parts = parts
        self._collection = replace(collection, version=lease.claim.live_version)
        # What has had its slice already comes last, or it would keep the others waiting until it is done.
        self._claimed = sorted(lease.claim.documents, key=lambda claimed: desk.shelf.holds(key_of(claimed)))
        self._is_over = is_over
        model = CollectionModel(parts.models, self._collection, parts.document_vectors)
        self._settlement = Settlement(parts.ledger, lease, desk.extracted)
        taker = Taker(
            parts,
            self._collection,
            lease,
            self._settlement,
            model,
            desk.extracted,
            desk.shelf,
            self._is_over,
            is_stopping,
        )
        self._taker = taker
        self._window_tokens = desk.window.window_tokens()
        self._writing = Writing(
            parts.index,
            parts.near_duplicates,
            self._collection,
            self._settlement,
            lambda work: taker.old_text(work.claimed, work.document.text_hash),
            desk.writer,
        )
        self._embedding = Embedding(
            self._writing, model, self._settlement, desk.shelf, self._is_over, desk.window, desk.embedder
        )

    @property
    def tally(self) -> Tally:
        """How it went so far."""
        return self._settlement.tally

    @property
    def is_written(self) -> bool:
        """Whether ``finish`` would not have to wait for a write."""
        return self._writing.is_written

    def run(self) -> None:
        """Works until all is on its way to the index or the slice is over; call ``finish`` then.

        Raises:
            LeaseLost: all of it is in other hands. Unavailable: call ``give_back``.
        """
        with self._abandoning():
            self._work()

    def finish(self) -> None:
        """Waits for the writes, settles them and gives the rest back. Raises as ``run``."""
        with self._abandoning():
            self._writing.finish()
        self._settlement.give_back(pause_ms=0)

    @contextmanager
    def _abandoning(self) -> Iterator[None]:
        try:
            yield
        except BaseException:
            self._embedding.abandon()
            self._writing.abandon()
            raise

    def _work(self) -> None:
        self._require_index()
        self._taker.look_up()
        works: list[Work] = []
        tokens = 0
        for number, claimed in enumerate(self._claimed):
            if number and self._is_over():
                break
            work = self._settlement.guarded(claimed, partial(self._taker.take, claimed))
            self._settlement.progress()
            if work is not None:
                works.append(work)
                tokens += work.missing_tokens()
            if tokens >= self._window_tokens:
                self._embedding.begin(works)
                works, tokens = [], 0
        self._embedding.begin(works)
        self._embedding.finish()

    def _require_index(self) -> None:
        """Makes the search index of a collection that shows nothing yet.

        One that was lost with documents in it is the keeper's to make, after it has told searches of the loss: made
        here, it would answer with the few documents of this slice and call them all.
        """
        index, collection = self._parts.index, self._collection
        if index.exists(collection):
            return
        if self._parts.ledger.counts(collection.id).searchable:
            raise absent()
        index.create(collection)

    def give_back(self, error: Unavailable) -> None:
        """Returns what is in hand after an error around it; what cannot be returned comes back when its lease ends."""
        log.warning("slice ended, %s: %s", error.code, error.message)
        try:
            self._settlement.give_back(pause_ms=RELEASE_PAUSE_MS)
        except NearfieldError as second:
            log.warning("documents left to their lease: %s", second.message)
