"""Documents that are embedded together: their pieces share the model's forward passes, whoever they belong to."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from services.errors import Unavailable
from services.ingest.pipeline.model import CollectionModel
from services.ingest.pipeline.settling import Settlement
from services.ingest.pipeline.shelf import Shelf
from services.ingest.pipeline.work import Work, estimate_tokens
from services.ingest.pipeline.writing import Writing
from services.ledger.values import LeaseLost

log = logging.getLogger(__name__)

Share = tuple[Work, list[str]]
"""A document and the texts of it that go into one call of the embedder."""


@dataclass(slots=True)
class Embedding:
    """Embeds works and has them written.

    Args:
        writing: takes those that are complete.
        model: gives the embedder.
        settlement: where documents end that cannot be embedded.
        shelf: where a document waits that outlasts the slice.
        is_over: whether the slice has lasted long enough.
        window_tokens: about how much goes into one call of the embedder.
    """

    writing: Writing
    model: CollectionModel
    settlement: Settlement
    shelf: Shelf
    is_over: Callable[[], bool]
    window_tokens: int

    def process(self, works: Sequence[Work]) -> None:
        """Embeds window by window, has written what is complete; puts aside what is not.

        The last of it is settled by ``Writing.finish``.
        """
        waiting = [work for work in works if not work.is_complete]
        while waiting:  # at least one window in every slice, so that a long document comes to its end
            self._embed(waiting)
            waiting = [work for work in waiting if not work.is_complete and not self._is_settled(work)]
            if self._may_pause(waiting) and self.is_over():
                break
        for work in waiting:
            self.shelf.put(work)
        self.writing.begin([work for work in works if work.is_complete and not self._is_settled(work)])

    def _is_settled(self, work: Work) -> bool:
        return self.settlement.is_settled(work.claimed)

    def _may_pause(self, waiting: Sequence[Work]) -> bool:
        """One document is left, something of it is done, and what is done can be kept."""
        return len(waiting) == 1 and bool(waiting[0].vectors) and self.shelf.has_room()

    def _embed(self, works: Sequence[Work]) -> None:
        """One call of the embedder; when it fails, one for each document, so that only the culprit's attempt fails."""
        shares = self._shares(works)
        try:
            self._add_vectors(shares)
        except (Unavailable, LeaseLost):
            raise
        except Exception:
            if len(shares) > 1:
                log.exception("embedding %d documents together failed; trying each alone", len(shares))
            for share in shares:
                self.settlement.guarded(share[0].claimed, partial(self._add_vectors, [share]))
        self.settlement.progress()

    def _shares(self, works: Sequence[Work]) -> list[Share]:
        shares: list[Share] = []
        tokens = 0
        for work in works:
            texts = []
            for piece in work.missing():
                if tokens >= self.window_tokens:
                    break
                texts.append(piece.embedded)
                tokens += estimate_tokens(piece)
            if texts:
                shares.append((work, texts))
        return shares

    def _add_vectors(self, shares: Sequence[Share]) -> None:
        began = time.monotonic()
        vectors = self.model.documents().embed_documents([text for _, texts in shares for text in texts])
        took_s = time.monotonic() - began
        chars = sum(len(text) for _, texts in shares for text in texts) or 1
        start = 0
        for work, texts in shares:
            work.vectors.extend(vectors[start : start + len(texts)])
            start += len(texts)
            work.watch.embed_s += took_s * sum(map(len, texts)) / chars
