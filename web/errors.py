"""From an exception to the one error shape of the API: problem+json (RFC 9457) with a stable code.

Services know no HTTP; the table below is the only place where an error class meets a status code. Pages render the
same ``Problem`` as HTML: they register a renderer, and every error outside the API's own paths goes through it.
"""

from __future__ import annotations

import errno
import html
import json
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import cast

import flask
from redis.exceptions import RedisError
from werkzeug.exceptions import HTTPException, default_exceptions

from services.errors import (
    Conflict,
    ExtractionFailed,
    IndexRebuilding,
    InvalidInput,
    MalformedJson,
    ModelError,
    NearfieldError,
    NotFound,
    Overloaded,
    SourceError,
    StorageFull,
    TooLarge,
    Unavailable,
    UnsupportedMedia,
)
from services.ledger.redis_link import redis_errors
from web.shapes import ProblemShape

log = logging.getLogger(__name__)

PROBLEM_TYPE = "application/problem+json"
RENDERER_KEY = "nearfield-page-renderer"
FOREIGN_SHAPES_KEY = "nearfield-foreign-errors"
"""Prefixes of addresses whose errors have another project's shape, with what makes it of a problem."""

RETRY_AFTER_S = 2
_EXHAUSTED = (errno.EMFILE, errno.ENFILE, errno.ENOSPC, errno.EDQUOT)

# The nearest class in an error's ancestry decides.
STATUS_OF: Mapping[type[Exception], tuple[int, str]] = {
    NearfieldError: (500, "Internal error"),
    MalformedJson: (400, "Malformed JSON"),
    InvalidInput: (422, "Invalid input"),
    TooLarge: (413, "Too large"),
    UnsupportedMedia: (415, "Unsupported media type"),
    ExtractionFailed: (422, "The document cannot be read"),
    NotFound: (404, "Not found"),
    Conflict: (409, "Conflict"),
    ModelError: (409, "Model not usable"),
    Unavailable: (503, "Temporarily unavailable"),
    IndexRebuilding: (503, "Index is being rebuilt"),
    Overloaded: (503, "Overloaded"),
    SourceError: (503, "Source cannot be read"),
    StorageFull: (507, "Storage is full"),
}

# Codes and next steps for the errors that Flask and Werkzeug raise themselves.
_HTTP_ERRORS: Mapping[int, tuple[str, str]] = {
    400: ("bad-request", "the request cannot be read; check its syntax"),
    403: ("forbidden", "this is not allowed"),
    404: ("no-such-route", "there is nothing at this address; /openapi.json lists every route"),
    405: ("method-not-allowed", "this address does not answer to this method; the Allow header names those it does"),
    413: ("too-large", "the request is larger than this server reads; send less at a time"),
    414: ("uri-too-long", "the address is too long; send the values in a POST body"),
    415: ("unsupported-media-type", "this content type is not read here"),
    408: ("request-timeout", "the request took too long to arrive; send it again"),
    416: ("range-not-satisfiable", "the requested range is outside the content"),
    431: ("headers-too-large", "address and headers are too large; send long values in a POST body"),
    500: ("internal", "an unexpected error; the server's log has more. Try again, and report it if it comes back"),
    501: ("not-implemented", "this transfer encoding is not read; send a Content-Length or plain chunks"),
}


class RequestRefused(NearfieldError):
    """A request that the front door turns away before any service sees it (wrong host, another site's page).

    Args:
        status: the HTTP status of the refusal.
    """

    def __init__(self, message: str, *, code: str, status: int, pointer: str | None = None) -> None:
        super().__init__(message, code=code, pointer=pointer)
        self.status = status


@dataclass(frozen=True, slots=True)
class FieldProblem:
    """One of several things wrong with a request; ``pointer`` is a JSON pointer or "/" + a parameter's name."""

    code: str
    detail: str
    pointer: str


class RequestInvalid(InvalidInput):
    """A request whose members have wrong types, unknown names or values out of range; lists all of them."""

    def __init__(self, problems: Sequence[FieldProblem]) -> None:
        first = problems[0]
        super().__init__(first.detail, pointer=first.pointer, code=first.code)
        self.problems = tuple(problems)


@dataclass(frozen=True, slots=True)
class Problem:
    """An error as people and clients see it; ``headers`` belong on the response (Allow, Retry-After)."""

    status: int
    title: str
    detail: str
    code: str
    pointer: str | None = None
    retryable: bool = False
    retry_after_s: int | None = None
    request_id: str = ""
    errors: tuple[FieldProblem, ...] = ()
    headers: tuple[tuple[str, str], ...] = field(default=())

    def as_shape(self) -> ProblemShape:
        """The members of the problem+json object."""
        members: ProblemShape = {
            "type": f"urn:nearfield:error:{self.code}",
            "title": self.title,
            "status": self.status,
            "detail": self.detail,
            "code": self.code,
            "retryable": self.retryable,
            "request_id": self.request_id,
        }
        if self.pointer is not None:
            members["pointer"] = self.pointer
        if len(self.errors) > 1:
            members["errors"] = [
                {"code": error.code, "detail": error.detail, "pointer": error.pointer} for error in self.errors
            ]
        return members


PageRenderer = Callable[[Problem], flask.Response]


def set_page_renderer(app: flask.Flask, renderer: PageRenderer) -> None:
    """Registers how errors of pages are shown; the pages blueprint calls it when it is registered."""
    app.extensions[RENDERER_KEY] = renderer


def problem_of(error: Exception, *, request_id: str = "") -> Problem:
    """What an exception means to the caller. Unexpected ones say nothing of their inside."""
    if isinstance(error, RedisError):
        error = _translated(error)
    if isinstance(error, OSError) and error.errno in _EXHAUSTED:
        error = _exhausted(error)
    if isinstance(error, RequestRefused):
        title = HTTPStatus(error.status).phrase
        return Problem(error.status, title, error.message, error.code, error.pointer, request_id=request_id)
    if isinstance(error, NearfieldError):
        return _expected(error, request_id)
    if isinstance(error, HTTPException) and error.code is not None:
        kept = tuple((name, value) for name, value in error.get_headers() if name.lower() != "content-type")
        return http_problem(error.code, request_id, kept)
    return Problem(
        500,
        "Internal error",
        f"an unexpected error; the server's log has it under request id {request_id}. Nothing more is known here: "
        "try again, and report it if it comes back",
        "internal",
        request_id=request_id,
    )


def _translated(error: RedisError) -> Exception:
    """What a Redis error means that no service has translated; itself when it is a fault of ours."""
    try:
        with redis_errors("ledger"):
            raise error
    except (NearfieldError, RedisError) as translated:
        return translated


def _exhausted(error: OSError) -> NearfieldError:
    """A resource of the process or the machine that is used up, wherever it was met."""
    if error.errno in (errno.EMFILE, errno.ENFILE):
        return Unavailable(
            "too many files and connections are open at the moment; send this again. If it lasts, raise the limit of "
            "open files (ulimit -n)",
            code="no-file-descriptors",
            retry_after_s=RETRY_AFTER_S,
        )
    return StorageFull("no room is left on a disk; free some space and send this again", retry_after_s=30)


def _expected(error: NearfieldError, request_id: str) -> Problem:
    status, title = next(STATUS_OF[kind] for kind in type(error).__mro__ if kind in STATUS_OF)
    retry_after_s = error.retry_after_s
    if retry_after_s is None and status == HTTPStatus.SERVICE_UNAVAILABLE:
        retry_after_s = RETRY_AFTER_S
    return Problem(
        status,
        title,
        error.message,
        error.code,
        error.pointer,
        error.retryable,
        retry_after_s,
        request_id,
        error.problems if isinstance(error, RequestInvalid) else (),
        (("Retry-After", str(retry_after_s)),) if retry_after_s is not None else (),
    )


def http_problem(status: int, request_id: str, headers: tuple[tuple[str, str], ...] = ()) -> Problem:
    """What a status means that Flask or the HTTP server below it chose, without an error of ours."""
    code, detail = _HTTP_ERRORS.get(status, ("http-error", "the request was refused; check it against /openapi.json"))
    title = HTTPStatus(status).phrase if status in default_exceptions else "Refused"
    return Problem(status, title, detail, code, request_id=request_id, headers=headers)


def problem_response(problem: Problem) -> flask.Response:
    """The problem as application/problem+json."""
    body = json.dumps(problem.as_shape(), ensure_ascii=False).encode("utf-8", "replace")
    response = flask.Response(body, status=problem.status, content_type=PROBLEM_TYPE)
    response.headers.extend(problem.headers)
    return response


def page_text(problem: Problem) -> str:
    """A bare HTML page, for where there is no application to render a fuller one."""
    return f"<!doctype html><title>{html.escape(problem.title)}</title><p>{html.escape(problem.detail)}</p>"


def plain_page(problem: Problem) -> flask.Response:
    """A bare HTML page for the case that no page renderer is registered, or that it failed itself."""
    response = flask.Response(page_text(problem), status=problem.status, content_type="text/html; charset=utf-8")
    response.headers.extend(problem.headers)
    return response


def is_api_path(path: str) -> bool:
    """Whether an address belongs to programs, so that its errors are problem+json."""
    return path.startswith(("/api/", "/v1/")) or path in ("/api", "/livez", "/readyz", "/version", "/openapi.json")


def register(app: flask.Flask) -> None:
    """Makes every error of the app a problem: JSON on the API's paths, the pages' own HTML elsewhere."""

    def handle(error: Exception) -> flask.Response | HTTPException:
        if isinstance(error, HTTPException) and (error.code is None or error.code < HTTPStatus.BAD_REQUEST):
            return error  # a redirect of the router
        problem = problem_of(error, request_id=flask.g.get("request_id", ""))
        if problem.code == "internal":
            log.error("unexpected error, request id %s", problem.request_id, exc_info=error)
        elif problem.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            log.warning("%s: %s (request id %s)", problem.code, problem.detail, problem.request_id)
        for prefix, render in app.extensions.get(FOREIGN_SHAPES_KEY, {}).items():
            if flask.request.path.startswith(prefix):
                return cast(flask.Response, render(problem))
        if is_api_path(flask.request.path):
            return problem_response(problem)
        return _page(app, problem)

    app.register_error_handler(Exception, handle)


def _page(app: flask.Flask, problem: Problem) -> flask.Response:
    renderer: PageRenderer = app.extensions.get(RENDERER_KEY, plain_page)
    try:
        return renderer(problem)
    except Exception:  # the error page itself is broken: the caller still gets the status and the words
        log.exception("the error page failed, request id %s", problem.request_id)
        return plain_page(problem)
