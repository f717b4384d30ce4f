"""How the documents of one claim end: finished together, failed one by one, or given back."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from services.errors import ExtractionFailed, ModelError, NearfieldError, Unavailable
from services.index.values import Outcome, WriteOutcome
from services.ingest.pipeline.extracted_store import ExtractedStore
from services.ingest.pipeline.lease import Lease
from services.ledger.claiming import Finished
from services.ledger.ledger import Ledger
from services.ledger.values import ClaimedDocument, DocumentKind, LeaseLost, Timings

log = logging.getLogger(__name__)
T = TypeVar("T")


@dataclass(slots=True)
class Tally:
    """How a slice went; ``done_bytes`` counts documents whose text was worked on."""

    done: int = 0
    failed: int = 0
    done_bytes: int = 0
    gave_back: bool = False


class Settlement:
    """Keeps count of what has been settled, and settles.

    Args:
        ledger: that is told.
        lease: under which the documents are held.
        extracted: where the texts of replaced documents are removed.
    """

    def __init__(self, ledger: Ledger, lease: Lease, extracted: ExtractedStore) -> None:
        self.tally = Tally()
        self._ledger = ledger
        self._lease = lease
        self._extracted = extracted
        self._settled: set[str] = set()
        self._finished: list[Finished] = []
        self._old_texts: dict[str, str] = {}

    def is_settled(self, claimed: ClaimedDocument) -> bool:
        """Whether nothing more is to be done about a document in this slice."""
        return claimed.doc_hash in self._settled

    def drop(self, claimed: ClaimedDocument) -> None:
        """Notes that a document is in other hands."""
        self._settled.add(claimed.doc_hash)

    def progress(self) -> None:
        """A step forward; raises LeaseLost as ``Lease.progress``, and never when all is settled."""
        if len(self._settled) < len(self._lease.claim.documents):
            self._lease.progress()
        else:
            self._lease.heartbeat()

    def guarded(self, claimed: ClaimedDocument, step: Callable[[], T]) -> T | None:
        """Runs a step on behalf of one document; None, and its attempt is over, when the document made it fail."""
        try:
            return step()
        except (Unavailable, LeaseLost):
            raise
        except ModelError as error:
            self.fail(claimed, error.code, error.message, retry=True)
        except ExtractionFailed as error:
            log.warning("document %s: %s %s", claimed.doc_hash, error.code, error.trace)
            # a crash may be the machine's doing once; whatever runs into a limit would do so again
            self.fail(claimed, error.code, error.message, retry=error.again and claimed.attempts == 0)
        except NearfieldError as error:
            self.fail(claimed, error.code, error.message, retry=False)
        except Exception as error:  # a reader's bug must not stop the other documents
            log.exception("document %s", claimed.doc_hash)
            reason = f"the document could not be processed ({type(error).__name__}); the worker's log says more"
            self.fail(claimed, "processing-failed", reason, retry=True)
        return None

    def fail(self, claimed: ClaimedDocument, code: str, reason: str, *, retry: bool) -> None:
        """Ends a document's attempt."""
        state = self._ledger.fail(claimed, self._lease.token, code=code, reason=reason, retry=retry)
        self._settled.add(claimed.doc_hash)
        self.tally.failed += state == "failed"

    def written(
        self,
        claimed: ClaimedDocument,
        attempt: int,
        outcome: WriteOutcome,
        *,
        title: str = "",
        warnings: tuple[str, ...] = (),
        old_text: str = "",
        timings: Timings | None = None,
    ) -> None:
        """Notes what the index answered; ``settle`` tells the ledger.

        Args:
            old_text: hash of a text that nothing points into any more, "" for none.
            timings: where the time went, for what was read.
        """
        if outcome.outcome is Outcome.STALE:
            reason = "the index holds a newer version of this document than the ledger; add it again to replace that"
            self.fail(claimed, "stale-version", reason, retry=True)
            return
        if old_text:
            self._old_texts[claimed.doc_hash] = old_text
        version = self._lease.claim.live_version
        self._finished.append(
            Finished(claimed, attempt, outcome.chunks, outcome.sequence, title, warnings, version, timings)
        )

    def settle(self) -> None:
        """Tells the ledger of everything written since the last time, in one round trip."""
        finished, self._finished = self._finished, []
        if not finished:
            return
        for item, reply in zip(finished, self._ledger.finish_all(finished, self._lease.token), strict=True):
            claimed = item.document
            self._settled.add(claimed.doc_hash)
            if reply not in ("finished", "already"):
                log.info("document %s not finished: %s", claimed.doc_hash, reply)
                continue
            self.tally.done += 1
            self.tally.done_bytes += claimed.body_bytes if claimed.kind is not DocumentKind.SOURCE else 0
            if claimed.doc_hash in self._old_texts:
                self._extracted.forget(claimed.collection_id, self._old_texts.pop(claimed.doc_hash))
        self.progress()

    def give_back(self, *, pause_ms: int) -> None:
        """Returns what is not settled, with its attempt."""
        rest = [claimed for claimed in self._lease.claim.documents if not self.is_settled(claimed)]
        if rest:
            self._ledger.release(self._lease.token, rest, pause_ms=pause_ms)
            self.tally.gave_back = True
