"""Sources: one upload that the worker expands into many documents, in slices that a crash may repeat."""

from __future__ import annotations

from pathlib import Path

import pytest

from services.errors import InvalidInput
from services.ids import hash_document_id
from services.ledger.values import AcceptAnswer, ClaimedDocument, DocumentKind, DocumentState, LeaseLost, NewDocument
from services.redis_clients import Client
from tests.integration.ledger_tools import CID, Desk, check_books, make_desk, text

SOURCE = hash_document_id("rows")
IDS = ["rows", *(f"r{number}" for number in range(9))]


@pytest.fixture
def desk(ledger_client: Client, tmp_path: Path) -> Desk:
    return make_desk(ledger_client, tmp_path / "accepted")


def upload(desk: Desk, body: str) -> str:
    return desk.accept(text("rows", body, kind="source")).job_id


def take(desk: Desk, id: str = "rows") -> tuple[ClaimedDocument, str]:
    """Claims until the wanted document comes; the others stay under their leases."""
    while True:
        document, token = desk.one()
        if document.id == id:
            return document, token


def expand(desk: Desk, source: ClaimedDocument, *documents: NewDocument) -> AcceptAnswer:
    return desk.accept(*documents, job_id=source.job_id, generation=source.generation)


def row(number: int, body: str = "row") -> NewDocument:
    return text(f"r{number}", f"{body} {number}", parent=SOURCE)


def finish_source(desk: Desk, source: ClaimedDocument, token: str) -> str:
    return desk.ledger.finish(source, token, attempt=1, chunks=0, sequence=0)


def load(desk: Desk, numbers: range, body: str = "row") -> tuple[str, ClaimedDocument]:
    """Uploads, expands and indexes; also removes what is gone, as the pipeline does."""
    job = upload(desk, f"{body} {numbers}")
    source, token = take(desk)
    desk.ledger.begin(source, token)
    expand(desk, source, *(row(number, body) for number in numbers))
    gone = desk.ledger.children(CID, source.doc_hash, source.generation)
    if gone:
        expand(desk, source, *(text(id, kind="delete", parent=SOURCE) for id in gone))
    assert finish_source(desk, source, token) == "finished"
    desk.drain()
    return job, source


def test_a_job_counts_the_children_and_not_the_source(desk: Desk) -> None:
    job = upload(desk, "v1")
    assert desk.job(job) == {"total": 1, "pending": 1}
    source, token = take(desk)
    desk.ledger.begin(source, token)
    answer = expand(desk, source, *(row(number) for number in range(3)))
    assert {one.outcome for one in answer.documents} == {"accepted"}
    assert {one.generation for one in answer.documents} == {source.generation}
    assert desk.job(job) == {"total": 4, "processing": 1, "pending": 3}
    desk.ledger.save_cursor(source, token, 300, 3)
    assert (desk.record("rows").children, desk.record("r1").parent) == (3, SOURCE)
    assert finish_source(desk, source, token) == "finished"
    assert finish_source(desk, source, token) == "already"
    assert desk.job(job) == {"total": 3, "pending": 3}
    desk.drain()
    assert desk.job(job) == {"total": 3, "ready": 3}
    counts = desk.ledger.counts(CID)
    assert (counts.searchable, counts.documents["ready"]) == (3, 3)
    assert desk.record("rows").state is DocumentState.READY
    assert desk.record("rows").visible_generation == 0
    assert len(desk.ledger.documents(CID).items) == 4
    check_books(desk, IDS)


def test_a_source_is_claimed_alone(desk: Desk) -> None:
    desk.add("before")
    upload(desk, "v1")
    desk.add("after")
    assert [[one.id for one in desk.claim().documents] for _ in range(3)] == [["before"], ["rows"], ["after"]]


def test_a_slice_that_a_crash_repeats_is_counted_once(desk: Desk) -> None:
    job = upload(desk, "v1")
    source, token = take(desk)
    desk.ledger.begin(source, token)
    expand(desk, source, row(0), row(1))  # and then the worker dies, before it saves its cursor
    desk.expire_leases()
    desk.ledger.expire()
    source, token = take(desk)
    assert (source.cursor, source.attempts) == (0, 1)
    answer = expand(desk, source, row(0), row(1), row(2))
    assert [one.outcome for one in answer.documents] == ["unchanged", "unchanged", "accepted"]
    assert desk.job(job)["total"] == 4
    check_books(desk, IDS)


def test_a_repeated_slice_after_its_rows_are_done_brings_nothing_back(desk: Desk) -> None:
    job, source = load(desk, range(2))
    answer = expand(desk, source, row(0), row(1))
    assert {one.outcome for one in answer.documents} == {"unchanged"}
    assert desk.job(job) == {"total": 2, "ready": 2}
    desk.delete("r0")
    answer = expand(desk, source, row(0))
    assert answer.documents[0].outcome == "stale"
    assert desk.job(job) == {"total": 2, "ready": 2}
    check_books(desk, IDS)


def test_the_cursor_is_progress_and_gives_attempts_back(desk: Desk) -> None:
    upload(desk, "v1")
    for turn in range(5):
        source, token = take(desk)
        assert source.cursor == turn * 10
        desk.ledger.begin(source, token)
        desk.ledger.save_cursor(source, token, (turn + 1) * 10, turn)
        desk.ledger.save_cursor(source, token, 1, turn)  # an older reply that comes late moves nothing back
        if turn % 2:
            desk.ledger.release(token, [source], pause_ms=0)
        else:
            desk.expire_leases()
            desk.ledger.expire()
        assert desk.state("rows") is DocumentState.PENDING
    with pytest.raises(LeaseLost):
        desk.ledger.save_cursor(source, token, 99, 1)
    check_books(desk, IDS)


def test_the_same_rows_again_are_unchanged_and_counted_once(desk: Desk) -> None:
    load(desk, range(3))
    job = upload(desk, "other bytes, same rows")
    source, _ = take(desk)
    for _ in range(2):
        answer = expand(desk, source, row(0), row(1), row(2, "changed"))
    assert [one.outcome for one in answer.documents] == ["unchanged", "unchanged", "unchanged"]
    assert desk.job(job) == {"total": 4, "processing": 1, "unchanged": 2, "pending": 1}
    assert desk.ledger.children(CID, SOURCE, source.generation) == ()
    check_books(desk, IDS)


def test_rows_that_are_gone_are_found_and_deleted(desk: Desk) -> None:
    load(desk, range(4))
    job, source = load(desk, range(1, 3))
    assert [desk.state(f"r{number}") for number in range(4)] == ["deleted", "ready", "ready", "deleted"]
    assert desk.job(job) == {"total": 4, "unchanged": 2, "deleted": 2}
    assert desk.ledger.children(CID, SOURCE, source.generation + 1) == ("r1", "r2")
    assert desk.ledger.counts(CID).searchable == 2
    check_books(desk, IDS)


def test_a_source_that_is_deleted_can_take_its_rows_along(desk: Desk) -> None:
    load(desk, range(3))
    answer = desk.delete("rows")
    source, token = take(desk)
    assert (source.kind, source.children, source.visible_generation) == (DocumentKind.DELETE, 3, 0)
    gone = desk.ledger.children(CID, source.doc_hash, source.generation, 2)
    assert len(gone) == 2
    for ids in (gone, desk.ledger.children(CID, source.doc_hash, source.generation)):
        expand(desk, source, *(text(id, kind="delete", parent=SOURCE) for id in ids))
    assert desk.ledger.children(CID, source.doc_hash, source.generation) == ()
    assert desk.finish(source, token, chunks=0) == "finished"
    desk.drain()
    assert desk.job(answer.job_id) == {"total": 4, "deleted": 4}
    assert desk.ledger.counts(CID).searchable == 0
    check_books(desk, IDS)


def test_a_worker_that_was_overtaken_by_a_new_upload_adds_no_old_rows(desk: Desk) -> None:
    old_job = upload(desk, "v1")
    slow, slow_token = take(desk)
    expand(desk, slow, row(0))
    desk.ledger.save_cursor(slow, slow_token, 10, 1)
    load(desk, range(1, 3))
    answer = expand(desk, slow, row(7), row(1, "old"))
    assert {one.outcome for one in answer.documents} == {"stale"}
    assert desk.ledger.document(CID, "r7") is None
    assert desk.state("r0") is DocumentState.DELETED
    assert finish_source(desk, slow, slow_token) == "lost"
    assert desk.job(old_job)["superseded"] == 2
    check_books(desk, IDS)


def test_a_row_that_somebody_changed_since_is_left_alone(desk: Desk) -> None:
    job = upload(desk, "v1")
    source, _ = take(desk)
    desk.add("r1", body="by hand")
    answer = expand(desk, source, row(0), row(1))
    assert [one.outcome for one in answer.documents] == ["accepted", "stale"]
    assert desk.job(job) == {"total": 2, "processing": 1, "pending": 1}
    check_books(desk, IDS)


@pytest.mark.parametrize("harm", ["deleted", "changed", "failed", "cancelled"])
def test_the_same_upload_again_restores_a_row_that_was_harmed(desk: Desk, harm: str) -> None:
    """A source whose rows are not all there must not be called unchanged."""
    load(desk, range(2))
    same = text("rows", "row range(0, 2)", kind="source")
    assert desk.accept(same).documents[0].outcome == "unchanged"
    if harm == "deleted":
        desk.delete("r0")
        desk.drain()
    else:
        answer = desk.add("r0", body="by hand") if harm == "changed" else expand_again(desk)
        if harm == "failed":
            document, token = take(desk, "r0")
            desk.ledger.fail(document, token, code="x", reason="x", retry=False)
        if harm == "cancelled":
            desk.ledger.cancel(answer.job_id)
    assert desk.accept(same).documents[0].outcome == "accepted"
    check_books(desk, IDS)


def expand_again(desk: Desk) -> AcceptAnswer:
    """A second upload that changes a row, and then the first one once more, of which the row is still to be done."""
    upload(desk, "second")
    source, token = take(desk)
    expand(desk, source, row(0, "second"), row(1))
    finish_source(desk, source, token)
    desk.drain()
    upload(desk, "row range(0, 2)")
    source, token = take(desk)
    answer = expand(desk, source, row(0), row(1))
    finish_source(desk, source, token)
    return answer


def test_a_source_that_becomes_one_document_still_knows_its_rows(desk: Desk) -> None:
    load(desk, range(2))
    desk.add("rows", body="now an object")
    document, _ = take(desk)
    assert (document.kind, document.children, document.visible_generation) == (DocumentKind.TEXT, 2, 0)
    check_books(desk, IDS)


def test_a_document_that_becomes_a_source_is_no_longer_searchable_when_expanded(desk: Desk) -> None:
    desk.add("rows")
    desk.drain()
    upload(desk, "rows now")
    source, token = take(desk)
    assert source.visible_generation > 0  # the pipeline has to take it from the index
    expand(desk, source, row(0))
    finish_source(desk, source, token)
    assert desk.ledger.counts(CID).searchable == 0
    check_books(desk, IDS)


def test_a_source_that_fails_is_counted_as_failed(desk: Desk) -> None:
    job = upload(desk, "v1")
    source, token = take(desk)
    desk.ledger.begin(source, token)
    expand(desk, source, row(0))
    desk.ledger.fail(source, token, code="malformed-json", reason="Line 2 is no JSON.", retry=False)
    assert desk.job(job) == {"total": 2, "pending": 1, "failed": 1}
    new_job, count = desk.ledger.retry(CID, job_id=job)
    assert count == 1
    again, _ = take(desk)
    assert (again.id, again.generation, again.job_id) == ("rows", source.generation, new_job)
    check_books(desk, IDS)


def test_children_need_a_parent_and_a_job(desk: Desk) -> None:
    with pytest.raises(InvalidInput):
        desk.accept(text("a", parent=SOURCE), generation=5)
    with pytest.raises(InvalidInput):
        desk.accept(text("a"), generation=5, job_id="j")
    with pytest.raises(InvalidInput):
        desk.accept(text("a", parent=SOURCE), text("b", parent="other"), generation=5, job_id="j")
