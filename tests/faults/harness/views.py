"""Two ways to look at the product: over HTTP, as people do, and in process, for sweeps that cannot afford a server."""

from __future__ import annotations

import json
import urllib.parse
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

from services.redis_clients import INTERACTIVE, Client, connect
from services.search.values import SearchRequest
from tests.integration.pipeline_tools import Workshop
from tests.processes import Product


@dataclass(frozen=True)
class Seen:
    """A document as the product tells of it."""

    id: str
    state: str
    generation: int
    visible: int
    chunks: int
    error: str
    kind: str


@dataclass(frozen=True)
class Found:
    """One hit."""

    id: str
    generation: int
    score: float
    group: str


@dataclass(frozen=True)
class Answer:
    """The answer to a search; ``status`` 0: nothing answered."""

    status: int
    hits: tuple[Found, ...] = ()
    complete: bool = False


class View(Protocol):
    """What the checker needs."""

    collection_id: str
    index: Client
    ledger: Client

    def documents(self) -> Iterator[Seen]: ...

    def find(self, query: str, *, limit: int = 10, offset: int = 0, group: str = "") -> Answer: ...

    def find_only(self, own: str) -> Answer: ...


class HttpView:
    """The running product's API, and its two servers."""

    def __init__(self, product: Product, collection: str) -> None:
        self._product = product
        self._path = f"/api/v1/collections/{urllib.parse.quote(collection)}"
        self.collection_id = str(product.call("GET", self._path)[1]["id"])
        self.index = connect(product.pair.index.url, INTERACTIVE)
        self.ledger = connect(product.pair.ledger.url, INTERACTIVE)

    def close(self) -> None:
        self.index.close()
        self.ledger.close()

    def documents(self) -> Iterator[Seen]:
        cursor: str | None = ""
        while cursor is not None:
            status, page = self._product.call("GET", f"{self._path}/documents?limit=100&cursor={cursor}")
            assert status == 200, (status, page)
            for entry in page["items"]:
                error = entry["error"]["message"] if entry["error"] else ""
                yield Seen(
                    entry["id"],
                    entry["state"],
                    entry["generation"],
                    entry["visible_generation"],
                    entry["chunks"],
                    error,
                    entry["kind"],
                )
            cursor = page["next_cursor"]

    def status_of(self, document_id: str) -> int:
        """What looking at one document is answered with."""
        quoted = urllib.parse.quote(document_id, safe="")
        return self._product.call("GET", f"{self._path}/documents/{quoted}")[0]

    def find(self, query: str, *, limit: int = 10, offset: int = 0, group: str = "") -> Answer:
        return self._ask(query, limit, offset, {"field": "group", "eq": group} if group else None)

    def find_only(self, own: str) -> Answer:
        """Searches among the one document that has this word, so that no other can outrank it."""
        return self._ask(own, 1, 0, {"field": "own", "eq": own})

    def _ask(self, query: str, limit: int, offset: int, wanted: dict[str, Any] | None) -> Answer:
        body: dict[str, Any] = {"query": query, "limit": limit, "offset": offset}
        if wanted:
            body["filter"] = wanted
        status, answer = self._product.call("POST", f"{self._path}/search", body)
        if status != 200:
            return Answer(status)
        hits = [Found(h["id"], h["generation"], h["score"], h["metadata"].get("group", "")) for h in answer["hits"]]
        return Answer(status, tuple(hits), answer["complete"])


class LocalView:
    """A workshop's services."""

    def __init__(self, workshop: Workshop) -> None:
        self._workshop = workshop
        self.collection_id = workshop.collection.id
        self.index = workshop.services.index_client
        self.ledger = workshop.services.ledger_client

    def documents(self) -> Iterator[Seen]:
        cursor = ""
        while True:
            page = self._workshop.services.ledger.documents(self.collection_id, cursor=cursor, limit=100)
            for record in page.items:
                yield Seen(
                    record.id,
                    record.state.value,
                    record.wanted_generation,
                    record.visible_generation,
                    record.chunks,
                    record.error,
                    record.kind.value,
                )
            cursor = page.next_cursor
            if not cursor:
                return

    def find(self, query: str, *, limit: int = 10, offset: int = 0, group: str = "") -> Answer:
        return self._ask(query, limit, offset, {"field": "group", "eq": group} if group else None)

    def find_only(self, own: str) -> Answer:
        """As ``HttpView.find_only``."""
        return self._ask(own, 1, 0, {"field": "own", "eq": own})

    def _ask(self, query: str, limit: int, offset: int, wanted: dict[str, Any] | None) -> Answer:
        request = SearchRequest(query, limit=limit, offset=offset, filter=wanted)
        answer = self._workshop.services.search.search(self._workshop.collection, request)
        hits = [
            Found(hit.id, hit.generation, hit.score, str(json.loads(json.dumps(dict(hit.metadata))).get("group", "")))
            for hit in answer.hits
        ]
        return Answer(200, tuple(hits), answer.complete)
