"""A provider of embeddings for tests: a real server on 127.0.0.1 that speaks OpenAI's, Azure's and Cohere's protocol.

Its vectors are the hash embedder's. What it is told to do next (``then``) comes before it answers well again.
"""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from services.embedding.hash_embedder import HashEmbedder
from services.embedding.providers.options import Endpoint, KnownModel, ProviderOptions

KEY = "sk-near/field+Q7w8E9r0T1y2=="
"""With signs that words have not."""
DIM = 64


@dataclass
class Asked:
    """One request."""

    path: str
    headers: dict[str, str]
    body: dict[str, Any]
    at_s: float


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Http

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        headers = {name.lower(): value for name, value in self.headers.items()}
        provider = self.server.provider
        asked = Asked(self.path, headers, body, time.monotonic())
        with provider.lock:
            provider.asked.append(asked)
            provider.now += 1
            provider.most_at_once = max(provider.most_at_once, provider.now)
            act = provider.next.popleft() if provider.next else provider.otherwise
        try:
            with contextlib.suppress(ConnectionError):  # the client may have gone
                act(self, asked)
        finally:
            with provider.lock:
                provider.now -= 1

    def send(self, body: bytes, status: int = 200, headers: Mapping[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {
            "Content-Type": "application/json",
            "Content-Length": str(len(body)),
            **(headers or {}),
        }.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: a test's output is its own."""


Act = Callable[[Handler, Asked], None]


class _Http(ThreadingHTTPServer):
    daemon_threads = True
    provider: ProviderServer

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is part of the tests."""


class ProviderServer:
    """The server. ``otherwise`` is what it does when nothing else was asked of it."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.asked: list[Asked] = []
        self.next: deque[Act] = deque()
        self.otherwise: Act = good
        self.now = self.most_at_once = 0
        self._http = _Http(("127.0.0.1", 0), Handler)
        self._http.provider = self
        self.root = f"http://127.0.0.1:{self._http.server_address[1]}"
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    def then(self, *acts: Act) -> None:
        """What it does with the next requests."""
        self.next.extend(acts)

    def texts(self) -> list[list[str]]:
        """The texts of each request."""
        return [asked.body.get("input") or asked.body["texts"] for asked in self.asked]

    def options(self, *offered: str, dim: int = DIM, key: str = KEY, **more: Any) -> ProviderOptions:
        """All three providers at this server; models with a dimension, 0 to have it asked."""
        names = offered or ("openai:test-embed", "azure:test-embed", "cohere:test-embed")
        return ProviderOptions(
            openai=Endpoint(f"{self.root}/v1", key),
            azure=Endpoint(self.root, key, "2024-10-21"),
            cohere=Endpoint(self.root, key),
            offered=tuple((name, KnownModel(dim, 512, 0.02)) for name in names),
            **more,
        )

    def close(self) -> None:
        self._http.shutdown()
        self._http.server_close()
        self._thread.join(10)


@contextlib.contextmanager
def provider_server() -> Iterator[ProviderServer]:
    """A server for the length of a test."""
    server = ProviderServer()
    try:
        yield server
    finally:
        server.close()


def rows_of(texts: Sequence[str]) -> list[list[float]]:
    return [[float(value) for value in row] for row in HashEmbedder().embed_documents(texts)]


def answer_for(asked: Asked, rows: Sequence[Any] | None = None) -> dict[str, Any]:
    """What a good provider says."""
    if asked.path == "/v2/embed":
        texts = asked.body["texts"]
        found = rows_of(texts) if rows is None else list(rows)
        return {
            "id": "x",
            "embeddings": {"float": found},
            "texts": texts,
            "meta": {"billed_units": {"input_tokens": 7}},
        }
    found = rows_of(asked.body["input"]) if rows is None else list(rows)
    data = [{"object": "embedding", "index": place, "embedding": row} for place, row in enumerate(found)]
    return {"object": "list", "data": data, "model": "m", "usage": {"prompt_tokens": 7, "total_tokens": 7}}


def good(handler: Handler, asked: Asked) -> None:
    """A right answer."""
    handler.send(json.dumps(answer_for(asked)).encode())


def saying(change: Callable[[Asked], Any]) -> Act:
    """Another JSON, with status 200."""
    return lambda handler, asked: handler.send(json.dumps(change(asked)).encode())


def status(code: int, body: Any = None, **headers: str) -> Act:
    """An error."""
    said = body if isinstance(body, bytes) else json.dumps(body or {"error": {"message": f"error {code}"}}).encode()
    fields = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda handler, asked: handler.send(said, code, fields)


def after(seconds: float, act: Act = good) -> Act:
    """Something, late."""

    def late(handler: Handler, asked: Asked) -> None:
        time.sleep(seconds)
        act(handler, asked)

    return late


def raw(*parts: bytes, pause_s: float = 0.0) -> Act:
    """Bytes as they are, with pauses between them; then the connection is closed."""

    def send(handler: Handler, asked: Asked) -> None:
        handler.close_connection = True
        for part in parts:
            handler.wfile.write(part)
            handler.wfile.flush()
            time.sleep(pause_s)

    return send
