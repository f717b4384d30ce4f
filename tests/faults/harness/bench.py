"""The product in one process, on a real pair of servers: a client, a worker and a keeper whose every call can fail.

Beside the wired parts stands a second set of everything whose calls never fail: it prepares, interferes and settles.
"""

from __future__ import annotations

import itertools
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import redis

from services.collections.store import NewCollection
from services.collections.values import Algorithm, Chunking, FieldSpec, FieldType
from services.errors import Conflict, NearfieldError, NotFound, StorageFull, Unavailable
from services.index.clearing import IndexClearing
from services.ingest.accept import Acceptor
from services.ingest.purge import purge_collection
from services.ingest.values import TextInput
from services.ledger import keys
from services.ledger.erasing import Erasing, ask_to_rebuild, is_erasing
from services.ledger.keeper import Keeper
from services.ledger.ledger import Ledger
from services.ledger.values import AcceptAnswer
from services.redis_clients import BULK, connect
from services.wiring import Services, build_services
from tests.conftest import RedisPair
from tests.faults.harness import invariants, texts
from tests.faults.harness.journal import Promises, Wish
from tests.faults.harness.trip import Wire, WiredModels, wire_client, wired_disk
from tests.faults.harness.views import LocalView
from tests.integration.ledger_tools import Desk, check_books
from tests.integration.pipeline_tools import FAST, Workshop, make_workshop

ROUNDS = 40
AWAY = (Unavailable, StorageFull)


@dataclass
class Actor:
    """One who works on the product: puts and deletes documents, drains, keeps."""

    workshop: Workshop
    promises: Promises
    requests: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    @property
    def services(self) -> Services:
        return self.workshop.services

    def keeper(self) -> Keeper:
        services = self.services
        return Keeper(
            ledger=services.ledger,
            envelopes=services.envelopes,
            index=services.index,
            index_client=services.index_client,
            collections=services.collections,
            doorbell=services.doorbell,
            erasing=Erasing(services.ledger, services.index, IndexClearing(services.index_client)),
        )

    def put(self, wishes: Sequence[tuple[int, int]], *, url: str = "", request: str = "") -> AcceptAnswer:
        """Posts documents; on no answer posts them again under the same key, as a client does."""
        request = request or f"request-{id(self)}-{next(self.requests)}"
        named: list[Wish] = [(texts.name(number), version) for number, version in wishes]
        for document_id, version in named:
            self.promises.tried.setdefault(document_id, set()).add(version)
        given = [texts.document(number, version) for number, version in wishes]
        inputs = [TextInput(entry["id"], entry["text"], entry["title"], url, entry["metadata"]) for entry in given]
        collection = self.workshop.collection
        answer = persist(lambda: self.services.acceptor.add_texts(collection, inputs, request_id=request))
        self.promises.note(named, [(document.id, document.generation) for document in answer.documents])
        return answer

    def delete(self, *numbers: int, request: str = "") -> AcceptAnswer:
        request = request or f"request-{id(self)}-{next(self.requests)}"
        named: list[Wish] = [(texts.name(number), None) for number in numbers]
        ids = [document_id for document_id, _ in named]
        answer = persist(lambda: self.services.acceptor.delete(self.workshop.collection, ids, request_id=request))
        self.promises.note(named, [(document.id, document.generation) for document in answer.documents])
        return answer

    def drain(self) -> None:
        """Works until nothing is due, as a worker does between two bells; errors around it are the keeper's to mend."""
        pipeline = self.workshop.pipeline()
        for _ in range(ROUNDS):
            try:
                report = pipeline.drain(self.workshop.collection.id)
            except NearfieldError:
                return
            if not report.more:
                return

    def sweep(self) -> None:
        with suppress(Unavailable):
            self.keeper().sweep()

    def ask_to_rebuild(self) -> None:
        """As ``nearfield rebuild COLLECTION`` does; asked again until it is known to be heard."""
        with suppress(Unavailable, redis.RedisError, OSError):
            ask_to_rebuild(self.services.ledger, self.workshop.collection.id)

    def expire(self) -> None:
        """Lets all leases and pauses run out and puts back what they held."""
        client, cid = self.services.ledger_client, self.workshop.collection.id
        client.delete(keys.KEEPER_LOCK)
        for token in client.zrange(keys.LEASES, 0, -1):
            client.zadd(keys.LEASES, {token: 1})
        self.sweep()
        for lane in keys.LANES:
            for member in client.zrange(keys.due(cid, lane), 0, -1):
                client.zadd(keys.due(cid, lane), {member: 1})

    def is_settled(self) -> bool:
        states = [seen.state for seen in LocalView(self.workshop).documents()]
        ledger = self.services.ledger
        if is_erasing(ledger, self.workshop.collection.id) or ledger.rebuilding(self.workshop.collection.id):
            return False
        return not {"pending", "processing"} & set(states) and not self.services.ledger_client.zcard(keys.LEASES)

    def settle(self) -> None:
        """Until everything has come to an end, and the keeper has looked at everything once more."""
        for _ in range(ROUNDS):
            self.expire()
            self.drain()
            if self.is_settled():
                break
        else:
            raise AssertionError("never settled: " + str(self.workshop.states()))
        for _ in range(2):
            self.sweep()
            self.drain()
        assert self.is_settled(), "the keeper went on finding work"


def persist(call: Callable[[], AcceptAnswer]) -> AcceptAnswer:
    """Repeats a request until it is answered."""
    for _ in range(10):
        try:
            return call()
        except AWAY:
            continue
    raise AssertionError("never accepted")


@dataclass
class Bench:
    """A wired actor, and one that never fails."""

    pair: RedisPair
    folder: Path
    wire: Wire
    wired: Actor
    sound: Actor

    @property
    def promises(self) -> Promises:
        return self.sound.promises

    def check(self, may_fail: Callable[[str], bool] = lambda document_id: False, *, may_leave: bool = False) -> None:
        """All invariants, and the ledger's own books."""
        view = LocalView(self.sound.workshop)
        invariants.check(view, self.promises, may_fail=may_fail, may_leave=may_leave)
        services = self.sound.services
        desk = Desk(
            services.ledger, services.ledger_client, self.folder / "accepted", self.sound.workshop.collection.id
        )
        check_books(desk, sorted(self.promises.tried))


def _second(workshop: Workshop, pair: RedisPair, wire: Wire) -> Workshop:
    """Another process' services over the same data, with every call on the wire."""
    services = build_services(workshop.services.settings, doorbell=workshop.bells, profile=BULK)
    ledger = Ledger(services.ledger_client, services.envelopes, FAST)
    sound_ledger, sound_index = connect(pair.ledger.url, BULK), connect(pair.index.url, BULK)
    wire_client(services.ledger_client, wire, sound_ledger)
    wire_client(services.index_client, wire, sound_index)
    wire_client(services.collections._client, wire, sound_ledger)
    models: Any = WiredModels(services.models, wire)
    acceptor = Acceptor(ledger, workshop.bells, max_document_bytes=services.settings.max_document_bytes)
    services = replace(services, ledger=ledger, models=models, acceptor=acceptor)
    return Workshop(services, workshop.bells, workshop.embedded, workshop.collection)


def _made_exact(workshop: Workshop) -> Workshop:
    """The same with an exact index: a graph that misses a document would look like a loss."""
    services, old = workshop.services, workshop.collection
    services.index.drop(old)
    new = NewCollection(
        "exact", old.model, old.fingerprint, old.dim, algorithm=Algorithm.FLAT, chunking=old.chunking, fields=old.fields
    )
    collection = services.collections.create(new)
    services.index.create(collection)
    return Workshop(services, workshop.bells, workshop.embedded, collection)


@contextmanager
def bench(pair: RedisPair) -> Iterator[Bench]:
    """A fresh bench on emptied servers; its folder goes afterwards."""
    pair.flush()
    folder = Path(tempfile.mkdtemp(prefix="nfb-"))
    wire, promises = Wire(), Promises()
    fields = [FieldSpec(name, FieldType(kind)) for name, kind in texts.FIELDS.items()]
    workshop = make_workshop(pair, folder, *fields, chunking=Chunking(size_tokens=16), limits=FAST)
    workshop = _made_exact(workshop)
    second = _second(workshop, pair, wire)
    try:
        sound = Actor(workshop, promises)
        sound.sweep()
        with wired_disk(folder, wire):
            yield Bench(pair, folder, wire, Actor(second, promises), sound)
    finally:
        for services in (workshop.services, second.services):
            for client in (services.ledger_client, services.index_client, services.collections._client):
                client.close()
        shutil.rmtree(folder, ignore_errors=True)


def drop_collection(actor: Actor) -> None:
    """Deletes the collection and clears all of it."""
    services, collection = actor.services, actor.workshop.collection
    try:
        services.collections.delete(collection.name)
    except (NotFound, Conflict):
        return
    while purge_collection(services, collection.id):
        pass
