"""Lost replies: the n-th answer of the ledger never arrives, for every n, in everything that the ledger does.

One loss is not noticed by the caller: the call is sent once more and finds its own work done. When that reply is lost
as well the caller hears Unavailable, repeats, and gets what it would have got.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from services.errors import Unavailable
from services.ledger.envelopes import EnvelopeStore
from services.ledger.ledger import Ledger
from services.redis_clients import BULK, Client, Profile, connect
from tests.conftest import RedisPair
from tests.integration.ledger_tools import CID, Desk, check_books, hang_up, text
from tests.integration.lossy_proxy import LossyProxy

IDS = ("a", "b", "c", "rows", "r0", "r1")


@pytest.fixture
def line(redis_pair: RedisPair, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LossyProxy]:
    path = redis_pair.ledger.socket.parent / "lossy.sock"
    path.unlink(missing_ok=True)
    proxy = LossyProxy(path, redis_pair.ledger.socket)
    yield proxy
    proxy.close()
    path.unlink(missing_ok=True)


@pytest.fixture
def desk(redis_pair: RedisPair, ledger_client: Client, line: LossyProxy, tmp_path: Path) -> Iterator[Desk]:
    """A desk whose ledger talks over the lossy line; the test itself looks over a good one."""
    client = connect(redis_pair.ledger.url.replace(str(redis_pair.ledger.socket), str(line.path)), BULK)
    yield Desk(Ledger(client, EnvelopeStore(tmp_path / "accepted")), ledger_client, tmp_path / "accepted")
    hang_up(client)


def everything(desk: Desk, again: Callable[[Callable[[], object]], object]) -> None:
    """One of each kind of call; ``again`` runs one that changes something, repeating it until it is answered."""

    def accept(*documents: object, **more: object) -> object:
        number = next(numbers)
        return again(
            lambda: desk.accept(*documents, request_id=f"request-{number}", request_hash="h", **more)  # type: ignore[arg-type]
        )

    numbers = iter(range(100))
    ledger = desk.ledger
    accept(text("a"), text("b"), text("c"))
    claim = again(lambda: desk.claim("t" * 32, most=2))
    first, second = claim.documents  # type: ignore[attr-defined]
    attempt = again(lambda: ledger.begin(first, "t" * 32))
    again(lambda: ledger.renew("t" * 32, 15_000))
    assert again(lambda: ledger.finish(first, "t" * 32, attempt=attempt, chunks=2, sequence=1)) in (
        "finished",
        "already",
    )  # type: ignore[arg-type]
    again(lambda: ledger.begin(second, "t" * 32))
    again(lambda: ledger.fail(second, "t" * 32, code="x", reason="x", retry=False))
    again(lambda: ledger.retry(CID))
    claim = again(lambda: desk.claim("u" * 32))
    again(lambda: ledger.begin_all(claim.documents, "u" * 32))  # type: ignore[attr-defined]
    again(lambda: ledger.release("u" * 32, claim.documents, pause_ms=0))  # type: ignore[attr-defined]
    accept(text("a", kind="delete"))
    accept(text("rows", kind="source"))
    for turn in range(9):
        token = str(turn) * 32
        (document,) = again(lambda token=token: desk.claim(token, most=1)).documents  # type: ignore[attr-defined, misc]
        if document.id == "rows":
            break
    rows = [text("r0", parent=document.doc_hash), text("r1", parent=document.doc_hash)]
    again(lambda: ledger.begin(document, token))
    accept(*rows, job_id=document.job_id, generation=document.generation)
    again(lambda: ledger.save_cursor(document, token, 9, 2))
    assert again(lambda: ledger.finish(document, token, attempt=1, chunks=0, sequence=0)) in ("finished", "already")
    assert again(lambda: ledger.cancel(document.job_id)) == 2


def result(desk: Desk) -> list[tuple[object, ...]]:
    check_books(desk, IDS)
    records = [desk.record(id) for id in IDS]
    states = [(one.id, one.state, one.kind, one.attempts, one.visible_generation > 0, one.error) for one in records]
    jobs = sorted(tuple(desk.job(one.job_id).items()) for one in records)
    return [*states, *jobs]


@pytest.mark.parametrize("losses", [1, 2])
def test_every_reply_may_be_lost(desk: Desk, line: LossyProxy, losses: int) -> None:
    everything(desk, lambda call: call())
    wanted = result(desk)
    number = 0
    while True:
        desk.client.flushall()
        line.lose(losses, after=number)
        told: list[str] = []

        def again(call: Callable[[], object], told: list[str] = told) -> object:
            while True:
                try:
                    return call()
                except Unavailable as error:
                    told.append(error.code)

        everything(desk, again)
        if not line.lose(0):
            break  # the run ended before the reply that should have been lost
        assert result(desk) == wanted, f"after losing {losses} replies from number {number} on"
        assert told == ([] if losses == 1 else ["ledger-unavailable"])
        number += 1
    assert number > 25


def test_nothing_is_sent_again_that_timed_out(redis_pair: RedisPair, desk: Desk) -> None:
    """A hung server must cost one time limit, not two."""
    quick = connect(redis_pair.ledger.url, Profile("hasty", timeout_s=0.2, connections=2))
    ledger = Ledger(quick, EnvelopeStore(desk.folder))
    ledger.claim(CID, "t" * 32, max_documents=1, max_bytes=1, lease_ms=1000)
    before = desk.client.info("stats")["total_connections_received"]
    desk.client.execute_command("CLIENT", "PAUSE", 1500, "ALL")
    with pytest.raises(Unavailable):
        ledger.claim(CID, "t" * 32, max_documents=1, max_bytes=1, lease_ms=1000)
    assert desk.client.info("stats")["total_connections_received"] == before
    hang_up(quick)
