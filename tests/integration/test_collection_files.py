"""Collections as files: written with every change, and made to follow the ledger."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from services.collections import durable
from services.collections.durable import CollectionFolder
from services.collections.store import CollectionStore, NewCollection
from services.collections.values import Chunking, FieldSpec, FieldType
from services.errors import Conflict, StorageFull, Unavailable
from services.redis_clients import BULK, connect_text
from tests.conftest import RedisPair

DOCS = NewCollection(
    name="docs",
    model="hash",
    fingerprint="f" * 32,
    dim=64,
    description="Notes \N{SNOWMAN}",
    chunking=Chunking("structure", 64, 8),
    fields=(FieldSpec("year", FieldType.NUMBER),),
)


@pytest.fixture
def folder(tmp_path: Path) -> CollectionFolder:
    return CollectionFolder(tmp_path / "collections")


@pytest.fixture
def store(redis_pair: RedisPair, folder: CollectionFolder) -> Iterator[CollectionStore]:
    client = connect_text(redis_pair.ledger.url, BULK)
    yield CollectionStore(client, folder)
    client.close()


def test_every_change_is_in_the_file_when_it_is_answered(store: CollectionStore, folder: CollectionFolder) -> None:
    made = store.create(DOCS)
    assert folder.read().collections == (made,)
    with pytest.raises(Conflict):
        store.create(DOCS)
    assert folder.read().collections == (made,)
    renamed = store.update("docs", new_name="papers", description="other")
    assert folder.read().collections == (renamed,)
    store.delete("papers")
    assert folder.read() == durable.Descriptions((), frozenset({made.id}), ())


def test_what_cannot_be_described_does_not_come_to_be(
    store: CollectionStore, folder: CollectionFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StorageFull):
        store.create(DOCS)
    monkeypatch.undo()
    assert store.list() == []
    assert list(folder.folder.iterdir()) == []
    folder.folder.rmdir()
    folder.folder.write_text("in the way")
    with pytest.raises(Unavailable):
        store.create(DOCS)
    assert store.list() == []


def test_the_files_follow_the_ledger(store: CollectionStore, folder: CollectionFolder) -> None:
    made = store.create(DOCS)
    folder.forget(made.id)
    other = replace(made, id="zzzzzzzzzzzz", name="strange")
    folder.keep(other)
    assert folder.reconcile([made], set()) == 1
    assert folder.read().collections == tuple(sorted((made, other), key=lambda one: one.id))  # it may just be made
    old = time.time() - durable.GRACE_S - 5
    os.utime(folder.folder / "zzzzzzzzzzzz.json", (old, old))
    assert folder.reconcile([made], set()) == 1
    assert folder.read().deleted == {"zzzzzzzzzzzz"}
    assert folder.reconcile([made], set()) == 0
    old = time.time() - durable.BURIED_S - 5
    os.utime(folder.folder / "zzzzzzzzzzzz.json", (old, old))
    assert folder.reconcile([made], {"zzzzzzzzzzzz"}) == 0  # not cleared yet
    assert folder.reconcile([made], set()) == 1
    assert folder.read() == durable.Descriptions((made,), frozenset(), ())


def test_a_file_that_was_meddled_with_is_named(store: CollectionStore, folder: CollectionFolder) -> None:
    made = store.create(DOCS)
    path = folder.folder / f"{made.id}.json"
    path.write_text(path.read_text().replace('"docs"', '"dogs"'))
    assert folder.read().damaged == (path.name,)
    path.write_text("{")
    assert folder.read().damaged == (path.name,)
    assert folder.reconcile([made], set()) == 1
    assert folder.read().collections == (made,)
