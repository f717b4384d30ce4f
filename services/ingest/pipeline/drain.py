"""From accepted documents to searchable ones: claim, read, cut, embed together, write, finish; a slice at a time.

A slice lasts about ``SLICE_S`` seconds: small requests overtake between slices, and a worker is never silent
for long. A document that needs more than a slice is put aside with the vectors it has and goes on in a later one.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from services.collections.values import Collection
from services.errors import Unavailable
from services.ids import new_token
from services.ingest.pipeline.extracted_store import ExtractedStore
from services.ingest.pipeline.lease import Lease
from services.ingest.pipeline.pace import SLICE_S, Pace, WindowPace
from services.ingest.pipeline.parts import Parts
from services.ingest.pipeline.removals import only_removals
from services.ingest.pipeline.shelf import Shelf
from services.ingest.pipeline.slice import Desk, Slice
from services.ledger.values import Claim, LeaseLost

log = logging.getLogger(__name__)

BUDGET_S = 3.0


@dataclass(frozen=True, slots=True)
class DrainReport:
    """What a drain did: documents that became searchable (or were removed, or expanded), that failed; more is due."""

    done: int = 0
    failed: int = 0
    more: bool = False


class _Run:
    """Slices one after the other; the writes of one end while the model works on the next.

    Args:
        pace: learns from each slice.
        clock: seconds, monotonic.
    """

    def __init__(self, pace: Pace, clock: Callable[[], float]) -> None:
        self.done = self.failed = 0
        self.goes_on = True
        self._gave_back = False
        self._pace = pace
        self._clock = clock
        self._open: tuple[Slice, float] | None = None

    def take(self, work: Slice) -> None:
        """Works on a slice, and ends the one before it."""
        began = self._clock()
        runs = self._guarded(work, work.run)
        self._end()
        if runs:
            self._open = work, began

    def look(self) -> None:
        """Ends the slice before the present one as soon as its writes have ended: the next step may be long."""
        if self._open is not None and self._open[0].is_written:
            self._end()

    def end(self) -> bool:
        """Ends the last slice; whether slices have given documents back since this was asked."""
        self._end()
        gave_back, self._gave_back = self._gave_back, False
        return gave_back

    def _end(self) -> None:
        if self._open is None:
            return
        (work, began), self._open = self._open, None
        if self._guarded(work, work.finish):
            self._pace.learn(work.tally.done_bytes, self._clock() - began)
            self._gave_back = self._gave_back or work.tally.gave_back
            self.done, self.failed = self.done + work.tally.done, self.failed + work.tally.failed

    def _guarded(self, work: Slice, step: Callable[[], None]) -> bool:
        try:
            step()
        except LeaseLost as lost:
            log.warning("claim dropped: %s", lost.message)
        except Unavailable as error:
            work.give_back(error)
            self.goes_on = False
        else:
            return True
        self.done, self.failed = self.done + work.tally.done, self.failed + work.tally.failed
        return False


class IngestPipeline:
    """Works off what a collection has waiting. One thread at a time; a process has one.

    Args:
        parts: the services it works with.
        on_progress: called with every step forward, for a heartbeat.
        is_stopping: asked between steps; when true, what is not begun is given back.
        clock: seconds, monotonic.
    """

    def __init__(
        self,
        parts: Parts,
        *,
        on_progress: Callable[[], None] = lambda: None,
        is_stopping: Callable[[], bool] = lambda: False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._parts = parts
        self._on_progress = on_progress
        self._is_stopping = is_stopping
        self._clock = clock
        self._pace = Pace()
        self._desk = Desk(
            Shelf(clock),
            ExtractedStore(parts.settings.data_dir / "extracted"),
            WindowPace(),
            embedder=ThreadPoolExecutor(1, thread_name_prefix="model"),
            writer=ThreadPoolExecutor(1, thread_name_prefix="writing"),
        )

    def drain(self, collection_id: str, budget_s: float = BUDGET_S, *, removals_only: bool = False) -> DrainReport:
        """Works on a collection for about ``budget_s`` seconds or until nothing is due.

        While there is no room (``removals_only``) documents are removed and nothing is added; what waits keeps its
        attempts, and the keeper rings for it.

        Nothing raises for a document's sake. When Redis or the disk fail, what is in hand goes back with its attempt,
        and the keeper rings again.
        """
        collection = self._parts.collections.by_id(collection_id)
        if collection is None:
            return DrainReport()
        if not removals_only:
            self._load_model(collection)
        run = _Run(self._pace, self._clock)
        try:
            more = self._work(collection, run, self._clock() + budget_s, removals_only=removals_only)
        finally:
            more_again = run.end()
        return DrainReport(run.done, run.failed, (more or more_again) and run.goes_on and not removals_only)

    def _work(self, collection: Collection, run: _Run, until: float, *, removals_only: bool) -> bool:
        """Claims and works until nothing is due or the time is over; whether more is due."""
        more = True
        while run.goes_on and not self._is_stopping() and self._clock() < until:
            if not more and not run.end():
                return False
            claim = self._claim(collection.id)
            more = claim.more
            if not claim.documents:
                if run.end():
                    more = True
                    continue
                return more
            if removals_only:
                claim = only_removals(self._parts.ledger, claim)
                more = more or not claim.documents
            if claim.documents:
                run.take(self._slice(collection, claim, run))
        return more

    def _load_model(self, collection: Collection) -> None:
        """Loads the model before anything is in hand: loading or converting one can outlast a lease, and each lease
        that ends costs its documents an attempt.
        """
        try:
            self._parts.models.load(collection.model)
        except Exception:  # whatever it is, it comes again where the documents that need the model can be told
            log.warning("model %s cannot be loaded", collection.model, exc_info=True)

    def _claim(self, collection_id: str) -> Claim:
        settings = self._parts.settings
        return self._parts.ledger.claim(
            collection_id,
            new_token(),
            max_documents=settings.claim_documents,
            max_bytes=self._pace.slice_bytes(),
            lease_ms=settings.lease_ms,
        )

    def _slice(self, collection: Collection, claim: Claim, run: _Run) -> Slice:
        began = self._clock()

        def on_progress() -> None:
            self._on_progress()
            run.look()

        lease = Lease(
            self._parts.ledger,
            claim,
            lease_ms=self._parts.settings.lease_ms,
            on_progress=on_progress,
            clock=self._clock,
        )

        def is_over() -> bool:
            return self._is_stopping() or self._clock() - began > SLICE_S

        return Slice(self._parts, collection, lease, self._desk, is_over=is_over, is_stopping=self._is_stopping)
