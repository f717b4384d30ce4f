"""Versions of one document: update, delete and the slow worker in between."""

from __future__ import annotations

from pathlib import Path

import pytest

from services.ledger.values import DocumentKind, DocumentState, LeaseLost
from services.redis_clients import Client
from tests.integration.ledger_tools import CID, Desk, check_books, make_desk, text


@pytest.fixture
def desk(ledger_client: Client, tmp_path: Path) -> Desk:
    return make_desk(ledger_client, tmp_path / "accepted")


def body(desk: Desk, reference: str) -> bytes:
    return desk.ledger._envelopes.read(reference).document.body


def test_an_update_before_the_claim_supersedes(desk: Desk) -> None:
    first = desk.add("a", body="one")
    second = desk.add("a", body="two")
    assert desk.job(first.job_id) == {"total": 1, "superseded": 1}
    assert desk.drain() == 1
    assert desk.job(second.job_id) == {"total": 1, "ready": 1}
    assert body(desk, desk.record("a").visible_envelope) == b"two"
    check_books(desk, ["a"])


def test_an_update_during_the_work_makes_the_worker_lose_it(desk: Desk) -> None:
    first = desk.add("a", body="one")
    document, token = desk.one()
    attempt = desk.ledger.begin(document, token)
    desk.add("a", body="two")
    check_books(desk, ["a"])
    with pytest.raises(LeaseLost):
        desk.ledger.begin(document, token)
    assert desk.ledger.fail(document, token, code="x", reason="x", retry=False) == "lost"
    assert desk.ledger.finish(document, token, attempt=attempt, chunks=1, sequence=0) == "lost"
    assert desk.job(first.job_id) == {"total": 1, "superseded": 1}
    newer, other = desk.one()
    assert newer.generation > document.generation
    assert desk.finish(newer, other) == "finished"
    assert desk.ledger.finish(document, token, attempt=attempt, chunks=1, sequence=3) == "lost"
    assert body(desk, desk.record("a").visible_envelope) == b"two"
    check_books(desk, ["a"])


def test_a_version_that_was_overtaken_after_its_write_is_what_searches_show_until_the_next(desk: Desk) -> None:
    """The index has it, so the ledger must say so: else text and passages would not belong together."""
    desk.add("a", body="one")
    desk.drain()
    desk.add("a", body="two")
    document, token = desk.one()
    attempt = desk.ledger.begin(document, token)
    desk.add("a", body="three")
    assert desk.ledger.finish(document, token, attempt=attempt, chunks=5, sequence=99) == "lost"
    record = desk.record("a")
    assert record.visible_generation == document.generation
    assert body(desk, record.visible_envelope) == b"two"
    assert record.chunks == 5
    check_books(desk, ["a"])
    newest, token = desk.one()
    desk.ledger.begin(newest, token)
    desk.ledger.fail(newest, token, code="x", reason="x", retry=False)
    assert body(desk, desk.record("a").visible_envelope) == b"two"
    check_books(desk, ["a"])


def test_a_delete_ends_in_a_record_that_is_not_listed(desk: Desk) -> None:
    desk.add("a", "b")
    desk.drain()
    answer = desk.delete("a")
    assert answer.documents[0].outcome == "accepted"
    record = desk.record("a")
    assert (record.kind, record.state) == (DocumentKind.DELETE, DocumentState.PENDING)
    assert record.visible_generation > 0
    document, token = desk.one()
    assert (document.kind, document.visible_generation) == (DocumentKind.DELETE, record.visible_generation)
    assert desk.finish(document, token, chunks=0) == "finished"
    record = desk.record("a")
    assert (record.state, record.visible_generation, record.visible_envelope) == (DocumentState.DELETED, 0, "")
    assert [one.id for one in desk.ledger.documents(CID).items] == ["b"]
    assert [one.id for one in desk.ledger.documents(CID, state=DocumentState.DELETED).items] == ["a"]
    assert desk.ledger.counts(CID).searchable == 1
    assert desk.job(answer.job_id) == {"total": 1, "deleted": 1}
    check_books(desk, "ab")


def test_a_delete_of_what_is_not_there_changes_nothing(desk: Desk) -> None:
    answer = desk.delete("never")
    assert [(one.outcome, one.generation) for one in answer.documents] == [("unchanged", 0)]
    assert desk.ledger.document(CID, "never") is None
    desk.add("a")
    desk.delete("a")
    assert desk.delete("a").documents[0].outcome == "unchanged"
    desk.drain()
    assert desk.delete("a").documents[0].outcome == "unchanged"
    check_books(desk, ["a", "never"])


def test_a_delete_that_failed_is_taken_again(desk: Desk) -> None:
    desk.add("a")
    desk.drain()
    desk.delete("a")
    document, token = desk.one()
    desk.ledger.begin(document, token)
    desk.ledger.fail(document, token, code="x", reason="x", retry=False)
    assert desk.record("a").visible_generation > 0
    assert desk.delete("a").documents[0].outcome == "accepted"
    desk.drain()
    assert desk.state("a") is DocumentState.DELETED
    check_books(desk, ["a"])


@pytest.mark.parametrize("when", ["deleted", "pending", "processing"])
def test_the_same_text_after_a_delete_is_not_unchanged(desk: Desk, when: str) -> None:
    desk.add("a")
    desk.drain()
    desk.delete("a")
    if when == "deleted":
        desk.drain()
    elif when == "processing":
        desk.one()
    assert desk.add("a").documents[0].outcome == "accepted"
    check_books(desk, ["a"])
    desk.drain()
    assert desk.state("a") is DocumentState.READY
    assert desk.ledger.counts(CID).searchable == 1
    check_books(desk, ["a"])


def test_a_delete_during_the_work_keeps_the_slow_writer_out(desk: Desk) -> None:
    desk.add("a")
    document, token = desk.one()
    attempt = desk.ledger.begin(document, token)
    desk.delete("a")
    assert desk.drain() == 1
    assert desk.ledger.finish(document, token, attempt=attempt, chunks=1, sequence=99) == "lost"
    assert desk.state("a") is DocumentState.DELETED
    assert desk.ledger.counts(CID).searchable == 0
    check_books(desk, ["a"])


def test_a_delete_that_was_overtaken_after_it_took_effect_shows_nothing_until_the_next(desk: Desk) -> None:
    desk.add("a", body="one")
    desk.drain()
    desk.delete("a")
    document, token = desk.one()
    attempt = desk.ledger.begin(document, token)
    desk.add("a", body="two")
    assert desk.ledger.finish(document, token, attempt=attempt, chunks=0, sequence=99) == "lost"
    assert desk.record("a").visible_generation == 0
    check_books(desk, ["a"])
    desk.drain()
    assert body(desk, desk.record("a").visible_envelope) == b"two"
    check_books(desk, ["a"])


def test_a_deleted_document_that_comes_back_is_last_in_the_list_again(desk: Desk) -> None:
    desk.add("a")
    desk.add("b")
    desk.delete("a")
    desk.drain()
    desk.add("a")
    assert [one.id for one in desk.ledger.documents(CID).items] == ["a", "b"]
    desk.add("b", body="changed")
    assert [one.id for one in desk.ledger.documents(CID).items] == ["a", "b"]


def test_a_file_keeps_its_old_title_until_it_has_been_read(desk: Desk) -> None:
    desk.accept(text("f", "<h1>One</h1>", kind="file"))
    document, token = desk.one()
    desk.ledger.finish(document, token, attempt=desk.ledger.begin(document, token), chunks=1, sequence=1, title="One")
    desk.accept(text("f", "<h1>Two</h1>", kind="file"))
    assert desk.record("f").title == "One"
    document, token = desk.one()
    desk.ledger.finish(document, token, attempt=desk.ledger.begin(document, token), chunks=1, sequence=2, title="")
    assert desk.record("f").title == ""
    desk.accept(text("t", title="Given"))
    desk.accept(text("t", title=""))
    assert desk.record("t").title == ""
