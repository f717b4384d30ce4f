"""One document as the ledger knows it against its head on the index."""

from __future__ import annotations

import pytest

from services.index.values import DocumentHead
from services.ledger.compare import Verdict, judge
from services.ledger.records import document_record
from services.ledger.values import DocumentRecord


def record(state: str, wanted: int, visible: int = 0, kind: str = "text", **more: str) -> DocumentRecord:
    fields = {"id": "a", "kind": kind, "state": state, "gen": str(wanted), **more}
    return document_record("c", "h", fields | ({"vis": str(visible)} if visible else {}))


def head(generation: int, live: bool = True) -> DocumentHead:
    return DocumentHead(generation, 1, 2, live, 9, "", "", "", "", "", "text", {}, 0)


@pytest.mark.parametrize(
    ("known", "shown", "verdict"),
    [
        (record("ready", 5, 5), head(5), Verdict.AGREES),
        (record("ready", 5, 5), None, Verdict.LOST),
        (record("ready", 5, 5), head(4), Verdict.LOST),
        (record("ready", 5, 5), head(4, live=False), Verdict.LOST),
        (record("ready", 5, 5), head(6), Verdict.AHEAD),
        (record("pending", 5), None, Verdict.AGREES),
        (record("pending", 5), head(5), Verdict.AGREES),
        (record("processing", 6, 5), head(5), Verdict.AGREES),
        (record("processing", 6, 5), head(6), Verdict.AGREES),
        (record("processing", 6, 5), None, Verdict.LOST),
        (record("processing", 6, 5, lost="1"), None, Verdict.AGREES),
        (record("pending", 6, 5, kind="delete"), head(6, live=False), Verdict.AGREES),
        (record("failed", 6, 5), head(5), Verdict.AGREES),
        (record("failed", 6, 5), None, Verdict.LOST),
        (record("failed", 6, 5), head(6), Verdict.DONE),
        (record("failed", 6), head(6), Verdict.DONE),
        (record("failed", 6), None, Verdict.AGREES),
        (record("cancelled", 6, 5), head(6), Verdict.DONE),
        (record("failed", 6, 5, kind="delete"), head(6, live=False), Verdict.DONE),
        (record("failed", 6, 5, kind="delete"), head(5), Verdict.AGREES),
        (record("failed", 6, 4), head(5), Verdict.AGREES),
        (record("deleted", 6, kind="delete"), head(6, live=False), Verdict.AGREES),
        (record("deleted", 6, kind="delete"), None, Verdict.AGREES),
        (record("deleted", 6, kind="delete"), head(5), Verdict.LOST),
        (record("ready", 6, 6, kind="source", vkind="source"), None, Verdict.AGREES),
        (record("pending", 7, 6, kind="source", vkind="source"), None, Verdict.AGREES),
        (record("pending", 7, 6, kind="source", vkind="text"), None, Verdict.LOST),
    ],
)
def test_judge(known: DocumentRecord, shown: DocumentHead | None, verdict: Verdict) -> None:
    assert judge(known, shown) is verdict
