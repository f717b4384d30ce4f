"""A small client of the HTTP API for the commands: errors as the product's own, waiting where waiting helps."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any
from urllib.parse import quote

import httpx2

from cli.api_errors import ApiProblem, problem_of, unreachable

API = "/api/v1"
TIMEOUT_S = 60.0
JOB_POLL_FIRST_S = 0.1
JOB_POLL_LONGEST_S = 1.0
_RETRY_STATUS = frozenset({503})


@dataclass(frozen=True, slots=True)
class UploadFile:
    """A file to upload: its relative path (the server's source of the document id) and its bytes."""

    name: str
    body: bytes


class ApiClient:
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

    def __enter__(self) -> ApiClient:
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
        parts = [("file", (file.name, file.body)) for file in files]
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
        files: list[tuple[str, tuple[str, bytes]]],
        headers: Mapping[str, str],
    ) -> httpx2.Response:
        url = path if path in _ROOT_PATHS else API + path
        try:
            return self._http.request(method, url, params=params, content=content, files=files or None, headers=headers)
        except httpx2.TransportError as error:
            raise unreachable(self.base_url, error) from error

    # -- collections ----------------------------------------------------------------------------------------

    def collections(self) -> list[dict[str, Any]]:
        """All collections."""
        return list(self.call("GET", "/collections")["items"])

    def collection(self, name: str) -> dict[str, Any] | None:
        """A collection, None when there is none of that name."""
        try:
            found: dict[str, Any] = self.call("GET", f"/collections/{segment(name)}")
        except ApiProblem as problem:
            if problem.status == 404:
                return None
            raise
        return found

    def create_collection(self, fields: Mapping[str, object]) -> dict[str, Any]:
        """Makes a collection; ``fields`` is the request's body."""
        made: dict[str, Any] = self.call("POST", "/collections", body=fields)
        return made

    def delete_collection(self, name: str) -> None:
        """Deletes a collection with everything in it."""
        self.call("DELETE", f"/collections/{segment(name)}")

    # -- documents ------------------------------------------------------------------------------------------

    def add_documents(self, name: str, documents: Sequence[Mapping[str, object]], request_id: str) -> dict[str, Any]:
        """Posts documents as one request; returns the accepted answer with its job id."""
        path = f"/collections/{segment(name)}/documents"
        accepted: dict[str, Any] = self.call("POST", path, body=list(documents), request_id=request_id)
        return accepted

    def add_ndjson(self, name: str, lines: Iterable[bytes]) -> Iterator[dict[str, Any]]:
        """Streams documents as NDJSON; yields the server's result lines as they come, the summary last."""
        headers = {"Content-Type": "application/x-ndjson", "Accept": "application/x-ndjson"}
        url = f"{API}/collections/{segment(name)}/documents"
        try:
            with self._http.stream("POST", url, content=iter(lines), headers=headers, timeout=600.0) as answer:
                if not answer.is_success:
                    answer.read()
                    raise problem_of(answer)
                for line in _lines(answer.iter_bytes()):
                    yield json.loads(line)
        except httpx2.TransportError as error:
            raise unreachable(self.base_url, error) from error

    def add_files(self, name: str, files: Sequence[UploadFile], request_id: str) -> dict[str, Any]:
        """Uploads files as one request; returns the accepted answer with its job id."""
        path = f"/collections/{segment(name)}/files"
        accepted: dict[str, Any] = self.call("POST", path, files=files, request_id=request_id)
        return accepted

    # -- jobs and search ------------------------------------------------------------------------------------

    def job(self, job_id: str) -> dict[str, Any]:
        """A job."""
        found: dict[str, Any] = self.call("GET", f"/jobs/{segment(job_id)}")
        return found

    def jobs(self, limit: int = 20) -> list[dict[str, Any]]:
        """The latest jobs."""
        return list(self.call("GET", "/jobs", params={"limit": limit})["items"])

    def wait_for_jobs(
        self, job_ids: Sequence[str], told: Callable[[Sequence[Mapping[str, Any]]], None]
    ) -> list[Mapping[str, Any]]:
        """Polls until every job is finished; returns them in the order of ``job_ids``.

        Args:
            told: called after every round with all jobs, for progress.
        """
        jobs: dict[str, Mapping[str, Any]] = {}
        pause = JOB_POLL_FIRST_S
        while True:
            for job_id in job_ids:
                if job_id not in jobs or jobs[job_id]["finished_at"] is None:
                    jobs[job_id] = self.job(job_id)
            found = list(jobs.values())
            told(found)
            if all(job["finished_at"] is not None for job in found):
                return found
            time.sleep(pause)
            pause = min(pause * 1.5, JOB_POLL_LONGEST_S)

    def failed_documents(self, name: str, job_ids: Collection[str], limit: int) -> list[dict[str, Any]]:
        """The failed documents of some jobs, at most ``limit``."""
        path = f"/collections/{segment(name)}/documents"
        page = self.call("GET", path, params={"state": "failed", "limit": 100})
        return [item for item in page["items"] if item["job_id"] in job_ids][:limit]

    def readiness(self) -> dict[str, Any]:
        """What ``/readyz`` says, ready or not."""
        try:
            found: dict[str, Any] = self.call("GET", "/readyz")
        except ApiProblem as problem:
            if "checks" not in problem.body:
                raise
            return dict(problem.body)
        return found

    def page(self, path: str) -> str:
        """A page as a browser gets it; ``path`` from the root, with its query."""
        try:
            answer = self._http.get(path, headers={"Accept": "text/html"}, follow_redirects=True)
        except httpx2.TransportError as error:
            raise unreachable(self.base_url, error) from error
        if not answer.is_success:
            raise problem_of(answer)
        return answer.text

    def version(self) -> dict[str, Any]:
        """Name and version of the running instance."""
        found: dict[str, Any] = self.call("GET", "/version")
        return found

    def search(
        self, name: str, query: str, *, limit: int, filter_: object = None, mode: str = "semantic"
    ) -> dict[str, Any]:
        """Searches a collection."""
        body: dict[str, object] = {"query": query, "limit": limit, "mode": mode}
        if filter_ is not None:
            body["filter"] = filter_
        answer: dict[str, Any] = self.call("POST", f"/collections/{segment(name)}/search", body=body, reads=True)
        return answer


_ROOT_PATHS = frozenset({"/livez", "/readyz", "/version"})


def unfinished(collection: Mapping[str, Any]) -> int:
    """Documents of a collection that wait for a worker or are in one's hands."""
    by_state = collection["documents"]
    return int(by_state.get("pending", 0)) + int(by_state.get("processing", 0))


def segment(text: str) -> str:
    """One path segment, percent-encoded, slashes included."""
    return quote(text, safe="")


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
