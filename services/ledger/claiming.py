"""The worker's side: take documents under a lease, count attempts, and say how each of them ended."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from services.ledger.part import LedgerPart
from services.ledger.records import claimed_document
from services.ledger.values import Claim, ClaimedDocument, LeaseLost, Timings

WARNINGS = 20
REASON_CHARS = 1000
TITLE_CHARS = 300
RELEASE_PAUSE_MS = 1000


@dataclass(frozen=True, slots=True)
class Finished:
    """How a document was finished, for ``finish_all``; see ``Claiming.finish``."""

    document: ClaimedDocument
    attempt: int
    chunks: int
    sequence: int
    title: str = ""
    warnings: tuple[str, ...] = ()
    live_version: int = 1
    timings: Timings | None = None


class Claiming(LedgerPart):
    """The part of the ledger that hands work out. Every call is safe to repeat after a lost reply."""

    def claim(self, collection_id: str, token: str, *, max_documents: int, max_bytes: int, lease_ms: int) -> Claim:
        """Takes due documents under ``token``, small requests first; the same token gets the same set again.

        At least one document comes when any is due, whatever its size. Documents on their second attempt come by up
        to 16, one on its last attempt and a SOURCE come alone.
        """
        version, more, rows = self.link.run("claim", collection_id, token, max_documents, max_bytes, lease_ms * 1000)
        documents = tuple(claimed_document(collection_id, row) for row in rows)
        return Claim(token, documents, int(version), bool(more))

    def begin(self, document: ClaimedDocument, token: str) -> int:
        """Counts an attempt and returns its number, to be written into the index beside the generation.

        Called before a document is so much as opened, so that whatever kills the worker is counted. The number rises
        with every attempt at a document, also over retries and versions; ``attempts`` counts the failed ones.

        Raises:
            LeaseLost: the document is in other hands.
        """
        return _attempt(self.link.run("begin", *_place(document), token), document)

    def begin_all(self, documents: Sequence[ClaimedDocument], token: str) -> list[int]:
        """``begin`` for several documents in one round trip; 0 for one whose lease is lost.

        For documents that cannot harm a worker (given as text): a crash uses an attempt of each.
        """
        replies = self.link.run_all("begin", [(*_place(document), token) for document in documents])
        return [int(reply) for reply in replies]

    def renew(self, token: str, lease_ms: int) -> bool:
        """Prolongs a lease, to be called on progress only; False when nothing is held under it any more.

        A document that is past its deadline fails here and is held no longer.
        """
        return bool(self.link.run("renew", token, lease_ms * 1000, self._limits.deadline_us))

    def finish(
        self,
        document: ClaimedDocument,
        token: str,
        *,
        attempt: int,
        chunks: int,
        sequence: int,
        title: str = "",
        warnings: Sequence[str] = (),
        live_version: int = 1,
        timings: Timings | None = None,
    ) -> str:
        """Says that the index shows this generation (or no longer shows a deleted document).

        Args:
            attempt: what ``begin`` returned.
            chunks: visible chunks; 0 for a DELETE or a SOURCE.
            sequence: the finish sequence that the index gave; 0 for a SOURCE.
            live_version: what the claim said.
            timings: where the time went.

        Returns:
            "finished"; "already" when repeated or done by another; "lost" when the document is in other hands or has a
            newer generation; "version-changed" when it has to be written for another index version and waits again.
        """
        finished = Finished(document, attempt, chunks, sequence, title, tuple(warnings), live_version, timings)
        return str(self.link.run("finish", *_finish_arguments(finished, token)).decode())

    def finish_all(self, finished: Sequence[Finished], token: str) -> list[str]:
        """``finish`` for several documents in one round trip, which the ledger's disk sees as one write."""
        replies = self.link.run_all("finish", [_finish_arguments(item, token) for item in finished])
        return [reply.decode() for reply in replies]

    def fail(self, document: ClaimedDocument, token: str, *, code: str, reason: str, retry: bool) -> str:
        """Ends an attempt without success; what was visible before stays so.

        Args:
            code: stable, kebab-case. reason: a sentence for the document's owner.
            retry: another attempt may succeed; it follows after a pause, until the attempts or the time are used up.

        Returns:
            The document's state now ("pending", "failed" or "cancelled"); "already" when it had failed before; "lost".
        """
        pause_us = self._limits.first_pause_ms * 1000
        arguments = (code, reason[:REASON_CHARS], int(retry), pause_us, self._limits.attempts, self._limits.deadline_us)
        return str(self.link.run("fail", *_place(document), token, *arguments).decode())

    def release(self, token: str, documents: Sequence[ClaimedDocument], *, pause_ms: int = RELEASE_PAUSE_MS) -> int:
        """Gives documents back with their attempt: not they failed but something around them, or there is more to do.

        ``pause_ms`` 0 lets a SOURCE go on with its next slice at once. Returns how many were still held.
        """
        if not documents:
            return 0
        return int(self.link.run("release", token, pause_ms * 1000, *(document.doc_hash for document in documents)))

    def save_cursor(self, document: ClaimedDocument, token: str, cursor: int, children: int) -> None:
        """Notes that a SOURCE has been expanded up to ``cursor`` into ``children`` documents; that is progress.

        Raises:
            LeaseLost: the document is in other hands.
        """
        _attempt(self.link.run("cursor", *_place(document), token, cursor, children), document)


def _place(document: ClaimedDocument) -> tuple[str, str, int]:
    return document.collection_id, document.doc_hash, document.generation


def _attempt(reply: int, document: ClaimedDocument) -> int:
    if not reply:
        raise LeaseLost(f"document {document.id[:80]!r} is in other hands; drop what was made of it")
    return int(reply)


def _finish_arguments(finished: Finished, token: str) -> tuple[str | int, ...]:
    document = finished.document
    warnings = json.dumps([text[:200] for text in finished.warnings[:WARNINGS]]) if finished.warnings else ""
    return (
        *_place(document),
        token,
        finished.chunks,
        finished.sequence,
        finished.title[:TITLE_CHARS],
        warnings,
        finished.live_version,
        document.envelope,
        document.kind.value,
        document.body_bytes,
        _times(finished.timings),
    )


def _times(timings: Timings | None) -> str:
    return f"{timings.extract_ms},{timings.embed_ms},{timings.write_ms}" if timings else ""
