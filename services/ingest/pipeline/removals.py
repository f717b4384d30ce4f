"""What is still done while ingestion pauses: removals, because they make room. Everything else goes back untouched."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

from services.ledger.values import Claim, ClaimedDocument, DocumentKind

PAUSE_MS = 5_000
"""When what was given back may be taken again: well within the time in which ingestion has to go on by itself."""


class ReleasingLedger(Protocol):
    """What is needed of the ledger."""

    def release(self, token: str, documents: Sequence[ClaimedDocument], *, pause_ms: int) -> int:
        """Gives documents back with their attempt."""
        ...


def only_removals(ledger: ReleasingLedger, claim: Claim) -> Claim:
    """The claim without what would need room; that is given back for some seconds, so that removals behind it come up.

    Raises:
        Unavailable: the ledger does not answer; the lease will end by itself.
    """
    removals = tuple(claimed for claimed in claim.documents if claimed.kind is DocumentKind.DELETE)
    rest = [claimed for claimed in claim.documents if claimed.kind is not DocumentKind.DELETE]
    if rest:
        ledger.release(claim.token, rest, pause_ms=PAUSE_MS)
    return replace(claim, documents=removals)
