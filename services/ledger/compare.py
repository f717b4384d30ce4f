"""One document as the ledger knows it against its head on the index. Pure."""

from __future__ import annotations

from enum import StrEnum
from typing import Protocol

from services.ledger.values import DocumentKind, DocumentRecord, DocumentState

ORIGINAL_GONE = ("envelope-missing", "envelope-damaged")
"""Codes of documents that failed because their stored original is no good; what the index shows of them may stay."""


class Shown(Protocol):
    """A document's head on the index, as far as it is compared."""

    @property
    def generation(self) -> int:
        """The generation that it says."""

    @property
    def live(self) -> bool:
        """False for a tombstone."""


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


def judge(record: DocumentRecord, head: Shown | None) -> Verdict:
    """Compares; ``record`` must have been read before ``head``, so that the head is the newer of the two."""
    reached = head.generation if head else 0
    live = bool(head and head.live)
    if reached > record.wanted_generation:
        return Verdict.AHEAD
    if record.state is DocumentState.DELETED:
        return Verdict.LOST if live else Verdict.AGREES
    gave_up = record.state in (DocumentState.FAILED, DocumentState.CANCELLED)
    gave_up = gave_up and record.error_code not in ORIGINAL_GONE
    if gave_up and reached == record.wanted_generation and live == (record.kind is not DocumentKind.DELETE):
        return Verdict.DONE
    return Verdict.LOST if reached < record.visible_generation else Verdict.AGREES
