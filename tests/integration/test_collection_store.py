"""Collections: names are claimed once, ids are never reused, descriptions survive the round trip."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace

import pytest

from services.collections.store import CollectionStore, NewCollection
from services.collections.values import Algorithm, Chunking, FieldSpec, FieldType, NearDuplicatePolicy, VectorType
from services.errors import Conflict, InvalidInput, NotFound
from services.redis_clients import BULK, Client, connect_text
from tests.conftest import RedisPair

DOCS = NewCollection(name="docs", model="hash", fingerprint="f" * 32, dim=64)


@pytest.fixture
def store(redis_pair: RedisPair) -> Iterator[CollectionStore]:
    client = connect_text(redis_pair.ledger.url, BULK)
    yield CollectionStore(client)
    client.close()


def test_everything_said_at_creation_is_read_back(store: CollectionStore) -> None:
    made = store.create(
        replace(
            DOCS,
            description="Notes & more",
            algorithm=Algorithm.FLAT,
            vector_type=VectorType.FLOAT32,
            chunking=Chunking("none", 128, 16),
            fields=(FieldSpec("year", FieldType.NUMBER), FieldSpec("tags", FieldType.TAG)),
            language="de",
            near_duplicates=NearDuplicatePolicy.REPLACE,
        )
    )
    assert store.get("docs") == made
    assert store.by_id(made.id) == made
    assert store.list() == [made]


def test_a_record_from_before_near_duplicates_keeps_them(store: CollectionStore, ledger_client: Client) -> None:
    made = store.create(replace(DOCS, near_duplicates=NearDuplicatePolicy.SKIP))
    key = next(ledger_client.scan_iter(f"*{made.id}", _type="hash"))
    assert ledger_client.hdel(key, "near_duplicates") == 1
    assert store.get("docs") == replace(made, near_duplicates=NearDuplicatePolicy.KEEP)


def test_overlap_may_be_half_of_a_chunk(store: CollectionStore) -> None:
    assert store.create(replace(DOCS, chunking=Chunking(overlap_tokens=96))).chunking.overlap_tokens == 96
    with pytest.raises(InvalidInput, match="allowed are 0 to 96"):
        store.create(replace(DOCS, name="other", chunking=Chunking(overlap_tokens=97)))


def test_a_name_is_claimed_by_one_of_many_at_once(store: CollectionStore) -> None:
    made, refused = [], []

    def create() -> None:
        try:
            made.append(store.create(DOCS))
        except Conflict as error:
            refused.append(error.code)

    threads = [threading.Thread(target=create) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 1
    assert refused == ["name-taken"] * 7
    assert store.list() == made


def test_rename_keeps_the_id_and_refuses_a_taken_name(store: CollectionStore) -> None:
    docs = store.create(DOCS)
    store.create(replace(DOCS, name="other"))
    with pytest.raises(Conflict):
        store.update("docs", new_name="other")
    renamed = store.update("docs", new_name="papers", description="x")
    assert renamed == replace(docs, name="papers", description="x")
    with pytest.raises(NotFound, match="papers"):
        store.get("docs")


def test_a_deleted_name_is_free_for_a_collection_with_another_id(store: CollectionStore) -> None:
    first = store.create(DOCS)
    store.delete("docs")
    second = store.create(DOCS)
    assert second.id != first.id
    assert store.deleted_ids() == {first.id}
    assert store.by_id(first.id) == first
    store.forget(first.id)
    assert store.by_id(first.id) is None
    assert store.deleted_ids() == set()


@pytest.mark.parametrize("name", ["", "Docs", "a" * 64, "../x", "a b", "-a", "docs\n", "ü", "a:b", "{a}"])
def test_hostile_names_are_refused(store: CollectionStore, name: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        store.create(replace(DOCS, name=name))
    assert caught.value.pointer == "/name"
    assert store.list() == []


@pytest.mark.parametrize("field", ["", "Year", "title", "1a", "a-b", "a" * 41, "a\n", "@x", "f}"])
def test_hostile_field_names_are_refused(store: CollectionStore, field: str) -> None:
    with pytest.raises(InvalidInput):
        store.create(replace(DOCS, fields=(FieldSpec(field, FieldType.TAG),)))


def test_unknown_names_suggest_near_ones(store: CollectionStore) -> None:
    store.create(replace(DOCS, name="articles"))
    with pytest.raises(NotFound, match="articles"):
        store.get("article")
