"""Accepting: durable before it returns, once per request, and nothing is done for what has not changed."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from services.errors import Conflict, InvalidInput, NotFound, StorageFull, TooLarge
from services.ledger import keys
from services.ledger.values import AcceptRequest, DocumentKind, DocumentState, NewDocument
from services.redis_clients import Client
from tests.integration.ledger_tools import CID, Desk, check_books, make_desk, text


@pytest.fixture
def desk(ledger_client: Client, tmp_path: Path) -> Desk:
    return make_desk(ledger_client, tmp_path / "accepted")


def test_an_accepted_document_is_pending_and_stands_in_its_envelope(desk: Desk) -> None:
    answer = desk.accept(text("a", "first", title="A title"), text("b", "second"), label="two texts")
    assert [(one.id, one.outcome) for one in answer.documents] == [("a", "accepted"), ("b", "accepted")]
    assert answer.documents[0].generation == answer.documents[1].generation > 1_600_000_000_000_000
    record = desk.record("a")
    assert (record.state, record.visible_generation, record.title) == (DocumentState.PENDING, 0, "A title")
    stored = desk.ledger._envelopes.read(record.envelope)
    assert stored.document == text("a", "first", title="A title")
    assert (stored.collection_id, stored.generation) == (CID, record.wanted_generation)
    assert desk.job(answer.job_id) == {"total": 2, "pending": 2}
    check_books(desk, ["a", "b"])


def test_the_bell_is_rung_once_until_somebody_claims(desk: Desk) -> None:
    assert desk.add("a").ring is True
    assert desk.add("b").ring is False
    desk.claim(most=1)
    assert desk.add("c").ring is True


def test_nothing_new_rings_no_bell_and_writes_no_envelope(desk: Desk) -> None:
    desk.add("a", "b")
    desk.drain()
    files = set(desk.folder.glob("*/*"))
    answer = desk.add("a", "b")
    assert [one.outcome for one in answer.documents] == ["unchanged", "unchanged"]
    assert answer.ring is False
    assert set(desk.folder.glob("*/*")) == files
    assert desk.job(answer.job_id) == {"total": 2, "unchanged": 2}
    check_books(desk, ["a", "b"])


def test_only_what_changed_is_written_again(desk: Desk) -> None:
    desk.add("a", "b")
    desk.drain()
    before = desk.record("a")
    answer = desk.accept(text("a"), text("b", "new words"))
    assert [one.outcome for one in answer.documents] == ["unchanged", "accepted"]
    assert answer.documents[0].generation == before.wanted_generation
    _, stored = desk.ledger._envelopes.replay(desk.record("b").envelope.partition(":")[0])
    assert [one.document.id for one in stored] == ["b"]
    assert desk.job(answer.job_id) == {"total": 2, "unchanged": 1, "pending": 1}


@pytest.mark.parametrize("stop", ["pending", "processing", "ready"])
def test_unchanged_is_said_in_every_state_that_ends_well(desk: Desk, stop: str) -> None:
    desk.add("a")
    if stop != "pending":
        document, token = desk.one()
        if stop == "ready":
            desk.finish(document, token)
    assert desk.add("a").documents[0].outcome == "unchanged"


def test_a_failed_document_is_taken_again_with_the_same_text(desk: Desk) -> None:
    desk.add("a")
    document, token = desk.one()
    desk.ledger.begin(document, token)
    desk.ledger.fail(document, token, code="undecodable-text", reason="No text.", retry=False)
    assert desk.add("a").documents[0].outcome == "accepted"
    assert desk.record("a").error == ""
    check_books(desk, ["a"])


def test_metadata_alone_is_a_change(desk: Desk) -> None:
    desk.add("a")
    desk.drain()
    same = text("a")
    other = NewDocument(
        id="a", kind=DocumentKind.TEXT, body=same.body, text_hash=same.text_hash, full_hash="f" * 32, metadata={"y": 1}
    )
    assert desk.accept(other).documents[0].outcome == "accepted"


def test_a_b_a_ends_as_a(desk: Desk) -> None:
    desk.add("x", body="A")
    desk.drain()
    desk.add("x", body="B")  # accepted, not yet visible
    assert desk.add("x", body="A").documents[0].outcome == "accepted"
    desk.drain()
    assert desk.ledger._envelopes.read(desk.record("x").visible_envelope).document.body == b"A"


def test_a_request_id_brings_back_the_same_answer(desk: Desk) -> None:
    first = desk.accept(text("a"), request_id="k", request_hash="h")
    files = set(desk.folder.glob("*/*"))
    again = desk.accept(text("a"), request_id="k", request_hash="h")
    assert again.replayed
    assert not first.replayed
    assert (again.job_id, again.documents) == (first.job_id, first.documents)
    assert set(desk.folder.glob("*/*")) == files
    assert desk.ledger.remembered(CID, "k", "h") == again
    assert desk.ledger.remembered(CID, "other", "h") is None


def test_a_request_id_with_other_content_is_refused(desk: Desk) -> None:
    desk.accept(text("a"), request_id="k", request_hash="h")
    with pytest.raises(Conflict) as caught:
        desk.accept(text("b"), request_id="k", request_hash="other")
    assert caught.value.code == "idempotency-key-reused"
    assert desk.ledger.document(CID, "b") is None


def test_two_requests_with_one_id_at_once_make_one_document(desk: Desk) -> None:
    """Both may write an envelope; the script lets one through and the other's envelope is removed."""
    answers = []
    barrier = threading.Barrier(4)

    def send(number: int) -> None:
        barrier.wait()
        answers.append(desk.accept(text(f"generated-{number}"), request_id="k", request_hash="h"))

    threads = [threading.Thread(target=send, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({answer.documents[0].id for answer in answers}) == 1
    assert sorted(answer.replayed for answer in answers) == [False, True, True, True]
    assert len(list(desk.folder.glob("*/*.nfe"))) == 1
    check_books(desk, [f"generated-{number}" for number in range(4)])


def test_concurrent_updates_of_one_document_all_come_through(desk: Desk) -> None:
    threads = [threading.Thread(target=lambda n=n: desk.add("x", body=f"v{n}")) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    check_books(desk, ["x"])
    assert desk.drain() == 1
    total = sum(desk.job(name.decode().rpartition(":")[2]).get("superseded", 0) for name in _jobs(desk))
    assert total == 5


def test_a_document_that_moved_after_it_was_looked_at_costs_another_envelope(desk: Desk) -> None:
    """Between the look and the script another request may get a generation that is as high or higher."""
    store = desk.ledger._envelopes
    write = store.write
    others: list[int] = []

    def write_after_another(*arguments: object) -> tuple[str, ...]:
        if not others:
            others.append(0)
            others.append(desk.add("a", body="another").documents[0].generation)
            key = keys.document(CID, desk.record("a").doc_hash)
            desk.client.hset(key, "gen", others[1] + 60_000_000)
        return write(*arguments)  # type: ignore[arg-type]

    store.write = write_after_another  # type: ignore[method-assign,assignment]
    answer = desk.add("a", body="mine")
    assert answer.documents[0].generation > others[1] + 60_000_000
    assert store.read(desk.record("a").envelope).document.body == b"mine"
    assert len(list(desk.folder.glob("*/*.nfe"))) == 2  # the refused one was removed at once
    check_books(desk, ["a"])


def test_what_was_unchanged_when_looked_at_is_written_when_it_is_so_no_more(desk: Desk) -> None:
    desk.add("a")
    desk.drain()
    run = desk.ledger.link.run
    deleted: list[str] = []

    def delete_meanwhile(name: str, *arguments: object) -> object:
        reply = run(name, *arguments)  # type: ignore[arg-type]
        if name == "prepare" and not deleted:
            deleted.append("a")
            desk.delete("a")
        return reply

    desk.ledger.link.run = delete_meanwhile  # type: ignore[method-assign]
    assert desk.add("a").documents[0].outcome == "accepted"
    assert desk.ledger._envelopes.read(desk.record("a").envelope).document.body == b"hello"
    check_books(desk, ["a"])


def test_other_remembered_answers(desk: Desk) -> None:
    assert desk.ledger.recall("collections", "k", "h") is None
    assert desk.ledger.remember("collections", "k", "h", "made") == "made"
    assert desk.ledger.remember("collections", "k", "h", "made twice") == "made"
    assert desk.ledger.recall("collections", "k", "h") == "made"
    with pytest.raises(Conflict):
        desk.ledger.recall("collections", "k", "other")
    with pytest.raises(Conflict):
        desk.ledger.remember("collections", "k", "other", "x")


def test_a_generation_outranks_a_restored_ledger_and_a_slow_clock(desk: Desk) -> None:
    desk.add("a")
    desk.drain()
    ahead = 9_000_000_000_000_000  # as an index that is newer than the ledger would have it; still exact as a double
    desk.client.hset(keys.document(CID, desk.record("a").doc_hash), "gen", ahead)
    assert desk.add("a", body="new").documents[0].generation == ahead + 1
    check_books(desk, ["a"])


@pytest.mark.parametrize(
    ("documents", "error", "code"),
    [
        ((), InvalidInput, "no-documents"),
        ((text("a"), text("a", "b")), InvalidInput, "doubled-id"),
        (tuple(text(str(n)) for n in range(1001)), TooLarge, "too-large"),
    ],
)
def test_requests_that_make_no_sense(
    desk: Desk, documents: tuple[NewDocument, ...], error: type[Exception], code: str
) -> None:
    with pytest.raises(error) as caught:
        desk.ledger.accept(AcceptRequest(CID, documents))
    assert caught.value.code == code  # type: ignore[attr-defined]


def test_a_job_that_is_not_there_cannot_be_joined(desk: Desk) -> None:
    with pytest.raises(NotFound) as caught:
        desk.accept(text("a"), job_id="nosuchjob")
    assert caught.value.code == "unknown-job"
    assert not list(desk.folder.glob("*/*.nfe"))


def test_slices_of_one_request_join_its_job(desk: Desk) -> None:
    first = desk.add("a", "b")
    second = desk.accept(text("c"), text("a", "newer"), job_id=first.job_id)
    assert second.job_id == first.job_id
    assert desk.job(first.job_id) == {"total": 4, "pending": 3, "superseded": 1}
    check_books(desk, ["a", "b", "c"])


def test_a_thousand_documents_and_strange_texts_come_through_whole(desk: Desk) -> None:
    strange = text('quote " back \\ slash', "naïve \x00 日本 \U0001f600", title="title \u2028 \x7f")
    desk.accept(strange, *(text(f"n{number}", f"body {number}") for number in range(999)))
    record = desk.record(strange.id)
    assert desk.ledger._envelopes.read(record.envelope).document == strange
    assert record.title == strange.title
    assert desk.ledger.counts(CID).waiting == 1000


def test_a_ledger_without_memory_takes_nothing_in(desk: Desk) -> None:
    """Refused whole; what was accepted before is still worked off, because those scripts need next to no memory."""
    desk.add("before")
    limit = desk.client.config_get("maxmemory")["maxmemory"]
    desk.client.config_set("maxmemory", 1)
    try:
        with pytest.raises(StorageFull):
            desk.add("a")
        assert desk.ledger.document(CID, "a") is None
        assert desk.drain() == 1
    finally:
        desk.client.config_set("maxmemory", limit)
    assert desk.add("a").documents[0].outcome == "accepted"
    check_books(desk, ["before", "a"])


def _jobs(desk: Desk) -> list[bytes]:
    return list(desk.client.scan_iter(f"{keys.ROOT}:j:*"))


def test_a_removal_that_may_not_overtake_leaves_a_newer_version(desk: Desk) -> None:
    seen = desk.add("a", "b").documents[0].generation
    desk.drain()
    newer = desk.add("a", body="a newer text").documents[0].generation
    answer = desk.accept(text("a", kind="delete"), text("b", kind="delete"), not_after=seen)
    assert [document.outcome for document in answer.documents] == ["stale", "accepted"]
    desk.drain()
    assert (desk.record("a").visible_generation, desk.state("b")) == (newer, DocumentState.DELETED)
    check_books(desk, ["a", "b"])
