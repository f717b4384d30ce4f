"""One thread per loaded reranker, with a short queue: scoring is slow, and a long queue helps nobody who waits."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future

import numpy as np
from numpy.typing import NDArray

from services.embedding.rerank.protocol import Reranker
from services.errors import NearfieldError, Overloaded, Unavailable

QUEUE_LIMIT = 4
"""Searches that may wait. 50 passages of 196 tokens take a cross-encoder of MiniLM's size 5 s on one core, so a longer
queue would only be full of searches whose time limit passes while they wait."""

Scores = NDArray[np.float32]


class _GoneError(Exception):
    """Nobody waits for these scores any more."""


class _Asked:
    def __init__(self, query: str, texts: Sequence[str]) -> None:
        self.query = query
        self.texts = texts
        self.answer: Future[Scores] = Future()
        self.gone = threading.Event()

    def tick(self) -> None:
        if self.gone.is_set():
            raise _GoneError


class RerankerOwner:
    """Loads a reranker on first use, in its own thread, and is the only one to call it.

    Args:
        name: for messages.
        load: makes the reranker; a failure is told to whoever waits and tried again for the next.
        limit: searches that may wait.
    """

    def __init__(self, name: str, load: Callable[[], Reranker], *, limit: int = QUEUE_LIMIT) -> None:
        self._name = name
        self._load = load
        self._limit = limit
        self._waiting: queue.Queue[_Asked] = queue.Queue(limit)
        self._reranker: Reranker | None = None
        threading.Thread(target=self._run, name="nearfield-rerank", daemon=True).start()

    @property
    def loaded(self) -> bool:
        """Whether the model is in memory."""
        return self._reranker is not None

    def scores(self, query: str, texts: Sequence[str], timeout_s: float) -> Scores:
        """See ``Reranker.scores``.

        Raises:
            Overloaded: too many wait. Unavailable: code "rerank-timeout" or "rerank-failed".
            ModelError: it cannot be loaded.
        """
        asked = _Asked(query, texts)
        try:
            self._waiting.put_nowait(asked)
        except queue.Full:
            raise Overloaded(
                f"{self._limit} searches wait for the reranker {self._name!r} already, that is the limit; try again "
                "in a few seconds, or search without rerank",
                retry_after_s=2,
            ) from None
        try:
            return asked.answer.result(timeout_s)
        except TimeoutError:
            asked.gone.set()
            state = "scored the hits" if self.loaded else "been loaded"
            raise Unavailable(
                f"the reranker {self._name!r} has not {state} within {timeout_s:g} s; try again, ask for a smaller "
                "rerank_depth, or search without rerank",
                code="rerank-timeout",
                retry_after_s=2,
            ) from None

    def _run(self) -> None:
        while True:
            asked = self._waiting.get()
            try:
                asked.answer.set_result(self._scores(asked))
            except _GoneError:
                continue
            except NearfieldError as error:
                asked.answer.set_exception(error)
            except Exception as error:  # noqa: BLE001 - whatever the model stumbles over is told to who waits for it
                asked.answer.set_exception(
                    Unavailable(
                        f"the reranker {self._name!r} failed on these hits ({type(error).__name__}); search without "
                        "rerank",
                        code="rerank-failed",
                    )
                )

    def _scores(self, asked: _Asked) -> Scores:
        asked.tick()
        if self._reranker is None:
            self._reranker = self._load()
        return self._reranker.scores(asked.query, asked.texts, asked.tick)
