"""HTTP to one running instance: how a call is sent, repeated where that is safe, and its errors told."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, BinaryIO, Self

import httpx2

from cli.api_errors import problem_of, unreachable

API = "/api/v1"
TIMEOUT_S = 60.0
STREAM_TIMEOUT_S = 600.0
_RETRY_STATUS = frozenset({503})
_ROOT_PREFIX = "/v1/"
"""The interface for programs of OpenAI's."""

_ROOT_PATHS = frozenset({"/livez", "/readyz", "/version"})


@dataclass(frozen=True, slots=True)
class UploadFile:
    """A file to upload: its relative path (the server's source of the document id), and its bytes or an open file.

    ``media_type`` is what it is said to be; "" leaves that to its name.
    """

    name: str
    body: bytes | BinaryIO
    media_type: str = ""


class Transport:
    """Calls to one running instance.

    Args:
        base_url: such as http://127.0.0.1:8080.
        patience_s: how long an answer 503 (busy, starting, index loading) is asked again before it counts.
    """

    def __init__(self, base_url: str, *, patience_s: float = 0.0) -> None:
        self.base_url = base_url.rstrip("/")
        self._patience_s = patience_s
        # trust_env: a proxy of the environment must not get between this machine and itself
        self._http = httpx2.Client(
            base_url=self.base_url, timeout=httpx2.Timeout(TIMEOUT_S, connect=5.0), trust_env=False
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._http.close()

    def call(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str | int] | None = None,
        body: object = None,
        content: bytes | None = None,
        content_type: str = "application/json",
        files: Sequence[UploadFile] = (),
        request_id: str = "",
        reads: bool = False,
    ) -> Any:
        """One call; returns the decoded JSON, or the text of an answer that is not JSON.

        Args:
            path: below the API's prefix, or from the root for "/version" and the like; already percent-encoded.
            request_id: the idempotency key that makes a repeated write safe. Without one, writes are not repeated.
            reads: a POST that changes nothing, so that it may be repeated.

        Raises:
            ApiProblem: the server refused.
            Unreachable: nobody answers at the URL.
        """
        headers = {"Accept": "application/json"}
        if request_id:
            headers["Idempotency-Key"] = request_id
        if body is not None:
            content = json.dumps(body, ensure_ascii=False, allow_nan=False).encode("utf-8")
        if content is not None:
            headers["Content-Type"] = content_type
        parts = [("file", (file.name, file.body, file.media_type or None)) for file in files]
        deadline = time.monotonic() + self._patience_s
        while True:
            answer = self._send(method, path, params=params, content=content, files=parts, headers=headers)
            if answer.is_success:
                return _decoded(answer)
            repeatable = method == "GET" or reads or bool(request_id)
            if answer.status_code not in _RETRY_STATUS or not repeatable or time.monotonic() > deadline:
                raise problem_of(answer)
            time.sleep(min(_retry_after_s(answer), max(deadline - time.monotonic(), 0.0)))

    def _send(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str | int] | None,
        content: bytes | None,
        files: list[tuple[str, tuple[str, bytes | BinaryIO, str | None]]],
        headers: Mapping[str, str],
    ) -> httpx2.Response:
        url = path if path in _ROOT_PATHS or path.startswith(_ROOT_PREFIX) else API + path
        try:
            return self._http.request(method, url, params=params, content=content, files=files or None, headers=headers)
        except httpx2.TransportError as error:
            raise unreachable(self.base_url, error) from error

    def stream_lines(self, path: str, lines: Iterable[bytes]) -> Iterator[dict[str, Any]]:
        """Posts NDJSON; yields the answer's lines as they come. Never repeated.

        Raises:
            ApiProblem: the server refused.
            Unreachable: nobody answers at the URL.
        """
        headers = {"Content-Type": "application/x-ndjson", "Accept": "application/x-ndjson"}
        try:
            with self._http.stream(
                "POST", API + path, content=iter(lines), headers=headers, timeout=STREAM_TIMEOUT_S
            ) as answer:
                if not answer.is_success:
                    answer.read()
                    raise problem_of(answer)
                for line in _lines(answer.iter_bytes()):
                    yield json.loads(line)
        except httpx2.TransportError as error:
            raise unreachable(self.base_url, error) from error

    def page(self, path: str) -> str:
        """A page as a browser gets it; ``path`` from the root, with its query."""
        try:
            answer = self._http.get(path, headers={"Accept": "text/html"}, follow_redirects=True)
        except httpx2.TransportError as error:
            raise unreachable(self.base_url, error) from error
        if not answer.is_success:
            raise problem_of(answer)
        return answer.text


def _lines(parts: Iterable[bytes]) -> Iterator[bytes]:
    """Lines that end in LF only: httpx2 also splits at U+2028 and the like, which JSON strings may hold."""
    rest = b""
    for part in parts:
        *lines, rest = (rest + part).split(b"\n")
        yield from (line for line in lines if line.strip())
    if rest.strip():
        yield rest


def _decoded(answer: httpx2.Response) -> Any:
    if "json" in answer.headers.get("Content-Type", ""):
        return answer.json()
    return answer.text


def _retry_after_s(answer: httpx2.Response) -> float:
    text = answer.headers.get("Retry-After", "")
    return float(text) if text.isdigit() and int(text) > 0 else 1.0
