"""The audit finds what was broken on purpose, says so in words, and its repair heals it; a healthy shop is clean."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from services.audit.audit import Audit, Instance
from services.audit.repair import Repair
from services.audit.running import RunningAudit, last_round
from services.audit.values import AuditReport, Kind
from services.audit.words import remedy, what
from services.ids import chunk_key, counters_key, hash_document_id, head_key
from services.index.clearing import IndexClearing
from services.ledger import keys
from services.ledger.values import DocumentState
from tests.conftest import RedisPair
from tests.integration.pipeline_tools import Workshop
from tests.integration.recovery_tools import add, books, envelope_of, full_shop, standing


@pytest.fixture
def shop(redis_pair: RedisPair, tmp_path: Path) -> Workshop:
    return full_shop(redis_pair, tmp_path)


def instance(shop: Workshop) -> Instance:
    services = shop.services
    return Instance(
        ledger=services.ledger,
        index=services.index,
        clearing=IndexClearing(services.index_client),
        envelopes=services.envelopes,
        descriptions=services.descriptions,
        extracted=services.settings.data_dir / "extracted",
    )


def audit(shop: Workshop, between: Callable[[float], None] = lambda _seconds: None) -> AuditReport:
    return Audit(instance(shop), pause=between).run([shop.collection])


def kinds(report: AuditReport) -> dict[Kind, int]:
    return {finding.kind: finding.count for finding in report.findings}


def place(shop: Workshop, document_id: str) -> tuple[str, int, str]:
    return shop.collection.id, shop.collection.version, hash_document_id(document_id)


def chunk(shop: Workshop, document_id: str, ordinal: int = 0, generation: int = 0) -> str:
    return chunk_key(*place(shop, document_id), generation or shop.record(document_id).visible_generation, ordinal)


def test_a_healthy_instance_is_clean_and_its_figures_add_up(shop: Workshop) -> None:
    report = audit(shop)
    assert [what(finding) for finding in report.findings] == []
    (figures,) = report.collections
    assert figures.searchable == figures.embedded == 9
    assert figures.chunks_ledger == figures.chunks_heads == figures.chunks_keys == figures.chunks_engine > 60
    assert (figures.states["failed"], figures.states["cancelled"], figures.states["deleted"]) == (1, 1, 2)
    assert report.envelopes.missing == report.envelopes.damaged == 0
    assert report.envelopes.referenced > 3


def lose_head(shop: Workshop) -> None:
    shop.services.index.drop(shop.collection)
    for document_id in ("a", "big"):
        IndexClearing(shop.services.index_client).erase(shop.collection, hash_document_id(document_id))
    shop.services.index.create(shop.collection)


def lose_chunk(shop: Workshop) -> None:
    shop.services.index_client.delete(chunk(shop, "big", 40), chunk(shop, "b"))


def spoil_vector(shop: Workshop) -> None:
    shop.services.index_client.hset(chunk(shop, "a"), "v", b"short")


def unknown_document(shop: Workshop) -> None:
    client = shop.services.index_client
    client.hset(head_key(*place(shop, "nobody's")), mapping={"gen": 7, "att": 1, "n": 1, "live": 1, "seq": 1})
    client.hset(chunk_key(*place(shop, "nobody's"), 7, 0), "t", "text of nobody")
    client.hincrby(counters_key(shop.collection.id, 1), "documents", 1)
    client.hincrby(counters_key(shop.collection.id, 1), "chunks", 1)


def stray_chunks(shop: Workshop) -> None:
    for key in (chunk(shop, "a", 7), chunk(shop, "b", 0, 12345), chunk_key(*place(shop, "x"), 5, 0)):
        shop.services.index_client.hset(key, "t", "a stray")


def half_staged(shop: Workshop) -> None:
    client = shop.services.index_client
    client.hset(head_key(*place(shop, "a")), mapping={"sgen": 99, "satt": 1, "sdone": 1, "shigh": 1})
    client.hset(chunk(shop, "a", 0, 99), "t", "staged and left")


def left_over(shop: Workshop) -> None:
    shop.services.index_client.hset(head_key(*place(shop, "b")), "trash", "55:0:2")
    shop.services.index_client.hset(chunk(shop, "b", 1, 55), "t", "left over")


def give_up(shop: Workshop) -> None:
    record = shop.record("a")
    client, cid = shop.services.ledger_client, shop.collection.id
    client.hset(keys.document(cid, record.doc_hash), mapping={"state": "failed", "code": "worker-died"})
    client.zrem(keys.in_state(cid, "ready"), record.doc_hash)
    client.zadd(keys.in_state(cid, "failed"), {record.doc_hash: 1})


def wrong_lists(shop: Workshop) -> None:
    client, cid = shop.services.ledger_client, shop.collection.id
    client.zrem(keys.in_state(cid, "ready"), shop.record("a").doc_hash)
    client.zadd(keys.in_state(cid, "failed"), {shop.record("b").doc_hash: 5})


def stuck(shop: Workshop) -> None:
    add(shop, "waiting")
    for lane in keys.LANES:
        shop.services.ledger_client.delete(keys.due(shop.collection.id, lane))


def drifted_total(shop: Workshop) -> None:
    shop.services.ledger_client.hincrby(keys.collection(shop.collection.id), "chunks", 5)


def drifted_counters(shop: Workshop) -> None:
    shop.services.index_client.hincrby(counters_key(shop.collection.id, 1), "documents", -3)


def no_index(shop: Workshop) -> None:
    shop.services.index.drop(shop.collection)


def wrong_references(shop: Workshop) -> None:
    name = shop.record("a").envelope.partition(":")[0]
    shop.services.ledger_client.hdel(keys.ENVELOPES, name)


def no_description(shop: Workshop) -> None:
    shop.services.descriptions.forget(shop.collection.id)


def nobodys_texts(shop: Workshop) -> None:
    (shop.services.settings.data_dir / "extracted" / "zzzzzzzzzzzz" / "aa").mkdir(parents=True)


BROKEN: dict[Callable[[Workshop], None], tuple[Kind, int]] = {
    lose_head: (Kind.NOT_INDEXED, 2),
    lose_chunk: (Kind.CHUNKS_MISSING, 2),
    spoil_vector: (Kind.CHUNKS_UNSOUND, 1),
    unknown_document: (Kind.UNKNOWN, 1),
    stray_chunks: (Kind.STRAYS, 3),
    half_staged: (Kind.HALF_STAGED, 1),
    left_over: (Kind.LEFT_OVER, 1),
    give_up: (Kind.GIVEN_UP, 1),
    wrong_lists: (Kind.LISTS, 2),
    stuck: (Kind.STUCK, 1),
    drifted_total: (Kind.LEDGER_CHUNKS, 1),
    drifted_counters: (Kind.INDEX_COUNTERS, 1),
    no_index: (Kind.INDEX_ABSENT, 1),
    wrong_references: (Kind.REFERENCES, 1),
    no_description: (Kind.NOT_DESCRIBED, 1),
    nobodys_texts: (Kind.NOBODYS_TEXTS, 1),
}


@pytest.mark.parametrize("harm", BROKEN, ids=lambda harm: harm.__name__)
def test_what_is_broken_is_found_and_healed(shop: Workshop, harm: Callable[[Workshop], None]) -> None:
    before = standing(shop)
    harm(shop)
    report = audit(shop)
    kind, count = BROKEN[harm]
    assert kinds(report).get(kind) == count, [what(finding) for finding in report.findings]
    for finding in report.findings:
        assert what(finding)
        assert remedy(finding)
        assert "{" not in what(finding)
    mender = Repair(instance(shop), [shop.collection])
    assert all(mender.heal(finding) for finding in report.findings)
    shop.drain()
    left = audit(shop)
    for finding in left.findings:  # what the engine and the counters make of it shows only after the first repair
        mender.heal(finding)
    assert [what(finding) for finding in audit(shop).findings] == []
    now = standing(shop)
    now.pop("waiting", None)
    assert now == before
    if harm is not give_up:  # whose job was meddled with
        books(shop)


def test_originals_that_are_gone_or_damaged_fail_their_documents_which_stay_found(shop: Workshop) -> None:
    envelope_of(shop, "updated").unlink()
    broken = envelope_of(shop, "big")
    data = bytearray(broken.read_bytes())
    data[-60] ^= 1
    broken.write_bytes(data)
    report = audit(shop)
    assert kinds(report)[Kind.ENVELOPE_MISSING] == 1
    assert kinds(report)[Kind.ENVELOPE_DAMAGED] >= 1
    mender = Repair(instance(shop), [shop.collection])
    for finding in report.findings:
        assert mender.heal(finding) == finding.count
    record = shop.record("updated")
    assert (record.state, record.error_code) == (DocumentState.FAILED, "envelope-missing")
    assert "Add it again" in record.error
    assert shop.search("other words")[0].id == "updated"
    assert audit(shop).clean
    books_without_files(shop)
    add(shop, "updated", text="other words")  # the very same: it must not count as unchanged
    shop.drain()
    assert shop.record("updated").state is DocumentState.READY
    assert envelope_of(shop, "updated").exists()


def books_without_files(shop: Workshop) -> None:
    with pytest.raises(AssertionError, match="points into an envelope that is not there"):
        books(shop)


def test_what_is_just_being_done_is_no_finding(shop: Workshop) -> None:
    """Between the two looks the worker comes to an end with it."""
    add(shop, "new", "newer")
    claim = shop.services.ledger.claim(
        shop.collection.id, "t" * 32, max_documents=5, max_bytes=1 << 20, lease_ms=15_000
    )
    half_staged(shop)
    assert len(claim.documents) == 2

    def finish(_seconds: float) -> None:
        IndexClearing(shop.services.index_client).drop_staged(shop.collection, hash_document_id("a"), (99, 1))

    assert [what(finding) for finding in audit(shop, finish).findings] == []


def test_the_keepers_round_tells_what_it_found_and_keeps_descriptions(shop: Workshop) -> None:
    now = [0.0]
    no_description(shop)
    lose_chunk(shop)
    running = RunningAudit(
        instance(shop), gone=shop.services.collections.deleted_ids, patience_s=60, clock=lambda: now[0]
    )
    told: list[str] = []
    for _ in range(12):
        told += running.step([shop.collection])
        now[0] += 61
    assert shop.services.descriptions.read().collections == (shop.collection,)
    assert any("lack chunks" in words for words in told), told
    found = last_round(shop.services.ledger)
    assert found is not None
    assert any("lack chunks" in words for words in found[1])
    mender = Repair(instance(shop), [shop.collection])
    for finding in audit(shop).findings:
        mender.heal(finding)
    shop.drain()
    for _ in range(12):
        running.step([shop.collection])
        now[0] += 61
    found = last_round(shop.services.ledger)
    assert found is not None
    assert found[1] == ()
