"""What goes wrong with one document, or around all of them."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from services.ingest.extract.plain import extract_plain
from services.ingest.purge import purge_collection
from services.ingest.values import Extracted, FileInput, TextInput
from services.ledger.values import DocumentState
from tests.conftest import RedisPair
from tests.integration.pipeline_tools import Jumps, ReadInside, Workshop, after, make_workshop, reader
from tests.processes import wait_until

ODD = "text/x-odd"


@pytest.fixture
def shop(redis_pair: RedisPair, tmp_path: Path) -> Workshop:
    return make_workshop(redis_pair, tmp_path, files=ReadInside())


def add(shop: Workshop, *ids: str, media_type: str = "text/plain", text: str = "words") -> None:
    documents = [TextInput(id, f"{text} of {id}", media_type=media_type) for id in ids]
    shop.services.acceptor.add_texts(shop.collection, documents)


def test_a_reader_that_breaks_fails_its_document_after_three_attempts(shop: Workshop) -> None:
    attempts = []

    def broken(body: bytes, tick: Callable[[], None]) -> Extracted:
        attempts.append(body)
        raise ZeroDivisionError

    with reader(ODD, broken):
        add(shop, "a", "b")
        add(shop, "bad", media_type=ODD)
        report = shop.drain()
    assert (report.done, report.failed, len(attempts)) == (2, 1, 3)
    record = shop.record("bad")
    assert (record.state, record.error_code, record.attempts) == (DocumentState.FAILED, "processing-failed", 3)
    assert "ZeroDivisionError" in record.error
    assert shop.states() == {"a": "ready", "b": "ready", "bad": "failed"}
    shop.services.ledger.retry(shop.collection.id, document_ids=["bad"])
    with reader(ODD, extract_plain):
        shop.drain()
    assert shop.record("bad").state is DocumentState.READY


def test_a_text_the_model_breaks_on_fails_alone(shop: Workshop) -> None:
    add(shop, "a", "unembeddable", "c")
    report = shop.drain()
    assert (report.done, report.failed) == (2, 1)
    assert shop.states() == {"a": "ready", "unembeddable": "failed", "c": "ready"}
    assert [shop.record(id).attempts for id in ("a", "unembeddable", "c")] == [1, 3, 1]


def test_an_update_that_fails_leaves_the_old_version(shop: Workshop) -> None:
    def put(body: bytes) -> None:
        shop.services.acceptor.add_files(shop.collection, [FileInput("page.html", body, id="page")])
        shop.drain()

    put(b"<p>old words")
    put(b"<p></p>")
    assert shop.record("page").state is DocumentState.FAILED
    assert shop.search("words")[0].passage.text == "old words"
    assert shop.services.documents.text(shop.record("page")) == "old words"


def test_another_model_than_the_collections_is_not_used(shop: Workshop) -> None:
    stored = shop.services.collections
    wrong = replace(shop.collection, fingerprint="0" * 32)
    services = replace(shop.services, collections=_Only(stored, wrong))  # type: ignore[arg-type]
    other = replace(shop, services=services)
    add(shop, "a")
    other.drain()
    record = shop.record("a")
    assert (record.state, record.error_code) == (DocumentState.FAILED, "model-mismatch")
    assert shop.embedded == []


class _Only:
    """A store that knows one collection in a wrong way."""

    def __init__(self, inner: object, collection: object) -> None:
        self._inner, self._collection = inner, collection

    def by_id(self, _id: str) -> object:
        return self._collection


def test_a_stop_gives_back_what_is_not_begun(shop: Workshop) -> None:
    read: list[bytes] = []
    with reader(ODD, after(lambda: read.append(b""), extract_plain)):
        add(shop, *(f"d{n}" for n in range(20)), media_type=ODD)
        report = shop.pipeline(is_stopping=lambda: len(read) >= 5).drain(shop.collection.id)
        assert report.done == len(read) == 5
        assert shop.services.ledger.counts(shop.collection.id).waiting == 15, "nothing waits for a lease to run out"
        shop.drain()
    assert len(read) == 20
    assert set(shop.states().values()) == {"ready"}
    assert {shop.record(id).attempts for id in shop.states()} == {1}


def test_a_long_document_pauses_for_a_small_one(redis_pair: RedisPair, tmp_path: Path) -> None:
    shop = make_workshop(redis_pair, tmp_path, batch_tokens=512)
    long = "\n\n".join(f"Paragraph {n}. " + "filler " * 120 for n in range(60))
    shop.services.acceptor.add_texts(shop.collection, [TextInput("long", long)])
    pipeline = shop.pipeline(clock=Jumps(0.7))
    assert pipeline.drain(shop.collection.id).more
    add(shop, "small")
    while shop.record("small").state is not DocumentState.READY:
        assert pipeline.drain(shop.collection.id).more
    assert shop.record("long").state is not DocumentState.READY
    while shop.record("long").state is not DocumentState.READY:
        pipeline.drain(shop.collection.id)
    pieces = shop.services.index.chunks(shop.collection, shop.record("long").doc_hash)
    assert shop.texts_embedded() == len(pieces) + 1, "no piece is embedded twice"
    assert shop.record("long").attempts == 1


def test_a_worker_that_lost_its_lease_writes_nothing(redis_pair: RedisPair, tmp_path: Path) -> None:
    shop = make_workshop(redis_pair, tmp_path, files=ReadInside(), lease_ms=500)
    seen: list[int] = []

    def overtake() -> None:
        """Sleeps through the lease; the keeper takes the document back and another worker does it."""
        seen.append(1)
        if len(seen) == 1:
            wait_until(lambda: shop.services.ledger.expire().leases, "the lease ran out")
            wait_until(lambda: shop.pipeline().drain(shop.collection.id).done, "another worker did it")

    with reader(ODD, after(overtake, extract_plain)):
        add(shop, "a", media_type=ODD)
        report = shop.pipeline().drain(shop.collection.id)
    assert (report.done, report.failed) == (0, 0)
    record = shop.record("a")
    assert (record.state, record.chunks) == (DocumentState.READY, 1)
    head = shop.services.index.head(shop.collection, record.doc_hash)
    assert head is not None
    assert head.attempt == 2
    assert len(seen) == 2


def test_progress_keeps_a_lease(redis_pair: RedisPair, tmp_path: Path) -> None:
    shop = make_workshop(redis_pair, tmp_path, files=ReadInside(), lease_ms=500)

    def slow(body: bytes, tick: Callable[[], None]) -> Extracted:
        until = time.monotonic() + 1.5
        while time.monotonic() < until:
            tick()
            assert not shop.services.ledger.expire().leases
            time.sleep(0.02)
        return extract_plain(body, tick)

    with reader(ODD, slow):
        add(shop, "a", media_type=ODD)
        assert shop.pipeline().drain(shop.collection.id).done == 1
    assert shop.record("a").attempts == 1


def test_an_index_that_is_away_costs_no_attempt(private_redis_pair: RedisPair, tmp_path: Path) -> None:
    shop = make_workshop(private_redis_pair, tmp_path)
    add(shop, *(f"d{n}" for n in range(10)))
    private_redis_pair.index.kill()
    report = shop.pipeline().drain(shop.collection.id)
    assert (report.done, report.failed) == (0, 0)
    assert set(shop.states().values()) == {"pending"}
    private_redis_pair.index.start()
    shop.drain()
    assert set(shop.states().values()) == {"ready"}
    assert {shop.record(id).attempts for id in shop.states()} == {1}


def test_a_ledger_that_is_away_is_the_callers_to_know(private_redis_pair: RedisPair, tmp_path: Path) -> None:
    shop = make_workshop(private_redis_pair, tmp_path, files=ReadInside(), lease_ms=500)

    def fall() -> None:
        private_redis_pair.ledger.kill()

    with reader(ODD, after(fall, extract_plain)):
        add(shop, "a", media_type=ODD)
        assert shop.pipeline().drain(shop.collection.id).done == 0
    private_redis_pair.ledger.start()
    wait_until(lambda: shop.services.ledger.expire().leases, "the lease ran out")
    with reader(ODD, extract_plain):
        shop.drain()
    assert shop.record("a").state is DocumentState.READY


def test_a_damaged_envelope_fails_its_document(shop: Workshop, tmp_path: Path) -> None:
    add(shop, "a")
    (envelope,) = (tmp_path / "accepted").rglob("*.nfe")
    body = bytearray(envelope.read_bytes())
    body[body.index(b"words of a")] ^= 1
    envelope.write_bytes(bytes(body))
    shop.drain()
    assert shop.record("a").error_code == "envelope-damaged"


def test_a_deleted_collection_is_cleared_and_a_living_one_never(shop: Workshop, tmp_path: Path) -> None:
    services = shop.services
    services.acceptor.add_files(shop.collection, [FileInput(f"{n}.md", b"words") for n in range(30)])
    shop.drain()
    assert not purge_collection(services, shop.collection.id)
    assert len(shop.states()) == 30
    services.collections.delete("docs")
    while purge_collection(services, shop.collection.id, clock=Jumps(2.0)):
        pass
    assert not list((tmp_path / "extracted").rglob("*.z"))
    assert services.collections.by_id(shop.collection.id) is None
    assert services.collections.deleted_ids() == set()
    left = [key for key in services.index_client.scan_iter("*") if shop.collection.id.encode() in key]
    assert left == []
    assert services.ledger_client.exists(f"nf:l:d:{shop.collection.id}") == 0
    assert shop.pipeline().drain(shop.collection.id).done == 0
