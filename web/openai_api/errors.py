"""Errors of ``/v1`` in OpenAI's shape: its clients know an error by the status, and by these members."""

from __future__ import annotations

import re

import flask

from web.body import json_response
from web.errors import Problem
from web.openai_api.shapes import OpenAIErrorShape

# OpenAI knows no 422: whatever is wrong with a request is 400. Its clients repeat a 409, which ours never deserves.
_STATUS = {422: 400, 409: 503}
_NUMBER = re.compile(r"/(\d+)(?=/|$)")
UNKNOWN_MODEL = "unknown-model"


def error_response(problem: Problem) -> flask.Response:
    """A problem as OpenAI would tell it. ``x-should-retry`` tells its clients what the status alone does not."""
    unknown = problem.code == UNKNOWN_MODEL
    status = 404 if unknown else _STATUS.get(problem.status, problem.status)
    error: OpenAIErrorShape = {
        "error": {
            "message": problem.detail,
            "type": "invalid_request_error" if status < 500 else "server_error",
            "param": _param(problem.pointer),
            "code": "model_not_found" if unknown else problem.code,
        }
    }
    response = json_response(error, status)
    response.headers.extend(problem.headers)
    response.headers["x-should-retry"] = "true" if problem.retryable else "false"
    return response


def _param(pointer: str | None) -> str | None:
    """The pointer "/input/3" as "input[3]"."""
    return _NUMBER.sub(r"[\1]", pointer).lstrip("/").replace("/", ".") or None if pointer else None
