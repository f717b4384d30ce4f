"""Server-sent events of a job: a few streams at once, each short, because every stream holds a server thread."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import flask

from services.errors import NearfieldError, Overloaded
from web.body import to_json
from web.errors import problem_of
from web.shapes import JobShape
from web.state import MAX_STREAMS, WebState

STREAM_S = 30.0
POLL_S = 0.5
HEARTBEAT_S = 5.0
RECONNECT_MS = 1000


def event(name: str, data: object, event_id: str = "") -> bytes:
    """One server-sent event; ``data`` becomes one line of JSON."""
    lines = [f"event: {name}".encode()]
    if event_id:
        lines.append(f"id: {event_id}".encode())
    lines.append(b"data: " + to_json(data))
    return b"\n".join(lines) + b"\n\n"


def job_events(
    read: Callable[[], JobShape],
    *,
    last_event_id: str,
    stopping: threading.Event,
    request_id: str,
    stream_s: float = STREAM_S,
    poll_s: float = POLL_S,
) -> Iterator[bytes]:
    """The events of one stream: "progress" at each change, "done" or "error" as the last.

    Args:
        read: the job as it is now.
        last_event_id: what the client saw last; that state is not sent again.
        stopping: ends the stream early, without a last event: the client reconnects.
        request_id: for a problem that is sent as the last event.
        stream_s: how long the stream lasts at most.
        poll_s: pause between two looks at the job.
    """
    yield f"retry: {RECONNECT_MS}\n\n".encode()
    ends = time.monotonic() + stream_s
    spoke = time.monotonic()
    seen = last_event_id
    while True:
        try:
            job = read()
        except NearfieldError as error:
            yield event("error", problem_of(error, request_id=request_id).as_shape())
            return
        state = event_id_of(job)
        if job["finished_at"] is not None:
            yield event("done", job, state)
            return
        if state != seen:
            seen = state
            spoke = time.monotonic()
            yield event("progress", job, state)
        elif time.monotonic() - spoke >= HEARTBEAT_S:
            spoke = time.monotonic()
            yield b": still here\n\n"  # also how a reader that has gone is noticed
        if time.monotonic() >= ends or stopping.wait(poll_s):
            return


def event_id_of(job: JobShape) -> str:
    """A job's numbers as an event id: equal ids, equal numbers."""
    counts: dict[str, Any] = dict(job["counts"])
    return "-".join([job["state"], *(str(number) for number in counts.values())])


def stream_response(state: WebState, events: Iterator[bytes]) -> flask.Response:
    """The stream as an answer; it takes one of the slots and gives it back when the answer is closed.

    Raises:
        Overloaded: all slots are taken; the client should poll instead.
    """
    if not state.streams.acquire(blocking=False):
        raise Overloaded(
            f"{MAX_STREAMS} event streams are open, which is all there are; ask for the job itself every second or two",
            code="too-many-streams",
            retry_after_s=5,
        )
    response = flask.Response(events, content_type="text/event-stream; charset=utf-8")
    response.headers["Cache-Control"] = "no-store"
    response.headers["X-Accel-Buffering"] = "no"
    response.call_on_close(state.streams.release)
    return response
