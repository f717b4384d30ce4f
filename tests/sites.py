"""Web servers for tests, on 127.0.0.1 and of their own making: obedient ones, and ones that misbehave on purpose."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from services.sources.fetch.addresses import parse_networks
from services.sources.fetch.fetcher import Fetcher
from services.sources.fetch.resolver import SystemResolver
from services.sources.fetch.values import FetchLimits

Script = Callable[[socket.socket], None]


@dataclass(frozen=True)
class Page:
    """What a path answers."""

    body: bytes = b""
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)

    def rendered(self) -> bytes:
        headers = {"Content-Type": "text/html; charset=utf-8", "Content-Length": str(len(self.body)), **self.headers}
        head = "".join(f"{name}: {value}\r\n" for name, value in headers.items() if value)
        return f"HTTP/1.1 {self.status} X\r\n{head}Connection: close\r\n\r\n".encode() + self.body


@dataclass
class Request:
    """What a client asked."""

    path: str
    headers: dict[str, str]


class Site:
    """A web server. ``pages`` maps paths to answers or to scripts that get the socket after the request was read."""

    def __init__(self, family: socket.AddressFamily = socket.AF_INET, tls: ssl.SSLContext | None = None) -> None:
        self.pages: dict[str, Page | Script] = {}
        self.requests: list[Request] = []
        self.connections = 0
        self._closing = False
        self._tls = tls
        host = "127.0.0.1" if family == socket.AF_INET else "::1"
        self._socket = socket.create_server((host, 0), family=family, backlog=64)
        self.port: int = self._socket.getsockname()[1]
        self.url = f"http://{host if family == socket.AF_INET else f'[{host}]'}:{self.port}"
        threading.Thread(target=self._accept, daemon=True).start()

    def page(self, path: str, text: str | bytes = "", **more: object) -> None:
        """Puts a page there."""
        body = text.encode() if isinstance(text, str) else text
        self.pages[path] = Page(body, **more)  # type: ignore[arg-type]

    def asked(self, path: str) -> list[Request]:
        """The requests for a path."""
        return [request for request in self.requests if request.path == path]

    def close(self) -> None:
        self._closing = True
        self._socket.close()

    def _accept(self) -> None:
        while not self._closing:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, plain: socket.socket) -> None:
        with plain, contextlib.suppress(OSError, ValueError):
            plain.settimeout(20)
            if self._tls is None:
                self._answer(plain)
            else:
                with self._tls.wrap_socket(plain, server_side=True) as secured:
                    self._answer(secured)

    def _answer(self, connection: socket.socket) -> None:
        data = b""
        while b"\r\n\r\n" not in data:
            part = connection.recv(65536)
            if not part:
                return
            data += part
        first, *lines = data.decode("latin-1").split("\r\n\r\n")[0].split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        request = Request(first.split(" ")[1], headers)
        self.requests.append(request)
        answer = self.pages.get(request.path, Page(b"nothing here", 404))
        if isinstance(answer, Page):
            etag = dict(answer.headers).get("ETag")
            if etag and headers.get("if-none-match") == etag:
                answer = Page(b"", 304, {"ETag": etag, "Content-Length": ""})
            connection.sendall(answer.rendered())
        else:
            answer(connection)


@contextlib.contextmanager
def running_site(family: socket.AddressFamily = socket.AF_INET, tls: ssl.SSLContext | None = None) -> Iterator[Site]:
    """A site for the length of a test."""
    site = Site(family, tls)
    try:
        yield site
    finally:
        site.close()


class Names:
    """A resolver whose answers are set by the test; lists are answered one after the other, the last one again.

    Names that it does not know go to the system, so that odd spellings of numbers mean what they mean there.
    """

    def __init__(self, **known: Sequence[Sequence[str]]) -> None:
        self.known = {name.replace("_", "."): [list(answer) for answer in answers] for name, answers in known.items()}
        self.asked: list[str] = []

    def addresses(self, host: str, port: int, timeout_s: float) -> Sequence[str]:
        self.asked.append(host)
        answers = self.known.get(host)
        if answers is None:
            return SystemResolver().addresses(host, port, timeout_s)
        return answers.pop(0) if len(answers) > 1 else answers[0]


def make_fetcher(
    folder: Path,
    *ports: int,
    allow: str = "127.0.0.0/8, ::1/128",
    names: Names | None = None,
    max_bytes: int = 1_000_000,
    timeout_s: float = 5.0,
    pause_s: float = 0.0,
    tls: ssl.SSLContext | None = None,
) -> Fetcher:
    """A fetcher for test sites on these ports."""
    limits = FetchLimits(max_bytes, timeout_s, pause_s, parse_networks(allow), frozenset({80, 443, *ports}))
    return Fetcher(folder, limits, resolver=names, tls=tls)
