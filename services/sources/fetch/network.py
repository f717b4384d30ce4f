"""The way to the network: a name is resolved once, all its addresses are checked, and one of those is connected to.

Between check and connection nobody is asked again, so a name server that changes its answer changes nothing. TLS is
checked against the name, not the address. Every read and write ends at the request's own deadline, however slowly the
other side drips.
"""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import httpcore2

from services.sources.fetch.addresses import Network, may_fetch
from services.sources.fetch.resolver import Resolver

CONNECT_S = 10.0
MAX_TRIED = 4  # addresses of one name


class AddressRefused(Exception):
    """A name has an address that must not be fetched from, or none at all. Never shown: see ``fetcher.UNREACHABLE``."""


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
        """A time limit cut to what is left; never 0, which sockets take for "do not wait"."""
        left = self.left_s()
        return max(left if limit_s is None else min(left, limit_s), 0.001)


class GuardedNetwork(httpcore2.NetworkBackend):
    """Connects to checked addresses only; made anew for every request.

    Args:
        resolver: knows names.
        allowed: networks that are fetched from although they are not public.
        deadline: of the request.
    """

    def __init__(self, resolver: Resolver, allowed: Sequence[Network], deadline: Deadline) -> None:
        self._resolver = resolver
        self._allowed = allowed
        self._deadline = deadline
        self._sockets = httpcore2.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore2.NetworkStream:
        """A connection to one of the host's addresses.

        Raises:
            AddressRefused: it has none, or one that is not allowed.
            httpcore2.ConnectError, httpcore2.ConnectTimeout: nobody answers.
        """
        limit_s = self._deadline.within(timeout)
        try:
            addresses = list(self._resolver.addresses(host, port, limit_s))
        except OSError as error:
            raise AddressRefused(str(error)) from None
        if not addresses or not all(may_fetch(address, self._allowed) for address in addresses):
            raise AddressRefused(f"{host}: {addresses}")
        tried = addresses[:MAX_TRIED]
        for number, address in enumerate(tried):
            share_s = min(self._deadline.within(CONNECT_S), self._deadline.left_s() / (len(tried) - number) + 0.001)
            try:
                stream = self._sockets.connect_tcp(address, port, share_s, local_address, socket_options)
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout):
                if number == len(tried) - 1:
                    raise
            else:
                return _BoundedStream(stream, self._deadline)
        raise AssertionError("a loop over no address was entered")

    def connect_unix_socket(
        self,
        path: str,
        timeout: float | None = None,  # noqa: ARG002 - the interface's
        socket_options: Iterable[Any] | None = None,  # noqa: ARG002
    ) -> httpcore2.NetworkStream:
        """Never. Raises AddressRefused."""
        raise AddressRefused(path)


class _BoundedStream(httpcore2.NetworkStream):
    """A connection whose every wait ends at the deadline."""

    def __init__(self, stream: httpcore2.NetworkStream, deadline: Deadline) -> None:
        self._stream = stream
        self._deadline = deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        if self._deadline.left_s() <= 0:
            raise httpcore2.ReadTimeout("the request's time is up")
        return self._stream.read(max_bytes, self._deadline.within(timeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        if self._deadline.left_s() <= 0:
            raise httpcore2.WriteTimeout("the request's time is up")
        self._stream.write(buffer, self._deadline.within(timeout))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore2.NetworkStream:
        secured = self._stream.start_tls(ssl_context, server_hostname, self._deadline.within(timeout))
        return _BoundedStream(secured, self._deadline)

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)
