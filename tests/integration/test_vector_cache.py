"""Documents that were embedded once, in another collection, by another process, on a broken file."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from services.collections.store import NewCollection
from services.collections.values import Chunking, Collection
from services.ingest.purge import purge_collection
from services.ingest.values import TextInput
from tests.conftest import RedisPair
from tests.integration.pipeline_tools import Workshop, make_workshop

DOCUMENTS = [
    TextInput(f"d{number}", " ".join(f"Words {number} of sentence {part}." for part in range(100)))
    for number in range(50)
]


def cached_shop(pair: RedisPair, folder: Path) -> Workshop:
    return make_workshop(pair, folder, chunking=Chunking(size_tokens=64), vector_cache_mb=16)


def fresh_collection(shop: Workshop, name: str, chunking: Chunking | None = None) -> Workshop:
    """The same shop on a collection that has nothing in it."""
    spec = shop.services.models.spec("hash")
    new = NewCollection(name, "hash", spec.fingerprint, spec.dim, chunking=chunking or shop.collection.chunking)
    collection = shop.services.collections.create(new)
    shop.services.index.create(collection)
    return replace(shop, collection=collection)


def ingest(shop: Workshop) -> int:
    """How many texts went through the model."""
    before = shop.texts_embedded()
    shop.services.acceptor.add_texts(shop.collection, DOCUMENTS)
    assert shop.drain().done == len(DOCUMENTS)
    return shop.texts_embedded() - before


def vectors(shop: Workshop, collection: Collection) -> list[np.ndarray]:
    hashes = [shop.record(document.id).doc_hash for document in DOCUMENTS]
    return [chunk.vector for each in hashes for chunk in shop.services.index.chunks(collection, each)]


@pytest.fixture
def shop(redis_pair: RedisPair, tmp_path: Path) -> Workshop:
    return cached_shop(redis_pair, tmp_path)


def test_documents_of_a_deleted_collection_come_back_without_the_model(shop: Workshop) -> None:
    assert ingest(shop) > 200
    first = vectors(shop, shop.collection)
    shop.services.collections.delete("docs")
    while purge_collection(shop.services, shop.collection.id):
        pass
    again = fresh_collection(shop, "again")
    assert ingest(again) == 0
    assert all(np.array_equal(*pair) for pair in zip(first, vectors(again, again.collection), strict=True))
    assert again.search("words of a sentence")


def test_another_process_and_a_finer_cut_embed_what_is_new(redis_pair: RedisPair, shop: Workshop) -> None:
    all_texts = ingest(shop)
    redis_pair.flush()
    other = cached_shop(redis_pair, shop.services.settings.data_dir)
    assert ingest(other) == 0
    finer = fresh_collection(other, "finer", Chunking(size_tokens=32))
    assert ingest(finer) > 0
    assert ingest(fresh_collection(other, "as-before")) == 0
    assert all_texts > 200


def test_a_cache_that_is_broken_in_the_middle_costs_time_alone(shop: Workshop, tmp_path: Path) -> None:
    ingest(shop)
    first = vectors(shop, shop.collection)
    shop.services.document_vectors.close()
    (database,) = (tmp_path / "model-cache" / "vectors").rglob("vectors.sqlite")
    database.write_bytes(b"\0" * 8192 + database.read_bytes()[8192:])
    again = fresh_collection(shop, "again")
    assert ingest(again) > 0
    assert all(np.array_equal(*pair) for pair in zip(first, vectors(again, again.collection), strict=True))
    assert ingest(fresh_collection(shop, "third")) == 0
