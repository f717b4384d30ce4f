"""The way to the network: a name is resolved once, all its addresses are checked, and one of those is connected to.

Between check and connection nobody is asked again, so a name server that changes its answer changes nothing. TLS is
checked against the name, not the address. Every read and write ends at the request's own deadline, however slowly the
other side drips.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import httpcore2

from services.sources.fetch.addresses import Network, may_fetch
from services.sources.fetch.resolver import Resolver
from services.timed_stream import Deadline, TimedStream

CONNECT_S = 10.0
MAX_TRIED = 4  # addresses of one name


class AddressRefused(Exception):
    """A name has an address that must not be fetched from, or none at all. Never shown: see ``fetcher.UNREACHABLE``."""


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
                return TimedStream(stream, self._deadline.within)
        raise AssertionError("a loop over no address was entered")

    def connect_unix_socket(
        self,
        path: str,
        timeout: float | None = None,  # noqa: ARG002 - the interface's
        socket_options: Iterable[Any] | None = None,  # noqa: ARG002
    ) -> httpcore2.NetworkStream:
        """Never. Raises AddressRefused."""
        raise AddressRefused(path)
