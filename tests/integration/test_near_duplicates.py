"""Documents with a text that is there already: every policy, on real servers and through the whole pipeline."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from services.collections.store import NewCollection
from services.collections.values import NearDuplicatePolicy
from services.ids import PREFIX, hash_document_id
from services.ingest.purge import purge_collection
from services.ingest.values import TextInput
from services.ledger.values import DocumentState
from services.neardup.near_duplicates import NearDuplicates, Written
from services.neardup.signature import Signature, sign
from services.neardup.store import SignatureStore
from tests.conftest import RedisPair
from tests.integration.pipeline_tools import Workshop, make_workshop
from tests.unit.ingest.plain_texts import abstract

KEEP, SKIP, REPLACE = NearDuplicatePolicy
TEXT = abstract(1).text
NEARLY = TEXT.replace("mice", "rats", 1) + " More."
OTHER = abstract(2).text
SHORT = "In stock."


@pytest.fixture
def shops(redis_pair: RedisPair, tmp_path: Path) -> Any:
    base = make_workshop(redis_pair, tmp_path)

    def make(policy: NearDuplicatePolicy) -> Workshop:
        spec = base.services.models.spec("hash")
        new = NewCollection(policy.value, "hash", spec.fingerprint, spec.dim, near_duplicates=policy)
        collection = base.services.collections.create(new)
        base.services.index.create(collection)
        return replace(base, collection=collection)

    return make


def put(shop: Workshop, document_id: str, text: str, **more: Any) -> None:
    shop.services.acceptor.add_texts(shop.collection, [TextInput(document_id, text, **more)])
    shop.drain()


def entries(shop: Workshop) -> set[str]:
    """Ids of the documents that are remembered."""
    known = shop.services.index_client.hkeys(f"{PREFIX}:n:{shop.collection.id}:1:signatures")
    ids = {hash_document_id(name): name for name in "abcdefgh"}
    return {ids[key.hex()] for key in known}


def marks(shop: Workshop) -> int:
    client = shop.services.index_client
    keys = list(client.scan_iter(f"{PREFIX}:n:{shop.collection.id}:*"))
    return sum(client.zcard(key) for key in keys if not key.endswith(b":signatures"))


def signed(text: str) -> Signature:
    signature = sign(text)
    assert signature is not None
    return signature


def found(hits: Iterable[Any]) -> set[str]:
    return {hit.id for hit in hits}


def test_keep_indexes_both_and_says_so(shops: Any) -> None:
    shop = shops(KEEP)
    put(shop, "a", TEXT)
    put(shop, "b", f"  {TEXT}\n")
    put(shop, "c", NEARLY)
    put(shop, "d", OTHER)
    assert shop.states() == {"a": "ready", "b": "ready", "c": "ready", "d": "ready"}
    assert shop.record("a").warnings == shop.record("d").warnings == ()
    assert shop.record("b").warnings == ("it has the same text as document 'a'",)
    first, second = shop.record("c").warnings
    assert first.startswith("it has nearly the same text (likeness 0.9")
    assert {first[-3:], second[-3:]} == {"'a'", "'b'"}
    assert found(shop.search(TEXT)) >= {"a", "b", "c"}


def test_skip_refuses_the_newcomer_before_it_is_embedded(shops: Any) -> None:
    shop = shops(SKIP)
    put(shop, "a", TEXT)
    embedded = shop.texts_embedded()
    put(shop, "b", NEARLY)
    record = shop.record("b")
    assert (record.state, record.error_code) == (DocumentState.FAILED, "near-duplicate")
    assert "nearly the same text (likeness 0.9" in record.error
    assert "document 'a'" in record.error
    assert record.attempts == 1
    assert shop.texts_embedded() == embedded
    assert entries(shop) == {"a"}


def test_skip_after_the_other_was_deleted_takes_it(shops: Any) -> None:
    shop = shops(SKIP)
    put(shop, "a", TEXT)
    put(shop, "b", TEXT)
    shop.services.acceptor.delete(shop.collection, ["a"])
    shop.drain()
    assert entries(shop) == set()
    assert marks(shop) == 0
    put(shop, "c", TEXT)
    assert shop.states() == {"b": "failed", "c": "ready"}


def test_an_update_that_becomes_a_twin_fails_and_the_old_version_stays(shops: Any) -> None:
    shop = shops(SKIP)
    put(shop, "a", TEXT)
    put(shop, "b", OTHER)
    put(shop, "b", TEXT)
    assert shop.record("b").state is DocumentState.FAILED
    assert found(shop.search(OTHER)) >= {"b"}


@pytest.mark.parametrize("policy", list(NearDuplicatePolicy))
def test_a_document_is_no_twin_of_itself(shops: Any, policy: NearDuplicatePolicy) -> None:
    shop = shops(policy)
    for text in (TEXT, NEARLY, TEXT):
        put(shop, "a", text)
        put(shop, "a", text, url="https://example.org/1")  # new metadata alone
    assert shop.record("a").state is DocumentState.READY
    assert shop.record("a").warnings == ()
    assert entries(shop) == {"a"}
    assert marks(shop) == 7


def test_replace_deletes_the_older_one_after_the_newer_one_is_there(shops: Any) -> None:
    shop = shops(REPLACE)
    put(shop, "a", TEXT)
    put(shop, "b", NEARLY)
    assert shop.record("a").state is DocumentState.DELETED
    assert shop.record("b").state is DocumentState.READY
    assert "it replaced document 'a'" in shop.record("b").warnings[0]
    job = shop.services.jobs.get(shop.record("a").job_id)
    assert job.label.startswith("replaced by 'b', a near-duplicate (likeness 0.9")
    assert found(shop.search(TEXT)) == {"b"}
    assert entries(shop) == {"b"}


def test_replace_leaves_a_twin_alone_that_is_being_changed(shops: Any) -> None:
    shop = shops(REPLACE)
    put(shop, "a", TEXT)
    twins = NearDuplicates(shop.services.index_client, shop.services.ledger, shop.services.acceptor)
    put(shop, "b", OTHER)
    shop.services.acceptor.add_texts(shop.collection, [TextInput("a", OTHER[:300])])
    ledger, token = shop.services.ledger, "7" * 32
    claim = ledger.claim(shop.collection.id, token, max_documents=1, max_bytes=1 << 20, lease_ms=60_000)
    head = shop.services.index.head(shop.collection, hash_document_id("b"))
    assert head is not None
    shop.services.index_client.hset(f"{PREFIX}:h:{shop.collection.id}:1:{{{hash_document_id('b')}}}", "hash", "x" * 32)
    written = Written("b", hash_document_id("b"), head.generation, "x" * 32, head.sequence)
    assert twins.settle(shop.collection, written, signed(TEXT)) == ()
    ledger.release(token, claim.documents, pause_ms=0)
    shop.drain()
    assert shop.record("a").state is DocumentState.READY


def test_of_two_that_are_written_at_once_one_stays(shops: Any) -> None:
    """Both are written before either is remembered; whatever the order then, the one written last stays."""
    for names in (("a", "b"), ("b", "a")):
        shop = shops(REPLACE)
        shop.services.acceptor.add_texts(shop.collection, [TextInput("a", TEXT), TextInput("b", OTHER)])
        shop.drain()
        heads = {name: shop.services.index.head(shop.collection, hash_document_id(name)) for name in names}
        for name in names:
            head = heads[name]
            assert head is not None
            written = Written(name, hash_document_id(name), head.generation, head.text_hash, head.sequence)
            shop.services.near_duplicates.settle(shop.collection, written, signed(TEXT))
        shop.drain()
        assert shop.states() == {"b": "ready"}, names
        shop.services.collections.delete("replace")


def test_many_workers_at_once_keep_the_entries_whole(shops: Any) -> None:
    shop = shops(KEEP)
    names = "abcdefgh"
    shop.services.acceptor.add_texts(shop.collection, [TextInput(name, OTHER) for name in names])
    shop.drain()
    heads = {name: shop.services.index.head(shop.collection, hash_document_id(name)) for name in names}
    store = SignatureStore(shop.services.index_client, threshold=0.9)
    seen: list[int] = []

    def work(name: str) -> None:
        head = heads[name]
        assert head is not None
        for text in (TEXT, OTHER, NEARLY):
            twins = store.remember(shop.collection, hash_document_id(name), head.text_hash, signed(text))
            assert twins is not None
            seen.append(len(twins))

    threads = [threading.Thread(target=work, args=(name,)) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(seen) == 24
    assert len(store.twins(shop.collection, "f" * 32, "", signed(NEARLY))) == 8
    assert store.twins(shop.collection, "f" * 32, "", signed(OTHER)) == []
    assert (entries(shop), marks(shop)) == (set(names), 8 * 7)


def test_entries_that_no_longer_hold_do_not_count_and_are_taken_out(shops: Any) -> None:
    """Five hundred copies were deleted by a worker that died before it could take their entries out."""
    shop = shops(SKIP)
    put(shop, "a", TEXT)
    store, client = SignatureStore(shop.services.index_client, threshold=0.9), shop.services.index_client
    key = f"{PREFIX}:n:{shop.collection.id}:1"
    own = bytes.fromhex(hash_document_id("a"))
    entry = client.hget(f"{key}:signatures", own)
    assert entry is not None
    members = {part: client.zrange(f"{key}:{part}", 0, -1)[0] for part in ("exact", *map(str, range(6)))}
    for number in range(500):
        doc = number.to_bytes(2, "big") * 8
        client.hset(f"{key}:signatures", doc, entry)
        for part, member in members.items():
            client.zadd(f"{key}:{part}", {member[:-16] + doc: 0})
    assert marks(shop) == 501 * 7
    assert [twin.id for twin in store.twins(shop.collection, "f" * 32, "", signed(TEXT))] == ["a"]
    assert (entries(shop), marks(shop)) == ({"a"}, 7)
    client.zadd(f"{key}:exact", {signed(OTHER).exact + b"?" * 16: 0})  # and one without an entry at all
    assert store.twins(shop.collection, "f" * 32, "", signed(OTHER)) == []
    assert marks(shop) == 7


class Died(BaseException):
    """What a killed worker looks like from within."""


@pytest.mark.parametrize("policy", [KEEP, REPLACE])
def test_a_worker_that_died_after_the_write_has_forgotten_nothing(
    shops: Any, policy: NearDuplicatePolicy, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = shops(policy)
    put(shop, "a", TEXT)

    def die(*_: object) -> None:
        raise Died

    with monkeypatch.context() as broken:
        broken.setattr(NearDuplicates, "settle", die)
        shop.services.acceptor.add_texts(shop.collection, [TextInput("b", TEXT)])
        with pytest.raises(Died):
            shop.pipeline().drain(shop.collection.id)
    head = shop.services.index.head(shop.collection, hash_document_id("b"))
    assert head is not None
    assert head.live
    assert entries(shop) == {"a"}
    shop.services.ledger_client.zadd(
        "nf:l:leases", dict.fromkeys(shop.services.ledger_client.zrange("nf:l:leases", 0, -1), 0)
    )
    assert shop.services.ledger.expire().leases == 1
    shop.drain()
    assert shop.states() == ({"a": "ready", "b": "ready"} if policy is KEEP else {"b": "ready"})
    said = "it has the same text as" if policy is KEEP else "it replaced"
    assert shop.record("b").warnings[0].startswith(f"{said} document 'a'")


def test_new_metadata_leaves_the_warning(shops: Any) -> None:
    shop = shops(KEEP)
    put(shop, "a", TEXT)
    for url in ("", "https://example.org/1"):
        put(shop, "b", TEXT, url=url)
        assert shop.record("b").warnings == ("it has the same text as document 'a'",)


def test_only_the_text_that_the_index_shows_counts(shops: Any) -> None:
    shop = shops(KEEP)
    put(shop, "a", TEXT)
    store = SignatureStore(shop.services.index_client, threshold=0.9)
    text_hash, doc_hash = "x" * 32, hash_document_id("a")
    assert store.remember(shop.collection, doc_hash, text_hash, signed(OTHER)) is None
    assert store.remember(shop.collection, "f" * 32, text_hash, signed(OTHER)) is None
    assert store.twins(shop.collection, "f" * 32, "", signed(OTHER)) == []
    assert [twin.id for twin in store.twins(shop.collection, "f" * 32, "", signed(TEXT))] == ["a"]
    # another version has been written, and its worker died before it could remember it
    shop.services.index_client.hset(f"{PREFIX}:h:{shop.collection.id}:1:{{{doc_hash}}}", "hash", text_hash)
    assert store.twins(shop.collection, "f" * 32, "", signed(TEXT)) == []
    assert store.remember(shop.collection, doc_hash, text_hash, signed(OTHER)) == []
    assert (entries(shop), marks(shop)) == ({"a"}, 7)


def test_short_texts_count_with_their_titles_and_only_when_equal(shops: Any) -> None:
    shop = shops(SKIP)
    put(shop, "a", SHORT, title="Chair")
    put(shop, "b", SHORT, title="Table")
    put(shop, "c", SHORT, title="Chair")
    put(shop, "d", "In stock!", title="Chair")
    put(shop, "e", "", title="A title alone")
    put(shop, "f", "", title="A title alone")
    assert shop.states() == {"a": "ready", "b": "ready", "c": "failed", "d": "ready", "e": "ready", "f": "ready"}


def test_collections_know_nothing_of_each_other(shops: Any) -> None:
    one, other = shops(SKIP), shops(KEEP)
    put(one, "a", TEXT)
    put(other, "b", TEXT)
    assert other.record("b").warnings == ()


def test_a_deleted_collection_takes_its_signatures_along(shops: Any) -> None:
    shop = shops(KEEP)
    put(shop, "a", TEXT)
    assert marks(shop) == 7
    shop.services.collections.delete("keep")
    while purge_collection(shop.services, shop.collection.id):
        pass
    assert list(shop.services.index_client.scan_iter(f"{PREFIX}:n:*")) == []


@pytest.mark.parametrize("policy", [SKIP, REPLACE])
def test_what_the_index_lost_comes_back_whatever_it_resembles(shops: Any, policy: NearDuplicatePolicy) -> None:
    """Twins that were taken at the same moment are both searchable; a loss of the index must not cost one."""
    shop = shops(policy)
    client = shop.services.index_client
    put(shop, "a", TEXT)
    client.rename(f"{PREFIX}:n:{shop.collection.id}:1:signatures", "aside")
    put(shop, "b", TEXT)
    assert shop.states() == {"a": "ready", "b": "ready"}
    records = {name: shop.record(name) for name in "ab"}
    client.flushall()
    shop.services.index.create(shop.collection)
    ledger = shop.services.ledger
    rows = [(r.doc_hash, r.wanted_generation, r.visible_generation) for r in records.values()]
    ledger.link.run("requeue", shop.collection.id, *(str(cell) for row in rows for cell in row))
    shop.drain()
    assert shop.states() == {"a": "ready", "b": "ready"}
    assert entries(shop) == {"a", "b"}
    assert found(shop.search(TEXT)) == {"a", "b"}
    put(shop, "c", TEXT)
    assert shop.states()["c"] == ("failed" if policy is SKIP else "ready")
