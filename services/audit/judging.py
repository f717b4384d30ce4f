"""One document: what the ledger says against what lies on the index server. Pure."""

from __future__ import annotations

from services.audit.values import Kind
from services.index.clearing import Inspected
from services.ledger.compare import Verdict, judge
from services.ledger.values import DocumentKind, DocumentRecord, DocumentState

_IN_WORK = (DocumentState.PENDING, DocumentState.PROCESSING)
_OF_VERDICT = {Verdict.LOST: Kind.NOT_INDEXED, Verdict.DONE: Kind.GIVEN_UP, Verdict.AHEAD: Kind.AHEAD}


def suspicions(record: DocumentRecord | None, found: Inspected | None) -> list[Kind]:
    """What may be wrong with a document; whether it is, a second look says.

    ``record`` must have been read before ``found``, so that the index is the newer of the two.
    """
    if record is None:
        return [Kind.UNKNOWN] if found is not None and found.live else []
    kinds: list[Kind] = []
    if found is not None and record.state not in _IN_WORK:
        if found.staged is not None:
            kinds.append(Kind.HALF_STAGED)
        if found.left_over:
            kinds.append(Kind.LEFT_OVER)
    shown = found if found is not None and found.generation else None
    verdict = judge(record, shown)
    if verdict is not Verdict.AGREES:
        return [*kinds, _OF_VERDICT[verdict]]
    if shown is not None and shown.live and record.kind is not DocumentKind.DELETE:
        if shown.there < shown.chunks:
            kinds.append(Kind.CHUNKS_MISSING)
        elif shown.sound < shown.there:
            kinds.append(Kind.CHUNKS_UNSOUND)
    return kinds
