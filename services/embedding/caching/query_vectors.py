"""Query vectors of a process, remembered; and a query that several ask at the same time is embedded once."""

from __future__ import annotations

import sys
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from services.embedding.microbatch import EMBEDDING_TIMEOUT, embedding_timeout
from services.embedding.texts import CHARS_PER_TOKEN
from services.errors import NearfieldError, Unavailable

MAX_BYTES = 32 * 1024 * 1024
"""Of all that is remembered: 4,096 queries of 4,000 wide characters would be twice as much."""

_ENTRY_BYTES = 400
"""About what one entry costs beside its text and its numbers: key, node of the order, array header."""

Vector = NDArray[np.float32]
Key = tuple[str, str]
"""Fingerprint of the model, and the text as the model sees it."""


@dataclass(frozen=True, slots=True)
class QueryCacheCounts:
    """How often the cache helped since the process started.

    ``joined`` are queries that waited for the same one of somebody else; they are neither hits nor misses.
    """

    entries: int
    limit: int
    bytes: int
    hits: int
    misses: int
    joined: int


class QueryVectorCache:
    """The last queries of all models of a process. Safe to use from several threads.

    Args:
        max_entries: how many vectors are kept; 0: none, and equal queries are still embedded once at a time.
        max_bytes: how much memory they may take, about.
    """

    def __init__(self, max_entries: int, max_bytes: int = MAX_BYTES) -> None:
        self._max_entries = max_entries
        self._max_bytes = max_bytes
        self._lock = threading.Lock()
        self._kept: OrderedDict[Key, Vector] = OrderedDict()
        self._bytes = 0
        self._flights: dict[Key, Future[Vector]] = {}
        self._hits = self._misses = self._joined = 0

    def embed(
        self, fingerprint: str, text: str, max_tokens: int, embed: Callable[[float], Vector], timeout_s: float
    ) -> Vector:
        """The vector of ``text``, from memory or by ``embed``; read-only.

        What ``embed`` raises reaches everybody who waits for it and is not remembered. A timeout is the exception:
        who came later has time left, so one of them tries again.

        Args:
            max_tokens: what the model reads at most; what lies far beyond is no part of the key.
            embed: is given the seconds that are left.

        Raises:
            Unavailable: code "embedding-timeout", not done within ``timeout_s``.
        """
        key = (fingerprint, text[: max_tokens * CHARS_PER_TOKEN])
        deadline = time.monotonic() + timeout_s
        joining = False
        while True:
            with self._lock:
                vector = self._kept.get(key)
                if vector is not None:
                    self._kept.move_to_end(key)
                    self._hits += not joining
                    return vector
                flight = self._flights.get(key)
                if flight is None:
                    flight = self._flights[key] = Future()
                    self._misses += not joining
                    break
                self._joined += not joining
                joining = True
            if (vector := _wait(flight, deadline, timeout_s)) is not None:
                return vector
        return self._lead(key, flight, embed, max(0.0, deadline - time.monotonic()) if joining else timeout_s)

    def counts(self) -> QueryCacheCounts:
        """As of now."""
        with self._lock:
            return QueryCacheCounts(
                len(self._kept), self._max_entries, self._bytes, self._hits, self._misses, self._joined
            )

    def _lead(self, key: Key, flight: Future[Vector], embed: Callable[[float], Vector], left_s: float) -> Vector:
        try:
            # a copy: a row of a batch would keep the whole batch alive, and who gets it must not change it for others
            vector = np.array(embed(left_s), dtype=np.float32)
            vector.flags.writeable = False
        except BaseException as error:
            with self._lock:
                del self._flights[key]
            flight.set_exception(error)
            raise
        with self._lock:
            self._keep(key, vector)
            del self._flights[key]
        flight.set_result(vector)
        return vector

    def _keep(self, key: Key, vector: Vector) -> None:
        size = _size(key, vector)
        if not self._max_entries or size > self._max_bytes:
            return
        self._kept[key] = vector
        self._bytes += size
        while len(self._kept) > self._max_entries or self._bytes > self._max_bytes:
            oldest, dropped = self._kept.popitem(last=False)
            self._bytes -= _size(oldest, dropped)


def _size(key: Key, vector: Vector) -> int:
    return sys.getsizeof(key[1]) + int(vector.nbytes) + _ENTRY_BYTES


def _wait(flight: Future[Vector], deadline: float, timeout_s: float) -> Vector | None:
    """The vector that somebody else asked for; None when that one ran out of time before we do."""
    try:
        return flight.result(max(0.0, deadline - time.monotonic()))
    except TimeoutError:
        raise embedding_timeout(timeout_s) from None
    except NearfieldError as error:
        if error.code == EMBEDDING_TIMEOUT and time.monotonic() < deadline:
            return None
        raise
    except BaseException as error:  # such as KeyboardInterrupt in the thread that asked: not ours to raise
        raise Unavailable("the query was not embedded; send it again", retry_after_s=1) from error
