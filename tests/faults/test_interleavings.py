"""F29 on orders of events that nobody plans for: somebody acts between any two calls of a worker or a keeper.

Collections that are deleted and made again under their name, sources that shrink, updates that fail while the visible
version is lost, jobs that are cancelled. Whatever the order, nothing is doubled, half or back from the dead.
"""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from services.collections.store import NewCollection
from services.collections.values import Algorithm
from services.errors import NotFound
from services.ingest.purge import purge_collection
from services.ingest.values import FileInput, TextInput
from services.ledger.values import DocumentState
from tests.conftest import RedisPair
from tests.faults.harness import figures, invariants, plan, shelves, texts
from tests.faults.harness.bench import Actor, Bench, bench, drop_collection, persist
from tests.faults.harness.journal import Promise
from tests.faults.harness.trip import How
from tests.faults.harness.views import LocalView

STEP = 2 if plan.FULL else 31
MOST = 400
FAULTS = [How.REFUSED, How.LOST, How.LATE, How.DIES, How.DIED]

Run = Callable[[Bench], None]


def for_every_call(pair: RedisPair, run: Run, how: How) -> None:
    """Runs with the n-th call tripped, n = 1, 2, ... (every so-manieth), until a run has fewer calls."""
    n = plan.dice(f"{run} {how}".partition(" at ")[0]).randint(1, STEP)
    while n <= MOST:
        with bench(pair) as here:
            here.wire.n, here.wire.how = n, how
            try:
                run(here)
            except AssertionError as error:
                raise AssertionError(f"n {n}, {how}, at {here.wire.tripped!r}: {error}") from error
            figures.add("F29 interleavings", 1)
            if not here.wire.tripped:
                return
        n += STEP
    raise AssertionError(f"still not clean at n = {MOST}")


def live(here: Bench, *steps: Callable[[Actor], object]) -> None:
    """Each step on the wire; one whose process died is repeated by another."""
    for step in steps:
        with here.wire.live():
            step(here.wired)
        if here.wire.dead:
            here.wire.n, here.wire.dead = 0, False
            step(here.sound)


# -- a collection deleted mid-ingest and made again under its name -------------------------------------------------


def deleted_and_made_again(here: Bench) -> None:
    old = here.sound.workshop.collection
    made: list[Actor] = []

    def act() -> None:
        services = here.sound.services
        services.collections.delete(old.name)
        new = services.collections.create(
            NewCollection(old.name, old.model, old.fingerprint, old.dim, algorithm=Algorithm.FLAT, fields=old.fields)
        )
        services.index.create(new)
        workshop = type(here.sound.workshop)(services, here.sound.workshop.bells, [], new)
        made.append(Actor(workshop, type(here.promises)()))
        made[0].put([(1, 3), (9, 1)])

    def ingest(actor: Actor) -> None:
        try:
            actor.put([(1, 1), (2, 2), (3, texts.LONG)], request="a")
        except NotFound:
            return
        actor.drain()

    here.wire.act = act
    live(here, ingest)
    if not made:
        act()
    drop_collection(here.sound)
    clear(here.sound, old.id)
    here.sound.drain()
    made[0].settle()
    clear(here.sound, old.id)
    invariants.check(LocalView(made[0].workshop), made[0].promises)
    shelf = shelves.read(here.sound.services.index_client, old.id)
    assert not shelf.chunks, f"chunks of the deleted collection: {sorted(shelf.chunks)}"
    assert not shelf.heads, "heads of the deleted collection"
    left = list(here.sound.services.ledger_client.scan_iter(match=f"nf:l:*{old.id}*", count=1000))
    assert not left, f"the ledger still has {left[:5]}"


def clear(actor: Actor, collection_id: str) -> None:
    """What a purge bell does, for as long as the collection waits to be cleared."""
    for _ in range(50):
        if collection_id not in actor.services.collections.deleted_ids():
            return
        purge_collection(actor.services, collection_id)
    raise AssertionError("the deleted collection is never cleared")


def test_a_collection_is_deleted_and_made_again_during_an_ingest(redis_pair: RedisPair) -> None:
    for_every_call(redis_pair, deleted_and_made_again, How.ACTS)


# -- a source that loses rows ---------------------------------------------------------------------------------------


def rows(*wishes: tuple[int, int]) -> bytes:
    return b"".join(json.dumps(texts.document(number, version)).encode() + b"\n" for number, version in wishes)


def upload(actor: Actor, request: str, *wishes: tuple[int, int]) -> None:
    given = [FileInput("rows.ndjson", rows(*wishes))]
    collection = actor.workshop.collection
    persist(lambda: actor.services.acceptor.add_files(collection, given, request_id=request))


def check_rows(here: Bench, wishes: dict[int, int]) -> None:
    """Exactly these rows are there, each in its version; the file itself is no document to be found."""
    here.sound.settle()
    view = LocalView(here.sound.workshop)
    listed = {seen.id: seen for seen in view.documents() if seen.kind != "source"}
    assert set(listed) == {texts.name(number) for number in wishes}, sorted(listed)
    shelf = shelves.read(here.sound.services.index_client, here.sound.workshop.collection.id)
    for number, version in wishes.items():
        seen = listed[texts.name(number)]
        assert (seen.state, seen.visible) == ("ready", seen.generation), seen
        _, found = shelf.of(seen.id)
        assert set(found) == {seen.visible}, (seen.id, sorted(found))
        words = " ".join(chunk.text for chunk in found[seen.visible])
        assert f"version{version}" in words or version % 4 == 1, (seen.id, version)
    assert shelf.number_of_chunks() == shelf.indexed == shelf.counters.get("chunks", 0)


def shrinks(here: Bench) -> None:
    upload(here.sound, "first", *((number, 3) for number in range(1, 7)))
    here.sound.settle()
    live(here, lambda actor: upload(actor, "second", (1, 3), (2, 7), (8, 3)), Actor.drain)
    check_rows(here, {1: 3, 2: 7, 8: 3})


def shrinks_and_is_overtaken(here: Bench) -> None:
    """While the second version is worked off a third comes, and another worker does it all."""
    upload(here.sound, "first", *((number, 3) for number in range(1, 7)))
    here.sound.settle()
    acted: list[int] = []

    def act() -> None:
        acted.append(1)
        upload(here.sound, "third", (2, 11), (9, 3))
        here.sound.expire()
        here.sound.drain()

    here.wire.act = act
    upload(here.sound, "second", (1, 3), (2, 7), (8, 3))
    live(here, Actor.drain)
    check_rows(here, {2: 11, 9: 3} if acted else {1: 3, 2: 7, 8: 3})


@pytest.mark.parametrize("how", FAULTS, ids=lambda how: how.name.lower())
def test_a_source_shrinks(redis_pair: RedisPair, how: How) -> None:
    for_every_call(redis_pair, shrinks, how)


def test_a_source_shrinks_twice_at_once(redis_pair: RedisPair) -> None:
    for_every_call(redis_pair, shrinks_and_is_overtaken, How.ACTS)


# -- a failed update, a lost visible version ------------------------------------------------------------------------


def loses_what_it_shows(here: Bench) -> None:
    """An update fails for good, so the old version stays; then the index loses it, and the keeper brings it back."""
    here.sound.put([(1, 3), (2, 1)])
    here.sound.settle()
    old = here.sound.workshop.record(texts.name(1))
    bad = TextInput(texts.name(1), "unembeddable words", "Document 1", "", {"group": texts.group(1)})
    persist(lambda: here.sound.services.acceptor.add_texts(here.sound.workshop.collection, [bad], request_id="bad"))
    here.sound.settle()
    assert here.sound.workshop.record(texts.name(1)).state is DocumentState.FAILED
    here.sound.services.index_client.flushdb()
    live(here, Actor.sweep, Actor.drain, Actor.sweep)
    here.sound.settle()
    now = here.sound.workshop.record(texts.name(1))
    assert (now.state, now.visible_generation) == (DocumentState.FAILED, old.visible_generation), now
    found = LocalView(here.sound.workshop).find(texts.subject(1))
    assert texts.name(1) in [hit.id for hit in found.hits]
    here.promises.kept[texts.name(1)] = Promise(now.wanted_generation, 3)
    here.check(may_fail=lambda document_id: document_id == texts.name(1))


@pytest.mark.parametrize("how", FAULTS, ids=lambda how: how.name.lower())
def test_a_failed_update_keeps_what_is_visible_through_a_loss(redis_pair: RedisPair, how: How) -> None:
    for_every_call(redis_pair, loses_what_it_shows, how)


# -- cancelled and retried ------------------------------------------------------------------------------------------


def cancelled_and_retried(here: Bench) -> None:
    jobs: list[str] = []

    def act() -> None:
        for job in jobs:
            here.sound.services.ledger.cancel(job)

    def add(actor: Actor) -> None:
        jobs.append(actor.put([(1, 1), (2, 2), (3, texts.LONG)], request="a").job_id)

    here.wire.act = act
    here.sound.put([(1, 3)])
    here.sound.drain()
    add(here.sound)
    live(here, Actor.drain)
    here.sound.settle()
    here.check(may_fail=lambda document_id: True)
    ids = [texts.name(number) for number in (1, 2, 3)]
    here.sound.services.ledger.retry(here.sound.workshop.collection.id, document_ids=ids)
    here.sound.settle()
    here.check()


def test_a_job_is_cancelled_at_any_moment_and_retried(redis_pair: RedisPair) -> None:
    for_every_call(redis_pair, cancelled_and_retried, How.ACTS)
