"""Errors as pages: what happened, in plain words, and what to do next."""

from __future__ import annotations

from collections.abc import Mapping

import flask

from services.errors import NearfieldError
from web.errors import Problem, problem_of
from web.pages.words import sentence

# Headings by code, then by status. The second part replaces a detail that speaks to programs, "" keeps the detail.
_BY_CODE: Mapping[str, tuple[str, str]] = {
    "no-such-route": ("There is no such page", "The address may have a typing error, or what it named was deleted."),
    "method-not-allowed": (
        "This page cannot be opened that way",
        "It only answers to the form it belongs to. Go back and use the button there.",
    ),
    "cross-site-request": ("That came from another site", ""),
    "unknown-collection": ("There is no such collection", ""),
    "unknown-document": ("There is no such document", ""),
    "unknown-model": ("There is no such model", ""),
    "unknown-training": ("There is no such training", ""),
    "unknown-job": ("There is no such job", ""),
    "index-rebuilding": ("The index is being rebuilt", ""),
    "model-loading": ("The model is still loading", ""),
    "ledger-unavailable": ("The store does not answer", ""),
    "index-unavailable": ("The store does not answer", ""),
    "store-away": ("The store does not answer", ""),
}
_BY_STATUS: Mapping[int, str] = {
    400: "That cannot be read",
    409: "That does not fit what is there",
    413: "That is too much at once",
    415: "That kind of file is not read here",
    422: "That does not work as it stands",
    500: "Something went wrong here",
    503: "Not now",
    507: "There is no room left",
}


def heading_of(problem: Problem) -> str:
    """A heading a reader understands."""
    words = _BY_CODE.get(problem.code)
    return words[0] if words else _BY_STATUS.get(problem.status, problem.title)


def sentence_of(problem: Problem) -> str:
    """What was wrong and what to do, as a sentence."""
    return sentence(_BY_CODE.get(problem.code, ("", ""))[1] or problem.detail)


def current_problem(error: NearfieldError) -> Problem:
    """The problem for an error that a page shows in its own place instead of becoming an error page."""
    return problem_of(error, request_id=flask.g.get("request_id", ""))


def error_page(problem: Problem) -> flask.Response:
    """A whole page for an error; asks no store for anything, because the store may be what is away."""
    body = flask.render_template(
        "error.html", problem=problem, heading=heading_of(problem), sentence=sentence_of(problem)
    )
    response = flask.Response(body, status=problem.status, content_type="text/html; charset=utf-8")
    response.headers.extend(problem.headers)
    return response
