"""The keeper and the work: leases of dead workers, lost bells, two keepers, litter."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from services.errors import Unavailable
from services.ledger import keys
from services.ledger.part import Limits
from services.ledger.values import DocumentState
from services.redis_clients import BULK, Client, connect
from tests.conftest import RedisPair
from tests.integration.keeper_tools import Watch, make_watch
from tests.integration.ledger_tools import CID, check_books, hang_up, text


@pytest.fixture
def watch(ledger_client: Client, index_client: Client, tmp_path: Path) -> Watch:
    """A keeper that has looked round once: it knows its servers."""
    watch = make_watch(ledger_client, index_client, tmp_path / "accepted", limits=Limits(first_pause_ms=60_000))
    watch.sweep()
    return watch


def calm(watch: Watch) -> None:
    """As if nobody had claimed or rung for a while."""
    watch.desk.client.hdel(keys.collection(CID), "bell", "claimed")


def test_what_a_dead_worker_held_is_due_again_and_rung_for_at_once(watch: Watch) -> None:
    watch.desk.add(*"abc")
    claim = watch.desk.claim()
    watch.desk.ledger.begin(claim.documents[0], claim.token)
    assert watch.sweep().leases_ended == 0
    watch.desk.expire_leases()
    report = watch.sweep()
    assert (report.leases_ended, report.rung) == (1, (CID,))
    assert watch.bell.rung == [CID]
    assert watch.work() == 3
    check_books(watch.desk, "abc")


def test_a_lost_bell_is_rung_again_when_nobody_stirs(watch: Watch) -> None:
    watch.desk.add("a")  # rings; that message is lost
    assert watch.sweep().rung == ()
    calm(watch)
    assert watch.sweep().rung == (CID,)
    assert watch.sweep().rung == ()
    watch.work()
    calm(watch)
    assert watch.sweep().rung == ()


def test_no_bell_while_workers_are_at_it(watch: Watch) -> None:
    watch.desk.add(*(f"n{number}" for number in range(5)))
    calm(watch)
    watch.work(2)
    assert watch.sweep().rung == ()


def test_a_pause_that_ends_is_rung_for(watch: Watch) -> None:
    watch.desk.add("a")
    document, token = watch.desk.one()
    watch.desk.ledger.begin(document, token)
    watch.desk.ledger.fail(document, token, code="x", reason="x", retry=True)
    calm(watch)
    assert watch.sweep().rung == ()
    watch.desk.end_pauses()
    assert watch.sweep().rung == (CID,)


def test_times_from_before_a_clock_jump_hold_nothing_up(watch: Watch) -> None:
    """The clock goes back two hours: pauses, rings and claims then lie in the future."""
    watch.desk.add("a")
    document, token = watch.desk.one()
    watch.desk.ledger.begin(document, token)
    watch.desk.ledger.fail(document, token, code="x", reason="x", retry=True)
    seconds, _ = watch.desk.client.time()
    later = (seconds + 7200) * 1_000_000
    watch.desk.client.zadd(keys.due(CID, "again"), {document.doc_hash: later})
    watch.desk.client.hset(keys.collection(CID), mapping={"bell": later, "claimed": later})
    assert watch.sweep().rung == (CID,)
    assert watch.work() == 1


def test_a_document_that_kills_every_worker_fails_and_its_neighbours_do_not(watch: Watch) -> None:
    watch.desk.add("good1", "poison", "good2")
    for _ in range(12):
        claim = watch.desk.claim(most=2)
        for document in claim.documents:
            if document.id == "poison":
                watch.desk.ledger.begin(document, claim.token)
                break
            watch.desk.finish(document, claim.token)
        watch.desk.expire_leases()
        report = watch.sweep()
        if report.documents_failed:
            break
    watch.work()
    assert watch.desk.record("poison").error_code == "worker-died"
    assert {watch.desk.state(id) for id in ("good1", "good2")} == {DocumentState.READY}
    assert watch.desk.record("poison").attempts == 3


def test_a_worker_that_died_after_its_write_has_done_it(watch: Watch, monkeypatch: pytest.MonkeyPatch) -> None:
    """Three times between the index's answer and the ledger's: searchable is what it is, so that is what is said."""
    monkeypatch.setattr("services.ledger.repair.ROLLING_PER_SWEEP", 0)  # at once, not when its turn comes
    job_id = watch.desk.add("a").job_id
    watch.sweep()
    for _ in range(3):
        document, token = watch.desk.one()
        attempt = watch.desk.ledger.begin(document, token)
        watch.index.write(watch.collection, document.doc_hash, document.generation, attempt, "hello")
        watch.desk.expire_leases()
        report = watch.sweep()
    assert (report.documents_failed, watch.desk.state("a")) == (1, DocumentState.READY)
    assert watch.desk.job(job_id) == {"total": 1, "ready": 1}
    assert watch.desk.record("a").chunks == 5
    check_books(watch.desk, "a")


def test_a_crash_of_the_ledger_costs_no_document_an_attempt(private_redis_pair: RedisPair, tmp_path: Path) -> None:
    """Its leases ran out while nobody could renew them; they get their length once more."""
    pair = private_redis_pair
    ledger, index = connect(pair.ledger.url, BULK), connect(pair.index.url, BULK)
    watch = make_watch(ledger, index, tmp_path / "accepted")
    watch.sweep()
    watch.desk.add("a")
    claim = watch.desk.claim(lease_ms=10_000)
    watch.desk.ledger.begin(claim.documents[0], claim.token)
    watch.desk.expire_leases()  # the time that the server is away
    pair.ledger.kill()
    with pytest.raises(Unavailable):
        watch.sweep()
    pair.ledger.start()
    assert watch.sweep().leases_ended == 0
    assert watch.desk.ledger.finish(claim.documents[0], claim.token, attempt=1, chunks=1, sequence=1) == "finished"
    assert watch.sweep().leases_ended == 0
    hang_up(ledger, index)


class TestTwoKeepers:
    def test_one_sweeps_and_the_other_finds_it_at_work(self, watch: Watch) -> None:
        watch.desk.client.set(keys.KEEPER_LOCK, "the other", px=60_000)
        watch.desk.add("a")
        watch.desk.claim()
        watch.desk.expire_leases()
        report = watch.sweep()
        assert (report.acted, report.leases_ended) == (False, 0)
        assert watch.desk.client.get(keys.KEEPER_LOCK) == b"the other"
        watch.end_lock()
        assert watch.sweep().leases_ended == 1

    def test_take_turns_without_waiting(self, watch: Watch) -> None:
        other = watch.another_keeper()
        assert [keeper.sweep().acted for keeper in (watch.keeper, other, watch.keeper)] == [True] * 3

    def test_the_lock_of_a_dead_one_ends_by_itself(self, watch: Watch) -> None:
        dying = watch.another_keeper(lock_ms=100)
        assert dying._lock("take")
        limit = time.monotonic() + 20
        while not watch.sweep().acted:
            assert time.monotonic() < limit

    def test_one_that_lost_its_lock_stops_clearing(self, watch: Watch) -> None:
        watch.desk.client.set(keys.KEEPER_LOCK, "the other", px=60_000)
        assert watch.keeper._lock("keep") is False
        assert watch.keeper._lock("free") is False
        assert watch.desk.client.get(keys.KEEPER_LOCK) == b"the other"


def test_the_bell_of_a_deleted_collection_is_rung_until_it_is_cleared(watch: Watch) -> None:
    watch.known.deleted.add("gone")
    watch.sweep(30)
    assert watch.bell.purged == ["gone", "gone"]


def test_old_jobs_and_unreferenced_envelopes_go(watch: Watch, tmp_path: Path) -> None:
    for number in range(3):
        watch.desk.add("a", body=str(number))
        watch.work()
    for number, member in enumerate(watch.desk.client.zrange(keys.FINISHED_JOBS, 0, -1)):
        watch.desk.client.zadd(keys.FINISHED_JOBS, {member: number})
    keeper = watch.another_keeper(keep_jobs=1, envelope_age_s=0)
    reports = []
    for shard in {int(path.parent.name, 16) for path in (tmp_path / "accepted").glob("*/*.nfe")}:
        watch.desk.client.hset(keys.KEEPER, "shard", shard - 1)  # its turn comes once in 256 sweeps
        reports.append(keeper.sweep())
    assert reports[0].jobs_forgotten == sum(report.jobs_forgotten for report in reports) == 2
    assert sum(report.envelopes_removed for report in reports) == 2
    assert len(list((tmp_path / "accepted").glob("*/*.nfe"))) == 1
    assert watch.desk.record("a").state is DocumentState.READY
    check_books(watch.desk, "a")


def test_a_source_needs_no_head_on_the_index(watch: Watch) -> None:
    watch.desk.accept(text("rows", kind="source"))
    source, token = watch.desk.one()
    watch.desk.ledger.finish(source, token, attempt=1, chunks=0, sequence=0)
    watch.desk.accept(text("rows", "again", kind="source"))
    for _ in range(3):
        assert watch.sweep().compared.requeued == 0
    assert watch.mark() is None
