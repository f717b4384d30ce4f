"""Leases and attempts: who holds what, and what a crash, a slow worker or a bad document costs."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from services.ledger import keys
from services.ledger.claiming import Finished
from services.ledger.part import Limits
from services.ledger.upkeep import WORKER_DIED
from services.ledger.values import DocumentKind, DocumentState, LeaseLost
from services.redis_clients import Client
from tests.integration.ledger_tools import CID, OTHER, Desk, check_books, make_desk, text


@pytest.fixture
def desk(ledger_client: Client, tmp_path: Path) -> Desk:
    return make_desk(ledger_client, tmp_path / "accepted", limits=Limits(first_pause_ms=60_000))


def test_a_claim_hands_out_in_order_what_a_worker_needs(desk: Desk) -> None:
    answer = desk.add(*"abcde")
    claim = desk.claim(most=3)
    assert [document.id for document in claim.documents] == ["a", "b", "c"]
    first = claim.documents[0]
    assert (first.generation, first.kind, first.body_bytes) == (answer.documents[0].generation, DocumentKind.TEXT, 5)
    assert (first.job_id, first.attempts, first.visible_generation) == (answer.job_id, 0, 0)
    assert desk.ledger._envelopes.read(first.envelope).document.id == "a"
    assert claim.more
    assert not desk.claim().more
    check_books(desk, "abcde")


def test_the_same_token_gets_the_same_documents(desk: Desk) -> None:
    desk.add(*"abc")
    claim = desk.claim(most=2)
    desk.add("d")
    assert desk.claim(claim.token, most=9).documents == claim.documents
    desk.finish(claim.documents[0], claim.token)
    assert desk.claim(claim.token).documents == claim.documents[1:]


def test_no_two_tokens_hold_one_document(desk: Desk) -> None:
    desk.add(*(f"n{number}" for number in range(20)))
    claims = [desk.claim(most=7) for _ in range(4)]
    ids = [document.id for claim in claims for document in claim.documents]
    assert len(ids) == len(set(ids)) == 20


def test_bytes_limit_a_claim_but_one_document_always_comes(desk: Desk) -> None:
    desk.accept(text("a", "x" * 60), text("b", "x" * 60), text("c", "x" * 600))
    assert [document.id for document in desk.claim(most_bytes=130).documents] == ["a", "b"]
    assert [document.id for document in desk.claim(most_bytes=130).documents] == ["c"]


def test_small_requests_overtake_bulk_ones_which_do_not_starve(desk: Desk) -> None:
    desk.add(*(f"bulk{number}" for number in range(40)))
    first = []
    for number in range(8):
        desk.add(f"small{number}")
        claim = desk.claim(most=1)
        first.append(claim.documents[0].id.rstrip("0123456789"))
        desk.finish(claim.documents[0], claim.token)
    assert first.count("small") == 6
    assert first.count("bulk") == 2
    assert first[0] == "small"


def test_collections_do_not_mix(desk: Desk) -> None:
    desk.add("a")
    other = make_desk(desk.client, desk.folder, cid=OTHER)
    assert other.claim().documents == ()
    other.add("a")
    assert len(other.claim().documents) == 1
    assert desk.state("a") is DocumentState.PENDING


def test_begin_counts_once_per_lease_and_its_number_rises(desk: Desk) -> None:
    desk.add("a")
    document, token = desk.one()
    first = desk.ledger.begin(document, token)
    assert desk.ledger.begin(document, token) == first
    desk.expire_leases()
    desk.ledger.expire()
    again, token = desk.one()
    assert again.attempts == 1
    assert desk.ledger.begin(again, token) == first + 1
    assert desk.record("a").attempts == 2


def test_a_finished_document_is_visible_and_everything_is_said_once(desk: Desk) -> None:
    answer = desk.add("a")
    document, token = desk.one()
    attempt = desk.ledger.begin(document, token)
    said = {"attempt": attempt, "chunks": 3, "sequence": 7, "title": "Its title", "warnings": ("guessed encoding",)}
    assert desk.ledger.finish(document, token, **said) == "finished"
    assert desk.ledger.finish(document, token, **said) == "already"
    record = desk.record("a")
    assert (record.state, record.visible_generation) == (DocumentState.READY, record.wanted_generation)
    assert (record.chunks, record.title, record.warnings) == (3, "Its title", ("guessed encoding",))
    assert record.visible_envelope == record.envelope
    assert desk.job(answer.job_id) == {"total": 1, "ready": 1}
    counts = desk.ledger.counts(CID)
    assert (counts.searchable, counts.chunks, counts.waiting) == (1, 3, 0)
    assert desk.client.zcard(keys.LEASES) == 0
    check_books(desk, ["a"])


def test_many_at_once_in_one_round_trip(desk: Desk) -> None:
    desk.add(*"abc")
    claim = desk.claim()
    attempts = desk.ledger.begin_all(claim.documents, claim.token)
    assert attempts == [1, 1, 1]
    desk.accept(text("b", "newer"))
    finished = [Finished(one, attempts[0], 1, place) for place, one in enumerate(claim.documents, 1)]
    assert desk.ledger.finish_all(finished, claim.token) == ["finished", "lost", "finished"]
    assert desk.ledger.finish_all(finished, claim.token) == ["already", "lost", "already"]
    assert desk.ledger.begin_all(claim.documents[1:2], claim.token) == [0]
    check_books(desk, "abc")


def test_scripts_that_a_restarted_server_forgot_are_sent_again(desk: Desk) -> None:
    desk.add(*"ab")
    claim = desk.claim()
    desk.client.script_flush()
    assert desk.ledger.begin_all(claim.documents, claim.token) == [1, 1]
    desk.client.script_flush()
    assert desk.add("c").documents[0].outcome == "accepted"


class TestALeaseThatRunsOut:
    def test_puts_untouched_documents_back_without_an_attempt(self, desk: Desk) -> None:
        desk.add(*"abc")
        claim = desk.claim()
        desk.ledger.begin(claim.documents[0], claim.token)
        desk.expire_leases()
        expired = desk.ledger.expire()
        assert (expired.leases, expired.collections, expired.failed) == (1, (CID,), ())
        assert [desk.record(id).attempts for id in "abc"] == [1, 0, 0]
        check_books(desk, "abc")
        assert desk.ledger.expire().leases == 0

    def test_leaves_the_others_to_be_claimed_together_and_the_suspect_alone(self, desk: Desk) -> None:
        desk.add(*"abc")
        claim = desk.claim()
        desk.ledger.begin(claim.documents[1], claim.token)
        desk.expire_leases()
        desk.ledger.expire()
        claims = [[one.id for one in desk.claim().documents] for _ in range(2)]
        assert sorted(claims) == [["a", "c"], ["b"]]

    def test_leaves_a_large_batch_to_be_taken_up_in_groups_then_one_by_one(self, desk: Desk) -> None:
        ids = [f"n{number:02}" for number in range(40)]
        desk.add(*ids)
        claim = desk.claim()
        desk.ledger.begin_all(claim.documents, claim.token)
        desk.expire_leases()
        desk.ledger.expire()
        first = desk.claim()
        assert [document.id for document in first.documents] == ids[:16]
        desk.ledger.begin_all(first.documents, first.token)  # and the worker dies again
        desk.expire_leases()
        desk.ledger.expire()
        sizes = []
        while (claim := desk.claim()).documents:
            sizes.append((len(claim.documents), {document.attempts for document in claim.documents}))
            for document in claim.documents:
                desk.finish(document, claim.token)
        assert sorted(sizes, key=str) == sorted([(16, {1}), (8, {1}), *[(1, {2})] * 16], key=str)
        check_books(desk, ids)

    def test_fences_the_slow_worker_out(self, desk: Desk) -> None:
        desk.add("a")
        slow, old = desk.one()
        attempt = desk.ledger.begin(slow, old)
        desk.expire_leases()
        desk.ledger.expire()
        with pytest.raises(LeaseLost):
            desk.ledger.begin(slow, old)
        assert desk.ledger.finish(slow, old, attempt=attempt, chunks=1, sequence=5) == "lost"
        assert desk.ledger.fail(slow, old, code="x", reason="x", retry=True) == "lost"
        assert desk.ledger.release(old, [slow]) == 0
        assert desk.ledger.renew(old, 1000) is False
        fresh, new = desk.one()
        assert desk.ledger.finish(slow, old, attempt=attempt, chunks=1, sequence=5) == "lost"
        assert desk.finish(fresh, new) == "finished"
        assert desk.ledger.finish(slow, old, attempt=attempt, chunks=1, sequence=5) == "already"
        check_books(desk, ["a"])

    def test_three_times_ends_the_document_with_a_reason(self, desk: Desk) -> None:
        answer = desk.add("poison", "good")
        for _ in range(3):
            while (claim := desk.claim(most=1)).documents:
                (document,) = claim.documents
                if document.id == "good":
                    desk.finish(document, claim.token)
                else:
                    desk.ledger.begin(document, claim.token)
                    break
            desk.expire_leases()
            last = desk.ledger.expire()
        record = desk.record("poison")
        assert (record.state, record.attempts, record.error) == (DocumentState.FAILED, 3, WORKER_DIED)
        assert last.failed == ((CID, record.doc_hash),)
        desk.drain()
        assert desk.state("good") is DocumentState.READY
        assert desk.job(answer.job_id) == {"total": 2, "failed": 1, "ready": 1}
        check_books(desk, ["poison", "good"])

    def test_and_then_the_third_worker_comes_back_with_it_done(self, desk: Desk) -> None:
        """The index shows it, so that is what is said, however late."""
        job_id = desk.add("a").job_id
        for _ in range(3):
            document, token = desk.one()
            attempt = desk.ledger.begin(document, token)
            desk.expire_leases()
            desk.ledger.expire()
        assert desk.state("a") is DocumentState.FAILED
        said = {"attempt": attempt, "chunks": 2, "sequence": 9}
        assert desk.ledger.finish(document, token, **said) == "finished"
        assert desk.ledger.finish(document, token, **said) == "already"
        assert (desk.state("a"), desk.record("a").error) == (DocumentState.READY, "")
        assert desk.job(job_id) == {"total": 1, "ready": 1}
        check_books(desk, ["a"])

    def test_is_not_touched_before_its_time(self, desk: Desk) -> None:
        desk.add("a")
        desk.claim(lease_ms=60_000)
        assert desk.ledger.expire().leases == 0
        assert desk.state("a") is DocumentState.PROCESSING

    def test_comes_by_redis_time(self, desk: Desk) -> None:
        desk.add("a")
        desk.claim(lease_ms=20)
        limit = time.monotonic() + 20
        while not desk.ledger.expire().leases:
            assert time.monotonic() < limit
        assert desk.state("a") is DocumentState.PENDING

    def test_may_be_renewed_until_then(self, desk: Desk) -> None:
        desk.add("a")
        _, token = desk.one()
        desk.expire_leases()
        assert desk.ledger.renew(token, 60_000) is True
        assert desk.ledger.expire().leases == 0

    def test_long_before_its_time_is_a_clock_that_jumped_back(self, desk: Desk) -> None:
        """A lease made at 14:00 under a clock that is then set to 12:00 would hold its document for two hours."""
        desk.add("a")
        claim = desk.claim(lease_ms=30)
        (score,) = (int(desk.client.zscore(keys.LEASES, claim.token) or 0),)
        desk.client.zadd(keys.LEASES, {claim.token: score + 7_200_000_000})
        limit = time.monotonic() + 20
        while not desk.ledger.expire().leases:
            assert time.monotonic() < limit


class TestFailing:
    def test_for_good_keeps_the_reason_and_the_old_version(self, desk: Desk) -> None:
        desk.add("a", body="old")
        desk.drain()
        old = desk.record("a")
        answer = desk.add("a", body="new")
        document, token = desk.one()
        assert document.visible_generation == old.wanted_generation
        desk.ledger.begin(document, token)
        said = {"code": "undecodable-text", "reason": "Not a text.", "retry": False}
        assert desk.ledger.fail(document, token, **said) == "failed"
        assert desk.ledger.fail(document, token, **said) == "already"
        record = desk.record("a")
        assert (record.state, record.error_code, record.error) == (DocumentState.FAILED, *list(said.values())[:2])
        assert record.visible_generation == old.visible_generation
        assert desk.ledger._envelopes.read(record.visible_envelope).document.body == b"old"
        assert desk.ledger.counts(CID).searchable == 1
        assert desk.job(answer.job_id) == {"total": 1, "failed": 1}
        check_books(desk, ["a"])

    def test_for_now_waits_longer_each_time_and_ends_after_three(self, desk: Desk) -> None:
        desk.add("a")
        pauses = []
        for turn in range(3):
            document, token = desk.one()
            assert document.attempts == turn
            desk.ledger.begin(document, token)
            state = desk.ledger.fail(document, token, code="flaky", reason="It wobbles.", retry=True)
            if turn < 2:
                assert state == "pending"
                assert desk.claim().documents == ()
                seconds, micros = desk.client.time()
                (due,) = desk.client.zrange(keys.due(CID, "again"), 0, -1, withscores=True)
                pauses.append((due[1] - seconds * 1e6 - micros) / 1e6)
                check_books(desk, ["a"])
                desk.end_pauses()
        assert state == "failed"
        assert desk.record("a").error == "It wobbles."
        assert 50 < pauses[0] <= 60 < 200 < pauses[1] <= 240
        check_books(desk, ["a"])

    def test_time_used_up_ends_it_before_its_attempts_are(self, ledger_client: Client, tmp_path: Path) -> None:
        desk = make_desk(ledger_client, tmp_path / "accepted", limits=Limits(deadline_s=60))
        desk.add("a")
        document, token = desk.one()
        desk.ledger.begin(document, token)
        key = keys.document(CID, document.doc_hash)
        desk.client.hincrby(key, "beg", -61_000_000)
        assert desk.ledger.fail(document, token, code="x", reason="x", retry=True) == "failed"
        assert desk.record("a").error_code == "too-slow"

    def test_a_document_past_its_deadline_is_taken_from_a_worker_that_goes_on_renewing(
        self, ledger_client: Client, tmp_path: Path
    ) -> None:
        desk = make_desk(ledger_client, tmp_path / "accepted", limits=Limits(deadline_s=60))
        desk.add("slow", "quick")
        claim = desk.claim()
        slow = claim.documents[0]
        desk.ledger.begin(slow, claim.token)
        assert desk.ledger.renew(claim.token, 15_000) is True
        desk.client.hincrby(keys.document(CID, slow.doc_hash), "beg", -61_000_000)
        assert desk.ledger.renew(claim.token, 15_000) is True  # the other one is still held
        assert desk.record("slow").error_code == "too-slow"
        assert desk.ledger.finish(claim.documents[1], claim.token, attempt=1, chunks=1, sequence=1) == "finished"
        assert desk.ledger.renew(claim.token, 15_000) is False
        check_books(desk, ["slow", "quick"])


class TestGivingBack:
    def test_gives_the_attempt_back_too(self, desk: Desk) -> None:
        desk.add("a", "b")
        claim = desk.claim()
        desk.ledger.begin(claim.documents[0], claim.token)
        assert desk.ledger.release(claim.token, claim.documents, pause_ms=0) == 2
        assert desk.ledger.release(claim.token, claim.documents, pause_ms=0) == 0
        assert [desk.record(id).attempts for id in "ab"] == [0, 0]
        assert len(desk.claim().documents) == 2
        check_books(desk, "ab")

    def test_never_uses_a_document_up(self, desk: Desk) -> None:
        desk.add("a")
        for _ in range(5):
            document, token = desk.one()
            desk.ledger.begin(document, token)
            desk.ledger.release(token, [document], pause_ms=0)
        assert desk.drain() == 1

    def test_waits_a_moment_unless_told_otherwise(self, desk: Desk) -> None:
        desk.add("a")
        document, token = desk.one()
        desk.ledger.release(token, [document])
        assert desk.claim().documents == ()
        assert desk.ledger.release(token, []) == 0

    def test_numbers_of_attempts_still_rise(self, desk: Desk) -> None:
        """An attempt that was given back may have written: the next one must be newer to the index."""
        desk.add("a")
        document, token = desk.one()
        first = desk.ledger.begin(document, token)
        desk.ledger.release(token, [document], pause_ms=0)
        document, token = desk.one()
        assert desk.ledger.begin(document, token) > first


def test_another_index_version_sends_the_document_back(desk: Desk) -> None:
    desk.add("a")
    document, token = desk.one()
    attempt = desk.ledger.begin(document, token)
    desk.client.hset(keys.collection(CID), "version", 2)
    said = {"attempt": attempt, "chunks": 1, "sequence": 1, "live_version": 1}
    assert desk.ledger.finish(document, token, **said) == "version-changed"
    assert desk.ledger.finish(document, token, **said) == "lost"
    claim = desk.claim()
    assert (claim.live_version, claim.documents[0].attempts) == (2, 0)
    check_books(desk, ["a"])
