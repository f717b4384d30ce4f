"""Jobs for people: descriptions through redis-om, counters from the ledger."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from redis_om import NotFoundError

from services.errors import InvalidInput
from services.ledger import keys
from services.ledger.job_model import JobDescription, bind_models, ensure_job_index
from services.ledger.records import hash_of
from services.ledger.redis_link import RedisLink
from services.ledger.upkeep import unknown_job
from services.ledger.values import Job, JobCounts, Page
from services.redis_clients import Client, TextClient

WORKED = ("ready", "failed", "deleted")
_COUNTERS = ("total", "pending", "processing", "ready", "failed", "unchanged", "deleted", "superseded", "cancelled")


class JobReader:
    """Reads jobs.

    Args:
        client: of the ledger, replies as bytes.
        text_client: of the same server, replies decoded to str, which redis-om asks for.
    """

    def __init__(self, client: Client, text_client: TextClient) -> None:
        self._link = RedisLink(client)
        self._text_client = text_client
        bind_models(text_client)

    def prepare(self) -> None:
        """Makes the index that ``list`` searches, unless it is there; a step of every start."""
        self._link.attempt(lambda: ensure_job_index(self._text_client))

    def get(self, job_id: str) -> Job:
        """One job.

        Raises:
            NotFound: no such job (code "unknown-job"); finished ones are forgotten after a while.
        """
        try:
            description = self._link.attempt(lambda: JobDescription.get(job_id))
        except NotFoundError:
            raise unknown_job(job_id) from None
        (job,) = self._jobs([description])
        return job

    def list(self, collection_id: str | None = None, *, cursor: str = "", limit: int = 20) -> Page[Job]:
        """A page of jobs, newest first, of one collection or of all.

        Raises:
            InvalidInput: a cursor that is not one of ours.
        """
        if cursor and not (cursor.isascii() and cursor.isdigit() and len(cursor) <= 16):
            raise InvalidInput(
                f"cursor {cursor[:80]!r} is not one that a list has given; leave it out to begin anew",
                code="bad-cursor",
                pointer="/cursor",
            )
        wanted = JobDescription.number < (int(cursor) if cursor else 1 << 52)
        if collection_id is not None:
            wanted = wanted & (JobDescription.collection_id == collection_id)
        query = JobDescription.find(wanted).sort_by("-number")
        found = self._link.attempt(lambda: query.page(offset=0, limit=limit + 1))
        jobs = self._jobs(found[:limit])
        return Page(jobs, str(found[limit - 1].number) if len(found) > limit else "")

    def _jobs(self, descriptions: Sequence[JobDescription]) -> tuple[Job, ...]:
        if not descriptions:
            return ()
        names = [keys.job(str(description.pk)) for description in descriptions]
        replies = self._link.read(lambda pipe: [pipe.time(), *(pipe.hgetall(name) for name in names)])
        (seconds, micros), counters = replies[0], replies[1:]
        now_us = int(seconds) * 1_000_000 + int(micros)
        return tuple(
            to_job(description, hash_of(counts), now_us)
            for description, counts in zip(descriptions, counters, strict=True)
        )


def to_job(description: JobDescription, fields: Mapping[str, str], now_us: int) -> Job:
    """A job from its description and its counters; ``now_us`` is Redis TIME."""
    counts = JobCounts(**{name: int(fields.get(name, 0)) for name in _COUNTERS})
    started, finished = (int(fields[name]) if name in fields else None for name in ("started", "finished"))
    worked = counts.ready + counts.failed + counts.deleted
    elapsed_s = max(0, (finished or now_us) - started) / 1e6 if started else 0.0
    rate = worked / elapsed_s if elapsed_s > 0 else 0.0
    left = counts.pending + counts.processing
    return Job(
        id=str(description.pk),
        collection_id=description.collection_id,
        label=description.label,
        state=_state(counts, started=started is not None, stopped="stopped" in fields),
        counts=counts,
        created_at=description.created_at,
        finished_at=None if finished is None else finished // 1000,
        rate=rate,
        eta_s=0.0 if not left else left / rate if rate > 0 and fields.get("sources", "0") == "0" else None,
    )


def _state(counts: JobCounts, *, started: bool, stopped: bool) -> str:
    if counts.pending + counts.processing:
        return "running" if started else "pending"
    if stopped and counts.cancelled:
        return "cancelled"
    if counts.failed and not counts.ready + counts.unchanged + counts.deleted + counts.superseded:
        return "failed"
    return "done"
