"""The HTTP server under the application: waitress, with our error shape for what it refuses by itself.

Waitress reads a whole request before a thread takes it, so slow clients hold no threads (20 of them stopped the
other candidate for 12 s). The price is that bodies are buffered on disk; ``web.intake`` bounds how much of it.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import resource
import secrets
import socket
import time
from collections.abc import Callable
from http import HTTPStatus
from pathlib import Path
from threading import Event
from typing import Any

import flask
from waitress import wasyncore
from waitress.channel import HTTPChannel
from waitress.server import create_server
from waitress.task import ErrorTask

from services.errors import SettingsError
from services.settings import Settings, split_bind
from web.body import to_json
from web.errors import PROBLEM_TYPE, Problem, http_problem, is_api_path, page_text, problem_of
from web.intake import Intake
from web.receiving import Receiver, Refused
from web.security import HEADERS

log = logging.getLogger(__name__)

MAX_HEADER_BYTES = 64 * 1024
CONNECTION_LIMIT = 1000
FILES_PER_CONNECTION = 3
"""A socket, the body on the disk, and its share of what threads open."""

FILES_OF_OUR_OWN = 24
ACCEPT_PAUSE_S = 0.1
RECEIVE_BYTES = 64 * 1024
MEMORY_PER_BODY_BYTES = 64 * 1024
"""What is longer goes to the disk while it comes: 1,000 slow uploads hold 64 MB."""

BACKLOG = 1024
STOP_GRACE_S = 3.0
LOOP_S = 1.0
DRAIN_S = 30.0
DRAIN_BYTES = 1024 * 1024 * 1024
_TOO_LARGE = (HTTPStatus.REQUEST_ENTITY_TOO_LARGE, HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)


class ProblemTask(ErrorTask):  # type: ignore[misc]
    """Answers a request that waitress could not read with problem+json."""

    def execute(self) -> None:
        """Writes the answer and has the connection closed after it."""
        error = self.request.error
        problem = self._problem()
        as_page = isinstance(error, Refused) and "text/html" in self.request.headers.get("ACCEPT", "")
        as_page = as_page and not is_api_path(self.request.path)
        body = page_text(problem).encode("utf-8", "replace") if as_page else to_json(problem.as_shape())
        self.status = f"{error.code} {error.reason}"
        self.response_headers.extend([*HEADERS.items(), *problem.headers])
        self.response_headers.append(("Content-Type", "text/html; charset=utf-8" if as_page else PROBLEM_TYPE))
        self.response_headers.append(("X-Request-ID", problem.request_id))
        self.channel.linger = isinstance(error, Refused) or error.code in _TOO_LARGE
        self.set_close_on_finish()
        self.content_length = len(body)
        self.write(body)

    def _problem(self) -> Problem:
        request_id = secrets.token_hex(8)
        error = self.request.error
        if isinstance(error, Refused):
            return problem_of(error.cause, request_id=request_id)
        return http_problem(error.code, request_id)


class Channel(HTTPChannel):  # type: ignore[misc]
    """A connection that lets a client finish sending what was refused as too large.

    Closing while bytes are on their way makes the kernel send a reset, and many clients then report a broken
    connection instead of the answer. So what still comes is read and thrown away, for at most 30 s or 1 GiB.
    """

    error_task_class = ProblemTask
    request: Receiver | None
    linger = False
    drain_until: float | None = None
    drained_bytes = 0

    def parser_class(self, adj: Any) -> Receiver:
        """The parser of the next request."""
        return Receiver(adj, self.server.intake)

    def handle_close(self) -> None:
        """Closes; after a refusal only this side at first."""
        if self.linger and self.connected:
            self.linger = self.will_close = self.close_when_flushed = False
            with contextlib.suppress(OSError):  # the client has gone already
                self.socket.shutdown(socket.SHUT_WR)
                self.drain_until = time.monotonic() + DRAIN_S
                return
        super().handle_close()
        with self.requests_lock:
            unfinished, self.request = self.request, None
        if unfinished is not None:  # half a request: nobody else will remove its body
            unfinished.close()

    def readable(self) -> bool:
        """Whether the loop should look for bytes."""
        return self.drain_until is not None or bool(super().readable())

    def handle_read(self) -> None:
        """Takes bytes in, or throws them away."""
        if self.drain_until is None:
            super().handle_read()
            return
        self.drained_bytes += len(self.recv(self.adj.recv_bytes))
        if time.monotonic() > self.drain_until or self.drained_bytes > DRAIN_BYTES:
            self.handle_close()


def bind_socket(settings: Settings) -> socket.socket:
    """The listening socket, before anything slow is done.

    Raises:
        SettingsError: the port is in use, needs more rights, or the address is not this machine's.
    """
    host, port = split_bind(settings.bind)
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        return socket.create_server(address[:2], family=family, backlog=BACKLOG)
    except OSError as error:
        reason = {
            errno.EADDRINUSE: "another program listens there; stop it, or choose another port (0 picks a free one)",
            errno.EACCES: "this user may not listen there; choose a port above 1023",
            errno.EADDRNOTAVAIL: "this machine has no such address; choose one of its own, such as 127.0.0.1",
        }.get(error.errno or 0, f"{error.strerror or error}; choose an address of this machine")
        raise SettingsError(f"cannot listen on {settings.bind} (NEARFIELD_BIND): {reason}") from None


def connection_limit(files: int) -> int:
    """How many connections may be open at a time where a process may have ``files`` files open."""
    if files == resource.RLIM_INFINITY:
        return CONNECTION_LIMIT
    return max(4, min(CONNECTION_LIMIT, (files - FILES_OF_OUR_OWN) // FILES_PER_CONNECTION))


def write_port_file(path: Path, port: int) -> None:
    """Writes the port in one step: a reader sees nothing or all of it."""
    temporary = path.with_name(path.name + ".tmp")
    temporary.write_text(f"{port}\n", "ascii")
    temporary.replace(path)


class Server:
    """Waitress on a socket that is already bound.

    Args:
        app: the application.
        settings: threads and the size limits.
        listener: from ``bind_socket``.
        intake: what bodies may come in; one of its own when none is given.
        housekeeping: called about once a second, between two looks at the sockets; must be quick.
    """

    def __init__(
        self,
        app: flask.Flask,
        settings: Settings,
        listener: socket.socket,
        *,
        intake: Intake | None = None,
        housekeeping: Callable[[], None] = lambda: None,
    ) -> None:
        self._map: dict[int, Any] = {}
        self._stop = Event()
        self._housekeeping = housekeeping
        self._kept_house = self._paused = time.monotonic()
        self._server = create_server(
            app,
            map=self._map,
            sockets=[listener],
            threads=settings.web_threads,
            connection_limit=connection_limit(resource.getrlimit(resource.RLIMIT_NOFILE)[0]),
            max_request_header_size=MAX_HEADER_BYTES,
            max_request_body_size=max(settings.max_body_bytes, settings.max_upload_bytes, settings.max_bulk_bytes) + 1,
            recv_bytes=RECEIVE_BYTES,
            inbuf_overflow=MEMORY_PER_BODY_BYTES,
            asyncore_use_poll=True,
            ident="nearfield",
        )
        self._server.channel_class = Channel
        self._server.intake = intake or Intake(settings)
        self._server.accept = self._accept
        logging.getLogger("waitress.queue").setLevel(logging.ERROR)  # a line per waiting request helps nobody

    def run(self, on_stop: Callable[[], None]) -> None:
        """Serves until ``stop``; then lets running requests finish for up to 3 s.

        Args:
            on_stop: called as soon as the stop is seen, to end what would run on (event streams).
        """
        while not self._stop.is_set():
            self._poll(LOOP_S)
        on_stop()
        self._server.del_channel()  # no new connections; the listening socket is closed below
        dispatcher = self._server.task_dispatcher
        ends = time.monotonic() + STOP_GRACE_S
        while time.monotonic() < ends and (dispatcher.active_count or dispatcher.queue or self._unsent()):
            self._poll(0.05)
        dispatcher.shutdown(timeout=0.2)
        self._server.socket.close()
        wasyncore.close_all(self._map, ignore_all=True)

    def stop(self) -> None:
        """Asks ``run`` to end; may be called from a signal handler."""
        self._stop.set()
        with contextlib.suppress(OSError):  # the loop has ended and closed its end of the trigger
            self._server.pull_trigger()

    def _poll(self, timeout_s: float) -> None:
        wasyncore.loop(timeout=timeout_s, use_poll=True, map=self._map, count=1)
        now = time.monotonic()
        if not self._server.accepting and not self._stop.is_set() and now - self._paused >= ACCEPT_PAUSE_S:
            self._server.accepting = True
        if now - self._kept_house >= LOOP_S:
            self._kept_house = now
            self._housekeeping()

    def _accept(self) -> Any:
        """As waitress accepts, but where no file descriptor is left it rests a moment instead of trying at once again.

        The socket stays readable, so the loop would do nothing else, and write a line to the log each time.
        """
        try:
            return wasyncore.dispatcher.accept(self._server)
        except OSError as error:
            if error.errno not in (errno.EMFILE, errno.ENFILE):
                raise
            if self._server.accepting:
                log.warning("no file descriptor is left for a new connection; raise the limit (ulimit -n)")
            self._server.accepting = False
            self._paused = time.monotonic()
            return None

    def _unsent(self) -> bool:
        return any(channel.total_outbufs_len for channel in self._server.active_channels.values())
