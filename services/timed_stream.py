"""Connections whose every wait ends at a deadline, however slowly the other side drips."""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable
from typing import Any

import httpcore2


class Deadline:
    """The end of one request.

    Args:
        seconds: from now.
        clock: seconds, monotonic.
    """

    def __init__(self, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._at = clock() + seconds

    def left_s(self) -> float:
        """Seconds that are left; 0 when it has passed."""
        return max(self._at - self._clock(), 0.0)

    def within(self, limit_s: float | None) -> float:
        """A time limit cut to what is left; never 0, which sockets take for "do not wait".

        Raises:
            httpcore2.ReadTimeout: nothing is left.
        """
        left_s = self.left_s()
        if left_s <= 0:
            raise httpcore2.ReadTimeout("the request's time is up")
        return left_s if limit_s is None else min(left_s, limit_s)


class TimedStream(httpcore2.NetworkStream):
    """A connection.

    Args:
        stream: the connection itself.
        within: cuts the time limit of a wait to what is left, such as ``Deadline.within``.
    """

    def __init__(self, stream: httpcore2.NetworkStream, within: Callable[[float | None], float | None]) -> None:
        self._stream = stream
        self._within = within

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """What has come, at most ``max_bytes``."""
        return self._stream.read(max_bytes, self._within(timeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Sends."""
        self._stream.write(buffer, self._within(timeout))

    def close(self) -> None:
        """Closes the connection itself."""
        self._stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore2.NetworkStream:
        """The same connection, encrypted and timed."""
        return TimedStream(self._stream.start_tls(ssl_context, server_hostname, self._within(timeout)), self._within)

    def get_extra_info(self, info: str) -> Any:
        """See httpcore2."""
        return self._stream.get_extra_info(info)
