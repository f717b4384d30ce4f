"""The HTTP API as the commands use it."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from cli.api_errors import ApiProblem
from cli.transport import Transport, UploadFile

if TYPE_CHECKING:
    from cli.files import FoundFile

JOB_POLL_FIRST_S = 0.1
JOB_POLL_LONGEST_S = 1.0
LONGEST_PAGE = 500


class ApiClient(Transport):
    """Calls to one running instance."""

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
        return self.stream_lines(f"/collections/{segment(name)}/documents", lines)

    def add_files(self, name: str, files: Sequence[FoundFile], request_id: str) -> dict[str, Any]:
        """Uploads files as one request; returns the accepted answer with its job id.

        Their bodies are read while they are sent, so a large file costs no memory.

        Raises:
            OSError: a file cannot be opened; ``filename`` is its path. Nothing was sent.
        """
        path = f"/collections/{segment(name)}/files"
        with ExitStack() as opened:
            # httpx2 sends open files in portions, from their beginning at every attempt
            parts = [
                UploadFile(file.name, opened.enter_context(file.path.open("rb")), file.media_type) for file in files
            ]
            accepted: dict[str, Any] = self.call("POST", path, files=parts, request_id=request_id)
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

    def act_on_job(self, job_id: str, action: str) -> dict[str, Any]:
        """Cancels, resumes or retries a job; ``action`` is the last step of the address."""
        answer: dict[str, Any] = self.call("POST", f"/jobs/{segment(job_id)}/{action}")
        return answer

    # -- failures -------------------------------------------------------------------------------------------

    def failures(self, name: str) -> dict[str, Any]:
        """How many documents failed, and how many for which reason."""
        found: dict[str, Any] = self.call("GET", f"/collections/{segment(name)}/failures")
        return found

    def retry_failures(self, name: str, *, code: str = "", match: str = "") -> dict[str, Any]:
        """Tries failed documents again; the new job's id and how many documents it holds."""
        params = {"code": code, "q": match}
        answer: dict[str, Any] = self.call("POST", f"/collections/{segment(name)}/retry", params=params)
        return answer

    def documents_page(
        self, name: str, *, state: str, code: str, match: str, limit: int, cursor: str
    ) -> dict[str, Any]:
        """A page of documents by state, reason and name; with a reason or a name it may be short and not the last."""
        params: dict[str, str | int] = {"state": state, "code": code, "q": match, "limit": limit, "cursor": cursor}
        page: dict[str, Any] = self.call("GET", f"/collections/{segment(name)}/documents", params=params)
        return page

    def documents(self, name: str, *, state: str, code: str, match: str, limit: int) -> list[dict[str, Any]]:
        """The newest documents of a state, reason and name, at most ``limit``."""
        found: list[dict[str, Any]] = []
        cursor: str | None = ""
        while cursor is not None and len(found) < limit:
            most = min(limit, LONGEST_PAGE)
            page = self.documents_page(name, state=state, code=code, match=match, limit=most, cursor=cursor)
            found += page["items"]
            cursor = page["next_cursor"]
        return found[:limit]

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

    def version(self) -> dict[str, Any]:
        """Name and version of the running instance."""
        found: dict[str, Any] = self.call("GET", "/version")
        return found

    def search(
        self, name: str, query: str, *, limit: int, filter_: object = None, mode: str = "semantic", rerank: str = ""
    ) -> dict[str, Any]:
        """Searches a collection."""
        body: dict[str, object] = {"query": query, "limit": limit, "mode": mode}
        if filter_ is not None:
            body["filter"] = filter_
        if rerank:
            body["rerank"] = rerank
        answer: dict[str, Any] = self.call("POST", f"/collections/{segment(name)}/search", body=body, reads=True)
        return answer


def unfinished(collection: Mapping[str, Any]) -> int:
    """Documents of a collection that wait for a worker or are in one's hands."""
    by_state = collection["documents"]
    return int(by_state.get("pending", 0)) + int(by_state.get("processing", 0))


def segment(text: str) -> str:
    """One path segment, percent-encoded, slashes included."""
    return quote(text, safe="")
