"""Connections on which every wait ends at the deadline of its call, however slowly the other side drips."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import httpcore2

from services import timed_stream
from services.timed_stream import TimedStream


class Deadline(timed_stream.Deadline):
    """The end of one call, which may be brought forward."""

    def __init__(self, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(seconds, clock)
        self._called_off = threading.Event()
        self._cause: BaseException | None = None
        self._lock = threading.Lock()

    @property
    def called_off(self) -> bool:
        """Whether nobody wants the call's answer any more."""
        return self._called_off.is_set()

    @property
    def cause(self) -> BaseException | None:
        """What the call was called off for first; the failures that follow from it are none."""
        return self._cause

    def left_s(self) -> float:
        """Seconds that are left; 0 when it has passed or was called off."""
        return 0.0 if self.called_off else super().left_s()

    def call_off(self, cause: BaseException) -> None:
        """Nothing that belongs to the call is waited for any more, but for a read that has begun."""
        with self._lock:
            self._cause = self._cause or cause
        self._called_off.set()

    def pause(self, seconds: float) -> None:
        """Waits; ends early when the call is called off."""
        self._called_off.wait(seconds)


class TimedNetwork(httpcore2.NetworkBackend):
    """The system's network; a thread says which deadline its requests have.

    Connections outlive requests, so the deadline belongs to the thread that uses one and not to the connection.
    """

    def __init__(self) -> None:
        self._sockets = httpcore2.SyncBackend()
        self._current = threading.local()

    @contextmanager
    def until(self, deadline: Deadline) -> Iterator[None]:
        """What this thread does on the network ends at the deadline."""
        self._current.deadline = deadline
        try:
            yield
        finally:
            self._current.deadline = None

    def within(self, limit_s: float | None) -> float | None:
        """A time limit cut to what is left; never 0, which sockets take for "do not wait".

        Raises:
            httpcore2.ReadTimeout: nothing is left.
        """
        deadline: Deadline | None = getattr(self._current, "deadline", None)
        return limit_s if deadline is None else deadline.within(limit_s)

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore2.NetworkStream:
        """A connection."""
        stream = self._sockets.connect_tcp(host, port, self.within(timeout), local_address, socket_options)
        return TimedStream(stream, self.within)
