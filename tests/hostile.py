"""What the tests of hostile requests share: a filled application with low limits, conditions, uploads."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.apiapp import V1, Api, make_api
from tests.conftest import RedisPair

DOCUMENTS = "/collections/docs/documents"
SEARCH = "/collections/docs/search"
MAX_BODY = 300_000
MAX_DOCUMENT = 100_000
LIMITS = {
    "max_body_bytes": MAX_BODY,
    "max_upload_bytes": MAX_BODY,
    "max_bulk_bytes": MAX_BODY,
    "max_document_bytes": MAX_DOCUMENT,
}
MULTIPART = "multipart/form-data; boundary=b"


@contextmanager
def filled_api(pair: RedisPair, folder: Path) -> Iterator[Api]:
    with make_api(pair, folder, **LIMITS) as made:
        made.collection("docs", fields={"kind": "tag", "year": "number", "hot": "boolean", "day": "date"})
        made.add("docs", {"id": "kept", "text": "words that stay", "metadata": {"kind": "a", "year": 1}})
        made.drain()
        yield made


def condition(value: Any) -> dict[str, Any]:
    return {"query": "a", "filter": value}


def eq(value: Any, name: str = "kind") -> dict[str, Any]:
    return condition({"field": name, "eq": value})


def send_files(api: Api, parts: list[tuple[str, bytes]], **fields: str) -> Any:
    data: dict[str, Any] = {"file": [(io.BytesIO(body), name) for name, body in parts], **fields}
    return api.client.post(f"{V1}/collections/docs/files", data=data)


def raw_upload(api: Api, body: bytes, content_type: str) -> Any:
    return api.client.post(f"{V1}/collections/docs/files", data=body, headers={"Content-Type": content_type})
