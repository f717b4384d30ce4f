"""One document as the ledger knows it against its head on the index. Pure."""

from __future__ import annotations

from enum import StrEnum

from services.index.values import DocumentHead
from services.ledger.values import DocumentKind, DocumentRecord, DocumentState


class Verdict(StrEnum):
    """What the comparison says.

    AGREES: nothing to do, or a worker is at it. LOST: the index no longer shows what it should (or shows a deleted
    document again). DONE: the index shows what the ledger gave up. AHEAD: the index is newer than the ledger, which
    only a restored ledger or a second instance explains.
    """

    AGREES = "agrees"
    LOST = "lost"
    DONE = "done"
    AHEAD = "ahead"


def judge(record: DocumentRecord, head: DocumentHead | None) -> Verdict:
    """Compares; ``record`` must have been read before ``head``, so that the head is the newer of the two."""
    reached = head.generation if head else 0
    live = bool(head and head.live)
    if reached > record.wanted_generation:
        return Verdict.AHEAD
    if record.state is DocumentState.DELETED:
        return Verdict.LOST if live else Verdict.AGREES
    gave_up = record.state in (DocumentState.FAILED, DocumentState.CANCELLED)
    if gave_up and reached == record.wanted_generation and live == (record.kind is not DocumentKind.DELETE):
        return Verdict.DONE
    return Verdict.LOST if reached < record.visible_generation else Verdict.AGREES
