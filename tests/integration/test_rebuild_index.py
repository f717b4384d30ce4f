"""A collection's index made again by the keeper, step by step: searches are told and crashes do not matter."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from services.audit.audit import Audit, Instance
from services.collections.store import NewCollection
from services.errors import IndexRebuilding
from services.index.clearing import IndexClearing
from services.ingest.values import TextInput
from services.ledger import erasing, keys, repair
from services.ledger.erasing import Erasing, ask_to_rebuild, is_erasing
from services.ledger.keeper import Keeper, SweepReport
from tests.conftest import RedisPair
from tests.integration.pipeline_tools import Workshop
from tests.integration.recovery_tools import add, books, delete, full_shop, standing


@pytest.fixture
def shop(redis_pair: RedisPair, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workshop:
    monkeypatch.setattr(erasing, "STEPS_PER_SWEEP", 1)
    monkeypatch.setattr(erasing, "KEYS_PER_STEP", 10)
    return full_shop(redis_pair, tmp_path)


def sweep(shop: Workshop) -> SweepReport:
    """One sweep of a keeper that has just been started."""
    services = shop.services
    clearing = IndexClearing(services.index_client)
    keeper = Keeper(
        ledger=services.ledger,
        envelopes=services.envelopes,
        index=services.index,
        index_client=services.index_client,
        collections=services.collections,
        doorbell=shop.bells,
        erasing=Erasing(services.ledger, services.index, clearing),
    )
    return keeper.sweep()


def ended(shop: Workshop) -> None:
    for _ in range(200):
        sweep(shop)
        if not is_erasing(shop.services.ledger, shop.collection.id):
            return
    raise AssertionError("the erasing does not end")


def clean(shop: Workshop) -> bool:
    services = shop.services
    instance = Instance(
        services.ledger,
        services.index,
        IndexClearing(services.index_client),
        services.envelopes,
        services.descriptions,
        services.settings.data_dir / "extracted",
    )
    return Audit(instance, pause=lambda _seconds: None).run(services.collections.list()).clean


def test_everything_is_embedded_anew_and_stands_as_before(shop: Workshop) -> None:
    before, embedded = standing(shop), shop.texts_embedded()
    sweep(shop)
    ask_to_rebuild(shop.services.ledger, shop.collection.id)
    sweep(shop)
    with pytest.raises(IndexRebuilding):
        shop.search("words")
    ended(shop)
    assert shop.services.ledger.rebuilding(shop.collection.id) is not None
    with pytest.raises(IndexRebuilding):
        shop.search("words")
    shop.drain()
    shop.drain()  # what had failed comes back in its earlier version
    sweep(shop)
    assert standing(shop) == before
    assert shop.texts_embedded() - embedded > 60
    assert shop.services.ledger.rebuilding(shop.collection.id) is None
    assert {hit.id for hit in shop.search("words of a", limit=50)} >= {"a", "b", "big"}
    books(shop)
    assert clean(shop)


def test_documents_that_come_and_go_meanwhile_are_right_in_the_end(shop: Workshop) -> None:
    sweep(shop)
    ask_to_rebuild(shop.services.ledger, shop.collection.id)
    for number in range(6):
        sweep(shop)
        add(shop, f"new{number}", "a", text=f"version {number}")
        if number == 3:
            delete(shop, "b", "new1")
        shop.pipeline().drain(shop.collection.id)  # does nothing while the index is absent
    ended(shop)
    for _ in range(3):
        shop.drain(limit_s=20)
        sweep(shop)
    states = {id: state for id, (state, *_) in standing(shop).items()}
    assert [states[f"new{number}"] for number in range(6)] == ["ready", "deleted", *["ready"] * 4]
    assert (states["a"], states["b"]) == ("ready", "deleted")
    assert shop.search("version 5 of a")[0].id == "a"
    assert "b" not in {hit.id for hit in shop.search("words of b", limit=50)}
    books(shop)
    assert clean(shop)


def test_another_collection_is_searched_meanwhile(shop: Workshop) -> None:
    new = NewCollection("other", "hash", shop.collection.fingerprint, shop.collection.dim)
    other = replace(shop, collection=shop.services.collections.create(new))
    shop.services.index.create(other.collection)
    other.services.acceptor.add_texts(other.collection, [TextInput("x", "words elsewhere")])
    other.drain()
    sweep(shop)
    ask_to_rebuild(shop.services.ledger, shop.collection.id)
    for _ in range(4):
        sweep(shop)
        assert [hit.id for hit in other.search("words elsewhere")] == ["x"]
    ended(shop)
    shop.drain()
    assert [hit.id for hit in other.search("words elsewhere")] == ["x"]


def test_a_comparison_that_ends_just_then_does_not_keep_it_from_being_healed(
    shop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another keeper was in the middle of comparing when it was asked for, and takes the marks of it away."""
    monkeypatch.setattr(repair, "ROLLING_PER_SWEEP", 0)
    before = standing(shop)
    sweep(shop)
    ask_to_rebuild(shop.services.ledger, shop.collection.id)
    shop.services.ledger_client.hdel(keys.collection(shop.collection.id), "compare", "confirmed", "wiped")
    ended(shop)
    with pytest.raises(IndexRebuilding):
        shop.search("words")
    shop.drain()
    shop.drain()
    sweep(shop)
    assert standing(shop) == before
    assert clean(shop)


def test_asked_for_again_it_begins_anew(shop: Workshop) -> None:
    before = standing(shop)
    sweep(shop)
    for _ in range(3):
        ask_to_rebuild(shop.services.ledger, shop.collection.id)
        sweep(shop)
        sweep(shop)
    ended(shop)
    shop.drain()
    shop.drain()
    sweep(shop)
    assert standing(shop) == before
    assert clean(shop)
