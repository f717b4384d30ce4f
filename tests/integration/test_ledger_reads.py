"""Lists, counts, clearing: what people see of the ledger, and what goes when nobody needs it any more."""

from __future__ import annotations

from pathlib import Path

import pytest

from services.errors import InvalidInput, NearfieldError, NotFound
from services.ledger import keys
from services.ledger.values import DocumentState
from services.redis_clients import Client
from tests.integration.ledger_tools import CID, OTHER, Desk, check_books, make_desk, text


@pytest.fixture
def desk(ledger_client: Client, tmp_path: Path) -> Desk:
    return make_desk(ledger_client, tmp_path / "accepted")


def walk(desk: Desk, limit: int, state: DocumentState | None = None) -> list[str]:
    found: list[str] = []
    cursor = ""
    while True:
        page = desk.ledger.documents(CID, cursor=cursor, limit=limit, state=state)
        found += [record.id for record in page.items]
        cursor = page.next_cursor
        if not cursor:
            return found


@pytest.mark.parametrize("limit", [1, 3, 5, 10, 11])
def test_pages_have_no_gap_and_no_repeat(desk: Desk, limit: int) -> None:
    ids = [f"n{number}" for number in range(10)]
    desk.add(*ids)
    assert walk(desk, limit) == ids[::-1]


def test_a_page_turned_while_documents_change_has_no_gap_and_no_repeat(desk: Desk) -> None:
    ids = [f"n{number}" for number in range(10)]
    desk.add(*ids)
    page = desk.ledger.documents(CID, limit=4)
    desk.add("n8", "n2", "new", body="changed")
    desk.drain()
    rest = desk.ledger.documents(CID, cursor=page.next_cursor, limit=20)
    assert [record.id for record in (*page.items, *rest.items)] == ids[::-1]


def test_lists_by_state(desk: Desk) -> None:
    desk.add("a", "b")
    desk.drain()
    desk.add("c")
    assert walk(desk, 2, DocumentState.READY) == ["b", "a"]
    assert walk(desk, 2, DocumentState.PENDING) == ["c"]
    assert walk(desk, 2, DocumentState.FAILED) == []


@pytest.mark.parametrize("cursor", ["x", "-1", "1.5", "9" * 17, "²"])
def test_a_cursor_of_somebody_elses(desk: Desk, cursor: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        desk.ledger.documents(CID, cursor=cursor)
    assert (caught.value.code, caught.value.pointer) == ("bad-cursor", "/cursor")


def test_the_documents_of_a_job(desk: Desk) -> None:
    job_id = desk.add(*"abc").job_id
    desk.add("d")
    page = desk.ledger.job_documents(CID, job_id, limit=2)
    assert [record.id for record in page.items] == ["c", "b"]
    page = desk.ledger.job_documents(CID, job_id, cursor=page.next_cursor)
    assert [record.id for record in page.items] == ["a"]


def test_counts(desk: Desk) -> None:
    desk.add(*"abcd")
    claim = desk.claim(most=2)
    desk.finish(claim.documents[0], claim.token, chunks=4)
    counts = desk.ledger.counts(CID)
    assert {state: count for state, count in counts.documents.items() if count} == {
        "ready": 1,
        "processing": 1,
        "pending": 2,
    }
    assert (counts.searchable, counts.chunks, counts.waiting) == (1, 4, 2)
    assert desk.ledger.in_flight(CID) == 3
    assert desk.ledger.counts(OTHER).searchable == 0


def test_unknown_documents(desk: Desk) -> None:
    assert desk.ledger.document(CID, "never") is None
    assert desk.ledger.records(CID, ["0" * 32, "1" * 32]) == [None, None]
    assert desk.ledger.documents(OTHER).items == ()


def test_a_dropped_collection_leaves_nothing_and_takes_nothing_in(desk: Desk) -> None:
    other = make_desk(desk.client, desk.folder, cid=OTHER)
    other.add("kept")
    before = set(desk.client.scan_iter("*"))
    desk.add(*(f"n{number}" for number in range(30)))
    desk.drain()
    desk.accept(text("rows", kind="source"))
    source, token = desk.one()
    desk.accept(text("r0", parent=source.doc_hash), job_id=source.job_id, generation=source.generation)
    desk.delete("n1")
    claim = desk.claim(most=1)
    while desk.ledger.drop_collection(CID, 7):
        pass
    assert desk.ledger.drop_collection(CID, 7) == 0
    left = {key for key in desk.client.scan_iter("*") if not key.startswith(b"nf:l:q:")} - before
    assert left <= {keys.DROPPED.encode(), keys.FINISHED_JOBS.encode()}
    assert set(desk.client.hgetall(keys.ENVELOPES)) == {other.record("kept").envelope.partition(":")[0].encode()}
    assert desk.ledger.collection_ids() == [OTHER]
    with pytest.raises(NotFound) as caught:
        desk.add("late")
    assert caught.value.code == "unknown-collection"
    assert desk.claim().documents == ()
    assert desk.ledger.finish(source, token, attempt=1, chunks=0, sequence=0) == "lost"
    for document in claim.documents:
        assert desk.ledger.finish(document, claim.token, attempt=1, chunks=1, sequence=1) == "lost"
    assert desk.ledger.expire().leases == 0
    check_books(other, ["kept"])


class TestEnvelopesThatNobodyNeeds:
    HOUR_US = 3_600_000_000

    def sweep(self, desk: Desk, later_us: int = 2 * HOUR_US) -> int:
        seconds, micros = desk.client.time()
        store = desk.ledger._envelopes
        now_us = seconds * 1_000_000 + micros + later_us
        return sum(store.sweep(shard, now_us=now_us, condemn=desk.ledger.condemn) for shard in range(256))

    def test_go_after_an_hour_and_the_others_stay(self, desk: Desk) -> None:
        desk.add("a", "b", body="one")
        desk.drain()
        desk.add("a", body="two")
        assert self.sweep(desk) == 0  # "one" is still what b is, and what is visible of a
        desk.drain()
        assert self.sweep(desk) == 0
        desk.add("b", body="two")
        desk.drain()
        assert self.sweep(desk, later_us=0) == 0  # too young
        assert self.sweep(desk) == 1
        check_books(desk, "ab")
        for id in "ab":
            assert desk.ledger._envelopes.read(desk.record(id).envelope).document.body == b"two"

    def test_a_delete_is_kept_as_long_as_its_record(self, desk: Desk) -> None:
        """Without it a ledger made again from envelopes would bring the document back."""
        desk.add("a", "b")
        desk.drain()
        desk.delete("a")
        desk.drain()
        assert self.sweep(desk) == 0

    def test_an_accept_never_points_into_one_that_was_condemned(self, desk: Desk, tmp_path: Path) -> None:
        """A web process may be stopped for an hour between envelope and script."""
        store = desk.ledger._envelopes
        write = store.write
        swept = []

        def write_and_sleep_for_hours(*arguments: object) -> tuple[str, ...]:
            places = write(*arguments)  # type: ignore[arg-type]
            if not swept:
                swept.append(self.sweep(desk))
            return places

        store.write = write_and_sleep_for_hours  # type: ignore[method-assign,assignment]
        answer = desk.add("a")
        assert swept == [1]
        assert answer.documents[0].outcome == "accepted"
        assert store.read(desk.record("a").envelope).document.body == b"hello"
        check_books(desk, ["a"])

    def test_half_written_files_go_too(self, desk: Desk) -> None:
        desk.add("a")
        path = next(desk.folder.glob("*/*.nfe"))
        path.with_suffix(".tmp").write_bytes(b"half")
        (path.parent / "README").write_bytes(b"not ours")
        assert self.sweep(desk) == 1
        assert path.exists()
        assert (path.parent / "README").exists()

    def test_a_missing_envelope_is_told_as_such(self, desk: Desk) -> None:
        desk.add("a")
        reference = desk.record("a").envelope
        next(desk.folder.glob("*/*.nfe")).unlink()
        with pytest.raises(NearfieldError) as caught:
            desk.ledger._envelopes.read(reference)
        assert caught.value.code == "envelope-missing"
