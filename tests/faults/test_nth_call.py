"""F29: the n-th call fails, n = 1, 2, ... until none is left: over an ingest, a delete, a change, a repair, a rebuild.

A call is a command to one of the Redis servers, a system call on the data folder, or a pass of the model. It is
refused, loses its answer, arrives by half or too late; the process dies before it or after it; or somebody else does
something just before it. Whatever happens: the client repeats what was not answered, and in the end every invariant
holds and the ledger's books add up.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pytest

from services.ids import counters_key, hash_document_id, head_key
from tests.conftest import RedisPair
from tests.faults.harness import figures, plan
from tests.faults.harness.bench import Actor, Bench, bench
from tests.faults.harness.texts import LONG, name
from tests.faults.harness.trip import How

Steps = list[Callable[[Actor], object]]
FAULT_STEP, ACT_STEP = (1, 4) if plan.FULL else (17, 23)
MOST = 400


@dataclass(frozen=True)
class Scenario:
    """What is there before, and what is done on the wire."""

    before: Callable[[Actor], object]
    steps: Callable[[], Steps]


def three(actor: Actor) -> None:
    actor.put([(1, 1), (2, 2), (3, LONG)])
    actor.drain()
    actor.sweep()


def wiped(actor: Actor) -> None:
    three(actor)
    wipe(actor)


def wipe(actor: Actor) -> None:
    actor.services.index_client.flushall()


SCENARIOS = {
    "ingest": Scenario(
        lambda actor: None, lambda: [lambda actor: actor.put([(1, 1), (2, 2), (3, LONG)], request="a"), Actor.drain]
    ),
    "delete": Scenario(three, lambda: [lambda actor: actor.delete(1, 3, request="a"), Actor.drain]),
    "change": Scenario(
        three,
        lambda: [
            lambda actor: actor.put([(1, 2), (3, LONG + 1)], request="a"),
            lambda actor: actor.put([(2, 2)], url="https://example.org/moved", request="b"),
            Actor.drain,
        ],
    ),
    "repair": Scenario(wiped, lambda: [Actor.sweep, Actor.drain, Actor.sweep]),
    "rebuild": Scenario(
        three, lambda: [Actor.ask_to_rebuild, Actor.sweep, Actor.sweep, Actor.drain, Actor.sweep, Actor.drain]
    ),
}


def run(pair: RedisPair, scenario: Scenario, n: int, how: How, act: Callable[[Actor], None] | None = None) -> Bench:
    """One run with the n-th call tripped, settled and checked."""
    with bench(pair) as here:
        scenario.before(here.sound)
        here.wire.n, here.wire.how = n, how
        if act is not None:
            here.wire.act = lambda: act(here.sound)
        for step in scenario.steps():
            with here.wire.live():
                step(here.wired)
            if here.wire.dead:  # started again; the client repeats what it got no answer to
                here.wire.n = here.wire.dead = 0
                step(here.sound)
        here.sound.settle()
        try:
            here.check()
        except AssertionError as error:
            raise AssertionError(f"n {n}, {how}, at {here.wire.tripped!r}: {error}") from error
        return here


def sweep(pair: RedisPair, scenario: Scenario, how: How, act: Callable[[Actor], None] | None = None) -> int:
    """n = 1, 2, ... until a run has fewer calls; every so-manieth in the short form, from a place the seed chooses."""
    step = FAULT_STEP if act is None else ACT_STEP
    n, runs = plan.dice(f"{how}").randint(1, min(step, 9)), 0
    while n <= MOST:
        done = run(pair, scenario, n, how, act)
        runs += 1
        if not done.wire.tripped:
            figures.add(f"F29 runs with {how}", runs)
            return runs
        n += step
    raise AssertionError(f"still not clean at n = {MOST}")


FAULTS = [How.REFUSED, How.LOST, How.HALF, How.LATE, How.DIES, How.DIED]


@pytest.mark.parametrize("how", FAULTS, ids=lambda how: how.name.lower())
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_the_nth_call_fails(redis_pair: RedisPair, scenario: str, how: How) -> None:
    assert sweep(redis_pair, SCENARIOS[scenario], how) > 1


def drop_index(actor: Actor) -> None:
    client = actor.services.index_client
    for index in client.execute_command("FT._LIST"):
        client.execute_command("FT.DROPINDEX", index)


def lose_a_head(actor: Actor) -> None:
    """A part of the index is gone, as after a cut of its log: the document's own keys."""
    client, collection = actor.services.index_client, actor.workshop.collection
    head = head_key(collection.id, collection.version, hash_document_id(name(1)))
    chunks, live = client.hmget(head, "n", "live")
    if live == b"1":
        for counter, count in (("documents", 1), ("chunks", int(chunks or 0))):
            client.hincrby(counters_key(collection.id, collection.version), counter, -count)
        client.delete(head, *client.scan_iter(match=f"nf:c:*{{{hash_document_id(name(1))}}}*", count=1000))


def overtake(actor: Actor) -> None:
    """The lease runs out, the keeper puts everything back, and another worker does it all."""
    actor.expire()
    actor.drain()


def update_and_work(actor: Actor) -> None:
    actor.put([(1, 6), (2, 3)])
    overtake(actor)


def delete_and_work(actor: Actor) -> None:
    actor.delete(1, 2)
    overtake(actor)


def delete_and_add_again(actor: Actor) -> None:
    actor.delete(1, 3)
    overtake(actor)
    actor.put([(1, 1), (3, LONG)])


ACTORS = [
    overtake,
    Actor.sweep,
    Actor.expire,
    lambda actor: actor.put([(1, 6), (3, 2)]),
    update_and_work,
    lambda actor: actor.delete(2, 3),
    delete_and_work,
    delete_and_add_again,
    wipe,
    drop_index,
    lose_a_head,
]
NAMES = [
    *("overtake", "sweep", "expire", "update", "update_and_work", "delete", "delete_and_work", "add_again"),
    *("wipe", "drop_index", "lose"),
]


@pytest.mark.parametrize("act", ACTORS, ids=NAMES)
def test_somebody_acts_before_the_nth_call(redis_pair: RedisPair, act: Callable[[Actor], None]) -> None:
    """Over every scenario in the full form, over one that the seed chooses in the short one."""
    chosen = list(SCENARIOS) if plan.FULL else [plan.dice(f"{ACTORS.index(act)}").choice(list(SCENARIOS))]
    for scenario in chosen:
        assert sweep(redis_pair, SCENARIOS[scenario], How.ACTS, act) >= 1
