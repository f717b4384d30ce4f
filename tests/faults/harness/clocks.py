"""How long recovery takes: from the death of a worker to its last document, from Redis answering to a good search.

A recovery that another fault fell into is not a sample of one fault; it is counted as disturbed. The schedule lets most
recoveries come to their end (``rest``) and disturbs the others on purpose.
"""

from __future__ import annotations

import http.client
import threading
import time
from dataclasses import dataclass, field

import redis

from services.ledger import keys
from services.redis_clients import INTERACTIVE, connect
from tests.conftest import RunningRedis
from tests.faults.harness.views import HttpView
from tests.processes import Product

LOOK_S = 0.05
LIMIT_S = 240.0
_UNSETTLED = (b"pending", b"processing")


@dataclass
class Clocks:
    """Samples in seconds. ``affected``: R5; ``search`` and ``ingest``: the two halves of R6. ``disturbed`` counts."""

    product: Product
    collection: str
    affected: list[float] = field(default_factory=list)
    search: list[float] = field(default_factory=list)
    ingest: list[float] = field(default_factory=list)
    disturbed: int = 0
    _faults: int = 0
    _threads: list[threading.Thread] = field(default_factory=list)

    def fault(self) -> None:
        """Something is about to be done to the product."""
        self._faults += 1

    def rest(self, limit_s: float) -> None:
        """Waits until every clock has stopped, or that long."""
        deadline = time.monotonic() + limit_s
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))

    def worker_died(self) -> None:
        """Starts the clock for the documents that were in the hands of workers at this moment."""
        started = time.monotonic()
        try:
            held = self._generations(self._held())
        except (redis.RedisError, OSError):
            return
        if held:
            self._start(self._watch_documents, started, self._faults, held)

    def server_killed(self, server: RunningRedis) -> None:
        """Starts the clocks when the server answers; call it once it was started again."""
        self._start(self._watch_search, time.monotonic(), self._faults)
        self._start(self._watch_progress, time.monotonic(), self._faults)

    def join(self) -> None:
        for thread in self._threads:
            thread.join(LIMIT_S)

    def _start(self, target: object, *arguments: object) -> None:
        thread = threading.Thread(target=target, args=arguments, daemon=True)  # type: ignore[arg-type]
        self._threads.append(thread)
        thread.start()

    def _held(self) -> set[bytes]:
        client = connect(self.product.pair.ledger.url, INTERACTIVE)
        try:
            found: set[bytes] = set()
            for token in client.zrange(keys.LEASES, 0, -1):
                lease = client.hgetall(keys.lease(token.decode()))
                cid = lease.pop(b"collection", b"")
                lease.pop(b"lease", None)
                found |= {cid + b"/" + doc_hash for doc_hash in lease}
            return found
        finally:
            client.close()

    def _generations(self, held: set[bytes]) -> dict[bytes, bytes]:
        """The version of each document that was in hand; one that is replaced later is no concern of this clock."""
        client = connect(self.product.pair.ledger.url, INTERACTIVE)
        try:
            places = {entry: entry.decode().partition("/") for entry in held}
            return {
                entry: client.hget(keys.document(cid, doc_hash), "gen") or b""
                for entry, (cid, _, doc_hash) in places.items()
            }
        finally:
            client.close()

    def _note(self, samples: list[float], started: float, faults: int) -> None:
        if faults == self._faults:
            samples.append(time.monotonic() - started)
        else:
            self.disturbed += 1

    def _watch_documents(self, started: float, faults: int, held: dict[bytes, bytes]) -> None:
        client = connect(self.product.pair.ledger.url, INTERACTIVE)
        while held and time.monotonic() - started < LIMIT_S:
            time.sleep(LOOK_S)
            try:
                for entry in list(held):
                    cid, _, doc_hash = entry.decode().partition("/")
                    state, gen = client.hmget(keys.document(cid, doc_hash), "state", "gen")
                    if state not in _UNSETTLED or gen != held[entry]:
                        del held[entry]
            except (redis.RedisError, OSError):
                continue
        self._note(self.affected, started, faults)
        client.close()

    def _watch_search(self, started: float, faults: int) -> None:
        view = HttpView.__new__(HttpView)
        view._product, view._path = self.product, f"/api/v1/collections/{self.collection}"
        while time.monotonic() - started < LIMIT_S:
            if view.find("anything").status == 200:
                break
            time.sleep(LOOK_S)
        self._note(self.search, started, faults)

    def _watch_progress(self, started: float, faults: int) -> None:
        """Ingestion runs when a document is finished, or nothing is left to do."""
        first: int | None = None
        while time.monotonic() - started < LIMIT_S:
            try:
                status, answer = self.product.call("GET", f"/api/v1/collections/{self.collection}")
            except (OSError, http.client.HTTPException):  # killed in the middle of its answer
                status, answer = 0, {}
            if status == 200:
                states = answer["documents"]
                open_now = states.get("pending", 0) + states.get("processing", 0)
                ready = states.get("ready", 0)
                if first is None:
                    first = ready
                if ready > first or open_now == 0:
                    break
            time.sleep(LOOK_S)
        self._note(self.ingest, started, faults)
