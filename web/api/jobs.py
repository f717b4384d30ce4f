"""Jobs: how far the documents of a request are, live, and what can be done about them."""

from __future__ import annotations

import flask

from services.errors import NotFound
from services.ledger.values import Job
from web.body import json_response
from web.endpoint import API_PREFIX, Answer, Router
from web.present import job_json
from web.schemas import JobsQuery
from web.shapes import CancelledShape, JobShape, JobsShape, ResumedShape, RetriedShape
from web.state import WebState, web_state
from web.streams import job_events, stream_response

routes = Router("jobs")


@routes.route(
    "GET", "/jobs", "List jobs", answers=Answer(200, "Jobs, newest first", JobsShape), errors=(404,), query=JobsQuery
)
def list_jobs(query: JobsQuery) -> flask.Response:
    """All jobs, or those of one collection."""
    state = web_state()
    only = state.collection(query.collection).id if query.collection is not None else None
    page = state.services.jobs.list(only, cursor=query.cursor, limit=query.limit)
    names = {collection.id: collection.name for collection in state.services.collections.list()}
    answer: JobsShape = {
        "items": [job_json(job, names.get(job.collection_id)) for job in page.items],
        "next_cursor": page.next_cursor or None,
    }
    return json_response(answer)


@routes.route("GET", "/jobs/<job_id>", "Look at a job", answers=Answer(200, "The job", JobShape), errors=(404,))
def get_job(job_id: str) -> flask.Response:
    """One job with its counts."""
    state = web_state()
    return json_response(_shape(state, find_job(state, job_id)))


@routes.route(
    "POST",
    "/jobs/<job_id>/cancel",
    "Cancel what a job has not done yet",
    answers=Answer(200, "How many documents were cancelled", CancelledShape),
    errors=(404,),
)
def cancel_job(job_id: str) -> flask.Response:
    """Documents that are searchable already stay so."""
    state = web_state()
    job = find_job(state, job_id)
    cancelled = cancel_rest(state, job)
    answer: CancelledShape = {"cancelled": cancelled, "job": _shape(state, find_job(state, job_id))}
    return json_response(answer)


@routes.route(
    "POST",
    "/jobs/<job_id>/resume",
    "Take a cancelled job up again",
    answers=Answer(200, "How many of its documents wait now", ResumedShape),
    errors=(404,),
)
def resume_job(job_id: str) -> flask.Response:
    """What was cancelled waits again, in the same job; an uploaded table goes on where it stopped."""
    state = web_state()
    job = find_job(state, job_id)
    waiting = state.services.ledger.resume(job.id)
    state.services.doorbell.ring(job.collection_id)
    answer: ResumedShape = {"waiting": waiting, "job": _shape(state, find_job(state, job_id))}
    return json_response(answer)


@routes.route(
    "POST",
    "/jobs/<job_id>/retry",
    "Try a job's failed documents again",
    answers=Answer(202, "The job that tries them", RetriedShape),
    errors=(404,),
)
def retry_job(job_id: str) -> flask.Response:
    """Failed documents of the job become due again."""
    state = web_state()
    job = find_job(state, job_id)
    answer = state.services.ledger.retry(job.collection_id, job_id=job.id)
    state.services.doorbell.ring(job.collection_id)
    return retried(*answer)


@routes.route(
    "GET",
    "/jobs/<job_id>/events",
    "Follow a job (server-sent events)",
    answers=Answer(200, "Events progress, done and error; each datum is a job", JobShape, "text/event-stream"),
    errors=(404, 503),
)
def follow_job(job_id: str) -> flask.Response:
    """A stream lasts 30 s; reconnect with Last-Event-ID. When all streams are taken, poll the job instead."""
    state = web_state()
    first = find_job(state, job_id)
    name = _name(state, first)

    def read() -> JobShape:
        return job_json(find_job(state, job_id), name)

    events = job_events(
        read,
        last_event_id=flask.request.headers.get("Last-Event-ID", "")[:200],
        stopping=state.stopping,
        request_id=flask.g.request_id,
    )
    return stream_response(state, events)


def retried(job_id: str, count: int) -> flask.Response:
    """202 with the new job's address; without one when there was nothing to try again."""
    answer: RetriedShape = {"job_id": job_id, "count": count}
    return json_response(answer, 202, location=f"{API_PREFIX}/jobs/{job_id}" if job_id else None)


def cancel_rest(state: WebState, job: Job) -> int:
    """Cancels what a job has not done yet; how many documents that were not cancelled before are so now."""
    return max(state.services.ledger.cancel(job.id) - job.counts.cancelled, 0)


def find_job(state: WebState, job_id: str) -> Job:
    """The job of that id.

    Raises:
        NotFound: there is none; the pointer names the path parameter.
    """
    try:
        return state.services.jobs.get(job_id)
    except NotFound as error:
        error.pointer = error.pointer or "/job_id"
        raise


def _shape(state: WebState, job: Job) -> JobShape:
    return job_json(job, _name(state, job))


def _name(state: WebState, job: Job) -> str | None:
    collection = state.services.collections.by_id(job.collection_id)
    return collection.name if collection is not None else None
