"""What people and the keeper do to work that is under way: cancel, retry, repair, clear."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from services.errors import InvalidInput, NotFound
from services.ids import hash_document_id, new_job_id
from services.ledger import keys
from services.ledger.accepting import SMALL_DOCUMENTS
from services.ledger.part import LedgerPart
from services.ledger.values import DocumentState

SLICE = 500
CONDEMNED_S = 86_400
WORKER_DIED = (
    "The worker stopped each time it had this document in hand; it may be too large or broken. Retry it, or split it."
)


@dataclass(frozen=True, slots=True)
class Expired:
    """What became of leases that ran out. ``failed`` are documents whose last attempt this was."""

    leases: int
    collections: tuple[str, ...]
    failed: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Loss:
    """A document that the index lacks, with its generations as they were when that was seen (0: nothing visible)."""

    doc_hash: str
    wanted_generation: int
    visible_generation: int


class Upkeep(LedgerPart):
    """The part of the ledger that changes work under way. Every call is safe to repeat."""

    def cancel(self, job_id: str) -> int:
        """Stops what a job has not done yet; documents in a worker's hands are finished, which takes seconds.

        Returns:
            How many of the job's documents are cancelled by now.

        Raises:
            NotFound: no such job.
        """
        offset = 0
        while offset >= 0:
            offset = int(self.link.run("cancel", job_id, offset, SLICE))
        total, cancelled = self.link.read(
            lambda pipe: (pipe.hget(keys.job(job_id), "total"), pipe.hget(keys.job(job_id), "cancelled"))
        )
        if total is None:
            raise unknown_job(job_id)
        return int(cancelled or 0)

    def resume(self, job_id: str) -> int:
        """Takes up again what a cancelled job had left, in the same job; how many of its documents wait now.

        Raises:
            NotFound: no such job.
        """
        offset = 0
        while offset >= 0:
            offset = int(self.link.run("resume", job_id, offset, SLICE))
        total, waiting = self.link.read(
            lambda pipe: (pipe.hget(keys.job(job_id), "total"), pipe.hget(keys.job(job_id), "pending"))
        )
        if total is None:
            raise unknown_job(job_id)
        return int(waiting or 0)

    def retry(
        self, collection_id: str, *, document_ids: Sequence[str] | None = None, job_id: str | None = None
    ) -> tuple[str, int]:
        """Queues failed documents again, under a new job: the given ones, a job's, or (neither given) all.

        Cancelled documents are taken too when they are named by id; ``resume`` takes up those of a job.

        Returns:
            The new job's id ("" when there was nothing to retry) and how many documents it holds.

        Raises:
            InvalidInput: both given.
        """
        if document_ids is not None and job_id is not None:
            raise InvalidInput("name documents or a job to retry, not both")
        new_job, count = new_job_id(), 0
        for doc_hashes in self._slices(collection_id, document_ids, job_id):
            label = "retry of failed documents"
            named = int(document_ids is not None)
            made = self.link.run("retry", collection_id, new_job, label, "fast", SMALL_DOCUMENTS, named, *doc_hashes)
            count = int(made or count)
        return (new_job, count) if count else ("", 0)

    def requeue_lost(self, collection_id: str, losses: Sequence[Loss]) -> int:
        """Queues documents that the index no longer shows; what changed since it was seen is passed over."""
        arguments = [
            text for loss in losses for text in (loss.doc_hash, loss.wanted_generation, loss.visible_generation)
        ]
        return int(self.link.run("requeue", collection_id, *arguments)) if arguments else 0

    def adopt(self, collection_id: str, doc_hash: str, *, generation: int, chunks: int, sequence: int) -> bool:
        """Marks a document done that was given up although the index shows it: its worker died after the write."""
        return bool(self.link.run("adopt", collection_id, doc_hash, generation, chunks, sequence))

    def expire(self, most: int = 20) -> Expired:
        """Takes back documents whose lease has run out."""
        ended, collections, failed = self.link.run(
            "expire", most, self._limits.attempts, self._limits.deadline_us, "worker-died", WORKER_DIED
        )
        names = [text.decode() for text in failed]
        pairs = tuple(zip(names[::2], names[1::2], strict=True))
        return Expired(int(ended), tuple(text.decode() for text in collections), pairs)

    def note_restart(self, run_id: str) -> bool:
        """Gives every lease its full length again, once for each run of the ledger's server."""
        return bool(self.link.run("restarted", run_id))

    def lost_bells(
        self, collection_ids: Sequence[str], *, patience_ms: int, longest_pause_ms: int = 120_000
    ) -> list[str]:
        """Collections with due work at which nobody has claimed or rung for a while; they count as rung now."""
        if not collection_ids:
            return []
        replies = self.link.run("bells", patience_ms * 1000, longest_pause_ms * 1000, *collection_ids)
        return [reply.decode() for reply in replies]

    def prune_jobs(self, *, keep: int = 10_000, older_than_s: int = 3600, most: int = 500) -> int:
        """Forgets old finished jobs beyond the newest ``keep``; returns how many went."""
        return int(self.link.run("prune", keep, older_than_s * 1_000_000, most))

    def condemn(self, names: list[str]) -> list[str]:
        """Which envelopes no document points into; from now on none can (see ``EnvelopeStore.sweep``)."""
        return [name.decode() for name in self.link.run("condemn", CONDEMNED_S, *names)] if names else []

    def drop_collection(self, collection_id: str, limit: int = SLICE) -> int:
        """Removes a slice of a deleted collection, which takes nothing in any more; 0 when nothing is left."""
        return int(self.link.run("drop", collection_id, limit))

    def _slices(
        self, collection_id: str, document_ids: Sequence[str] | None, job_id: str | None
    ) -> Iterator[Sequence[str]]:
        if document_ids is not None:
            yield from _cut([hash_document_id(document_id) for document_id in document_ids])
            return
        key = keys.job_documents(job_id) if job_id else keys.in_state(collection_id, DocumentState.FAILED)
        (members,) = self.link.read(lambda pipe: pipe.zrange(key, 0, -1))
        if job_id and not members and not self.link.read(lambda pipe: pipe.exists(keys.job(job_id)))[0]:
            raise unknown_job(job_id)
        yield from _cut([member.decode() for member in members])


def unknown_job(job_id: str) -> NotFound:
    """The error for a job that is not there (any more)."""
    return NotFound(
        f"there is no job {job_id[:40]!r}; finished jobs are forgotten after a while. GET /api/v1/jobs lists them",
        code="unknown-job",
    )


def _cut(items: Sequence[str]) -> Iterable[Sequence[str]]:
    return (items[start : start + SLICE] for start in range(0, len(items), SLICE))
