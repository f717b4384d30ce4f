"""A running instance as ``services.evaluation`` wants it: the real product, over HTTP."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from cli.client import ApiClient
from cli.output import Progress
from services.errors import Conflict, NearfieldError
from services.evaluation.beir import JudgedDocument

SLICE_DOCUMENTS = 500
SLICE_BYTES = 4 * 1024 * 1024


class HttpTarget:
    """Evaluates through the API: bulk NDJSON in, searches out."""

    def __init__(self, client: ApiClient, bars: Progress) -> None:
        self._client = client
        self._bars = bars

    def create(self, name: str, chunking: str) -> None:
        """Makes the collection.

        Raises:
            Conflict: it is there with another chunking, whose figures would be others.
        """
        found = self._client.collection(name)
        if found is None:
            self._client.create_collection(
                {
                    "name": name,
                    "description": "Evaluation",
                    **({"chunking": {"strategy": "none"}} if chunking == "none" else {}),
                }
            )
        elif (found["chunking"]["strategy"] == "none") != (chunking == "none"):
            strategy = found["chunking"]["strategy"]
            raise Conflict(
                f"collection {name!r} exists with chunking {strategy!r}, asked for is {chunking!r}: name another "
                "with --collection, or use --collection-per-run",
                code="other-chunking",
            )

    def ingest(self, name: str, documents: Sequence[JudgedDocument]) -> None:
        """Adds the documents and waits until they are searchable.

        Raises:
            NearfieldError: a document was rejected or failed, or the collection holds others beside them.
        """
        jobs: list[str] = []
        sent = 0
        for part in slices(documents):
            jobs += self._send(name, part)
            sent += len(part)
            self._bars.update("sending", sent, len(documents))

        def told(found: Sequence[Mapping[str, Any]]) -> None:
            self._bars.update(
                "embedding", sum(job["done"] for job in found), sum(job["counts"]["total"] for job in found)
            )

        failed = sum(job["counts"]["failed"] for job in self._client.wait_for_jobs(jobs, told))
        if failed:
            raise NearfieldError(
                f"{failed} documents of the evaluation set failed: the figures would be wrong. "
                f"`GET /api/v1/collections/{name}/documents?state=failed` says why",
                code="evaluation-failed",
            )
        collection = self._client.collection(name) or {}
        if collection.get("searchable") != len(documents):
            raise Conflict(
                f"collection {name!r} holds {collection.get('searchable')} documents, the evaluation set "
                f"{len(documents)}: use a collection of its own (--collection-per-run)",
                code="other-documents",
            )

    def _send(self, name: str, part: Sequence[JudgedDocument]) -> list[str]:
        summary: Mapping[str, Any] = {}
        for result in self._client.add_ndjson(name, (line(document) for document in part)):
            if result.get("outcome") == "rejected":
                error = result["error"]
                raise NearfieldError(
                    f"document {result.get('id', '')!r} (line {result['line']}) was rejected: {error['detail']}",
                    code=str(error["code"]),
                )
            summary = result
        if not summary.get("done"):
            reason = (summary.get("error") or {}).get("detail", "the answer broke off")
            raise NearfieldError(f"the server stopped taking documents: {reason}", code="evaluation-failed")
        return [str(job_id) for job_id in summary["job_ids"]]

    def search(self, name: str, query: str, *, limit: int, mode: str) -> Mapping[str, Any]:
        """One search."""
        return self._client.search(name, query, limit=limit, mode=mode)

    def delete(self, name: str) -> None:
        """Deletes the collection."""
        self._client.delete_collection(name)


def line(document: JudgedDocument) -> bytes:
    """A document as a line of NDJSON."""
    fields = {"id": document.id, "title": document.title, "text": document.text}
    return json.dumps(fields, ensure_ascii=False).encode("utf-8") + b"\n"


def slices(documents: Sequence[JudgedDocument]) -> Iterator[list[JudgedDocument]]:
    """Cuts the documents into requests by count and bytes."""
    taken: list[JudgedDocument] = []
    size = 0
    for document in documents:
        length = len(line(document))
        if taken and (len(taken) >= SLICE_DOCUMENTS or size + length > SLICE_BYTES):
            yield taken
            taken, size = [], 0
        taken.append(document)
        size += length
    if taken:
        yield taken
