"""What the ledger's tests share: short ways to accept, claim and finish, and a look at everything that must add up."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from services.ids import hash_document_id
from services.ledger import keys
from services.ledger.envelopes import EnvelopeStore
from services.ledger.ledger import Ledger
from services.ledger.part import Limits
from services.ledger.values import (
    AcceptAnswer,
    AcceptRequest,
    Claim,
    ClaimedDocument,
    DocumentKind,
    DocumentRecord,
    DocumentState,
    NewDocument,
)
from services.redis_clients import Client

CID = "abcdefghijkm"
OTHER = "mkjihgfedcba"
STATES = ("pending", "processing", "ready", "failed", "unchanged", "deleted", "superseded", "cancelled")


def text(id: str, body: str = "hello", *, title: str = "", parent: str = "", kind: str = "text") -> NewDocument:
    """A new document whose hashes follow from what it says."""
    data = b"" if kind == "delete" else body.encode("utf-8")
    digest = "" if kind == "delete" else hashlib.sha256(f"{title}\0{body}".encode()).hexdigest()[:32]
    return NewDocument(
        id=id, kind=DocumentKind(kind), body=data, title=title, text_hash=digest, full_hash=digest, parent=parent
    )


@dataclass
class Desk:
    """A ledger with one collection to work at; ``sequence`` plays the index's finish sequence."""

    ledger: Ledger
    client: Client
    folder: Path
    cid: str = CID
    sequence: int = 0

    def accept(self, *documents: NewDocument, **more: object) -> AcceptAnswer:
        return self.ledger.accept(AcceptRequest(self.cid, tuple(documents), **more))  # type: ignore[arg-type]

    def add(self, *ids: str, body: str = "hello") -> AcceptAnswer:
        return self.accept(*(text(id, body) for id in ids))

    def delete(self, *ids: str) -> AcceptAnswer:
        return self.accept(*(text(id, kind="delete") for id in ids))

    def claim(self, token: str = "", *, most: int = 64, lease_ms: int = 15_000, most_bytes: int = 1 << 20) -> Claim:
        return self.ledger.claim(
            self.cid, token or secrets.token_hex(16), max_documents=most, max_bytes=most_bytes, lease_ms=lease_ms
        )

    def one(self) -> tuple[ClaimedDocument, str]:
        claim = self.claim(most=1)
        (document,) = claim.documents
        return document, claim.token

    def finish(self, document: ClaimedDocument, token: str, *, chunks: int = 2) -> str:
        attempt = self.ledger.begin(document, token)
        self.sequence += 1
        return self.ledger.finish(document, token, attempt=attempt, chunks=chunks, sequence=self.sequence)

    def drain(self) -> int:
        done = 0
        while (claim := self.claim()).documents:
            for document in claim.documents:
                assert self.finish(document, claim.token) == "finished"
                done += 1
        return done

    def record(self, id: str) -> DocumentRecord:
        record = self.ledger.document(self.cid, id)
        assert record is not None
        return record

    def state(self, id: str) -> DocumentState:
        return self.record(id).state

    def job(self, job_id: str) -> dict[str, int]:
        fields = self.client.hgetall(keys.job(job_id))
        counts = {name: int(fields.get(name.encode(), 0)) for name in ("total", *STATES)}
        assert sum(counts[name] for name in STATES) == counts["total"], counts
        return {name: count for name, count in counts.items() if count}

    def expire_leases(self) -> None:
        """Lets every lease run out at once."""
        for token in self.client.zrange(keys.LEASES, 0, -1):
            self.client.zadd(keys.LEASES, {token: 1})

    def end_pauses(self) -> None:
        """Lets every document that waits out a pause be due now."""
        for lane in keys.LANES:
            for member in self.client.zrange(keys.due(self.cid, lane), 0, -1):
                self.client.zadd(keys.due(self.cid, lane), {member: 1})


def hang_up(*clients: Client) -> None:
    """Closes every connection; ``close`` of a client that was given its pool leaves them to the garbage collector."""
    for client in clients:
        client.close()
        client.connection_pool.disconnect()


def make_desk(client: Client, folder: Path, *, limits: Limits | None = None, cid: str = CID) -> Desk:
    return Desk(Ledger(client, EnvelopeStore(folder), limits), client, folder, cid)


def check_books(desk: Desk, ids: Sequence[str]) -> None:
    """Everything the ledger says twice must agree: lists, counters, leases, queues, references."""
    client, cid = desk.client, desk.cid
    records = {id: client.hgetall(keys.document(cid, hash_document_id(id))) for id in ids}
    records = {id: record for id, record in records.items() if record}
    in_lists: dict[bytes, str] = {}
    for state in ("pending", "processing", "ready", "failed", "deleted", "cancelled", "expanded"):
        for member in client.zrange(keys.in_state(cid, state), 0, -1):
            assert member not in in_lists, f"{member!r} in {in_lists.get(member)} and {state}"
            in_lists[member] = state
    alive, due, leased, visible, references, chunks = set(), set(), set(), set(), {}, 0
    for id, record in records.items():
        member = hash_document_id(id).encode()
        state = record[b"state"].decode()
        listed = "expanded" if (state, record[b"kind"]) == ("ready", b"source") else state
        assert in_lists.pop(member) == listed
        if state != "deleted":
            alive.add(member)
        restoring = b"lost" in record and b"vis" in record and state in ("failed", "cancelled")
        if b"tok" in record:
            leased.add((record[b"tok"], member))
            assert state == "processing" or restoring
        elif state == "pending" or restoring:
            due.add(member)
        assert state != "processing" or b"tok" in record
        if b"vis" in record and b"lost" not in record and record.get(b"vkind") != b"source":
            visible.add(member)
            chunks += int(record.get(b"chunks", 0))
        for place in (record.get(b"env"), record.get(b"venv")):
            if place:
                name = place.partition(b":")[0]
                references[name] = references.get(name, 0) + 1
    assert not in_lists
    assert set(client.zrange(keys.all_documents(cid), 0, -1)) == alive
    queued = [member for lane in keys.LANES for member in client.zrange(keys.due(cid, lane), 0, -1)]
    assert sorted(queued) == sorted(due)
    tokens = client.zrange(keys.LEASES, 0, -1)
    held = {
        (token, member)
        for token in tokens
        for member in client.hkeys(keys.lease(token.decode()))
        if member not in (b"collection", b"lease")
    }
    assert held == leased
    assert set(client.zrange(keys.visible(cid), 0, -1)) == visible
    assert int(client.hget(keys.collection(cid), "chunks") or 0) == chunks
    assert {name: int(count) for name, count in client.hgetall(keys.ENVELOPES).items()} == references
    stored = {path.stem.encode() for path in desk.folder.glob("*/*.nfe")}
    assert set(references) <= stored, "the ledger points into an envelope that is not there"
    for job in client.scan_iter(f"{keys.ROOT}:j:*"):
        name = job.decode().rpartition(":")[2]
        counts = desk.job(name)
        open_documents = counts.get("pending", 0) + counts.get("processing", 0)
        assert bool(client.hexists(job, "finished")) == (open_documents == 0), counts
