"""What a provider has been asked for since the process started, in tokens and money."""

from __future__ import annotations

import threading
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Usage:
    """Sums of one model in one process.

    Attributes:
        requests: that were answered.
        texts: that were sent in them.
        tokens: as the provider counted them; by our estimate where it says nothing.
        cost: money, None when the price is unknown.
    """

    requests: int = 0
    texts: int = 0
    tokens: int = 0
    cost: float | None = None


class UsageCounter:
    """Adds up. Safe to use from several threads.

    Args:
        price: of a million tokens, None when unknown.
    """

    def __init__(self, price: float | None) -> None:
        self._price = price
        self._lock = threading.Lock()
        self._requests = self._texts = self._tokens = 0

    def add(self, texts: int, tokens: int) -> None:
        """Notes one answered request."""
        with self._lock:
            self._requests += 1
            self._texts += texts
            self._tokens += tokens

    def usage(self) -> Usage:
        """The sums until now."""
        with self._lock:
            cost = None if self._price is None else self._tokens * self._price / 1e6
            return Usage(self._requests, self._texts, self._tokens, cost)
