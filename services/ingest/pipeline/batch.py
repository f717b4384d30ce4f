"""Documents that are embedded together: their pieces share the model's forward passes, whoever they belong to.

One thread is inside the model; meanwhile the thread that owns the claim reads and cuts the next documents. Done one
after the other, that took 10 % of a bulk ingest of short texts.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, Future, wait
from dataclasses import dataclass
from functools import partial

from services.errors import Unavailable
from services.ingest.pipeline.model import CollectionModel
from services.ingest.pipeline.pace import WindowPace
from services.ingest.pipeline.settling import Settlement
from services.ingest.pipeline.shelf import Shelf
from services.ingest.pipeline.work import Work, estimate_tokens, tokens_of
from services.ingest.pipeline.writing import Writing
from services.ledger.values import LeaseLost

log = logging.getLogger(__name__)

Share = tuple[Work, list[str]]
"""A document and the texts of it that go into one call of the embedder."""


@dataclass(frozen=True, slots=True)
class _Call:
    """A call of the embedder that was begun: whose texts, and all the documents that were given together."""

    shares: list[Share]
    works: Sequence[Work]
    done: Future[None]


@dataclass(slots=True)
class Embedding:
    """Embeds works and has them written.

    Args:
        writing: takes those that are complete.
        model: gives the embedder.
        settlement: where documents end that cannot be embedded.
        shelf: where a document waits that outlasts the slice.
        is_over: whether the slice has lasted long enough.
        pace: tells how much goes into one call of the embedder.
        executor: with one thread.
    """

    writing: Writing
    model: CollectionModel
    settlement: Settlement
    shelf: Shelf
    is_over: Callable[[], bool]
    pace: WindowPace
    executor: Executor
    _running: _Call | None = None

    def begin(self, works: Sequence[Work]) -> None:
        """Embeds what was begun before these to its end, then begins these.

        ``finish`` embeds the last of it to its end; what is complete then is settled by ``Writing.finish``.
        """
        self.finish()
        self._running = self._call(works, works)

    def finish(self) -> None:
        """Embeds what was begun window by window, has written what is complete; puts aside what is not."""
        call = self._running
        while call is not None:  # at least one window in every slice, so that a long document comes to its end
            self._running = None
            self._end(call)
            waiting = [work for work in call.works if not work.is_complete and not self._is_settled(work)]
            if not waiting or (self._may_pause(waiting) and self.is_over()):
                for work in waiting:
                    self.shelf.put(work)
                self.writing.begin([work for work in call.works if work.is_complete and not self._is_settled(work)])
                return
            call = self._running = self._call(waiting, call.works)

    def abandon(self) -> None:
        """Waits until the model is free; what it makes is dropped."""
        if self._running is not None:
            wait([self._running.done])
            self._running = None

    def _is_settled(self, work: Work) -> bool:
        return self.settlement.is_settled(work.claimed)

    def _may_pause(self, waiting: Sequence[Work]) -> bool:
        """One document is left, something of it is done, and what is done can be kept."""
        return len(waiting) == 1 and bool(waiting[0].vectors) and self.shelf.has_room()

    def _call(self, waiting: Sequence[Work], works: Sequence[Work]) -> _Call | None:
        """Has a window of ``waiting`` embedded; None when there is nothing to do for any of ``works``."""
        shares = self._shares([work for work in waiting if not work.is_complete])
        if not works:
            return None
        return _Call(shares, works, self.executor.submit(self._add_vectors, shares))

    def _end(self, call: _Call) -> None:
        """Ends one call; when it fails, one for each document, so that only the culprit's attempt fails."""
        try:
            call.done.result()
        except (Unavailable, LeaseLost):
            raise
        except Exception:
            if len(call.shares) > 1:
                log.exception("embedding %d documents together failed; trying each alone", len(call.shares))
            for share in call.shares:
                self.settlement.guarded(share[0].claimed, partial(self._add_vectors, [share]))
        self.settlement.progress()

    def _shares(self, works: Sequence[Work]) -> list[Share]:
        shares: list[Share] = []
        tokens, enough = 0, self.pace.window_tokens()
        for work in works:
            texts = []
            for piece in work.missing():
                if tokens >= enough:
                    break
                texts.append(piece.embedded)
                tokens += estimate_tokens(piece)
            if texts:
                shares.append((work, texts))
        return shares

    def _add_vectors(self, shares: Sequence[Share]) -> None:
        if not shares:
            return
        began = time.monotonic()
        vectors = self.model.documents().embed_documents([text for _, texts in shares for text in texts])
        took_s = time.monotonic() - began
        self.pace.learn(sum(tokens_of(text) for _, texts in shares for text in texts), took_s)
        chars = sum(len(text) for _, texts in shares for text in texts) or 1
        start = 0
        for work, texts in shares:
            work.vectors.extend(vectors[start : start + len(texts)])
            start += len(texts)
            work.watch.embed_s += took_s * sum(map(len, texts)) / chars
