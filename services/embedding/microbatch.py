"""Queries that come at the same time go through the model together."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from services.embedding.protocol import Embedder
from services.embedding.vectors import check_vectors
from services.errors import InvalidInput, NearfieldError, Overloaded, Unavailable

CHARS_PER_TOKEN = 4
"""Of a query, about; exact counts are the embedder's business."""

EMBEDDING_TIMEOUT = "embedding-timeout"

Vector = NDArray[np.float32]


@dataclass(slots=True)
class WaitingQuery:
    """One query on its way: cancelled by its waiter, or answered with a vector or an exception."""

    text: str
    arrived_s: float
    answer: Future[Vector] = field(default_factory=Future)


@dataclass(frozen=True, slots=True)
class BatchLimit:
    """How much goes through the model together.

    Attributes:
        queries: at most so many in one batch.
        tokens: about so many at most; one query may be longer than that and then goes alone. Long queries gain
            nothing from company: the processor is busy with one of them already.
        side_by_side: batches in work at a time; more than one is for models that compute elsewhere.
    """

    queries: int = 8
    tokens: int = 256
    side_by_side: int = 1


class QueryQueue:
    """When a batch is due and what is in it. Pure: the time is always an argument.

    The first query of a batch waits for company only while there is company to expect, that is, after a batch of
    two or more. So a lone user never pays ``wait_s``.
    """

    def __init__(self, *, wait_s: float, limit: int, max_batch: int = 8, max_tokens: int = 1_000_000) -> None:
        self._wait_s = wait_s
        self._limit = limit
        self._max_batch = max_batch
        self._max_tokens = max_tokens
        self._waiting: deque[WaitingQuery] = deque()
        self._company = False

    def add(self, query: WaitingQuery) -> None:
        """Accepts a query.

        Raises:
            Overloaded: ``limit`` queries wait already; those whose waiters have gone do not count.
        """
        if len(self._waiting) >= self._limit:
            self._waiting = deque(each for each in self._waiting if not each.answer.cancelled())
        if len(self._waiting) >= self._limit:
            raise Overloaded(
                f"{len(self._waiting)} queries wait for the model already, the limit is {self._limit}; try again in a "
                "second, or raise NEARFIELD_QUERY_QUEUE",
                retry_after_s=1,
            )
        self._waiting.append(query)

    def due_in_s(self, now_s: float) -> float | None:
        """Seconds until a batch should be taken, 0.0 for now, None while nothing waits."""
        if not self._waiting:
            return None
        if not self._company or len(self._waiting) >= self._max_batch:
            return 0.0
        return max(0.0, self._waiting[0].arrived_s + self._wait_s - now_s)

    def take(self) -> list[WaitingQuery]:
        """The next batch, in order of arrival, without those whose waiters have gone; it may be empty."""
        batch: list[WaitingQuery] = []
        tokens = 0
        while self._waiting and len(batch) < self._max_batch:
            first = self._waiting[0]
            more = 0 if first.answer.cancelled() else len(first.text) // CHARS_PER_TOKEN + 2
            if batch and tokens + more > self._max_tokens:
                break
            query = self._waiting.popleft()
            if query.answer.set_running_or_notify_cancel():
                batch.append(query)
                tokens += more
        self._company = len(batch) > 1 or bool(self._waiting)
        return batch


class QueryBatcher:
    """One thread that owns the model on the query side; several for a model that computes elsewhere.

    Every accepted query gets a vector or an exception: a batch that fails is tried again one by one, so that a
    text the model chokes on fails alone (but not when nobody answers: a provider that is away would be asked for
    each of them); a batcher that is closed, or whose thread dies, fails what still waits.

    Args:
        embedder: its ``embed_queries`` is called from the batcher's threads only.
        wait_ms: how long the first query of a batch waits for company under load.
        queue_limit: queries that may wait before new ones are refused.
        batch: how much goes through the model together.
        clock: seconds that only grow; decides when a batch is due.
    """

    def __init__(
        self,
        embedder: Embedder,
        *,
        wait_ms: float,
        queue_limit: int,
        batch: BatchLimit | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        batch = batch or BatchLimit()
        self._embedder = embedder
        self._clock = clock
        self._changed = threading.Condition()
        self._queue = QueryQueue(
            wait_s=wait_ms / 1000, limit=queue_limit, max_batch=batch.queries, max_tokens=batch.tokens
        )
        self._closed = False
        self._threads = [
            threading.Thread(target=self._run, name="nearfield-queries", daemon=True) for _ in range(batch.side_by_side)
        ]
        for thread in self._threads:
            thread.start()

    def embed(self, text: str, timeout_s: float) -> Vector:
        """The query's vector: float32, shape (dim,), length 1.

        Raises:
            Overloaded: too many queries wait; nothing was queued.
            Unavailable: code "embedding-timeout" (not done within ``timeout_s``; if it still waits it is dropped),
                "embedding-failed" (the model raised) or "unavailable" (the batcher is closed).
            NearfieldError: what the embedder said about this text, such as InvalidInput.
        """
        query = WaitingQuery(text, self._clock())
        with self._changed:
            if self._closed:
                raise _closed()
            self._queue.add(query)
            self._changed.notify()
        try:
            return query.answer.result(timeout_s)
        except TimeoutError:
            query.answer.cancel()
            raise embedding_timeout(timeout_s) from None

    def close(self) -> None:
        """Ends the threads after the batch in hand. Queries that still wait get Unavailable. May be called twice."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        for thread in self._threads:
            thread.join()

    def _run(self) -> None:
        try:
            while (batch := self._next_batch()) is not None:
                if batch:
                    self._answer(batch)
        finally:
            self._abandon()

    def _next_batch(self) -> list[WaitingQuery] | None:
        with self._changed:
            while not self._closed:
                due_in_s = self._queue.due_in_s(self._clock())
                if due_in_s == 0.0:
                    return self._queue.take()
                self._changed.wait(due_in_s)
        return None

    def _abandon(self) -> None:
        with self._changed:
            self._closed = True
            self._changed.notify_all()
            while batch := self._queue.take():
                for query in batch:
                    query.answer.set_exception(_closed())

    def _answer(self, batch: Sequence[WaitingQuery]) -> None:
        try:
            vectors = self._vectors([query.text for query in batch])
        except BaseException as error:  # noqa: BLE001 - whatever is raised must reach the waiters, not end the thread
            if len(batch) > 1 and not isinstance(error, Unavailable):
                for query in batch:
                    self._answer([query])
            else:
                for query in batch:
                    query.answer.set_exception(_failure(error))
            return
        for query, vector in zip(batch, vectors, strict=True):
            query.answer.set_result(vector)

    def _vectors(self, texts: Sequence[str]) -> Vector:
        """Checked, because a NaN from the model is the server's fault and must not reach the index as a query."""
        vectors = self._embedder.embed_queries(texts)
        if len(vectors) != len(texts):
            raise RuntimeError(f"{len(vectors)} vectors for {len(texts)} queries")
        try:
            check_vectors(vectors, self._embedder.spec.dim)
        except InvalidInput as error:
            raise RuntimeError(error.message) from error
        return vectors


def embedding_timeout(timeout_s: float) -> Unavailable:
    """What a waiter is told whose time is up."""
    return Unavailable(
        f"the query was not embedded within {timeout_s:g} s; try again, or give the model more CPU",
        code=EMBEDDING_TIMEOUT,
        retry_after_s=1,
    )


def _failure(error: BaseException) -> NearfieldError:
    if isinstance(error, NearfieldError):
        return error
    failure = Unavailable(
        f"the model failed on this query ({type(error).__name__}); try other words, and look for the cause in the log",
        code="embedding-failed",
    )
    failure.__cause__ = error
    return failure


def _closed() -> Unavailable:
    return Unavailable(
        "the model is being exchanged, or the server is stopping; send the query again in a moment", retry_after_s=1
    )
