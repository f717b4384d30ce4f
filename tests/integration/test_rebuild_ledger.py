"""A ledger that is lost is made again from the envelopes, with and without the index beside it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from services.collections.store import NewCollection
from services.collections.values import Collection
from services.errors import Conflict, Unavailable
from services.ingest.values import TextInput
from services.ledger import keys
from services.ledger.redis_link import RedisLink
from services.ledger.values import AcceptRequest
from services.recovery.marks import decode_marks, encode_marks, marks_of
from tests.conftest import RedisPair
from tests.integration.ledger_tools import text
from tests.integration.pipeline_tools import Workshop
from tests.integration.recovery_tools import add, books, delete, envelope_of, full_shop, look, rebuild, rows, standing


@pytest.fixture
def shop(redis_pair: RedisPair, tmp_path: Path) -> Workshop:
    return full_shop(redis_pair, tmp_path)


def lose_ledger(shop: Workshop) -> None:
    shop.services.ledger_client.flushall()


def marks(shop: Workshop) -> dict[tuple[str, str], object]:
    return dict(decode_marks(encode_marks(marks_of(shop.services.ledger, shop.collection.id))))


def test_with_the_index_there_nothing_is_embedded_again(shop: Workshop) -> None:
    before, noted, embedded = standing(shop), marks(shop), shop.texts_embedded()
    attempts = [shop.services.index.head(shop.collection, shop.record(id).doc_hash) for id in ("a", "updated")]
    lose_ledger(shop)
    report = rebuild(shop, noted)
    assert report.complete
    for id, head in zip(("a", "updated"), attempts, strict=True):  # a later attempt must be newer than what is there
        fence = shop.services.ledger_client.hget(keys.document(shop.collection.id, shop.record(id).doc_hash), "fence")
        assert head is not None
        assert int(fence or 0) == head.attempt
    assert (report.ready, report.ended, report.ahead) == (8, 2, 0)
    assert shop.services.collections.get("docs") == shop.collection
    books(shop)
    shop.drain()  # sources are read again, and find their rows
    assert standing(shop) == before
    assert shop.texts_embedded() == embedded
    assert look(shop) == ""
    books(shop)
    (source,) = [record for record in shop.services.ledger.documents(shop.collection.id).items if record.children]
    assert source.children == 4
    assert {hit.id for hit in shop.search("row number", limit=50)} >= {"row1", "row2", "row3", "row5"}


def test_what_arrives_afterwards_is_newer_and_deletes_stay_deletes(shop: Workshop) -> None:
    lose_ledger(shop)
    rebuild(shop, marks(shop))
    shop.drain()
    add(shop, "a", text="newest words")
    delete(shop, "b")
    shop.services.acceptor.add_files(shop.collection, [rows(1)])
    shop.drain()
    states = {id: state for id, (state, *_) in standing(shop).items()}
    assert (states["a"], states["b"], states["gone"]) == ("ready", "deleted", "deleted")
    assert [states[f"row{number}"] for number in range(1, 6)] == ["ready", *["deleted"] * 4]
    assert shop.search("newest words")[0].id == "a"
    books(shop)


def test_an_older_version_in_a_younger_envelope_stays_old(shop: Workshop) -> None:
    """A slice of rows that was just being taken in while one of them was sent anew."""
    add(shop, "row9", text="the newer words")
    (source,) = [record for record in shop.services.ledger.documents(shop.collection.id).items if record.children]
    slice_of_rows = AcceptRequest(
        shop.collection.id,
        tuple(replace(text(id, "older words"), parent=source.doc_hash) for id in ("row9", "row10")),
        job_id=source.job_id,
        generation=source.wanted_generation,
    )
    outcomes = [taken.outcome for taken in shop.services.ledger.accept(slice_of_rows).documents]
    assert outcomes == ["stale", "accepted"]
    shop.drain()
    before = standing(shop)
    lose_ledger(shop)
    shop.services.index_client.flushall()
    rebuild(shop, marks(shop))
    shop.services.index.create(shop.collection)
    shop.drain()
    assert standing(shop)["row9"] == before["row9"]
    assert shop.search("the newer words")[0].id == "row9"


def test_without_the_index_everything_is_indexed_again_and_searches_are_told(shop: Workshop) -> None:
    before, noted = standing(shop), marks(shop)
    lose_ledger(shop)
    shop.services.index_client.flushall()
    report = rebuild(shop, noted)
    assert report.ready == 0
    assert shop.services.ledger.rebuilding(shop.collection.id) is not None
    books(shop)
    shop.services.index.create(shop.collection)
    shop.drain()
    after = standing(shop)
    assert after == before  # the failed update's earlier version is visible again, the cancelled one is not indexed
    assert before["halfway"][0] == "failed"
    assert before["halfway"][2] > 0
    assert shop.services.ledger.rebuilding(shop.collection.id) is None
    books(shop)


def test_without_marks_what_failed_is_tried_again_and_a_failing_update_keeps_the_earlier_version(
    shop: Workshop,
) -> None:
    before = standing(shop)
    lose_ledger(shop)
    shop.services.index_client.flushall()
    rebuild(shop)
    shop.services.index.create(shop.collection)
    assert shop.record("stopped").state == "pending"
    shop.drain()
    shop.drain()  # what had failed is queued once more, in its earlier version
    after = standing(shop)
    assert after["halfway"] == before["halfway"]
    assert after["stopped"][0] == "ready"
    books(shop)


def test_a_damaged_and_a_missing_envelope_are_named_and_the_rest_comes_back(shop: Workshop) -> None:
    broken, missing = envelope_of(shop, "updated"), envelope_of(shop, "stopped")
    data = bytearray(broken.read_bytes())
    data[-100] ^= 1
    broken.write_bytes(data)
    missing.unlink()
    lose_ledger(shop)
    report = rebuild(shop)
    assert list(report.damaged) == [broken.stem]
    assert not report.complete
    assert report.ahead == 1  # the index still shows the version whose envelope is damaged
    record = shop.record("updated")
    assert (record.state, record.error_code) == ("failed", "envelope-missing")
    assert "stopped" not in standing(shop)
    books(shop)
    add(shop, "updated", text="sent again")
    shop.drain()
    assert shop.record("updated").state == "ready"
    assert shop.search("sent again")[0].id == "updated"


def test_a_ledger_that_holds_something_is_left_alone(shop: Workshop) -> None:
    before = standing(shop)
    with pytest.raises(Conflict) as refused:
        rebuild(shop)
    assert refused.value.code == "ledger-not-empty"
    assert "--data-dir" in refused.value.message
    assert standing(shop) == before


@pytest.mark.parametrize("calls", [1, 3, 5])
def test_broken_off_and_begun_again_it_ends_the_same(
    shop: Workshop, calls: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, noted = standing(shop), marks(shop)
    lose_ledger(shop)
    real, left = RedisLink.attempt, [calls]

    def failing(self: RedisLink, call: object) -> object:
        left[0] -= 1
        if left[0] < 0:
            raise Unavailable("away")
        return real(self, call)  # type: ignore[arg-type]

    monkeypatch.setattr(RedisLink, "attempt", failing)
    with pytest.raises(Unavailable):
        rebuild(shop, noted)
    monkeypatch.undo()
    assert look(shop) != ""  # half a ledger counts for nothing
    rebuild(shop, noted)
    books(shop)
    shop.drain()
    assert standing(shop) == before


def test_deleted_collections_stay_deleted_and_two_of_one_name_both_come_back(shop: Workshop) -> None:
    store = shop.services.collections
    other = make_second(shop)
    store.delete("second")
    again = make_second(shop)
    store.update("second", new_name="third")
    shop.services.descriptions.keep(replace(again, name="docs"))
    lose_ledger(shop)
    report = rebuild(shop)
    assert report.renamed == {again.id: f"docs-{again.id}"}
    assert {collection.id for collection in store.list()} == {shop.collection.id, again.id}
    assert other.id in store.deleted_ids()
    assert not report.nameless
    shop.services.descriptions.forget(shop.collection.id)
    lose_ledger(shop)
    report = rebuild(shop)
    assert list(report.nameless) == [shop.collection.id]
    assert not report.complete


def make_second(shop: Workshop) -> Collection:
    made = shop.services.collections.create(NewCollection("second", "hash", shop.collection.fingerprint, 64))
    shop.services.acceptor.add_texts(made, [TextInput("x", "something")])
    return made
