"""The keeper over the real index: the stand-in of the other tests promises no more than this one keeps."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from services.errors import IndexRebuilding
from services.index.adapter import RedisIndex
from services.index.values import Chunk, DocumentHead, Outcome
from services.ledger.keeper import Keeper
from services.ledger.values import ClaimedDocument, DocumentKind, DocumentState
from services.redis_clients import Client
from tests.integration.index_stand_in import collection
from tests.integration.keeper_tools import Bell, Known
from tests.integration.ledger_tools import CID, Desk, check_books, make_desk

HERE = collection(CID)
VECTOR = np.ones(HERE.dim, dtype=np.float32)


@pytest.fixture
def desk(ledger_client: Client, tmp_path: Path) -> Desk:
    return make_desk(ledger_client, tmp_path / "accepted")


def head(document: ClaimedDocument, attempt: int) -> DocumentHead:
    return DocumentHead(
        document.generation, attempt, 0, True, 0, "hash", document.id, "title", "", "", document.kind, {}, 0
    )


def work(desk: Desk, index: RedisIndex) -> int:
    done = 0
    while (claim := desk.claim()).documents:
        for document in claim.documents:
            attempt = desk.ledger.begin(document, claim.token)
            if document.kind is DocumentKind.DELETE:
                wrote = index.delete(HERE, document.doc_hash, document.generation, attempt)
            else:
                wrote = index.write(HERE, head(document, attempt), [Chunk(0, document.id, 0, 1, "", None, VECTOR)])
            assert wrote.outcome is Outcome.WRITTEN
            said = {"attempt": attempt, "chunks": wrote.chunks, "sequence": wrote.sequence}
            assert desk.ledger.finish(document, claim.token, **said) == "finished"
            done += 1
    return done


def shown(index: RedisIndex) -> list[str]:
    return sorted(hit.text for hit in index.search(HERE, VECTOR, k=10))


def test_from_an_empty_server_over_a_flush_to_the_same_hits(desk: Desk, index_client: Client) -> None:
    index, bell = RedisIndex(index_client), Bell()
    keeper = Keeper(
        ledger=desk.ledger,
        envelopes=desk.ledger._envelopes,
        index=index,
        index_client=index_client,
        collections=Known([HERE]),
        doorbell=bell,
    )
    assert keeper.sweep().indexes_created == 1
    desk.add("a", "b", "c")
    work(desk, index)
    desk.delete("c")
    work(desk, index)
    for _ in range(2):
        report = keeper.sweep()
        assert (report.compared.requeued, report.compared.ahead, report.orphans_seen) == (0, 0, 0)
    assert shown(index) == ["a", "b"]

    index_client.flushall()
    with pytest.raises(IndexRebuilding):
        index.search(HERE, VECTOR, k=10)
    report = keeper.sweep()
    assert (report.indexes_created, report.compared.requeued, report.rebuilding) == (1, 2, {CID: (0, 2)})
    near = index.nearest(HERE, VECTOR, k=10)
    rebuilding = index.resolve(HERE, near, offset=0, limit=10).rebuilding
    assert rebuilding is not None
    assert (rebuilding.searchable, rebuilding.expected) == (0, 2)
    assert work(desk, index) == 2
    assert keeper.sweep().rebuilding == {}
    assert shown(index) == ["a", "b"]
    assert index.resolve(HERE, near, offset=0, limit=10).rebuilding is None
    check_books(desk, "abc")


def test_a_dropped_index_over_documents_that_are_still_there(desk: Desk, index_client: Client) -> None:
    index = RedisIndex(index_client)
    keeper = Keeper(
        ledger=desk.ledger,
        envelopes=desk.ledger._envelopes,
        index=index,
        index_client=index_client,
        collections=Known([HERE]),
        doorbell=Bell(),
    )
    keeper.sweep()
    desk.add("a")
    work(desk, index)
    index.drop(HERE)
    report = keeper.sweep()
    assert (report.indexes_created, report.compared.requeued) == (1, 0)
    for _ in range(100):
        if not keeper.sweep().rebuilding:
            break
    assert shown(index) == ["a"]
    assert desk.state("a") is DocumentState.READY
