"""What people see of documents under way: timings, failures found by reason, cancelled work taken up again."""

from __future__ import annotations

from pathlib import Path

import pytest

from services.errors import InvalidInput, NotFound
from services.ledger import keys
from services.ledger.finding import Wanted
from services.ledger.values import DocumentState, Timings
from services.redis_clients import Client
from tests.integration.ledger_tools import CID, Desk, check_books, make_desk, text


@pytest.fixture
def desk(ledger_client: Client, tmp_path: Path) -> Desk:
    return make_desk(ledger_client, tmp_path / "accepted")


def fail(desk: Desk, codes: dict[str, str]) -> None:
    claim = desk.claim()
    for document in claim.documents:
        desk.ledger.begin(document, claim.token)
        desk.ledger.fail(document, claim.token, code=codes[document.id], reason="It is bad.", retry=False)


def test_timings_are_kept_with_a_finished_document(desk: Desk) -> None:
    desk.add("a")
    assert (desk.record("a").queue_ms, desk.record("a").timings) == (None, None)
    document, token = desk.one()
    queued = desk.record("a").queue_ms
    assert queued is not None
    assert 0 <= queued < 60_000
    attempt = desk.ledger.begin(document, token)
    desk.ledger.finish(document, token, attempt=attempt, chunks=1, sequence=1, timings=Timings(3, 20, 5))
    assert desk.record("a").timings == Timings(extract_ms=3, embed_ms=20, write_ms=5)
    assert desk.record("a").queue_ms == queued
    desk.add("a", body="another text")
    assert (desk.record("a").queue_ms, desk.record("a").timings) == (None, None)


def test_the_queue_time_is_that_of_the_first_claim(desk: Desk) -> None:
    desk.add("a")
    document, token = desk.one()
    first = desk.record("a").queue_ms
    desk.client.hset(keys.document(CID, document.doc_hash), "queued", 7_000_000)
    desk.ledger.release(token, [document], pause_ms=0)
    desk.one()
    assert first is not None
    assert desk.record("a").queue_ms == 7_000


def test_failures_are_found_by_reason_and_by_name(desk: Desk) -> None:
    codes = {f"scan/{n}.pdf": "no-text" for n in range(7)} | {f"mail/{n}.eml": "damaged-file" for n in range(3)}
    desk.add(*codes)
    fail(desk, codes)
    desk.add("fine")
    desk.drain()
    assert desk.ledger.failure_codes(CID) == {"no-text": 7, "damaged-file": 3}
    assert desk.ledger.failure_codes("zzzzzzzzzzzz") == {}
    failed = Wanted(DocumentState.FAILED, code="no-text")
    pages, cursor = [], ""
    while True:
        page = desk.ledger.find(CID, failed, cursor=cursor, limit=3)
        pages.append([record.id for record in page.items])
        cursor = page.next_cursor
        if not cursor:
            break
    assert [len(page) for page in pages] == [3, 3, 1]
    assert [id for page in pages for id in page] == [f"scan/{n}.pdf" for n in reversed(range(7))]
    by_name = desk.ledger.find(CID, Wanted(text="MAIL/1"), limit=10)
    assert [record.id for record in by_name.items] == ["mail/1.eml"]
    assert [record.id for record in desk.ledger.all_of(CID, Wanted(DocumentState.READY))] == ["fine"]
    assert desk.ledger.find(CID, Wanted(DocumentState.READY, code="no-text")).items == ()
    with pytest.raises(InvalidInput):
        desk.ledger.find(CID, failed, cursor="x")


def test_a_long_list_is_looked_through_in_stretches(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.ledger.finding.STRETCH", 4)
    monkeypatch.setattr("services.ledger.finding.LOOKED_AT", 8)
    desk.add(*(f"n{number:02}" for number in range(30)))
    page = desk.ledger.find(CID, Wanted(text="n00"), limit=5)
    assert page.items == ()
    assert page.next_cursor != ""
    assert [record.id for record in desk.ledger.all_of(CID, Wanted(text="n00"))] == ["n00"]
    evens = [record.id for record in desk.ledger.all_of(CID, Wanted(text="n1"))]
    assert evens == [f"n{number}" for number in reversed(range(10, 20))]


def test_a_cancelled_job_is_taken_up_again(desk: Desk) -> None:
    job_id = desk.add("a", "b", "c").job_id
    document, token = desk.one()
    desk.ledger.cancel(job_id)
    assert desk.job(job_id) == {"total": 3, "processing": 1, "cancelled": 2}
    assert desk.ledger.resume(job_id) == 2
    desk.ledger.release(token, [document], pause_ms=0)  # its cancellation was taken back in time
    assert desk.job(job_id) == {"total": 3, "pending": 3}
    assert desk.drain() == 3
    assert desk.job(job_id) == {"total": 3, "ready": 3}
    check_books(desk, ["a", "b", "c"])
    assert desk.ledger.resume(job_id) == 0
    assert desk.job(job_id) == {"total": 3, "ready": 3}


def test_a_resumed_source_goes_on_where_it_stopped(desk: Desk) -> None:
    job_id = desk.accept(text("rows", kind="source")).job_id
    source, token = desk.one()
    desk.ledger.begin(source, token)
    desk.accept(text("r1", parent=source.doc_hash), job_id=job_id, generation=source.generation)
    desk.ledger.save_cursor(source, token, 1, 1)
    desk.ledger.cancel(job_id)
    assert desk.claim().documents == ()
    desk.ledger.resume(job_id)
    again = {document.id: document for _ in range(2) for document in desk.claim(most=1).documents}
    assert again["rows"].cursor == 1
    assert "r1" in again
    check_books(desk, ["rows", "r1"])


def test_what_was_sent_anew_is_not_resumed_with_the_old_job(desk: Desk) -> None:
    old = desk.add("a", "b").job_id
    desk.ledger.cancel(old)
    new = desk.add("a", body="newer").job_id
    desk.ledger.cancel(new)
    assert desk.ledger.resume(old) == 1
    assert (desk.state("a"), desk.state("b")) == (DocumentState.CANCELLED, DocumentState.PENDING)
    check_books(desk, ["a", "b"])


def test_retrying_a_job_leaves_its_cancelled_documents(desk: Desk) -> None:
    job_id = desk.add("a", "b").job_id
    document, token = desk.one()
    desk.ledger.begin(document, token)
    desk.ledger.fail(document, token, code="bad", reason="It is bad.", retry=False)
    desk.ledger.cancel(job_id)
    _, count = desk.ledger.retry(CID, job_id=job_id)
    assert count == 1
    other = {"a", "b"} - {document.id}
    assert desk.state(other.pop()) is DocumentState.CANCELLED
    with pytest.raises(NotFound):
        desk.ledger.resume("nosuchjob")
