"""Random schedules of everybody at once: clients, several workers of which some die or wake up late, the keeper, an
index that is wiped. After every step the ledger's books must balance; at the end every accepted document must be what
was last accepted of it. Calls are made twice at random, as after a lost reply.
"""

from __future__ import annotations

import contextlib
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import pytest

from services.collections.values import Collection
from services.ids import hash_document_id
from services.index.values import DocumentHead, IndexInfo, WriteOutcome
from services.ledger.comparing import Comparer
from services.ledger.part import Limits
from services.ledger.values import ClaimedDocument, DocumentKind, DocumentState, LeaseLost
from services.redis_clients import Client
from tests.integration.index_stand_in import collection
from tests.integration.ledger_tools import CID, Desk, check_books, make_desk, text

T = TypeVar("T")
TEXTS = ("a", "b", "c")
ROWS = ("r0", "r1", "r2")
SOURCE = "rows"
EVERYBODY = (*TEXTS, *ROWS, SOURCE)
ENDED = (DocumentState.READY, DocumentState.DELETED, DocumentState.FAILED, DocumentState.CANCELLED)


class MemoryIndex:
    """Heads in a dict, with the rule of the real index: not newer, no change."""

    def __init__(self) -> None:
        self.heads_by_hash: dict[str, DocumentHead] = {}
        self.bodies: dict[str, str] = {}
        self.sequence = 0

    def write(self, doc_hash: str, generation: int, attempt: int, body: str | None) -> tuple[int, int]:
        """Returns (sequence, chunks) of what is visible afterwards."""
        known = self.heads_by_hash.get(doc_hash)
        if known is None or (known.generation, known.attempt) < (generation, attempt):
            self.sequence += 1
            chunks = 0 if body is None else 1 + len(body) % 3
            known = DocumentHead(
                generation, attempt, chunks, body is not None, self.sequence, "", "", "", "", "", "", {}, 0
            )
            self.heads_by_hash[doc_hash] = known
            self.bodies[doc_hash] = body or ""
        return known.sequence, known.chunks

    def shown(self, id: str) -> str | None:
        head = self.heads_by_hash.get(hash_document_id(id))
        return self.bodies[hash_document_id(id)] if head and head.live else None

    def heads(self, collection: Collection, doc_hashes: Sequence[str]) -> list[DocumentHead | None]:
        return [self.heads_by_hash.get(doc_hash) for doc_hash in doc_hashes]

    def create(self, collection: Collection) -> None:
        raise NotImplementedError

    def info(self, collection: Collection) -> IndexInfo:
        raise NotImplementedError

    def delete(self, collection: Collection, doc_hash: str, generation: int, attempt: int) -> WriteOutcome:
        raise NotImplementedError


@dataclass
class Hand:
    """A document in a worker's hands and how far the worker is with it."""

    document: ClaimedDocument
    token: str
    attempt: int = 0
    written: tuple[int, int] | None = None


class Schedule:
    """One run, decided by its seed. ``trace`` tells what was done, for whoever has to find out why it went wrong."""

    def __init__(self, client: Client, folder: Path, seed: int) -> None:
        limits = Limits(first_pause_ms=3_600_000)  # pauses end when the schedule says so
        self.random = random.Random(seed)
        self.client = client
        self.desk: Desk = make_desk(client, folder / "accepted", limits=limits)
        self.index = MemoryIndex()
        self.comparer = Comparer(self.desk.ledger, self.index)
        self.hands: list[Hand] = []
        self.wanted: dict[str, str | None] = {}
        self.twice = False
        self.trace: list[str] = []

    def run(self, steps: int) -> None:
        """Does so many things, balancing the books after each, and then brings everything to its end."""
        actions = [action for action, weight in self._weights().items() for _ in range(weight)]
        for _ in range(steps):
            self.twice = self.random.random() < 0.3
            action = self.random.choice(actions)
            self.trace.append(action.__name__)
            action()
            check_books(self.desk, EVERYBODY)
        self._settle()

    def _weights(self) -> dict[Callable[[], None], int]:
        clients = {self.add: 5, self.remove: 2, self.upload: 2, self.cancel: 1, self.retry: 1}
        workers = {self.claim: 7, self.begin: 7, self.write: 4, self.finish: 8, self.fail: 4, self.give_back: 1}
        misfortune = {self.die: 1, self.leases_run_out: 3, self.pauses_end: 2}
        keeper = {self.index_is_wiped: 1, self.keeper_compares: 1}
        return clients | workers | misfortune | keeper

    # -- clients -------------------------------------------------------------------------------------------------

    def add(self) -> None:
        body = self.random.choice("AB")
        for one in self.desk.add(*self.random.sample(TEXTS, self.random.randint(1, 3)), body=body).documents:
            assert one.outcome in ("accepted", "unchanged")
            self.wanted[one.id] = body

    def remove(self) -> None:
        id = self.random.choice((*TEXTS, *ROWS, SOURCE))
        self.desk.delete(id)
        self.wanted[id] = None

    def upload(self) -> None:
        rows = self.random.sample(ROWS, self.random.randint(0, 3))
        self.desk.accept(text(SOURCE, f"{self.random.choice('AB')}:{','.join(rows)}", kind="source"))

    def cancel(self) -> None:
        for job in self.client.zrange(f"nf:l:jobs:{CID}", -4, -1):
            first = self.desk.ledger.cancel(job.decode())
            assert self.desk.ledger.cancel(job.decode()) == first
            return

    def retry(self) -> None:
        self.desk.ledger.retry(CID)

    # -- workers -------------------------------------------------------------------------------------------------

    def claim(self) -> None:
        most = self.random.randint(1, 4)
        claim = self.desk.claim(most=most)
        if self.twice:
            assert self.desk.claim(claim.token, most=most).documents == claim.documents
        self.hands += [Hand(document, claim.token) for document in claim.documents]

    def begin(self) -> None:
        for hand in self._pick():
            with contextlib.suppress(LeaseLost):
                hand.attempt = self._call(lambda hand=hand: self.desk.ledger.begin(hand.document, hand.token))

    def write(self) -> None:
        """The index has it, and the worker dies or dawdles before it says so."""
        for hand in self._pick(begun=True):
            if hand.document.kind is not DocumentKind.SOURCE:
                self._write(hand)

    def finish(self) -> None:
        for hand in self._pick(begun=True):
            forget = self.random.random() < 0.8
            if hand.document.kind is DocumentKind.SOURCE:
                self._expand(hand, finish=forget)
            else:
                self._write(hand)
                self._finish(hand)
            if forget:
                self.hands.remove(hand)

    def fail(self) -> None:
        for hand in self._pick():
            if hand.written is None:
                again = self.random.random() < 0.6
                self.desk.ledger.fail(hand.document, hand.token, code="x", reason="It failed.", retry=again)

    def give_back(self) -> None:
        for hand in self._pick():
            self._call(lambda hand=hand: self.desk.ledger.release(hand.token, [hand.document], pause_ms=0), same=False)

    def die(self) -> None:
        for dead in self._pick():
            self.hands = [hand for hand in self.hands if hand.token != dead.token]

    # -- keeper, time and misfortune -------------------------------------------------------------------------------

    def leases_run_out(self) -> None:
        self.desk.expire_leases()
        expired = self.desk.ledger.expire()
        self.comparer.compare(collection(CID), [doc_hash for _, doc_hash in expired.failed])

    def pauses_end(self) -> None:
        self.desk.end_pauses()

    def index_is_wiped(self) -> None:
        self.index.heads_by_hash.clear()
        self._compare_everything()

    def keeper_compares(self) -> None:
        self._compare_everything()

    # -- what these are made of ------------------------------------------------------------------------------------

    def _call(self, call: Callable[[], T], *, same: bool = True) -> T:
        answer = call()
        if self.twice:
            again = call()
            assert again == answer or not same
        return answer

    def _pick(self, *, begun: bool = False) -> list[Hand]:
        """One of the documents in somebody's hands, or none."""
        hands = [hand for hand in self.hands if hand.attempt or not begun]
        return [self.random.choice(hands)] if hands else []

    def _body(self, document: ClaimedDocument) -> str | None:
        if document.kind is DocumentKind.DELETE:
            return None
        return self.desk.ledger._envelopes.read(document.envelope).document.body.decode()

    def _write(self, hand: Hand) -> None:
        document = hand.document
        hand.written = self.index.write(document.doc_hash, document.generation, hand.attempt, self._body(document))

    def _finish(self, hand: Hand) -> None:
        assert hand.written is not None
        sequence, chunks = hand.written
        if self.index.heads_by_hash[hand.document.doc_hash].generation != hand.document.generation:
            return  # the index said "stale": the pipeline does not say it is done

        def call() -> str:
            return self.desk.ledger.finish(
                hand.document, hand.token, attempt=hand.attempt, chunks=chunks, sequence=sequence
            )

        answer = self._call(call, same=False)
        if answer == "finished":
            assert call() == "already"

    def _expand(self, hand: Hand, *, finish: bool) -> None:
        document = hand.document
        body, _, rows = (self._body(document) or "").partition(":")
        place = {"job_id": document.job_id, "generation": document.generation}
        if rows:
            documents = [text(row, body, parent=document.doc_hash) for row in rows.split(",")]
            answer = self._call(lambda: self.desk.accept(*documents, **place), same=False)
            for one in answer.documents:
                if one.outcome == "accepted":
                    self.wanted[one.id] = body
        if not finish:
            return
        gone = self.desk.ledger.children(CID, document.doc_hash, document.generation)
        if gone:
            removals = [text(id, kind="delete", parent=document.doc_hash) for id in gone]
            for one in self.desk.accept(*removals, **place).documents:
                if one.outcome == "accepted":
                    self.wanted[one.id] = None
        if document.visible_generation:
            self.index.write(document.doc_hash, document.generation, hand.attempt, None)
        self.desk.ledger.finish(document, hand.token, attempt=hand.attempt, chunks=0, sequence=0)

    def _compare_everything(self) -> None:
        for listed in ("visible", "all"):
            cursor = ""
            while True:
                cursor = self.comparer.walk(collection(CID), listed, cursor, 2).cursor
                if not cursor:
                    break

    def _work_off(self) -> None:
        for _ in range(100):
            self.desk.end_pauses()
            claim = self.desk.claim()
            if not claim.documents:
                return
            for document in claim.documents:
                with contextlib.suppress(LeaseLost):
                    hand = Hand(document, claim.token, self.desk.ledger.begin(document, claim.token))
                    if document.kind is DocumentKind.SOURCE:
                        self._expand(hand, finish=True)
                    else:
                        self._write(hand)
                        self._finish(hand)
        raise AssertionError("the work has no end")

    def _settle(self) -> None:
        """The last fault is over: a healthy worker and a keeper bring everything to its end."""
        self.twice = False
        for _ in range(3):
            self.leases_run_out()
            self._work_off()
            self._compare_everything()
        self._work_off()
        check_books(self.desk, EVERYBODY)
        for id in EVERYBODY:
            record = self.desk.ledger.document(CID, id)
            if record is None:
                continue
            assert record.state in ENDED
            head = self.index.heads_by_hash.get(record.doc_hash)
            shown = head.generation if head and head.live else 0
            assert record.visible_generation == shown, f"{id}: ledger {record.visible_generation}, index {shown}"
            if record.state in (DocumentState.READY, DocumentState.DELETED) and id != SOURCE:
                assert self.index.shown(id) == self.wanted[id]
            if shown:
                stored = self.desk.ledger._envelopes.read(record.visible_envelope).document.body.decode()
                assert stored == self.index.shown(id)
        failed = [
            id
            for id in EVERYBODY
            if (found := self.desk.ledger.document(CID, id)) and found.state is DocumentState.FAILED
        ]
        self.desk.ledger.retry(CID, document_ids=failed)
        self._work_off()
        for id in (*TEXTS, *ROWS):
            if (found := self.desk.ledger.document(CID, id)) and found.state is not DocumentState.CANCELLED:
                assert self.index.shown(id) == self.wanted[id]
        check_books(self.desk, EVERYBODY)
        assert self.desk.ledger.rebuilding(CID) is None


@pytest.mark.parametrize("seed", range(12))
def test_any_schedule_keeps_the_promise(ledger_client: Client, tmp_path: Path, seed: int) -> None:
    schedule = Schedule(ledger_client, tmp_path, seed)
    try:
        schedule.run(120)
    except BaseException:
        print(f"seed {seed}, step {len(schedule.trace)}: {' '.join(schedule.trace)}")
        raise
