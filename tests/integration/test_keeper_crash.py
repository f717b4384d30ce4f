"""Clients, workers and keepers at once while both servers are killed again and again: nothing accepted is lost.

The kills are keyed to progress, not to the clock: after the k-th finished document a server dies.
"""

from __future__ import annotations

import contextlib
import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from services.errors import StorageFull, Unavailable
from services.ledger.part import Limits
from services.ledger.values import ClaimedDocument, DocumentKind, DocumentState, LeaseLost
from services.redis_clients import BULK, connect
from tests.conftest import RedisPair
from tests.integration.index_stand_in import HeadIndex
from tests.integration.keeper_tools import Watch, make_watch
from tests.integration.ledger_tools import CID, check_books, hang_up, text

DOCUMENTS = 160
KILLS = 6
LIMIT_S = 150


@dataclass
class Journal:
    """What clients were promised, and how far the workers are."""

    promised: dict[str, str | None] = field(default_factory=dict)
    finished: int = 0
    errors: list[BaseException] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)


def client(watch: Watch, journal: Journal, number: int, seed: int) -> None:
    """Adds, updates and deletes documents of its own; repeats under the same request id until it is answered."""
    rng = random.Random(f"{seed} {number}")
    for turn in range(DOCUMENTS // 2):
        id = f"c{number}-{rng.randrange(turn // 2 + 1)}"
        body = None if rng.random() < 0.15 else f"text {turn}"
        document = text(id, kind="delete") if body is None else text(id, body)
        while not journal.over.is_set():
            try:
                watch.desk.accept(document, request_id=f"{number}-{turn}", request_hash="h")
            except (Unavailable, StorageFull):
                time.sleep(0.02)
                continue
            journal.promised[id] = body
            break


def worker(watch: Watch, journal: Journal) -> None:
    """Claims and finishes; gives documents back when a server is away."""
    while not journal.over.is_set():
        try:
            claim = watch.desk.claim(most=8, lease_ms=1500)
        except Unavailable:
            time.sleep(0.02)
            continue
        for position, document in enumerate(claim.documents):
            try:
                process(watch, document, claim.token)
                journal.finished += 1
            except LeaseLost:
                continue
            except Unavailable:
                with contextlib.suppress(Unavailable):
                    watch.desk.ledger.release(claim.token, claim.documents[position:], pause_ms=10)
                break
        if not claim.documents:
            time.sleep(0.02)


def process(watch: Watch, document: ClaimedDocument, token: str) -> None:
    attempt = watch.desk.ledger.begin(document, token)
    body = watch.desk.ledger._envelopes.read(document.envelope).document.body.decode()
    live = document.kind is not DocumentKind.DELETE
    wrote = watch.index.write(watch.collection, document.doc_hash, document.generation, attempt, body, live=live)
    watch.desk.ledger.finish(document, token, attempt=attempt, chunks=wrote.chunks, sequence=wrote.sequence)


def keeper(watch: Watch, journal: Journal) -> None:
    while not journal.over.is_set():
        with contextlib.suppress(Unavailable):
            watch.keeper.sweep()
        time.sleep(0.05)


def guarded(journal: Journal, run: Callable[[], None]) -> threading.Thread:
    def target() -> None:
        try:
            run()
        except BaseException as error:
            journal.errors.append(error)
            journal.over.set()

    return threading.Thread(target=target)


@pytest.mark.parametrize("seed", [1, 2])
def test_nothing_accepted_is_lost_while_servers_die(private_redis_pair: RedisPair, tmp_path: Path, seed: int) -> None:
    pair, journal = private_redis_pair, Journal()
    limits = Limits(attempts=20, first_pause_ms=10)
    ledgers = [connect(pair.ledger.url, BULK) for _ in range(6)]
    indexes = [connect(pair.index.url, BULK) for _ in range(6)]
    watches = [
        make_watch(ledger, index, tmp_path / "accepted", limits=limits)
        for ledger, index in zip(ledgers, indexes, strict=True)
    ]
    clients = [guarded(journal, lambda n=n: client(watches[n], journal, n, seed)) for n in range(2)]
    others = [guarded(journal, lambda n=n: worker(watches[n], journal)) for n in (2, 3)]
    others += [guarded(journal, lambda n=n: keeper(watches[n], journal)) for n in (4, 5)]
    for thread in (*clients, *others):
        thread.start()
    try:
        rng = random.Random(seed)
        for number in range(KILLS):
            goal = (number + 1) * 10
            # on a slow machine so much is overtaken by newer versions that fewer are finished
            wait(journal, lambda goal=goal: journal.finished >= goal or not any(one.is_alive() for one in clients))
            server = pair.ledger if number % 2 else pair.index
            server.kill()
            time.sleep(rng.choice([0, 0.3]))
            server.start()
        wait(journal, lambda: not any(thread.is_alive() for thread in clients))
        settle(watches[0], journal)
    finally:
        journal.over.set()
        for thread in (*clients, *others):
            thread.join(60)
    assert not journal.errors
    watch = watches[0]
    watch.index = HeadIndex(indexes[0])
    for id, body in journal.promised.items():
        record = watch.desk.ledger.document(CID, id)
        if record is None:
            assert body is None  # a delete of what was never there
            continue
        assert record.state is (DocumentState.DELETED if body is None else DocumentState.READY), id
        assert watch.shown(id) == body, id
    assert len(journal.promised) > 20
    check_books(watch.desk, list(journal.promised))
    hang_up(*ledgers, *indexes)


def settle(watch: Watch, journal: Journal) -> None:
    """Until nothing is under way, and a whole round of comparing has found nothing."""

    def calm() -> bool:
        return watch.desk.ledger.in_flight(CID) == 0 and watch.desk.ledger.rebuilding(CID) is None

    for _ in range(3):
        wait(journal, calm)
        time.sleep(0.5)
    wait(journal, calm)


def wait(journal: Journal, done: Callable[[], bool]) -> None:
    limit = time.monotonic() + LIMIT_S
    while not done():
        assert not journal.errors, journal.errors
        assert time.monotonic() < limit, f"{journal.finished} finished"
        time.sleep(0.02)
