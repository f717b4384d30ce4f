"""What a document's record and its place on the index say together, and the words for it."""

from __future__ import annotations

from typing import Any

import pytest

from services.audit.judging import suspicions
from services.audit.values import OF_DOCUMENTS, Finding, Kind
from services.audit.words import remedy, what
from services.index.clearing import Inspected
from services.ledger.records import document_record
from services.ledger.values import DocumentRecord


def record(**fields: Any) -> DocumentRecord:
    given = {"id": "a", "kind": "text", "state": "ready", "gen": "5", "vis": "5", "vkind": "text", "chunks": "2"}
    return document_record("c", "h", {name: str(value) for name, value in {**given, **fields}.items()})


def found(**fields: Any) -> Inspected:
    given: dict[str, Any] = {
        "generation": 5, "attempt": 1, "chunks": 2, "live": True, "sequence": 9, "staged": None, "left_over": False,
        "there": 2, "sound": 2,
    }  # fmt: skip
    return Inspected(**{**given, **fields})


STAGED_ALONE = found(generation=0, attempt=0, chunks=0, live=False, there=0, sound=0, staged=(6, 1))
GONE = found(live=False, chunks=0, there=0, sound=0)


@pytest.mark.parametrize(
    ("known", "lies", "kinds"),
    [
        (record(), found(), []),
        (record(), None, [Kind.NOT_INDEXED]),
        (record(), found(generation=4), [Kind.NOT_INDEXED]),
        (record(), found(generation=6), [Kind.AHEAD]),
        (record(), found(there=1, sound=1), [Kind.CHUNKS_MISSING]),
        (record(), found(sound=1), [Kind.CHUNKS_UNSOUND]),
        (record(), found(staged=(7, 1)), [Kind.HALF_STAGED]),
        (record(), found(left_over=True), [Kind.LEFT_OVER]),
        (record(state="processing", gen="7"), found(staged=(7, 1), left_over=True), []),
        (record(state="pending", gen="7"), found(), []),
        (record(state="failed", gen="6"), found(), []),
        (record(state="failed", gen="6"), STAGED_ALONE, [Kind.HALF_STAGED, Kind.NOT_INDEXED]),
        (record(state="failed"), found(), [Kind.GIVEN_UP]),
        (record(state="failed", code="envelope-missing"), found(), []),
        (record(state="deleted", kind="delete", gen="6"), None, []),
        (record(state="deleted", kind="delete", gen="5"), GONE, []),
        (record(state="deleted", kind="delete", gen="6"), found(), [Kind.NOT_INDEXED]),
        (None, found(), [Kind.UNKNOWN]),
        (None, GONE, []),
        (None, None, []),
    ],
)
def test_suspicions(known: DocumentRecord | None, lies: Inspected | None, kinds: list[Kind]) -> None:
    assert suspicions(known, lies) == kinds


@pytest.mark.parametrize("kind", list(Kind))
def test_every_kind_has_words_for_people(kind: Kind) -> None:
    finding = Finding(kind, "docs", "c", 1234, ("a", "b"), ("3", "5"))
    said, done = what(finding), remedy(finding)
    assert said.startswith("docs: ")
    assert not set("{}_") & set(said + done)
    assert "'a', 'b'" in said
    if kind in OF_DOCUMENTS:
        assert "1,234" in said
