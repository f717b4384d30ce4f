"""Jobs: counters that always add up, states, lists; cancel and retry."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from services.errors import Conflict, InvalidInput, NotFound, SettingsError
from services.ledger import keys
from services.ledger.job_model import JobDescription
from services.ledger.jobs import JobReader
from services.ledger.values import DocumentState
from services.redis_clients import BULK, Client, connect_text
from tests.conftest import RedisPair
from tests.integration.ledger_tools import CID, OTHER, Desk, check_books, hang_up, make_desk, text


@pytest.fixture
def desk(ledger_client: Client, tmp_path: Path) -> Desk:
    return make_desk(ledger_client, tmp_path / "accepted")


@pytest.fixture
def jobs(redis_pair: RedisPair, ledger_client: Client) -> Iterator[JobReader]:
    client = connect_text(redis_pair.ledger.url, BULK)
    reader = JobReader(ledger_client, client)
    reader.prepare()
    yield reader
    hang_up(client)


def fail(desk: Desk, *ids: str) -> None:
    claim = desk.claim()
    for document in claim.documents:
        if document.id in ids:
            desk.ledger.begin(document, claim.token)
            desk.ledger.fail(document, claim.token, code="bad", reason="It is bad.", retry=False)
        else:
            desk.finish(document, claim.token)


def test_a_job_from_its_beginning_to_its_end(desk: Desk, jobs: JobReader) -> None:
    job_id = desk.accept(text("a"), text("b"), text("c"), label="three texts — ünï").job_id
    job = jobs.get(job_id)
    assert (job.id, job.collection_id, job.label, job.state) == (job_id, CID, "three texts — ünï", "pending")
    assert (job.counts.total, job.counts.pending, job.finished_at, job.eta_s) == (3, 3, None, None)
    document, token = desk.one()
    assert jobs.get(job_id).state == "running"
    desk.finish(document, token)
    job = jobs.get(job_id)
    assert (job.counts.ready, job.counts.pending) == (1, 2)
    assert job.rate > 0
    assert job.eta_s == pytest.approx(2 / job.rate)
    desk.drain()
    job = jobs.get(job_id)
    assert (job.state, job.counts.ready, job.eta_s) == ("done", 3, 0.0)
    assert job.finished_at is not None
    assert job.finished_at >= job.created_at > 1_600_000_000_000
    assert jobs.get(job_id).rate == job.rate  # a finished job's figures stand still


def test_how_a_job_ended(desk: Desk, jobs: JobReader) -> None:
    some = desk.add("a", "b").job_id
    fail(desk, "b")
    every = desk.add("c").job_id
    fail(desk, "c")
    nothing = desk.add("a").job_id
    assert [jobs.get(id).state for id in (some, every, nothing)] == ["done", "failed", "done"]


def test_no_eta_while_a_source_is_still_being_expanded(desk: Desk, jobs: JobReader) -> None:
    job_id = desk.accept(text("rows", kind="source")).job_id
    source, token = desk.one()
    desk.accept(*(text(f"r{n}", parent=source.doc_hash) for n in range(3)), job_id=job_id, generation=source.generation)
    document, other = desk.one()
    desk.finish(document, other)
    assert jobs.get(job_id).eta_s is None
    desk.ledger.finish(source, token, attempt=1, chunks=0, sequence=0)
    assert jobs.get(job_id).eta_s is not None
    assert desk.client.hget(keys.job(job_id), "sources") == b"0"


def test_unknown_jobs(desk: Desk, jobs: JobReader) -> None:
    for call in (jobs.get, desk.ledger.cancel, lambda id: desk.ledger.retry(CID, job_id=id)):
        with pytest.raises(NotFound) as caught:
            call("nosuchjob")
        assert caught.value.code == "unknown-job"


def test_lists_are_newest_first_without_gap_or_repeat(desk: Desk, jobs: JobReader) -> None:
    other = make_desk(desk.client, desk.folder, cid=OTHER)
    made = [(desk if number % 3 else other).accept(text(f"n{number}"), label=str(number)).job_id for number in range(9)]
    for collection_id, wanted in ((None, made), (OTHER, made[::3]), ("zzzzzzzzzzzz", [])):
        found, cursor = [], ""
        while True:
            page = jobs.list(collection_id, cursor=cursor, limit=2)
            found += [job.id for job in page.items]
            cursor = page.next_cursor
            if not cursor:
                break
        assert found == wanted[::-1]
    for cursor in ("abc", "-1", "1" * 17, "²"):
        with pytest.raises(InvalidInput):
            jobs.list(cursor=cursor)


def test_many_starts_at_once_make_one_index(redis_pair: RedisPair, desk: Desk) -> None:
    desk.add("a")
    readers = [JobReader(desk.client, connect_text(redis_pair.ledger.url, BULK)) for _ in range(4)]
    errors: list[BaseException] = []

    def start(reader: JobReader) -> None:
        try:
            reader.prepare()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=start, args=(reader,)) for reader in readers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    assert len(readers[0].list().items) == 1
    for reader in readers:
        hang_up(reader._text_client)


def test_a_ledger_that_cannot_list_jobs_is_told_at_the_start(redis_pair: RedisPair, desk: Desk) -> None:
    client = connect_text(f"{redis_pair.ledger.url}?db=3", BULK)
    with pytest.raises(SettingsError, match="NEARFIELD_LEDGER_URL names a database other than 0"):
        JobReader(desk.client, client).prepare()
    hang_up(client)


def test_an_index_of_another_model_is_made_anew(jobs: JobReader, desk: Desk) -> None:
    desk.client.set(f"{keys.ROOT}:jobs:index", "something older")
    desk.add("a")
    jobs.prepare()
    assert len(jobs.list().items) == 1
    assert desk.client.get(f"{keys.ROOT}:jobs:index") != b"something older"


def test_the_script_writes_what_the_model_reads(jobs: JobReader, desk: Desk) -> None:
    job_id = desk.accept(text("a"), label="x").job_id
    raw = {name.decode(): value.decode() for name, value in desk.client.hgetall(f"nf:om:job:{job_id}").items()}
    description = JobDescription.get(job_id)
    assert {name: str(value) for name, value in description.model_dump().items()} == raw


class TestCancel:
    def test_what_waits_is_cancelled_and_what_is_in_hand_is_finished(self, desk: Desk, jobs: JobReader) -> None:
        job_id = desk.add(*"abcd").job_id
        claim = desk.claim(most=2)
        assert desk.ledger.cancel(job_id) == 2
        assert desk.ledger.cancel(job_id) == 2
        assert [desk.state(id) for id in "abcd"] == ["processing", "processing", "cancelled", "cancelled"]
        assert jobs.get(job_id).state == "running"
        for document in claim.documents:
            assert desk.finish(document, claim.token) == "finished"
        assert desk.job(job_id) == {"total": 4, "ready": 2, "cancelled": 2}
        assert jobs.get(job_id).state == "cancelled"
        assert desk.claim().documents == ()
        check_books(desk, "abcd")

    @pytest.mark.parametrize("ending", ["fails", "expires", "is given back"])
    def test_an_attempt_that_fails_after_it_is_the_last(self, desk: Desk, ending: str) -> None:
        job_id = desk.add("a").job_id
        document, token = desk.one()
        desk.ledger.begin(document, token)
        desk.ledger.cancel(job_id)
        if ending == "fails":
            assert desk.ledger.fail(document, token, code="x", reason="x", retry=True) == "cancelled"
        elif ending == "expires":
            desk.expire_leases()
            desk.ledger.expire()
        else:
            desk.ledger.release(token, [document])
        assert desk.state("a") is DocumentState.CANCELLED
        assert desk.job(job_id) == {"total": 1, "cancelled": 1}
        check_books(desk, ["a"])

    def test_the_old_version_stays_searchable(self, desk: Desk) -> None:
        desk.add("a", body="old")
        desk.drain()
        desk.ledger.cancel(desk.add("a", body="new").job_id)
        record = desk.record("a")
        assert record.state is DocumentState.CANCELLED
        assert desk.ledger._envelopes.read(record.visible_envelope).document.body == b"old"
        check_books(desk, ["a"])

    def test_a_source_stops_at_once_and_takes_no_more_rows(self, desk: Desk) -> None:
        job_id = desk.accept(text("rows", kind="source")).job_id
        source, token = desk.one()
        rows = [text(f"r{n}", parent=source.doc_hash) for n in range(2)]
        desk.accept(rows[0], job_id=job_id, generation=source.generation)
        assert desk.ledger.cancel(job_id) == 2
        answer = desk.accept(rows[1], job_id=job_id, generation=source.generation)
        assert answer.documents[0].outcome == "stale"
        assert desk.ledger.finish(source, token, attempt=1, chunks=0, sequence=0) == "lost"
        assert desk.job(job_id) == {"total": 2, "cancelled": 2}
        check_books(desk, ["rows", "r0", "r1"])

    def test_further_slices_are_refused(self, desk: Desk) -> None:
        job_id = desk.add("a").job_id
        desk.ledger.cancel(job_id)
        with pytest.raises(Conflict) as caught:
            desk.accept(text("b"), job_id=job_id)
        assert caught.value.code == "job-cancelled"

    def test_what_another_job_wants_by_now_is_left_alone(self, desk: Desk) -> None:
        first = desk.add("a", "b", body="one").job_id
        second = desk.add("a", body="two").job_id
        assert desk.ledger.cancel(first) == 1
        assert [desk.state(id) for id in "ab"] == ["pending", "cancelled"]
        assert desk.job(second) == {"total": 1, "pending": 1}
        check_books(desk, "ab")

    def test_a_cancel_long_enough_for_several_slices(self, desk: Desk) -> None:
        ids = [f"n{number}" for number in range(1000)]
        job_id = desk.add(*ids).job_id
        assert desk.ledger.cancel(job_id) == 1000
        assert desk.job(job_id) == {"total": 1000, "cancelled": 1000}

    def test_the_same_text_can_be_sent_again_while_a_cancelled_attempt_is_in_hand(self, desk: Desk) -> None:
        desk.ledger.cancel(desk.add("a").job_id)
        desk.add("b")
        job_id = desk.add("c").job_id
        claim = desk.claim()
        desk.ledger.cancel(job_id)
        assert desk.add("c").documents[0].outcome == "accepted"
        for document in claim.documents:
            if document.id == "b":
                assert desk.finish(document, claim.token) == "finished"
        check_books(desk, "abc")


class TestRetry:
    def test_failed_documents_get_a_job_of_their_own(self, desk: Desk, jobs: JobReader) -> None:
        old = desk.add(*"abc").job_id
        fail(desk, "a", "c")
        new, count = desk.ledger.retry(CID)
        assert count == 2
        assert desk.job(old) == {"total": 3, "failed": 2, "ready": 1}
        assert desk.job(new) == {"total": 2, "pending": 2}
        record = desk.record("a")
        assert (record.state, record.attempts, record.error, record.job_id) == (DocumentState.PENDING, 0, "", new)
        check_books(desk, "abc")
        desk.drain()
        assert jobs.get(new).state == "done"
        assert desk.ledger.retry(CID) == ("", 0)
        assert [job.id for job in jobs.list().items] == [new, old]

    def test_by_id_takes_cancelled_ones_too_and_passes_over_the_rest(self, desk: Desk) -> None:
        desk.add("a", "b")
        fail(desk, "b")
        desk.ledger.cancel(desk.add("c").job_id)
        _, count = desk.ledger.retry(CID, document_ids=["a", "b", "c", "nosuch"])
        assert count == 2
        assert [desk.state(id) for id in "abc"] == ["ready", "pending", "pending"]
        check_books(desk, "abc")

    def test_of_all_leaves_cancelled_ones(self, desk: Desk) -> None:
        desk.ledger.cancel(desk.add("a").job_id)
        assert desk.ledger.retry(CID) == ("", 0)

    def test_keeps_the_generation_and_starts_attempts_anew(self, desk: Desk) -> None:
        desk.add("a")
        document, token = desk.one()
        first = desk.ledger.begin(document, token)
        desk.ledger.fail(document, token, code="x", reason="x", retry=False)
        desk.ledger.retry(CID)
        again, token = desk.one()
        assert (again.generation, again.attempts) == (document.generation, 0)
        assert desk.ledger.begin(again, token) > first  # else the index would call the retry's write stale

    def test_names_documents_or_a_job(self, desk: Desk) -> None:
        with pytest.raises(InvalidInput):
            desk.ledger.retry(CID, document_ids=["a"], job_id="b")

    def test_of_a_thousand(self, desk: Desk) -> None:
        ids = [f"n{number}" for number in range(1000)]
        desk.ledger.cancel(desk.add(*ids).job_id)
        new, count = desk.ledger.retry(CID, document_ids=ids)
        assert count == 1000
        assert desk.job(new) == {"total": 1000, "pending": 1000}


def test_old_finished_jobs_are_forgotten_and_their_documents_stay(desk: Desk, jobs: JobReader) -> None:
    finished = [desk.add(f"n{number}").job_id for number in range(4)]
    desk.drain()
    running = desk.add("open").job_id
    assert desk.ledger.prune_jobs(keep=2) == 0  # too young
    for number, job_id in enumerate(finished):
        desk.client.zadd(keys.FINISHED_JOBS, {job_id: number + 1})
    assert desk.ledger.prune_jobs(keep=2) == 2
    assert [job.id for job in jobs.list().items] == [running, finished[3], finished[2]]
    assert desk.state("n0") is DocumentState.READY
    desk.add("n0", body="changed")
    desk.drain()
    check_books(desk, ["n0", "n1", "n2", "n3", "open"])
