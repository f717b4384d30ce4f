"""Writes documents to the index beside the embedding of the next ones.

A write waits for Redis, which inserts the vectors; done between two calls of the model, that took 9 % of a bulk
ingest of short texts. One thread writes, in order; what came of it is settled by the thread that owns the claim.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, Future, wait
from dataclasses import dataclass, field
from functools import partial
from itertools import takewhile

from services.collections.values import Collection
from services.index.protocol import VectorIndex
from services.index.values import Outcome, WriteOutcome
from services.ingest.pipeline.settling import Settlement
from services.ingest.pipeline.work import Work
from services.neardup.near_duplicates import NearDuplicates, Written

Result = tuple[WriteOutcome, tuple[str, ...]]
"""What the index answered, and which documents this one resembles."""


@dataclass(slots=True)
class Writing:
    """The writes of one slice.

    Args:
        index: where documents are written.
        near_duplicates: that look at what has been written.
        collection: in the index version that the claim names.
        settlement: where they end.
        old_text: tells which text a document leaves behind.
        executor: with one thread.
    """

    index: VectorIndex
    near_duplicates: NearDuplicates
    collection: Collection
    settlement: Settlement
    old_text: Callable[[Work], str]
    executor: Executor
    _begun: list[tuple[Work, Future[Result]]] = field(default_factory=list)

    @property
    def is_written(self) -> bool:
        """Whether no write is on its way."""
        return not self._begun or self._begun[-1][1].done()  # one thread writes them in order

    def begin(self, works: Sequence[Work]) -> None:
        """Has complete documents written, and settles those of earlier ones that are.

        Raises:
            LeaseLost, Unavailable: of the earlier ones; see ``Settlement.guarded``.
        """
        begun = [*self._begun, *((work, self.executor.submit(self._write, work)) for work in works)]
        written = list(takewhile(lambda each: each[1].done(), begun))
        self._begun = begun[len(written) :]
        self._settle(written)

    def finish(self) -> None:
        """Settles all that was begun. Raises as ``begin``."""
        earlier, self._begun = self._begun, []
        self._settle(earlier)

    def abandon(self) -> None:
        """Waits for what was begun without settling it, so that nothing is written behind the back of the next slice.

        What was written stays so: whoever takes the documents next finds it done.
        """
        futures = [future for _, future in self._begun]
        for future in futures:
            future.cancel()
        wait(futures)
        self._begun = []

    def _settle(self, begun: Sequence[tuple[Work, Future[Result]]]) -> None:
        for work, future in begun:
            if not self.settlement.is_settled(work.claimed):
                self.settlement.guarded(work.claimed, partial(self._note, work, future))
                self.settlement.progress()
        self.settlement.settle()

    def _note(self, work: Work, future: Future[Result]) -> None:
        outcome, resembles = future.result()
        self.settlement.written(
            work.claimed,
            work.attempt,
            outcome,
            title=work.title,
            warnings=work.warnings + resembles,
            old_text=self.old_text(work),
            timings=work.watch.timings(),
        )

    def _write(self, work: Work) -> Result:
        began = time.monotonic()
        head = work.head()
        outcome = self.index.write(self.collection, head, work.chunks())
        resembles: tuple[str, ...] = ()
        if outcome.outcome is not Outcome.STALE:
            written = Written(head.id, work.claimed.doc_hash, head.generation, head.text_hash, outcome.sequence)
            resembles = self.near_duplicates.settle(self.collection, written, work.signature)
        work.watch.write_s += time.monotonic() - began
        return outcome, resembles
